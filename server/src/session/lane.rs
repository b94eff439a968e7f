// Over 500 lines: one table under one lock, and everything that may be done to it.
//! A lane: one connection of a session at a time, the outcomes it remembers, and the replies on their way out.
//!
//! Lock order: `decoder`, then everything that executing a call locks, then `state`, which is held for a few steps and
//! calls nothing that locks. A call's number is admitted before it executes and answered after, so the table always
//! tells a resent call how far the first one came.

use crate::engine::Parked;
use commonhold_proto::wire::ServerFrame;
use commonhold_proto::{
    LaneId, OperationId, Outcome, OutcomeState, Ranges, Reply, Revision, SessionId, Value,
};
use fnv::FnvBuildHasher;
use parking_lot::{Mutex, MutexGuard};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Waker;

/// Calls that a client may have under way on a lane, those that wait not counted.
pub(crate) const CREDITS: u32 = 1024;
/// At so many remembered outcomes a lane grants no more credits.
const OUTCOMES_MAX: usize = 4096;
/// The same in bytes.
const OUTCOME_BYTES_MAX: usize = 8 << 20;
/// Runs of acknowledged replies. More are only made by a client that means harm: a run ends where a call is unanswered.
const RUNS_MAX: usize = 32_768;
/// About how many bytes of replies one frame takes.
const FRAME_BYTES: usize = 64 << 10;
/// Larger replies travel in parts.
const PART_ABOVE: usize = 256 << 10;

/// While so many bytes of replies wait for their client or the store, a lane begins no calls.
const OUTGOING_BYTES_MAX: usize = 1 << 20;

/// One lane of a session.
pub(crate) struct Lane {
    /// The session.
    pub(crate) session: SessionId,
    /// Its number within the session.
    pub(crate) id: LaneId,
    /// Held while a frame is executed. Its value is the incarnation that may execute: a connection that was replaced
    /// finds another number and stops, and a resume waits here until the frame under way is done.
    decoder: Mutex<u32>,
    /// The same number, for a connection that only asks whether it still is the one.
    incarnation: AtomicU32,
    state: Mutex<State>,
}

#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts")]
struct State {
    /// Is there a connection that takes replies?
    connected: bool,
    entries: HashMap<u64, Entry, FnvBuildHasher>,
    outcomes: usize,
    outcome_bytes: usize,
    /// There may be calls that changed rows and then waited on a connection that is gone.
    has_waiting: bool,
    acknowledged: Ranges,
    /// Replies that may leave.
    ready: VecDeque<Outgoing>,
    /// Replies that wait for the store.
    held: Vec<(Revision, Outgoing)>,
    /// Bytes of replies that wait, for the client or the store.
    outgoing_bytes: usize,
    /// One large reply is not counted: small ones pass it, so their calls begin while it leaves.
    passing: bool,
    /// Calls that began to wait since the last frame.
    parked: Vec<u64>,
    /// Calls that somebody was ending when their connection broke: they are not to wait for the next one.
    ending: Vec<Arc<Parked>>,
    /// What the client may still send.
    credits: u32,
    /// Credits that came back and are not granted yet.
    owed: u32,
    /// Large replies on their way in parts.
    parts: VecDeque<OutgoingParts>,
    /// Set while the connection's own task executes calls: it looks at the replies itself afterwards.
    executing: bool,
    waker: Option<Waker>,
}

/// How far a call came.
enum Entry {
    /// It executes right now. `waiting` is its outcome so far, if it goes on: it counts until there is another.
    Running {
        fingerprint: u64,
        waiting: Option<Outcome>,
    },
    /// It waits, in memory.
    Parked {
        fingerprint: u64,
        parked: Arc<Parked>,
        waiting: Option<Outcome>,
    },
    /// It changed rows and then waited; the connection that waited is gone.
    Waiting(Outcome),
    /// It changed rows and was answered.
    Done {
        outcome: Outcome,
        gate: Revision,
        logged: bool,
        bytes: usize,
    },
}

