//! What a call meets before an object does: is it new, does it fit its method, is there room?

use super::caller::{Caller, Connection};
use super::cell::Cell;
use super::faults::Fault;
use super::{Engine, Origin};
use crate::objects::{Access, Arguments, Decision, Next};
use crate::session::{Admission, Lane};
use commonhold_proto::{
    Call, Change, Code, Durability, Outcome, OutcomeState, Owner, Refusal, Revision, Row, Value,
};
use std::sync::Arc;

impl Engine {
    /// Is this call new? If not, it is answered, or goes on from where it was, or its answer comes by itself.
    pub(super) fn admit_operation(&self, lane: &Lane, caller: &Caller) -> bool {
        let durable = self.gate.durable();
        let refusal = match lane.admit(caller.sequence, caller.fingerprint) {
            Admission::New => return true,
            Admission::Underway => return false,
            Admission::Remembered(reply, gate) => {
                lane.answer_again(caller.sequence, reply, gate, durable);
                return false;
            }
            Admission::Resume(_) if self.faults.has(Fault::RunWaitingFromStart) => return true,
            Admission::Resume(outcome) => {
                self.go_on(caller, outcome);
                return false;
            }
            Admission::TooMany => Refusal::new(
                Code::TooManyWaiting,
                "too many replies of this lane are not acknowledged",
            ),
            Admission::Stale => Refusal::new(
                Code::Stale,
                "the reply to this call was acknowledged before",
            ),
            Admission::IdReused => Refusal::new(
                Code::IdReused,
                "the call's number was used for another call",
            ),
        };
        lane.answer_again(
            caller.sequence,
            Engine::refused(refusal),
            Revision(0),
            durable,
        );
        false
    }

    fn go_on(&self, caller: &Caller, outcome: Outcome) {
        let OutcomeState::Waiting {
            oid,
            resume,
            on_deadline,
        } = outcome.state
        else {
            let refusal = Refusal::new(Code::Internal, "an outcome that is done was to go on");
            return self.refuse(caller, refusal);
        };
        let Some(cell) = self.registry.cell(oid) else {
            return self.conclude_gone(caller, Engine::gone(oid), self.registry.gate());
        };
        let resume = cell.kind.bind(*resume);
        match (
            resume,
            on_deadline.map(|call| cell.kind.bind(*call)).transpose(),
        ) {
            // A client's call, for which an object was made: it is carried out as any other, fence and guard included.
            (Ok(resume), Ok(_)) if !resume.method.internal => {
                self.execute_on(&cell, caller, resume.to_call());
            }
            (Ok(resume), Ok(on_deadline)) => {
                self.resume(&cell, caller, &resume, on_deadline.as_ref());
            }
            (Err(refusal), _) | (_, Err(refusal)) => self.refuse(caller, refusal),
        }
    }

    /// Was an object made for the call, and nothing else done yet?
    fn is_untouched(&self, outcome: &Outcome) -> bool {
        let OutcomeState::Waiting { oid, resume, .. } = &outcome.state else {
            return false;
        };
        let cell = self.registry.cell(*oid);
        let method = cell.and_then(|cell| cell.kind.method(&resume.method));
        method.is_some_and(|method| !method.internal)
    }

    /// Checks a call against its method and the limits, and executes it.
    pub(super) fn execute_on(&self, cell: &Arc<Cell>, caller: &Caller, call: Call) {
        let checked = cell
            .kind
            .bind(call)
            .and_then(|call| self.admit(&call, cell.durability).map(|()| call));
        let call = match checked {
            Ok(call) => call,
            Err(refusal) => return self.answer(caller, Engine::refused(refusal), Revision(0)),
        };
        if let Err(refusal) = self.check_guard(cell, caller, &call) {
            return self.answer(caller, Engine::refused(refusal), Revision(0));
        }
        if let Some(lock) = cell.options.shared_lock() {
            return self.execute_shared(cell, lock, caller, &call);
        }
        match caller.fence {
            None => self.execute(cell, caller, &call),
            Some(fence) => self.execute_fenced(cell, caller, &call, fence),
        }
    }

    /// May this call be executed on an object of this durability?
    pub(super) fn admit(&self, call: &Arguments, durability: Durability) -> Result<(), Refusal> {
        if call.method.internal {
            let message = format!("\"{}\" is no method for clients", call.method());
            return Err(Refusal::new(Code::NoMethod, message));
        }
        if call.method.access == Access::Read {
            return Ok(());
        }
        if call.values().any(Value::is_too_large) {
            let message = "a value may be nested 32 deep, and an int may have 64 KiB";
            return Err(Refusal::new(Code::ValueTooLarge, message));
        }
        let twice = if call.method.merging {
            Value::twice_within
        } else {
            Value::twice
        };
        if let Some(member) = call.values().find_map(twice) {
            let message = format!("a dict or set has {} twice", member.repr());
            return Err(Refusal::new(Code::BadArguments, message));
        }
        if call.method.shrinking {
            Ok(())
        } else {
            self.admit_creation(durability)
        }
    }

