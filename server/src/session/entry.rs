//! What a lane knows of one call.

use crate::engine::Parked;
use commonhold_proto::{Outcome, Revision};
use std::sync::Arc;

/// How far a call came.
pub(super) enum Entry {
    /// It executes right now. `waiting` is its outcome so far, if it goes on: it counts until there is another.
    Running {
        fingerprint: u64,
        waiting: Option<Box<Outcome>>,
    },
    /// It waits, in memory.
    Parked {
        fingerprint: u64,
        parked: Arc<Parked>,
        waiting: Option<Box<Outcome>>,
    },
    /// It changed rows and then waited; the connection that waited is gone. Or an object was made for it and nothing else
    /// was done: then it may be `answered` with a refusal, and goes on from here only if it is sent again.
    Waiting {
        outcome: Box<Outcome>,
        answered: bool,
    },
    /// It changed rows and was answered.
    Done {
        outcome: Outcome,
        gate: Revision,
        logged: bool,
        bytes: usize,
        /// Its reply can be undone, and was dropped before it left.
        unheard: bool,
    },
}

impl Entry {
    /// Its outcome so far, if it changed rows, or an object was made for it.
    pub(super) fn take_waiting(&mut self) -> Option<Box<Outcome>> {
        match self {
            Entry::Running { waiting, .. } | Entry::Parked { waiting, .. } => waiting.take(),
            Entry::Waiting { .. } | Entry::Done { .. } => None,
        }
    }

    pub(super) fn fingerprint(&self) -> u64 {
        match self {
            Entry::Running { fingerprint, .. } | Entry::Parked { fingerprint, .. } => *fingerprint,
            Entry::Waiting { outcome, .. } => outcome.fingerprint,
            Entry::Done { outcome, .. } => outcome.fingerprint,
        }
    }
}