struct Outgoing {
    sequence: u64,
    reply: Reply,
    /// About as many as it takes in memory.
    bytes: usize,
    /// As many of them as count; 0: it is the one that others pass.
    counted: usize,
}

struct OutgoingParts {
    sequence: u64,
    encoded: bytes::Bytes,
    /// As of the reply.
    counted: usize,
}

/// Whether a call may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Credit {
    /// It may.
    Spent,
    /// Replies leave first.
    Later,
    /// The client has sent more than it was allowed to.
    None,
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

impl Lane {
    pub(crate) fn new(session: SessionId, id: LaneId) -> Lane {
        Lane {
            session,
            id,
            decoder: Mutex::new(0),
            incarnation: AtomicU32::new(0),
            state: Mutex::default(),
        }
    }

    /// The id of one of its calls.
    pub(crate) fn operation(&self, sequence: u64) -> OperationId {
        OperationId {
            session: self.session,
            lane: self.id,
            sequence,
        }
    }

    /// Takes the lane for a new connection: waits until the old one's decoder stands still, and fences it. Returns the
    /// incarnation, the calls that waited, for the engine to withdraw, and those that somebody else is ending at this
    /// moment: once that is over, the lane is [opened](Lane::open).
    pub(crate) fn connect(&self) -> (u32, Vec<Arc<Parked>>, Vec<Arc<Parked>>) {
        let mut incarnation = self.decoder.lock();
        *incarnation += 1;
        self.incarnation.store(*incarnation, Ordering::Release);
        let mut state = self.state.lock();
        let parked = state.disconnect();
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
        (*incarnation, parked, state.ending.clone())
    }

    /// The connection of this incarnation takes replies from now on, unless it was replaced.
    pub(crate) fn open(&self, incarnation: u32) {
        let current = self.decoder.lock();
        if *current != incarnation {
            return;
        }
        let mut state = self.state.lock();
        state.ending.clear();
        state.connected = true;
        state.credits = CREDITS;
    }

    /// The connection of this incarnation is gone. Returns the calls that waited; `None` if another connection took over.
    pub(crate) fn disconnect(&self, incarnation: u32) -> Option<Vec<Arc<Parked>>> {
        let current = self.decoder.lock();
        (*current == incarnation).then(|| self.state.lock().disconnect())
    }

    /// Cuts the lane off whatever connection it has: that one finds itself fenced.
    pub(crate) fn fence(&self) -> Vec<Arc<Parked>> {
        let mut incarnation = self.decoder.lock();
        *incarnation += 1;
        self.incarnation.store(*incarnation, Ordering::Release);
        let mut state = self.state.lock();
        let parked = state.disconnect();
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
        parked
    }

    /// Is this still the lane's connection?
    pub(crate) fn is_current(&self, incarnation: u32) -> bool {
        self.incarnation.load(Ordering::Acquire) == incarnation
    }

    /// Makes the lane's task look around.
    pub(crate) fn poke(&self) {
        if let Some(waker) = self.state.lock().waker.take() {
            waker.wake();
        }
    }

