//! What the demo can be told.

use clap::Args;
use std::path::PathBuf;

/// Count words with several processes while their server is killed, and compare with a count made alone
#[derive(Debug, Args)]
#[command(
    after_help = "A private server in a temporary folder, nothing of yours is touched. `resent` are calls that were sent \
        again after a kill, `deduplicated` those of them that the server had carried out before and only answered again. \
        The exit code is 1 if a single count differs."
)]
pub(crate) struct DemoArguments {
    /// Files and folders with text [default: the text files below the current folder]
    pub(super) paths: Vec<PathBuf>,
    /// Worker processes
    #[arg(long, value_name = "COUNT", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(super) workers: u16,
    /// How often the server is killed
    #[arg(long, value_name = "COUNT", default_value_t = 2, value_parser = clap::value_parser!(u16).range(0..=100))]
    pub(super) kills: u16,
    /// How many of the most frequent words to show
    #[arg(long, value_name = "COUNT", default_value_t = 10)]
    pub(super) top: usize,
    /// Print the result as JSON
    #[arg(long)]
    pub(super) json: bool,
}
