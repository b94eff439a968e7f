//! `condition`: callers wait under a lock until others notify them.

use super::creation_options;
use super::dict::call;
use super::guard::{Guard, LockAcquire, waiting};
use crate::caller::Caller;
use crate::error::Result;
use crate::object::Object;
use crate::{Client, blocking};
use commonhold_proto::Value;
use std::time::Duration;

/// A shared condition, with a lock of its own or [on](Condition::on) another.
#[derive(Clone, Debug)]
pub struct Condition<C> {
    object: Object<C>,
}

impl<C: Caller> Condition<C> {
    pub(crate) fn new(client: C, name: &str) -> Condition<C> {
        Condition {
            object: Object::new(client, "condition", name),
        }
    }

    creation_options!();
    super::policies!();

    /// Lets it share the lock of this name, or of this [reference](Object::reference), which must exist when the condition is
    /// made. Several conditions may share one.
    #[must_use]
    pub fn on(mut self, lock: impl Into<Value>) -> Condition<C> {
        self.object = self.object.option("lock", lock);
        self
    }

    /// Takes its lock.
    pub fn acquire(&self) -> LockAcquire<C> {
        let object = self.object.owned_by(self.object.client().owner());
        LockAcquire::new(object, "acquire")
    }

    /// Wakes so many of those who wait, in the order in which they came; tells how many.
    ///
    /// # Errors
    /// Refused with `NotOwner` unless `guard` holds the condition's lock.
    pub fn notify(&self, guard: &Guard<C>, n: u32) -> C::Answer<u64> {
        let object = guard.as_holder(&self.object);
        object.writes(call("notify", [Ok(n.into())]))
    }

    /// Wakes all who wait; tells how many.
    ///
    /// # Errors
    /// As [`notify`](Condition::notify).
    pub fn notify_all(&self, guard: &Guard<C>) -> C::Answer<u64> {
        guard.as_holder(&self.object).writes(call("notify_all", []))
    }

    /// How many wait.
    pub fn waiting(&self) -> C::Answer<u64> {
        self.object.reads(call("waiting", []))
    }
}

impl Condition<blocking::Client> {
    /// Gives the lock of `guard` up, waits to be notified, and takes it again. Tells whether it was notified: if not, the
    /// time was over. `None` waits for ever.
    ///
    /// # Errors
    /// Refused with `NotOwner` unless `guard` holds the condition's lock, and with `LockLost` if the wait ended without the
    /// lock. After another error the guard holds nothing.
    pub fn wait(
        &self,
        guard: &mut Guard<blocking::Client>,
        timeout: Option<Duration>,
    ) -> Result<bool> {
        let object = guard.as_holder(&self.object);
        guard.give_up();
        guard.woken(waiting(&object, timeout))
    }
}

impl Condition<Client> {
    /// As the blocking [`wait`](Condition::wait).
    ///
    /// # Errors
    /// As of the blocking one.
    ///
    /// # Cancel safety
    /// Dropped before its end, it ends the wait; the lock is given back once it was taken again, and the guard holds
    /// nothing.
    pub async fn wait(&self, guard: &mut Guard<Client>, timeout: Option<Duration>) -> Result<bool> {
        let object = guard.as_holder(&self.object);
        guard.give_up();
        guard.woken(waiting(&object, timeout).await)
    }
}
