//! `counter`: one number, from 0.

use super::creation_options;
use super::dict::call;
use super::increment::Increment;
use crate::caller::{self, Caller};
use crate::object::Object;

/// A shared counter.
#[derive(Clone, Debug)]
pub struct Counter<C> {
    object: Object<C>,
}

impl<C: Caller> Counter<C> {
    pub(crate) fn new(client: C, name: &str) -> Counter<C> {
        Counter {
            object: Object::new(client, "counter", name),
        }
    }

    creation_options!();

    /// The number.
    pub fn get(&self) -> C::Answer<i64> {
        self.object.reads(call("get", []))
    }

    /// Replaces the number.
    pub fn set(&self, value: i64) -> C::Answer<()> {
        let call = call("set", [Ok(value.into())]);
        self.object.ask(call, None, false, caller::read_nothing)
    }

    /// Adds to the number and gives the new one.
    pub fn increment(&self, by: i64) -> Increment<i64, C> {
        Increment::of_counter(self.object.clone(), by)
    }

    /// Replaces the number if it is `expected`. Tells whether it did.
    pub fn compare_and_set(&self, expected: i64, value: i64) -> C::Answer<bool> {
        let arguments = [Ok(expected.into()), Ok(value.into())];
        self.object.writes(call("compare_and_set", arguments))
    }

    /// Replaces the number and returns the old one.
    pub fn swap(&self, value: i64) -> C::Answer<i64> {
        self.object.writes(call("swap", [Ok(value.into())]))
    }
}
