//! Whether a write hangs: some engines below never return from one when the disk is full.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A write that takes longer than this declares the store dead.
pub const WRITE_TIME_MAX: Duration = Duration::from_secs(5);

/// Shows other threads whether a store is writing.
///
/// It reads no clock. Whoever watches looks from time to time; if [the same write](WriteWatch::under_way) is under way
/// for [`WRITE_TIME_MAX`], the store is dead, and so is the thread that owns it.
#[derive(Clone, Debug, Default)]
pub struct WriteWatch(Arc<AtomicU64>);

impl WriteWatch {
    /// The number of the write that is under way; no number comes twice.
    pub fn under_way(&self) -> Option<u64> {
        let number = self.0.load(Ordering::Acquire);
        (number % 2 == 1).then_some(number)
    }

    /// A write begins; it ends when the guard is dropped.
    pub(super) fn begin(&self) -> UnderWay {
        self.0.fetch_add(1, Ordering::AcqRel);
        UnderWay(Arc::clone(&self.0))
    }
}

/// A write that is under way.
pub(super) struct UnderWay(Arc<AtomicU64>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watcher_tells_one_write_from_the_next() {
        let watch = WriteWatch::default();
        let elsewhere = watch.clone();
        assert_eq!(elsewhere.under_way(), None);
        let write = watch.begin();
        let first = elsewhere.under_way();
        assert!(first.is_some());
        assert_eq!(elsewhere.under_way(), first);
        drop(write);
        assert_eq!(elsewhere.under_way(), None);
        let _write = watch.begin();
        assert_ne!(elsewhere.under_way(), first);
    }
}
