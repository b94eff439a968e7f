//! `event`: a flag that many may wait for.

use super::creation_options;
use super::dict::call;
use crate::caller::{self, Caller};
use crate::object::Object;
use std::time::Duration;

/// A shared event.
#[derive(Clone, Debug)]
pub struct Event<C> {
    object: Object<C>,
}

impl<C: Caller> Event<C> {
    pub(crate) fn new(client: C, name: &str) -> Event<C> {
        Event {
            object: Object::new(client, "event", name),
        }
    }

    creation_options!();

    /// Is the flag set?
    pub fn is_set(&self) -> C::Answer<bool> {
        self.object.reads(call("is_set", []))
    }

    /// Sets the flag and releases all who wait.
    pub fn set(&self) -> C::Answer<()> {
        self.object
            .ask(call("set", []), None, false, caller::read_nothing)
    }

    /// Clears the flag.
    pub fn clear(&self) -> C::Answer<()> {
        self.object
            .ask(call("clear", []), None, false, caller::read_nothing)
    }

    /// Waits until the flag is set; false if the time ran out before. `None` waits for ever.
    ///
    /// # Cancel safety
    /// Dropped, it waits no more; nothing else happens.
    pub fn wait(&self, timeout: Option<Duration>) -> C::Answer<bool> {
        self.object
            .ask(call("wait", []), timeout, false, caller::read)
    }
}
