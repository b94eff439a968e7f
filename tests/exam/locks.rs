//! Locks, whose holders die, stand still, and are cut off.

mod release;

use crate::support::{Answer, Job};
use commonhold::Error;
use serde::{Deserialize, Serialize};

/// What a client process does with locks.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Part {
    /// Takes the lock "gpu" and holds it until the tally says stop.
    Hold(release::Holder),
}

impl Part {
    pub(crate) fn play(&self, job: &Job) -> Result<Answer, Error> {
        match self {
            Part::Hold(holder) => holder.play(job),
        }
    }
}
