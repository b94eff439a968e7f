//! An item that was taken from a queue and is not acknowledged.

use super::held::Held;
use crate::caller::{self, Caller, Request};
use crate::error::Result;
use crate::object::Object;
use crate::{Answer, Client, blocking};
use commonhold_proto::{Call, Fence, Oid, Revision, Value};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::time::Duration;

/// An item that was taken. [Acknowledged](Job::ack) it is done; dropped it goes back to its place, for others to take.
///
/// It is lost, and others get it, if its client is taken for dead or its lease ends.
#[must_use = "dropped at once, it goes back at once"]
pub struct Job<T, C: Caller> {
    /// The item.
    pub value: T,
    /// How often it was delivered, this time included.
    pub deliveries: u64,
    receipt: u64,
    object: Object<C>,
    /// `None` once it was acknowledged or given back.
    held: Option<Held>,
}

/// A dead letter: an item that came back too often.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Dead<T> {
    /// The item.
    pub value: T,
    /// How often it was delivered.
    pub deliveries: u64,
}

#[derive(Deserialize)]
struct Taken<T> {
    value: T,
    receipt: u64,
    deliveries: u64,
}

impl<T, C: Caller> Job<T, C> {
    fn new(object: &Object<C>, taken: Taken<T>) -> Job<T, C> {
        // The reply told which object it was.
        let fence = Fence {
            lock: object.oid().unwrap_or(Oid(0)),
            token: Revision(taken.receipt),
        };
        Job {
            value: taken.value,
            deliveries: taken.deliveries,
            receipt: taken.receipt,
            held: Some(Held::new(object.client(), fence)),
            // Never again by name: that may be another queue by then.
            object: object.pinned(),
        }
    }

    /// What this delivery is acknowledged with.
    pub fn receipt(&self) -> u64 {
        self.receipt
    }

    /// Was it lost, as far as is known now?
    pub fn is_lost(&self) -> bool {
        self.held.as_ref().is_none_or(Held::is_lost)
    }

    /// The item is done. It is acknowledged even if the answer is not awaited.
    ///
    /// # Errors
    /// Refused with `LockLost` if it was lost before: others have it, or will.
    pub fn ack(self) -> C::Answer<()> {
        self.end("ack")
    }

    /// Gives the item back to its place, and tells how that went; dropping the job tells nothing.
    ///
    /// # Errors
    /// As of [`ack`](Job::ack).
    pub fn nack(self) -> C::Answer<()> {
        self.end("nack")
    }

    /// Keeps the item for so long from now on.
    ///
    /// # Errors
    /// As of [`ack`](Job::ack).
    pub fn extend(&self, lease: Duration) -> C::Answer<()> {
        let lease = Value::from(lease.as_secs_f64());
        let call = Call::new("extend", [self.receipt.into(), lease]);
        self.object.ask(Ok(call), None, false, caller::read_nothing)
    }

    fn end(mut self, method: &'static str) -> C::Answer<()> {
        self.held = None;
        self.object.client().ask(self.request(method))
    }

    fn request(&self, method: &'static str) -> Request<()> {
        let call = Call::new(method, [self.receipt.into()]);
        self.object
            .request(Ok(call), None, false, caller::read_nothing)
            .kept()
    }
}

impl<T> Job<T, Client> {
    /// Ends when the item is lost, or may have gone to another for all that is known.
    ///
    /// # Cancel safety
    /// May be dropped at any time.
    pub async fn lost(&self) {
        if let Some(held) = &self.held {
            held.lost().await;
        }
    }
}

impl<T, C: Caller> Drop for Job<T, C> {
    fn drop(&mut self) {
        if self.held.take().is_some() {
            self.object.client().tell(self.request("nack"));
        }
    }
}

impl<T: fmt::Debug, C: Caller> fmt::Debug for Job<T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job")
            .field("value", &self.value)
            .field("deliveries", &self.deliveries)
            .finish_non_exhaustive()
    }
}

/// An item that is yet to be taken: await it, or `call()` it.
#[must_use = "it does nothing until it is awaited or called"]
#[derive(Debug)]
pub struct Take<T, C> {
    object: Object<C>,
    call: Call,
    wait: Option<Duration>,
    types: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned + 'static, C: Caller> Take<T, C> {
    pub(super) fn new(object: Object<C>) -> Take<T, C> {
        Take {
            object,
            call: Call::new("take", []),
            wait: None,
            types: PhantomData,
        }
    }

    /// Waits for at most this long; otherwise for ever. Zero does not wait.
    ///
    /// A wait in vain is refused with `Empty`, and with `Broken` once the queue is shut down and empty.
    pub fn wait(mut self, wait: Duration) -> Take<T, C> {
        self.wait = Some(wait);
        self
    }

    /// Lets the item come back after this long unless it is [extended](Job::extend); otherwise it is taken for as long as
    /// the client lives.
    pub fn lease(mut self, lease: Duration) -> Take<T, C> {
        self.call = self.call.with("lease", lease.as_secs_f64());
        self
    }

    fn make(self) -> C::Answer<Taken<T>> {
        self.object
            .ask(Ok(self.call), self.wait, false, caller::read)
    }
}

impl<T: DeserializeOwned + 'static> Take<T, blocking::Client> {
    /// Takes the item.
    pub fn call(self) -> Result<Job<T, blocking::Client>> {
        let object = self.object.clone();
        Ok(Job::new(&object, self.make()?))
    }
}

impl<T: DeserializeOwned + 'static> IntoFuture for Take<T, Client> {
    type Output = Result<Job<T, Client>>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<Job<T, Client>>> + Send>>;

    /// # Cancel safety
    /// Dropped before its end it takes nothing: an item that was on its way is at its place again.
    fn into_future(self) -> Self::IntoFuture {
        let object = self.object.clone();
        let taken: Answer<Taken<T>> = self.make();
        Box::pin(async move { Ok(Job::new(&object, taken.await?)) })
    }
}
