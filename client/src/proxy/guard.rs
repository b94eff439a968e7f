//! A guard: a lock that is held, until the guard is dropped.

use super::dict::call;
use super::held::Held;
use crate::caller::{self, Caller};
use crate::error::{Error, Result};
use crate::object::Object;
use crate::{Answer, Client, blocking};
use commonhold_proto::{Call, Code, Fence, Oid, Reply, Revision, Value};
use serde::Deserialize;
use std::fmt;
use std::pin::Pin;
use std::time::Duration;

/// A lock that is held. Dropped, it is given back, as soon as the connection allows.
///
/// A guard may outlive what it stands for: the lock is lost if its client is taken for dead, if its time runs out, or if
/// somebody frees it. [`is_lost`](Guard::is_lost) and [`lost`](Guard::lost) tell; what must not be written by a holder that
/// was superseded is written [fenced](Object::fenced) by the guard.
pub struct Guard<C: Caller> {
    object: Object<C>,
    /// `None` once it was given back, or while it waits for a condition.
    held: Option<Held>,
    granted: Granted,
}

/// How a hold ended that was not given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PreviousEnd {
    /// Its client died, or was taken for dead.
    Died,
    /// It was held for longer than its lease.
    Expired,
    /// Somebody else freed it.
    Forced,
    /// In a way that only newer clients know.
    Other,
}

impl fmt::Display for PreviousEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PreviousEnd::Died => "its client died",
            PreviousEnd::Expired => "it held the lock for too long",
            PreviousEnd::Forced => "somebody else freed the lock",
            PreviousEnd::Other => "it did not give the lock back",
        })
    }
}

/// What the server says of a grant.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Granted {
    token: u64,
    lock: u64,
    previous_owner_died: bool,
    previous_note: Option<String>,
    /// Servers that do not know it tell of any end as of a death.
    #[serde(default)]
    previous_end: Option<String>,
    /// Of a wait for a condition.
    #[serde(default)]
    notified: bool,
}

impl Granted {
    fn fence(&self) -> Fence {
        Fence {
            lock: Oid(self.lock),
            token: Revision(self.token),
        }
    }
}

impl<C: Caller> Guard<C> {
    pub(super) fn new(object: &Object<C>, granted: Granted) -> Guard<C> {
        Guard {
            held: Some(Held::new(object.client(), granted.fence())),
            // Never again by name: that may be another lock by then.
            object: object.pinned(),
            granted,
        }
    }

    /// The number of this grant: above that of every grant of this lock before it.
    pub fn token(&self) -> Revision {
        Revision(self.granted.token)
    }

    /// How the holder before this one ended, if it did not give the lock back: what the lock guards may be half done,
    /// whichever it is.
    pub fn previous_end(&self) -> Option<PreviousEnd> {
        match self.granted.previous_end.as_deref() {
            None => self.previous_owner_died().then_some(PreviousEnd::Died),
            Some("died") => Some(PreviousEnd::Died),
            Some("expired") => Some(PreviousEnd::Expired),
            Some("forced") => Some(PreviousEnd::Forced),
            Some(_) => Some(PreviousEnd::Other),
        }
    }

    /// Did the client die that held the lock before? Of [every end](Guard::previous_end), that one.
    pub fn previous_owner_died(&self) -> bool {
        self.granted.previous_owner_died
    }

    /// The note that a holder left which did not give the lock back.
    pub fn previous_note(&self) -> Option<&str> {
        self.granted.previous_note.as_deref()
    }

    /// What a write names to be carried out only while this grant holds.
    pub fn fence(&self) -> Fence {
        self.granted.fence()
    }

    /// Was it lost, as far as is known now? A client with a heartbeat also says so once the server has not answered it for
    /// so long that the lock may have gone to another.
    ///
    /// A process may stand still between this answer and what it does on it, for however long: only a
    /// [fence](Object::fenced) keeps it from writing then.
    pub fn is_lost(&self) -> bool {
        self.held.as_ref().is_none_or(Held::is_lost)
    }

    /// Leaves a note that others see while the lock is held, and the next holder if this one dies.
    pub fn note(&self, text: &str) -> C::Answer<()> {
        let call = Call::new("note", [text.into()]).with("token", self.granted.token);
        self.object.ask(Ok(call), None, false, caller::read_nothing)
    }

    /// Lets the lock be held for so much longer from now; `None` for as long as the client lives.
    ///
    /// # Errors
    /// Refused with `LockLost` if it was lost meanwhile.
    pub fn extend(&self, lease: Option<Duration>) -> C::Answer<()> {
        let lease = lease.map_or(Value::Null, |lease| lease.as_secs_f64().into());
        let call = Call::new("extend", [lease]).with("token", self.granted.token);
        self.object.ask(Ok(call), None, false, caller::read_nothing)
    }

    /// Gives the lock back and tells how that went; dropping the guard tells nothing.
    ///
    /// # Errors
    /// Refused with `LockLost` if it was lost before: what was done under it may have met what another did.
    ///
    /// # Cancel safety
    /// The lock is given back even if the answer is not awaited.
    pub fn release(mut self) -> C::Answer<()> {
        self.held = None;
        self.object.client().ask(self.giving_back())
    }