    /// The right to execute calls, while this is held; `None` for a connection that was replaced.
    pub(crate) fn decoder(&self, incarnation: u32) -> Option<Executing<'_>> {
        let guard = self.decoder.lock();
        if *guard != incarnation {
            return None;
        }
        self.state.lock().executing = true;
        Some(Executing {
            lane: self,
            _guard: guard,
        })
    }

    /// May another call begin? Takes a credit if so.
    pub(crate) fn spend_credit(&self) -> Credit {
        let mut state = self.state.lock();
        if state.outgoing_bytes >= OUTGOING_BYTES_MAX {
            return Credit::Later;
        }
        match state.credits.checked_sub(1) {
            Some(left) => {
                state.credits = left;
                Credit::Spent
            }
            None => Credit::None,
        }
    }

    /// Looks a number up and, if it is new, notes that it executes.
    pub(crate) fn admit(&self, sequence: u64, fingerprint: u64) -> Admission {
        let mut state = self.state.lock();
        if state.acknowledged.contains(sequence) {
            return Admission::Stale;
        }
        let too_many = state.outcomes >= OUTCOMES_MAX + CREDITS as usize;
        let entry = match state.entries.entry(sequence) {
            std::collections::hash_map::Entry::Vacant(_) if too_many => return Admission::TooMany,
            std::collections::hash_map::Entry::Vacant(vacant) => {
                vacant.insert(Entry::Running {
                    fingerprint,
                    waiting: None,
                });
                return Admission::New;
            }
            std::collections::hash_map::Entry::Occupied(occupied) => occupied.into_mut(),
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
                ..
            } => Admission::Remembered(
                Reply {
                    remembered: true,
                    ..reply.clone()
                },
                *gate,
            ),
            Entry::Waiting(outcome) | Entry::Done { outcome, .. } => {
                let outcome = outcome.clone();
                *entry = Entry::Running {
                    fingerprint,
                    waiting: Some(outcome.clone()),
                };
                Admission::Resume(outcome)
            }
        }
    }

    /// The lowest number that is not acknowledged: what a change tells recovery.
    pub(crate) fn acknowledged_below(&self) -> u64 {
        self.state.lock().acknowledged.first_missing()
    }

    /// Remembers what a call that executes and changed rows gets when it is sent again.
    pub(crate) fn remember(&self, sequence: u64, outcome: Outcome, gate: Revision, logged: bool) {
        let mut state = self.state.lock();
        match (state.entries.get_mut(&sequence), &outcome.state) {
            (Some(Entry::Running { waiting, .. }), OutcomeState::Waiting { .. }) => {
                *waiting = Some(outcome);
            }
            _ => state.remember(sequence, outcome, gate, logged),
        }
    }

    /// Answers a call. The reply leaves once `gate` is durable.
    pub(crate) fn answer(&self, sequence: u64, reply: Reply, gate: Revision, durable: Revision) {
        let mut state = self.state.lock();
        // What is not an outcome is forgotten: sent again, it runs anew.
        match state.entries.get(&sequence) {
            Some(Entry::Running { .. }) => {
                state.step_back(sequence);
                state.owed += 1;
            }
            Some(Entry::Parked { .. }) => state.step_back(sequence),
            // Remembered before it was answered, or a number that was refused without being looked at.
            Some(Entry::Done { .. } | Entry::Waiting(_)) | None => state.owed += 1,
        }
        state.push(sequence, reply, gate, durable);
    }

    /// Answers a call that changed rows, and remembers the answer.
    pub(crate) fn finish(
        &self,
        sequence: u64,
        outcome: Outcome,
        gate: Revision,
        logged: bool,
        durable: Revision,
    ) {
        let OutcomeState::Done(reply) = &outcome.state else {
            return;
        };
        let reply = reply.clone();
        let mut state = self.state.lock();
        if !matches!(state.entries.get(&sequence), Some(Entry::Parked { .. })) {
            state.owed += 1;
        }
        state.remember(sequence, outcome, gate, logged);
        state.push(sequence, reply, gate, durable);
    }

    /// Answers a call that is none: it had no entry and gets none.
    pub(crate) fn answer_again(
        &self,
        sequence: u64,
        reply: Reply,
        gate: Revision,
        durable: Revision,
    ) {
        let mut state = self.state.lock();
        state.owed += 1;
        state.push(sequence, reply, gate, durable);
    }

    /// Notes that a call waits. `waiting` is its outcome so far, if it changed rows. False if there is no connection any
    /// more that it could wait for.
    #[must_use]
    pub(crate) fn park(
        &self,
        sequence: u64,
        parked: Arc<Parked>,
        waiting: Option<Outcome>,
    ) -> bool {
        let mut state = self.state.lock();
        let (fingerprint, again) = match state.entries.get(&sequence) {
            Some(entry) => (entry.fingerprint(), matches!(entry, Entry::Parked { .. })),
            None => return false,
        };
        if !state.connected {
            let running = Entry::Running {
                fingerprint,
                waiting,
            };
            state.entries.insert(sequence, running);
            state.step_back(sequence);
            return false;
        }
        state.entries.insert(
            sequence,
            Entry::Parked {
                fingerprint,
                parked,
                waiting,
            },
        );
        if !again {
            state.owed += 1;
            state.parked.push(sequence);
            state.wake();
        }
        true
    }

    /// A call that waits, for a cancel.
    pub(crate) fn parked(&self, sequence: u64) -> Option<Arc<Parked>> {
        match self.state.lock().entries.get(&sequence) {
            Some(Entry::Parked { parked, .. }) => Some(Arc::clone(parked)),
            _ => None,
        }
    }

    /// The fingerprint of a call that changed rows and then waited on a connection that is gone.
    pub(crate) fn waiting(&self, sequence: u64) -> Option<u64> {
        match self.state.lock().entries.get(&sequence) {
            Some(Entry::Waiting(outcome)) => Some(outcome.fingerprint),
            _ => None,
        }
    }

    /// Such calls with these numbers.
    pub(crate) fn waiting_within(&self, first: u64, last: u64) -> Vec<u64> {
        let mut state = self.state.lock();
        if !state.has_waiting {
            return Vec::new();
        }
        let waiting = state
            .entries
            .iter()
            .filter(|(_, entry)| matches!(entry, Entry::Waiting(_)));
        let waiting: Vec<u64> = waiting.map(|(sequence, _)| *sequence).collect();
        state.has_waiting = !waiting.is_empty();
        waiting
            .into_iter()
            .filter(|sequence| (first..=last).contains(sequence))
            .collect()
    }

    /// Forgets that a call was executing, since it was dropped unanswered: sent again, it is what it was before.
    pub(crate) fn forget(&self, sequence: u64) {
        let mut state = self.state.lock();
        if let Some(Entry::Running { .. }) = state.entries.get(&sequence) {
            state.step_back(sequence);
        }
    }

    /// The client has these replies. False if it sends runs that no client makes.
    pub(crate) fn acknowledge(&self, first: u64, last: u64) -> bool {
        let mut state = self.state.lock();
        if !state.acknowledged.insert_within(first, last, RUNS_MAX) {
            return false;
        }
        let span = last.saturating_sub(first).saturating_add(1);
        if span > state.entries.len() as u64 {
            let known: Vec<u64> = state
                .entries
                .keys()
                .copied()
                .filter(|n| (first..=last).contains(n))
                .collect();
            known
                .into_iter()
                .for_each(|sequence| state.drop_outcome(sequence));
        } else {
            (first..=last).for_each(|sequence| state.drop_outcome(sequence));
        }
        true
    }

    /// The next frame for the client, if there is anything to say; otherwise `waker` is kept for when there is. The
    /// second value tells whether replies are held for the store: then the caller also waits at the gate.
    pub(crate) fn next_frame(
        &self,
        durable: Revision,
        waker: &Waker,
    ) -> (Option<ServerFrame>, bool) {
        let mut state = self.state.lock();
        state.release(durable);
        let frame = state.frame();
        if frame.is_none() && !state.waker.as_ref().is_some_and(|old| old.will_wake(waker)) {
            state.waker = Some(waker.clone());
        }
        (frame, !state.held.is_empty())
    }

    /// Is every call answered, and every answer on its way?
    pub(crate) fn is_idle(&self) -> bool {
        let state = self.state.lock();
        state.ready.is_empty()
            && state.held.is_empty()
            && state
                .entries
                .values()
                .all(|entry| matches!(entry, Entry::Done { .. }))
    }

    /// What recovery found.
    pub(crate) fn restore(&self, sequence: u64, outcome: Outcome) {
        let mut state = self.state.lock();
        let below = outcome.acknowledged_below;
        if below > 1 && state.acknowledged.insert_within(1, below - 1, RUNS_MAX) {
            let stale: Vec<u64> = state
                .entries
                .keys()
                .copied()
                .filter(|&n| n < below)
                .collect();
            stale.into_iter().for_each(|n| state.drop_outcome(n));
        }
        if !state.acknowledged.contains(sequence) {
            state.remember(sequence, outcome, Revision(0), true);
        }
    }

    /// The outcomes that a checkpoint must keep.
    pub(crate) fn outcomes(&self) -> Vec<(u64, Outcome)> {
        let state = self.state.lock();
        let kept = state
            .entries
            .iter()
            .filter_map(|(sequence, entry)| match entry {
                Entry::Done {
                    outcome,
                    logged: true,
                    ..
                }
                | Entry::Waiting(outcome)
                | Entry::Running {
                    waiting: Some(outcome),
                    ..
                }
                | Entry::Parked {
                    waiting: Some(outcome),
                    ..
                } => Some((*sequence, outcome.clone())),
                _ => None,
            });
        kept.collect()
    }
}

