//! Sockets and time for a driver that is polled by the calling thread.

use super::reactor::Reactor;
use super::socket::Socket;
use crate::net::Net;
use crate::place::Place;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// The calling thread, as a driver sees it.
pub(super) struct BlockingNet {
    pub(super) reactor: Arc<Reactor>,
}

impl Net for BlockingNet {
    type Stream = Socket;
    type Sleep = Sleep;

    async fn connect(&self, place: &Place) -> io::Result<Socket> {
        Socket::connect(place, &self.reactor)
    }

    fn sleep(&self, time: Duration) -> Sleep {
        Sleep::new(time, &self.reactor)
    }

    async fn compute<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        work()
    }
}

/// A pause, told to the reactor each time it is polled.
pub(super) struct Sleep {
    until: Instant,
    reactor: Arc<Reactor>,
}

impl Sleep {
    pub(super) fn new(time: Duration, reactor: &Arc<Reactor>) -> Sleep {
        Sleep {
            until: Instant::now() + time,
            reactor: Arc::clone(reactor),
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if Instant::now() >= self.until {
            return Poll::Ready(());
        }
        self.reactor.wake_at(self.until);
        Poll::Pending
    }
}
