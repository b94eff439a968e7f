//! A program that is run while something is held, and stopped when that is lost.

mod job;
mod signals;
mod terminal;
mod tied;

pub(crate) use tied::Tied;

use crate::failure::Failure;
use crate::own;
use job::Job;
use rustix::process::{Pid, Signal};
use signals::Signals;
use std::ffi::OsString;
use std::future::Future;
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::pin::pin;
use std::process::{self, ExitStatus, Stdio};
use std::time::Duration;
use terminal::Terminal;
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep_until};

/// A program that does not end by SIGTERM has so long before it is killed.
const PATIENCE: Duration = Duration::from_secs(5);

/// So often it is seen whether all that a stopped program started has ended.
const LOOK_EVERY: Duration = Duration::from_millis(10);

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

/// Runs a program with more in its environment, and `input` on its stdin if that is given, until it ends or `lost` does:
/// then it and all that it started get SIGTERM, and SIGKILL 5 s later. Signals that this process gets go to them, and the
/// program, but not what it started, is killed if this process is: see [`Tied`].
pub(super) async fn run(
    command: &[OsString],
    environment: &[(&str, String)],
    input: Option<Vec<u8>>,
    lost: impl Future<Output = ()>,
) -> Result<Ended, Failure> {
    // Before the program runs: no signal is missed.
    let mut signals = Signals::listen()?;
    let starting = |error| Failure::system("cannot start the command", &error);
    let environment = environment.iter().map(|(name, value)| (name, value));
    let mut child = Command::from(own::command().map_err(starting)?)
        .args(["tied", &process::id().to_string(), "--"])
        .args(command)
        .envs(environment)
        .stdin(if input.is_some() {
            Stdio::piped()
        } else {
            Stdio::inherit()
        })
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(starting)?;
    let id = child.id().and_then(|id| i32::try_from(id).ok());
    let group = id.and_then(Pid::from_raw);
    let group = group.expect("a process that was not waited for has a number");
    let mut job = Job::new(group, Terminal::of_this_process());
    if let (Some(input), Some(mut stdin)) = (input, child.stdin.take()) {
        // A command need not read all of it.
        tokio::spawn(async move { stdin.write_all(&input).await });
    }
    let mut lost = pin!(lost);
    loop {
        tokio::select! {
            // In this order: what ended has ended, and what stood still does not go on before it is known whether the lock
            // was lost meanwhile.
            biased;
            ended = child.wait() => {
                return ended.map(|status| Ended::Itself(code(status))).map_err(|error| waiting(&error));
            }
            () = &mut lost => {
                stop(&mut child, &mut job, &mut signals).await?;
                return Ok(Ended::Stopped);
            }
            signal = signals.next() => job.heard(signal),
        }
    }
}

/// Ends a program and all that it started. Signals go to them on all this time; a second Ctrl-C ends it at once.
async fn stop(child: &mut Child, job: &mut Job, signals: &mut Signals) -> Result<(), Failure> {
    job.send(Signal::TERM);
    // Who stands still hears nothing.
    job.send(Signal::CONT);
    let end = Instant::now() + PATIENCE;
    let mut was_interrupted = false;
    let mut is_waited_for = false;
    loop {
        if is_waited_for && job.is_over() {
            return Ok(());
        }
        // Nobody tells that the last of a group has ended.
        let look = if is_waited_for {
            end.min(Instant::now() + LOOK_EVERY)
        } else {
            end
        };
        tokio::select! {
            ended = child.wait(), if !is_waited_for => {
                ended.map_err(|error| waiting(&error))?;
                is_waited_for = true;
            }
            () = sleep_until(look) => if Instant::now() >= end {
                break;
            },
            signal = signals.next() => match signal {
                Signal::INT if was_interrupted => break,
                // It must not stand still now.
                Signal::TSTP | Signal::CHILD => {}
                signal => {
                    was_interrupted |= signal == Signal::INT;
                    job.send(signal);
                }
            }
        }
    }
    job.send(Signal::KILL);
    child.wait().await.map_err(|error| waiting(&error))?;
    Ok(())
}

fn waiting(error: &io::Error) -> Failure {
    Failure::system("cannot wait for the command", error)
}

fn code(status: ExitStatus) -> u8 {
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}
