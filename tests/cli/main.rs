//! The command as people use it: the real binary, a server of its own, a home of its own.

mod home;
mod locks;
mod queues;
mod serve;
mod terminal;
mod verbs;
