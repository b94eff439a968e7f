//! Methods of a dict that write whole values.

use super::super::paging::few;
use super::super::{Arguments, Decision, Operation};
use super::edit::steps;
use super::{Dict, Ticket, fresh, pair_value};
use commonhold_proto::value::path;
use commonhold_proto::{Code, Refusal, Row, RowKey, Rows, Value};
use hashbrown::{DefaultHashBuilder, HashTable, hash_table};
use std::collections::HashSet;
use std::hash::BuildHasher as _;

impl Dict {
    pub(super) fn set(&self, operation: &Operation, call: &Arguments) -> Result<Decision, Refusal> {
        let (key, value) = (call.value("key")?, call.value("value")?.clone());
        let steps = steps(call)?;
        if !steps.is_empty() {
            return Dict::set_inside(&self.entry(key)?, steps, value);
        }
        let row = self.put(operation, key, value)?;
        Ok(Decision::reply(Value::Null).with(row))
    }

    /// The row that sets a key, there or not.
    fn put(&self, operation: &Operation, key: &Value, value: Value) -> Result<Row, Refusal> {
        Ok(match self.find(key)? {
            (_, Some(entry)) => entry.replace(key, value),
            (bytes, None) => self.fresh(operation, &bytes, key, value),
        })
    }

    pub(super) fn delete(&self, call: &Arguments) -> Result<Decision, Refusal> {
        let entry = self.entry(call.value("key")?)?;
        let row = match steps(call)? {
            [] => Row::delete(entry.row.clone()),
            steps => Dict::remove_inside(&entry, steps)?.1,
        };
        Ok(Decision::reply(Value::Null).with(row))
    }

    pub(super) fn pop(&self, call: &Arguments) -> Result<Decision, Refusal> {
        let key = call.value("key")?;
        let popped = match (self.find(key)?.1, steps(call)?) {
            (None, _) => Err(path::no_key(key)),
            (Some(entry), []) => {
                let row = Row::delete(entry.row.clone());
                Ok((entry.held.value.clone(), row))
            }
            (Some(entry), steps) => Dict::remove_inside(&entry, steps),
        };
        match (popped, call.get("default")) {
            (Ok((value, row)), _) => Ok(Decision::reply(value).with(row)),
            (Err(error), Some(default)) if error.is_absence() => {
                Ok(Decision::reply(default.clone()))
            }
            (Err(error), _) => Err(error.into()),
        }
    }

    pub(super) fn popitem(&self) -> Result<Decision, Refusal> {
        match self.rows.last() {
            Some(entry) => {
                Ok(Decision::reply(pair_value(entry.to_pair()))
                    .with(Row::delete(entry.row.clone())))
            }
            None => Err(Refusal::new(
                Code::NotFound,
                "popitem(): dictionary is empty",
            )),
        }
    }

    pub(super) fn setdefault(
        &self,
        operation: &Operation,
        call: &Arguments,
    ) -> Result<Decision, Refusal> {
        let key = call.value("key")?;
        match self.find(key)? {
            (_, Some(entry)) => Ok(Decision::reply(entry.held.value.clone())),
            (bytes, None) => {
                let default = call.get("default").cloned().unwrap_or_default();
                let row = self.fresh(operation, &bytes, key, default.clone());
                Ok(Decision::reply(default).with(row))
            }
        }
    }

    pub(super) fn swap(
        &self,
        operation: &Operation,
        call: &Arguments,
    ) -> Result<Decision, Refusal> {
        let (key, value) = (call.value("key")?, call.value("value")?.clone());
        let old = match self.find(key)?.1 {
            Some(entry) => entry.held.value.clone(),
            None => Value::Null,
        };
        Ok(Decision::reply(old).with(self.put(operation, key, value)?))
    }

    pub(super) fn compare_and_set(
        &self,
        operation: &Operation,
        call: &Arguments,
    ) -> Result<Decision, Refusal> {
        let (key, value) = (call.value("key")?, call.value("value")?.clone());
        let as_expected = match (self.find(key)?.1, call.get("expected")) {
            (Some(entry), Some(expected)) => entry.held.value.equals(expected),
            (None, None) => true,
            _ => false,
        };
        if !as_expected {
            return Ok(Decision::reply(false));
        }
        Ok(Decision::reply(true).with(self.put(operation, key, value)?))
    }

