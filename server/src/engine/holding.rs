//! Sessions and pins that keep anonymous objects alive.
//!
//! A session holds what a reply brings it before the reply may leave. What it holds of logged objects is rows of a table,
//! so that a restarted server keeps it too. Lock order: a session's holdings, then that table; both after any cell.

use super::Engine;
use super::birth::Birth;
use super::caller::Caller;
use super::cell::Cell;
use super::edges::targets;
use super::faults::Fault;
use super::fence::Refused;
use super::registry::Ending;
use super::table::{HOLDINGS, TABLE, Table, key_number, number_key};
use super::timer::Due;
use crate::objects::{Arguments, Options};
use crate::session::{Lane, Session};
use commonhold_proto::{
    Code, Durability, Oid, Outcome, OutcomeState, Reference, Refusal, Reply, Revision, Row, RowKey,
    Rows, SessionId, Value,
};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// What a call without a session creates or is returned is kept for so long; so is, after a restart, what nobody holds.
pub(super) const PIN: Duration = Duration::from_mins(1);
/// The longest pin.
pub(super) const PIN_MAX: Duration = Duration::from_hours(1);

/// The cell that the rows about what sessions hold live in.
pub(super) fn holdings_table() -> Arc<Cell> {
    Arc::new(Cell::new(
        HOLDINGS,
        &TABLE,
        "",
        Durability::Durable,
        Options::default(),
        Box::<Table>::default(),
    ))
}

fn holding_key(session: SessionId, oid: Oid) -> RowKey {
    let mut key = session.0.to_be_bytes().to_vec();
    key.extend_from_slice(&oid.0.to_be_bytes());
    key.into()
}

/// The session and the object of a row of the table.
pub(super) fn holding_of(key: &RowKey) -> Option<(SessionId, Oid)> {
    let (session, oid) = key.split_at_checked(8)?;
    let number = |bytes: &[u8]| key_number(&RowKey::from(bytes.to_vec()));
    Some((SessionId(number(session)?), Oid(number(oid)?)))
}

fn oid_of(value: &Value) -> Option<Oid> {
    let number = value.as_int().and_then(|int| u64::try_from(int).ok());
    number.map(Oid)
}

fn oids_of(call: &Arguments) -> Result<Vec<Oid>, Refusal> {
    let oids: Option<Vec<Oid>> = call.items("oids")?.iter().map(oid_of).collect();
    oids.ok_or_else(|| call.bad("oids", "must be a list of oids"))
}

impl Engine {
    /// Creates an anonymous object: the caller holds it from the beginning.
    pub(super) fn create_anonymous(
        &self,
        caller: &Caller,
        birth: &Birth,
        ending: Ending<'_>,
    ) -> Result<Arc<Cell>, Refused> {
        let fencing = self.fencing(caller.fence)?;
        let mut fenced = self.lock_table(fencing.as_ref(), None, None)?;
        self.check_links(birth)?;
        let oid = Oid(self.log.unlogged().0);
        let cell = Arc::new(birth.create(oid)?);
        self.references.anonymous.fetch_add(1, Ordering::Relaxed);
        // Before the object is logged: a crash between the two leaves a row about nothing, not a reply about nothing.
        let mut grip = super::references::Grip::new(&self.references);
        let _ = grip.take(Arc::clone(&cell));
        self.hold(caller, vec![Arc::clone(&cell)]);
        self.register(&mut fenced.table, &cell, birth, Some(ending));
        drop(fenced);
        if let Some(lane) = caller.lane()
            && !lane.holdings.with(|held| held.holds(oid))
        {
            // The session ended meanwhile and did not find the object, which nobody else knows.
            self.release_held(&[Arc::clone(&cell)]);
        }
        drop(grip);
        Ok(cell)
    }

    /// Holds what a result refers to for whoever gets it. Returns what the reply waits for.
    pub(super) fn hold_returned(
        &self,
        caller: &Caller,
        result: &Result<Value, Refusal>,
    ) -> Revision {
        match result {
            Ok(_) if self.faults.has(Fault::ReturnUnheld) => Revision(0),
            Ok(value) if value.has_references() => self.hold(caller, self.anonymous_in(value)),
            _ => match caller.lane() {
                Some(lane) if lane.holdings.has_calls() => {
                    self.keep_for_call(lane, caller.sequence, Vec::new(), true)
                }
                _ => Revision(0),
            },
        }
    }

    fn hold(&self, caller: &Caller, cells: Vec<Arc<Cell>>) -> Revision {
        let Some(lane) = caller.lane() else {
            for cell in &cells {
                self.pin_cell(cell, PIN);
            }
            return Revision(0);
        };
        self.keep_for_call(lane, caller.sequence, cells, true)
    }

    /// Holds what the arguments of a call refer to that changed rows and waits: its outcome has them.
    pub(super) fn keep_arguments(
        &self,
        caller: &Caller,
        call: &Arguments,
        later: Option<&Arguments>,
    ) {
        let Some(lane) = caller.lane() else { return };
        let cells = self.call_cells(call, later);
        if !cells.is_empty() || lane.holdings.has_calls() {
            self.keep_for_call(lane, caller.sequence, cells, false);
        }
    }

