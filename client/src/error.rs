//! What can go wrong, and what a caller may do about it.

use crate::place::Place;
use commonhold_proto::{Code, Refusal};
use std::io;
use std::sync::Arc;

/// The result of anything that asks the server.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a call has no answer, or a refusal for one.
///
/// Two questions decide what to do: [`Error::is_retryable`] and [`Error::happened`].
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The server understood and said no.
    #[error("{0}")]
    Refused(#[from] Refusal),
    /// Nobody answers at the place.
    #[error("cannot reach {place}: {source}")]
    Unreachable {
        /// Where a server was looked for.
        place: Place,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// The server does not know the key, or is not the one that it was made for.
    #[error("{place} refused the key ({key})")]
    Authentication {
        /// The server's place.
        place: Place,
        /// Where the key came from.
        key: String,
    },
    /// Client and server cannot speak with each other.
    #[error("{place}: {reason}")]
    Incompatible {
        /// The server's place.
        place: Place,
        /// What does not fit.
        reason: String,
    },
    /// The connection broke and could not be taken up again in time.
    #[error("lost {place}: {reason}{}", match happened {
        Happened::Unknown => " (whether the call was carried out is unknown)",
        _ => "",
    })]
    ConnectionLost {
        /// The server's place.
        place: Place,
        /// What broke.
        reason: String,
        /// Was the call carried out?
        happened: Happened,
    },
    /// A signal ended the wait, and the interrupt hook said to stop.
    #[error("interrupted")]
    Interrupted {
        /// Was the call carried out?
        happened: Happened,
    },
    /// A value does not fit the Rust type, or a call that is to be sent again not the server any more.
    #[error("{reason}")]
    Value {
        /// What does not fit.
        reason: String,
        /// No for an argument; yes for a reply that does not have the expected type; unknown for a call sent before.
        happened: Happened,
    },
    /// The client's own settings make no sense: its URL, its key file.
    #[error("{0}")]
    Configuration(String),
    /// The client was closed.
    #[error("the client is closed")]
    Closed,
}

/// Was a call carried out?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happened {
    /// It was.
    Yes,
    /// It was not, and will not be.
    No,
    /// Nobody can tell: it was sent, and no answer came.
    Unknown,
}

impl Error {
    /// May the same call succeed a little later, without harm if it is simply made again?
    pub fn is_retryable(&self) -> bool {
        match self {
            Error::Refused(refusal) => matches!(
                refusal.code,
                Code::Full
                    | Code::Empty
                    | Code::DeadlineExceeded
                    | Code::TooManyWaiting
                    | Code::WouldBlock
                    | Code::StoreFull
            ),
            Error::Unreachable { .. } => true,
            Error::ConnectionLost { happened, .. } => *happened == Happened::No,
            Error::Authentication { .. }
            | Error::Incompatible { .. }
            | Error::Interrupted { .. }
            | Error::Value { .. }
            | Error::Configuration(_)
            | Error::Closed => false,
        }
    }

    /// Was the call carried out?
    pub fn happened(&self) -> Happened {
        match self {
            Error::ConnectionLost { happened, .. }
            | Error::Interrupted { happened }
            | Error::Value { happened, .. } => *happened,
            Error::Refused(_)
            | Error::Unreachable { .. }
            | Error::Authentication { .. }
            | Error::Incompatible { .. }
            | Error::Configuration(_)
            | Error::Closed => Happened::No,
        }
    }

    /// The same error, with what else is known about a server that cannot be reached.
    #[must_use]
    pub(crate) fn because(self, why: &str) -> Error {
        match self {
            Error::Unreachable { place, source } => Error::Unreachable {
                place,
                source: Arc::new(io::Error::new(source.kind(), format!("{source}; {why}"))),
            },
            other => other,
        }
    }

    /// The refusal's code, if it is one.
    pub fn code(&self) -> Option<Code> {
        match self {
            Error::Refused(refusal) => Some(refusal.code),
            _ => None,
        }
    }
}
