//! `Driver`: what an event loop calls, and where it hears which calls have come to an end.

use crate::wait;
use parking_lot::Mutex;
use pyo3::prelude::*;
use std::mem;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Wake, Waker};
use std::time::Instant;

/// What carries the calls of one client, by turns. One thread drives it.
#[pyclass(frozen, module = "commonhold._native")]
pub(crate) struct Driver {
    /// `None` only while it is dropped.
    lane: Mutex<Option<commonhold::Driver>>,
    mailbox: Arc<Mailbox>,
    descriptor: i32,
}

impl Driver {
    pub(super) fn new(driver: commonhold::Driver, mailbox: &Arc<Mailbox>) -> Driver {
        Driver {
            descriptor: driver.as_fd().as_raw_fd(),
            lane: Mutex::new(Some(driver)),
            mailbox: Arc::clone(mailbox),
        }
    }
}

#[pymethods]
impl Driver {
    /// What to watch: it is readable while there is something to do.
    fn fileno(&self) -> i32 {
        self.descriptor
    }

    /// Promises a turn soon, for which the descriptor need not become readable.
    fn attend(&self) {
        if let Some(driver) = &*self.lane.lock() {
            driver.attend();
        }
    }

    /// Takes a turn, without waiting. Returns the numbers of calls to look at, the seconds after which it wants its next turn
    /// at the latest, None if nothing is planned, and whether it is over because the client is closed.
    fn drive(&self, py: Python<'_>) -> (Vec<u64>, Option<f64>, bool) {
        let (next, over) = py.detach(|| {
            let mut driver = self.lane.lock();
            driver.as_mut().map_or((None, true), |driver| {
                let next = driver.drive();
                (next, driver.is_over())
            })
        });
        let delay = next.map(|next| next.saturating_duration_since(Instant::now()));
        let ready = mem::take(&mut *self.mailbox.ready.lock());
        (ready, delay.map(|delay| delay.as_secs_f64()), over)
    }

    /// Lets go of the parent's connection in a forked child.
    fn forget(&self) {
        // A thread that drove it at the fork is not here to go on: then the connection stays as it is.
        if let Some(mut driver) = self.lane.try_lock()
            && let Some(driver) = &mut *driver
        {
            driver.forget();
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        wait::let_go(self.lane.get_mut().take());
    }
}

/// The calls of one client that have something to tell.
#[derive(Default)]
pub(super) struct Mailbox {
    /// A leaf: taken by wakers, under the client's own locks.
    ready: Mutex<Vec<u64>>,
    numbers: AtomicU64,
}

impl Mailbox {
    /// A number for a call, and what notes it down here.
    pub(super) fn bell(self: &Arc<Mailbox>) -> (u64, Waker) {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let mailbox = Arc::clone(self);
        (number, Waker::from(Arc::new(Bell { mailbox, number })))
    }
}

struct Bell {
    mailbox: Arc<Mailbox>,
    number: u64,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.mailbox.ready.lock().push(self.number);
    }
}
