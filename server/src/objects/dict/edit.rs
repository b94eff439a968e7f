//! Methods of a dict that change one value: its number, or a place inside it.

use super::super::increment::Increment;
use super::super::{Arguments, Decision, Operation};
use super::{Dict, Entry, Pair};
use commonhold_proto::value::path::{self, PathError};
use commonhold_proto::{Refusal, Row, Value};

static ZERO: Value = Value::Int(0);

/// The path that the call names; empty if it names none.
pub(super) fn steps(call: &Arguments) -> Result<&[Value], Refusal> {
    match call.get("path") {
        None | Some(Value::Null) => Ok(&[]),
        Some(Value::List(steps) | Value::Tuple(steps)) => Ok(steps),
        Some(other) => Err(call.bad(
            "path",
            &format!("must be a list of keys and indexes, not {}", other.type_name()),
        )),
    }
}

impl Dict {
    pub(super) fn increment(
        &self,
        operation: &Operation,
        call: &Arguments,
    ) -> Result<Decision, Refusal> {
        let key = call.value("key")?;
        let increment = Increment::of(call)?;
        let default = match call.get("default") {
            None => Some(&ZERO),
            Some(Value::Null) => None,
            Some(default) => Some(default),
        };
        let steps = steps(call)?;
        let (bytes, entry) = self.find(key)?;
        match (entry, default) {
            (Some(entry), _) if steps.is_empty() => {
                let new = increment.of_number(&entry.held.value)?;
                Ok(Decision::reply(new.clone()).with(entry.keep(new)))
            }
            (Some(entry), default) => {
                let (whole, new) = path::increment(
                    &entry.held.value,
                    steps,
                    increment.by(),
                    default,
                    |sum| increment.bound(sum),
                )?;
                Ok(Decision::reply(new).with(entry.keep(whole)))
            }
            (None, Some(default)) if steps.is_empty() => {
                let new = increment.of_number(default)?;
                let row = self.fresh(operation, &bytes, key, new.clone());
                Ok(Decision::reply(new).with(row))
            }
            (None, _) => Err(path::no_key(key).into()),
        }
    }

    /// Sets a place inside the value of an entry.
    pub(super) fn set_inside(
        entry: &Entry<'_, Pair>,
        steps: &[Value],
        value: Value,
    ) -> Result<Decision, Refusal> {
        let whole = path::set(&entry.held.value, steps, value)?;
        Ok(Decision::reply(Value::Null).with(entry.keep(whole)))
    }

    /// Deletes a place inside the value of an entry and tells what was there.
    pub(super) fn remove_inside(
        entry: &Entry<'_, Pair>,
        steps: &[Value],
    ) -> Result<(Value, Row), PathError> {
        let (whole, removed) = path::remove(&entry.held.value, steps)?;
        Ok((removed, entry.keep(whole)))
    }
}
