//! A session: what all lanes of a client share.

use crate::error::{Error, Happened, Result};
use crate::grants::Grants;
use crate::holdings::Holdings;
use crate::options::{Absence, Liveness, Options};
use crate::place::Place;
use commonhold_proto::login::{AuthKey, Token};
use commonhold_proto::{Owner, Revision, wire};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A client's session: who it is, and what it needs to connect.
pub(crate) struct Session {
    pub(crate) place: Place,
    pub(crate) key: AuthKey,
    pub(crate) key_name: String,
    /// Where the key came from, for messages.
    pub(crate) key_source: String,
    pub(crate) liveness: Liveness,
    pub(crate) identity: wire::Identity,
    pub(crate) connect_for: Duration,
    pub(crate) reconnect_for: Duration,
    pub(crate) absence: Option<Absence>,
    /// Held while a lane logs in and joins, so that two lanes never open two sessions.
    pub(crate) membership: tokio::sync::Mutex<Membership>,
    /// How often the session's lease was lost.
    lease_losses: AtomicU64,
    /// What it believes that it holds.
    pub(crate) grants: Grants,
    /// The anonymous objects that it wants.
    pub(crate) holdings: Arc<Holdings>,
    lanes: AtomicU64,
    /// Numbers the owners of an async client.
    owners: AtomicU64,
}

/// What the server gave.
#[derive(Debug, Default)]
pub(crate) struct Membership {
    pub(crate) token: Option<Token>,
    pub(crate) session: Option<u64>,
    /// The number of the next lane that joins.
    pub(crate) next_lane: u32,
}

/// A lane's place in a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seat {
    pub(crate) session: u64,
    pub(crate) lane: u32,
}

impl Session {
    /// A session that is yet to be opened. Reads the key; makes no connection.
    pub(crate) fn new(options: &Options, default_liveness: Liveness) -> Result<Session> {
        let place = options.place()?;
        let (key, key_source) = options.read_key()?;
        let liveness = options.liveness.unwrap_or(default_liveness);
        Ok(Session {
            place,
            key,
            key_source,
            key_name: options.key_name.clone(),
            liveness,
            grants: Grants::new(liveness),
            holdings: Arc::new(Holdings::new()),
            identity: identity(options.name.as_deref()),
            connect_for: options.connect_for,
            reconnect_for: options.reconnect_for,
            absence: options.absence.clone(),
            membership: tokio::sync::Mutex::default(),
            lease_losses: AtomicU64::new(0),
            lanes: AtomicU64::new(0),
            owners: AtomicU64::new(0),
        })
    }

    /// A session like this one for a forked child: nothing that the server gave goes over.
    pub(crate) fn fresh(&self) -> Session {
        Session {
            place: self.place.clone(),
            key: self.key.clone(),
            key_name: self.key_name.clone(),
            key_source: self.key_source.clone(),
            liveness: self.liveness,
            grants: Grants::new(self.liveness),
            holdings: Arc::new(Holdings::new()),
            identity: wire::Identity {
                pid: std::process::id(),
                ..self.identity.clone()
            },
            connect_for: self.connect_for,
            reconnect_for: self.reconnect_for,
            absence: self.absence.clone(),
            membership: tokio::sync::Mutex::default(),
            lease_losses: AtomicU64::new(0),
            lanes: AtomicU64::new(0),
            owners: AtomicU64::new(0),
        }
    }

    /// An owner that no call of this session had.
    pub(crate) fn fresh_owner(&self) -> Owner {
        Owner(self.owners.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// Counts a lane in.
    pub(crate) fn enter(&self) {
        self.lanes.fetch_add(1, Ordering::AcqRel);
    }

    /// Counts a lane out. True if it was the last: the one that says goodbye.
    pub(crate) fn leave(&self) -> bool {
        self.lanes.fetch_sub(1, Ordering::AcqRel) == 1
    }

    /// What was granted up to this revision is lost.
    pub(crate) fn lease_lost(&self, until: Revision) {
        self.lease_losses.fetch_add(1, Ordering::AcqRel);
        self.grants.lose_until(until);
    }

    /// The server does not know the session any more. The first lane that hears of it says so, once.
    pub(crate) fn forgotten(&self) {
        self.lease_losses.fetch_add(1, Ordering::AcqRel);
        self.grants.lose_all();
    }

    /// How often everything that the session held was lost.
    pub(crate) fn lease_losses(&self) -> u64 {
        self.lease_losses.load(Ordering::Acquire)
    }

    /// The name that HTTP/2 requests carry.
    pub(crate) fn authority(&self) -> String {
        self.place.authority()
    }

    pub(crate) fn unreachable(&self, source: io::Error) -> Error {
        Error::Unreachable {
            place: self.place.clone(),
            source: Arc::new(source),
        }
    }

    pub(crate) fn incompatible(&self, reason: String) -> Error {
        Error::Incompatible {
            place: self.place.clone(),
            reason,
        }
    }

    pub(crate) fn lost(&self, reason: impl Into<String>, happened: Happened) -> Error {
        Error::ConnectionLost {
            place: self.place.clone(),
            reason: reason.into(),
            happened,
        }
    }
}

fn identity(name: Option<&str>) -> wire::Identity {
    let system = rustix::system::uname();
    let program = || {
        let path = std::env::current_exe().ok()?;
        Some(path.file_name()?.to_string_lossy().into_owned())
    };
    wire::Identity {
        name: name.map(str::to_owned).or_else(program).unwrap_or_default(),
        host: system.nodename().to_string_lossy().into_owned(),
        pid: std::process::id(),
    }
}