/// The right to execute calls on a lane. Dropped, the lane's task is expected to look for replies.
pub(crate) struct Executing<'a> {
    lane: &'a Lane,
    _guard: MutexGuard<'a, u32>,
}

impl Drop for Executing<'_> {
    fn drop(&mut self) {
        self.lane.state.lock().executing = false;
    }
}

impl Entry {
    fn fingerprint(&self) -> u64 {
        match self {
            Entry::Running { fingerprint, .. } | Entry::Parked { fingerprint, .. } => *fingerprint,
            Entry::Waiting(outcome) | Entry::Done { outcome, .. } => outcome.fingerprint,
        }
    }
}

impl State {
    /// Forgets the connection: replies on their way are dropped (who remembers them is asked again), calls that waited
    /// are given back, those of them that had changed rows keep their place in the story.
    fn disconnect(&mut self) -> Vec<Arc<Parked>> {
        self.connected = false;
        self.ready.clear();
        self.held.clear();
        self.parked.clear();
        self.parts.clear();
        self.outgoing_bytes = 0;
        self.passing = false;
        self.owed = 0;
        let mut withdrawn = Vec::new();
        let numbers: Vec<u64> = self
            .entries
            .iter()
            .filter(|(_, e)| matches!(e, Entry::Parked { .. }))
            .map(|(n, _)| *n)
            .collect();
        for number in numbers {
            let Some(Entry::Parked {
                fingerprint,
                parked,
                waiting,
            }) = self.entries.remove(&number)
            else {
                continue;
            };
            // Whether it is claimed here or by somebody who is ending it at this moment and will say how.
            let running = Entry::Running {
                fingerprint,
                waiting,
            };
            self.entries.insert(number, running);
            if parked.claim() {
                self.step_back(number);
                withdrawn.push(parked);
            } else {
                self.ending.push(parked);
            }
        }
        withdrawn
    }

