//! `namespace`: attributes by name.

use super::creation_options;
use super::dict::call;
use super::increment::Increment;
use crate::caller::{self, Caller, argument};
use crate::object::Object;
use commonhold_proto::Value;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A shared namespace. Each attribute has a type of its own: whatever serde can write and read.
#[derive(Clone, Debug)]
pub struct Namespace<C> {
    object: Object<C>,
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "values are given away: `set(\"x\", 1)`"
)]
impl<C: Caller> Namespace<C> {
    pub(crate) fn new(client: C, name: &str) -> Namespace<C> {
        Namespace {
            object: Object::new(client, "namespace", name),
        }
    }

    creation_options!();

    /// The value of an attribute.
    pub fn get<T: DeserializeOwned + 'static>(&self, name: &str) -> C::Answer<Option<T>> {
        let call = call("get", [Ok(name.into())]);
        self.object.ask(call, None, true, caller::read_found)
    }

    /// Sets an attribute.
    pub fn set<T: Serialize>(&self, name: &str, value: T) -> C::Answer<()> {
        let call = call("set", [Ok(name.into()), argument(&value)]);
        self.object.ask(call, None, false, caller::read_nothing)
    }

    /// Deletes an attribute; tells whether it was there.
    pub fn delete(&self, name: &str) -> C::Answer<bool> {
        let call = call("delete", [Ok(name.into())]);
        self.object.ask(call, None, false, caller::read_was_there)
    }

    /// All names, in their order.
    pub fn keys(&self) -> C::Answer<Vec<String>> {
        self.object.reads(call("keys", []))
    }

    /// All names and values, in order of the names.
    pub fn items(&self) -> C::Answer<Vec<(String, Value)>> {
        self.object.ask(call("items", []), None, true, |reply| {
            match reply.result? {
                Value::List(pairs) => pairs.into_iter().map(pair).collect(),
                other => caller::typed(other),
            }
        })
    }

    /// Adds to the number of an attribute and gives the new one. A missing one is refused with `NotFound` unless
    /// [`default`](Increment::default) says where it starts.
    pub fn increment<T>(&self, name: &str, by: T) -> Increment<T, C>
    where
        T: Serialize + DeserializeOwned + 'static,
    {
        let call = call("increment", [Ok(name.into()), argument(&by)]);
        Increment::new(self.object.clone(), call)
    }

    /// Sets an attribute if it equals `expected`, where `None` is a missing one. Tells whether it did.
    pub fn compare_and_set<T: Serialize>(
        &self,
        name: &str,
        expected: Option<&T>,
        value: T,
    ) -> C::Answer<bool> {
        let call = call("compare_and_set", [Ok(name.into())]).and_then(|mut call| {
            if let Some(expected) = expected {
                call = call.with("expected", argument(expected)?);
            }
            Ok(call.with("value", argument(&value)?))
        });
        self.object.writes(call)
    }
}

/// A name and its value, whatever its type.
fn pair(pair: Value) -> crate::error::Result<(String, Value)> {
    match pair {
        Value::Tuple(mut parts) | Value::List(mut parts) if parts.len() == 2 => {
            let value = parts.pop().unwrap_or_default();
            let name = parts.pop().unwrap_or_default();
            Ok((caller::typed(name)?, value))
        }
        other => caller::typed(other),
    }
}
