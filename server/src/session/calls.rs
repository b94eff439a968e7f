//! The calls of a lane by their numbers: how far each came, and what those that changed rows were answered.

use super::CREDITS;
use super::entry::Entry;
use crate::engine::Parked;
use commonhold_proto::{Outcome, OutcomeState, Ranges, Reply, Revision, Value};
// Its default hasher takes a number in one multiplication; every call is looked up a few times.
use hashbrown::HashMap;
use hashbrown::hash_map::Entry as Slot;
use std::sync::Arc;

/// At so many remembered outcomes a lane grants no more credits.
const OUTCOMES_MAX: usize = 4096;
/// The same in bytes.
const OUTCOME_BYTES_MAX: usize = 8 << 20;
/// Runs of acknowledged replies. More are only made by a client that means harm: a run ends where a call is unanswered.
const RUNS_MAX: usize = 32_768;

/// The calls of a lane.
#[derive(Default)]
pub(super) struct Calls {
    entries: HashMap<u64, Entry>,
    outcomes: usize,
    outcome_bytes: usize,
    /// There may be calls that changed rows and then waited on a connection that is gone.
    has_waiting: bool,
    acknowledged: Ranges,
}

/// What a call's number says about the call.
pub(crate) enum Admission {
    /// It is new.
    New,
    /// It was done: this is its reply, which may leave once `Revision` is durable.
    Remembered(Reply, Revision),
    /// It goes on from here.
    Resume(Outcome),
    /// It is under way: its reply will come.
    Underway,
    /// Its reply was acknowledged.
    Stale,
    /// The number was used for another call.
    IdReused,
    /// The client acknowledges nothing: no new call is begun.
    TooMany,
}

/// What a call was that is answered now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Was {
    /// It waited: its credit went back when it began to.
    Parked,
    /// It executed, or was refused without being looked at.
    Other,
}

impl Calls {
    /// Looks a number up and, if it is new, notes that it executes.
    pub(super) fn admit(&mut self, sequence: u64, fingerprint: u64) -> Admission {
        if self.acknowledged.contains(sequence) {
            return Admission::Stale;
        }
        let too_many = self.outcomes >= OUTCOMES_MAX + CREDITS as usize;
        let entry = match self.entries.entry(sequence) {
            Slot::Vacant(_) if too_many => return Admission::TooMany,
            Slot::Vacant(vacant) => {
                vacant.insert(Entry::Running {
                    fingerprint,
                    waiting: None,
                });
                return Admission::New;
            }
            Slot::Occupied(occupied) => occupied.into_mut(),
        };
        match entry {
            entry if entry.fingerprint() != fingerprint => Admission::IdReused,
            Entry::Running { .. } | Entry::Parked { .. } => Admission::Underway,
            Entry::Done {
                outcome:
                    Outcome {
                        state: OutcomeState::Done(reply),
                        ..
                    },
                gate,
                unheard,
                ..
            } => {
                // It is on its way again.
                *unheard = false;
                let reply = Reply {
                    remembered: true,
                    ..reply.clone()
                };
                Admission::Remembered(reply, *gate)
            }
            entry => {
                let outcome = match entry {
                    Entry::Done { outcome, .. } => outcome.clone(),
                    Entry::Waiting { outcome, .. } => Outcome::clone(outcome),
                    Entry::Running { .. } | Entry::Parked { .. } => return Admission::Underway,
                };
                *entry = Entry::Running {
                    fingerprint,
                    waiting: Some(Box::new(outcome.clone())),
                };
                Admission::Resume(outcome)
            }
        }
    }

    /// The lowest number that is not acknowledged.
    pub(super) fn acknowledged_below(&self) -> u64 {
        self.acknowledged.first_missing()
    }

    /// A call that executes changed rows, and this is what it gets when it is sent again.
    pub(super) fn remember(
        &mut self,
        sequence: u64,
        outcome: Outcome,
        gate: Revision,
        logged: bool,
    ) {
        match (self.entries.get_mut(&sequence), &outcome.state) {
            (Some(Entry::Running { waiting, .. }), OutcomeState::Waiting { .. }) => {
                *waiting = Some(Box::new(outcome));
            }
            _ => {
                self.finish(sequence, outcome, gate, logged);
            }
        }
    }

    /// A call is answered that has no outcome: sent again, it runs anew. `told` says whether its client hears of it.
    pub(super) fn answer(&mut self, sequence: u64, told: bool) -> Was {
        match self.entries.get(&sequence) {
            Some(Entry::Parked { .. }) => {
                self.step_back(sequence, told);
                Was::Parked
            }
            Some(Entry::Running { .. }) => {
                self.step_back(sequence, told);
                Was::Other
            }
            // Remembered before it was answered, or a number that was refused without being looked at.
            Some(Entry::Done { .. } | Entry::Waiting { .. }) | None => Was::Other,
        }
    }