    /// A call goes no further: what it was before is what it is now.
    fn step_back(&mut self, sequence: u64) {
        if let Some(Entry::Running { waiting, .. } | Entry::Parked { waiting, .. }) =
            self.entries.remove(&sequence)
            && let Some(outcome) = waiting
        {
            self.entries.insert(sequence, Entry::Waiting(outcome));
            self.has_waiting = true;
        }
    }

    fn remember(&mut self, sequence: u64, outcome: Outcome, gate: Revision, logged: bool) {
        let (entry, bytes) = match &outcome.state {
            OutcomeState::Done(reply) => {
                let bytes = size_of::<Entry>() + reply.result.as_ref().map_or(0, Value::size);
                (
                    Entry::Done {
                        outcome,
                        gate,
                        logged,
                        bytes,
                    },
                    bytes,
                )
            }
            OutcomeState::Waiting { .. } => (Entry::Waiting(outcome), 0),
        };
        self.has_waiting |= matches!(entry, Entry::Waiting(_));
        if let Entry::Done { .. } = entry {
            self.outcomes += 1;
            self.outcome_bytes += bytes;
        }
        if let Some(Entry::Done { bytes, .. }) = self.entries.insert(sequence, entry) {
            self.outcomes -= 1;
            self.outcome_bytes -= bytes;
        }
    }

