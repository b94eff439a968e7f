//! What a guard, a job or a permit knows of its grant.

use crate::caller::Caller;
use crate::grants::Grant;
use crate::session::Session;
use commonhold_proto::Fence;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

/// A grant, and the session that may lose it.
pub(super) struct Held {
    session: Arc<Session>,
    fence: Fence,
    grant: Arc<Grant>,
}

impl Held {
    /// It was granted to this client.
    pub(super) fn new(client: &impl Caller, fence: Fence) -> Held {
        let session = client.ties().0;
        let grant = session.grants.hold(fence);
        Held {
            session,
            fence,
            grant,
        }
    }

    /// Is it lost, or may it have gone to another for all that is known?
    pub(super) fn is_lost(&self) -> bool {
        self.was_told_lost() || self.session.grants.is_in_doubt()
    }

    /// Did the server say that it is lost?
    pub(super) fn was_told_lost(&self) -> bool {
        self.grant.is_lost()
    }

    /// Ends when it is lost, or may have gone to another for all that is known. Needs tokio's time.
    pub(super) async fn lost(&self) {
        while !self.is_lost() {
            let lost = poll_fn(|cx| {
                self.grant.watch(cx.waker());
                if self.grant.is_lost() {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                }
            });
            match self.session.grants.trusted_until() {
                // Whether it was lost or the time is over is looked at again: the time may have been prolonged.
                Some(until) => drop(tokio::time::timeout_at(until.into(), lost).await),
                None => lost.await,
            }
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.session.grants.give_back(self.fence);
    }
}
