//! One accepted connection: a Unix or a TCP socket, and who is at its other end.

use super::unix::UnixSocket;
use super::vigil;
use super::visitor::{LOGIN_TIME, Porch, Visitor};
use std::future::Future as _;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::Sleep;
use tonic::transport::server::Connected;

/// TCP: probes begin after this silence.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(5);
/// TCP: and come so often.
const KEEPALIVE_EVERY: Duration = Duration::from_secs(2);
/// TCP: so many unanswered ones end the connection.
const KEEPALIVE_PROBES: u32 = 3;

/// Who is at the other end.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    /// Its process, on a Unix socket, where the kernel names it in this process's own namespace.
    pub(crate) pid: Option<i32>,
    /// Its user, on a Unix socket.
    pub(crate) uid: Option<u32>,
    /// Its address, on TCP.
    pub(crate) address: Option<IpAddr>,
    /// Whether it has logged in.
    pub(crate) visitor: Arc<Visitor>,
}

/// An accepted socket, on the runtime that serves it.
pub(crate) struct Socket {
    stream: Stream,
    peer: Peer,
    /// When a connection that has not logged in is given up.
    deadline: Option<Pin<Box<Sleep>>>,
    _count: Count,
}

enum Stream {
    Unix(UnixSocket),
    Tcp(TcpStream),
}

/// Counts one connection while it lives.
pub(crate) struct Count(Arc<AtomicUsize>);

impl Count {
    pub(crate) fn new(connections: &Arc<AtomicUsize>) -> Count {
        connections.fetch_add(1, Ordering::AcqRel);
        Count(Arc::clone(connections))
    }
}

impl Drop for Count {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A socket that was accepted on one runtime and is served on another.
pub(crate) enum Accepted {
    /// A Unix socket.
    Unix(std::os::unix::net::UnixStream),
    /// A TCP socket.
    Tcp(std::net::TcpStream, SocketAddr),
}

impl Accepted {
    /// Registers the socket with the runtime of this thread.
    ///
    /// # Errors
    /// If it is gone, or too many connections of its address have not logged in.
    pub(super) fn register(self, porch: &Arc<Porch>, count: Count) -> io::Result<Socket> {
        let (stream, pid, uid, address) = match self {
            Accepted::Unix(socket) => {
                let socket = UnixStream::from_std(socket)?;
                let credentials = socket.peer_cred()?;
                let pid = credentials.pid().filter(|pid| *pid > 0);
                let socket = UnixSocket::register(socket.into_std()?)?;
                (Stream::Unix(socket), pid, Some(credentials.uid()), None)
            }
            Accepted::Tcp(socket, address) => {
                let keepalive = socket2::TcpKeepalive::new()
                    .with_time(KEEPALIVE_AFTER)
                    .with_interval(KEEPALIVE_EVERY)
                    .with_retries(KEEPALIVE_PROBES);
                let options = socket2::SockRef::from(&socket);
                options.set_tcp_nodelay(true)?;
                options.set_tcp_keepalive(&keepalive)?;
                #[cfg(target_os = "linux")]
                options.set_tcp_user_timeout(Some(
                    KEEPALIVE_AFTER + KEEPALIVE_EVERY * KEEPALIVE_PROBES,
                ))?;
                (
                    Stream::Tcp(TcpStream::from_std(socket)?),
                    None,
                    None,
                    Some(address.ip()),
                )
            }
        };
        let visitor = porch
            .enter(address)
            .ok_or_else(|| io::Error::other("too many have not logged in"))?;
        let peer = Peer {
            pid,
            uid,
            address,
            visitor,
        };
        let deadline = Some(Box::pin(tokio::time::sleep(LOGIN_TIME)));
        Ok(Socket {
            stream,
            peer,
            deadline,
            _count: count,
        })
    }
}

impl Socket {
    /// Is the time over in which the connection had to log in?
    fn is_late(&mut self, cx: &mut Context<'_>) -> bool {
        match &mut self.deadline {
            None => false,
            Some(_) if self.peer.visitor.is_welcome() => {
                self.deadline = None;
                false
            }
            Some(deadline) => deadline.as_mut().poll(cx).is_ready(),
        }
    }
}

impl Connected for Socket {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

macro_rules! either {
    ($self:expr, $socket:ident => $do:expr) => {
        match &mut $self.get_mut().stream {
            Stream::Unix($socket) => $do,
            Stream::Tcp($socket) => $do,
        }
    };
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.is_late(cx) {
            return Poll::Ready(Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "nobody logged in",
            )));
        }
        let read = either!(self, socket => Pin::new(socket).poll_read(cx, buf));
        if read.is_ready() {
            vigil::stay_awake();
        }
        read
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        either!(self, socket => Pin::new(socket).poll_write(cx, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        either!(self, socket => Pin::new(socket).poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, socket => Pin::new(socket).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, socket => Pin::new(socket).poll_shutdown(cx))
    }
}
