//! An rwlock as an object: its rows.

use super::{HOLDERS, Held, ReadWriteLock};
use crate::objects::hold::Hold;
use crate::objects::paging;
use crate::objects::terms::Terms;
use crate::objects::unreleased::{UNRELEASED, Unreleased};
use crate::objects::{Arguments, Cursor, Decision, Holder, Lapse, Object, Operation, RowLimit};
use commonhold_proto::{Code, Refusal, Revision, Row, RowKey, Rows, Value};
use smallvec::smallvec;
use std::ops::Bound;

/// About how many bytes a row takes, without its note.
const ROW_BYTES: usize = 160;

impl ReadWriteLock {
    fn forget(&mut self, key: &RowKey) {
        if let Some(held) = self.holders.remove(key) {
            self.by_token.remove(&(held.hold.token, key.clone()));
        }
        if self.writer.as_ref() == Some(key) {
            // Only rows that no rwlock wrote can leave another.
            let mut holders = self.holders.iter();
            let other = holders.find(|(_, held)| held.writes);
            self.writer = other.map(|(key, _)| key.clone());
        }
    }
}

impl Object for ReadWriteLock {
    fn decide(
        &self,
        operation: &Operation,
        call: &Arguments,
        ahead: bool,
    ) -> Result<Decision, Refusal> {
        match call.method() {
            "read" => self.acquire(operation, call, false, ahead),
            "write" => self.acquire(operation, call, true, ahead),
            "release" => self.release(operation, call),
            "extend" => self.extend(operation, call),
            "note" => self.note(operation, call),
            "force_release" => Ok(self.force_release()),
            "readers" => {
                let readers = self.holders.len() - usize::from(self.writer.is_some());
                Ok(Decision::reply(
                    i64::try_from(readers).expect("a count fits"),
                ))
            }
            "locked" => Ok(Decision::reply(!self.holders.is_empty())),
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
                if *key == UNRELEASED {
                    if let Some(unreleased) = Unreleased::parse(value, terms) {
                        self.unreleased = Some(unreleased);
                    }
                } else if key.starts_with(&HOLDERS)
                    && let Some(held) = Held::parse(value, &terms)
                {
                    self.forget(key);
                    // Of several, which only rows that no rwlock wrote can be, the first.
                    if held.writes && self.writer.as_ref().is_none_or(|writer| key < writer) {
                        self.writer = Some(key.clone());
                    }
                    self.by_token.insert((held.hold.token, key.clone()));
                    self.holders.insert(key.clone(), held);
                }
            }
            Row::Delete { key } if *key == UNRELEASED => self.unreleased = None,
            Row::Delete { key } => self.forget(key),
            Row::DeletePrefix { .. } => {
                if row.touches(&UNRELEASED) {
                    self.unreleased = None;
                }
                self.holders.retain(|key, _| !row.touches(key));
                self.by_token.retain(|(_, key)| !row.touches(key));
                let mut holders = self.holders.iter();
                let writer = holders.find(|(_, held)| held.writes);
                self.writer = writer.map(|(key, _)| key.clone());
            }
        }
    }

    fn lapse(&self, key: &RowKey, why: Lapse) -> Rows {
        match self.holders.get(key) {
            Some(held) => self.lapse_held(key, held, why),
            None => smallvec![Row::delete(key.clone())],
        }
    }

    fn token(&self, key: &RowKey) -> Option<Revision> {
        Some(self.holders.get(key)?.hold.token)
    }

    /// Readers exclude nobody, so what they write is not guarded.
    fn is_held_with(&self, token: Revision) -> bool {
        let writer = self.writer.as_ref().and_then(|key| self.holders.get(key));
        writer.is_some_and(|held| held.hold.token == token)
    }

    fn holders(&self, limit: usize) -> Vec<Holder> {
        let first = self.by_token.iter().take(limit);
        first
            .filter_map(|(_, key)| self.holders.get(key))
            .map(|held| {
                held.hold
                    .to_holder(Some(if held.writes { "write" } else { "read" }))
            })
            .collect()
    }

    fn holder_count(&self) -> u64 {
        self.entries()
    }

    fn row(&self, key: &RowKey) -> Option<Row> {
        if *key == UNRELEASED {
            return Some(self.unreleased.as_ref()?.to_row());
        }
        Some(self.holders.get(key)?.to_row(key))
    }

    fn rows(&self, after: Option<&Cursor>, limit: RowLimit) -> (Vec<Row>, Option<Cursor>) {
        let start = match after {
            Some(cursor) => Bound::Excluded(RowKey::from(cursor.0.clone())),
            None => Bound::Unbounded,
        };
        // `died` sorts before every holder.
        let first = self.row(&UNRELEASED);
        let first = first.filter(|_| after.is_none_or(|cursor| *cursor.0 < *UNRELEASED));
        let holders = self.holders.range((start, Bound::Unbounded));
        let rows = holders.map(|(key, held)| held.to_row(key));
        paging::rows(first.into_iter().chain(rows), limit)
    }

    fn entries(&self) -> u64 {
        self.holders.len() as u64
    }

    fn bytes(&self) -> u64 {
        let notes = self.holders.values().map(|held| held.hold.extra_bytes());
        let died = self
            .unreleased
            .as_ref()
            .map_or(0, |before| ROW_BYTES + before.note.size());
        (self.holders.len() * ROW_BYTES + notes.sum::<usize>() + died) as u64
    }
}

impl Held {
    pub(super) fn to_row(&self, key: &RowKey) -> Row {
        let value = Value::Tuple(vec![self.writes.into(), self.hold.to_value()]);
        self.hold.terms.put(key.clone(), value)
    }

    fn parse(value: &Value, terms: &Terms) -> Option<Held> {
        let Value::Tuple(parts) = value else {
            return None;
        };
        let [Value::Bool(writes), hold] = &parts[..] else {
            return None;
        };
        Some(Held {
            writes: *writes,
            hold: Hold::parse(hold, terms)?,
        })
    }
}
