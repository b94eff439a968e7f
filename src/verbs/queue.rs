//! `queue`: items put, got, and worked off from a shell.

#![expect(
    clippy::doc_markdown,
    reason = "these doc comments are the help, and a terminal shows them as they are"
)]

use super::child::{self, Ended};
use super::connection::{Connection, failure, options};
use super::input::{self, ValueType};
use super::output::{Format, Output, render};
use crate::arguments::Reach;
use crate::failure::{Exit, Failure};
use crate::units;
use clap::{Args, Subcommand};
use commonhold::{Call, Value};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// Put items into a queue, get them, or have a command work them off
#[derive(Debug, Args)]
pub(crate) struct Queue {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    Put(Put),
    Get(Get),
    Take(Take),
    Peek(Peek),
    Len(Len),
    Dead(Dead),
    Redrive(Redrive),
}

impl Queue {
    pub(super) fn run(&self, reach: &Reach) -> Result<(), Failure> {
        match &self.act {
            Act::Put(put) => put.run(reach),
            Act::Get(get) => get.run(&Connection::open(reach)?),
            Act::Take(take) => take.run(reach),
            Act::Peek(peek) => peek.run(&Connection::open(reach)?),
            Act::Len(len) => len.run(&Connection::open(reach)?),
            Act::Dead(dead) => dead.run(&Connection::open(reach)?),
            Act::Redrive(redrive) => redrive.run(&Connection::open(reach)?),
        }
    }
}

/// Add items, all at once; waits for room unless --timeout says for how long
#[derive(Debug, Args)]
struct Put {
    /// The queue; it is made if there is none
    name: String,
    /// The items
    #[arg(
        required_unless_present = "file",
        allow_negative_numbers = true,
        value_name = "VALUE"
    )]
    items: Vec<String>,
    #[command(flatten)]
    types: ValueType,
    /// The item is the bytes of a file, or of stdin for -
    #[arg(
        long,
        value_name = "PATH",
        conflicts_with = "type",
        conflicts_with = "items"
    )]
    file: Option<PathBuf>,
    /// How many items may wait to be got, if the queue is made now
    #[arg(long, value_name = "ITEMS")]
    maxsize: Option<u32>,
    /// How often an item may be delivered before it is a dead letter, if the queue is made now
    #[arg(long, value_name = "TIMES")]
    dead_after: Option<u32>,
}

impl Put {
    fn run(&self, reach: &Reach) -> Result<(), Failure> {
        let items = match &self.file {
            Some(file) => vec![input::file(file)?],
            None => {
                let items = self.items.iter().map(|item| self.types.parse(item));
                items.collect::<Result<_, _>>()?
            }
        };
        let options = [("maxsize", self.maxsize), ("dead_after", self.dead_after)];
        let options = options
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?.into())));
        let call = Call::new("put_many", [Value::List(items)]);
        Connection::open(reach)?
            .call_with(("queue", &self.name), options.collect(), call)
            .map(drop)
    }
}

/// Remove the next item and print it; waits for one unless --timeout says for how long
#[derive(Debug, Args)]
struct Get {
    /// The queue
    name: String,
    /// Do not wait: exit with 1 if there is none
    #[arg(long)]
    no_wait: bool,
    #[command(flatten)]
    output: Output,
}

impl Get {
    fn run(&self, connection: &Connection) -> Result<(), Failure> {
        let call = Call::new("get", []).with("blocking", !self.no_wait);
        let item = connection.call("queue", &self.name, call)?;
        self.output.print(&item)
    }
}

