//! Reading a store at start: every record verified, nothing missing between the checkpoint and the end of the log.

use super::chain::{Chain, Tally};
use super::pairs::{Batch, Key, Pairs, walk};
use super::record::{self, EPOCH, LOG, LOG_END, MARKER, PAGES_END};
use super::segment::HEADER_BYTES;
use super::sweep::Sweeps;
use super::{Checkpoint, CheckpointId, Epoch, Recovery, Segment, StoreError};
use bytes::Bytes;
use commonhold_proto::Revision;

/// Records removed at a time.
const REMOVED_AT_ONCE: usize = 256;

/// What a store knows once it was read.
pub(super) struct Loaded {
    pub(super) chain: Chain,
    pub(super) in_force: Option<Checkpoint>,
    pub(super) tally: Tally,
    /// What the checkpoint in force made outdated and nobody has removed yet.
    pub(super) outdated: Sweeps,
}

/// The epoch of the last owner, 0 if there was none.
pub(super) fn epoch(pairs: &dyn Pairs) -> Result<Epoch, StoreError> {
    let Some(payload) = get(pairs, EPOCH, "the epoch")? else {
        return Ok(Epoch(0));
    };
    match payload.as_ref().try_into() {
        Ok(number) => Ok(Epoch(u64::from_le_bytes(number))),
        Err(_) => Err(damaged(pairs, "the epoch is no number".to_owned())),
    }
}

/// Gives a sink all that the store holds, and removes what a crash left unfinished.
pub(super) fn load(pairs: &mut dyn Pairs, sink: &mut dyn Recovery) -> Result<Loaded, StoreError> {
    let in_force = marker(pairs)?;
    if let Some(checkpoint) = in_force {
        sink.checkpoint(checkpoint)?;
        pages(pairs, checkpoint, sink)?;
    }
    let mut log = Log {
        pairs: &*pairs,
        sink,
        start: in_force.map_or(Revision(0), |checkpoint| checkpoint.start),
        chain: None,
        run: Vec::new(),
        tally: Tally::default(),
    };
    walk(&*pairs, LOG..LOG_END, |key, record| {
        log.record(&key, &record)
    })?;
    let Log {
        start,
        chain,
        run,
        tally,
        ..
    } = log;
    let mut chain = chain.unwrap_or(Chain::at(start));
    check_end(pairs, chain.reach, in_force)?;
    remove_unfinished(pairs, in_force, &run)?;
    chain.run = None;
    let mut outdated = Sweeps::default();
    if let Some(checkpoint) = in_force {
        outdated.log_through(checkpoint.start);
        outdated.pages(CheckpointId(0), checkpoint.id);
    }
    Ok(Loaded {
        chain,
        in_force,
        tally,
        outdated,
    })
}

fn marker(pairs: &dyn Pairs) -> Result<Option<Checkpoint>, StoreError> {
    let Some(payload) = get(pairs, MARKER, "the marker of the checkpoint")? else {
        return Ok(None);
    };
    match Checkpoint::decode(&payload) {
        Some(checkpoint) => Ok(Some(checkpoint)),
        None => Err(damaged(
            pairs,
            "the marker of the checkpoint cannot be read".to_owned(),
        )),
    }
}

fn pages(
    pairs: &dyn Pairs,
    Checkpoint { id, pages, .. }: Checkpoint,
    sink: &mut dyn Recovery,
) -> Result<(), StoreError> {
    let name = |index| format!("page {index} of checkpoint {}", id.0);
    let (from, to) = (record::page_key(id, 0), record::page_key(id, pages));
    let mut index = 0;
    walk(pairs, &from..&to, |key, value| {
        if key != record::page_key(id, index) {
            return Err(damaged(pairs, format!("{} is missing", name(index))));
        }
        let page = record::open(&key, &value)
            .map_err(|what| damaged(pairs, format!("{}: {what}", name(index))))?;
        index += 1;
        sink.page(page)
    })?;
    if index < pages {
        return Err(damaged(pairs, format!("{} is missing", name(index))));
    }
    Ok(())
}

