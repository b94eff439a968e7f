// Over 500 lines: one door. Deciding, acting, parking and answering call each other under one lock.
//! Executing a call: decide, apply, log, answer or park, wake.
//!
//! One door: calls from lanes, unary calls and waiting calls that are asked again all end in [`Engine::act`]. All of it
//! is synchronous, on the thread that decoded the frame, under the cell's lock.

use super::cell::{Cell, State};
use super::faults::Fault;
use super::timer::Due;
use super::waiting::{ANY_MAX, Parked};
use super::{Engine, caught};
use crate::objects::{Arguments, Decision, Lapse, Next, Operation, Until};
use crate::session::{Lane, Lease, PARKED_MAX};
use commonhold_proto::{
    Call, Change, Code, Oid, Outcome, OutcomeState, Owner, Part, Refusal, Reply, Revision, Rows,
    Value,
};
use parking_lot::{Mutex, MutexGuard};
use smallvec::smallvec;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Waker;
use std::time::Duration;

/// So many waiting calls are granted before the lock is let go for others.
const GRANTS_A_HOLD: usize = 256;

/// Who calls, and how the answer gets back.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) origin: Origin,
    /// The call's number in its lane.
    pub(crate) sequence: u64,
    pub(crate) fingerprint: u64,
    pub(crate) owner: Owner,
    /// Opened by name: the reply says which object it was.
    pub(crate) opened: bool,
    /// On the monotonic clock; `None` is for ever.
    pub(crate) deadline: Option<Duration>,
    /// False for a time-out of 0.
    pub(crate) may_wait: bool,
}

/// Where a call comes from.
#[derive(Clone)]
pub(crate) enum Origin {
    /// A lane of a session: exactly once.
    Lane(Arc<Connection>),
    /// A call of its own: at most once a try.
    Unary(Arc<Unary>),
}

/// A lane and the lease that its connection was opened under.
pub(crate) struct Connection {
    pub(crate) lane: Arc<Lane>,
    pub(crate) lease: Arc<Lease>,
    /// Its welcome told that the lease before was lost, and no call has come since.
    pub(super) tells: AtomicBool,
}

/// Takes the answer to one call.
#[derive(Default)]
pub(crate) struct Unary {
    state: Mutex<UnaryState>,
}

#[derive(Default)]
struct UnaryState {
    /// The reply, and what must be durable before it leaves.
    answer: Option<(Reply, Revision)>,
    parked: Option<Arc<Parked>>,
    waker: Option<Waker>,
}

impl Unary {
    /// The reply and what must be durable before it leaves; otherwise `waker` is kept.
    pub(crate) fn poll(&self, waker: &Waker) -> Option<(Reply, Revision)> {
        let mut state = self.state.lock();
        if state.answer.is_none() {
            state.waker = Some(waker.clone());
        }
        state.answer.take()
    }

    /// The call, if it waits.
    pub(crate) fn parked(&self) -> Option<Arc<Parked>> {
        self.state.lock().parked.clone()
    }

    fn answer(&self, reply: Reply, gate: Revision) {
        let mut state = self.state.lock();
        state.answer = Some((reply, gate));
        state.parked = None;
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
    }
}

/// How a call stands that is decided about.
#[derive(Clone, Copy, Default)]
struct Standing {
    /// The line that it waits in, if it waits.
    line: Option<&'static str>,
    /// Did it change rows before?
    changed: bool,
    /// It was the first of its line and stays it, if it goes on waiting and changes nothing.
    first: bool,
}

impl Caller {
    pub(super) fn lease(&self) -> Option<&Arc<Lease>> {
        match &self.origin {
            Origin::Lane(connection) => Some(&connection.lease),
            Origin::Unary(_) => None,
        }
    }

    pub(super) fn lane(&self) -> Option<&Arc<Lane>> {
        match &self.origin {
            Origin::Lane(connection) => Some(&connection.lane),
            Origin::Unary(_) => None,
        }
    }
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
    pub(super) fn let_go(&self, mut state: MutexGuard<'_, State>) {
        let late = state.take_late();
        drop(state);
        if self.faults.has(Fault::IgnoreEndedLease) {
            return;
        }
        for lease in late {
            self.sweep(&lease, lease.end(), Lapse::Died);
        }
    }

