//! A lane that its callers drive: whoever waits for a reply polls the driver, one thread at a time.

use super::net::BlockingNet;
use super::reactor::{Reactor, Waited};
use crate::drive::drive;
use crate::error::{Error, Result};
use crate::options::Interrupt;
use crate::session::Session;
use crate::shared::SharedLane;
use parking_lot::Mutex;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering, fence};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// While an interrupt hook is set, waits are cut into slices: a signal may come just before a wait begins, or to another
/// thread.
const SLICE: Duration = Duration::from_millis(200);

/// So long a call that was interrupted goes on, at most, until the server has said what became of it.
const WITHDRAW_FOR: Duration = Duration::from_millis(200);

/// A lane and its driver.
///
/// Lock order: `driver`, then the lane's own lock. Whoever holds `driver` drives; the others sleep until they have their
/// reply, or until the driver is free, which the last one who drove tells one of them.
pub(super) struct Runner {
    pub(super) lane: Arc<SharedLane>,
    driver: Mutex<Option<Driver>>,
    reactor: Arc<Reactor>,
    interrupt: Option<Interrupt>,
    /// Threads that sleep beside the one that drives.
    sleepers: AtomicUsize,
}

type Driver = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Why a wait ended without what it waited for.
#[derive(Debug)]
pub(super) enum Stopped {
    /// The interrupt hook said so.
    Interrupted,
    /// The time was over.
    TimedOut,
}

/// What a wait came to.
enum Step<T> {
    /// What was waited for.
    Done(T),
    /// Something may have come, an interrupt among it, or the time may be over.
    Look,
    /// Nobody drives.
    Again,
}

fn is_over(until: Option<Instant>) -> bool {
    until.is_some_and(|until| Instant::now() >= until)
}

impl Runner {
    pub(super) fn new(session: &Arc<Session>, interrupt: Option<Interrupt>) -> io::Result<Runner> {
        let reactor = Arc::new(Reactor::new()?);
        let lane = Arc::new(SharedLane::new(&session.holdings));
        let net = BlockingNet {
            reactor: Arc::clone(&reactor),
        };
        let driver: Driver = Box::pin(drive(Arc::clone(&lane), Arc::clone(session), net));
        Ok(Runner {
            lane,
            driver: Mutex::new(Some(driver)),
            reactor,
            interrupt,
            sleepers: AtomicUsize::new(0),
        })
    }

