//! The generated messages of `commonhold.proto`. `call.rs` has the way between them and the core types.

#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::pedantic,
    reason = "generated from documented .proto"
)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/commonhold.v1.rs"));
}

pub use crate::frame::ClientFrame;
pub use generated::*;

/// The compiled descriptors of the protocol, for reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
