//! The server of commonhold, embeddable: shared objects, their log, sessions, and the gRPC front.

pub mod objects;
pub mod store;
