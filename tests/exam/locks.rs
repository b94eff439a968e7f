//! Locks, whose holders die, stand still, and are cut off.

mod fencing;
mod release;

use crate::support::{Answer, Job};
use commonhold::Error;
use serde::{Deserialize, Serialize};

/// What a client process does with locks.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Part {
    /// Takes the lock "gpu" and holds it until the tally says stop.
    Hold(release::Holder),
    /// Takes the lock "gpu" in turn with others and writes until it is superseded, until the tally says stop.
    Write(fencing::Writer),
}

impl Part {
    pub(crate) fn play(&self, job: &Job) -> Result<Answer, Error> {
        match self {
            Part::Hold(holder) => holder.play(job),
            Part::Write(writer) => writer.play(job),
        }
    }
}
