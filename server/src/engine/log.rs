//! The tail of the log: where changes get their revision and wait for the committer.
//!
//! Lock order: `tail` is the last lock of all. Whoever holds it holds it for one push.

use commonhold_proto::{Change, Revision};
use parking_lot::{Condvar, Mutex};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// Recovery continues at a multiple of this, at least one whole stride above what it found, so that no revision that a
/// crash took back is ever given again.
const STRIDE: u64 = 1 << 32;

/// So many revisions may pass without one that is logged before an empty change is: well below [`STRIDE`].
const UNLOGGED_MAX: u64 = 1 << 30;

/// How many revisions pass between two looks at [`UNLOGGED_MAX`].
const LOOK_EVERY: u64 = 1 << 24;

/// Gives revisions and gathers the changes that are not appended yet.
pub(super) struct Log {
    /// The newest revision of all when the server started.
    first: u64,
    /// The newest revision given.
    revision: AtomicU64,
    /// The newest revision that is, or will be, in the log.
    logged: AtomicU64,
    /// About how many bytes of changes wait for the store.
    pending_bytes: AtomicUsize,
    tail: Mutex<Tail>,
    arrived: Condvar,
}

#[derive(Default)]
struct Tail {
    changes: Vec<Change>,
    /// Somebody wants the committer to look around although nothing may have come.
    poked: bool,
    /// The committer waits for so many changes.
    enough: usize,
}

impl Log {
    /// A log after recovery: `newest` is the newest revision that was found anywhere, `logged` the newest in the log.
    pub(super) fn after(newest: Revision, logged: Revision) -> Log {
        let first = newest.0.next_multiple_of(STRIDE) + STRIDE;
        Log {
            first,
            revision: AtomicU64::new(first),
            logged: AtomicU64::new(logged.0),
            pending_bytes: AtomicUsize::new(0),
            tail: Mutex::default(),
            arrived: Condvar::new(),
        }
    }

    /// Where a server begins that found nothing, told by the wall clock: two lives of a server that keeps nothing are
    /// unlikely to give the same numbers. Of 2^20 strides, so that 2^53 is not reached.
    pub(super) fn somewhere(wall_ms: u64) -> Revision {
        Revision((wall_ms % (1 << 20)) * STRIDE)
    }

    /// The newest revision given.
    pub(super) fn newest(&self) -> Revision {
        Revision(self.revision.load(Ordering::Acquire))
    }

    /// The newest revision that is, or will be, in the log.
    pub(super) fn newest_logged(&self) -> Revision {
        Revision(self.logged.load(Ordering::Acquire))
    }

    /// A revision for a change that is not logged.
    pub(super) fn unlogged(&self) -> Revision {
        let revision = self.revision.fetch_add(1, Ordering::AcqRel) + 1;
        if revision.is_multiple_of(LOOK_EVERY) {
            self.poke();
        }
        Revision(revision)
    }

    /// Gives the change its revision and puts it at the end. `make` runs under the tail's lock: it only assembles.
    pub(super) fn push(&self, make: impl FnOnce(Revision) -> Change) -> Revision {
        let mut tail = self.tail.lock();
        let revision = Revision(self.revision.fetch_add(1, Ordering::AcqRel) + 1);
        let change = make(revision);
        self.pending_bytes
            .fetch_add(change.weight(), Ordering::Relaxed);
        tail.changes.push(change);
        let enough = tail.changes.len() == tail.enough;
        self.logged.store(revision.0, Ordering::Release);
        drop(tail);
        if enough {
            self.arrived.notify_one();
        }
        revision
    }

    /// Is it time for an empty change, so that recovery's jump stays above every revision given?
    pub(super) fn needs_mark(&self) -> bool {
        // In this order: changes come meanwhile, and what is logged later must not be ahead of what was given earlier.
        let logged = self.newest_logged().0.max(self.first);
        self.newest().0 - logged > UNLOGGED_MAX
    }

    /// Everything that has gathered.
    pub(super) fn take(&self) -> Vec<Change> {
        let mut tail = self.tail.lock();
        tail.poked = false;
        std::mem::take(&mut tail.changes)
    }

