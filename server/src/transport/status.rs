//! How a lane, or a call that never reached an object, ends: the one place that makes a `tonic::Status`.

use commonhold_proto::{PROTOCOL_MAJOR, Refusal};
use tonic::Status;

/// Why the transport ends something. A refusal by an object is no end: it travels in a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// No token, or one that is not known (any more).
    NotLoggedIn,
    /// The proof of the key was wrong. The same sentence whatever was wrong.
    KeyRefused,
    /// The login took too long.
    LoginExpired,
    /// The client speaks another protocol.
    OtherVersion {
        /// What it said of itself.
        product: String,
        /// Its major version.
        major: u32,
    },
    /// What came breaks the protocol.
    Malformed(&'static str),
    /// The session is not known: its outcomes are lost, and it is never treated as new.
    UnknownSession,
    /// The session belongs to another token.
    ForeignSession,
    /// Another connection took the lane, or its lease ended: the client joins again.
    Replaced,
    /// More than the limits allow.
    TooMuch(&'static str),
    /// The server refused before any object was reached.
    Refused(Refusal),
    /// The server is ending: try the next one.
    Draining,
    /// The server failed.
    Failed,
    /// The request came over no connection of ours: a fault in this room.
    NoPeer,
}

impl From<End> for Status {
    fn from(end: End) -> Status {
        match end {
            End::NotLoggedIn => Status::unauthenticated("log in first"),
            End::KeyRefused => Status::permission_denied("the key was refused"),
            End::LoginExpired => Status::deadline_exceeded("the login took too long: begin again"),
            End::OtherVersion { product, major } => Status::failed_precondition(format!(
                "{product} speaks protocol {major}, {} speaks {PROTOCOL_MAJOR}",
                super::PRODUCT
            )),
            End::Malformed(what) => Status::invalid_argument(what),
            End::UnknownSession => Status::not_found("the session is not known"),
            End::ForeignSession => {
                Status::permission_denied("the session belongs to another login")
            }
            End::Replaced => {
                Status::aborted("another connection took the lane, or its lease ended")
            }
            End::TooMuch(what) => Status::resource_exhausted(what),
            End::Refused(refusal) => Status::resource_exhausted(refusal.message),
            End::Draining => Status::unavailable("the server is ending"),
            End::Failed => Status::unavailable("the server failed"),
            End::NoPeer => Status::internal("the connection has no peer"),
        }
    }
}
