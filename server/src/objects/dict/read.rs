//! Methods of a dict that read.

use super::super::ordered::Entry;
use super::super::paging::few;
use super::super::{Arguments, Decision};
use super::edit::steps;
use super::{Dict, Pair, pair_value};
use commonhold_proto::value::path;
use commonhold_proto::{Refusal, Value};
use std::collections::HashSet;

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
        few(keys.len())?;
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
        let pairs = self.rows.all()?.map(|entry| entry.to_pair()).collect();
        Ok(Decision::reply(Value::Dict(pairs)))
    }

    pub(super) fn list(
        &self,
        part: impl Fn(Entry<'_, Pair>) -> Value,
    ) -> Result<Decision, Refusal> {
        let parts = self.rows.all()?.map(part).collect();
        Ok(Decision::reply(Value::List(parts)))
    }

    pub(super) fn scan(&self, call: &Arguments) -> Result<Decision, Refusal> {
        if call.bool_or("only_keys", false)? {
            return self.rows.scan(call, |entry| entry.held.key.clone());
        }
        self.rows.scan(call, |entry| pair_value(entry.to_pair()))
    }
}
