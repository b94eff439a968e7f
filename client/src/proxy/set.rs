//! `set`: members, each once.

use super::creation_options;
use super::dict::{call, list};
use super::scan::Scan;
use crate::caller::{self, Caller, argument};
use crate::object::Object;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::borrow::Borrow;
use std::fmt;
use std::marker::PhantomData;

/// A shared set. Members are whatever serde can write and read and Python can hash; they keep the order in which they came.
pub struct Set<T, C> {
    object: Object<C>,
    types: PhantomData<fn() -> T>,
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "members are given away, as to a set: `add(1)`"
)]
impl<T, C> Set<T, C>
where
    T: Serialize + DeserializeOwned + 'static,
    C: Caller,
{
    pub(crate) fn new(client: C, name: &str) -> Set<T, C> {
        Set {
            object: Object::new(client, "set", name),
            types: PhantomData,
        }
    }

    creation_options!();

    /// Adds a member; tells whether it is new.
    pub fn add(&self, member: T) -> C::Answer<bool> {
        self.object.writes(call("add", [argument(&member)]))
    }

    /// Removes a member; tells whether it was there.
    pub fn discard<Q>(&self, member: &Q) -> C::Answer<bool>
    where
        T: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        self.object.writes(call("discard", [argument(member)]))
    }

    /// Removes a member that must be there.
    ///
    /// # Errors
    /// Refused with `NotFound` if it is not.
    pub fn remove<Q>(&self, member: &Q) -> C::Answer<()>
    where
        T: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        let call = call("remove", [argument(member)]);
        self.object.ask(call, None, false, caller::read_nothing)
    }

    /// Is it a member?
    pub fn contains<Q>(&self, member: &Q) -> C::Answer<bool>
    where
        T: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        self.object.reads(call("contains", [argument(member)]))
    }

    /// The number of members.
    pub fn len(&self) -> C::Answer<usize> {
        self.object.reads(call("len", []))
    }

    /// Removes the newest member and returns it; `None` if the set is empty.
    pub fn pop(&self) -> C::Answer<Option<T>> {
        self.object
            .ask(call("pop", []), None, false, caller::read_found)
    }

    /// Removes all members.
    pub fn clear(&self) -> C::Answer<()> {
        self.object
            .ask(call("clear", []), None, false, caller::read_nothing)
    }

    /// All of it as a set, as it was at one moment. Refused for a very large one: use [`scan`](Set::scan).
    pub fn copy<S: DeserializeOwned + 'static>(&self) -> C::Answer<S> {
        self.object.reads(call("copy", []))
    }

    /// All members as they were at one moment, oldest first. Refused for a very large set: use [`scan`](Set::scan).
    pub fn items(&self) -> C::Answer<Vec<T>> {
        self.object.reads(call("items", []))
    }

    /// Walks over the members a page at a time. A member that is there all the while is met exactly once.
    pub fn scan(&self) -> Scan<T, C> {
        Scan::new(self.object.clone())
    }

    /// Adds members, in one change.
    pub fn update<'a>(&self, members: impl IntoIterator<Item = &'a T>) -> C::Answer<()> {
        let call = call("update", [list(members)]);
        self.object.ask(call, None, false, caller::read_nothing)
    }

    /// Adds members, in one change, and returns how many are new.
    pub fn add_many<'a>(&self, members: impl IntoIterator<Item = &'a T>) -> C::Answer<usize> {
        self.object.writes(call("add_many", [list(members)]))
    }

    /// Removes members, in one change.
    pub fn difference_update<'a>(&self, members: impl IntoIterator<Item = &'a T>) -> C::Answer<()> {
        let call = call("difference_update", [list(members)]);
        self.object.ask(call, None, false, caller::read_nothing)
    }

    /// Removes members, in one change, and returns how many were there.
    pub fn discard_many<'a>(&self, members: impl IntoIterator<Item = &'a T>) -> C::Answer<usize> {
        self.object.writes(call("discard_many", [list(members)]))
    }

    /// Removes all members that are not given, in one change.
    pub fn intersection_update<'a>(
        &self,
        members: impl IntoIterator<Item = &'a T>,
    ) -> C::Answer<()> {
        let call = call("intersection_update", [list(members)]);
        self.object.ask(call, None, false, caller::read_nothing)
    }

    /// Those of the given members that are there.
    pub fn intersection<'a>(&self, members: impl IntoIterator<Item = &'a T>) -> C::Answer<Vec<T>> {
        self.object.reads(call("intersection", [list(members)]))
    }

    /// Its members and the given ones.
    pub fn union<'a>(&self, members: impl IntoIterator<Item = &'a T>) -> C::Answer<Vec<T>> {
        self.object.reads(call("union", [list(members)]))
    }

    /// Its members that are not given.
    pub fn difference<'a>(&self, members: impl IntoIterator<Item = &'a T>) -> C::Answer<Vec<T>> {
        self.object.reads(call("difference", [list(members)]))
    }

    /// Are all given members there?
    pub fn is_superset<'a>(&self, members: impl IntoIterator<Item = &'a T>) -> C::Answer<bool> {
        self.object.reads(call("issuperset", [list(members)]))
    }

    /// Are all its members given?
    pub fn is_subset<'a>(&self, members: impl IntoIterator<Item = &'a T>) -> C::Answer<bool> {
        self.object.reads(call("issubset", [list(members)]))
    }

    /// Is no given member there?
    pub fn is_disjoint<'a>(&self, members: impl IntoIterator<Item = &'a T>) -> C::Answer<bool> {
        self.object.reads(call("isdisjoint", [list(members)]))
    }
}

impl<T, C: Clone> Clone for Set<T, C> {
    fn clone(&self) -> Self {
        Set {
            object: self.object.clone(),
            types: PhantomData,
        }
    }
}

impl<T, C> fmt::Debug for Set<T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.object.fmt(f)
    }
}
