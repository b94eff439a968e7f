//! Methods of a dict that read.

use super::super::ordered::{Entry, Place};
use super::super::{Arguments, Decision, OPERATION_ROWS_MAX, RowLimit};
use super::edit::steps;
use super::{Dict, Pair, pair_value, too_many};
use commonhold_proto::value::path;
use commonhold_proto::{Refusal, Value};
use std::collections::HashSet;

/// How many pairs a page has if the caller does not say.
const PAGE_ROWS: i64 = 1000;
/// About how many bytes a page has at most.
const PAGE_BYTES: usize = 1 << 20;

impl Dict {
    pub(super) fn get(&self, call: &Arguments) -> Result<Decision, Refusal> {
        let key = call.value("key")?;
        let default = || call.get("default").cloned();
        let Some(entry) = self.find(key)?.1 else {
            return match default() {
                Some(default) => Ok(Decision::reply(default)),
                None => Err(path::no_key(key).into()),
            };
        };
        match path::get(&entry.held.value, steps(call)?) {
            Ok(value) => Ok(Decision::reply(value.clone())),
            Err(error) if error.is_absence() => match default() {
                Some(default) => Ok(Decision::reply(default)),
                None => Err(error.into()),
            },
            Err(error) => Err(error.into()),
        }
    }

    pub(super) fn contains(&self, call: &Arguments) -> Result<Decision, Refusal> {
        let Some(entry) = self.find(call.value("key")?)?.1 else {
            return Ok(Decision::reply(false));
        };
        match path::get(&entry.held.value, steps(call)?) {
            Ok(_) => Ok(Decision::reply(true)),
            Err(error) if error.is_absence() => Ok(Decision::reply(false)),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) fn get_many(&self, call: &Arguments) -> Result<Decision, Refusal> {
        let keys = call.items("keys")?;
        if keys.len() > OPERATION_ROWS_MAX {
            return Err(too_many(keys.len()));
        }
        let mut seen = HashSet::new();
        let mut pairs = Vec::new();
        for key in keys {
            let (bytes, entry) = self.find(key)?;
            if let Some(entry) = entry
                && seen.insert(bytes)
            {
                pairs.push((key.clone(), entry.held.value.clone()));
            }
        }
        Ok(Decision::reply(Value::Dict(pairs)))
    }

    pub(super) fn copy(&self) -> Result<Decision, Refusal> {
        let pairs = self.all()?.map(|entry| entry.to_pair()).collect();
        Ok(Decision::reply(Value::Dict(pairs)))
    }

    pub(super) fn list(
        &self,
        part: impl Fn(Entry<'_, Pair>) -> Value,
    ) -> Result<Decision, Refusal> {
        let parts = self.all()?.map(part).collect();
        Ok(Decision::reply(Value::List(parts)))
    }

    fn all(&self) -> Result<impl Iterator<Item = Entry<'_, Pair>>, Refusal> {
        if self.rows.len() > OPERATION_ROWS_MAX {
            let mut refusal = too_many(self.rows.len());
            refusal.message.push_str(": use scan");
            return Err(refusal);
        }
        Ok(self.rows.after(None))
    }

    pub(super) fn scan(&self, call: &Arguments) -> Result<Decision, Refusal> {
        let place = match call.get("cursor") {
            None | Some(Value::Null) => None,
            Some(Value::Bytes(bytes)) => match Place::from_bytes(bytes) {
                None => return Err(call.bad("cursor", "is none that scan returned")),
                place => place,
            },
            Some(other) => {
                let what = format!("must be bytes, not {}", other.type_name());
                return Err(call.bad("cursor", &what));
            }
        };
        let limit = usize::try_from(call.int_or("limit", PAGE_ROWS)?)
            .ok()
            .filter(|limit| (1..=OPERATION_ROWS_MAX).contains(limit))
            .ok_or_else(|| {
                let what = format!("must be from 1 to {OPERATION_ROWS_MAX}");
                call.bad("limit", &what)
            })?;
        let limit = RowLimit {
            rows: limit,
            bytes: PAGE_BYTES,
        };
        let (page, next) = self.page(place.as_ref(), limit);
        let next = next.map_or(Value::Null, |place| Value::Bytes(place.to_bytes().into()));
        let pairs = page.iter().map(|entry| pair_value(entry.to_pair()));
        Ok(Decision::reply(Value::Tuple(vec![
            next,
            Value::List(pairs.collect()),
        ])))
    }
}
