//! `barrier`: parties wait for each other.

use super::creation_options;
use super::dict::call;
use crate::caller::{self, Caller};
use crate::object::Object;
use std::time::Duration;

/// A shared barrier.
#[derive(Clone, Debug)]
pub struct Barrier<C> {
    object: Object<C>,
}

impl<C: Caller> Barrier<C> {
    pub(crate) fn new(client: C, name: &str, parties: u32) -> Barrier<C> {
        Barrier {
            object: Object::new(client, "barrier", name).option("parties", parties),
        }
    }

    creation_options!();

    /// Waits until all parties have arrived; returns in which place this one came, from 0. `None` waits for ever.
    ///
    /// # Errors
    /// Refused with `Broken` if a party died, gave up or ran out of time; a party that runs out of time breaks the
    /// barrier for the others.
    pub fn wait(&self, timeout: Option<Duration>) -> C::Answer<u64> {
        self.object
            .ask(call("wait", []), timeout, false, caller::read)
    }

    /// Makes the barrier as new; parties that wait are told that it broke.
    pub fn reset(&self) -> C::Answer<()> {
        self.object
            .ask(call("reset", []), None, false, caller::read_nothing)
    }

    /// Breaks the barrier until it is reset.
    pub fn abort(&self) -> C::Answer<()> {
        self.object
            .ask(call("abort", []), None, false, caller::read_nothing)
    }

    /// How many must arrive.
    pub fn parties(&self) -> C::Answer<u64> {
        self.object.reads(call("parties", []))
    }

    /// How many wait.
    pub fn n_waiting(&self) -> C::Answer<u64> {
        self.object.reads(call("n_waiting", []))
    }

    /// Is it broken?
    pub fn broken(&self) -> C::Answer<bool> {
        self.object.reads(call("broken", []))
    }
}
