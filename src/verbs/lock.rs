//! `lock run` and `lock release`: work under a lock, from a shell.

#![expect(
    clippy::doc_markdown,
    reason = "these doc comments are the help, and a terminal shows them as they are"
)]

use super::child::{self, Ended};
use super::connection::{Connection, failure, options};
use crate::arguments::Reach;
use crate::failure::{Exit, Failure};
use crate::line::line;
use crate::units;
use clap::{Args, Subcommand};
use commonhold::{Call, Value};
use std::ffi::OsString;
use std::time::Duration;

/// Work under a lock
#[derive(Debug, Args)]
pub(crate) struct Lock {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    Run(Run),
    Release(Release),
}

impl Lock {
    pub(super) fn run(&self, reach: &Reach) -> Result<(), Failure> {
        match &self.act {
            Act::Run(run) => run.run(reach),
            Act::Release(release) => release.run(reach),
        }
    }
}

/// Run a command while a lock is held, and free it as soon as the command ends
///
/// The command finds the lock's name, oid and token in COMMONHOLD_LOCK, COMMONHOLD_LOCK_OID and COMMONHOLD_LOCK_TOKEN.
/// If the lock is lost the command and all that it started get SIGTERM, and SIGKILL 5 s later: they are a group of
/// processes of their own. Signals go on to that group, and the terminal is lent to it when it asks for it. If this
/// command is killed, so is the one it runs. Exits as that does; with 75 if the lock was lost; with 124 if it was not free
/// in time.
#[derive(Debug, Args)]
struct Run {
    /// The lock; it is made if there is none
    name: String,
    /// How long to wait for it; otherwise for ever
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    wait: Option<Duration>,
    /// What others see of this holder
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    /// The command and its arguments, after --
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

impl Run {
    fn run(&self, reach: &Reach) -> Result<(), Failure> {
        match child::block_on(self.hold(reach))? {
            Ended::Itself(0) => Ok(()),
            Ended::Itself(code) => Err(Failure::silent(Exit::Child(code))),
            Ended::Stopped => Err(Failure::new(
                Exit::LockLost,
                format!("lost the lock \"{}\": the command was stopped", self.name),
            )),
        }
    }

    async fn hold(&self, reach: &Reach) -> Result<Ended, Failure> {
        let settings = options(reach, &child::name(&self.command))?;
        let failed = |error| failure(error, &settings.key);
        let client = settings.options.connect().await.map_err(failed)?;
        let lock = client.lock(&self.name);
        let mut acquire = lock.acquire();
        if let Some(wait) = self.wait.or(reach.timeout) {
            acquire = acquire.wait(wait);
        }
        if let Some(note) = &self.note {
            acquire = acquire.note(note);
        }
        let guard = acquire.await.map_err(failed)?;
        if let Some(end) = guard.previous_end() {
            let note = guard.previous_note();
            let note = note.map(|note| format!("; it noted: {}", line(note)));
            eprintln!(
                "note: the holder before this one did not give the lock back: {end}{}",
                note.unwrap_or_default()
            );
        }
        let environment = [
            ("COMMONHOLD_LOCK", self.name.clone()),
            ("COMMONHOLD_LOCK_OID", guard.fence().lock.to_string()),
            ("COMMONHOLD_LOCK_TOKEN", guard.token().to_string()),
        ];
        let ended = child::run(&self.command, &environment, None, guard.lost()).await;
        if matches!(ended, Ok(Ended::Itself(_))) {
            // What it did is done: that the lock was lost in this last moment changes nothing.
            let _ = guard.release().await;
        }
        client.close().await;
        ended
    }
}

/// Free a lock that is held
#[derive(Debug, Args)]
struct Release {
    /// The lock
    name: String,
    /// Only if it is held with this token, as `who` tells it
    #[arg(long)]
    token: Option<u64>,
    /// Whoever holds it
    #[arg(long, required_unless_present = "token", conflicts_with = "token")]
    force: bool,
}

impl Release {
    fn run(&self, reach: &Reach) -> Result<(), Failure> {
        let connection = Connection::open(reach)?;
        let kind = connection.kind_of(&self.name)?;
        let call = match self.token {
            Some(token) => Call::new("release", []).with("token", token),
            None => Call::new("force_release", []),
        };
        match connection.call(&kind, &self.name, call)? {
            Value::Bool(false) | Value::Int(0) => Err(Failure::refused(format!(
                "{kind} \"{}\" is not held",
                self.name
            ))),
            _ => Ok(()),
        }
    }
}
