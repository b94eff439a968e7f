//! Who holds an object, and who waits for it.

use serde::Deserialize;

/// What [`Server::who`](super::Server::who) tells of an object.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[non_exhaustive]
pub struct Who {
    /// The object's name: of a condition that shares a lock, the lock's.
    pub name: String,
    /// Its kind.
    pub kind: String,
    /// Its identity.
    pub oid: u64,
    /// Who holds it, or a part of it, in the order in which they came: at most 1,000.
    pub holders: Vec<Holder>,
    /// How many hold it in all; 0 if the server does not tell.
    #[serde(default)]
    pub holder_count: u64,
    /// Who waits, in the order in which they are served where they stand in line: at most 1,000.
    pub waiting: Vec<Waiter>,
    /// How many wait in all.
    pub waiting_count: u64,
}

/// Someone who holds an object, or a part of it.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[non_exhaustive]
pub struct Holder {
    /// Its session; `None` if it has ended, or for a single call.
    pub session: Option<u64>,
    /// The name that its client chose; empty if it has none, or is gone.
    pub client: String,
    /// Its machine.
    pub host: String,
    /// Its process.
    pub pid: u32,
    /// Its thread or task, as its client numbers them.
    pub owner: u64,
    /// For how many milliseconds it has held it.
    pub since_ms: u64,
    /// The token of its grant.
    pub token: Option<u64>,
    /// What it says of itself.
    pub note: Option<String>,
    /// What it holds, if that is not all.
    pub part: Option<String>,
}

/// Someone who waits for an object.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[non_exhaustive]
pub struct Waiter {
    /// Its session; `None` for a single call.
    pub session: Option<u64>,
    /// The name that its client chose.
    pub client: String,
    /// Its machine.
    pub host: String,
    /// Its process.
    pub pid: u32,
    /// Its thread or task, as its client numbers them.
    pub owner: u64,
    /// What it called, or what that goes on as.
    pub method: String,
    /// For how many milliseconds it has waited.
    pub since_ms: u64,
}
