//! Calls that wait: how they begin to, who of them is asked again, and how their waiting ends.

use super::Engine;
use super::caller::{Caller, Origin};
use super::cell::{Cell, State};
use super::execute::{Standing, keep_deadline};
use super::references::Grip;
use super::timer::Due;
use super::waiting::{ANY_MAX, Parked};
use crate::objects::{Arguments, Decision, Next, Until};
use crate::session::PARKED_MAX;
use commonhold_proto::{Call, Code, Outcome, Refusal, Rows};
use parking_lot::MutexGuard;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// So many waiting calls are granted before the lock is let go for others.
const GRANTS_A_HOLD: usize = 256;

/// A call whose time is over.
#[derive(Clone, Copy)]
pub(super) struct Late<'a> {
    /// What it does now; `None` refuses it.
    pub(super) on_deadline: Option<&'a Arguments>,
    /// Did it change rows before?
    pub(super) changed: bool,
    /// For how long it waited.
    pub(super) waited: Duration,
    /// How many stood before it.
    pub(super) ahead: usize,
}

impl Engine {
    /// Is there room for one more waiting call? One that may not wait needs none, if it knows what to do instead.
    pub(super) fn may_park(
        state: &mut State,
        caller: &Caller,
        until: &Until,
        on_deadline: Option<&Arguments>,
    ) -> Result<(), Refusal> {
        if !caller.may_wait {
            let code = match caller.fence {
                Some(_) => Code::WouldBlock,
                None => Code::DeadlineExceeded,
            };
            return match on_deadline {
                Some(_) => Ok(()),
                None => Err(Refusal::new(code, "it would have to wait, and may not")),
            };
        }
        if caller
            .lease()
            .is_some_and(|lease| lease.parked.load(Ordering::Relaxed) >= PARKED_MAX)
        {
            return Err(Refusal::new(
                Code::TooManyWaiting,
                format!("{PARKED_MAX} calls of this session wait already"),
            ));
        }
        if *until == Until::Any && !state.waiting.has_room_for_any() {
            let message = format!("{ANY_MAX} calls wait for any change of this object already");
            return Err(Refusal::new(Code::TooManyWaiting, message));
        }
        Ok(())
    }

    /// True if it stands first in its line.
    pub(super) fn park(
        &self,
        state: &mut State,
        parked: Arc<Parked>,
        outcome: Option<Outcome>,
        first: bool,
    ) -> bool {
        let caller = &parked.caller;
        parked.cell.waiters.fetch_add(1, Ordering::Relaxed);
        if let Some(at) = caller.deadline {
            self.timers.add(at, Due::Deadline(Arc::downgrade(&parked)));
        }
        match &caller.origin {
            Origin::Lane(connection) => {
                connection.lease.parked.fetch_add(1, Ordering::Relaxed);
                let kept = connection
                    .lane
                    .park(caller.sequence, Arc::clone(&parked), outcome);
                if !kept {
                    // Its connection broke while it was asked again: it is withdrawn like the others.
                    if parked.claim() {
                        drop(self.unpark(&parked));
                    }
                    return false;
                }
            }
            Origin::Unary(unary) => unary.park(Arc::clone(&parked)),
        }
        if first && parked.line.is_some() {
            state.waiting.keep(parked);
            return true;
        }
        state.waiting.add(parked);
        false
    }

