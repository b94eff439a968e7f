//! Methods of a dict that write whole values.

use super::super::paging::few;
use super::super::{Arguments, Decision, Operation};
use super::super::ordered::Near;
use super::edit::steps;
use super::{Dict, fresh, pair_value};
use commonhold_proto::value::path;
use commonhold_proto::{Code, Refusal, Row, RowKey, Rows, Ticket, Value};
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
            (_, Some(entry)) => entry.replace(value),
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
        let (entry, steps) = (self.find(key)?.1, steps(call)?);
        let there = match &entry {
            Some(entry) => path::get(&entry.held.value, steps),
            None => Err(path::no_key(key)),
        };
        let as_expected = match (there, call.get("expected")) {
            (Ok(there), Some(expected)) => there.is_or_equals(expected),
            (Err(error), expected) if error.is_absence() => expected.is_none(),
            (Ok(_), None) => false,
            (Err(error), _) => return Err(error.into()),
        };
        if !as_expected {
            return Ok(Decision::reply(false));
        }
        if steps.is_empty() {
            return Ok(Decision::reply(true).with(self.put(operation, key, value)?));
        }
        let entry = entry.ok_or_else(|| path::no_key(key))?;
        let whole = path::set(&entry.held.value, steps, value)?;
        Ok(Decision::reply(true).with(entry.keep(whole)))
    }

    pub(super) fn compare_and_delete(&self, call: &Arguments) -> Result<Decision, Refusal> {
        let expected = call.value("expected")?;
        match self.find(call.value("key")?)?.1 {
            Some(entry) if entry.held.value.is_or_equals(expected) => {
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
        let (mut seen, mut near) = (Seen::default(), Near::default());
        let mut added = 0;
        for (key, value) in pairs {
            let (bytes, entry) = self.find_near(&mut near, key)?;
            // Of a key that is given twice the first key and the last value count.
            let place = entry.as_ref().map(|entry| (entry.ticket, entry.row));
            if let Some(at) = seen.twice(&decision.rows, &bytes, place) {
                replace_value(&mut decision.rows[at], value);
                continue;
            }
            decision.rows.push(if let Some(entry) = entry {
                entry.replace(value.clone())
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

/// The keys of a call, to notice which comes twice.
///
/// Those of rows that are there already and come in their order are all different: while that holds, as it does for whoever
/// writes many again, nothing is kept of them. Of all others the numbers of their new rows are, by the hash of the keys: that
/// is about as much memory as there is in a processor's cache.
#[derive(Default)]
struct Seen<'a> {
    hasher: DefaultHashBuilder,
    numbers: HashTable<usize>,
    /// Of the old rows the one furthest in the order.
    furthest: Option<(Ticket, &'a RowKey)>,
    /// Did one come that is not behind those before it?
    disordered: bool,
}

impl<'a> Seen<'a> {
    /// The number of the row under this key, if there is one; otherwise the next row is taken to be this key's. `place` is that
    /// of the row that the key had before.
    fn twice(
        &mut self,
        rows: &Rows,
        key: &[u8],
        place: Option<(Ticket, &'a RowKey)>,
    ) -> Option<usize> {
        if place.is_some() && !self.disordered {
            if self.furthest < place {
                self.furthest = place;
                return None;
            }
            self.disordered = true;
            let Seen { hasher, numbers, .. } = self;
            let hash = |at: &usize| hasher.hash_one(&**rows[*at].key());
            numbers.clear();
            for at in 0..rows.len() {
                numbers.insert_unique(hash(&at), at, hash);
            }
        }
        let Seen { hasher, numbers, .. } = self;
        let hash = |key: &[u8]| hasher.hash_one(key);
        if numbers.is_empty() {
            // There may be as many as there is room for rows.
            numbers.reserve(rows.capacity(), |at| hash(rows[*at].key()));
        }
        match numbers.entry(
            hash(key),
            |at| **rows[*at].key() == *key,
            |at| hash(rows[*at].key()),
        ) {
            hash_table::Entry::Occupied(seen) => Some(*seen.get()),
            hash_table::Entry::Vacant(vacant) => {
                vacant.insert(rows.len());
                None
            }
        }
    }
}

/// Gives a row that was just made another value.
fn replace_value(row: &mut Row, new: &Value) {
    let Row::Put { value, ticket, .. } = row else {
        return;
    };
    match (ticket, value) {
        (Some(_), value) => *value = new.clone(),
        (None, Value::Tuple(parts)) => parts[3] = new.clone(),
        (None, _) => {}
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
