//! Sockets and time of tokio, for async clients.

use crate::net::Net;
use crate::place::Place;
use crate::socket;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// tokio, as a driver sees it.
pub(crate) struct TokioNet;

/// A socket of tokio's.
pub(crate) enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Net for TokioNet {
    type Stream = Stream;
    type Sleep = Pin<Box<tokio::time::Sleep>>;

    async fn connect(&self, place: &Place) -> io::Result<Stream> {
        match place {
            Place::Unix(path) => UnixStream::connect(path).await.map(Stream::Unix),
            Place::Tcp(at) => {
                let stream = TcpStream::connect((&at.host[..], at.port)).await?;
                socket::tune(&stream)?;
                Ok(Stream::Tcp(stream))
            }
        }
    }

    fn sleep(&self, time: Duration) -> Self::Sleep {
        Box::pin(tokio::time::sleep(time))
    }

    async fn compute<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        match tokio::task::spawn_blocking(work).await {
            Ok(output) => output,
            // It is never cancelled, so it can only have panicked.
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
}

impl Stream {
    fn project(self: Pin<&mut Self>) -> Either<'_> {
        match self.get_mut() {
            Stream::Unix(stream) => Either::Unix(Pin::new(stream)),
            Stream::Tcp(stream) => Either::Tcp(Pin::new(stream)),
        }
    }
}

enum Either<'a> {
    Unix(Pin<&'a mut UnixStream>),
    Tcp(Pin<&'a mut TcpStream>),
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.project() {
            Either::Unix(stream) => stream.poll_read(cx, buf),
            Either::Tcp(stream) => stream.poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.project() {
            Either::Unix(stream) => stream.poll_write(cx, buf),
            Either::Tcp(stream) => stream.poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.project() {
            Either::Unix(stream) => stream.poll_write_vectored(cx, bufs),
            Either::Tcp(stream) => stream.poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.project() {
            Either::Unix(stream) => stream.poll_flush(cx),
            Either::Tcp(stream) => stream.poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.project() {
            Either::Unix(stream) => stream.poll_shutdown(cx),
            Either::Tcp(stream) => stream.poll_shutdown(cx),
        }
    }
}
