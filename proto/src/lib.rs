//! The wire protocol of commonhold and the types that every room shares.
//!
//! [`wire`] is generated from `commonhold.proto`; everything else here is the vocabulary of the engine and the clients:
//! values, calls, replies, refusals, rows and changes. [`login`], [`place`], [`keyfile`] and [`url`] are what server
//! and clients must agree on before they speak. This crate does no I/O, but for [`keyfile`].

mod call;
mod count;
mod disk;
mod fingerprint;
mod frame;
mod id;
pub mod keyfile;
pub mod login;
pub mod place;
mod ranges;
mod refusal;
mod row;
mod row_key;
pub mod url;
pub mod value;
pub mod wire;

pub use call::{
    CALL_OVERHEAD_MAX, Call, Durability, Fence, Open, OpenOptions, Received, Reply, Target,
    call_bytes_max,
};
pub use count::CALL_VALUES_MAX;
pub use frame::{FRAME_CALLS_MAX, FRAME_RUNS_MAX};
pub use id::{LaneId, Oid, OperationId, Owner, Revision, ServerTime, SessionId};
pub use ranges::Ranges;
pub use refusal::{Code, Refusal};
pub use row::{Change, Outcome, OutcomeState, Part, Row, Rows, Ticket, Undo};
pub use row_key::RowKey;
pub use value::{Opaque, Reference, Value};

/// The protocol's major version: peers of another one are refused.
pub const PROTOCOL_MAJOR: u32 = 1;
/// The protocol's minor version: higher ones add what older peers may ignore.
pub const PROTOCOL_MINOR: u32 = 0;