    /// The anonymous objects that the arguments of a call refer to.
    pub(super) fn call_cells(&self, call: &Arguments, later: Option<&Arguments>) -> Vec<Arc<Cell>> {
        let values = call
            .values()
            .chain(later.into_iter().flat_map(Arguments::values));
        values
            .filter(|value| value.has_references())
            .flat_map(|value| self.anonymous_in(value))
            .collect()
    }

    /// The anonymous objects that a value refers to.
    pub(super) fn anonymous_in(&self, value: &Value) -> Vec<Arc<Cell>> {
        let cells = targets(value)
            .into_iter()
            .filter_map(|oid| self.registry.cell(oid));
        cells.filter(|cell| cell.is_anonymous()).collect()
    }

    /// A call of a session keeps these, in place of what it kept before.
    pub(super) fn keep_for_call(
        &self,
        lane: &Lane,
        sequence: u64,
        mut cells: Vec<Arc<Cell>>,
        answered: bool,
    ) -> Revision {
        cells.sort_unstable_by_key(|cell| cell.oid);
        cells.dedup_by_key(|cell| cell.oid);
        let durable = cells
            .iter()
            .any(|cell| cell.durability == Durability::Durable);
        lane.holdings.with(|held| {
            if held.has_ended() {
                return Revision(0);
            }
            let mut rows = Rows::new();
            cells.retain(|cell| {
                if held.holds(cell.oid) {
                    return true;
                }
                let taken = self.references.take(cell, |counts| counts.sessions += 1);
                if taken && cell.is_logged() {
                    let key = holding_key(lane.session, cell.oid);
                    rows.push(Row::put(key, Value::Null));
                }
                taken
            });
            let oids = cells.iter().map(|cell| cell.oid).collect();
            let gone = held.keep(lane.id, sequence, oids, answered);
            self.let_holdings_go(lane.session, rows, &gone);
            // Whoever held it before may have done so a moment ago.
            if durable {
                self.holdings_table.state.lock().gate
            } else {
                Revision(0)
            }
        })
    }

    /// The client has these replies: it holds what is in them.
    pub(super) fn settle_calls(&self, lane: &Lane, first: u64, last: u64) {
        if !lane.holdings.has_calls() {
            return;
        }
        lane.holdings.with(|held| {
            let gone = held.acknowledge(lane.id, first, last);
            self.let_holdings_go(lane.session, Rows::new(), &gone);
        });
        self.free_orphans();
    }

    /// Logs what a session holds and holds no more, and counts the second.
    fn let_holdings_go(&self, session: SessionId, mut rows: Rows, gone: &[Oid]) {
        let cells = gone.iter().filter_map(|oid| self.registry.cell(*oid));
        let cells: Vec<_> = cells.collect();
        let logged = cells.iter().filter(|cell| cell.is_logged());
        rows.extend(logged.map(|cell| Row::delete(holding_key(session, cell.oid))));
        if !rows.is_empty() {
            self.change_holdings(rows, None);
        }
        self.release_held(&cells);
    }

    fn release_held(&self, cells: &[Arc<Cell>]) {
        for cell in cells {
            self.references.release(cell, |counts| {
                counts.sessions = counts.sessions.saturating_sub(1);
            });
        }
    }

    fn change_holdings(
        &self,
        rows: Rows,
        operation: Option<(commonhold_proto::OperationId, Outcome)>,
    ) -> Revision {
        let mut state = self.holdings_table.state.lock();
        state.at = state.at.max(self.clock.now());
        self.change(&self.holdings_table, &mut state, None, rows, |_, _| {
            operation
        });
        state.gate
    }

    /// The client of a session drops objects, after it got the replies that it names. Returns how many it held.
    pub(super) fn drop_references(
        &self,
        caller: &Caller,
        call: &Arguments,
    ) -> Result<(Value, Revision), Refusal> {
        let Some(lane) = caller.lane() else {
            let message =
                "drop: a call without a session holds nothing; what it got is kept for 60 s";
            return Err(Refusal::new(Code::BadArguments, message));
        };
        let oids = oids_of(call)?;
        let replies = match call.get("replies") {
            None | Some(Value::Null) => &[],
            Some(_) => call.items("replies")?,
        };
        let number = |value| Some(oid_of(value)?.0);
        let replies = replies.iter().map(|reply| match reply {
            Value::Tuple(pair) | Value::List(pair) => match &pair[..] {
                [lane, sequence] => Some((u32::try_from(number(lane)?).ok()?, number(sequence)?)),
                _ => None,
            },
            _ => None,
        });
        let replies: Option<Vec<(u32, u64)>> = replies.collect();
        let replies = replies
            .ok_or_else(|| call.bad("replies", "must be a list of pairs of lane and number"))?;
        let gate = lane.holdings.with(|held| {
            let mut gone = Vec::new();
            for (lane, sequence) in replies {
                gone.extend(held.acknowledge(commonhold_proto::LaneId(lane), sequence, sequence));
            }
            let before = gone.len();
            gone.extend(oids.into_iter().filter(|oid| held.drop_object(*oid)));
            let dropped = Value::from(gone.len() - before);
            let gate = self.conclude_drop(lane, caller, &gone, dropped.clone());
            (dropped, gate)
        });
        Ok(gate)
    }

