//! The reply gate: no reply leaves before everything it saw is durable.

use commonhold_proto::Revision;
use parking_lot::Mutex;
use std::cell::RefCell;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Poll, Waker};

/// How far the log is durable, and who waits for more.
#[derive(Default)]
pub(crate) struct Gate {
    durable: AtomicU64,
    broken: AtomicBool,
    /// Who waits on a thread of no porter's.
    waiting: Mutex<Vec<Waker>>,
    porters: Mutex<Vec<Arc<Porter>>>,
}

/// Wakes those who wait on its own thread: to wake a task from another thread costs a system call, from its own a few
/// instructions.
#[derive(Default)]
struct Porter {
    waiting: Mutex<Vec<Waker>>,
    waker: Mutex<Option<Waker>>,
}

thread_local! {
    /// This thread's porter.
    static PORTER: RefCell<Option<Arc<Porter>>> = const { RefCell::new(None) };
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
        PORTER.with_borrow(|porter| match porter {
            Some(porter) => porter.waiting.lock().push(waker.clone()),
            None => self.waiting.lock().push(waker.clone()),
        });
    }

    /// Wakes those who wait on this thread, until it is dropped. A task of a thread that serves one engine and no other;
    /// whoever waits there without it is woken all the same.
    ///
    /// # Cancel safety
    /// Whoever waits is woken when the future is dropped.
    pub(crate) async fn attend(&self) {
        let attending = Attending::begin(self);
        poll_fn(|cx| {
            let mut waker = attending.porter.waker.lock();
            if !waker.as_ref().is_some_and(|old| old.will_wake(cx.waker())) {
                *waker = Some(cx.waker().clone());
            }
            drop(waker);
            attending.porter.wake();
            Poll::<()>::Pending
        })
        .await;
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
        for porter in self.porters.lock().iter() {
            // Whoever comes later looks at the gate again after that, and finds it moved.
            if !porter.waiting.lock().is_empty()
                && let Some(waker) = &*porter.waker.lock()
            {
                waker.wake_by_ref();
            }
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

impl Porter {
    fn wake(&self) {
        let waiting = std::mem::take(&mut *self.waiting.lock());
        for waker in waiting {
            waker.wake();
        }
    }
}

/// A porter at work.
struct Attending<'a> {
    gate: &'a Gate,
    porter: Arc<Porter>,
}

impl Attending<'_> {
    fn begin(gate: &Gate) -> Attending<'_> {
        let porter = Arc::<Porter>::default();
        gate.porters.lock().push(Arc::clone(&porter));
        PORTER.set(Some(Arc::clone(&porter)));
        Attending { gate, porter }
    }
}

impl Drop for Attending<'_> {
    fn drop(&mut self) {
        let porter = &self.porter;
        self.gate
            .porters
            .lock()
            .retain(|other| !Arc::ptr_eq(other, porter));
        // The thread may end, and its tasks with it: then there is nothing left to clear.
        let _ = PORTER.try_with(std::cell::RefCell::take);
        porter.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::pin::pin;
    use std::sync::atomic::AtomicUsize;
    use std::task::{Context, Wake};
    use std::thread;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    impl Count {
        fn get(&self) -> usize {
            self.0.load(Ordering::SeqCst)
        }
    }

    /// The gate moves, on another thread.
    fn advance(gate: &Gate) {
        thread::scope(|scope| scope.spawn(|| gate.advance(Revision(1))).join()).expect("it moves");
    }

    #[test]
    fn a_thread_is_woken_once_for_all_who_wait_there() {
        let (gate, lane, porter) = (
            Gate::default(),
            Arc::<Count>::default(),
            Arc::<Count>::default(),
        );
        let waker = Waker::from(Arc::clone(&lane));
        gate.register(&waker);
        advance(&gate);
        assert_eq!(lane.get(), 1, "without a porter");
        {
            let mut attending = pin!(gate.attend());
            let porters_waker = Waker::from(Arc::clone(&porter));
            let cx = &mut Context::from_waker(&porters_waker);
            assert!(attending.as_mut().poll(cx).is_pending());
            advance(&gate);
            assert_eq!(porter.get(), 0, "nobody waits");
            gate.register(&waker);
            gate.register(&waker);
            advance(&gate);
            assert_eq!((porter.get(), lane.get()), (1, 1));
            assert!(attending.as_mut().poll(cx).is_pending());
            assert_eq!((porter.get(), lane.get()), (1, 3));
            gate.register(&waker);
        }
        assert_eq!(lane.get(), 4, "when the porter leaves");
        gate.register(&waker);
        advance(&gate);
        assert_eq!(lane.get(), 5, "after it has left");
    }
}
