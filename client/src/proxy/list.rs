//! `list`: values by index.

use super::creation_options;
use super::dict::{call, list};
use super::increment::Increment;
use super::scan::Scan;
use super::slice::Slice;
use crate::caller::{self, Caller, argument};
use crate::object::Object;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::marker::PhantomData;

/// A shared list. Items are whatever serde can write and read; a negative index counts from the end.
pub struct List<T, C> {
    object: Object<C>,
    types: PhantomData<fn() -> T>,
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "values are given away, as to a vector: `append(1)`"
)]
impl<T, C> List<T, C>
where
    T: Serialize + DeserializeOwned + 'static,
    C: Caller,
{
    pub(crate) fn new(client: C, name: &str) -> List<T, C> {
        List {
            object: Object::new(client, "list", name),
            types: PhantomData,
        }
    }

    creation_options!();

    /// The item at an index.
    pub fn get(&self, index: i64) -> C::Answer<Option<T>> {
        let call = call("get", [Ok(index.into())]);
        self.object.ask(call, None, true, caller::read_found)
    }

    /// Replaces the item at an index.
    ///
    /// # Errors
    /// Refused with `NotFound` if there is none.
    pub fn set(&self, index: i64, value: T) -> C::Answer<()> {
        let call = call("set", [Ok(index.into()), argument(&value)]);
        self.object.ask(call, None, false, caller::read_nothing)
    }

    /// Deletes the item at an index; tells whether it was there.
    pub fn delete(&self, index: i64) -> C::Answer<bool> {
        let call = call("delete", [Ok(index.into())]);
        self.object.ask(call, None, false, caller::read_was_there)
    }

    /// Adds to the number at an index and gives the new one.
    ///
    /// # Errors
    /// Refused with `NotFound` if there is none, with `WrongType` if it is no number.
    pub fn increment(&self, index: i64, by: T) -> Increment<T, C> {
        let call = call("increment", [Ok(index.into()), argument(&by)]);
        Increment::new(self.object.clone(), call)
    }

    /// Replaces the item at an index if it equals `expected`. Tells whether it did.
    pub fn compare_and_set(&self, index: i64, expected: &T, value: T) -> C::Answer<bool> {
        let arguments = [Ok(index.into()), argument(expected), argument(&value)];
        self.object.writes(call("compare_and_set", arguments))
    }

    /// The items of a slice: `get_slice(1..3)`, `get_slice(Slice::all().step(-1))`.
    pub fn get_slice(&self, slice: impl Into<Slice>) -> C::Answer<Vec<T>> {
        self.object.reads(slice.into().of(call("get_slice", [])))
    }

    /// Replaces the items of a slice; with a step other than 1 by as many.
    pub fn set_slice<'a>(
        &self,
        slice: impl Into<Slice>,
        values: impl IntoIterator<Item = &'a T>,
    ) -> C::Answer<()> {
        let call = slice.into().of(call("set_slice", [list(values)]));
        self.object.ask(call, None, false, caller::read_nothing)
    }

    /// Deletes the items of a slice.
    pub fn delete_slice(&self, slice: impl Into<Slice>) -> C::Answer<()> {
        let call = slice.into().of(call("delete_slice", []));
        self.object.ask(call, None, false, caller::read_nothing)
    }

    /// Adds an item at the end.
    pub fn append(&self, value: T) -> C::Answer<()> {
        let call = call("append", [argument(&value)]);
        self.object.ask(call, None, false, caller::read_nothing)
    }

    /// Adds items at the end, in one change.
    pub fn extend<'a>(&self, values: impl IntoIterator<Item = &'a T>) -> C::Answer<()> {
        let call = call("extend", [list(values)]);
        self.object.ask(call, None, false, caller::read_nothing)
    }

    /// Adds an item before an index, which is moved into the list if it is beyond.
    pub fn insert(&self, index: i64, value: T) -> C::Answer<()> {
        let call = call("insert", [Ok(index.into()), argument(&value)]);
        self.object.ask(call, None, false, caller::read_nothing)
    }

    /// Deletes the last item and returns it; `None` if the list is empty.
    pub fn pop(&self) -> C::Answer<Option<T>> {
        self.object
            .ask(call("pop", []), None, false, caller::read_found)
    }

    /// Deletes the item at an index and returns it.
    pub fn pop_at(&self, index: i64) -> C::Answer<Option<T>> {
        let call = call("pop", [Ok(index.into())]);
        self.object.ask(call, None, false, caller::read_found)
    }

    /// Deletes the first item that equals this one; tells whether there was one.
    pub fn remove(&self, value: &T) -> C::Answer<bool> {
        let call = call("remove", [argument(value)]);
        self.object.ask(call, None, false, caller::read_was_there)
    }

    /// The index of the first item that equals this one.
    pub fn index(&self, value: &T) -> C::Answer<Option<usize>> {
        self.index_within(value, Slice::all())
    }

    /// The index of the first item of a range that equals this one. It counts from the list's start; a range has no step.
    pub fn index_within(&self, value: &T, range: impl Into<Slice>) -> C::Answer<Option<usize>> {
        let call = range.into().of(call("index", [argument(value)]));
        self.object.ask(call, None, true, caller::read_found)
    }

    /// How many items equal this one.
    pub fn count(&self, value: &T) -> C::Answer<usize> {
        self.object.reads(call("count", [argument(value)]))
    }

    /// Does an item equal this one?
    pub fn contains(&self, value: &T) -> C::Answer<bool> {
        self.object.reads(call("contains", [argument(value)]))
    }

    /// The number of items.
    pub fn len(&self) -> C::Answer<usize> {
        self.object.reads(call("len", []))
    }

    /// Reverses the order; it writes every item.
    pub fn reverse(&self) -> C::Answer<()> {
        self.object
            .ask(call("reverse", []), None, false, caller::read_nothing)
    }

    /// Sorts, equal items in the order in which they are; it writes every item that moves.
    ///
    /// # Errors
    /// Refused with `WrongType` if two items have no order. By another order: see [`reorder`](List::reorder).
    pub fn sort(&self) -> C::Answer<()> {
        self.object
            .ask(call("sort", []), None, false, caller::read_nothing)
    }

    /// As [`sort`](List::sort), the greatest first.
    pub fn sort_reversed(&self) -> C::Answer<()> {
        let call = call("sort", [Ok(true.into())]);
        self.object.ask(call, None, false, caller::read_nothing)
    }

    /// Puts the items at the front into another order if they equal the expected ones: `order` says which of those comes
    /// first, second and so on. Tells whether they did. What is behind them stays.
    pub fn reorder(&self, order: &[usize], expected: &[T]) -> C::Answer<bool> {
        let call = call("reorder", [list(order), list(expected)]);
        self.object.writes(call)
    }

    /// Deletes all items.
    pub fn clear(&self) -> C::Answer<()> {
        self.object
            .ask(call("clear", []), None, false, caller::read_nothing)
    }

    /// All items as they were at one moment. Refused for a very large list: use [`scan`](List::scan).
    pub fn copy(&self) -> C::Answer<Vec<T>> {
        self.object.reads(call("copy", []))
    }

    /// Walks over the items a page at a time. An item that stays in its place is met exactly once.
    pub fn scan(&self) -> Scan<T, C> {
        Scan::new(self.object.clone())
    }
}

impl<T, C: Clone> Clone for List<T, C> {
    fn clone(&self) -> Self {
        List {
            object: self.object.clone(),
            types: PhantomData,
        }
    }
}

impl<T, C> fmt::Debug for List<T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.object.fmt(f)
    }
}
