//! A store over ordered pairs: all that the stores have in common. The parts that differ are behind [`Pairs`].

use super::chain::{Chain, Tally, name};
use super::load::{self, Loaded};
use super::pairs::{Batch, Key, Pairs};
use super::record::{self, EPOCH};
use super::sweep::Sweeps;
use super::{
    Checkpoint, CheckpointId, Epoch, Recovery, Segment, ShardId, Store, StoreError, StoreLimits,
    StoreStats, WriteWatch,
};

/// After so many appends without a pause some outdated records are removed, more than were appended, so that they get
/// fewer even if the owner is never idle.
const SWEEP_EVERY: u64 = 16;
/// Keys of outdated records that one call of `tend` removes: about a millisecond.
const SWEPT_BY_TEND: usize = 64;

/// A store over ordered pairs.
pub(super) struct Keyed {
    pairs: Box<dyn Pairs>,
    watch: WriteWatch,
    epoch: Option<Epoch>,
    /// Where the log stands; none before it was loaded.
    chain: Option<Chain>,
    in_force: Option<Checkpoint>,
    /// The checkpoint under way, and how many pages it has.
    writing: Option<(CheckpointId, u64)>,
    /// The highest checkpoint that was ever begun here: names are not used twice, as pages of a discarded one may linger.
    newest_id: CheckpointId,
    sweeps: Sweeps,
    tally: Tally,
    appends: u64,
}

impl Keyed {
    pub(super) fn over(pairs: Box<dyn Pairs>) -> Keyed {
        Keyed {
            pairs,
            watch: WriteWatch::default(),
            epoch: None,
            chain: None,
            in_force: None,
            writing: None,
            newest_id: CheckpointId(0),
            sweeps: Sweeps::default(),
            tally: Tally::default(),
            appends: 0,
        }
    }

    fn write(&mut self, batch: Batch, sync: bool) -> Result<(), StoreError> {
        let _under_way = self.watch.begin();
        self.pairs.write(batch, sync)
    }

    fn chain(&self) -> Result<Chain, StoreError> {
        self.chain.ok_or_else(|| misuse("the log was not loaded"))
    }

    /// The segments that the log does not hold yet, and where it stands with them.
    fn missing<'a>(
        &self,
        segments: &'a [Segment],
    ) -> Result<(Vec<&'a Segment>, Chain), StoreError> {
        let mut chain = self.chain()?;
        let mut missing = Vec::with_capacity(segments.len());
        let record_bytes_max = self.limits().segment_bytes_max + super::segment::HEADER_BYTES;
        for segment in segments {
            if chain.holds(&segment.header) {
                continue;
            }
            if segment.record.len() > record_bytes_max {
                let (name, bytes) = (name(&segment.header), segment.record.len());
                return Err(misuse(&format!(
                    "{name} has {bytes} bytes, over {record_bytes_max}"
                )));
            }
            chain
                .follow(&segment.header)
                .map_err(|what| misuse(&what))?;
            missing.push(segment);
        }
        Ok((missing, chain))
    }
}

impl Store for Keyed {
    fn acquire(&mut self, shard: ShardId) -> Result<Epoch, StoreError> {
        if shard != ShardId::default() {
            return Err(misuse("this store has one shard, number 0"));
        }
        let before = load::epoch(&*self.pairs)?;
        let epoch = Epoch(before.0 + 1);
        let mut batch = Batch::default();
        let sealed = record::seal(EPOCH, &epoch.0.to_le_bytes());
        batch.put(Key::from_slice(EPOCH), sealed);
        self.write(batch, true)?;
        self.epoch = Some(epoch);
        Ok(epoch)
    }

    fn load(&mut self, sink: &mut dyn Recovery) -> Result<(), StoreError> {
        if self.epoch.is_none() {
            return Err(misuse("the shard was not acquired"));
        }
        let Loaded {
            chain,
            in_force,
            tally,
            outdated,
        } = load::load(&mut *self.pairs, sink)?;
        self.chain = Some(chain);
        self.in_force = in_force;
        self.newest_id = in_force.map_or(CheckpointId(0), |checkpoint| checkpoint.id);
        self.writing = None;
        self.tally = tally;
        self.sweeps = outdated;
        Ok(())
    }