/// Take the next item, run a command with it on its stdin, and acknowledge it if the command succeeds
///
/// Text and bytes come as they are, all else as JSON; how often the item was delivered is in COMMONHOLD_DELIVERIES. If
/// the command fails the item goes back to its place. If the item is lost the command and all that it started get
/// SIGTERM, and SIGKILL 5 s later. Exits as the command does; with 75 if the item was lost; with 124 if none came in time.
#[derive(Debug, Args)]
struct Take {
    /// The queue
    name: String,
    /// How long to wait for an item; otherwise for ever
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    wait: Option<Duration>,
    /// How long the command may take before the item goes to another; otherwise as long as it runs
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    lease: Option<Duration>,
    /// The command and its arguments, after --
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

impl Take {
    fn run(&self, reach: &Reach) -> Result<(), Failure> {
        match child::block_on(self.work(reach))? {
            Ended::Itself(0) => Ok(()),
            Ended::Itself(code) => Err(Failure::silent(Exit::Child(code))),
            Ended::Stopped => Err(Failure::new(
                Exit::LockLost,
                format!(
                    "lost the item of \"{}\": the command was stopped",
                    self.name
                ),
            )),
        }
    }

    async fn work(&self, reach: &Reach) -> Result<Ended, Failure> {
        let settings = options(reach, &child::name(&self.command))?;
        let failed = |error| failure(error, &settings.key);
        let client = settings.options.connect().await.map_err(failed)?;
        let queue = client.queue::<Value>(&self.name);
        let mut take = queue.take();
        let wait = self.wait.or(reach.timeout);
        if let Some(wait) = wait {
            take = take.wait(wait);
        }
        if let Some(lease) = self.lease {
            take = take.lease(lease);
        }
        let job = take.await.map_err(|error| match (error.code(), wait) {
            (Some(commonhold::Code::Empty), Some(_)) => {
                Failure::new(Exit::TimedOut, error.to_string())
            }
            _ => failed(error),
        })?;
        let environment = [("COMMONHOLD_DELIVERIES", job.deliveries.to_string())];
        let item = render(&job.value, Format::Raw);
        let ended = child::run(&self.command, &environment, Some(item), job.lost()).await;
        let told = match ended {
            Ok(Ended::Itself(0)) => job.ack().await,
            _ => job.nack().await,
        };
        client.close().await;
        match (ended, told) {
            (Ok(Ended::Itself(0)), Err(error)) => Err(failure(error, &settings.key)),
            (ended, _) => ended,
        }
    }
}

/// Print the next items as a JSON list; they stay where they are
#[derive(Debug, Args)]
struct Peek {
    /// The queue
    name: String,
    /// How many at most
    #[arg(short, default_value = "10")]
    n: u32,
    #[command(flatten)]
    output: Output,
}

impl Peek {
    fn run(&self, connection: &Connection) -> Result<(), Failure> {
        let call = Call::new("peek", [self.n.into()]);
        self.output
            .print(&connection.call("queue", &self.name, call)?)
    }
}

/// Print how many items can be got
#[derive(Debug, Args)]
struct Len {
    /// The queue
    name: String,
    #[command(flatten)]
    output: Output,
}

impl Len {
    fn run(&self, connection: &Connection) -> Result<(), Failure> {
        let call = Call::new("len", []);
        self.output
            .print(&connection.call("queue", &self.name, call)?)
    }
}

/// Print the dead letters: items that came back too often
#[derive(Debug, Args)]
struct Dead {
    /// The queue
    name: String,
    /// How many at most
    #[arg(short, default_value = "100")]
    n: u32,
    #[command(flatten)]
    output: Output,
}

impl Dead {
    fn run(&self, connection: &Connection) -> Result<(), Failure> {
        let call = Call::new("dead", [self.n.into()]);
        self.output
            .print(&connection.call("queue", &self.name, call)?)
    }
}

/// Put dead letters back to their places, and print how many
#[derive(Debug, Args)]
struct Redrive {
    /// The queue
    name: String,
    /// How many at most; otherwise all
    #[arg(short)]
    n: Option<u32>,
    #[command(flatten)]
    output: Output,
}

impl Redrive {
    fn run(&self, connection: &Connection) -> Result<(), Failure> {
        let mut call = Call::new("redrive", []);
        if let Some(n) = self.n {
            call = call.with("n", n);
        }
        self.output
            .print(&connection.call("queue", &self.name, call)?)
    }
}
