//! Answering a call: rows are applied and logged with its outcome, and the reply goes to where the call came from.

use super::caller::{Caller, Origin};
use super::cell::{Cell, State};
use super::faults::Fault;
use super::{Engine, caught};
use crate::session::Lease;
use commonhold_proto::{
    Change, Code, Oid, Outcome, OutcomeState, Part, Refusal, Reply, Revision, Rows, Undo, Value,
};
use parking_lot::MutexGuard;
use smallvec::smallvec;
use std::sync::Arc;

impl Engine {
    /// Ends an operation. If it changes rows, or `changed` some before, its answer is its outcome: sent again it must
    /// neither begin anew nor wait for what has happened already.
    #[inline]
    pub(super) fn end(
        &self,
        cell: &Arc<Cell>,
        state: &mut MutexGuard<'_, State>,
        caller: &Caller,
        rows: Rows,
        result: Result<Value, Refusal>,
        changed: bool,
    ) {
        if changed || !rows.is_empty() {
            self.conclude(cell, state, caller, rows, result, None);
            return;
        }
        self.answer(
            caller,
            Engine::reply(cell, state, caller, result),
            state.gate,
        );
    }

    /// Ends an operation that changed rows, now or before: its answer is its outcome. With the memo it can be undone.
    pub(super) fn conclude(
        &self,
        cell: &Arc<Cell>,
        state: &mut MutexGuard<'_, State>,
        caller: &Caller,
        rows: Rows,
        result: Result<Value, Refusal>,
        memo: Option<Value>,
    ) {
        // Before the rows go that may be the last to refer to it.
        let held = self.hold_returned(caller, &result);
        let Some(lane) = caller.lane() else {
            if !rows.is_empty() {
                self.change(cell, state, None, rows, |_, _| None);
            }
            self.answer(
                caller,
                Engine::reply(cell, state, caller, result),
                state.gate,
            );
            return;
        };
        let acknowledged_below = if cell.is_logged() {
            lane.acknowledged_below()
        } else {
            1
        };
        let oid = caller.names(cell.oid);
        let mut kept = None;
        self.change(cell, state, caller.lease(), rows, |revision, logged| {
            let reply = Reply {
                result,
                revision,
                remembered: false,
                oid,
            };
            let outcome = Outcome {
                fingerprint: caller.fingerprint,
                state: OutcomeState::Done(reply),
                acknowledged_below,
                undo: memo.map(|memo| {
                    Box::new(Undo {
                        oid: cell.oid,
                        memo,
                    })
                }),
            };
            if logged {
                kept = Some(outcome.clone());
                return Some((lane.operation(caller.sequence), outcome));
            }
            kept = Some(outcome);
            None
        });
        let Some(outcome) = kept else { return };
        if self.faults.has(Fault::ForgetOutcome) {
            let OutcomeState::Done(reply) = outcome.state else {
                return;
            };
            lane.answer(
                caller.sequence,
                reply,
                self.gate_of(state.gate.max(caller.floor).max(held)),
                self.gate.durable(),
            );
        } else {
            let gate = self.gate_of(state.gate.max(caller.floor).max(held));
            lane.finish(
                caller.sequence,
                outcome,
                gate,
                cell.is_logged(),
                self.gate.durable(),
            );
        }
    }

    /// Applies rows, gives them a revision, logs them with the operation's outcome, and wakes whoever waits for them.
    pub(super) fn change(
        &self,
        cell: &Arc<Cell>,
        state: &mut State,
        lease: Option<&Arc<Lease>>,
        rows: Rows,
        outcome: impl FnOnce(Revision, bool) -> Option<(commonhold_proto::OperationId, Outcome)>,
    ) {
        let dropped = self.rewrite_edges(cell, state, &rows);
        let applied = caught(|| {
            rows.iter()
                .for_each(|row| state.apply(cell.oid, row, lease));
        });
        if applied.is_err() {
            self.poison(&format!("{} panicked in apply", cell.title()));
            return;
        }
        self.set_timer(cell, state);
        state.waiting.wake(&rows);
        let at = state.at;
        let oid = cell.oid;
        let revision = if cell.is_logged() {
            let mut parts = smallvec![Part { oid, rows }];
            let losses = self.add_losses(state, &mut parts);
            let revision = self.log.push(|revision| Change {
                revision,
                at,
                operation: outcome(revision, true),
                parts,
            });
            if let Some(mut losses) = losses {
                losses.changed_with(revision, at);
            }
            revision
        } else {
            let revision = self.log.unlogged();
            outcome(revision, false);
            revision
        };
        state.last = revision;
        if cell.durability == commonhold_proto::Durability::Durable {
            state.gate = revision;
        }
        self.references.drop_later(dropped);
    }

    /// A reply about an object as it stands.
    fn reply(cell: &Cell, state: &State, caller: &Caller, result: Result<Value, Refusal>) -> Reply {
        Reply {
            result,
            revision: state.last,
            remembered: false,
            oid: caller.names(cell.oid),
        }
    }

    /// A refusal that no object gave.
    pub(crate) fn refused(refusal: Refusal) -> Reply {
        Reply {
            result: Err(refusal),
            revision: Revision(0),
            remembered: false,
            oid: None,
        }
    }

    pub(super) fn gone(oid: Oid) -> Refusal {
        let message =
            format!("the object {oid} was deleted, or was not durable and lost in a restart");
        Refusal::new(Code::ObjectGone, message)
    }

    /// Refuses a call that no object decided about: the reply waits for everything there is, since what it denies may
    /// just have been deleted.
    pub(super) fn refuse(&self, caller: &Caller, refusal: Refusal) {
        let gate = self.registry.gate();
        self.answer(caller, Engine::refused(refusal), gate);
    }

    /// Ends an operation that changed rows of an object that is gone. What the log says of it leads here again, so the
    /// answer need not be logged; but it must be remembered, or the call would begin anew on an object of the same name.
    pub(super) fn conclude_gone(&self, caller: &Caller, refusal: Refusal, gate: Revision) {
        let reply = Engine::refused(refusal);
        let Some(lane) = caller.lane() else {
            return self.answer(caller, reply, gate);
        };
        let outcome = Outcome {
            fingerprint: caller.fingerprint,
            state: OutcomeState::Done(reply),
            acknowledged_below: 1,
            undo: None,
        };
        let gate = self.gate_of(gate);
        lane.finish(caller.sequence, outcome, gate, true, self.gate.durable());
    }

    /// Sends an answer that is no outcome.
    pub(super) fn answer(&self, caller: &Caller, reply: Reply, gate: Revision) {
        let held = self.hold_returned(caller, &reply.result);
        let gate = self.gate_of(gate.max(caller.floor).max(held));
        match &caller.origin {
            Origin::Lane(connection) => {
                connection
                    .lane
                    .answer(caller.sequence, reply, gate, self.gate.durable());
            }
            Origin::Unary(unary) => unary.answer(reply, gate),
        }
    }

    pub(super) fn gate_of(&self, gate: Revision) -> Revision {
        if self.faults.has(Fault::AcknowledgeBeforeDurable) {
            Revision(0)
        } else {
            gate
        }
    }
}
