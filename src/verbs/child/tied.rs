//! A program that ends with the one that started it.

use crate::failure::{Exit, Failure};
use clap::Args;
use rustix::process::{Signal, set_parent_process_death_signal};
use std::ffi::OsString;
use std::io;
use std::os::unix::process::{CommandExt as _, parent_id};
use std::process;

/// Becomes a program that is killed if the thread which started it ends, as it does with its process: so it does not work
/// on under a lock that was freed because its holder was killed.
///
/// That is what `PR_SET_PDEATHSIG` gives, and no more. It is about this one process: what the program starts lives on. The
/// program can set another signal, and the kernel forgets this one when it executes a file that is set-user-ID or
/// set-group-ID or has capabilities (prctl(2)). And it takes its moment: the lock may be granted to the next before the
/// program is dead, so what must not be written late is written with a fence.
#[derive(Debug, Args)]
pub(crate) struct Tied {
    /// The process that started it
    parent: u32,
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

impl Tied {
    /// Returns only if that cannot be done.
    pub(crate) fn run(&self) -> Failure {
        let tied = set_parent_process_death_signal(Some(Signal::KILL));
        if let Err(error) = tied {
            return Failure::system("cannot tie the command to its parent", &error.into());
        }
        // It may have ended before.
        if parent_id() != self.parent {
            return Failure::silent(Exit::Child(128 + 9));
        }
        let [program, arguments @ ..] = &self.command[..] else {
            return Failure::usage("name a command to run after --");
        };
        let error = process::Command::new(program).args(arguments).exec();
        let code = match error.kind() {
            io::ErrorKind::NotFound => 127,
            _ => 126,
        };
        let message = format!("cannot run {}: {error}", program.to_string_lossy());
        Failure::new(Exit::Child(code), message)
    }
}
