//! The Rust client against a real server, over real sockets.

mod asynchronous;
mod blocking;
mod resume;
mod server;
