//! Undoing a call that is done, because its client says that it has not consumed the reply.
//!
//! One change takes back what the call did and makes its outcome a refusal: whoever sends the call again is told that it
//! was cancelled, and a cancel that comes twice finds nothing to undo. What cannot be undone happened, and stays so.
//! Nor has a client consumed a reply that was dropped before it left, if it is dead or forgotten.

use super::Engine;
use super::caller::{Caller, Connection, Origin};
use super::cell::{Cell, State};
use super::faults::Fault;
use crate::objects::{Decision, Next, UNDO};
use crate::session::Session;
use commonhold_proto::{
    Call, Code, Outcome, OutcomeState, Owner, Refusal, Reply, Revision, Rows, Undo, Value,
};
use parking_lot::MutexGuard;
use std::sync::Arc;

impl Engine {
    /// Undoes a call that is done, if its kind can and its reply is not acknowledged.
    pub(super) fn undo(&self, connection: &Arc<Connection>, sequence: u64) {
        let lane = &connection.lane;
        let undo = lane.undoable(sequence).and_then(|outcome| outcome.undo);
        let Some(cell) = undo.and_then(|undo| self.registry.cell(undo.oid)) else {
            return;
        };
        let mut state = cell.state.lock();
        self.lapse_due(&cell, &mut state);
        // Asked again under the lock: nobody else undoes it meanwhile.
        if !state.gone
            && !self.gate.is_broken()
            && let Some(Outcome {
                fingerprint,
                state: OutcomeState::Done(reply),
                undo: Some(undo),
                ..
            }) = lane.undoable(sequence)
            && let Ok(value) = reply.result
        {
            let caller = Caller {
                origin: Origin::Lane(Arc::clone(connection)),
                sequence,
                fingerprint,
                owner: Owner(0),
                opened: reply.oid.is_some(),
                led_from: None,
                deadline: None,
                may_wait: false,
                fence: None,
                floor: Revision(0),
            };
            if let Some(rows) = self.rows_of_undo(&cell, &mut state, &caller, *undo, value) {
                self.take_back(&cell, &mut state, &caller, rows);
            }
        }
        self.wake(&cell, &mut state);
        self.let_go(state);
    }

    /// The client is gone for good: what it got in replies that never left is undone. That a reply did not leave is not
    /// logged: after a restart each counts as one that did.
    pub(super) fn undo_unheard(&self, session: &Session) {
        for lane in session.lanes() {
            for parked in lane.ending() {
                // Whoever ends it does so under its cell's lock.
                drop(parked.cell.state.lock());
            }
            let unheard = lane.unheard();
            if unheard.is_empty() {
                continue;
            }
            let connection = Arc::new(Connection::of_nobody(lane, session.lease()));
            for sequence in unheard {
                self.undo(&connection, sequence);
            }
        }
    }

    /// What undoes it, if anything does.
    fn rows_of_undo(
        &self,
        cell: &Cell,
        state: &mut State,
        caller: &Caller,
        undo: Undo,
        reply: Value,
    ) -> Option<Rows> {
        let call = cell.kind.bind(Call::new(UNDO, [undo.memo, reply])).ok()?;
        match self.decide(cell, state, caller, &call, false) {
            Ok(Decision {
                rows,
                next: Next::Reply(_),
            }) if !rows.is_empty() => Some(rows),
            _ => None,
        }
    }

    /// Applies what undoes a call, and makes "cancelled" its outcome.
    fn take_back(
        &self,
        cell: &Arc<Cell>,
        state: &mut MutexGuard<'_, State>,
        caller: &Caller,
        rows: Rows,
    ) {
        let (Some(lane), logged) = (caller.lane(), cell.is_logged()) else {
            return;
        };
        let acknowledged_below = if logged { lane.acknowledged_below() } else { 1 };
        let mut kept = None;
        self.change(cell, state, caller.lease(), rows, |revision, _| {
            let refusal = Refusal::new(
                Code::Cancelled,
                "it was cancelled, and what it had done was undone",
            );
            let outcome = Outcome {
                fingerprint: caller.fingerprint,
                state: OutcomeState::Done(Reply {
                    result: Err(refusal),
                    revision,
                    remembered: false,
                    oid: caller.opened.then_some(cell.oid),
                }),
                acknowledged_below,
                undo: None,
            };
            kept = Some(outcome.clone());
            Some((lane.operation(caller.sequence), outcome))
        });
        if let Some(outcome) = kept
            && !self.faults.has(Fault::RememberUndone)
        {
            let (gate, durable) = (self.gate_of(state.gate), self.gate.durable());
            lane.undone(caller.sequence, outcome, gate, logged, durable);
        }
    }
}
