//! `queue`: items that are put at one end and got at the other, or taken and acknowledged.

use super::creation_options;
use super::dict::{call, list};
use super::job::{Dead, Take};
use crate::caller::{self, Caller, argument};
use crate::object::Object;
use commonhold_proto::Call;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

/// A shared queue. Items are whatever serde can write and read.
///
/// What is got is gone: an item whose reply a dying client had is lost with it. What is [taken](Queue::take) comes back
/// unless it is acknowledged.
pub struct Queue<T, C> {
    object: Object<C>,
    types: PhantomData<fn() -> T>,
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "values are given away, as to a channel: `put(1, None)`"
)]
impl<T, C> Queue<T, C>
where
    T: Serialize + DeserializeOwned + 'static,
    C: Caller,
{
    pub(crate) fn new(client: C, name: &str) -> Queue<T, C> {
        Queue {
            object: Object::new(client, "queue", name),
            types: PhantomData,
        }
    }

    creation_options!();

    /// Lets at most so many items wait to be got; there is no bound unless given.
    #[must_use]
    pub fn maxsize(mut self, items: u32) -> Self {
        self.object = self.object.option("maxsize", items);
        self
    }

    /// Lets the newest item be got first.
    #[must_use]
    pub fn lifo(mut self) -> Self {
        self.object = self.object.option("lifo", true);
        self
    }

    /// Makes a dead letter of an item that came back after it was taken so often.
    #[must_use]
    pub fn dead_after(mut self, deliveries: u32) -> Self {
        self.object = self.object.option("dead_after", deliveries);
        self
    }

    /// Adds an item, and waits for room, in the order in which callers came: for at most this long; `None` is for ever.
    ///
    /// # Errors
    /// Refused with `Full` if there was no room in time, and with `Broken` once the queue is shut down.
    pub fn put(&self, item: T, wait: Option<Duration>) -> C::Answer<()> {
        let call = call("put", [argument(&item)]);
        self.object.ask(call, wait, false, caller::read_nothing)
    }

    /// Adds items, all at once.
    ///
    /// # Errors
    /// As of [`put`](Queue::put); with `BadArguments` if there can never be room for so many.
    pub fn put_many(
        &self,
        items: impl IntoIterator<Item = T>,
        wait: Option<Duration>,
    ) -> C::Answer<()> {
        let items: Vec<T> = items.into_iter().collect();
        let call = call("put_many", [list(&items)]);
        self.object.ask(call, wait, false, caller::read_nothing)
    }

    /// Removes the next item and returns it; waits for one.
    ///
    /// # Errors
    /// Refused with `Empty` if none came in time, and with `Broken` once the queue is shut down and empty.
    ///
    /// # Cancel safety
    /// Dropped before its end it removes nothing: an item that was on its way is at its place again.
    pub fn get(&self, wait: Option<Duration>) -> C::Answer<T> {
        self.object.ask(call("get", []), wait, false, caller::read)
    }

    /// Removes the next items and returns them: at least one, which it waits for, and at most so many or about 1 MiB.
    ///
    /// # Errors
    /// As of [`get`](Queue::get).
    ///
    /// # Cancel safety
    /// As of [`get`](Queue::get).
    pub fn get_many(&self, n: u32, wait: Option<Duration>) -> C::Answer<Vec<T>> {
        let call = call("get_many", [Ok(n.into())]);
        self.object.ask(call, wait, false, caller::read)
    }

    /// Takes the next item: it is done once it is acknowledged, and comes back to its place if that never happens.
    pub fn take(&self) -> Take<T, C> {
        Take::new(self.object.clone())
    }

    /// The next items, which stay where they are.
    pub fn peek(&self, n: u32) -> C::Answer<Vec<T>> {
        self.object.reads(call("peek", [Ok(n.into())]))
    }

    /// How many items can be got.
    pub fn len(&self) -> C::Answer<u64> {
        self.object.reads(call("len", []))
    }

    /// Is there no room?
    pub fn full(&self) -> C::Answer<bool> {
        self.object.reads(call("full", []))
    }

    /// How many items were put and are not done.
    pub fn unfinished(&self) -> C::Answer<u64> {
        self.object.reads(call("unfinished", []))
    }

    /// Says that so many items that were got are done. What is acknowledged is done without it.
    ///
    /// # Errors
    /// Refused with `OutOfBounds` if fewer were got.
    pub fn task_done(&self, n: u32) -> C::Answer<()> {
        let call = call("task_done", [Ok(n.into())]);
        self.object.ask(call, None, false, caller::read_nothing)
    }

    /// Waits until everything that was put is done.
    ///
    /// # Errors
    /// Refused with `DeadlineExceeded` if that took too long.
    pub fn join(&self, wait: Option<Duration>) -> C::Answer<()> {
        self.object
            .ask(call("join", []), wait, false, caller::read_nothing)
    }

    /// Lets nothing more be put; `immediate` also empties it.
    pub fn shutdown(&self, immediate: bool) -> C::Answer<()> {
        let call = call("shutdown", [Ok(immediate.into())]);
        self.object.ask(call, None, false, caller::read_nothing)
    }

    /// Removes the items that wait to be got.
    pub fn clear(&self) -> C::Answer<()> {
        self.object
            .ask(call("clear", []), None, false, caller::read_nothing)
    }

    /// The oldest dead letters, at most so many.
    pub fn dead(&self, limit: u32) -> C::Answer<Vec<Dead<T>>> {
        self.object.reads(call("dead", [Ok(limit.into())]))
    }

    /// Puts the oldest dead letters back to their places, as if they had never been delivered; `None` is all. Tells how
    /// many.
    pub fn redrive(&self, n: Option<u32>) -> C::Answer<u64> {
        self.object.writes(Ok(some("redrive", n)))
    }

    /// Deletes the oldest dead letters; `None` is all. Tells how many.
    pub fn discard(&self, n: Option<u32>) -> C::Answer<u64> {
        self.object.writes(Ok(some("discard", n)))
    }
}

/// A call about the oldest of all, or about all.
fn some(method: &str, n: Option<u32>) -> Call {
    let call = Call::new(method, []);
    match n {
        Some(n) => call.with("n", n),
        None => call,
    }
}

impl<T, C: Clone> Clone for Queue<T, C> {
    fn clone(&self) -> Self {
        Queue {
            object: self.object.clone(),
            types: PhantomData,
        }
    }
}

impl<T, C> fmt::Debug for Queue<T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue")
            .field("object", &self.object)
            .finish()
    }
}
