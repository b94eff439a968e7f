//! A socket that is read only when `poll(2)` has said that there is something.

use super::reactor::Reactor;
use crate::place::Place;
use rustix::event::PollFlags;
use std::io::{self, IoSlice, Read, Write};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How long one address is tried.
pub(super) const CONNECT_FOR: Duration = Duration::from_secs(5);

/// The socket, as far as waiting for it goes.
pub(super) struct Source {
    io: Io,
    /// There may be something to read: `poll(2)` said so, and no read has found less than it asked for since.
    readable: AtomicBool,
    /// The last write found no room, or it is not connected yet.
    blocked: AtomicBool,
    /// Whether an event loop was told that it was blocked.
    told: AtomicBool,
}

pub(super) enum Io {
    Unix(UnixStream),
    Tcp(TcpStream),
}

/// The socket, as the connection sees it.
pub(super) struct Socket {
    source: Arc<Source>,
    reactor: Arc<Reactor>,
}

impl Socket {
    /// Connects, and tells the reactor.
    pub(super) fn connect(place: &Place, reactor: &Arc<Reactor>) -> io::Result<Socket> {
        let io = match place {
            Place::Unix(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_nonblocking(true)?;
                Io::Unix(stream)
            }
            Place::Tcp(at) => {
                let stream = connect_tcp(&at.host, at.port)?;
                crate::socket::tune(&stream)?;
                stream.set_nonblocking(true)?;
                Io::Tcp(stream)
            }
        };
        Ok(Socket::new(io, false, reactor))
    }

    /// `blocked` if it is not connected yet.
    pub(super) fn new(io: Io, blocked: bool, reactor: &Arc<Reactor>) -> Socket {
        let source = Arc::new(Source {
            io,
            readable: AtomicBool::new(false),
            blocked: AtomicBool::new(blocked),
            told: AtomicBool::new(blocked),
        });
        reactor.watch(Arc::clone(&source));
        Socket {
            source,
            reactor: Arc::clone(reactor),
        }
    }

    /// Ready once it is connected, or cannot be.
    pub(super) fn poll_connected(&self) -> Poll<io::Result<()>> {
        if self.source.blocked.load(Ordering::Relaxed) {
            return Poll::Pending;
        }
        let failed = match &self.source.io {
            Io::Unix(stream) => stream.take_error(),
            Io::Tcp(stream) => stream.take_error(),
        };
        Poll::Ready(match failed {
            Ok(Some(error)) | Err(error) => Err(error),
            Ok(None) => Ok(()),
        })
    }
}

fn connect_tcp(host: &str, port: u16) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, CONNECT_FOR) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

impl Source {
    /// What to wait for.
    pub(super) fn interest(&self) -> PollFlags {
        if self.blocked.load(Ordering::Relaxed) {
            PollFlags::IN | PollFlags::OUT
        } else {
            PollFlags::IN
        }
    }

    /// Is there something else to wait for than when this was asked last?
    pub(super) fn interest_changed(&self) -> bool {
        let blocked = self.blocked.load(Ordering::Relaxed);
        self.told.swap(blocked, Ordering::Relaxed) != blocked
    }

    /// What the wait found. Errors and the other side's end are found by reading.
    pub(super) fn is_ready(&self, events: PollFlags) {
        if events.intersects(PollFlags::IN | PollFlags::ERR | PollFlags::HUP) {
            self.readable.store(true, Ordering::Relaxed);
        }
        if events.intersects(PollFlags::OUT | PollFlags::ERR | PollFlags::HUP) {
            self.blocked.store(false, Ordering::Relaxed);
        }
    }

    fn read(&self, bytes: &mut [u8]) -> io::Result<usize> {
        match &self.io {
            Io::Unix(stream) => (&*stream).read(bytes),
            Io::Tcp(stream) => (&*stream).read(bytes),
        }
    }

    fn poll_write(
        &self,
        mut write: impl FnMut(&mut dyn Write) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        if self.blocked.load(Ordering::Relaxed) {
            return Poll::Pending;
        }
        loop {
            let written = match &self.io {
                Io::Unix(stream) => write(&mut &*stream),
                Io::Tcp(stream) => write(&mut &*stream),
            };
            match written {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.blocked.store(true, Ordering::Relaxed);
                    return Poll::Pending;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                written => return Poll::Ready(written),
            }
        }
    }
}

impl AsFd for Source {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.io {
            Io::Unix(stream) => stream.as_fd(),
            Io::Tcp(stream) => stream.as_fd(),
        }
    }
}

/// Nobody is woken by name: whoever drives polls everything when the reactor's wait is over.
impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let source = &self.source;
        loop {
            if !source.readable.load(Ordering::Relaxed) {
                return Poll::Pending;
            }
            let room = buf.initialize_unfilled();
            let wanted = room.len();
            match source.read(room) {
                Ok(read) => {
                    // Less than there was room for: the socket is empty, without asking it again. At the end of the
                    // stream the next wait says at once that there is something to read.
                    if read < wanted {
                        source.readable.store(false, Ordering::Relaxed);
                    }
                    buf.advance(read);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    source.readable.store(false, Ordering::Relaxed);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.source.poll_write(|io| io.write(buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.source.poll_write(|io| io.write_vectored(bufs))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Closes nothing: a forked child may share the socket with its parent. It is closed when it is dropped.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.reactor.unwatch(&self.source);
    }
}
