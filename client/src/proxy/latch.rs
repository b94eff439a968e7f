//! `latch`: a count that falls to 0 once.

use super::creation_options;
use super::dict::call;
use crate::caller::{self, Caller};
use crate::object::Object;
use std::time::Duration;

/// A shared latch.
#[derive(Clone, Debug)]
pub struct Latch<C> {
    object: Object<C>,
}

impl<C: Caller> Latch<C> {
    pub(crate) fn new(client: C, name: &str, count: u32) -> Latch<C> {
        Latch {
            object: Object::new(client, "latch", name).option("count", count),
        }
    }

    creation_options!();

    /// Counts down by `n`, which is at least 1, at most to 0; gives what is left.
    pub fn count_down(&self, n: u32) -> C::Answer<u64> {
        self.object.writes(call("count_down", [Ok(n.into())]))
    }

    /// Waits until the count is 0; false if the time ran out before. `None` waits for ever.
    ///
    /// # Cancel safety
    /// Dropped, it waits no more; nothing else happens.
    pub fn wait(&self, timeout: Option<Duration>) -> C::Answer<bool> {
        self.object
            .ask(call("wait", []), timeout, false, caller::read)
    }

    /// What is left of the count.
    pub fn get(&self) -> C::Answer<u64> {
        self.object.reads(call("get", []))
    }
}
