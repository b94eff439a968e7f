//! Executing a call: decide, then act on what was decided.
//!
//! One door: calls from lanes, unary calls and waiting calls that are asked again all end in [`Engine::act`]. All of it
//! is synchronous, on the thread that decoded the frame, under the cell's lock.

use super::caller::Caller;
use super::cell::{Cell, State};
use super::faults::Fault;
use super::parking::Late;
use super::waiting::Parked;
use super::{Engine, caught};
use crate::objects::{Arguments, Decision, Lapse, Next, Operation};
use commonhold_proto::{
    Call, Code, Outcome, OutcomeState, Refusal, Revision, Rows, call_bytes_max,
};
use parking_lot::MutexGuard;
use std::sync::Arc;
use std::time::Duration;

/// How a call stands that is decided about.
#[derive(Clone, Copy, Default)]
pub(super) struct Standing {
    /// The line that it waits in, if it waits.
    pub(super) line: Option<&'static str>,
    /// Did it change rows before?
    pub(super) changed: bool,
    /// It was the first of its line and stays it, if it goes on waiting and changes nothing.
    pub(super) first: bool,
}

impl Engine {
    /// Executes a bound call on an object.
    pub(super) fn execute(&self, cell: &Arc<Cell>, caller: &Caller, call: &Arguments) {
        let mut state = cell.state.lock();
        // First: it lets the lock go between grants, and whatever was true before may not be any more.
        self.lapse_due(cell, &mut state);
        if state.gone {
            self.let_go(state);
            return self.refuse(caller, Engine::gone(cell.oid));
        }
        if let Some(gone) = self.lost_leader(caller) {
            self.let_go(state);
            return self.refuse(caller, Engine::gone(gone));
        }
        if self.is_dropped(caller) {
            return self.let_go(state);
        }
        let line = call.method.line;
        let ahead = line.is_some_and(|line| state.waiting.stands(line));
        let decision = self.decide(cell, &mut state, caller, call, ahead);
        let standing = Standing {
            line,
            ..Standing::default()
        };
        self.act(cell, &mut state, caller, standing, decision);
        self.wake(cell, &mut state);
        self.let_go(state);
    }

    /// Goes on with a call that had changed rows and then waited when its connection broke or the server ended.
    pub(super) fn resume(
        &self,
        cell: &Arc<Cell>,
        caller: &Caller,
        resume: &Arguments,
        on_deadline: Option<&Arguments>,
    ) {
        let mut state = cell.state.lock();
        self.lapse_due(cell, &mut state);
        if state.gone {
            self.let_go(state);
            return self.conclude_gone(caller, Engine::gone(cell.oid), self.registry.gate());
        }
        if self.is_dropped(caller) {
            return self.let_go(state);
        }
        let line = resume.method.line;
        let ahead = line.is_some_and(|line| state.waiting.stands(line));
        let decision = self.decide(cell, &mut state, caller, resume, ahead);
        let decision = keep_deadline(decision, resume, on_deadline);
        let standing = Standing {
            line,
            changed: true,
            ..Standing::default()
        };
        self.act(cell, &mut state, caller, standing, decision);
        self.wake(cell, &mut state);
        self.let_go(state);
    }

    /// Lets a cell go, and sweeps the leases under which rows were lent although they had ended meanwhile.
    #[inline]
    pub(super) fn let_go(&self, state: MutexGuard<'_, State>) {
        if state.has_news() {
            return self.let_go_with_news(state);
        }
        drop(state);
        self.free_orphans();
    }

    fn let_go_with_news(&self, mut state: MutexGuard<'_, State>) {
        let (late, lost) = state.take_news();
        drop(state);
        if !lost.is_empty() {
            self.tell_lost(lost);
        }
        self.free_orphans();
        if self.faults.has(Fault::IgnoreEndedLease) {
            return;
        }
        for lease in late {
            self.sweep(&lease, lease.end(), Lapse::Died);
        }
    }

    /// A call whose lease has ended is dropped: its client resumes with a new lease and sends it again.
    pub(super) fn is_dropped(&self, caller: &Caller) -> bool {
        let ended = self.has_ended(caller);
        if ended && let Some(lane) = caller.lane() {
            lane.forget(caller.sequence);
        }
        ended
    }

    pub(super) fn has_ended(&self, caller: &Caller) -> bool {
        caller.lease().is_some_and(|lease| lease.has_ended())
            && !self.faults.has(Fault::IgnoreEndedLease)
    }

