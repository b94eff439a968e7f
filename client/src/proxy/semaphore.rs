//! `semaphore` and `bounded_semaphore`: permits that are taken and given back.

use super::creation_options;
use super::dict::call;
use super::permit::Permit;
use crate::caller::{self, Caller};
use crate::error::Result;
use crate::object::Object;
use crate::{Answer, Client, blocking};
use commonhold_proto::{Call, Code, Refusal, Reply, Revision, Value};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// A shared semaphore, bounded or not.
#[derive(Clone, Debug)]
pub struct Semaphore<C> {
    object: Object<C>,
    is_owned: bool,
}

impl<C: Caller> Semaphore<C> {
    pub(crate) fn new(client: C, kind: &str, name: &str, permits: u32) -> Semaphore<C> {
        Semaphore {
            object: Object::new(client, kind, name).option("permits", permits),
            is_owned: true,
        }
    }

    creation_options!();

    /// Do permits come back when the client that holds them dies? They do unless told otherwise.
    #[must_use]
    pub fn owned(mut self, owned: bool) -> Self {
        self.object = self.object.option("owned", owned);
        self.is_owned = owned;
        self
    }

    /// Takes a permit, in the order in which callers came. How many and for how long to wait are methods of what this
    /// returns, which is then awaited or, of a blocking client, told to `call()`; by default it waits for ever.
    ///
    /// # Cancel safety
    /// Dropped, it waits no more, and a permit that was given meanwhile goes back.
    pub fn acquire(&self) -> Acquire<C> {
        Acquire {
            semaphore: self.clone(),
            permits: 1,
            wait: None,
        }
    }

    /// Gives back `n` permits that no [`Permit`] gives back: those of one that was told to [`forget`](Permit::forget). Anyone
    /// may; without any permit taken, the value of a semaphore that is not bounded rises.
    ///
    /// # Errors
    /// A bounded one is refused with `OutOfBounds` above its initial value.
    pub fn release(&self, n: u32) -> C::Answer<()> {
        let call = call("release", [Ok(n.into())]);
        self.object.ask(call, None, false, caller::read_nothing)
    }

    /// How many permits are free.
    pub fn value(&self) -> C::Answer<i64> {
        self.object.reads(call("value", []))
    }
}

/// A permit that is yet to be taken: await it, or `call()` it.
#[must_use = "it does nothing until it is awaited or called"]
#[derive(Debug)]
pub struct Acquire<C> {
    semaphore: Semaphore<C>,
    permits: u32,
    wait: Option<Duration>,
}

impl<C: Caller> Acquire<C> {
    /// Takes so many at once, at least 1.
    pub fn permits(mut self, n: u32) -> Acquire<C> {
        self.permits = n;
        self
    }

    /// Waits for at most so long; then it is refused with `DeadlineExceeded`.
    pub fn wait(mut self, timeout: Duration) -> Acquire<C> {
        self.wait = Some(timeout);
        self
    }

    /// Makes the call: `None` is told if the time was over.
    fn ask(&self) -> (C::Answer<Option<Revision>>, Taking<C>) {
        let client = self.semaphore.object.client();
        let taking = Taking {
            // Whoever holds a permit is an owner of its own, or the thread.
            object: self.semaphore.object.owned_by(client.owner()),
            permits: self.permits,
            is_owned: self.semaphore.is_owned,
        };
        let n = self.permits;
        let acquire = call("acquire", [Ok(n.into())]);
        let request = taking.object.request(acquire, self.wait, false, granted);
        let request = request.taken_back_by(move |taken| {
            (*taken == Value::Bool(true))
                .then(|| Call::new("release", [n.into()]).with("own", true))
        });
        (client.ask(request), taking)
    }

    fn late(&self) -> Refusal {
        let object = &self.semaphore.object;
        let what = match self.permits {
            1 => "a permit".to_owned(),
            n => format!("{n} permits"),
        };
        let waited = self.wait.unwrap_or_default();
        let message = format!(
            "timed out after {waited:?} waiting for {what} of {} \"{}\": wait longer, or let others release",
            object.kind(),
            object.name()
        );
        Refusal::new(Code::DeadlineExceeded, message)
    }
}

impl Acquire<blocking::Client> {
    /// Takes the permits.
    pub fn call(self) -> Result<Permit<blocking::Client>> {
        let (granted, taking) = self.ask();
        match granted? {
            Some(granted) => Ok(taking.taken(granted)),
            None => Err(self.late().into()),
        }
    }

    /// Takes the permits if they are free now, and nobody stands in line.
    pub fn now(self) -> Result<Option<Permit<blocking::Client>>> {
        let (granted, taking) = self.wait(Duration::ZERO).ask();
        Ok(granted?.map(|granted| taking.taken(granted)))
    }
}

impl Acquire<Client> {
    /// Takes the permits if they are free now, and nobody stands in line.
    ///
    /// # Cancel safety
    /// Dropped, permits that were given meanwhile go back.
    pub async fn now(self) -> Result<Option<Permit<Client>>> {
        match self.wait(Duration::ZERO).await {
            Ok(permit) => Ok(Some(permit)),
            Err(error) if error.code() == Some(Code::DeadlineExceeded) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl IntoFuture for Acquire<Client> {
    type Output = Result<Permit<Client>>;
    type IntoFuture = Acquiring;

    fn into_future(self) -> Acquiring {
        let (answer, taking) = self.ask();
        Acquiring {
            answer,
            taking,
            acquire: self,
        }
    }
}

/// Permits on their way to an async caller.
///
/// # Cancel safety
/// Dropped, it waits no more, and a permit that was given meanwhile goes back.
#[derive(Debug)]
#[must_use = "it does nothing until it is awaited"]
pub struct Acquiring {
    answer: Answer<Option<Revision>>,
    taking: Taking<Client>,
    acquire: Acquire<Client>,
}

impl Future for Acquiring {
    type Output = Result<Permit<Client>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let granted = ready!(Pin::new(&mut self.answer).poll(cx))?;
        Poll::Ready(match granted {
            Some(granted) => Ok(self.taking.taken(granted)),
            None => Err(self.acquire.late().into()),
        })
    }
}

/// What a permit is made of once it is given.
#[derive(Debug)]
struct Taking<C> {
    object: Object<C>,
    permits: u32,
    is_owned: bool,
}

impl<C: Caller> Taking<C> {
    fn taken(&self, granted: Revision) -> Permit<C> {
        Permit::new(&self.object, self.permits, granted, self.is_owned)
    }
}

/// The revision of the change that gave the permits; `None` if the time was over.
fn granted(reply: Reply) -> Result<Option<Revision>> {
    let revision = reply.revision;
    Ok(caller::read::<bool>(reply)?.then_some(revision))
}
