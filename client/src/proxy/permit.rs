//! Permits of a semaphore, held by a guard.

use super::dict::call;
use super::held::Held;
use crate::caller::{self, Caller, Request};
use crate::error::Result;
use crate::object::Object;
use commonhold_proto::{Call, Code, Fence, Oid, Refusal, Revision};
use std::{fmt, mem};

/// Permits that are held. Dropped, they go back.
///
/// A drop awaits no answer and reports no error; [`release`](Permit::release) does both. Of a blocking client, a drop makes
/// the call and waits for it.
#[must_use = "dropped at once, it gives its permits back at once"]
pub struct Permit<C: Caller> {
    /// Called as the owner that took them.
    object: Object<C>,
    permits: u32,
    /// Absent if no lost lease takes them away.
    grant: Option<Held>,
    is_held: bool,
}

impl<C: Caller> Permit<C> {
    /// They were given by the change of this revision, and last as long as the lease if they are `owned`.
    pub(super) fn new(
        object: &Object<C>,
        permits: u32,
        granted: Revision,
        owned: bool,
    ) -> Permit<C> {
        // The reply told which object it was.
        let fence = Fence {
            lock: object.oid().unwrap_or(Oid(0)),
            token: granted,
        };
        Permit {
            // Never again by name: that may be another semaphore by then.
            object: object.pinned(),
            permits,
            grant: owned.then(|| Held::new(object.client(), fence)),
            is_held: true,
        }
    }

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
        self.grant.as_ref().is_some_and(Held::was_told_lost)
    }

    fn give_back(&self) -> Result<Call> {
        let release = call("release", [Ok(self.permits.into())])?;
        // They may come back with a lost lease before this arrives, and be others' by then.
        Ok(release.with("own", true))
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

impl<C: Caller> fmt::Debug for Permit<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit")
            .field("semaphore", &self.object.name())
            .field("permits", &self.permits)
            .finish_non_exhaustive()
    }
}