    /// A call whose lease has ended is dropped: its client resumes with a new lease and sends it again.
    fn is_dropped(&self, caller: &Caller) -> bool {
        let ended = self.has_ended(caller);
        if ended && let Some(lane) = caller.lane() {
            lane.forget(caller.sequence);
        }
        ended
    }

    fn has_ended(&self, caller: &Caller) -> bool {
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
            id: caller.lane().map(|lane| lane.operation(caller.sequence)),
            session: caller.lane().map(|lane| lane.session),
            owner: caller.owner,
            at: state.at,
            last: state.last,
            may_wait: caller.may_wait,
        };
        match caught(|| state.object.decide(&operation, call, ahead)) {
            // Refused before a row is applied: a reply that no client can take would be asked for again for ever.
            Ok(Ok(Decision {
                next: Next::Reply(value),
                ..
            })) if value.size() > self.limits.value_bytes_max
                && value.encoded_size() > self.limits.value_bytes_max =>
            {
                Err(Refusal::new(
                    Code::ValueTooLarge,
                    format!(
                        "{}: the reply is larger than {} bytes: ask for less at a time",
                        call.method(),
                        self.limits.value_bytes_max
                    ),
                ))
            }
            Ok(Ok(decision)) => self.fit(cell, decision),
            Ok(Err(mut refusal)) => {
                if refusal.code == Code::NotFound {
                    refusal.message = format!("{} in {}", refusal.message, cell.title());
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
    fn act(
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
        let Decision { rows, next } = match decision {
            Ok(decision) => decision,
            Err(refusal) => Decision::refuse(refusal),
        };
        let mut changed = standing.changed;
        let (until, resume, on_deadline) = match next {
            Next::Reply(value) => {
                self.end(cell, state, caller, rows, Ok(value), changed);
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
        let first = standing.first && rows.is_empty();
        changed |= !rows.is_empty();
        let outcome = changed.then(|| Outcome {
            fingerprint: caller.fingerprint,
            state: OutcomeState::Waiting {
                oid: cell.oid,
                resume,
                on_deadline,
            },
            acknowledged_below: caller.lane().map_or(1, |lane| lane.acknowledged_below()),
        });
        if !rows.is_empty() {
            let remembered = outcome.clone();
            self.change(cell, state, caller.lease(), rows, |_, _| {
                Some((caller.lane()?.operation(caller.sequence), remembered?))
            });
        }
        if !caller.may_wait {
            // Its time is over at once: what it does then is decided on what it just changed.
            self.expire(cell, state, caller, deadline.as_ref(), changed);
            return false;
        }
        let parked = Parked::new(
            Arc::clone(cell),
            caller.clone(),
            bound,
            deadline,
            until,
            standing.line,
            changed,
        );
        self.park(state, Arc::new(parked), outcome, first)
    }

    /// Is there room for one more waiting call? One that may not wait needs none, if it knows what to do instead.
    fn may_park(
        state: &mut State,
        caller: &Caller,
        until: &Until,
        on_deadline: Option<&Arguments>,
    ) -> Result<(), Refusal> {
        if !caller.may_wait {
            return match on_deadline {
                Some(_) => Ok(()),
                None => Err(Refusal::new(
                    Code::DeadlineExceeded,
                    "it would have to wait, and may not",
                )),
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
    fn park(
        &self,
        state: &mut State,
        parked: Arc<Parked>,
        outcome: Option<Outcome>,
        first: bool,
    ) -> bool {
        let caller = &parked.caller;
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
                        self.unpark(&parked);
                    }
                    return false;
                }
            }
            Origin::Unary(unary) => unary.state.lock().parked = Some(Arc::clone(&parked)),
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
                    self.unpark(&parked);
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

    /// A waiting call was claimed: it does not wait any more.
    pub(super) fn unpark(&self, parked: &Arc<Parked>) {
        if let Some(at) = parked.caller.deadline {
            self.timers.forget(at, parked);
        }
        if let Some(lease) = parked.caller.lease() {
            lease.parked.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// The time of a waiting call is over, or it is cancelled: `cancelled` says which.
    pub(crate) fn end_wait(&self, parked: &Arc<Parked>, cancelled: bool) {
        let cell = &parked.cell;
        let mut state = cell.state.lock();
        // Who waited for an object that is gone was told so.
        if state.gone || !parked.claim() {
            return;
        }
        self.unpark(parked);
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
            self.expire(
                cell,
                &mut state,
                &parked.caller,
                parked.on_deadline.as_ref(),
                parked.changed,
            );
        }
        if let Some(line) = parked.line {
            state.waiting.wake_head(line);
        }
        self.wake(cell, &mut state);
        self.let_go(state);
    }

    /// Does what a call does when its time is over; `changed` tells whether it changed rows before.
    fn expire(
        &self,
        cell: &Arc<Cell>,
        state: &mut MutexGuard<'_, State>,
        caller: &Caller,
        on_deadline: Option<&Arguments>,
        changed: bool,
    ) {
        let Some(call) = on_deadline else {
            let refusal = Refusal::new(
                Code::DeadlineExceeded,
                format!("timed out waiting for {}", cell.title()),
            );
            return self.end(cell, state, caller, Rows::new(), Err(refusal), changed);
        };
        // What it does now may itself wait (a condition takes its lock back), but not for a time that is over.
        let caller = Caller {
            deadline: None,
            may_wait: true,
            ..caller.clone()
        };
        let decision = self.decide(cell, state, &caller, call, false);
        let decision = keep_deadline(decision, call, Some(call));
        let standing = Standing {
            changed,
            ..Standing::default()
        };
        self.act(cell, state, &caller, standing, decision);
    }

    /// Ends an operation. If it changes rows, or `changed` some before, its answer is its outcome: sent again it must
    /// neither begin anew nor wait for what has happened already.
    fn end(
        &self,
        cell: &Arc<Cell>,
        state: &mut MutexGuard<'_, State>,
        caller: &Caller,
        rows: Rows,
        result: Result<Value, Refusal>,
        changed: bool,
    ) {
        if changed || !rows.is_empty() {
            self.conclude(cell, state, caller, rows, result);
            return;
        }
        self.answer(
            caller,
            Engine::reply(cell, state, caller, result),
            state.gate,
        );
    }

    /// Ends an operation that changed rows, now or before: its answer is its outcome.
    fn conclude(
        &self,
        cell: &Arc<Cell>,
        state: &mut MutexGuard<'_, State>,
        caller: &Caller,
        rows: Rows,
        result: Result<Value, Refusal>,
    ) {
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
        let oid = caller.opened.then_some(cell.oid);
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
                self.gate_of(state.gate),
                self.gate.durable(),
            );
        } else {
            let gate = self.gate_of(state.gate);
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
            self.log.push(|revision| Change {
                revision,
                at,
                operation: outcome(revision, true),
                parts: smallvec![Part { oid, rows }],
            })
        } else {
            let revision = self.log.unlogged();
            outcome(revision, false);
            revision
        };
        state.last = revision;
        if cell.durability == commonhold_proto::Durability::Durable {
            state.gate = revision;
        }
    }

    /// A reply about an object as it stands.
    fn reply(cell: &Cell, state: &State, caller: &Caller, result: Result<Value, Refusal>) -> Reply {
        Reply {
            result,
            revision: state.last,
            remembered: false,
            oid: caller.opened.then_some(cell.oid),
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
        };
        let gate = self.gate_of(gate);
        lane.finish(caller.sequence, outcome, gate, true, self.gate.durable());
    }

    /// Sends an answer that is no outcome.
    pub(super) fn answer(&self, caller: &Caller, reply: Reply, gate: Revision) {
        let gate = self.gate_of(gate);
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

/// A retried decision that says nothing of a deadline keeps the one before. `asked` is what was decided about; if its
/// deadline leads to itself, its time was over before and it waits on all the same: so does what it becomes.
fn keep_deadline(
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
