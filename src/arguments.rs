//! The command line: what there is to say, and the help.

#![expect(
    clippy::doc_markdown,
    reason = "these doc comments are the help, and a terminal shows them as they are"
)]

use crate::demo::{DemoArguments, WorkerArguments};
use crate::serve::ServeArguments;
use crate::units;
use crate::verbs::{Tied, Verb};
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use std::time::Duration;

/// Shared objects for processes and machines.
#[derive(Debug, Parser)]
#[command(
    name = "commonhold",
    version,
    about = "Shared objects for processes and machines",
    after_help = "Start a server with `commonhold serve`; every other command of the same user finds it by itself.\n\n\
        Exit codes: 0 done, 1 refused, 2 usage, 3 unreachable, 4 key refused, 5 server failed, 75 lock lost, 124 a wait timed out.\n\
        Environment: COMMONHOLD_URL, COMMONHOLD_AUTHKEY_FILE, COMMONHOLD_AUTHKEY, COMMONHOLD_DATA, COMMONHOLD_CONFIG, \
        COMMONHOLD_LOG.",
    subcommand_required = true,
    arg_required_else_help = true,
    disable_help_subcommand = true
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) reach: Reach,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// How a server is reached: good for every command.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Everywhere")]
pub(crate) struct Reach {
    /// The server: unix:///path, tcp://host:7414 [default: $COMMONHOLD_URL, else your own server]
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// The file that holds the key [default: $COMMONHOLD_AUTHKEY_FILE, else ~/.config/commonhold/authkey]
    #[arg(long, global = true, value_name = "PATH")]
    pub(crate) key_file: Option<PathBuf>,
    /// How long to wait, for instance 2s or 500ms: for an answer, and in calls that wait
    #[arg(long, global = true, value_name = "TIME", value_parser = units::duration)]
    pub(crate) timeout: Option<Duration>,
    /// A file of settings in TOML; `serve --print-config` prints one [default: $COMMONHOLD_CONFIG]
    #[arg(long, global = true, value_name = "PATH")]
    pub(crate) config: Option<PathBuf>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Serve(ServeArguments),
    #[command(flatten)]
    Verb(Verb),
    Demo(DemoArguments),
    #[command(hide = true)]
    DemoWorker(WorkerArguments),
    #[command(hide = true)]
    Tied(Tied),
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
