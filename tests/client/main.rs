//! The Rust client against a real server, over real sockets.

mod asynchronous;
mod blocking;
mod locks;
mod resume;
mod server;
