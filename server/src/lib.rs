//! The server of commonhold, embeddable: shared objects, their log, sessions, and the gRPC front.

pub mod auth;
pub mod clock;
mod engine;
pub mod objects;
mod session;
pub mod store;
mod transport;

pub use auth::Keys;
pub use engine::{Limits, described};
pub use transport::{Config, Listen, Listening, Server, StartError};