    /// Asks everybody who was woken, and whoever their changes wake.
    pub(super) fn wake(&self, cell: &Arc<Cell>, state: &mut MutexGuard<'_, State>) {
        let mut granted = 0;
        loop {
            if granted == GRANTS_A_HOLD {
                // Nobody is in our hands now: whoever comes meanwhile sees all who stand before it.
                granted = 0;
                MutexGuard::bump(state);
            }
            let Some(parked) = state.waiting.next_woken() else {
                return;
            };
            let line = parked.line;
            // Whoever ended the lease withdraws its calls in a moment.
            if !self.has_ended(&parked.caller) {
                let decision = self.decide(cell, state, &parked.caller, &parked.resume, false);
                if waits_as_before(cell, &parked, &decision) {
                    state.waiting.keep(parked);
                    continue;
                }
                if parked.claim() {
                    granted += 1;
                    let _held = self.unpark(&parked);
                    let decision =
                        keep_deadline(decision, &parked.resume, parked.on_deadline.as_ref());
                    let standing = Standing {
                        line,
                        changed: parked.changed,
                        first: true,
                    };
                    if self.act(cell, state, &parked.caller, standing, decision) {
                        continue;
                    }
                }
            }
            if let Some(line) = line {
                state.waiting.wake_head(line);
            }
        }
    }

    /// A waiting call was claimed: it does not wait any more. What its arguments refer to is held until the result is
    /// dropped.
    #[must_use]
    pub(super) fn unpark(&self, parked: &Arc<Parked>) -> Option<Grip> {
        if let Some(at) = parked.caller.deadline {
            self.timers.forget(at, parked);
        }
        if let Some(lease) = parked.caller.lease() {
            lease.parked.fetch_sub(1, Ordering::Relaxed);
        }
        parked.take_grip()
    }

    /// The time of a waiting call is over, or it is cancelled: `cancelled` says which. False if somebody else ended it.
    pub(crate) fn end_wait(&self, parked: &Arc<Parked>, cancelled: bool) -> bool {
        let cell = &parked.cell;
        let mut state = cell.state.lock();
        // Who waited for an object that is gone was told so.
        if state.gone || !parked.claim() {
            return false;
        }
        let held = self.unpark(parked);
        if cancelled && parked.on_deadline.is_none() {
            let refusal = Refusal::new(Code::Cancelled, "it was cancelled");
            self.end(
                cell,
                &mut state,
                &parked.caller,
                Rows::new(),
                Err(refusal),
                parked.changed,
            );
        } else {
            let late = Late {
                on_deadline: parked.on_deadline.as_ref(),
                changed: parked.changed,
                waited: self.clock.monotonic().saturating_sub(parked.since),
                ahead: Engine::ahead_of(&mut state, parked),
            };
            self.expire(cell, &mut state, &parked.caller, late);
        }
        if let Some(line) = parked.line {
            state.waiting.wake_head(line);
        }
        self.wake(cell, &mut state);
        drop(held);
        self.let_go(state);
        true
    }

    /// Does what a call does when its time is over.
    pub(super) fn expire(
        &self,
        cell: &Arc<Cell>,
        state: &mut MutexGuard<'_, State>,
        caller: &Caller,
        late: Late<'_>,
    ) {
        let changed = late.changed;
        let Some(call) = late.on_deadline else {
            let refusal = self.timed_out(cell, state, late.waited, late.ahead);
            return self.end(cell, state, caller, Rows::new(), Err(refusal), changed);
        };
        // What it does now may itself wait (a condition takes its lock back), but not for a time that is over.
        let caller = Caller {
            deadline: None,
            may_wait: true,
            ..caller.clone()
        };
        let line = call.method.line;
        let ahead = line.is_some_and(|line| state.waiting.stands(line));
        let decision = self.decide(cell, state, &caller, call, ahead);
        let decision = keep_deadline(decision, call, Some(call));
        let standing = Standing {
            line,
            changed,
            ..Standing::default()
        };
        self.act(cell, state, &caller, standing, decision);
    }
}

/// Does it go on waiting for the same?
fn waits_as_before(cell: &Cell, parked: &Parked, decision: &Result<Decision, Refusal>) -> bool {
    let Ok(Decision {
        rows,
        next: Next::Wait { until, resume, .. },
    }) = decision
    else {
        return false;
    };
    // Kinds write calls with positions or with names: only what is bound can be compared.
    rows.is_empty()
        && *until == parked.until
        && cell.kind.bind(Call::clone(resume)).as_ref() == Ok(&parked.resume)
}