    /// A call has this outcome.
    pub(super) fn finish(
        &mut self,
        sequence: u64,
        outcome: Outcome,
        gate: Revision,
        logged: bool,
    ) -> Was {
        let entry = match &outcome.state {
            OutcomeState::Done(reply) => {
                let memo = outcome.undo.as_ref().map_or(0, |undo| undo.memo.size());
                let bytes =
                    size_of::<Entry>() + reply.result.as_ref().map_or(0, Value::size) + memo;
                self.outcomes += 1;
                self.outcome_bytes += bytes;
                Entry::Done {
                    outcome,
                    gate,
                    logged,
                    bytes,
                    unheard: false,
                }
            }
            OutcomeState::Waiting { .. } => {
                self.has_waiting = true;
                Entry::Waiting {
                    outcome: Box::new(outcome),
                    answered: false,
                }
            }
        };
        match self.entries.insert(sequence, entry) {
            Some(Entry::Parked { .. }) => Was::Parked,
            Some(Entry::Done { bytes, .. }) => {
                self.outcomes -= 1;
                self.outcome_bytes -= bytes;
                Was::Other
            }
            Some(Entry::Running { .. } | Entry::Waiting { .. }) | None => Was::Other,
        }
    }

    /// A call begins to wait; `waiting` is its outcome so far, if it changed rows. `None` if it was not admitted, else
    /// whether it waited before.
    pub(super) fn park(
        &mut self,
        sequence: u64,
        parked: Arc<Parked>,
        waiting: Option<Outcome>,
    ) -> Option<bool> {
        let entry = self.entries.get_mut(&sequence)?;
        let again = matches!(entry, Entry::Parked { .. });
        // That an object was made for it is not forgotten because it waits there.
        let before = entry.take_waiting();
        *entry = Entry::Parked {
            fingerprint: entry.fingerprint(),
            parked,
            waiting: waiting.map(Box::new).or(before),
        };
        Some(again)
    }

    /// A call would wait, but goes no further.
    pub(super) fn turn_back(&mut self, sequence: u64, waiting: Option<Outcome>) {
        if let Some(entry) = self.entries.get_mut(&sequence) {
            let before = entry.take_waiting();
            *entry = Entry::Running {
                fingerprint: entry.fingerprint(),
                waiting: waiting.map(Box::new).or(before),
            };
            self.step_back(sequence, false);
        }
    }

    /// A call goes no further: what it was before is what it is now. `answered` tells whether its client was told.
    fn step_back(&mut self, sequence: u64, answered: bool) {
        if let Some(Entry::Running { waiting, .. } | Entry::Parked { waiting, .. }) =
            self.entries.remove(&sequence)
            && let Some(outcome) = waiting
        {
            self.entries
                .insert(sequence, Entry::Waiting { outcome, answered });
            self.has_waiting = true;
        }
    }

    /// Forgets that a call was executing, since it was dropped unanswered: sent again, it is what it was before.
    pub(super) fn forget(&mut self, sequence: u64) {
        if let Some(Entry::Running { .. }) = self.entries.get(&sequence) {
            self.step_back(sequence, false);
        }
    }

    /// The connection is gone: calls that waited are given back, those of them that had changed rows keep their place in
    /// the story. The second are being ended by somebody else at this moment, who will say how.
    pub(super) fn disconnect(&mut self) -> [Vec<Arc<Parked>>; 2] {
        let [mut withdrawn, mut ending] = [Vec::new(), Vec::new()];
        let parked = self.entries.iter().filter_map(|(number, entry)| {
            let is_one = matches!(entry, Entry::Parked { .. } | Entry::Waiting { .. });
            is_one.then_some(*number)
        });
        let mut numbers: Vec<u64> = parked.collect();
        numbers.sort_unstable();
        for number in numbers {
            let Some(entry) = self.entries.get_mut(&number) else {
                continue;
            };
            // Its answer may be lost with the connection.
            if let Entry::Waiting { answered, .. } = entry {
                *answered = false;
                self.has_waiting = true;
                continue;
            }
            let fingerprint = entry.fingerprint();
            let running = |waiting| Entry::Running {
                fingerprint,
                waiting,
            };
            let Entry::Parked {
                parked, waiting, ..
            } = std::mem::replace(entry, running(None))
            else {
                continue;
            };
            *entry = running(waiting);
            // Whether it is claimed here or by somebody who is ending it at this moment and will say how.
            if parked.claim() {
                self.step_back(number, false);
                withdrawn.push(parked);
            } else {
                ending.push(parked);
            }
        }
        [withdrawn, ending]
    }

    /// A call that waits, for a cancel.
    pub(super) fn parked(&self, sequence: u64) -> Option<Arc<Parked>> {
        match self.entries.get(&sequence) {
            Some(Entry::Parked { parked, .. }) => Some(Arc::clone(parked)),
            _ => None,
        }
    }

    /// The fingerprint of a call that changed rows and then waited on a connection that is gone.
    pub(super) fn waiting(&self, sequence: u64) -> Option<u64> {
        match self.entries.get(&sequence) {
            Some(Entry::Waiting {
                outcome,
                answered: false,
            }) => Some(outcome.fingerprint),
            _ => None,
        }
    }