/// The log, as far as it was read.
struct Log<'a> {
    pairs: &'a dyn Pairs,
    sink: &'a mut dyn Recovery,
    /// What ends at or before this is outdated.
    start: Revision,
    /// None before the first segment that is not.
    chain: Option<Chain>,
    /// A change whose last chunk was not seen yet. A reader gets whole changes only.
    run: Vec<Segment>,
    tally: Tally,
}

impl Log<'_> {
    fn record(&mut self, key: &Key, record: &Bytes) -> Result<(), StoreError> {
        let (header, _) = Segment::open(record)
            .map_err(|what| damaged(self.pairs, format!("{}: {what}", place(key))))?;
        if record::segment_key(&header) != *key {
            let what = format!("{} holds another segment", place(key));
            return Err(damaged(self.pairs, what));
        }
        if header.last <= self.start {
            return Ok(());
        }
        // The segments before the first may be gone, but none that reaches beyond `start`.
        let chain = self
            .chain
            .get_or_insert(Chain::at(header.previous.min(self.start)));
        chain
            .follow(&header)
            .map_err(|what| damaged(self.pairs, what))?;
        let record = record.clone();
        self.run.push(Segment { header, record });
        if !header.more {
            for Segment { header, record } in self.run.drain(..) {
                self.tally.add(header.last, &record);
                self.sink.segment(header, record.slice(HEADER_BYTES..))?;
            }
        }
        Ok(())
    }
}

/// Does the log go as far as it must?
fn check_end(
    pairs: &dyn Pairs,
    reach: Revision,
    in_force: Option<Checkpoint>,
) -> Result<(), StoreError> {
    if let Some(Checkpoint { id, end, .. }) = in_force
        && end > reach
    {
        let id = id.0;
        return Err(damaged(
            pairs,
            format!("the log ends at revision {reach}, but checkpoint {id} needs it up to {end}"),
        ));
    }
    Ok(())
}

/// Removes for good what must not be met later: the run that broke off at the end of the log, because other changes will
/// follow, and pages that were never published, because their names will be used again.
fn remove_unfinished(
    pairs: &mut dyn Pairs,
    in_force: Option<Checkpoint>,
    run: &[Segment],
) -> Result<(), StoreError> {
    let mut removed = false;
    for part in run.chunks(REMOVED_AT_ONCE) {
        let mut batch = Batch::default();
        for segment in part {
            batch.delete(record::segment_key(&segment.header));
        }
        pairs.write(batch, false)?;
        removed = true;
    }
    let unpublished = in_force.map_or(record::page_key(CheckpointId(0), 0), |checkpoint| {
        record::page_key(checkpoint.id, checkpoint.pages)
    });
    loop {
        let found = pairs.scan(&unpublished..PAGES_END, REMOVED_AT_ONCE)?;
        if found.is_empty() {
            break;
        }
        let mut batch = Batch::default();
        for (key, _) in found {
            batch.delete(key);
        }
        pairs.write(batch, false)?;
        removed = true;
    }
    if removed {
        pairs.write(Batch::default(), true)?;
    }
    Ok(())
}

/// Opens the value of one key.
fn get(pairs: &dyn Pairs, key: &[u8], name: &str) -> Result<Option<Bytes>, StoreError> {
    let after = [key, &[0]].concat();
    let Some((_, value)) = pairs.scan(key..&after, 1)?.pop() else {
        return Ok(None);
    };
    let opened = record::open(key, &value);
    opened
        .map(Some)
        .map_err(|what| damaged(pairs, format!("{name}: {what}")))
}

/// Names a record of the log by its key.
fn place(key: &[u8]) -> String {
    match (key.get(1..9), key.get(9..13)) {
        (Some(first), Some(chunk)) if key.len() == 13 => format!(
            "the segment at revision {}, chunk {}",
            u64::from_be_bytes(first.try_into().expect("eight bytes")),
            u32::from_be_bytes(chunk.try_into().expect("four bytes"))
        ),
        _ => format!("the segment at {key:02x?}"),
    }
}

fn damaged(pairs: &dyn Pairs, what: String) -> StoreError {
    StoreError::Damaged {
        path: pairs.path().to_owned(),
        what,
    }
}
