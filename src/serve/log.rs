//! Log lines on stderr: text for people, JSON for programs.

use super::options::{LogFormat, Options};
use crate::failure::Failure;
use std::io::{self, IsTerminal as _};
use tracing_subscriber::EnvFilter;

/// Sends log lines to stderr from here on.
pub(super) fn start(options: &Options) -> Result<(), Failure> {
    let filter = options.log.clone().parse("log", EnvFilter::try_new)?.value;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr);
    let set = match options.log_format.value {
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
        LogFormat::Text => {
            let plain = std::env::var_os("NO_COLOR").is_some_and(|set| !set.is_empty());
            let colour = io::stderr().is_terminal() && !plain;
            builder.with_ansi(colour).with_target(false).try_init()
        }
    };
    // A program that has a log of its own and calls `run` keeps it.
    drop(set);
    Ok(())
}