    /// Such calls with these numbers.
    pub(super) fn waiting_within(&mut self, first: u64, last: u64) -> Vec<u64> {
        if !self.has_waiting {
            return Vec::new();
        }
        let entries = self.entries.iter();
        let waiting = entries.filter(|(_, entry)| {
            matches!(
                entry,
                Entry::Waiting {
                    answered: false,
                    ..
                }
            )
        });
        let mut waiting: Vec<u64> = waiting.map(|(sequence, _)| *sequence).collect();
        self.has_waiting = !waiting.is_empty();
        waiting.retain(|sequence| (first..=last).contains(sequence));
        waiting.sort_unstable();
        waiting
    }

    /// What a call got that is done and can be undone.
    pub(super) fn undoable(&self, sequence: u64) -> Option<Outcome> {
        match self.entries.get(&sequence) {
            Some(Entry::Done { outcome, .. }) if outcome.undo.is_some() => Some(outcome.clone()),
            _ => None,
        }
    }

    /// The reply to a call was dropped before it left.
    pub(super) fn miss(&mut self, sequence: u64) {
        if let Some(Entry::Done {
            outcome, unheard, ..
        }) = self.entries.get_mut(&sequence)
        {
            *unheard = outcome.undo.is_some();
        }
    }

    /// Calls that can be undone and whose replies were dropped before they left.
    pub(super) fn unheard(&self) -> Vec<u64> {
        let entries = self.entries.iter();
        let unheard =
            entries.filter(|(_, entry)| matches!(entry, Entry::Done { unheard: true, .. }));
        let mut unheard: Vec<u64> = unheard.map(|(sequence, _)| *sequence).collect();
        unheard.sort_unstable();
        unheard
    }

    /// A call that was done was undone: this is what it gets now.
    pub(super) fn undone(&mut self, sequence: u64, outcome: Outcome, gate: Revision, logged: bool) {
        if let Some(Entry::Done { .. }) = self.entries.get(&sequence) {
            self.finish(sequence, outcome, gate, logged);
        }
    }

    /// The client has these replies. False if it sends runs that no client makes.
    pub(super) fn acknowledge(&mut self, first: u64, last: u64) -> bool {
        if !self.acknowledged.insert_within(first, last, RUNS_MAX) {
            return false;
        }
        let span = last.saturating_sub(first).saturating_add(1);
        if span > self.entries.len() as u64 {
            self.drop_outcomes(|number| (first..=last).contains(&number));
        } else {
            (first..=last).for_each(|sequence| self.drop_outcome(sequence));
        }
        true
    }

    fn drop_outcomes(&mut self, which: impl Fn(u64) -> bool) {
        let numbers = self.entries.keys().copied();
        let numbers: Vec<u64> = numbers.filter(|number| which(*number)).collect();
        numbers
            .into_iter()
            .for_each(|sequence| self.drop_outcome(sequence));
    }

    fn drop_outcome(&mut self, sequence: u64) {
        let Slot::Occupied(slot) = self.entries.entry(sequence) else {
            return;
        };
        match slot.get() {
            Entry::Done { bytes, .. } => {
                self.outcomes -= 1;
                self.outcome_bytes -= bytes;
                slot.remove();
            }
            Entry::Waiting { .. } => {
                slot.remove();
            }
            Entry::Running { .. } | Entry::Parked { .. } => {}
        }
    }

    /// May the client send more? Not while it does not acknowledge what is remembered for it.
    pub(super) fn has_room(&self) -> bool {
        self.outcomes < OUTCOMES_MAX && self.outcome_bytes < OUTCOME_BYTES_MAX
    }

    /// Is every call answered?
    pub(super) fn is_idle(&self) -> bool {
        let mut entries = self.entries.values();
        entries.all(|entry| {
            matches!(
                entry,
                Entry::Done { .. } | Entry::Waiting { answered: true, .. }
            )
        })
    }

    /// What recovery found.
    pub(super) fn restore(&mut self, sequence: u64, outcome: Outcome) {
        let below = outcome.acknowledged_below;
        if below > 1 && self.acknowledged.insert_within(1, below - 1, RUNS_MAX) {
            self.drop_outcomes(|number| number < below);
        }
        if !self.acknowledged.contains(sequence) {
            self.finish(sequence, outcome, Revision(0), true);
        }
    }

    /// The outcomes that a checkpoint must keep.
    pub(super) fn outcomes(&self) -> Vec<(u64, Outcome)> {
        let kept = self.entries.iter();
        let kept = kept.filter_map(|(sequence, entry)| {
            let outcome = match entry {
                Entry::Done {
                    outcome,
                    logged: true,
                    ..
                } => outcome,
                Entry::Waiting { outcome, .. }
                | Entry::Running {
                    waiting: Some(outcome),
                    ..
                }
                | Entry::Parked {
                    waiting: Some(outcome),
                    ..
                } => outcome,
                _ => return None,
            };
            Some((*sequence, outcome.clone()))
        });
        let mut kept: Vec<_> = kept.collect();
        kept.sort_unstable_by_key(|(sequence, _)| *sequence);
        kept
    }
}
