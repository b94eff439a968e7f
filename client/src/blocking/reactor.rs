//! Waiting for one socket and for other threads, with nothing but `poll(2)`.

use super::epoll::Epoll;
use super::socket::Source;
use super::spin::{POLICY, Spin};
use parking_lot::Mutex;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Wake, Waker};
use std::time::{Duration, Instant};

/// What the driving thread of one lane waits with.
pub(super) struct Reactor {
    wakeup: Arc<Wakeup>,
    waker: Waker,
    slot: Mutex<Slot>,
    /// What somebody else's event loop watches, if one drives.
    epoll: Option<Epoll>,
}

/// What the driver waits for. Only the driving thread touches it; the lock is never contended.
struct Slot {
    source: Option<Arc<Source>>,
    spin: Spin,
    /// When a pause ends. Each poll of the driver says so anew.
    deadline: Option<Instant>,
}

/// For somebody else's event loop: it waits for the descriptor, and drives by turns.
impl Reactor {
    /// One with a descriptor to wait for.
    pub(super) fn watched() -> io::Result<Reactor> {
        let mut reactor = Reactor::new()?;
        reactor.epoll = Some(Epoll::new(&reactor.wakeup.reader)?);
        reactor.wakeup.asleep.store(true, Ordering::SeqCst);
        Ok(reactor)
    }

    /// The descriptor: readable while there is something to do.
    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.epoll {
            Some(epoll) => epoll.as_fd(),
            None => self.wakeup.reader.as_fd(),
        }
    }

    /// A turn comes soon: nobody need be woken for it.
    pub(super) fn attend(&self) {
        self.wakeup.asleep.store(false, Ordering::SeqCst);
    }

    /// A turn begins: finds out what there is to do.
    pub(super) fn look(&self) {
        self.attend();
        let source = self.slot.lock().source.clone();
        // What cannot be looked at is found out by reading and writing it.
        let _ = self.wait_for(source.as_deref(), Some(Duration::ZERO));
        self.wakeup.woken.store(false, Ordering::SeqCst);
    }

    /// A turn ends, unless there is something to do again.
    pub(super) fn rest(&self) -> bool {
        self.wakeup.asleep.store(true, Ordering::SeqCst);
        if self.wakeup.woken.swap(false, Ordering::SeqCst) {
            self.attend();
            return true;
        }
        if let (Some(epoll), Some(source)) = (&self.epoll, &self.slot.lock().source)
            && source.interest_changed()
        {
            epoll.modify(source);
        }
        false
    }

    /// When the next pause ends.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.slot.lock().deadline
    }
}

/// Wakes the driving thread out of `poll(2)`.
struct Wakeup {
    /// There is something to do.
    woken: AtomicBool,
    /// It waits, or is about to.
    asleep: AtomicBool,
    writer: UnixStream,
    reader: UnixStream,
}

/// Why a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waited {
    /// There may be something to do.
    Woken,
    /// A signal came.
    Signal,
    /// Nothing happened for as long as was asked.
    TimedOut,
}

impl Reactor {
    pub(super) fn new() -> io::Result<Reactor> {
        let (writer, reader) = UnixStream::pair()?;
        writer.set_nonblocking(true)?;
        reader.set_nonblocking(true)?;
        let wakeup = Arc::new(Wakeup {
            woken: AtomicBool::new(false),
            asleep: AtomicBool::new(false),
            writer,
            reader,
        });
        Ok(Reactor {
            waker: Waker::from(Arc::clone(&wakeup)),
            wakeup,
            slot: Mutex::new(Slot {
                source: None,
                spin: Spin::new(POLICY),
                deadline: None,
            }),
            epoll: None,
        })
    }

    /// Wakes the driving thread, from any thread.
    pub(super) fn waker(&self) -> &Waker {
        &self.waker
    }

    /// The socket to wait for from now on.
    pub(super) fn watch(&self, source: Arc<Source>) {
        if let Some(epoll) = &self.epoll {
            epoll.add(&source);
        }
        self.slot.lock().source = Some(source);
    }

    /// The socket is gone, unless another one took its place.
    pub(super) fn unwatch(&self, source: &Arc<Source>) {
        if let Some(epoll) = &self.epoll {
            epoll.delete(source);
        }
        let mut slot = self.slot.lock();
        if slot
            .source
            .as_ref()
            .is_some_and(|watched| Arc::ptr_eq(watched, source))
        {
            slot.source = None;
        }
    }

