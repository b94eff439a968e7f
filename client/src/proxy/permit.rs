//! Permits of a semaphore, held by a guard.

use super::dict::call;
use crate::caller::{self, Caller, Request};
use crate::error::Result;
use crate::object::Object;
use commonhold_proto::{Call, Code, Refusal};
use std::mem;

/// Permits that are held. Dropped, they go back.
///
/// A drop awaits no answer and reports no error; [`release`](Permit::release) does both. Of a blocking client, a drop makes
/// the call and waits for it.
#[derive(Debug)]
#[must_use = "dropped at once, it gives its permits back at once"]
pub struct Permit<C: Caller> {
    /// Called as the owner that took them.
    object: Object<C>,
    permits: u32,
    /// The client's lost leases when they were asked for, if a lost lease takes them away.
    lease_losses: Option<u64>,
    is_held: bool,
}

/// What a permit is made of once it is given.
#[derive(Debug)]
pub(super) struct Taking<C> {
    pub(super) object: Object<C>,
    permits: u32,
    lease_losses: Option<u64>,
}

impl<C: Caller> Taking<C> {
    /// Permits are about to be asked for.
    pub(super) fn new(object: Object<C>, permits: u32, is_owned: bool) -> Taking<C> {
        let lease_losses = is_owned.then(|| object.client().lease_losses());
        Taking {
            object,
            permits,
            lease_losses,
        }
    }

    /// They were given.
    pub(super) fn taken(self) -> Permit<C> {
        Permit {
            object: self.object,
            permits: self.permits,
            lease_losses: self.lease_losses,
            is_held: true,
        }
    }
}

impl<C: Caller> Permit<C> {
    /// How many there are.
    pub fn permits(&self) -> u32 {
        self.permits
    }

    /// Gives them back and tells whether that worked. They go back even if the future that this returns is dropped.
    ///
    /// # Errors
    /// Refused with `LockLost` if they came back before, because the server did not hear from this client in time; and
    /// with `OutOfBounds` if somebody else gave them back to a bounded semaphore.
    pub fn release(mut self) -> C::Answer<()> {
        self.is_held = false;
        let call = if self.is_lost() {
            let message = format!(
                "permits of {} \"{}\" were lost with the client's lease: others may have them",
                self.object.kind(),
                self.object.name()
            );
            Err(Refusal::new(Code::LockLost, message).into())
        } else {
            self.give_back()
        };
        self.object.client().ask(self.request(call).kept())
    }

    /// Lets go of the guard and keeps the permits taken, until someone gives them back with
    /// [`Semaphore::release`](crate::Semaphore::release) or this client ends.
    pub fn forget(mut self) {
        self.is_held = false;
    }

    /// Did they come back with a lease that was lost? Whoever releases then would release what others hold.
    fn is_lost(&self) -> bool {
        let losses = || self.object.client().lease_losses();
        self.lease_losses.is_some_and(|before| before != losses())
    }

    fn give_back(&self) -> Result<Call> {
        call("release", [Ok(self.permits.into())])
    }

    fn request(&self, call: Result<Call>) -> Request<()> {
        self.object.request(call, None, false, caller::read_nothing)
    }
}

impl<C: Caller> Drop for Permit<C> {
    fn drop(&mut self) {
        if mem::take(&mut self.is_held) && !self.is_lost() {
            let request = self.request(self.give_back());
            self.object.client().tell(request);
        }
    }
}
