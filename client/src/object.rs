//! An object by its name: what every proxy stands on.

use crate::caller::{self, Caller, Request};
use crate::error::{Error, Happened, Result};
use crate::handle::{Handle, Hold};
use crate::holdings;
use commonhold_proto::{
    Call, Durability, Fence, Oid, Open, OpenOptions, Owner, Reference, Reply, Value,
};
use serde::de::DeserializeOwned;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Any object, of a kind that this client need not know. The typed proxies stand on it.
///
/// Making one makes no call. A read of an object that does not exist sees an empty one; the first write creates it.
#[derive(Clone)]
pub struct Object<C> {
    client: C,
    handle: Arc<Handle>,
    /// As whom it is called; otherwise as the client chooses.
    owner: Option<Owner>,
    /// The grant without which its calls are refused.
    fence: Option<Fence>,
}

impl<C: Caller> Object<C> {
    pub(crate) fn new(client: C, kind: &str, name: &str) -> Object<C> {
        Object::of(client, open(kind, name))
    }

    fn of(client: C, open: Open) -> Object<C> {
        Object::with(client, Handle::of(open))
    }

    fn with(client: C, handle: Handle) -> Object<C> {
        Object {
            client,
            handle: Arc::new(handle),
            owner: None,
            fence: None,
        }
    }

    /// The object of an identity that somebody told, of this kind: see [`pin`](Object::pin).
    pub(crate) fn at(client: C, kind: &str, oid: Oid) -> Object<C> {
        Object::with(client, Handle::identified(open(kind, ""), oid, None))
    }

    /// The object that a reference points to. Of an anonymous one that a reply brought it takes over what the reply holds.
    pub(crate) fn of_reference(client: C, reference: &Value) -> Result<Object<C>> {
        let Value::Reference(reference) = reference else {
            let reason = format!("a reference was expected, not {}", reference.type_name());
            return Err(Error::Value {
                reason,
                happened: Happened::No,
            });
        };
        let Reference { kind, name, oid } = &**reference;
        let hold = holdings::is_anonymous(reference).then(|| Hold::new(&client, *oid));
        let handle = Handle::identified(open(kind, name), *oid, hold);
        Ok(Object::with(client, handle))
    }

    fn reopened(self, change: impl FnOnce(&mut OpenOptions)) -> Object<C> {
        // An anonymous object is never made by a call of its own: there is nothing left to choose.
        if self.handle.is_pinned() {
            return self;
        }
        let mut open = self.handle.open().clone();
        change(&mut open.options);
        Object {
            owner: self.owner,
            fence: self.fence,
            ..Object::of(self.client, open)
        }
    }

    /// Asks for a durability; if the object exists, it must have it.
    #[must_use]
    pub fn durability(self, durability: Durability) -> Object<C> {
        self.reopened(|options| options.durability = Some(durability))
    }

    /// Insists that the object exists, or that it does not.
    #[must_use]
    pub fn exists(self, exists: bool) -> Object<C> {
        self.reopened(|options| options.exists = Some(exists))
    }

    /// The call of the server that opens it.
    pub(crate) fn opening(&self) -> Call {
        let OpenOptions {
            durability,
            exists,
            options,
        } = &self.handle.open().options;
        let options = options.iter().map(|(k, v)| (k.as_str().into(), v.clone()));
        let mut call = Call::new("open", [self.kind().into(), self.name().into()])
            .with("options", Value::Dict(options.collect()));
        if let Some(durability) = durability {
            call = call.with("durability", durability.name());
        }
        if let Some(exists) = exists {
            call = call.with("exists", *exists);
        }
        call
    }

    /// Adds a creation option of the kind.
    #[must_use]
    pub fn option(self, name: impl Into<String>, value: impl Into<Value>) -> Object<C> {
        self.reopened(|options| options.options.push((name.into(), value.into())))
    }

    /// The same object, called as this owner: see [`Caller::owner`].
    #[must_use]
    pub fn owned_by(&self, owner: Owner) -> Object<C> {
        Object {
            owner: Some(owner),
            ..self.clone()
        }
    }

    pub(crate) fn owned(self, owner: Option<Owner>) -> Object<C> {
        Object { owner, ..self }
    }