    /// Waits for something of the lane, driving it if nobody else does. `but` is the caller's own call: the work is handed
    /// to the caller of another one.
    ///
    /// The interrupt hook runs while this thread does not drive: it may make calls of its own.
    pub(super) fn wait<T>(
        &self,
        but: u64,
        until: Option<Instant>,
        mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> std::result::Result<T, Stopped> {
        loop {
            let step = if let Some(mut driver) = self.driver.try_lock() {
                let step = self.drive(&mut driver, until, &mut poll);
                drop(driver);
                self.hand_over(but);
                step
            } else {
                self.sleep(until, &mut poll)
            };
            match step {
                Step::Done(output) => return Ok(output),
                Step::Look if self.interrupt.as_ref().is_some_and(|hook| hook()) => {
                    return Err(Stopped::Interrupted);
                }
                Step::Look | Step::Again => {}
            }
            if is_over(until) {
                return Err(Stopped::TimedOut);
            }
        }
    }

    fn drive<T>(
        &self,
        driver: &mut Option<Driver>,
        until: Option<Instant>,
        poll: &mut impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Step<T> {
        let cx = &mut Context::from_waker(self.reactor.waker());
        loop {
            if let Some(future) = driver {
                self.reactor.forget_pauses();
                if future.as_mut().poll(cx).is_ready() {
                    *driver = None;
                }
            }
            if let Poll::Ready(output) = poll(cx) {
                return Step::Done(output);
            }
            let waited = self.reactor.wait(self.slice(until));
            // A wait that cannot be is a pause: the driver finds out by itself what is wrong with its socket.
            let waited = waited.unwrap_or_else(|_| {
                thread::sleep(Duration::from_millis(10));
                Waited::Woken
            });
            if matches!(waited, Waited::Signal | Waited::TimedOut) || is_over(until) {
                return Step::Look;
            }
        }
    }

    /// Sleeps beside the one that drives.
    fn sleep<T>(
        &self,
        until: Option<Instant>,
        poll: &mut impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Step<T> {
        self.sleepers.fetch_add(1, Ordering::SeqCst);
        let step = with_thread_waker(|waker| {
            // From here on the reply wakes this thread, and so does the end of the driver's work.
            if let Poll::Ready(output) = poll(&mut Context::from_waker(waker)) {
                return Step::Done(output);
            }
            // The driver may have looked for sleepers before this one was there.
            fence(Ordering::SeqCst);
            if !self.driver.is_locked() {
                return Step::Again;
            }
            match self.slice(until) {
                Some(slice) => thread::park_timeout(slice),
                None => thread::park(),
            }
            Step::Look
        });
        self.sleepers.fetch_sub(1, Ordering::SeqCst);
        step
    }

    fn slice(&self, until: Option<Instant>) -> Option<Duration> {
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        match (&self.interrupt, left) {
            (Some(_), Some(left)) => Some(left.min(SLICE)),
            (Some(_), None) => Some(SLICE),
            (None, left) => left,
        }
    }

    fn hand_over(&self, but: u64) {
        fence(Ordering::SeqCst);
        if self.sleepers.load(Ordering::SeqCst) > 0 {
            self.lane.wake_another(but);
        }
    }

    /// Polls the driver once without waiting, if nobody drives: what was withdrawn is said to the server.
    pub(super) fn nudge(&self) {
        if let Some(mut driver) = self.driver.try_lock() {
            let cx = &mut Context::from_waker(self.reactor.waker());
            if let Some(future) = &mut *driver {
                self.reactor.forget_pauses();
                if future.as_mut().poll(cx).is_ready() {
                    *driver = None;
                }
            }
        }
    }

    /// Says to the server that a call was withdrawn and, if nobody else drives, hears for a moment what became of it: a grant
    /// that crosses the withdrawal is given back by whoever reads its reply, and this client's threads may not read for long.
    pub(super) fn withdraw(&self, sequence: u64) {
        if let Some(mut driver) = self.driver.try_lock() {
            let until = Instant::now() + WITHDRAW_FOR;
            let withdrawn = &mut |_: &mut Context<'_>| self.lane.poll_withdrawn(sequence);
            // If the time is over, the next call reads on. Handlers of more signals run after this.
            while !is_over(Some(until))
                && matches!(self.drive(&mut driver, Some(until), withdrawn), Step::Look)
            {
            }
            drop(driver);
            self.hand_over(sequence);
        }
    }

    /// Lets go of the connection without a word: in a forked child, where it belongs to the parent.
    ///
    /// What a thread of the parent held at the fork stays as it is: nobody is left who could give it back.
    pub(super) fn forget(&self) {
        if let Some(mut driver) = self.driver.try_lock() {
            self.lane.leave_to_parent();
            *driver = None;
        }
    }

    /// Waits until the first connection was made.
    pub(super) fn open(&self) -> Result<()> {
        match self.wait(0, None, |cx| self.lane.poll_opened(cx)) {
            Ok(opened) => opened,
            Err(_) => Err(Error::Interrupted {
                happened: crate::error::Happened::No,
            }),
        }
    }
}

/// Wakes one thread.
struct ThreadWaker(Thread);

impl Wake for ThreadWaker {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

fn with_thread_waker<T>(work: impl FnOnce(&Waker) -> T) -> T {
    thread_local! {
        static WAKER: Waker = Waker::from(Arc::new(ThreadWaker(thread::current())));
    }
    WAKER.with(work)
}