    /// Waits until something has gathered, somebody pokes, or the time is over.
    pub(super) fn wait(&self, timeout: Duration) {
        let mut tail = self.tail.lock();
        tail.enough = 1;
        if tail.changes.is_empty() && !tail.poked {
            self.arrived.wait_for(&mut tail, timeout);
        }
    }

    /// Waits until `count` changes have gathered, somebody pokes, or the time is over. Does not wait if there are none.
    pub(super) fn gather(&self, count: usize, timeout: Duration) {
        let mut tail = self.tail.lock();
        tail.enough = count;
        if (1..count).contains(&tail.changes.len()) && !tail.poked {
            self.arrived.wait_for(&mut tail, timeout);
        }
    }

    /// How many changes have gathered.
    pub(super) fn gathered(&self) -> usize {
        self.tail.lock().changes.len()
    }

    /// Makes the committer look around.
    pub(super) fn poke(&self) {
        self.tail.lock().poked = true;
        self.arrived.notify_one();
    }

    /// These changes are with the store now.
    pub(super) fn settled(&self, changes: &[Change]) {
        let bytes: usize = changes.iter().map(Change::weight).sum();
        self.pending_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// About how many bytes of changes wait for the store.
    pub(super) fn pending_bytes(&self) -> usize {
        self.pending_bytes.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use commonhold_proto::ServerTime;
    use smallvec::SmallVec;
    use std::sync::atomic::AtomicBool;

    fn empty(revision: Revision) -> Change {
        Change {
            revision,
            at: ServerTime(0),
            operation: None,
            parts: SmallVec::new(),
        }
    }

    #[test]
    fn no_revision_is_given_twice_over_a_restart() {
        let log = Log::after(Revision(0), Revision(0));
        let mut newest = log.push(empty);
        let logged = newest;
        for _ in 0..1000 {
            newest = log.unlogged();
        }
        assert!(Log::after(logged, logged).newest() > newest);
        assert!(Log::after(logged, logged).push(empty) > newest);
        let far = Log::after(Revision(logged.0 + UNLOGGED_MAX), logged);
        assert!(far.newest().0 > logged.0 + 2 * UNLOGGED_MAX + LOOK_EVERY);
    }

    #[test]
    fn an_empty_change_is_due_long_before_the_jump() {
        let log = Log::after(Revision(0), Revision(0));
        assert!(!log.needs_mark());
        log.revision.fetch_add(UNLOGGED_MAX + 1, Ordering::Relaxed);
        assert!(log.needs_mark());
        log.push(empty);
        assert!(!log.needs_mark());
    }

    #[test]
    fn the_committer_may_look_while_changes_come() {
        let log = Log::after(Revision(0), Revision(0));
        let pushing = AtomicBool::new(true);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..200_000 {
                    log.push(empty);
                }
                pushing.store(false, Ordering::Release);
            });
            while pushing.load(Ordering::Acquire) {
                assert!(!log.needs_mark());
            }
        });
    }

    #[test]
    fn bytes_that_wait_are_counted_until_they_settle() {
        let log = Log::after(Revision(0), Revision(0));
        log.push(empty);
        log.push(empty);
        let taken = log.take();
        assert_eq!(taken.len(), 2);
        assert!(log.pending_bytes() > 0);
        log.settled(&taken);
        assert_eq!(log.pending_bytes(), 0);
    }

    #[test]
    fn whoever_gathers_is_woken_by_the_last_that_is_expected() {
        const LONG: Duration = Duration::from_mins(1);
        let log = Log::after(Revision(0), Revision(0));
        let began = std::time::Instant::now();
        log.gather(3, LONG);
        assert_eq!(log.gathered(), 0, "nothing is waited for before the first");
        log.push(empty);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                log.push(empty);
                log.push(empty);
            });
            log.gather(3, LONG);
        });
        assert_eq!(log.gathered(), 3);
        log.gather(3, LONG);
        assert!(began.elapsed() < LONG);
    }
}
