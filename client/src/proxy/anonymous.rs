//! Objects without names: making them, and following references to them.

use super::{
    Array, Barrier, Condition, Counter, Dict, Event, Latch, List, Lock, Namespace, Queue, RwLock,
    Semaphore, Set, Shared,
};
use crate::caller::{Caller, Request};
use crate::error::Result;
use crate::holdings;
use crate::object::Object;
use commonhold_proto::{Code, Oid, Refusal, Value};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;

/// Chooses the kind of an object without a name: `ch.anonymous().list::<i64>()`.
#[derive(Clone, Debug)]
pub struct Anonymous<C> {
    client: C,
}

/// A proxy that is yet to have an object: a [new](Draft::create) one, or one that a [reference](Draft::of) points to.
#[must_use = "a draft is no object: create one, or follow a reference"]
pub struct Draft<P, C> {
    blank: P,
    object: fn(&P) -> &Object<C>,
    over: fn(P, Object<C>) -> P,
}

/// Methods that make drafts of kinds whose proxies need no types.
macro_rules! drafts {
    ($($(#[$doc:meta])* $name:ident($($argument:ident: $type:ty),*) -> $proxy:ident: $make:expr;)*) => {
        impl<C: Caller> Anonymous<C> {
            $($(#[$doc])*
            pub fn $name(self $(, $argument: $type)*) -> Draft<$proxy<C>, C> {
                Draft { blank: $make(self.client, "" $(, $argument)*), object: $proxy::object, over: $proxy::over }
            })*
        }
    };
}

drafts! {
    /// A counter.
    counter() -> Counter: Counter::new;
    /// A barrier for so many parties.
    barrier(parties: u32) -> Barrier: Barrier::new;
    /// A condition.
    condition() -> Condition: Condition::new;
    /// An event.
    event() -> Event: Event::new;
    /// A latch that counts down from so many.
    latch(count: u32) -> Latch: Latch::new;
    /// A lock.
    lock() -> Lock: Lock::new;
    /// A lock that its holder may take again.
    rlock() -> Lock: Lock::reentrant;
    /// A lock for many readers or one writer.
    rwlock() -> RwLock: RwLock::new;
    /// A namespace.
    namespace() -> Namespace: Namespace::new;
    /// A semaphore with so many permits.
    semaphore(permits: u32) -> Semaphore: |client, name, permits| Semaphore::new(client, "semaphore", name, permits);
    /// A bounded semaphore with so many permits.
    bounded_semaphore(permits: u32) -> Semaphore:
        |client, name, permits| Semaphore::new(client, "bounded_semaphore", name, permits);
}

/// Methods that make drafts of kinds whose proxies have a type.
macro_rules! typed_drafts {
    ($($(#[$doc:meta])* $name:ident($($argument:ident: $type:ty),*) -> $proxy:ident;)*) => {
        impl<C: Caller> Anonymous<C> {
            $($(#[$doc])*
            pub fn $name<T>(self $(, $argument: $type)*) -> Draft<$proxy<T, C>, C>
            where
                T: Serialize + DeserializeOwned + 'static,
            {
                let blank = $proxy::new(self.client, "" $(, $argument)*);
                Draft { blank, object: $proxy::object, over: $proxy::over }
            })*
        }
    };
}

typed_drafts! {
    /// A list.
    list() -> List;
    /// A queue.
    queue() -> Queue;
    /// A set.
    set() -> Set;
    /// A value.
    value() -> Shared;
    /// An array of this typecode.
    array(typecode: &str) -> Array;
}

impl<C: Caller> Anonymous<C> {
    pub(crate) fn new(client: C) -> Anonymous<C> {
        Anonymous { client }
    }

    /// A dict.
    pub fn dict<K, V>(self) -> Draft<Dict<K, V, C>, C>
    where
        K: Serialize + DeserializeOwned + 'static,
        V: Serialize + DeserializeOwned + 'static,
    {
        Draft {
            blank: Dict::new(self.client, ""),
            object: Dict::object,
            over: Dict::over,
        }
    }

    /// An object of any kind.
    pub fn object(self, kind: &str) -> Draft<Object<C>, C> {
        Draft {
            blank: Object::new(self.client, kind, ""),
            object: |object| object,
            over: |_, object| object,
        }
    }
}

impl<P: Send + 'static, C: Caller> Draft<P, C> {
    /// Gives creation options: `.with(|list| list.durability(Durability::Durable))`. It is in memory unless told otherwise.
    pub fn with(mut self, change: impl FnOnce(P) -> P) -> Draft<P, C> {
        self.blank = change(self.blank);
        self
    }

    /// As [`with`](Draft::with), of options that may be no values: `.try_with(|value| value.initial(5))?`.
    ///
    /// # Errors
    /// Those of `change`.
    pub fn try_with(mut self, change: impl FnOnce(P) -> Result<P>) -> Result<Draft<P, C>> {
        self.blank = change(self.blank)?;
        Ok(self)
    }

    /// Makes a new object. It lives as long as there are proxies of it, or references in other objects.
    ///
    /// # Cancel safety
    /// Dropped before its end, it leaves no object behind.
    pub fn create(self) -> C::Answer<P> {
        let object = (self.object)(&self.blank);
        let client = object.client().clone();
        let call = object.opening();
        let maker = client.clone();
        let make = move |reply: commonhold_proto::Reply| {
            let object = Object::of_reference(maker, &reply.result?)?;
            Ok((self.over)(self.blank, object))
        };
        client.ask(Request::making(holdings::server(), call, make))
    }

    /// A proxy of the object that a reference points to: see [`Client::forget`](crate::Client::forget). Makes no call.
    ///
    /// # Errors
    /// `WrongKind` if it points to another kind, an error if it is no reference.
    pub fn of(self, reference: &Value) -> Result<P> {
        let blank = (self.object)(&self.blank);
        if let Value::Reference(to) = reference
            && to.kind != blank.kind()
        {
            let message = format!("{} is no {}", reference.repr(), blank.kind());
            return Err(Refusal::new(Code::WrongKind, message).into());
        }
        let object = Object::of_reference(blank.client().clone(), reference)?;
        Ok((self.over)(self.blank, object))
    }

    /// A proxy of the object of this identity, which somebody [pinned](Object::pin) and told. It keeps nothing: the pin
    /// does, until a reference is stored. Makes no call.
    pub fn at(self, oid: Oid) -> P {
        let blank = (self.object)(&self.blank);
        let object = Object::at(blank.client().clone(), blank.kind(), oid);
        (self.over)(self.blank, object)
    }
}

impl<P, C> fmt::Debug for Draft<P, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (self.object)(&self.blank).fmt(f)
    }
}
