//! A Unix socket that is watched for what comes, and for room only while a write waits for it.
//!
//! tokio's own is always watched for both, and a Unix socket has room anew each time that the other side reads: every
//! reply would wake this side once more, for nothing, in the middle of the other side's work.

use std::io::{self, IoSlice, Read as _, Write as _};
use std::net::Shutdown;
use std::os::fd::{AsFd as _, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};

/// A socket, on the runtime that serves it.
pub(super) struct UnixSocket {
    socket: AsyncFd<UnixStream>,
    /// The same socket, while the last write found no room.
    room: Option<AsyncFd<OwnedFd>>,
}

impl UnixSocket {
    /// Registers a socket that does not block with the runtime of this thread.
    pub(super) fn register(socket: UnixStream) -> io::Result<UnixSocket> {
        let socket = watch(socket, Interest::READABLE)?;
        Ok(UnixSocket { socket, room: None })
    }

    fn poll_room(
        &mut self,
        cx: &mut Context<'_>,
        write: impl Fn(&mut &UnixStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            if let Some(room) = &self.room {
                drop(ready!(room.poll_write_ready(cx))?);
                self.room = None;
            }
            match write(&mut self.socket.get_ref()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    // A new registration tells of the room that there is by now.
                    let socket = self.socket.get_ref().as_fd().try_clone_to_owned()?;
                    self.room = Some(watch(socket, Interest::WRITABLE)?);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                written => return Poll::Ready(written),
            }
        }
    }
}

#[expect(
    deprecated,
    reason = "what replaces it is unsafe: it asks for a descriptor that is owned, as these are"
)]
fn watch<T: AsRawFd>(socket: T, interest: Interest) -> io::Result<AsyncFd<T>> {
    AsyncFd::with_interest(socket, interest)
}

impl AsyncRead for UnixSocket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let socket = &self.socket;
        loop {
            let mut guard = ready!(socket.poll_read_ready(cx))?;
            let space = buf.initialize_unfilled();
            let wanted = space.len();
            match socket.get_ref().read(space) {
                Ok(read) => {
                    // Less than there was space for: empty, without asking again. The end of the stream stays ready.
                    if 0 < read && read < wanted {
                        guard.clear_ready();
                    }
                    buf.advance(read);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => guard.clear_ready(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for UnixSocket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().poll_room(cx, |socket| socket.write(buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut()
            .poll_room(cx, |socket| socket.write_vectored(bufs))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.socket.get_ref().shutdown(Shutdown::Write))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    fn pair() -> (UnixSocket, UnixSocket) {
        let (a, b) = UnixStream::pair().expect("a pair");
        let register = |socket: UnixStream| {
            socket.set_nonblocking(true).expect("it cannot fail");
            UnixSocket::register(socket).expect("a runtime")
        };
        (register(a), register(b))
    }

    #[tokio::test]
    async fn more_than_there_is_room_for_arrives() {
        let (mut a, mut b) = pair();
        let sent: Vec<u8> = (0..4_000_000u32).map(|n| n.to_le_bytes()[1]).collect();
        let write = async {
            a.write_all(&sent).await.expect("somebody reads");
            a.shutdown().await.expect("it is open");
            assert!(a.room.is_none());
        };
        let mut received = Vec::new();
        let (read, ()) = tokio::join!(b.read_to_end(&mut received), write);
        assert_eq!(read.expect("it ends well"), sent.len());
        assert_eq!(received, sent);
    }

    /// The end of a stream is seen, and seen again.
    #[tokio::test]
    async fn the_end_stays_the_end() {
        let (mut a, mut b) = pair();
        a.write_all(b"last words").await.expect("there is room");
        drop(a);
        let mut bytes = [0; 10];
        b.read_exact(&mut bytes).await.expect("it came");
        for _ in 0..2 {
            assert_eq!(b.read(&mut bytes).await.expect("it ended well"), 0);
        }
    }
}
