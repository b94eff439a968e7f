//! `array`: numbers, or characters, of one type.

use super::creation_options;
use super::dict::{call, list};
use super::increment::Increment;
use super::slice::Slice;
use crate::caller::{self, Caller, argument};
use crate::error::Result;
use crate::object::Object;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::marker::PhantomData;

/// A shared array, as Python's `array.array`. `T` is a number, or `char`; the range is the typecode's. A negative index
/// counts from the end.
pub struct Array<T, C> {
    object: Object<C>,
    types: PhantomData<fn() -> T>,
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "values are given away, as to a vector: `set(0, 1)`"
)]
impl<T, C> Array<T, C>
where
    T: Serialize + DeserializeOwned + 'static,
    C: Caller,
{
    pub(crate) fn new(client: C, name: &str, typecode: &str) -> Array<T, C> {
        Array {
            object: Object::new(client, "array", name).option("typecode", typecode),
            types: PhantomData,
        }
    }

    creation_options!();

    /// How many zeros it is created with; none unless given.
    #[must_use]
    pub fn size(mut self, elements: u32) -> Self {
        self.object = self.object.option("size", elements);
        self
    }

    /// The elements that it is created with, in place of a [`size`](Array::size).
    ///
    /// # Errors
    /// If serde makes no value of one.
    pub fn values<'a>(mut self, values: impl IntoIterator<Item = &'a T>) -> Result<Self> {
        self.object = self.object.option("values", list(values)?);
        Ok(self)
    }

    /// The element at an index.
    pub fn get(&self, index: i64) -> C::Answer<Option<T>> {
        let call = call("get", [Ok(index.into())]);
        self.object.ask(call, None, true, caller::read_found)
    }

    /// Replaces the element at an index.
    ///
    /// # Errors
    /// Refused with `NotFound` if there is none, with `OutOfBounds` beyond the typecode's range.
    pub fn set(&self, index: i64, value: T) -> C::Answer<()> {
        let call = call("set", [Ok(index.into()), argument(&value)]);
        self.object.ask(call, None, false, caller::read_nothing)
    }

    /// The elements of a slice: `get_slice(1..3)`, `get_slice(Slice::all().step(-1))`.
    pub fn get_slice(&self, slice: impl Into<Slice>) -> C::Answer<Vec<T>> {
        self.object.reads(slice.into().of(call("get_slice", [])))
    }

    /// Replaces the elements of a slice; with a step other than 1 by as many.
    pub fn set_slice<'a>(
        &self,
        slice: impl Into<Slice>,
        values: impl IntoIterator<Item = &'a T>,
    ) -> C::Answer<()> {
        let call = slice.into().of(call("set_slice", [list(values)]));
        self.object.ask(call, None, false, caller::read_nothing)
    }

    /// The number of elements.
    pub fn len(&self) -> C::Answer<usize> {
        self.object.reads(call("len", []))
    }

    /// The type of the elements, as Python's module `array` names it.
    pub fn typecode(&self) -> C::Answer<String> {
        self.object.reads(call("typecode", []))
    }

    /// All elements as they were at one moment. Refused for a very large array: use [`get_slice`](Array::get_slice).
    pub fn copy(&self) -> C::Answer<Vec<T>> {
        self.object.reads(call("copy", []))
    }

    /// The index of the first element that equals this value.
    pub fn index(&self, value: &T) -> C::Answer<Option<usize>> {
        self.index_within(value, Slice::all())
    }

    /// The index of the first element of a range that equals this value. It counts from the array's start; a range has no
    /// step.
    pub fn index_within(&self, value: &T, range: impl Into<Slice>) -> C::Answer<Option<usize>> {
        let call = range.into().of(call("index", [argument(value)]));
        self.object.ask(call, None, true, caller::read_found)
    }

    /// How many elements equal this value.
    pub fn count(&self, value: &T) -> C::Answer<usize> {
        self.object.reads(call("count", [argument(value)]))
    }

    /// Does an element equal this value?
    pub fn contains(&self, value: &T) -> C::Answer<bool> {
        self.object.reads(call("contains", [argument(value)]))
    }

    /// Adds to the element at an index and gives the new one; beyond the typecode's range it is refused with `OutOfBounds`.
    pub fn increment(&self, index: i64, by: T) -> Increment<T, C> {
        let call = call("increment", [Ok(index.into()), argument(&by)]);
        Increment::new(self.object.clone(), call)
    }

    /// Replaces the element at an index if it equals `expected`. Tells whether it did.
    pub fn compare_and_set(&self, index: i64, expected: &T, value: T) -> C::Answer<bool> {
        let arguments = [Ok(index.into()), argument(expected), argument(&value)];
        self.object.writes(call("compare_and_set", arguments))
    }
}

impl<T, C: Clone> Clone for Array<T, C> {
    fn clone(&self) -> Self {
        Array {
            object: self.object.clone(),
            types: PhantomData,
        }
    }
}

impl<T, C> fmt::Debug for Array<T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.object.fmt(f)
    }
}
