//! The workers, as their parent sees them.

use super::server::{PrivateServer, myself};
use super::text::Text;
use super::words;
use super::worker::WorkerReport;
use crate::failure::{Exit, Failure};
use std::io::{BufReader, Write as _};
use std::process::{Child, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

/// Increments that one worker has under way: a lane has credits for a few more.
const WINDOW_MAX: u64 = 1000;
/// Each worker fills its window at least so often, so that a small text is not on its way all at once.
const WINDOWS_MIN: u64 = 50;
/// The largest piece of text that one worker takes at a time, and how many each gets at least.
const PIECE_BYTES_MAX: usize = 256 << 10;
const PIECES_MIN: usize = 8;
/// A crew that says nothing for so long is stuck: each worker reports many times a second.
const SILENCE_MAX: Duration = Duration::from_mins(1);

/// All workers.
pub(super) struct Crew {
    workers: Vec<Worker>,
    reports: Receiver<(usize, Option<WorkerReport>)>,
}

struct Worker {
    child: Child,
    last: WorkerReport,
}

/// What all workers together did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) resent: u64,
    pub(super) remembered: u64,
    pub(super) reconnects: u64,
}

/// A worker reported.
pub(super) struct Event {
    pub(super) worker: usize,
    pub(super) report: WorkerReport,
}

impl Crew {
    /// Starts workers and deals the text out to them.
    pub(super) fn start(
        server: &PrivateServer,
        text: &Text,
        words: u64,
        count: u16,
    ) -> Result<Crew, Failure> {
        let count_wide = u64::from(count);
        let window = (words / (count_wide * WINDOWS_MIN)).clamp(1, WINDOW_MAX);
        let piece = text.content.len() / (usize::from(count) * PIECES_MIN);
        let pieces = words::pieces(&text.content, piece.clamp(1, PIECE_BYTES_MAX));
        let (sender, reports) = mpsc::channel();
        let mut workers = Vec::new();
        for index in 0..usize::from(count) {
            let cannot = |error: &std::io::Error| Failure::system("cannot start a worker", error);
            let mut child = myself("demo-worker")?
                .arg("--text")
                .arg(&text.path)
                .args([
                    "--place",
                    &server.url(),
                    "--window",
                    &window.to_string(),
                    "--key",
                ])
                .arg(server.key_file())
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .map_err(|error| cannot(&error))?;
            let mine = pieces.iter().skip(index).step_by(count.into());
            let lines: String = mine
                .map(|piece| format!("{} {}\n", piece.start, piece.end))
                .collect::<Vec<_>>()
                .concat();
            let mut stdin = child.stdin.take().expect("it was asked for");
            let stdout = child.stdout.take().expect("it was asked for");
            workers.push(Worker {
                child,
                last: WorkerReport::default(),
            });
            stdin
                .write_all(lines.as_bytes())
                .map_err(|error| cannot(&error))?;
            let sender = sender.clone();
            thread::spawn(move || listen(index, BufReader::new(stdout), &sender));
        }
        Ok(Crew { workers, reports })
    }

    /// The next report. `None` once all have ended well.
    pub(super) fn next(&mut self) -> Result<Option<Event>, Failure> {
        loop {
            if self.workers.iter().all(|worker| worker.last.ended) {
                return self.join().map(|()| None);
            }
            match self.reports.recv_timeout(SILENCE_MAX) {
                Ok((worker, Some(report))) => {
                    self.workers[worker].last = report;
                    return Ok(Some(Event { worker, report }));
                }
                Ok((worker, None)) if self.workers[worker].last.ended => {}
                Ok((worker, None)) => {
                    let message = format!("worker {worker} ended before its work was done");
                    return Err(Failure::new(Exit::ServerFailed, message));
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    return Err(Failure::new(
                        Exit::TimedOut,
                        "the workers say nothing any more",
                    ));
                }
            }
        }
    }

    fn join(&mut self) -> Result<(), Failure> {
        for worker in &mut self.workers {
            let ended = worker.child.wait();
            let ended =
                ended.map_err(|error| Failure::system("cannot wait for a worker", &error))?;
            if !ended.success() {
                return Err(Failure::new(
                    Exit::ServerFailed,
                    format!("a worker ended with {ended}"),
                ));
            }
        }
        Ok(())
    }

    /// Increments that were answered.
    pub(super) fn done(&self) -> u64 {
        self.workers.iter().map(|worker| worker.last.done).sum()
    }

    /// Those that have work left, by number.
    pub(super) fn at_work(&self) -> impl Iterator<Item = usize> {
        let working = self
            .workers
            .iter()
            .enumerate()
            .filter(|(_, worker)| !worker.last.ended);
        working.map(|(index, _)| index)
    }

    pub(super) fn totals(&self) -> Totals {
        self.workers
            .iter()
            .fold(Totals::default(), |totals, worker| Totals {
                resent: totals.resent + worker.last.resent,
                remembered: totals.remembered + worker.last.remembered,
                reconnects: totals.reconnects + worker.last.reconnects,
            })
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        for worker in &mut self.workers {
            // They have ended already, but for a demo that fails on its way.
            let _ = worker.child.kill();
            let _ = worker.child.wait();
        }
    }
}

/// Passes reports on until there are no more.
fn listen(
    worker: usize,
    lines: impl std::io::BufRead,
    reports: &Sender<(usize, Option<WorkerReport>)>,
) {
    for line in lines.lines() {
        let report = line.ok().and_then(|line| serde_json::from_str(&line).ok());
        // After what is no report there is nothing to hope for.
        if report.is_none() || reports.send((worker, report)).is_err() {
            break;
        }
    }
    let _ = reports.send((worker, None));
}
