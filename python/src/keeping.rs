//! `Keeping`: a thread that takes a client's session up again while nobody calls.
//!
//! Processes that serve a folder to each other end more often than servers do. Whoever holds a lock of theirs and makes no call
//! meanwhile must not lose it with each of them: from the first lock that a process takes, a thread of it waits for the
//! connection to break, and makes the next one, or serves.

use commonhold::blocking::{self, Keeper};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::{mem, process, thread};

/// Instead of a process: the client is closed.
const CLOSED: u32 = u32::MAX;

/// Who keeps one client's session, if anybody does.
#[derive(Default)]
pub(crate) struct Keeping {
    /// The process that a keeper runs in, or ran in before this one was forked; 0 if none does.
    process: AtomicU32,
    keeper: Mutex<Option<Arc<Keeper>>>,
}

impl Keeping {
    /// Has the session kept by this process, from now on.
    pub(crate) fn begin(&self, client: &blocking::Client) {
        let (me, before) = (process::id(), self.process.load(Ordering::Acquire));
        if before == me || before == CLOSED {
            return;
        }
        // A thread of the parent's had it at the fork, and has it for good: then nothing is kept.
        let Some(mut keeper) = self.keeper.try_lock() else {
            return;
        };
        let swapped =
            (self.process).compare_exchange(before, me, Ordering::AcqRel, Ordering::Acquire);
        if swapped.is_err() {
            return;
        }
        // The parent's is not ours to end.
        mem::forget(keeper.take());
        let fresh = Arc::new(client.keeper());
        let kept = Arc::clone(&fresh);
        let thread = thread::Builder::new().name("keeper".to_owned());
        // Without a thread it is a client like others.
        if thread.spawn(move || kept.run()).is_ok() {
            *keeper = Some(fresh);
        }
    }

    /// Ends it, for good. Comes before the client's own end, which says goodbye.
    pub(crate) fn end(&self) {
        if self.process.swap(CLOSED, Ordering::AcqRel) == process::id()
            && let Some(keeper) = self.keeper.lock().take()
        {
            keeper.close();
        }
    }
}

impl Drop for Keeping {
    fn drop(&mut self) {
        self.end();
        // What is left was made by the process that this one was forked from.
        mem::forget(self.keeper.get_mut().take());
    }
}
