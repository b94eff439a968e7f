//! What exams are made of: a server to kill, a proxy that cuts, client processes, and the report.

mod bout;
mod home;
mod loans;
mod notes;
mod proxy;
mod random;
mod raw;
mod report;
mod tally;
mod worker;

pub(crate) use bout::{Bout, Plan};
pub(crate) use home::{Home, Serving, numbers_of};
pub(crate) use loans::{HANDS, Note, Stage, item, origin};
pub(crate) use notes::Notes;
pub(crate) use proxy::{Cuts, Proxy};
pub(crate) use random::Random;
pub(crate) use raw::{Ended, Lane, Raw, framed};
pub(crate) use report::Report;
pub(crate) use tally::{Counts, Slot, Tally};
pub(crate) use worker::{Answer, Job, Passage, Task, Worker, nanoseconds};

use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::thread;
use std::time::{Duration, Instant};

/// Acknowledged operations a second below which a fault proves nothing.
pub(crate) const FLOOR: f64 = 500.0;

/// Are the counts those that the promises are made on?
pub(crate) fn is_full() -> bool {
    std::env::var_os("COMMONHOLD_EXAM").is_some_and(|counts| counts == "full")
}

/// One number for a working day, one for the promise.
pub(crate) fn counts<T>(small: T, full: T) -> T {
    if is_full() { full } else { small }
}

static MACHINE: RwLock<()> = RwLock::new(());

/// For an exam that has a floor: no other exam of this program runs until the guard is dropped.
pub(crate) fn alone() -> RwLockWriteGuard<'static, ()> {
    MACHINE.write()
}

/// For an exam that others may run beside.
pub(crate) fn beside() -> RwLockReadGuard<'static, ()> {
    MACHINE.read()
}

/// Waits until something is so, for at most `within`.
#[track_caller]
pub(crate) fn eventually(what: &str, within: Duration, mut so: impl FnMut() -> bool) {
    let until = Instant::now() + within;
    while !so() {
        assert!(Instant::now() < until, "not within {within:?}: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}
