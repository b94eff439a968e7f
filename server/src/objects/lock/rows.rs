//! A lock as an object: its rows.

use super::waits::{Stage, TICKETS, Ticket};
use super::{Lock, OWNER};
use crate::objects::hold::{Hold, parse_asked};
use crate::objects::paging;
use crate::objects::terms::Terms;
use crate::objects::unreleased::{UNRELEASED, Unreleased};
use crate::objects::{Arguments, Cursor, Decision, Holder, Lapse, Object, Operation, RowLimit};
use commonhold_proto::{Code, Refusal, Revision, Row, RowKey, Rows, Value};
use smallvec::smallvec;
use std::ops::Bound;

/// About how many bytes a row takes, without its note.
const ROW_BYTES: usize = 128;

impl Object for Lock {
    fn decide(
        &self,
        operation: &Operation,
        call: &Arguments,
        ahead: bool,
    ) -> Result<Decision, Refusal> {
        match call.method() {
            "acquire" => self.acquire(operation, call, ahead),
            "release" => self.release(operation, call),
            "extend" => self.extend(operation, call),
            "note" => self.note(operation, call),
            "force_release" => Ok(self.force_release()),
            "locked" => Ok(Decision::reply(self.hold.is_some())),
            "wait" => self.wait(operation, call),
            "notify" => {
                let n = call.int_or("n", 1)?;
                self.notify(operation, call, usize::try_from(n).unwrap_or(0))
            }
            "notify_all" => self.notify(operation, call, usize::MAX),
            "waiting" => self.count_waiting(call),
            "disband" => self.disband(call),
            "awaken" | "late" | "regain" => self.go_on(operation, call, ahead),
            other => Err(Refusal::new(Code::NoMethod, other)),
        }
    }

    fn apply(&mut self, row: &Row) {
        match row {
            Row::Put {
                key,
                value,
                lent,
                expires,
                ..
            } => {
                let terms = Terms::of(*lent, *expires);
                if *key == OWNER {
                    if let Some(hold) = Hold::parse(value, &terms) {
                        self.hold = Some(hold);
                    }
                } else if *key == UNRELEASED {
                    if let Some(unreleased) = Unreleased::parse(value, terms) {
                        self.unreleased = Some(unreleased);
                    }
                } else if key.starts_with(&TICKETS)
                    && let Some(ticket) = Ticket::parse(value, terms)
                {
                    self.waits.insert(key.clone(), ticket);
                }
            }
            Row::Delete { .. } | Row::DeletePrefix { .. } => {
                if row.touches(&OWNER) {
                    self.hold = None;
                }
                if row.touches(&UNRELEASED) {
                    self.unreleased = None;
                }
                match row {
                    Row::Delete { key } => drop(self.waits.remove(key)),
                    _ => self.waits.retain(|key, _| !row.touches(key)),
                }
            }
        }
    }

    fn lapse(&self, key: &RowKey, why: Lapse) -> Rows {
        if *key == OWNER
            && let Some(hold) = &self.hold
        {
            self.lapse_hold(hold, why)
        } else if let Some(ticket) = self.waits.get(key) {
            self.lapse_wait(key, ticket)
        } else {
            smallvec![Row::delete(key.clone())]
        }
    }

    fn token(&self, key: &RowKey) -> Option<Revision> {
        let hold = self.hold.as_ref()?;
        (*key == OWNER).then_some(hold.token)
    }

    fn is_held_with(&self, token: Revision) -> bool {
        self.hold.as_ref().is_some_and(|hold| hold.token == token)
    }

    fn holders(&self, limit: usize) -> Vec<Holder> {
        let holder = self.hold.as_ref().map(|hold| hold.to_holder(None));
        holder.into_iter().take(limit).collect()
    }

    fn holder_count(&self) -> u64 {
        self.entries()
    }

    fn row(&self, key: &RowKey) -> Option<Row> {
        if *key == OWNER {
            return Some(self.hold.as_ref()?.to_row());
        }
        if *key == UNRELEASED {
            return Some(self.unreleased.as_ref()?.to_row());
        }
        Some(self.waits.get(key)?.to_row(key))
    }

    fn rows(&self, after: Option<&Cursor>, limit: RowLimit) -> (Vec<Row>, Option<Cursor>) {
        let start = match after {
            Some(cursor) => Bound::Excluded(RowKey::from(cursor.0.clone())),
            None => Bound::Unbounded,
        };
        // Both sort before every ticket.
        let first = [&UNRELEASED, &OWNER].into_iter();
        let first = first.filter(|key| after.is_none_or(|cursor| *cursor.0 < ***key));
        let first = first.filter_map(|key| self.row(key));
        let waits = self.waits.range((start, Bound::Unbounded));
        let waits = waits.map(|(key, ticket)| ticket.to_row(key));
        paging::rows(first.chain(waits), limit)
    }

    fn entries(&self) -> u64 {
        u64::from(self.hold.is_some())
    }

    fn bytes(&self) -> u64 {
        let rows = self.waits.len()
            + usize::from(self.hold.is_some())
            + usize::from(self.unreleased.is_some());
        let note = |note: &Option<String>| note.as_ref().map_or(0, String::len);
        let notes = self
            .waits
            .values()
            .map(|ticket| note(&ticket.note))
            .sum::<usize>()
            + self.hold.as_ref().map_or(0, Hold::extra_bytes)
            + self
                .unreleased
                .as_ref()
                .map_or(0, |before| before.note.size());
        (rows * ROW_BYTES + notes) as u64
    }
}

impl Ticket {
    pub(super) fn to_row(&self, key: &RowKey) -> Row {
        let stage: i64 = match self.stage {
            Stage::Waiting => 0,
            Stage::Notified => 1,
            Stage::Late => 2,
        };
        let value = Value::Tuple(vec![
            stage.into(),
            self.owner.into(),
            self.depth.into(),
            self.note.as_deref().map_or(Value::Null, Value::from),
            self.lease_ms.map_or(Value::Null, Value::from),
        ]);
        self.terms.put(key.clone(), value)
    }

    fn parse(value: &Value, terms: Terms) -> Option<Ticket> {
        let Value::Tuple(parts) = value else {
            return None;
        };
        let [
            Value::Int(stage),
            Value::Int(owner),
            Value::Int(depth @ 1..),
            note,
            lease,
        ] = &parts[..]
        else {
            return None;
        };
        let stage = match stage {
            0 => Stage::Waiting,
            1 => Stage::Notified,
            2 => Stage::Late,
            _ => return None,
        };
        let (note, lease_ms) = parse_asked(note, lease)?;
        Some(Ticket {
            stage,
            owner: *owner,
            depth: *depth,
            note,
            lease_ms,
            terms,
        })
    }
}

impl Hold {
    /// The row `owner`.
    pub(super) fn to_row(&self) -> Row {
        self.terms.put(OWNER.clone(), self.to_value())
    }
}
