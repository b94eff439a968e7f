//! How this command starts itself again.

use std::ffi::OsString;
use std::process::Command;
use std::sync::OnceLock;
use std::{env, io};

/// The program and its first arguments, where that is not simply the program that runs.
static PROGRAM: OnceLock<Vec<OsString>> = OnceLock::new();

/// Says once what starts this command, for a program that carries it.
pub(crate) fn is_started_by(program: Vec<OsString>) {
    // Whoever was first is right: a process is one program.
    let _ = PROGRAM.set(program);
}

/// This command again, yet without arguments.
pub(crate) fn command() -> io::Result<Command> {
    let Some([program, first @ ..]) = PROGRAM.get().map(Vec::as_slice) else {
        return env::current_exe().map(Command::new);
    };
    let mut command = Command::new(program);
    command.args(first);
    Ok(command)
}
