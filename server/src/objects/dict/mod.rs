//! `dict`: keys to values, in insertion order, with Python's idea of equal keys.
//!
//! A row is canonical key bytes -> value, with a ticket. Where those bytes stand for several keys, as for `1`, `1.0` and
//! `True`, it is `(ticket's revision, ticket's index, first key, value)` instead: an overwritten row keeps its ticket and
//! its first key, as in Python.

mod edit;
mod methods;
mod read;
#[cfg(test)]
mod tests;
mod write;

pub use methods::KIND;

use super::ordered::{Entry, Held, Near, Ordered};
use super::terms::Terms;
use super::{Arguments, Cursor, Decision, Object, Operation, RowLimit};
use commonhold_proto::value::{KeyBuffer, path};
use commonhold_proto::{Code, Refusal, Row, RowKey, Ticket, Value};

/// A dict.
#[derive(Debug, Default)]
struct Dict {
    rows: Ordered<Pair>,
}

/// What a row holds, but for its ticket.
#[derive(Debug)]
struct Pair {
    key: Value,
    value: Value,
    terms: Terms,
}

impl Held for Pair {
    fn size(&self) -> usize {
        self.key.size() + self.value.size()
    }
}

impl Entry<'_, Pair> {
    /// The row that gives this entry another value and keeps all else.
    fn keep(&self, value: Value) -> Row {
        let Pair { key, terms, .. } = self.held;
        to_row(self.ticket, self.row.clone(), key, value, terms)
    }

    /// The row that gives this entry another value; it ends with no lease and at no time.
    fn replace(&self, value: Value) -> Row {
        let key = &self.held.key;
        to_row(self.ticket, self.row.clone(), key, value, &Terms::default())
    }

    fn to_pair(&self) -> (Value, Value) {
        (self.held.key.clone(), self.held.value.clone())
    }
}

impl Dict {
    /// The entry of this key, and the key's bytes.
    fn find(&self, key: &Value) -> Result<(KeyBuffer, Option<Entry<'_, Pair>>), Refusal> {
        let mut bytes = KeyBuffer::new();
        key.write_canonical_key(&mut bytes)?;
        let entry = self.rows.get(&bytes);
        Ok((bytes, entry))
    }

    /// As [`Dict::find`], one of many.
    fn find_near(
        &self,
        near: &mut Near,
        key: &Value,
    ) -> Result<(KeyBuffer, Option<Entry<'_, Pair>>), Refusal> {
        let mut bytes = KeyBuffer::new();
        key.write_canonical_key(&mut bytes)?;
        let entry = self.rows.get_near(near, &bytes);
        Ok((bytes, entry))
    }

    /// The entry of this key, or `NotFound`.
    fn entry(&self, key: &Value) -> Result<Entry<'_, Pair>, Refusal> {
        self.find(key)?.1.ok_or_else(|| path::no_key(key).into())
    }

    /// The row that adds this key.
    fn fresh(&self, operation: &Operation, bytes: &[u8], key: &Value, value: Value) -> Row {
        let ticket = self.rows.next_ticket(operation.last);
        fresh(ticket, bytes, key, value)
    }
}

impl Object for Dict {
    fn decide(
        &self,
        operation: &Operation,
        call: &Arguments,
        _ahead: bool,
    ) -> Result<Decision, Refusal> {
        // The many come first.
        match call.method() {
            "increment" => self.increment(operation, call),
            "get" => self.get(call),
            "set" => self.set(operation, call),
            "delete" => self.delete(call),
            "contains" => self.contains(call),
            "len" => Ok(Decision::reply(self.rows.len())),
            "pop" => self.pop(call),
            "popitem" => self.popitem(),
            "setdefault" => self.setdefault(operation, call),
            "swap" => self.swap(operation, call),
            "update" | "set_many" => self.set_many(operation, call),
            "clear" => Ok(self.clear()),
            "copy" => self.copy(),
            "keys" => self.list(|entry| entry.held.key.clone()),
            "values" => self.list(|entry| entry.held.value.clone()),
            "items" => self.list(|entry| pair_value(entry.to_pair())),
            "scan" => self.scan(call),
            "get_many" => self.get_many(call),
            "delete_many" => self.delete_many(call),
            "compare_and_set" => self.compare_and_set(operation, call),
            "compare_and_delete" => self.compare_and_delete(call),
            other => Err(Refusal::new(Code::NoMethod, other)),
        }
    }

