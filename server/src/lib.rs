//! The server of commonhold, embeddable: shared objects, their log, sessions, and the gRPC front.

pub mod clock;
mod engine;
pub mod objects;
mod session;
pub mod store;
