//! The verbs: one command, one connection, one answer.

mod call;
mod child;
mod connection;
mod entries;
mod input;
mod lock;
mod objects;
mod output;
mod queue;
mod server;
mod who;

pub(crate) use child::Tied;
pub(crate) use connection::Connection;
pub(crate) use output::say;

use crate::arguments::Reach;
use crate::failure::Failure;
use clap::Subcommand;

/// What can be asked of a server from a shell.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Get(entries::Get),
    Set(entries::Set),
    Incr(entries::Incr),
    Cas(entries::Cas),
    Del(entries::Del),
    Keys(entries::Keys),
    Call(call::CallMethod),
    Ls(objects::Ls),
    Describe(objects::Describe),
    Rm(objects::Rm),
    Queue(queue::Queue),
    Lock(lock::Lock),
    Who(who::Who),
    Status(server::Status),
    Ping(server::Ping),
    Version(server::Version),
}

impl Verb {
    /// Does what it says, and prints what came of it.
    pub(crate) fn run(&self, reach: &Reach) -> Result<(), Failure> {
        let connect = || Connection::open(reach);
        match self {
            Verb::Get(verb) => verb.run(&connect()?),
            Verb::Set(verb) => verb.run(connect),
            Verb::Incr(verb) => verb.run(connect),
            Verb::Cas(verb) => verb.run(connect),
            Verb::Del(verb) => verb.run(connect),
            Verb::Keys(verb) => verb.run(&connect()?),
            Verb::Call(verb) => verb.run(connect),
            Verb::Ls(verb) => verb.run(&connect()?),
            Verb::Describe(verb) => verb.run(connect),
            Verb::Rm(verb) => verb.run(&connect()?),
            Verb::Queue(verb) => verb.run(reach),
            Verb::Lock(verb) => verb.run(reach),
            Verb::Who(verb) => verb.run(&connect()?),
            Verb::Status(verb) => verb.run(&connect()?),
            Verb::Ping(verb) => verb.run(&connect()?),
            Verb::Version(verb) => verb.run(),
        }
    }
}
