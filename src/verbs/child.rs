//! A program that is run while something is held, and stopped when that is lost.

use crate::failure::{Exit, Failure};
use clap::Args;
use rustix::process::{Pid, Signal, kill_process, set_parent_process_death_signal};
use std::env;
use std::ffi::OsString;
use std::future::Future;
use std::io;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _, parent_id};
use std::pin::pin;
use std::process::{self, ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};

/// A program that does not end by SIGTERM has so long before it is killed.
const PATIENCE: Duration = Duration::from_secs(5);

/// Becomes a program that is killed if the process which started it ends: nothing works on under a lock that was freed
/// because its holder was killed.
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

/// What a program did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// It ended by itself, with this exit code; by a signal, 128 more than its number.
    Itself(u8),
    /// It was stopped, because what was held is lost.
    Stopped,
}

/// The program's name, for others to see.
pub(super) fn name(command: &[OsString]) -> String {
    let program = command.first().map(std::path::Path::new);
    let name = program.and_then(|program| program.file_name());
    name.unwrap_or_default().to_string_lossy().into_owned()
}

/// Waits for what a verb does on a runtime of its own.
pub(super) fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::system("cannot start", &error))?;
    runtime.block_on(work)
}

/// Runs a program with more in its environment, and `input` on its stdin if that is given, until it ends or `lost` does: then it gets SIGTERM, and SIGKILL 5 s
/// later. Signals that would end this process go to it instead,
/// and it is killed if this process is.
pub(super) async fn run(
    command: &[OsString],
    environment: &[(&str, String)],
    input: Option<Vec<u8>>,
    lost: impl Future<Output = ()>,
) -> Result<Ended, Failure> {
    // Before the program runs: no signal is missed.
    let mut hang_up = listen(SignalKind::hangup())?;
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let starting = |error| Failure::system("cannot start the command", &error);
    let environment = environment.iter().map(|(name, value)| (name, value));
    let mut child = Command::new(env::current_exe().map_err(starting)?)
        .args(["tied", &process::id().to_string(), "--"])
        .args(command)
        .envs(environment)
        .stdin(if input.is_some() {
            Stdio::piped()
        } else {
            Stdio::inherit()
        })
        .kill_on_drop(true)
        .spawn()
        .map_err(starting)?;
    if let (Some(input), Some(mut stdin)) = (input, child.stdin.take()) {
        // A command need not read all of it.
        tokio::spawn(async move { stdin.write_all(&input).await });
    }
    let mut lost = pin!(lost);
    loop {
        tokio::select! {
            ended = child.wait() => return ended.map(|status| Ended::Itself(code(status))).map_err(|error| waiting(&error)),
            () = &mut lost => {
                stop(&mut child).await?;
                return Ok(Ended::Stopped);
            }
            _ = hang_up.recv() => send(&child, Signal::HUP),
            // A terminal has sent it to both.
            _ = interrupt.recv() => if !rustix::termios::isatty(io::stdin()) {
                send(&child, Signal::INT);
            },
            _ = terminate.recv() => send(&child, Signal::TERM),
        }
    }
}

fn listen(kind: SignalKind) -> Result<tokio::signal::unix::Signal, Failure> {
    signal(kind).map_err(|error| Failure::system("cannot listen for signals", &error))
}

fn waiting(error: &io::Error) -> Failure {
    Failure::system("cannot wait for the command", error)
}

async fn stop(child: &mut Child) -> Result<(), Failure> {
    send(child, Signal::TERM);
    if tokio::time::timeout(PATIENCE, child.wait()).await.is_err() {
        child.kill().await.map_err(|error| waiting(&error))?;
    }
    Ok(())
}

/// One that has ended and was not waited for yet takes no harm.
fn send(child: &Child, signal: Signal) {
    let id = child.id().and_then(|id| i32::try_from(id).ok());
    if let Some(pid) = id.and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}

fn code(status: ExitStatus) -> u8 {
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}
