//! What happens at a time: deadlines of waiting calls, ends of leases and of sessions.

use super::waiting::Parked;
use commonhold_proto::{Oid, SessionId};
use parking_lot::{Condvar, Mutex};
use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// What is due.
#[derive(Clone)]
pub(super) enum Due {
    /// A waiting call's time is over.
    Deadline(Weak<Parked>),
    /// A session may have been absent or silent for too long.
    Lease(SessionId),
    /// A session may have been without a lane for so long that it is forgotten.
    Memory(SessionId),
    /// A row of an object may lapse.
    Row(Oid),
    /// An object's pin may be over.
    Pin(Oid),
    /// Something is to be freed or traced.
    References,
}

/// Tells apart what is due at one time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Tag {
    /// A waiting call's address, which is its own as long as the entry keeps the allocation.
    Parked(usize),
    Lease(SessionId),
    Memory(SessionId),
    /// What is never looked for.
    Other(u64),
}

/// Everything that is due some time, in order. Times are monotonic.
#[derive(Default)]
pub(super) struct Timers {
    inner: Mutex<Inner>,
    changed: Condvar,
}

#[derive(Default)]
struct Inner {
    due: BTreeMap<(Duration, Tag), Due>,
    counter: u64,
    stopped: bool,
}

impl Timers {
    /// Notes that something is due at `at`.
    pub(super) fn add(&self, at: Duration, due: Due) {
        let mut inner = self.inner.lock();
        let tag = match &due {
            Due::Deadline(parked) => Tag::Parked(parked.as_ptr().addr()),
            Due::Lease(session) => Tag::Lease(*session),
            Due::Memory(session) => Tag::Memory(*session),
            Due::Row(_) | Due::Pin(_) | Due::References => {
                inner.counter += 1;
                Tag::Other(inner.counter)
            }
        };
        let sooner = inner
            .due
            .first_key_value()
            .is_none_or(|((first, _), _)| at < *first);
        inner.due.insert((at, tag), due);
        drop(inner);
        if sooner {
            self.changed.notify_one();
        }
    }

    /// The call does not wait any more.
    pub(super) fn forget(&self, at: Duration, parked: &Arc<Parked>) {
        self.remove(at, Tag::Parked(Arc::as_ptr(parked).addr()));
    }

    /// Nobody needs to look any more at `at` whether the session's lease has ended.
    pub(super) fn forget_lease(&self, at: Duration, session: SessionId) {
        self.remove(at, Tag::Lease(session));
    }

    /// Nobody needs to look any more at `at` whether the session is to be forgotten.
    pub(super) fn forget_memory(&self, at: Duration, session: SessionId) {
        self.remove(at, Tag::Memory(session));
    }

    fn remove(&self, at: Duration, tag: Tag) {
        self.inner.lock().due.remove(&(at, tag));
    }

    /// The next thing that is due by `now`, with the time it was due at.
    pub(super) fn take_due(&self, now: Duration) -> Option<(Duration, Due)> {
        let mut inner = self.inner.lock();
        let first = inner
            .due
            .first_entry()
            .filter(|entry| entry.key().0 <= now)?;
        let ((at, _), due) = first.remove_entry();
        Some((at, due))
    }

    /// How many things are due some time.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.inner.lock().due.len()
    }

    /// When the next thing is due.
    #[cfg(test)]
    pub(super) fn first(&self) -> Option<Duration> {
        self.inner
            .lock()
            .due
            .first_key_value()
            .map(|((at, _), _)| *at)
    }

    /// Waits until something is due or added, at most `longest`. False once stopped.
    pub(super) fn wait(&self, now: Duration, longest: Duration) -> bool {
        let mut inner = self.inner.lock();
        if inner.stopped {
            return false;
        }
        let until = inner
            .due
            .first_key_value()
            .map_or(longest, |((at, _), _)| at.saturating_sub(now).min(longest));
        if !until.is_zero() {
            self.changed.wait_for(&mut inner, until);
        }
        !inner.stopped
    }

    /// Ends whoever waits.
    pub(super) fn stop(&self) {
        self.inner.lock().stopped = true;
        self.changed.notify_all();
    }
}
