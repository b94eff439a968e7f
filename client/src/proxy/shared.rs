//! `value`: one value of any type.

use super::creation_options;
use super::dict::call;
use super::increment::Increment;
use crate::caller::{self, Caller, argument};
use crate::error::Result;
use crate::object::Object;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::marker::PhantomData;

/// A shared value: whatever serde can write and read. Until it is set it is None, unless it was created with another
/// [`initial`](Shared::initial) one; a type that has no None is an `Option` here.
pub struct Shared<T, C> {
    object: Object<C>,
    types: PhantomData<fn() -> T>,
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "values are given away: `set(1)`"
)]
impl<T, C> Shared<T, C>
where
    T: Serialize + DeserializeOwned + 'static,
    C: Caller,
{
    pub(crate) fn new(client: C, name: &str) -> Shared<T, C> {
        Shared {
            object: Object::new(client, "value", name),
            types: PhantomData,
        }
    }

    creation_options!();

    /// The value that it is created with.
    ///
    /// # Errors
    /// If serde makes no value of it.
    pub fn initial(mut self, value: T) -> Result<Self> {
        self.object = self.object.option("initial", argument(&value)?);
        Ok(self)
    }

    /// The value.
    pub fn get(&self) -> C::Answer<T> {
        self.object.reads(call("get", []))
    }

    /// Replaces the value.
    pub fn set(&self, value: T) -> C::Answer<()> {
        let call = call("set", [argument(&value)]);
        self.object.ask(call, None, false, caller::read_nothing)
    }

    /// Adds to the value, which must be a number, and gives the new one.
    pub fn increment(&self, by: T) -> Increment<T, C> {
        Increment::new(self.object.clone(), call("increment", [argument(&by)]))
    }

    /// Replaces the value if it equals `expected`. Tells whether it did.
    pub fn compare_and_set(&self, expected: &T, value: T) -> C::Answer<bool> {
        let arguments = [argument(expected), argument(&value)];
        self.object.writes(call("compare_and_set", arguments))
    }

    /// Replaces the value and returns the old one.
    pub fn swap(&self, value: T) -> C::Answer<T> {
        self.object.writes(call("swap", [argument(&value)]))
    }
}

impl<T, C: Clone> Clone for Shared<T, C> {
    fn clone(&self) -> Self {
        Shared {
            object: self.object.clone(),
            types: PhantomData,
        }
    }
}

impl<T, C> fmt::Debug for Shared<T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.object.fmt(f)
    }
}
