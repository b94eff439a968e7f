//! The Rust client against a real server, over real sockets.

mod anonymous;
mod asynchronous;
mod blocking;
mod driven;
mod forks;
mod guards;
mod heard;
mod locks;
mod proxies;
mod queues;
mod references;
mod resume;
mod server;
