//! The login: each side proves to the other that it knows the key, and the key never crosses the wire.
//!
//! The shape is SCRAM's (RFC 5802) with Argon2id or HKDF in place of PBKDF2. The client derives everything from the key;
//! the server keeps a [`Verifier`], with which one can check a client but not log in as one.
//!
//! ```text
//! SaltedPassword = Argon2id(key, salt) | HKDF-SHA-256(key, salt, "commonhold.v1 key")            32 bytes
//! ClientKey = HMAC(SaltedPassword, "Client Key")    StoredKey = SHA-256(ClientKey)
//! ServerKey = HMAC(SaltedPassword, "Server Key")
//!
//! client -> server  ClientFirst: key name, client nonce                                          `first`
//! server -> client  ServerFirst: both nonces, salt, mechanism                                    `challenge`
//! client -> server  proof     = ClientKey xor HMAC(StoredKey, m("client", first, challenge))
//! server -> client  signature = HMAC(ServerKey, m("server", first, challenge, proof, token, expires)), token, expires
//!
//! m(role, parts..) = l("commonhold.v1 " role) l(part)..      l(bytes) = length as u32, big-endian, then the bytes
//! ```
//!
//! `first` and `challenge` are the contents of the `first` fields of `LoginRequest` and `LoginResponse`, exactly as they
//! were sent and received, never encoded again: a field that one side does not understand is covered too. `expires` is
//! 8 bytes, big-endian. The label holds the protocol's version, and the role makes a message of one side worthless as
//! one of the other.
//!
//! **Invariant:** nothing outside this room names argon2, hkdf, hmac or sha2.

/// `Debug` that gives the name of a type and nothing of what is in it.
macro_rules! redacted {
    ($($type:ty),+) => {$(
        impl std::fmt::Debug for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($type)).finish_non_exhaustive()
            }
        }
    )+};
}

mod cache;
mod client;
mod derive;
mod key;
mod mechanism;
mod message;
mod server;
mod token;

pub use cache::KeyCache;
pub use client::{ClientLogin, ClientProof, Granted};
pub use derive::{Derived, SaltedPassword, Verifier};
pub use key::{AuthKey, KEY_BYTES_MAX, KeyError};
pub use mechanism::{Mechanism, SALT_BYTES, Salt};
pub use message::NONCE_BYTES;
pub use server::{Proven, ServerLogin};
pub use token::{TOKEN_BYTES, Token, TokenHash};

/// The name of the key where none is given.
pub const DEFAULT_KEY_NAME: &str = "default";

/// The longest name of a key, in bytes.
pub const KEY_NAME_BYTES_MAX: usize = 255;

/// Why a login failed. None of these says anything that helps to guess the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoginError {
    /// The other side sent something that is no step of this login, or not this step.
    #[error("the login was broken off: {0}")]
    Malformed(&'static str),
    /// The server: the client does not know the key, or there is no key of this name.
    #[error("the key was refused")]
    Refused,
    /// The client: the server does not know the key.
    #[error(
        "the server could not prove that it knows the key: it has another one, or is not the server it claims to be"
    )]
    ServerUnproven,
    /// The client: the server asks for a proof that would let it search for the key.
    #[error(
        "the server treats the key as a generated one (hkdf), but it was chosen by a person and could be guessed from the \
         login; give the server the same key, or use a generated one (chk1_...)"
    )]
    WeakMechanism,
    /// The parameters of Argon2id are too cheap to protect a key or too dear to compute.
    #[error(
        "argon2id with {memory_kib} KiB, {iterations} iterations and parallelism {parallelism} is outside of what is \
         accepted: {}",
        mechanism::RANGE
    )]
    Parameters {
        /// Memory in KiB.
        memory_kib: u32,
        /// Passes over it.
        iterations: u32,
        /// Lanes.
        parallelism: u32,
    },
}

/// Random bytes from the system.
///
/// # Panics
/// If the system has no working source of randomness: nothing can be kept secret then.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the system's random source works once the system is up");
    bytes
}

/// What tests compare bytes by.
#[cfg(test)]
fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string grows");
        text
    })
}
