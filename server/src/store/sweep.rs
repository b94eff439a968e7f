//! Outdated records, removed a few at a time so that no append waits for the removal of a whole log.

use super::pairs::{Batch, Key, Pairs};
use super::record::{self, LOG};
use super::{CheckpointId, StoreError};
use commonhold_proto::Revision;
use std::collections::VecDeque;

/// What is outdated.
#[derive(Debug, Default)]
pub(super) struct Sweeps(VecDeque<Sweep>);

#[derive(Debug)]
struct Sweep {
    from: Key,
    to: Key,
    /// The greatest key of the range stays. In the log it may be a segment that begins before a checkpoint and ends
    /// after it; of those before it we know that they ended before it began.
    keep_last: bool,
}

/// What a batch from [`Sweeps::next`] will have done.
#[derive(Debug)]
pub(super) struct Swept {
    /// How many sweeps it ends.
    ended: usize,
}

impl Sweeps {
    /// The log up to a revision is outdated.
    pub(super) fn log_through(&mut self, revision: Revision) {
        self.0.push_back(Sweep {
            from: Key::from_slice(LOG),
            to: record::log_after(revision),
            keep_last: true,
        });
    }

    /// The pages of checkpoints from one, up to but without another.
    pub(super) fn pages(&mut self, from: CheckpointId, to: CheckpointId) {
        self.0.push_back(Sweep {
            from: record::page_key(from, 0),
            to: record::page_key(to, 0),
            keep_last: false,
        });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds the removal of up to `limit` records to a batch. Nothing counts as removed before [`done`](Self::done): a
    /// batch that fails is made anew.
    pub(super) fn next(
        &self,
        pairs: &dyn Pairs,
        limit: usize,
        batch: &mut Batch,
    ) -> Result<Swept, StoreError> {
        let mut left = limit;
        let mut ended = 0;
        for sweep in &self.0 {
            if left == 0 {
                break;
            }
            let kept = usize::from(sweep.keep_last);
            let mut found = pairs.scan(&sweep.from..&sweep.to, left + kept)?;
            if found.len() < left + kept {
                ended += 1;
            }
            found.truncate(found.len().saturating_sub(kept).min(left));
            left -= found.len();
            for (key, _) in found {
                batch.delete(key);
            }
        }
        Ok(Swept { ended })
    }

    /// The batch was written.
    pub(super) fn done(&mut self, swept: &Swept) {
        self.0.drain(..swept.ended);
    }
}
