//! Who may speak to this server: keys, logins, tokens.
//!
//! The mathematics is in [`commonhold_proto::login`], which clients share. This room keeps what a server must remember,
//! all of it bounded: the [verifiers](Keys) of its keys, [handshakes](Logins) under way with the [brake](Throttle) on
//! those who guess, and the [tokens](Tokens) that logins gave. It reads no clock: every call is told the time.

mod keys;
mod logins;
mod throttle;
mod tokens;

pub use keys::Keys;
pub use logins::{
    Answer, ConnectionId, HANDSHAKES_CONNECTION_MAX, HANDSHAKES_MAX, HandshakeId, LoginFailure,
    Logins,
};
pub use throttle::{Peer, Throttle};
pub use tokens::{TOKEN_LIFE, Tokens};
