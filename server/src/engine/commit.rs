//! The committer: takes all that gathered, appends it as one batch of segments, lets the replies go. No timer.
//!
//! It owns the store. Between two batches it writes one page of a checkpoint that is under way, so a checkpoint never
//! holds up a commit for longer than a page takes.

use super::checkpoint::Scan;
use super::faults::Fault;
use super::{Engine, caught};
use crate::store::{CheckpointId, Epoch, Segment, SegmentHeader, Store, StoreError, StoreLimits};
use commonhold_proto::{Change, Revision};
use smallvec::SmallVec;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How often the store's numbers are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long a full disk is waited for before the same bytes are tried again.
const RETRY_AFTER: Duration = Duration::from_millis(100);

/// Owns the store and writes the log.
pub(crate) struct Committer {
    engine: Arc<Engine>,
    store: Box<dyn Store>,
    epoch: Epoch,
    limits: StoreLimits,
    /// The last revision of the newest segment.
    previous: Revision,
    checkpoint: Option<Scan>,
    next_checkpoint: CheckpointId,
    looked: Option<Instant>,
    log_bytes: u64,
    /// So many changes are likely to be there soon, and for so long they are waited for.
    expected: (usize, Duration),
}

impl Committer {
    pub(super) fn new(
        engine: Arc<Engine>,
        store: Box<dyn Store>,
        epoch: Epoch,
        previous: Revision,
        last_checkpoint: CheckpointId,
    ) -> Committer {
        let limits = store.limits();
        let next_checkpoint = CheckpointId(last_checkpoint.0 + 1);
        let log_bytes = store.stats().log_bytes;
        Committer {
            engine,
            store,
            epoch,
            limits,
            previous,
            checkpoint: None,
            next_checkpoint,
            looked: None,
            log_bytes,
            expected: (0, Duration::ZERO),
        }
    }

