//! Who calls: a lane of a session or a call of its own, and the way back to either.

use super::waiting::Parked;
use crate::session::{Lane, Lease};
use commonhold_proto::{Fence, Oid, Owner, Reply, Revision};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::task::Waker;
use std::time::Duration;

/// Who calls, and how the answer gets back.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) origin: Origin,
    /// The call's number in its lane.
    pub(crate) sequence: u64,
    pub(crate) fingerprint: u64,
    pub(crate) owner: Owner,
    /// Opened by name: the reply says which object it was.
    pub(crate) opened: bool,
    /// The object that it was opened as, if that led it to another.
    pub(super) led_from: Option<Oid>,
    /// On the monotonic clock; `None` is for ever.
    pub(crate) deadline: Option<Duration>,
    /// False for a time-out of 0.
    pub(crate) may_wait: bool,
    /// The grant without which it is refused.
    pub(crate) fence: Option<Fence>,
    /// What must be durable before its answer leaves, besides what its own object says.
    pub(super) floor: Revision,
}

/// Where a call comes from.
#[derive(Clone)]
pub(crate) enum Origin {
    /// A lane of a session: exactly once.
    Lane(Arc<Connection>),
    /// A call of its own: at most once a try.
    Unary(Arc<Unary>),
}

/// A lane and the lease that its connection was opened under.
pub(crate) struct Connection {
    pub(crate) lane: Arc<Lane>,
    pub(crate) lease: Arc<Lease>,
    /// Its welcome told of what was lost, and no call has come since.
    pub(super) tells: AtomicBool,
    /// It told that the lease before was lost.
    pub(super) told_lease_lost: bool,
    /// It told of the single losses before this mark.
    pub(super) told_losses: u64,
}

impl Connection {
    /// For what is done to a lane whose client is gone.
    pub(super) fn of_nobody(lane: Arc<Lane>, lease: Arc<Lease>) -> Connection {
        Connection {
            lane,
            lease,
            tells: AtomicBool::new(false),
            told_lease_lost: false,
            told_losses: 0,
        }
    }
}

/// Takes the answer to one call.
#[derive(Default)]
pub(crate) struct Unary {
    state: Mutex<UnaryState>,
}

#[derive(Default)]
struct UnaryState {
    /// The reply, and what must be durable before it leaves.
    answer: Option<(Reply, Revision)>,
    parked: Option<Arc<Parked>>,
    waker: Option<Waker>,
}

impl Unary {
    /// The reply and what must be durable before it leaves; otherwise `waker` is kept.
    pub(crate) fn poll(&self, waker: &Waker) -> Option<(Reply, Revision)> {
        let mut state = self.state.lock();
        if state.answer.is_none() {
            state.waker = Some(waker.clone());
        }
        state.answer.take()
    }

    /// The call, if it waits.
    pub(crate) fn parked(&self) -> Option<Arc<Parked>> {
        self.state.lock().parked.clone()
    }

    pub(super) fn park(&self, parked: Arc<Parked>) {
        self.state.lock().parked = Some(parked);
    }

    pub(super) fn answer(&self, reply: Reply, gate: Revision) {
        let mut state = self.state.lock();
        state.answer = Some((reply, gate));
        state.parked = None;
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
    }
}

impl Caller {
    /// The object that the reply names, if the call was opened by name.
    pub(super) fn names(&self, reached: Oid) -> Option<Oid> {
        self.opened.then_some(self.led_from.unwrap_or(reached))
    }

    pub(super) fn lease(&self) -> Option<&Arc<Lease>> {
        match &self.origin {
            Origin::Lane(connection) => Some(&connection.lease),
            Origin::Unary(_) => None,
        }
    }

    pub(super) fn lane(&self) -> Option<&Arc<Lane>> {
        match &self.origin {
            Origin::Lane(connection) => Some(&connection.lane),
            Origin::Unary(_) => None,
        }
    }
}
