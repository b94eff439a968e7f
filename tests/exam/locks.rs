//! Locks, whose holders die, stand still, and are cut off.

mod beliefs;
mod fencing;
mod line;
mod release;
mod section;

use crate::support::{Answer, Job};
use commonhold::Error;
use serde::{Deserialize, Serialize};

/// What a client process does with locks.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Part {
    /// Takes the lock "gpu" and holds it until the tally says stop.
    Hold(release::Holder),
    /// Takes the lock "gpu" in turn with others and notes for how long it believes to hold it, until the tally says stop.
    Believe(beliefs::Believer),
    /// Takes the lock "gpu" in turn with others and writes until it is superseded, until the tally says stop.
    Write(fencing::Writer),
    /// Goes into a section and out of it, until the tally says stop.
    Enter(section::Section),
    /// Takes a lock and gives it back, until the tally says stop.
    StandInLine(line::Line),
}

/// Runs a part of an async client on a runtime of one thread.
fn run_async(part: impl Future<Output = Result<(), Error>>) -> Result<Answer, Error> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().expect("a runtime");
    runtime.block_on(part)?;
    Ok(Answer::Numbers(Vec::new()))
}

impl Part {
    pub(crate) fn play(&self, job: &Job) -> Result<Answer, Error> {
        match self {
            Part::Hold(holder) => holder.play(job),
            Part::Believe(believer) => believer.play(job),
            Part::Write(writer) => writer.play(job),
            Part::Enter(section) => section.play(job),
            Part::StandInLine(line) => line.play(job),
        }
    }
}