    /// Sent again after its reply was lost, a drop must not take back what came since: it has an outcome.
    fn conclude_drop(&self, lane: &Lane, caller: &Caller, gone: &[Oid], value: Value) -> Revision {
        let outcome = Outcome {
            fingerprint: caller.fingerprint,
            state: OutcomeState::Done(Reply {
                result: Ok(value),
                ..Engine::refused(Refusal::new(Code::Internal, ""))
            }),
            acknowledged_below: 1,
            undo: None,
        };
        let cells = gone.iter().filter_map(|oid| self.registry.cell(*oid));
        let cells: Vec<_> = cells.collect();
        let logged = cells.iter().filter(|cell| cell.is_logged());
        let rows: Rows = logged
            .map(|cell| Row::delete(holding_key(lane.session, cell.oid)))
            .collect();
        let is_logged = !rows.is_empty();
        let gate = if is_logged {
            let operation = (lane.operation(caller.sequence), outcome.clone());
            self.change_holdings(rows, Some(operation))
        } else {
            Revision(0)
        };
        lane.remember(caller.sequence, outcome, gate, is_logged);
        self.release_held(&cells);
        gate
    }

    /// The session ends: it holds nothing more.
    pub(super) fn end_holdings(&self, session: &Session) {
        session.holdings.with(|held| {
            let cells = held.end();
            let cells: Vec<_> = cells
                .into_iter()
                .filter_map(|oid| self.registry.cell(oid))
                .collect();
            if cells.iter().any(|cell| cell.is_logged()) {
                self.forget_holdings(session.id);
            }
            self.release_held(&cells);
        });
        self.free_orphans();
    }

    /// Deletes all rows about what a session holds.
    pub(super) fn forget_holdings(&self, session: SessionId) {
        let prefix = number_key(session.0);
        self.change_holdings(Rows::from_iter([Row::DeletePrefix { prefix }]), None);
    }

    /// Keeps objects for a while, although nobody may hold them.
    pub(super) fn pin(&self, call: &Arguments) -> Result<Value, Refusal> {
        let most = i64::try_from(PIN_MAX.as_secs()).unwrap_or(i64::MAX);
        let default = i64::try_from(PIN.as_secs()).unwrap_or(most);
        let seconds = call.int_or("seconds", default)?;
        if !(1..=most).contains(&seconds) {
            return Err(call.bad("seconds", &format!("must be 1 to {most}")));
        }
        let by = Duration::from_secs(seconds.unsigned_abs());
        let pinned = |oid| {
            let cell = self.registry.cell(oid);
            cell.is_some_and(|cell| self.pin_cell(&cell, by))
        };
        match call.value("oid")? {
            Value::List(oids) => {
                let oids: Option<Vec<Oid>> = oids.iter().map(oid_of).collect();
                let oids = oids.ok_or_else(|| call.bad("oid", "must be a list of numbers"))?;
                oids.into_iter().for_each(|oid| _ = pinned(oid));
            }
            one => {
                let oid = oid_of(one)
                    .ok_or_else(|| call.bad("oid", "must be the number of an object"))?;
                if !pinned(oid) {
                    return Err(Engine::gone(oid));
                }
            }
        }
        Ok(Value::Null)
    }

    /// References to anonymous objects that somebody told the numbers of: the reply holds them for whoever gets it.
    pub(super) fn references_to(&self, call: &Arguments) -> Result<(Value, Revision), Refusal> {
        let mut gate = self.registry.gate();
        let mut refer = |oid| {
            let cell = self.registry.cell(oid).filter(|cell| cell.is_anonymous())?;
            gate = gate.max(cell.state.lock().gate);
            let reference = Reference {
                kind: cell.kind.name.to_owned(),
                name: String::new(),
                oid,
            };
            Some(Value::Reference(reference.into()))
        };
        let oids = oids_of(call)?.into_iter();
        let found = oids.map(|oid| refer(oid).unwrap_or(Value::Null)).collect();
        Ok((Value::List(found), gate))
    }

    pub(super) fn pin_cell(&self, cell: &Cell, by: Duration) -> bool {
        let until = self.clock.monotonic() + by;
        let mut fresh = false;
        let pinned = self.references.take(cell, |counts| {
            fresh = counts.pinned.is_none();
            counts.pinned = counts.pinned.max(Some(until));
        });
        if fresh {
            self.timers.add(until, Due::Pin(cell.oid));
        }
        pinned
    }

    /// An object's pin may be over.
    pub(super) fn check_pin(&self, oid: Oid, now: Duration) {
        let Some(cell) = self.registry.cell(oid) else {
            return;
        };
        let mut later = None;
        self.references.release(&cell, |counts| {
            later = counts.pinned.filter(|until| *until > now);
            counts.pinned = later;
        });
        match later {
            Some(until) => self.timers.add(until, Due::Pin(oid)),
            None => self.free_orphans(),
        }
    }
}