    pub(super) fn compare_and_delete(&self, call: &Arguments) -> Result<Decision, Refusal> {
        let expected = call.value("expected")?;
        match self.find(call.value("key")?)?.1 {
            Some(entry) if entry.held.value.equals(expected) => {
                Ok(Decision::reply(true).with(Row::delete(entry.row.clone())))
            }
            _ => Ok(Decision::reply(false)),
        }
    }

    pub(super) fn clear(&self) -> Decision {
        let decision = Decision::reply(Value::Null);
        if self.rows.len() == 0 {
            return decision;
        }
        decision.with(Row::DeletePrefix {
            prefix: RowKey::EMPTY,
        })
    }

    pub(super) fn set_many(
        &self,
        operation: &Operation,
        call: &Arguments,
    ) -> Result<Decision, Refusal> {
        let pairs = pairs(call)?;
        let first = self.rows.next_ticket(operation.last);
        let mut decision = Decision::reply(Value::Null);
        decision.rows.reserve(pairs.len());
        // Of a key that is given twice the first key and the last value count. The numbers of the rows, by the hash of their
        // keys, are all that is kept of them: it is about as much memory as there is in a processor's cache.
        let hasher = DefaultHashBuilder::default();
        let mut seen = HashTable::with_capacity(pairs.len());
        let mut added = 0;
        for (key, value) in pairs {
            let (bytes, entry) = self.find(key)?;
            let rows = &mut decision.rows;
            let vacant = match seen.entry(
                hasher.hash_one(&bytes[..]),
                |at: &usize| **rows[*at].key() == bytes[..],
                |at| hasher.hash_one(&**rows[*at].key()),
            ) {
                hash_table::Entry::Occupied(seen) => {
                    replace_value(rows, *seen.get(), value);
                    continue;
                }
                hash_table::Entry::Vacant(vacant) => vacant,
            };
            vacant.insert(rows.len());
            rows.push(if let Some(entry) = entry {
                entry.replace(key, value.clone())
            } else {
                let ticket = Ticket {
                    index: first.index + added,
                    ..first
                };
                added += 1;
                fresh(ticket, &bytes, key, value.clone())
            });
        }
        Ok(decision)
    }

    pub(super) fn delete_many(&self, call: &Arguments) -> Result<Decision, Refusal> {
        let keys = call.items("keys")?;
        few(keys.len())?;
        let mut rows = Rows::new();
        let mut seen = HashSet::new();
        for key in keys {
            let (bytes, entry) = self.find(key)?;
            if let Some(entry) = entry
                && seen.insert(bytes)
            {
                rows.push(Row::delete(entry.row.clone()));
            }
        }
        let mut decision = Decision::reply(rows.len());
        decision.rows = rows;
        Ok(decision)
    }
}

/// Gives a row that was just made another value.
fn replace_value(rows: &mut Rows, at: usize, new: &Value) {
    if let Row::Put {
        value: Value::Tuple(parts),
        ..
    } = &mut rows[at]
    {
        parts[3] = new.clone();
    }
}

/// The pairs of a dict, or of a list of pairs.
fn pairs(call: &Arguments) -> Result<Vec<(&Value, &Value)>, Refusal> {
    let pairs: Vec<(&Value, &Value)> = match call.value("pairs")? {
        Value::Dict(pairs) => pairs.iter().map(|(key, value)| (key, value)).collect(),
        _ => call
            .items("pairs")?
            .iter()
            .map(|pair| match pair {
                Value::Tuple(pair) | Value::List(pair) => match &pair[..] {
                    [key, value] => Ok((key, value)),
                    _ => Err(call.bad("pairs", "must hold pairs of a key and a value")),
                },
                _ => Err(call.bad("pairs", "must hold pairs of a key and a value")),
            })
            .collect::<Result<_, _>>()?,
    };
    few(pairs.len())?;
    Ok(pairs)
}