    fn giving_back(&self) -> caller::Request<()> {
        let call = release_of(self.granted.token);
        self.object
            .request(Ok(call), None, false, caller::read_nothing)
            .kept()
    }

    /// Whoever calls as this one calls as the holder.
    pub(super) fn as_holder(&self, object: &Object<C>) -> Object<C> {
        object.called_as(&self.object)
    }

    /// It is given up, to be taken again under another token.
    pub(super) fn give_up(&mut self) {
        self.held = None;
    }

    /// A wait has ended: it is held again, unless the wait was lost or nobody knows.
    pub(super) fn woken(&mut self, result: Result<Granted>) -> Result<bool> {
        if let Ok(granted) = &result {
            self.granted = granted.clone();
        }
        let refused = |error: &Error| error.code().is_some_and(|code| code != Code::LockLost);
        if result.as_ref().map_or_else(refused, |_| true) {
            self.held = Some(Held::new(self.object.client(), self.fence()));
        }
        result.map(|granted| granted.notified)
    }
}

impl Guard<Client> {
    /// Ends when the lock is lost, or may have gone to another for all that is known.
    ///
    /// # Cancel safety
    /// May be dropped at any time.
    pub async fn lost(&self) {
        if let Some(held) = &self.held {
            held.lost().await;
        }
    }
}

impl<C: Caller> Drop for Guard<C> {
    fn drop(&mut self) {
        if self.held.take().is_some() {
            self.object.client().tell(self.giving_back());
        }
    }
}

impl<C: Caller> From<&Guard<C>> for Fence {
    fn from(guard: &Guard<C>) -> Fence {
        guard.fence()
    }
}

impl<C: Caller> fmt::Debug for Guard<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard")
            .field("lock", &self.object.name())
            .field("token", &self.granted.token)
            .finish_non_exhaustive()
    }
}

/// The call that gives a grant back.
fn release_of(token: u64) -> Call {
    Call::new("release", []).with("token", token)
}

/// The call that takes back what nobody heard was granted.
pub(super) fn undo(granted: &Value) -> Option<Call> {
    let Value::Dict(pairs) = granted else {
        return None;
    };
    let (_, token) = pairs
        .iter()
        .find(|(key, _)| key.as_text() == Some("token"))?;
    Some(release_of(u64::try_from(token.as_int()?).ok()?))
}

/// A lock that is yet to be taken: await it, or `call()` it.
#[must_use = "it does nothing until it is awaited or called"]
#[derive(Debug)]
pub struct LockAcquire<C: Caller> {
    object: Object<C>,
    call: Call,
    wait: Option<Duration>,
}

impl<C: Caller> LockAcquire<C> {
    pub(super) fn new(object: Object<C>, method: &'static str) -> LockAcquire<C> {
        LockAcquire {
            object,
            call: Call::new(method, []),
            wait: None,
        }
    }

    /// Waits for at most this long; otherwise for ever. Zero does not wait.
    ///
    /// A wait in vain is refused with `DeadlineExceeded`, and the message says who holds it.
    pub fn wait(mut self, wait: Duration) -> LockAcquire<C> {
        self.wait = Some(wait);
        self
    }

    /// Lets the lock be lost after this long unless it is [extended](Guard::extend); otherwise it is held for as long as
    /// the client lives.
    pub fn lease(mut self, lease: Duration) -> LockAcquire<C> {
        self.call = self.call.with("lease", lease.as_secs_f64());
        self
    }

    /// Leaves a note from the start.
    pub fn note(mut self, text: &str) -> LockAcquire<C> {
        self.call = self.call.with("note", text);
        self
    }

    fn make(self) -> C::Answer<Granted> {
        let LockAcquire { object, call, wait } = self;
        let request = object.request(Ok(call), wait, false, caller::read::<Granted>);
        object.client().ask(request.taken_back_by(undo))
    }
}

impl LockAcquire<blocking::Client> {
    /// Takes the lock.
    pub fn call(self) -> Result<Guard<blocking::Client>> {
        let object = self.object.clone();
        Ok(Guard::new(&object, self.make()?))
    }
}

impl IntoFuture for LockAcquire<Client> {
    type Output = Result<Guard<Client>>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<Guard<Client>>> + Send>>;

    /// # Cancel safety
    /// Dropped before its end, the call leaves the line; a lock that was granted meanwhile is given back.
    fn into_future(self) -> Self::IntoFuture {
        let object = self.object.clone();
        let granted: Answer<Granted> = self.make();
        Box::pin(async move { Ok(Guard::new(&object, granted.await?)) })
    }
}

/// A wait for a condition, as [`call`] makes it.
pub(super) fn waiting<C: Caller>(
    object: &Object<C>,
    timeout: Option<Duration>,
) -> C::Answer<Granted> {
    let read: fn(Reply) -> Result<Granted> = caller::read;
    let request = object.request(call("wait", []), timeout, false, read);
    object.client().ask(request.taken_back_by(undo))
}