    /// May this be one change, which every client can read, and be logged? Asked before any of it is applied. The change
    /// carries the answer as well.
    pub(super) fn fit(&self, cell: &Cell, decision: Decision) -> Result<Decision, Refusal> {
        if decision.rows.is_empty() {
            return Ok(decision);
        }
        // Kinds see to that themselves, in words that say where. A log that cannot be read would be the end of all of it.
        if values(&decision).any(Value::is_unreadable) {
            let message =
                "what this writes would be nested too deeply, or hold an int above 64 KiB";
            return Err(Refusal::new(Code::ValueTooLarge, message));
        }
        if !cell.is_logged() {
            return Ok(decision);
        }
        // In memory nearly everything is larger than in its stored form, and nothing is smaller than half of it.
        if stored_bytes(&decision, Value::size) <= self.change_bytes_max / 2
            || stored_bytes(&decision, Value::encoded_size) <= self.change_bytes_max
        {
            return Ok(decision);
        }
        let message = format!(
            "what this writes and answers is larger than {} bytes, the largest change that the store takes: do less at a time",
            self.change_bytes_max
        );
        Err(Refusal::new(Code::ValueTooLarge, message))
    }

    /// May anything be added to objects of this durability?
    pub(super) fn admit_creation(&self, durability: Durability) -> Result<(), Refusal> {
        if durability != Durability::Memory && self.is_full() {
            let message = "the disk is full: reading and deleting go on, writing does again when there is room";
            return Err(Refusal::new(Code::StoreFull, message));
        }
        Ok(())
    }

    /// A call is withdrawn: it ends now, as if its time were over. One that had changed rows, and whose connection broke
    /// while it waited, first goes on from where it was: its arrival must not stay behind. One that is done is undone, if
    /// its kind can.
    pub(crate) fn cancel(&self, connection: &Arc<Connection>, sequence: u64) {
        let lane = &connection.lane;
        if lane.holdings.has_calls() {
            // Its client never looks at the reply, so it does not know what to drop.
            lane.holdings.with(|held| held.disclaim(lane.id, sequence));
        }
        if let Some(parked) = lane.parked(sequence)
            && self.end_wait(&parked, true)
        {
            return;
        }
        // Or it was granted at this moment, by somebody who held the cell until it was done.
        match lane.waiting(sequence) {
            Some(fingerprint) => self.break_off(connection, sequence, fingerprint, true),
            None => self.undo(connection, sequence),
        }
    }

    /// Ends a call that changed rows, and whose connection broke while it waited. `tell` says whether its client waits to
    /// hear how: if nothing was done for it but an object made, there is nothing else to do.
    fn break_off(&self, connection: &Arc<Connection>, sequence: u64, fingerprint: u64, tell: bool) {
        let lane = &connection.lane;
        let caller = Caller {
            origin: Origin::Lane(Arc::clone(connection)),
            sequence,
            fingerprint,
            owner: Owner(0),
            opened: false,
            led_from: None,
            deadline: Some(self.clock.monotonic()),
            may_wait: false,
            fence: None,
            floor: Revision(0),
        };
        let Admission::Resume(outcome) = lane.admit(sequence, fingerprint) else {
            return;
        };
        if self.is_untouched(&outcome) {
            if !tell {
                return lane.forget(sequence);
            }
            let refusal = Refusal::new(Code::Cancelled, "it was cancelled");
            return self.conclude_gone(&caller, refusal, self.registry.gate());
        }
        self.go_on(&caller, outcome);
    }

    /// The client has these replies, or wants them no more. False if it sends runs that no client makes.
    pub(crate) fn acknowledge(&self, connection: &Arc<Connection>, first: u64, last: u64) -> bool {
        for sequence in connection.lane.waiting_within(first, last) {
            if let Some(fingerprint) = connection.lane.waiting(sequence) {
                self.break_off(connection, sequence, fingerprint, false);
            }
        }
        let taken = connection.lane.acknowledge(first, last);
        self.settle_calls(&connection.lane, first, last);
        taken
    }
}

/// What a decision writes and answers.
fn values(decision: &Decision) -> impl Iterator<Item = &Value> {
    let rows = decision.rows.iter().filter_map(|row| match row {
        Row::Put { value, .. } => Some(value),
        Row::Delete { .. } | Row::DeletePrefix { .. } => None,
    });
    let answer = match &decision.next {
        Next::Reply(value) | Next::Undoable { value, .. } => Some(value),
        Next::Refuse(_) | Next::Wait { .. } => None,
    };
    rows.chain(answer)
}

/// At most how many bytes the change of a decision takes in its stored form, if its values take `of`.
fn stored_bytes(decision: &Decision, of: impl Fn(&Value) -> usize) -> usize {
    let call = |call: &Call| {
        let arguments = call
            .arguments
            .iter()
            .map(|value| Change::OVERHEAD + of(value));
        let named = call.named.iter();
        let named = named.map(|(name, value)| Change::OVERHEAD + name.len() + of(value));
        Change::OVERHEAD + call.method.len() + arguments.sum::<usize>() + named.sum::<usize>()
    };
    let rows = decision.rows.iter().map(|row| {
        let value = match row {
            Row::Put { value, .. } => of(value),
            Row::Delete { .. } | Row::DeletePrefix { .. } => 0,
        };
        Change::OVERHEAD + row.key().len() + value
    });
    let answer = match &decision.next {
        Next::Reply(value) => of(value),
        Next::Undoable { value, memo } => of(value) + Change::OVERHEAD + of(memo),
        Next::Refuse(refusal) => refusal.message.len(),
        Next::Wait {
            resume,
            on_deadline,
            ..
        } => call(resume) + on_deadline.as_deref().map_or(0, call),
    };
    // Part, operation and outcome.
    3 * Change::OVERHEAD + rows.sum::<usize>() + answer
}