    fn append(&mut self, epoch: Epoch, segments: &[Segment]) -> Result<(), StoreError> {
        if self.epoch != Some(epoch) {
            return Err(StoreError::Fenced);
        }
        let (missing, chain) = self.missing(segments)?;
        if missing.is_empty() {
            return Ok(());
        }
        let mut batch = Batch::default();
        for segment in &missing {
            batch.put(record::segment_key(&segment.header), segment.record.clone());
        }
        let under_way = self.watch.begin();
        self.pairs.append(batch)?;
        drop(under_way);
        for segment in missing {
            self.tally.add(segment.header.last, &segment.record);
        }
        self.chain = Some(chain);
        self.appends += 1;
        if self.appends.is_multiple_of(SWEEP_EVERY) && !self.sweeps.is_empty() {
            self.tend()?;
        }
        Ok(())
    }

    fn write_page(&mut self, id: CheckpointId, index: u64, page: &[u8]) -> Result<(), StoreError> {
        self.chain()?;
        let pages = match self.writing {
            Some((under_way, pages)) if under_way == id => pages,
            Some((under_way, _)) => {
                return Err(misuse(&format!("checkpoint {} is under way", under_way.0)));
            }
            None if id > self.newest_id => 0,
            None => {
                return Err(misuse(
                    "the name of a checkpoint is higher than those before",
                ));
            }
        };
        if index > pages {
            return Err(misuse(&format!("page {pages} comes before page {index}")));
        }
        if page.len() > self.limits().segment_bytes_max {
            return Err(misuse(&format!(
                "a page of {} bytes is too large",
                page.len()
            )));
        }
        let mut batch = Batch::default();
        let key = record::page_key(id, index);
        let sealed = record::seal(&key, page);
        batch.put(key, sealed);
        self.write(batch, false)?;
        self.writing = Some((id, pages.max(index + 1)));
        self.newest_id = id;
        Ok(())
    }

    fn publish(&mut self, checkpoint: Checkpoint) -> Result<(), StoreError> {
        let reach = self.chain()?.reach;
        let written = match self.writing {
            Some((under_way, pages)) => under_way == checkpoint.id && pages == checkpoint.pages,
            None => checkpoint.id > self.newest_id && checkpoint.pages == 0,
        };
        if !written {
            return Err(misuse(&format!(
                "checkpoint {} is published with {} pages, but {:?} were written",
                checkpoint.id.0, checkpoint.pages, self.writing
            )));
        }
        let Checkpoint { start, end, .. } = checkpoint;
        let outdated = self.in_force.is_some_and(|before| before.start > start);
        if outdated || start > end || end > reach {
            return Err(misuse(&format!(
                "a checkpoint from {start} to {end} is published while the log stands at {reach}"
            )));
        }
        // The pages first, by themselves: a disk may keep the marker and lose what was written with it.
        self.write(Batch::default(), true)?;
        let mut batch = Batch::default();
        let marker = record::seal(record::MARKER, &checkpoint.encode());
        batch.put(Key::from_slice(record::MARKER), marker);
        self.write(batch, true)?;
        self.writing = None;
        self.newest_id = checkpoint.id;
        self.in_force = Some(checkpoint);
        self.sweeps.log_through(start);
        self.sweeps.pages(CheckpointId(0), checkpoint.id);
        self.tally.trim(start);
        Ok(())
    }

    fn discard(&mut self, id: CheckpointId) -> Result<(), StoreError> {
        if self.writing.is_some_and(|(under_way, _)| under_way == id) {
            self.writing = None;
            self.sweeps.pages(id, CheckpointId(id.0 + 1));
        }
        Ok(())
    }

    fn tend(&mut self) -> Result<bool, StoreError> {
        let mut batch = Batch::default();
        let swept = self.sweeps.next(&*self.pairs, SWEPT_BY_TEND, &mut batch)?;
        if !batch.steps.is_empty() {
            // No sync: what a crash brings back is removed again after the next load.
            self.write(batch, false)?;
        }
        self.sweeps.done(&swept);
        Ok(!self.sweeps.is_empty())
    }

    fn limits(&self) -> StoreLimits {
        self.pairs.limits()
    }

    fn stats(&self) -> StoreStats {
        let measure = self.pairs.measure();
        StoreStats {
            appends: self.appends,
            syncs: measure.syncs,
            log_bytes: self.tally.bytes(),
            disk_bytes: measure.disk_bytes,
            free_bytes: measure.free_bytes,
        }
    }

    fn watch(&self) -> WriteWatch {
        self.watch.clone()
    }

    fn release(&mut self, epoch: Epoch) -> Result<(), StoreError> {
        if self.epoch != Some(epoch) {
            return Err(StoreError::Fenced);
        }
        self.write(Batch::default(), true)?;
        self.epoch = None;
        Ok(())
    }
}

fn misuse(what: &str) -> StoreError {
    StoreError::Misused {
        what: what.to_owned(),
    }
}