    fn drop_outcome(&mut self, sequence: u64) {
        match self.entries.get(&sequence) {
            Some(Entry::Done { bytes, .. }) => {
                self.outcomes -= 1;
                self.outcome_bytes -= bytes;
                self.entries.remove(&sequence);
            }
            Some(Entry::Waiting(_)) => {
                self.entries.remove(&sequence);
            }
            Some(Entry::Running { .. } | Entry::Parked { .. }) | None => {}
        }
    }

    fn push(&mut self, sequence: u64, reply: Reply, gate: Revision, durable: Revision) {
        if !self.connected {
            return;
        }
        let bytes = reply.result.as_ref().map_or(64, Value::size);
        let passed = bytes > PART_ABOVE && !self.passing;
        self.passing |= passed;
        let counted = if passed { 0 } else { bytes };
        self.outgoing_bytes += counted;
        let outgoing = Outgoing {
            sequence,
            reply,
            bytes,
            counted,
        };
        if gate <= durable {
            self.ready.push_back(outgoing);
        } else {
            self.held.push((gate, outgoing));
        }
        self.wake();
    }

    fn wake(&mut self) {
        if !self.executing
            && let Some(waker) = self.waker.take()
        {
            waker.wake();
        }
    }

    /// Moves what is durable now to the replies that may leave.
    fn release(&mut self, durable: Revision) {
        if self.held.iter().all(|(gate, ..)| *gate > durable) {
            return;
        }
        for (gate, outgoing) in std::mem::take(&mut self.held) {
            if gate <= durable {
                self.ready.push_back(outgoing);
            } else {
                self.held.push((gate, outgoing));
            }
        }
    }

    fn frame(&mut self) -> Option<ServerFrame> {
        let silent = self.ready.is_empty() && self.parked.is_empty() && self.parts.is_empty();
        // Credits travel with replies. Alone they are worth a frame only before the client runs out of them.
        if silent && self.credits > CREDITS / 2 {
            return None;
        }
        let credits = self.grant();
        if silent && credits == 0 {
            return None;
        }
        let mut frame = ServerFrame {
            credits,
            parked: std::mem::take(&mut self.parked),
            ..ServerFrame::default()
        };
        frame
            .replies
            .reserve(self.ready.len().min(FRAME_BYTES / 64));
        let mut bytes = 0;
        while bytes < FRAME_BYTES
            && let Some(outgoing) = self.ready.pop_front()
        {
            let (sequence, size) = (outgoing.sequence, outgoing.bytes);
            let reply = outgoing.reply.into_wire(sequence);
            if size > PART_ABOVE {
                self.parts.push_back(OutgoingParts {
                    sequence,
                    encoded: reply.to_bytes(),
                    counted: outgoing.counted,
                });
            } else {
                bytes += size;
                self.outgoing_bytes -= size;
                frame.replies.push(reply);
            }
        }
        // One piece a frame, so that small replies pass between; the large ones take turns.
        if bytes < FRAME_BYTES
            && let Some(mut parts) = self.parts.pop_front()
        {
            let data = parts.encoded.split_to(parts.encoded.len().min(FRAME_BYTES));
            let last = parts.encoded.is_empty();
            frame.parts.push(commonhold_proto::wire::Part {
                sequence: parts.sequence,
                data,
                last,
            });
            if !last {
                self.parts.push_back(parts);
            } else if parts.counted == 0 {
                self.passing = false;
            } else {
                self.outgoing_bytes -= parts.counted;
            }
        }
        Some(frame)
    }

    /// Credits that go back to the client now: none while it does not acknowledge what is remembered for it.
    fn grant(&mut self) -> u32 {
        if self.outcomes >= OUTCOMES_MAX || self.outcome_bytes >= OUTCOME_BYTES_MAX {
            return 0;
        }
        let granted = self.owed.min(CREDITS - self.credits.min(CREDITS));
        self.owed = 0;
        self.credits += granted;
        granted
    }
}
