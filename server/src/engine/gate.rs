//! The reply gate: no reply leaves before everything it saw is durable.

use commonhold_proto::Revision;
use parking_lot::Mutex;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Poll, Waker};

/// How far the log is durable, and who waits for more.
#[derive(Default)]
pub(crate) struct Gate {
    durable: AtomicU64,
    broken: AtomicBool,
    waiting: Mutex<Vec<Waker>>,
}

impl Gate {
    /// A gate after recovery: everything up to `durable` was read from the store.
    pub(super) fn starting_at(durable: Revision) -> Gate {
        Gate {
            durable: AtomicU64::new(durable.0),
            ..Gate::default()
        }
    }

    /// Everything up to here is durable.
    pub(crate) fn durable(&self) -> Revision {
        Revision(self.durable.load(Ordering::Acquire))
    }

    /// May a reply that saw this leave?
    pub(crate) fn is_open(&self, revision: Revision) -> bool {
        revision <= self.durable()
    }

    /// Wakes `waker` at the next advance. The caller looks at the gate again afterwards: it may have moved meanwhile.
    pub(crate) fn register(&self, waker: &Waker) {
        self.waiting.lock().push(waker.clone());
    }

    /// Everything up to `revision` is durable now.
    pub(super) fn advance(&self, revision: Revision) {
        self.durable.fetch_max(revision.0, Ordering::AcqRel);
        self.wake();
    }

    /// The store is lost: whoever waits waits in vain.
    pub(super) fn break_down(&self) {
        self.broken.store(true, Ordering::Release);
        self.wake();
    }

    /// Wakes everybody who waits.
    pub(super) fn wake(&self) {
        let waiting = std::mem::take(&mut *self.waiting.lock());
        for waker in waiting {
            waker.wake();
        }
    }

    /// Is the store lost?
    pub(crate) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Acquire)
    }

    /// Waits until `revision` is durable; false if it never will be.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub(crate) async fn wait_for(&self, revision: Revision) -> bool {
        poll_fn(|cx| {
            if self.is_open(revision) || self.is_broken() {
                return Poll::Ready(());
            }
            self.register(cx.waker());
            if self.is_open(revision) || self.is_broken() {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
        self.is_open(revision)
    }
}
