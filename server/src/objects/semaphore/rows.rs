//! A semaphore as an object: its rows, and what is kept beside them.

use super::super::paging;
use super::super::terms::Terms;
use super::super::{Arguments, Cursor, Decision, Object, Operation, RowLimit};
use super::{FREE, PERMITS, Permit, Semaphore};
use commonhold_proto::{Code, Refusal, Row, RowKey, Value};
use std::ops::Bound;

/// About how many bytes a row takes.
const ROW_BYTES: usize = 128;

impl Permit {
    fn to_row(&self, key: &RowKey) -> Row {
        self.terms
            .put(key.clone(), permit_value(self.n, self.owner))
    }
}

impl Semaphore {
    fn forget(&mut self, key: &RowKey) {
        let Some(permit) = self.permits.remove(key) else {
            return;
        };
        self.held -= i128::from(permit.n);
        let holder = (permit.terms.lent(), permit.owner);
        if let Some(keys) = self.holders.get_mut(&holder) {
            keys.remove(key);
            if keys.is_empty() {
                self.holders.remove(&holder);
            }
        }
    }

    fn hold(&mut self, key: &RowKey, permit: Permit) {
        self.forget(key);
        self.held += i128::from(permit.n);
        self.holders
            .entry((permit.terms.lent(), permit.owner))
            .or_default()
            .insert(key.clone());
        self.permits.insert(key.clone(), permit);
    }
}

impl Object for Semaphore {
    fn decide(
        &self,
        operation: &Operation,
        call: &Arguments,
        ahead: bool,
    ) -> Result<Decision, Refusal> {
        match call.method() {
            "acquire" => self.acquire(operation, call, ahead),
            "release" => self.release(operation, call),
            "value" => {
                let value = self.value();
                let value = value.clamp(i64::MIN.into(), i64::MAX.into());
                Ok(Decision::reply(
                    i64::try_from(value).expect("it is clamped"),
                ))
            }
            "late" => Ok(Decision::reply(false)),
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
                if *key == FREE {
                    if let Value::Int(raised) = value {
                        self.free = Some((*raised, terms));
                    }
                } else if let (true, Some((n, owner))) = (key.starts_with(&PERMITS), parse(value)) {
                    self.hold(key, Permit { n, owner, terms });
                }
            }
            Row::Delete { key } if *key == FREE => self.free = None,
            Row::Delete { key } => self.forget(key),
            Row::DeletePrefix { .. } => {
                if row.touches(&FREE) {
                    self.free = None;
                }
                let keys = self.permits.keys().filter(|key| row.touches(key));
                for key in keys.cloned().collect::<Vec<_>>() {
                    self.forget(&key);
                }
            }
        }
    }

    fn row(&self, key: &RowKey) -> Option<Row> {
        if *key == FREE {
            let (raised, terms) = self.free.as_ref()?;
            return Some(terms.put(FREE.clone(), (*raised).into()));
        }
        Some(self.permits.get(key)?.to_row(key))
    }

    fn rows(&self, after: Option<&Cursor>, limit: RowLimit) -> (Vec<Row>, Option<Cursor>) {
        let start = match after {
            Some(cursor) => Bound::Excluded(RowKey::from(cursor.0.clone())),
            None => Bound::Unbounded,
        };
        // `free` sorts before every permit.
        let first = self.row(&FREE);
        let first = first.filter(|_| after.is_none_or(|cursor| *cursor.0 < *FREE));
        let permits = self.permits.range((start, Bound::Unbounded));
        let rows = permits.map(|(key, permit)| permit.to_row(key));
        paging::rows(first.into_iter().chain(rows), limit)
    }

    fn entries(&self) -> u64 {
        self.permits.len() as u64
    }

    fn bytes(&self) -> u64 {
        ((self.permits.len() + usize::from(self.free.is_some())) * ROW_BYTES) as u64
    }
}

pub(super) fn permit_value(n: i64, owner: i64) -> Value {
    Value::Tuple(vec![n.into(), owner.into()])
}

fn parse(value: &Value) -> Option<(i64, i64)> {
    let Value::Tuple(parts) = value else {
        return None;
    };
    match parts[..] {
        [Value::Int(n @ 1..), Value::Int(owner)] => Some((n, owner)),
        _ => None,
    }
}
