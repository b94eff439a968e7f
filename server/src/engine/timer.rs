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

/// Everything that is due some time, in order. Times are monotonic.
#[derive(Default)]
pub(super) struct Timers {
    inner: Mutex<Inner>,
    changed: Condvar,
}

#[derive(Default)]
struct Inner {
    due: BTreeMap<(Duration, usize), Due>,
    counter: usize,
    stopped: bool,
}

impl Timers {
    /// Notes that something is due at `at`.
    pub(super) fn add(&self, at: Duration, due: Due) {
        let mut inner = self.inner.lock();
        let tag = match &due {
            // Found again by its address, which is its own as long as this entry keeps the allocation.
            Due::Deadline(parked) => parked.as_ptr().addr(),
            _ => {
                // Odd: never the address of anything.
                inner.counter += 2;
                inner.counter | 1
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
        self.inner
            .lock()
            .due
            .remove(&(at, Arc::as_ptr(parked).addr()));
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
