//! One worker: a process that counts its pieces of the text into the shared dict, one increment a word.

use super::{RECONNECT_FOR, SHARED, words};
use crate::failure::Failure;
use clap::Args;
use commonhold::{Client, Durability, Options, Stats};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use serde::{Deserialize, Serialize};
use std::fs;
use std::future::IntoFuture as _;
use std::io::{self, Write as _};
use std::ops::Range;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::runtime::Builder;
use tokio::time::{MissedTickBehavior, interval};

/// The parent hears so often how far it is.
const REPORT_EVERY: Duration = Duration::from_millis(20);

/// A worker of the demo; reads ranges of bytes from stdin, writes reports to stdout
#[derive(Debug, Args)]
pub(crate) struct WorkerArguments {
    /// The text
    #[arg(long)]
    text: PathBuf,
    /// The server
    #[arg(long)]
    place: String,
    /// Its key
    #[arg(long)]
    key: PathBuf,
    /// Increments that are under way at a time
    #[arg(long)]
    window: usize,
}

/// How far a worker is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct WorkerReport {
    /// When this was so, in microseconds since 1970.
    pub(super) at: u64,
    /// Increments that were answered.
    pub(super) done: u64,
    /// Increments that were made and not answered.
    pub(super) unanswered: u64,
    /// Its work is done, and this is its last report.
    pub(super) ended: bool,
    pub(super) resent: u64,
    pub(super) remembered: u64,
    pub(super) reconnects: u64,
}

/// Microseconds since 1970, as reports name them.
pub(super) fn now() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

pub(super) fn run(arguments: &WorkerArguments) -> Result<(), Failure> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::system("cannot start", &error))?;
    let text = fs::read_to_string(&arguments.text)
        .map_err(|error| Failure::system("cannot read the text", &error))?;
    let ranges = ranges(io::stdin().lock())?;
    let pieces = ranges
        .into_iter()
        .map(|range| text.get(range).unwrap_or_default());
    runtime.block_on(count(arguments, pieces.flat_map(words::words)))
}

/// Lines of `start end`.
fn ranges(lines: impl io::BufRead) -> Result<Vec<Range<usize>>, Failure> {
    let parse = |line: io::Result<String>| {
        let line = line.map_err(|error| Failure::system("cannot read stdin", &error))?;
        let range = line
            .split_once(' ')
            .and_then(|(start, end)| Some(start.parse().ok()?..end.parse().ok()?));
        range.ok_or_else(|| Failure::usage(format!("{line:?} is no range")))
    };
    lines.lines().map(parse).collect()
}

async fn count(
    arguments: &WorkerArguments,
    mut words: impl Iterator<Item = String>,
) -> Result<(), Failure> {
    let client = Options::new()
        .url(arguments.place.as_str())
        .key_file(&arguments.key)
        .name("demo worker")
        .reconnect_for(RECONNECT_FOR)
        .connect()
        .await?;
    let counts = client
        .dict::<String, i64>(SHARED)
        .durability(Durability::Durable);
    let mut under_way = FuturesUnordered::new();
    let mut done = 0;
    let mut tick = interval(REPORT_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        while under_way.len() < arguments.window
            && let Some(word) = words.next()
        {
            under_way.push(counts.increment(word.as_str(), 1).into_future());
        }
        tokio::select! {
            answered = under_way.next() => match answered {
                Some(count) => {
                    count?;
                    done += 1;
                }
                None => break,
            },
            _ = tick.tick() => report(&client, done, under_way.len(), false)?,
        }
    }
    report(&client, done, 0, true)?;
    client.close().await;
    Ok(())
}

fn report(client: &Client, done: u64, unanswered: usize, ended: bool) -> Result<(), Failure> {
    let Stats {
        resent,
        remembered,
        reconnects,
        ..
    } = client.stats();
    let report = WorkerReport {
        at: now(),
        done,
        unanswered: unanswered as u64,
        ended,
        resent,
        remembered,
        reconnects,
    };
    let line = serde_json::to_string(&report).expect("numbers have a JSON form");
    // Without a parent there is nobody to work for.
    writeln!(io::stdout(), "{line}").map_err(|error| Failure::system("cannot report", &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_lines() {
        assert_eq!(ranges(&b"0 5\n5 17\n"[..]).expect("ranges"), [0..5, 5..17]);
        assert!(ranges(&b"0-5\n"[..]).is_err());
    }
}
