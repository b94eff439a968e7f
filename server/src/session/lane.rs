//! A lane: one connection of a session at a time, the outcomes it remembers, and the replies on their way out.
//!
//! Lock order: `decoder`, then everything that executing a call locks, then `state`, which is held for a few steps and
//! calls nothing that locks. A call's number is admitted before it executes and answered after, so the table always
//! tells a resent call how far the first one came.

use super::calls::{Admission, Calls, Was};
use super::holdings::Holdings;
use super::outbox::{Credit, Outbox};
use crate::engine::Parked;
use commonhold_proto::wire::ServerFrame;
use commonhold_proto::{
    Fence, LaneId, OperationId, Outcome, OutcomeState, Reply, Revision, SessionId,
};
use parking_lot::{Mutex, MutexGuard};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Waker;

/// One lane of a session.
pub(crate) struct Lane {
    /// The session.
    pub(crate) session: SessionId,
    /// Its number within the session.
    pub(crate) id: LaneId,
    /// What its session keeps alive.
    pub(crate) holdings: Arc<Holdings>,
    /// Held while a frame is executed. Its value is the incarnation that may execute: a connection that was replaced
    /// finds another number and stops, and a resume waits here until the frame under way is done.
    decoder: Mutex<u32>,
    /// The same number, for a connection that only asks whether it still is the one.
    incarnation: AtomicU32,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Is there a connection that takes replies?
    connected: bool,
    calls: Calls,
    outbox: Outbox,
    /// Calls that somebody was ending when their connection broke: they are not to wait for the next one.
    ending: Vec<Arc<Parked>>,
    /// Set while the connection's own task executes calls: it looks at the replies itself afterwards.
    executing: bool,
    waker: Option<Waker>,
}

