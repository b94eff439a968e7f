//! What a driver needs from the world: sockets, time, and somewhere to compute.

use crate::place::Place;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};

/// A runtime, as far as a driver needs one.
pub(crate) trait Net: Send + Sync + 'static {
    /// A connected socket.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send;
    /// A pause.
    type Sleep: Future<Output = ()> + Unpin + Send;

    /// Connects, at most once; nothing is retried here.
    fn connect(&self, place: &Place) -> impl Future<Output = io::Result<Self::Stream>> + Send;

    /// A pause that begins now.
    fn sleep(&self, time: Duration) -> Self::Sleep;

    /// Runs something that takes long.
    fn compute<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = T> + Send;
}

/// The future's output, or `None` if it takes longer than `time`.
pub(crate) async fn within<N: Net, T>(
    net: &N,
    time: Duration,
    future: impl Future<Output = T>,
) -> Option<T> {
    let mut future = pin!(future);
    let mut sleep = net.sleep(time);
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Pin::new(&mut sleep).poll(cx).map(|()| None),
    })
    .await
}
