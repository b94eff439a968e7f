//! `increment` and its options.

use super::dict::call;
use crate::caller::{self, Caller, argument};
use crate::error::Result;
use crate::object::Object;
use crate::{Answer, Client, blocking};
use commonhold_proto::{Call, Value};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::marker::PhantomData;

/// An increment of a dict's value that is yet to be made: await it, or `call()` it.
#[must_use = "it does nothing until it is awaited or called"]
#[derive(Debug)]
pub struct Increment<V, C> {
    object: Object<C>,
    call: Result<Call>,
    types: PhantomData<fn() -> V>,
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "values are given away, as to a map: `max(100)`"
)]
impl<V, C> Increment<V, C>
where
    V: Serialize + DeserializeOwned + 'static,
    C: Caller,
{
    pub(crate) fn new(object: Object<C>, call: Result<Call>) -> Increment<V, C> {
        Increment {
            object,
            call,
            types: PhantomData,
        }
    }

    fn with(mut self, name: &str, value: Result<Value>) -> Increment<V, C> {
        self.call = self.call.and_then(|call| Ok(call.with(name, value?)));
        self
    }

    /// The number that a missing key starts at; `None` refuses a missing key. A counter has no such option.
    pub fn default(self, default: Option<V>) -> Increment<V, C> {
        let default = default.map_or(Ok(Value::Null), |default| argument(&default));
        self.with("default", default)
    }

    /// A smaller result is refused with `OutOfBounds`.
    pub fn min(self, min: V) -> Increment<V, C> {
        self.with("min", argument(&min))
    }

    /// A larger result is refused with `OutOfBounds`.
    pub fn max(self, max: V) -> Increment<V, C> {
        self.with("max", argument(&max))
    }

    /// A result out of bounds becomes the bound in place of a refusal.
    pub fn clamp(self) -> Increment<V, C> {
        self.with("clamp", Ok(true.into()))
    }

    fn make(self) -> C::Answer<V> {
        self.object.ask(self.call, None, false, caller::read)
    }
}

impl<C: Caller> Increment<i64, C> {
    pub(super) fn of_counter(object: Object<C>, by: i64) -> Increment<i64, C> {
        Increment::new(object, call("increment", [Ok(by.into())]))
    }
}

impl<V: Serialize + DeserializeOwned + 'static> Increment<V, blocking::Client> {
    /// Makes the increment and returns the new number.
    pub fn call(self) -> Result<V> {
        self.make()
    }
}

impl<V: Serialize + DeserializeOwned + 'static> IntoFuture for Increment<V, Client> {
    type Output = Result<V>;
    type IntoFuture = Answer<V>;

    fn into_future(self) -> Answer<V> {
        self.make()
    }
}