    /// A pause ends at this time.
    pub(super) fn wake_at(&self, time: Instant) {
        let mut slot = self.slot.lock();
        slot.deadline = Some(slot.deadline.map_or(time, |known| known.min(time)));
    }

    /// Before the driver is polled: its pauses are told anew.
    pub(super) fn forget_pauses(&self) {
        self.slot.lock().deadline = None;
    }

    /// Waits until there is something to do, for at most `slice`.
    pub(super) fn wait(&self, slice: Option<Duration>) -> io::Result<Waited> {
        self.wakeup.asleep.store(true, Ordering::SeqCst);
        if self.wakeup.woken.swap(false, Ordering::SeqCst) {
            self.wakeup.asleep.store(false, Ordering::SeqCst);
            return Ok(Waited::Woken);
        }
        let (source, pause, spin) = {
            let mut slot = self.slot.lock();
            let pause = slot
                .deadline
                .map(|at| at.saturating_duration_since(Instant::now()));
            (slot.source.clone(), pause, slot.spin.budget())
        };
        let paused = pause.is_some_and(|pause| slice.is_none_or(|slice| pause <= slice));
        let timeout = if paused { pause } else { slice };
        let waited = match (source.as_deref(), spin) {
            (Some(source), Some(budget)) => self.spin_for(source, budget, timeout),
            (source, _) => self.wait_for(source, timeout),
        };
        self.wakeup.asleep.store(false, Ordering::SeqCst);
        self.wakeup.woken.store(false, Ordering::SeqCst);
        match waited {
            Ok(true) => Ok(Waited::Woken),
            Ok(false) if paused => Ok(Waited::Woken),
            Ok(false) => Ok(Waited::TimedOut),
            Err(Errno::INTR) => Ok(Waited::Signal),
            Err(error) => Err(error.into()),
        }
    }

    /// Looks again and again before it waits.
    fn spin_for(
        &self,
        source: &Source,
        budget: Duration,
        timeout: Option<Duration>,
    ) -> Result<bool, Errno> {
        let begun = Instant::now();
        let mut found = self.wait_for(Some(source), Some(Duration::ZERO))?;
        while !found && begun.elapsed() < budget {
            std::hint::spin_loop();
            found = self.wakeup.woken.load(Ordering::SeqCst)
                || self.wait_for(Some(source), Some(Duration::ZERO))?;
        }
        // A thread that had to give way meanwhile was not spinning.
        let paid = found && begun.elapsed() < budget;
        self.slot.lock().spin.learn(paid);
        if found {
            return Ok(true);
        }
        self.wait_for(Some(source), timeout)
    }

    /// False if the time was over first.
    fn wait_for(&self, source: Option<&Source>, timeout: Option<Duration>) -> Result<bool, Errno> {
        // The kernel wants a time that it can add to the present.
        let timeout = timeout.map(|time| Timespec {
            tv_sec: time.as_secs().min(1 << 30).cast_signed(),
            tv_nsec: time.subsec_nanos().into(),
        });
        let wakeup = PollFd::new(&self.wakeup.reader, PollFlags::IN);
        let Some(source) = source else {
            let mut fds = [wakeup];
            let ready = poll(&mut fds, timeout.as_ref())?;
            if !fds[0].revents().is_empty() {
                self.wakeup.drain();
            }
            return Ok(ready > 0);
        };
        let mut fds = [PollFd::new(source, source.interest()), wakeup];
        let ready = poll(&mut fds, timeout.as_ref())?;
        let (events, wakeup) = (fds[0].revents(), fds[1].revents());
        source.is_ready(events);
        if !wakeup.is_empty() {
            self.wakeup.drain();
        }
        Ok(ready > 0)
    }
}

impl Wakeup {
    fn drain(&self) {
        let mut bytes = [0; 64];
        while matches!((&self.reader).read(&mut bytes), Ok(read) if read == bytes.len()) {}
    }
}

impl Wake for Wakeup {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let news = !self.woken.swap(true, Ordering::SeqCst);
        if news && self.asleep.load(Ordering::SeqCst) {
            // Full means that it is awake already.
            let _ = (&self.writer).write(&[1]);
        }
    }
}