    fn apply(&mut self, row: &Row) {
        match row {
            Row::Put {
                key: bytes,
                value,
                ticket,
                lent,
                expires,
            } => {
                let Some((ticket, key, value)) = parse(bytes, *ticket, value) else {
                    return;
                };
                let terms = Terms::of(*lent, *expires);
                let overwritten = self.rows.change(ticket, bytes, |held| {
                    // It is the same but for a row that no decision made.
                    match key {
                        Some(key) if held.key != *key => held.key = key.clone(),
                        None if !is_told_by_bytes(&held.key) => {
                            if let Some(key) = Value::of_canonical_key(bytes) {
                                held.key = key;
                            }
                        }
                        _ => {}
                    }
                    held.value = value.clone();
                    held.terms = terms.clone();
                });
                if overwritten {
                    return;
                }
                let key = key.cloned().or_else(|| Value::of_canonical_key(bytes));
                if let Some(key) = key {
                    let value = value.clone();
                    self.rows.put(ticket, bytes, Pair { key, value, terms });
                }
            }
            Row::Delete { key } => self.rows.remove(key),
            Row::DeletePrefix { prefix } => self.rows.remove_prefix(prefix),
        }
    }

    fn row(&self, key: &RowKey) -> Option<Row> {
        Some(unchanged(&self.rows.get(key)?))
    }

    fn rows(&self, after: Option<&Cursor>, limit: RowLimit) -> (Vec<Row>, Option<Cursor>) {
        self.rows.rows(after, limit, unchanged)
    }

    fn entries(&self) -> u64 {
        self.rows.len() as u64
    }

    fn bytes(&self) -> u64 {
        self.rows.bytes() as u64
    }
}

/// Does a row that has a ticket tell its key by its own?
const fn is_told_by_bytes(key: &Value) -> bool {
    matches!(key, Value::Text(_) | Value::Int(_) | Value::Bytes(_))
}

fn unchanged(entry: &Entry<'_, Pair>) -> Row {
    entry.keep(entry.held.value.clone())
}

fn fresh(ticket: Ticket, bytes: &[u8], key: &Value, value: Value) -> Row {
    to_row(ticket, RowKey::from(bytes), key, value, &Terms::default())
}

fn to_row(ticket: Ticket, bytes: RowKey, key: &Value, value: Value, terms: &Terms) -> Row {
    if is_told_by_bytes(key) {
        return terms.put_at(Some(ticket), bytes, value);
    }
    let Ticket { revision, index } = ticket;
    let parts = vec![revision.into(), index.into(), key.clone(), value];
    terms.put(bytes, Value::Tuple(parts))
}

/// Takes a row apart, if it is one of a dict. Without a key it is what the row's own key stands for.
fn parse<'a>(
    bytes: &[u8],
    ticket: Option<Ticket>,
    value: &'a Value,
) -> Option<(Ticket, Option<&'a Value>, &'a Value)> {
    if let Some(ticket) = ticket {
        return Some((ticket, None, value));
    }
    let Value::Tuple(parts) = value else {
        return None;
    };
    let [Value::Int(revision), Value::Int(index), key, value] = &parts[..] else {
        return None;
    };
    let ticket = Ticket {
        revision: u64::try_from(*revision).ok()?,
        index: u64::try_from(*index).ok()?,
    };
    let is_its = key.canonical_key().is_ok_and(|key| key == bytes);
    is_its.then_some((ticket, Some(key), value))
}

fn pair_value((key, value): (Value, Value)) -> Value {
    Value::Tuple(vec![key, value])
}
