//! The async client without a runtime: an event loop that somebody else wrote drives it.

use super::net::Sleep;
use super::reactor::Reactor;
use super::socket::{CONNECT_FOR, Io, Socket};
use crate::drive::drive;
use crate::net::{Net, within};
use crate::place::Place;
use crate::session::Session;
use crate::shared::SharedLane;
use rustix::io::Errno;
use socket2::{Domain, SockAddr, Type};
use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::mem;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Context;
use std::time::{Duration, Instant};

/// The longest that a driver that is dropped waits for its goodbye to be answered.
const GOODBYE_FOR: Duration = Duration::from_secs(1);
/// So often the work that comes up while driving is done at once.
const ROUNDS: u32 = 8;

/// What carries the calls of a [driven client](crate::Options::connect_driven): it has no thread, and does something only
/// while [`drive`](Driver::drive) runs.
///
/// Watch its descriptor, and drive it whenever that is readable, after calls were made, and when the time is up that the
/// last turn named. Dropped after its client was, it says goodbye if that was not said, which may take up to 1 s; dropped
/// before, it ends every call.
pub struct Driver {
    /// `None` once the client is closed, or in a forked child.
    future: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    lane: Arc<SharedLane>,
    reactor: Arc<Reactor>,
    pid: u32,
}

impl Driver {
    pub(crate) fn new(lane: &Arc<SharedLane>, session: &Arc<Session>) -> io::Result<Driver> {
        let reactor = Arc::new(Reactor::watched()?);
        let net = DrivenNet {
            reactor: Arc::clone(&reactor),
        };
        Ok(Driver {
            future: Some(Box::pin(drive(Arc::clone(lane), Arc::clone(session), net))),
            lane: Arc::clone(lane),
            reactor,
            pid: std::process::id(),
        })
    }

    /// Does what there is to do, without waiting, and tells when it wants to be called again at the latest.
    ///
    /// The callers of the calls that were answered are woken meanwhile, by the wakers that their futures were polled with.
    pub fn drive(&mut self) -> Option<Instant> {
        self.reactor.look();
        for _ in 0..ROUNDS {
            self.poll();
            if !self.reactor.rest() {
                return self.future.as_ref().and(self.reactor.deadline());
            }
        }
        // Others have their turn first.
        Some(Instant::now())
    }

    /// Promises a turn soon: until then calls need not make the descriptor readable.
    pub fn attend(&self) {
        self.reactor.attend();
    }

    /// Has it ended? That is once its client is closed, and the server knows, or cannot be told.
    pub fn is_over(&self) -> bool {
        self.future.is_none()
    }

    /// In a child that was just forked: lets go of the parent's connection without a word. Every call ends, and the client
    /// is closed.
    pub fn forget(&mut self) {
        self.future = None;
    }

    fn poll(&mut self) {
        let cx = &mut Context::from_waker(self.reactor.waker());
        if let Some(future) = &mut self.future {
            self.reactor.forget_pauses();
            if future.as_mut().poll(cx).is_ready() {
                self.future = None;
            }
        }
    }

    /// As `drive`, but waits for what is to be done.
    fn finish(&mut self, until: Instant) {
        loop {
            self.poll();
            let left = until.saturating_duration_since(Instant::now());
            if self.future.is_none() || left.is_zero() || self.reactor.wait(Some(left)).is_err() {
                return;
            }
        }
    }
}

/// The descriptor to watch: it is readable while there is something to do, and the same for as long as the driver lives.
impl AsFd for Driver {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.reactor.as_fd()
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if self.pid != std::process::id() {
            // It may have been at work at the fork.
            mem::forget(self.future.take());
        } else if self.future.is_some() && self.lane.is_closing() {
            self.finish(Instant::now() + GOODBYE_FOR);
        }
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver")
            .field("is_over", &self.is_over())
            .finish_non_exhaustive()
    }
}

/// Somebody's event loop, as a driver sees it. It waits for nothing in place but the look-up of a host's name, and the
/// stretching of a chosen key.
struct DrivenNet {
    reactor: Arc<Reactor>,
}

impl Net for DrivenNet {
    type Stream = Socket;
    type Sleep = Sleep;

    async fn connect(&self, place: &Place) -> io::Result<Socket> {
        match place {
            Place::Unix(path) => {
                let socket = begin(Domain::UNIX, &SockAddr::unix(path)?)?;
                let io = Io::Unix(OwnedFd::from(socket).into());
                Ok(Socket::new(io, false, &self.reactor))
            }
            Place::Tcp(at) => {
                let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
                for address in (&at.host[..], at.port).to_socket_addrs()? {
                    match within(self, CONNECT_FOR, self.connect_tcp(address)).await {
                        Some(Ok(socket)) => return Ok(socket),
                        Some(Err(error)) => last = error,
                        None => last = io::ErrorKind::TimedOut.into(),
                    }
                }
                Err(last)
            }
        }
    }

    fn sleep(&self, time: Duration) -> Sleep {
        Sleep::new(time, &self.reactor)
    }

    async fn compute<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        work()
    }
}

impl DrivenNet {
    async fn connect_tcp(&self, address: SocketAddr) -> io::Result<Socket> {
        let stream = begin(Domain::for_address(address), &address.into())?;
        crate::socket::tune(&stream)?;
        let socket = Socket::new(Io::Tcp(stream.into()), true, &self.reactor);
        poll_fn(|_| socket.poll_connected()).await?;
        Ok(socket)
    }
}

/// A socket that is being connected, or is already.
fn begin(domain: Domain, address: &SockAddr) -> io::Result<socket2::Socket> {
    let socket = socket2::Socket::new(domain, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    match socket.connect(address) {
        Err(error) if Errno::from_io_error(&error) != Some(Errno::INPROGRESS) => Err(error),
        _ => Ok(socket),
    }
}
