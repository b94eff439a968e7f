//! Client of commonhold: proxies to objects that a server hosts for many processes.
//!
//! ```no_run
//! # async fn example() -> Result<(), commonhold::Error> {
//! let ch = commonhold::Client::from_env().await?;
//! let hits = ch.dict::<String, i64>("hits");
//! let n = hits.increment("/index", 1).await?;
//! # Ok(())
//! # }
//! ```
//!
//! [`blocking::Client`] has the same methods without `async`, and neither a runtime nor a thread of its own.
//!
//! A call happens exactly once: after a broken connection the client connects again and asks what became of it. Where
//! that cannot be told, [`Error::happened`] says [`Happened::Unknown`].

pub mod blocking;
mod caller;
mod client;
mod error;
mod handle;
mod object;
mod options;
mod place;
mod proxy;

mod channel;
mod drive;
mod establish;
mod grants;
mod holdings;
mod lane;
mod net;
mod session;
mod shared;
mod socket;
mod stats;
mod tending;
mod tokio_net;

pub use blocking::Driver;
pub use caller::{Caller, Request};
pub use client::{Answer, Client};
pub use commonhold_proto::login::AuthKey;
pub use commonhold_proto::value::CompactString;
pub use commonhold_proto::{
    Call, Code, Durability, Fence, Oid, Open, OpenOptions, Owner, Reference, Refusal, Reply,
    Revision, Target, Value,
};
pub use error::{Error, Happened, Result};
pub use object::Object;
pub use options::{Liveness, Options, StandIn};
pub use place::Place;
pub use proxy::{
    Acquire, Acquiring, Anonymous, Array, Barrier, Condition, Counter, Dead, Dict, Draft, Event,
    Guard, Holder, Increment, Items, Job, Latch, List, Lock, LockAcquire, Namespace, OnEnd, Permit,
    PreviousEnd, Queue, RwLock, Scan, Semaphore, Server, Set, Shared, Slice, Take, Waiter, Watch,
    Who,
};
pub use stats::Stats;