    /// Asks the object. It may panic: nothing has changed then.
    pub(super) fn decide(
        &self,
        cell: &Cell,
        state: &mut State,
        caller: &Caller,
        call: &Arguments,
        ahead: bool,
    ) -> Result<Decision, Refusal> {
        state.at = state.at.max(self.clock.now());
        let operation = Operation {
            oid: cell.oid,
            id: caller.lane().map(|lane| lane.operation(caller.sequence)),
            session: caller.lane().map(|lane| lane.session),
            owner: caller.owner,
            at: state.at,
            last: state.last,
            next: Revision(self.log.newest().0 + 1),
            may_wait: caller.may_wait,
        };
        // Whatever came in a call can be given back.
        let reply_bytes_max = call_bytes_max(self.limits.value_bytes_max);
        match caught(|| state.object.decide(&operation, call, ahead)) {
            // Refused before a row is applied: a reply that no client can take would be asked for again for ever.
            Ok(Ok(Decision {
                next: Next::Reply(value) | Next::Undoable { value, .. },
                ..
            })) if value.size() > reply_bytes_max && value.encoded_size() > reply_bytes_max => {
                Err(Refusal::new(
                    Code::ValueTooLarge,
                    format!(
                        "{}: the reply is larger than {reply_bytes_max} bytes: ask for less at a time",
                        call.method(),
                    ),
                ))
            }
            Ok(Ok(decision)) => self.fit(cell, decision),
            Ok(Err(mut refusal)) => {
                if refusal.code == Code::NotFound {
                    refusal.message = format!("{} in {}", refusal.message, cell.title());
                }
                if refusal.code == Code::DeadlineExceeded {
                    refusal = self.timed_out(cell, state, Duration::ZERO, 0);
                }
                if refusal.code == Code::WouldBlock {
                    refusal.message =
                        format!("{} is not free{}", cell.title(), self.held_by(state));
                }
                Err(refusal)
            }
            Err(panic) => {
                tracing::error!(
                    kind = cell.kind.name,
                    method = call.method(),
                    panic,
                    "a kind panicked in decide"
                );
                Err(Refusal::new(
                    Code::Internal,
                    format!("{}: the server failed: {panic}", call.method()),
                ))
            }
        }
    }

    /// Does what was decided: changes, answers, parks. True if the call waits as the first of its line.
    pub(super) fn act(
        &self,
        cell: &Arc<Cell>,
        state: &mut MutexGuard<'_, State>,
        caller: &Caller,
        standing: Standing,
        decision: Result<Decision, Refusal>,
    ) -> bool {
        if self.gate.is_broken() {
            // Memory and log may differ: nothing that looked at an object is answered any more.
            return false;
        }
        let decision = decision.unwrap_or_else(Decision::refuse);
        // Until the end: what rows refer to from now on is held by them.
        let (Decision { rows, next }, _held) = match self.grip_decision(cell, state, &decision) {
            Ok(held) => (decision, held),
            Err(refusal) => (Decision::refuse(refusal), None),
        };
        let mut changed = standing.changed;
        let (until, resume, on_deadline) = match next {
            Next::Reply(value) => {
                self.end(cell, state, caller, rows, Ok(value), changed);
                return false;
            }
            Next::Undoable { value, memo } => {
                self.conclude(cell, state, caller, rows, Ok(value), Some(memo));
                return false;
            }
            Next::Refuse(refusal) => {
                self.end(cell, state, caller, rows, Err(refusal), changed);
                return false;
            }
            Next::Wait {
                until,
                resume,
                on_deadline,
            } => (until, resume, on_deadline),
        };
        let bound = cell.kind.bind(Call::clone(&resume));
        let deadline = on_deadline
            .as_deref()
            .map(|call| cell.kind.bind(call.clone()))
            .transpose();
        let (Ok(bound), Ok(deadline)) = (bound, deadline) else {
            self.poison(&format!(
                "{} waits for a call that its table lacks",
                cell.kind.name
            ));
            return false;
        };
        if let Err(refusal) = Engine::may_park(state, caller, &until, deadline.as_ref()) {
            self.end(cell, state, caller, Rows::new(), Err(refusal), changed);
            return false;
        }
        // A call that goes on as another stands where that one's callers do.
        let line = bound.method.line;
        let first = standing.first && line == standing.line && rows.is_empty();
        changed |= !rows.is_empty();
        if changed {
            self.keep_arguments(caller, &bound, deadline.as_ref());
        }
        let outcome = changed.then(|| Outcome {
            fingerprint: caller.fingerprint,
            state: OutcomeState::Waiting {
                oid: cell.oid,
                resume,
                on_deadline,
            },
            acknowledged_below: caller.lane().map_or(1, |lane| lane.acknowledged_below()),
            undo: None,
        });
        if !rows.is_empty() {
            let remembered = outcome.clone();
            self.change(cell, state, caller.lease(), rows, |_, _| {
                Some((caller.lane()?.operation(caller.sequence), remembered?))
            });
        }
        if !caller.may_wait {
            // Its time is over at once: what it does then is decided on what it just changed.
            let late = Late {
                on_deadline: deadline.as_ref(),
                changed,
                waited: Duration::ZERO,
                ahead: 0,
            };
            self.expire(cell, state, caller, late);
            return false;
        }
        let held = self.grip_call(&bound, deadline.as_ref());
        let parked = Parked::new(
            Arc::clone(cell),
            caller.clone(),
            bound,
            deadline,
            until,
            self.clock.monotonic(),
            changed,
        )
        .holding(held);
        self.park(state, Arc::new(parked), outcome, first)
    }
}

/// A retried decision that says nothing of a deadline keeps the one before. `asked` is what was decided about; if its
/// deadline leads to itself, its time was over before and it waits on all the same: so does what it becomes.
pub(super) fn keep_deadline(
    decision: Result<Decision, Refusal>,
    asked: &Arguments,
    before: Option<&Arguments>,
) -> Result<Decision, Refusal> {
    decision.map(|mut decision| {
        if let Next::Wait {
            on_deadline,
            resume,
            ..
        } = &mut decision.next
            && on_deadline.is_none()
        {
            *on_deadline = match before {
                Some(before) if before == asked => Some(resume.clone()),
                before => before.map(|call| Box::new(call.to_call())),
            };
        }
        decision
    })
}