    /// The same object, called as whoever calls `other`.
    pub(crate) fn called_as(&self, other: &Object<C>) -> Object<C> {
        self.clone().owned(other.owner)
    }

    /// The same object, whose calls are refused with `FencedOut` unless this grant of a lock holds: nothing is written by
    /// a holder that was superseded. Such calls do not wait.
    #[must_use]
    pub fn fenced(&self, fence: impl Into<Fence>) -> Object<C> {
        Object {
            fence: Some(fence.into()),
            ..self.clone()
        }
    }

    /// The very object that was reached by the last call, even if it is deleted and its name given to another.
    pub(crate) fn pinned(&self) -> Object<C> {
        Object {
            handle: Arc::new(self.handle.pinned()),
            ..self.clone()
        }
    }

    /// Its kind.
    pub fn kind(&self) -> &str {
        &self.handle.open().kind
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.handle.open().name
    }

    /// Its identity, if it is known: that of an anonymous object always is, that of a named one after a call.
    pub fn oid(&self) -> Option<Oid> {
        self.handle.oid()
    }

    /// A reference to it, to be stored in other objects.
    ///
    /// It keeps nothing by itself: of an anonymous object keep the proxy until what stores the reference has returned.
    pub fn reference(&self) -> Value {
        Value::Reference(Box::new(Reference {
            kind: self.kind().to_owned(),
            name: self.name().to_owned(),
            oid: self.oid().unwrap_or(Oid(0)),
        }))
    }

    /// Keeps an anonymous object for so long, rounded up to seconds, although nothing may refer to it: until another
    /// process, told its [identity](Object::oid), has stored a reference to it.
    ///
    /// # Errors
    /// Refused with `ObjectGone` if it is gone, with `BadArguments` for more than an hour, or if it has no known identity.
    pub fn pin(&self, time: Duration) -> C::Answer<()> {
        let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
        let oid = self.oid().unwrap_or(Oid(0));
        let call = Call::new("pin", [oid.0.into(), seconds.max(1).into()]);
        let request = Request::of(holdings::server(), call, None, caller::read_nothing);
        self.client.ask(request)
    }

    /// The client that calls.
    pub fn client(&self) -> &C {
        &self.client
    }

    /// Calls a method. One that waits, waits for ever.
    pub fn call(&self, call: Call) -> C::Answer<Value> {
        self.ask(Ok(call), None, false, |reply| Ok(reply.result?))
    }

    /// Calls a method that waits for this long; 0 is not at all.
    pub fn call_within(&self, call: Call, timeout: Option<Duration>) -> C::Answer<Value> {
        self.ask(Ok(call), timeout, false, |reply| Ok(reply.result?))
    }

    pub(crate) fn ask<T: 'static>(
        &self,
        call: Result<Call>,
        timeout: Option<Duration>,
        repeatable: bool,
        read: fn(Reply) -> Result<T>,
    ) -> C::Answer<T> {
        self.client
            .ask(self.request(call, timeout, repeatable, read))
    }

    /// A call that is yet to be made.
    pub(crate) fn request<T: 'static>(
        &self,
        call: Result<Call>,
        timeout: Option<Duration>,
        repeatable: bool,
        read: fn(Reply) -> Result<T>,
    ) -> Request<T> {
        Request::new(&self.handle, call, timeout, repeatable, read)
            .owned(self.owner)
            .fenced(self.fence)
    }

    /// Calls a method that changes nothing.
    pub(crate) fn reads<T: DeserializeOwned + 'static>(&self, call: Result<Call>) -> C::Answer<T> {
        self.ask(call, None, true, caller::read)
    }

    /// Calls a method that changes something.
    pub(crate) fn writes<T: DeserializeOwned + 'static>(&self, call: Result<Call>) -> C::Answer<T> {
        self.ask(call, None, false, caller::read)
    }
}

impl<C> fmt::Debug for Object<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Object")
            .field("kind", &self.handle.open().kind)
            .field("name", &self.handle.open().name)
            .finish_non_exhaustive()
    }
}

fn open(kind: &str, name: &str) -> Open {
    Open {
        kind: kind.to_owned(),
        name: name.to_owned(),
        options: OpenOptions::default(),
    }
}