impl Lane {
    pub(crate) fn new(session: SessionId, id: LaneId, holdings: Arc<Holdings>) -> Lane {
        Lane {
            session,
            id,
            holdings,
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
        state.wake();
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
        state.outbox.open();
    }

    /// The connection of this incarnation is gone. Returns the calls that waited; `None` if another connection took over.
    pub(crate) fn disconnect(&self, incarnation: u32) -> Option<Vec<Arc<Parked>>> {
        let current = self.decoder.lock();
        (*current == incarnation).then(|| self.state.lock().disconnect())
    }

    /// Cuts the lane off whatever connection it has: that one finds itself fenced.
    pub(crate) fn fence(&self) -> Vec<Arc<Parked>> {
        let (_, parked, _) = self.connect();
        parked
    }

    /// Is this still the lane's connection?
    pub(crate) fn is_current(&self, incarnation: u32) -> bool {
        self.incarnation.load(Ordering::Acquire) == incarnation
    }

    /// Makes the lane's task look around.
    pub(crate) fn poke(&self) {
        self.state.lock().wake();
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
        self.state.lock().outbox.spend_credit()
    }

    /// Looks a number up and, if it is new, notes that it executes.
    pub(crate) fn admit(&self, sequence: u64, fingerprint: u64) -> Admission {
        self.state.lock().calls.admit(sequence, fingerprint)
    }

    /// The lowest number that is not acknowledged: what a change tells recovery.
    pub(crate) fn acknowledged_below(&self) -> u64 {
        self.state.lock().calls.acknowledged_below()
    }

    /// Remembers what a call that executes and changed rows gets when it is sent again.
    pub(crate) fn remember(&self, sequence: u64, outcome: Outcome, gate: Revision, logged: bool) {
        let mut state = self.state.lock();
        state.calls.remember(sequence, outcome, gate, logged);
    }

    /// Answers a call. The reply leaves once `gate` is durable.
    pub(crate) fn answer(&self, sequence: u64, reply: Reply, gate: Revision, durable: Revision) {
        let mut state = self.state.lock();
        let told = state.connected;
        let was = state.calls.answer(sequence, told);
        state.push(sequence, was, reply, gate, durable);
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
        let was = state.calls.finish(sequence, outcome, gate, logged);
        if !state.connected {
            state.calls.miss(sequence);
        }
        state.push(sequence, was, reply, gate, durable);
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
        state.push(sequence, Was::Other, reply, gate, durable);
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
        if !state.connected {
            state.calls.turn_back(sequence, waiting);
            return false;
        }
        let Some(again) = state.calls.park(sequence, parked, waiting) else {
            return false;
        };
        if !again {
            state.outbox.park(sequence);
            state.tell();
        }
        true
    }

    /// Tells the client that it lost a grant, if there is a connection.
    pub(crate) fn tell_lost(&self, fence: Fence) {
        let mut state = self.state.lock();
        if state.connected {
            state.outbox.lose(fence);
            state.tell();
        }
    }

    /// Answers a sign of life.
    pub(crate) fn beat(&self, beat: u64) {
        let mut state = self.state.lock();
        if state.connected {
            state.outbox.beat(beat);
            state.tell();
        }
    }

    /// A call that waits, for a cancel.
    pub(crate) fn parked(&self, sequence: u64) -> Option<Arc<Parked>> {
        self.state.lock().calls.parked(sequence)
    }

    /// The fingerprint of a call that changed rows and then waited on a connection that is gone.
    pub(crate) fn waiting(&self, sequence: u64) -> Option<u64> {
        self.state.lock().calls.waiting(sequence)
    }

    /// Such calls with these numbers.
    pub(crate) fn waiting_within(&self, first: u64, last: u64) -> Vec<u64> {
        self.state.lock().calls.waiting_within(first, last)
    }

    /// What a call got that is done and can be undone.
    pub(crate) fn undoable(&self, sequence: u64) -> Option<Outcome> {
        self.state.lock().calls.undoable(sequence)
    }

    /// Calls that can be undone, and whose replies were dropped because the connection was gone before they left.
    pub(crate) fn unheard(&self) -> Vec<u64> {
        self.state.lock().calls.unheard()
    }

    /// Calls that somebody was ending when their connection broke.
    pub(crate) fn ending(&self) -> Vec<Arc<Parked>> {
        self.state.lock().ending.clone()
    }

    /// A call that was done was undone: this is what it gets now. A reply that has not left is replaced.
    pub(crate) fn undone(
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
        state.calls.undone(sequence, outcome, gate, logged);
        state.outbox.replace(sequence, reply, gate, durable);
        state.tell();
    }

    /// Forgets that a call was executing, since it was dropped unanswered: sent again, it is what it was before.
    pub(crate) fn forget(&self, sequence: u64) {
        self.state.lock().calls.forget(sequence);
    }

    /// The client has these replies. False if it sends runs that no client makes.
    pub(crate) fn acknowledge(&self, first: u64, last: u64) -> bool {
        self.state.lock().calls.acknowledge(first, last)
    }

    /// The next frame for the client, if there is anything to say; otherwise `waker` is kept for when there is. The
    /// second value tells whether replies are held for the store: then the caller also waits at the gate.
    pub(crate) fn next_frame(
        &self,
        durable: Revision,
        waker: &Waker,
    ) -> (Option<ServerFrame>, bool) {
        let mut state = self.state.lock();
        state.outbox.release(durable);
        let grants = state.calls.has_room();
        let frame = state.outbox.frame(grants);
        if frame.is_none() && !state.waker.as_ref().is_some_and(|old| old.will_wake(waker)) {
            state.waker = Some(waker.clone());
        }
        (frame, state.outbox.holds())
    }

    /// Is every call answered, and every answer on its way?
    pub(crate) fn is_idle(&self) -> bool {
        let state = self.state.lock();
        state.outbox.is_empty() && state.calls.is_idle()
    }

    /// What recovery found.
    pub(crate) fn restore(&self, sequence: u64, outcome: Outcome) {
        self.state.lock().calls.restore(sequence, outcome);
    }

    /// The outcomes that a checkpoint must keep.
    pub(crate) fn outcomes(&self) -> Vec<(u64, Outcome)> {
        self.state.lock().calls.outcomes()
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

impl State {
    /// Forgets the connection. Returns the calls that waited.
    fn disconnect(&mut self) -> Vec<Arc<Parked>> {
        self.connected = false;
        for sequence in self.outbox.unsent() {
            self.calls.miss(sequence);
        }
        self.outbox.clear();
        let [withdrawn, ending] = self.calls.disconnect();
        self.ending.extend(ending);
        withdrawn
    }

    fn push(&mut self, sequence: u64, was: Was, reply: Reply, gate: Revision, durable: Revision) {
        if self.connected {
            self.outbox.push(sequence, was, reply, gate, durable);
            self.tell();
        }
    }

    /// Something is to be said to the client.
    fn tell(&mut self) {
        if !self.executing {
            self.wake();
        }
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}