    /// Commits until the engine stops or the store fails, then gives the store back.
    pub(crate) fn run(mut self) {
        let engine = Arc::clone(&self.engine);
        match caught(|| self.commit_until_stopped()) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => engine.poison(&format!("the store failed: {}", chain(&error))),
            Err(panic) => engine.poison(&format!("the committer panicked: {panic}")),
        }
    }

    fn commit_until_stopped(&mut self) -> Result<(), StoreError> {
        loop {
            let stopping = self.engine.is_stopping();
            let busy = self.step()?;
            if busy {
                continue;
            }
            if stopping {
                return self.store.release(self.epoch);
            }
            self.engine.log.wait(LOOK_EVERY);
        }
    }

    /// One batch, and one page of a checkpoint that is under way. False if there was nothing to do.
    pub(crate) fn step(&mut self) -> Result<bool, StoreError> {
        if self.engine.log.needs_mark() {
            self.mark();
        }
        let (count, patience) = self.expected;
        self.engine.log.gather(count, patience);
        let changes = self.engine.log.take();
        if let (Some(first), Some(last)) = (changes.first(), changes.last()) {
            let (first, last) = (first.revision, last.revision);
            let segments = self.pack(&changes);
            let began = Instant::now();
            self.append(&segments)?;
            // Those who are answered now are likely to come again soon, and are waited for as long as an append takes.
            // Two halves of a crowd would take turns for ever, each with a sync of its own.
            let count = changes.len() + self.engine.log.gathered();
            self.expected = (count, began.elapsed());
            self.log_bytes += segments
                .iter()
                .map(|segment| segment.record.len() as u64)
                .sum::<u64>();
            self.previous = last;
            // Settled first: a lane that is read no further because too much waits looks again when the gate moves.
            self.engine.log.settled(&changes);
            self.engine.gate.advance(last);
            tracing::trace!(%first, %last, changes = changes.len(), "committed");
        }
        self.look();
        let checkpointing = self.tend_checkpoint()?;
        if changes.is_empty() && !checkpointing {
            return self.store.tend();
        }
        Ok(true)
    }

    /// Logs an empty change.
    pub(super) fn mark(&self) {
        let at = self.engine.clock.now();
        self.engine.log.push(|revision| Change {
            revision,
            at,
            operation: None,
            parts: SmallVec::new(),
        });
    }

    /// Appends, and again for as long as the store says that it may be tried again.
    fn append(&mut self, segments: &[Segment]) -> Result<(), StoreError> {
        loop {
            match self.store.append(self.epoch, segments) {
                Err(error) if error.is_retryable() && !self.engine.is_stopping() => {
                    self.engine.set_full(true);
                    tracing::warn!(
                        error = chain(&error),
                        "the store refuses an append; it is tried again"
                    );
                    std::thread::park_timeout(RETRY_AFTER);
                }
                result => return result,
            }
        }
    }

    /// Packs changes into segments; one that is larger than a segment becomes a run of chunks.
    fn pack(&self, changes: &[Change]) -> Vec<Segment> {
        let most = self.limits.segment_bytes_max;
        let mut packer = Packer::after(self.previous);
        let mut encoded = Vec::new();
        for change in changes {
            encoded.clear();
            change.encode(&mut encoded);
            if packer.payload.len() + encoded.len() > most {
                packer.seal();
            }
            if encoded.len() > most {
                packer.chunks(change.revision, &encoded, most);
                continue;
            }
            packer.first.get_or_insert(change.revision);
            packer.payload.extend_from_slice(&encoded);
            packer.last_whole = Some(change.revision);
        }
        packer.seal();
        packer.segments
    }

    /// Looks at the store's numbers from time to time: is there room, is a checkpoint due?
    fn look(&mut self) {
        if self
            .looked
            .is_some_and(|looked| looked.elapsed() < LOOK_EVERY)
        {
            return;
        }
        self.looked = Some(Instant::now());
        let stats = self.store.stats();
        let free = stats.free_bytes.unwrap_or(u64::MAX);
        let pending = self.engine.log.pending_bytes() as u64;
        self.engine
            .set_full(free.saturating_sub(pending) < self.engine.limits.disk_reserve);
        *self.engine.store_stats.lock() = stats;
        let due = self.log_bytes > self.engine.limits.checkpoint_log_bytes
            && self.log_bytes > self.engine.live_bytes();
        if due || self.engine.checkpoint_asked.swap(false, Ordering::AcqRel) {
            self.begin_checkpoint();
        }
    }

    /// Begins a checkpoint, unless one is under way.
    pub(crate) fn begin_checkpoint(&mut self) {
        if self.checkpoint.is_none() {
            // An empty change, so that the log holds a revision that the checkpoint's end can be.
            self.mark();
            let id = self.next_checkpoint;
            self.next_checkpoint = CheckpointId(id.0 + 1);
            self.checkpoint = Some(Scan::begin(&self.engine, id, self.limits.segment_bytes_max));
            tracing::info!(log_bytes = self.log_bytes, "a checkpoint begins");
        }
    }

    /// Is a checkpoint under way?
    #[cfg(test)]
    pub(crate) fn is_checkpointing(&self) -> bool {
        self.checkpoint.is_some()
    }

    /// Writes one page, or publishes once the log has reached the end of the scan. False if there was nothing to do.
    fn tend_checkpoint(&mut self) -> Result<bool, StoreError> {
        let Some(scan) = &mut self.checkpoint else {
            return Ok(false);
        };
        if let Some((index, page)) = scan.next_page(&self.engine) {
            self.store.write_page(scan.id(), index, &page)?;
            return Ok(true);
        }
        let checkpoint = scan.finish(&self.engine);
        let reached = self.engine.gate.is_open(checkpoint.end);
        if !reached && !self.engine.faults.has(Fault::PublishEarly) {
            return Ok(false);
        }
        self.store.publish(checkpoint)?;
        self.log_bytes = 0;
        self.checkpoint = None;
        self.engine.checkpoints.fetch_add(1, Ordering::Relaxed);
        tracing::info!(start = %checkpoint.start, end = %checkpoint.end, pages = checkpoint.pages, "checkpoint");
        Ok(true)
    }
}

/// Fills segments.
struct Packer {
    segments: Vec<Segment>,
    payload: Vec<u8>,
    first: Option<Revision>,
    last_whole: Option<Revision>,
    previous: Revision,
}

impl Packer {
    fn after(previous: Revision) -> Packer {
        Packer {
            segments: Vec::new(),
            payload: Vec::new(),
            first: None,
            last_whole: None,
            previous,
        }
    }

    /// Seals what has gathered.
    fn seal(&mut self) {
        let (Some(first), Some(last)) = (self.first.take(), self.last_whole.take()) else {
            return;
        };
        let header = SegmentHeader {
            previous: self.previous,
            first,
            last,
            chunk: 0,
            more: false,
        };
        self.segments.push(Segment::seal(header, &self.payload));
        self.payload.clear();
        self.previous = last;
    }

    /// Cuts one change into a run; its last chunk is the commit mark.
    fn chunks(&mut self, revision: Revision, encoded: &[u8], most: usize) {
        let count = encoded.len().div_ceil(most);
        for (chunk, piece) in (0..).zip(encoded.chunks(most)) {
            let more = (chunk as usize) + 1 < count;
            let header = SegmentHeader {
                previous: self.previous,
                first: revision,
                last: revision,
                chunk,
                more,
            };
            self.segments.push(Segment::seal(header, piece));
        }
        self.previous = revision;
    }
}

/// An error with its causes, for people.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
