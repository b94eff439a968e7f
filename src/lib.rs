//! The command `commonhold`: a server, and verbs to use one from a shell.

mod arguments;
mod failure;
mod file;
mod line;
mod own;
mod settings;
mod units;

mod demo;
mod serve;
mod verbs;

use arguments::{Cli, Command};
use clap::Parser as _;
use std::ffi::OsString;

/// As [`run`], for a program that carries the command: `program` is what starts it, with its first arguments, before those
/// of the command. Only the first such program of a process counts.
pub fn run_as(
    program: Vec<OsString>,
    arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>,
) -> u8 {
    own::is_started_by(program);
    run(arguments)
}

/// Runs the command with its arguments, the first of which is its own name, and returns the exit code: 0 done, 1 refused,
/// 2 usage, 3 unreachable, 4 key refused, 5 server failed, 75 a lock was lost, 124 a wait timed out; for `lock run` the
/// exit code of what it ran.
///
/// Writes to this process's stdout and stderr; reads its environment.
pub fn run(arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>) -> u8 {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are such errors too. Nobody is left to tell if it cannot be printed.
            let _ = error.print();
            return u8::try_from(error.exit_code()).unwrap_or(2);
        }
    };
    let ended = match &cli.command {
        Command::Serve(serve) => serve::run(serve, &cli.reach),
        Command::Demo(arguments) => demo::run(arguments),
        Command::DemoWorker(arguments) => demo::work(arguments),
        Command::Tied(tied) => Err(tied.run()),
        Command::Verb(verb) => verb.run(&cli.reach),
    };
    match ended {
        Ok(()) => 0,
        Err(failure) => {
            if !failure.message.is_empty() {
                eprintln!("error: {failure}");
            }
            failure.exit.code()
        }
    }
}
