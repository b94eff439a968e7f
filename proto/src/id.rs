//! The numbers that name things.

use std::fmt;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number! {
    /// A place in the server-wide order of changes. Never reused, not even over restarts; 0 is before everything.
    Revision(u64)
}
number! {
    /// An object's identity: the revision that created it. A name only opens it.
    Oid(u64)
}
number! {
    /// A session's identity: the revision that opened it.
    SessionId(u64)
}
number! {
    /// One connection of a session, from 0.
    LaneId(u32)
}
number! {
    /// Who calls within a session: a thread or a task, as the client chose to number it.
    Owner(u64)
}
number! {
    /// Milliseconds since the Unix epoch on the server's own clock, which never goes back, not even over restarts.
    ServerTime(u64)
}

/// Names one call of one client for ever: what makes a call that is sent again the same call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OperationId {
    /// The session that called.
    pub session: SessionId,
    /// The lane it called on.
    pub lane: LaneId,
    /// The call's number within the lane, from 1.
    pub sequence: u64,
}
