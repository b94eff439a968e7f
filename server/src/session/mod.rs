//! Sessions: who a client is, what it holds, and what it has been told.
//!
//! Three lifetimes: the *lease* (is the client alive? ends what is lent to it), the *session* (identity and outcomes,
//! kept an hour after its last lane) and the *outcome* (until acknowledged). An unknown session is never a new one.

mod calls;
mod entry;
mod holdings;
mod lane;
mod losses;
mod outbox;

pub(crate) use calls::Admission;
pub(crate) use holdings::Holdings;
pub(crate) use lane::Lane;
pub(crate) use losses::Losses;
pub(crate) use outbox::Credit;

use commonhold_proto::login::TokenHash;
use commonhold_proto::{LaneId, Oid, RowKey, SessionId};
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// Calls that a client may have under way on a lane, those that wait not counted.
pub(crate) const CREDITS: u32 = 1024;
/// Lanes that one session may have.
const LANES_MAX: u32 = 1024;
/// Calls of one session that may wait at a time.
pub(crate) const PARKED_MAX: usize = 10_000;

/// How the server tells that a client lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Liveness {
    /// As long as its connection does.
    Connection,
    /// As long as it sends frames.
    Heartbeat,
}

/// Who a client is, for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The name it chose.
    pub name: String,
    /// Its machine.
    pub host: String,
    /// Its process.
    pub pid: u32,
}

/// One client object in one process.
pub(crate) struct Session {
    pub(crate) id: SessionId,
    pub(crate) identity: Identity,
    pub(crate) liveness: Liveness,
    /// Of the token that its lanes log in with.
    pub(crate) token: TokenHash,
    /// The anonymous objects that it keeps alive.
    pub(crate) holdings: Arc<Holdings>,
    lease: Mutex<Arc<Lease>>,
    lanes: Mutex<BTreeMap<LaneId, Arc<Lane>>>,
    pub(crate) presence: Mutex<Presence>,
}

/// Whether the client is there. Times are monotonic.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts")]
pub(crate) struct Presence {
    /// Live connections.
    pub(crate) connections: usize,
    /// When the last of them broke, or when a restarted server began to wait for it.
    pub(crate) absent_since: Option<Duration>,
    /// When a frame last came.
    pub(crate) heard: Duration,
    /// How long the lease outlives the absence: the grace, or the term after a restart.
    pub(crate) patience: Duration,
    /// When a timer looks whether the lease is over: there is one at most, however often connections come and go.
    pub(crate) lease_timer: Option<Duration>,
    /// When a timer looks whether it has been absent for so long that it is forgotten.
    pub(crate) memory_timer: Option<Duration>,
    /// The lease ended, and the client has not shown that it was told.
    pub(crate) lease_lost: bool,
    /// The same, and a restarted server must tell it.
    pub(crate) loss_lasts: bool,
    /// What the log says of that. It is changed with the table of sessions locked.
    pub(crate) loss_logged: bool,
    /// It is being forgotten: no lane may be taken any more.
    pub(crate) forgotten: bool,
    /// Grants that were lost singly.
    pub(crate) losses: Losses,
}

/// What a session holds while it is known to live.
///
/// Ending it sets `ended` first; every execution looks at the flag under its cell's lock, and lends under the lock of
/// `lent`, so that the sweep misses nothing.
pub(crate) struct Lease {
    pub(crate) session: SessionId,
    ended: AtomicBool,
    lent: Mutex<HashSet<(Oid, RowKey)>>,
    /// Calls that wait under it.
    pub(crate) parked: AtomicUsize,
}

impl Lease {
    fn new(session: SessionId) -> Arc<Lease> {
        Arc::new(Lease {
            session,
            ended: AtomicBool::new(false),
            lent: Mutex::default(),
            parked: AtomicUsize::new(0),
        })
    }

    /// The lease of a session that is not known any more.
    pub(crate) fn ended(session: SessionId) -> Arc<Lease> {
        let lease = Lease::new(session);
        lease.end();
        lease
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// Notes a row that ends with the lease. False if the lease has ended: the caller sweeps it again.
    pub(crate) fn lend(&self, oid: Oid, key: RowKey) -> bool {
        let mut lent = self.lent.lock();
        lent.insert((oid, key));
        !self.has_ended()
    }

    /// The row does not end with the lease any more.
    pub(crate) fn give_back(&self, oid: Oid, key: &RowKey) {
        self.lent.lock().remove(&(oid, key.clone()));
    }

    /// Ends it, and takes what was lent until now, in order.
    pub(crate) fn end(&self) -> Vec<(Oid, RowKey)> {
        let mut lent = self.lent.lock();
        self.ended.store(true, Ordering::Release);
        let mut rows: Vec<_> = lent.drain().collect();
        rows.sort();
        rows
    }
}

impl Session {
    pub(crate) fn new(
        id: SessionId,
        identity: Identity,
        liveness: Liveness,
        token: TokenHash,
    ) -> Session {
        Session {
            id,
            identity,
            liveness,
            token,
            holdings: Arc::default(),
            lease: Mutex::new(Lease::new(id)),
            lanes: Mutex::default(),
            presence: Mutex::default(),
        }
    }

    /// The lease of now.
    pub(crate) fn lease(&self) -> Arc<Lease> {
        Arc::clone(&self.lease.lock())
    }

    /// The lease of now, or a new one if that has ended.
    pub(crate) fn renew(&self) -> Arc<Lease> {
        let mut lease = self.lease.lock();
        if lease.has_ended() {
            *lease = Lease::new(self.id);
        }
        Arc::clone(&lease)
    }

    /// The lane of this number, made if it is new. `None` if there would be too many.
    pub(crate) fn lane(&self, id: LaneId) -> Option<Arc<Lane>> {
        if id.0 >= LANES_MAX {
            return None;
        }
        let mut lanes = self.lanes.lock();
        Some(Arc::clone(lanes.entry(id).or_insert_with(|| {
            Arc::new(Lane::new(self.id, id, Arc::clone(&self.holdings)))
        })))
    }

    /// All lanes.
    pub(crate) fn lanes(&self) -> Vec<Arc<Lane>> {
        self.lanes.lock().values().cloned().collect()
    }
}
