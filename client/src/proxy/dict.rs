//! `dict`: keys and values in insertion order.

use super::creation_options;
use super::increment::Increment;
use super::scan::Scan;
use crate::caller::{self, Caller, argument};
use crate::error::Result;
use crate::object::Object;
use commonhold_proto::{Call, Reply, Value};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::borrow::Borrow;
use std::fmt;
use std::marker::PhantomData;

/// A shared dict. Keys and values are whatever serde can write and read.
pub struct Dict<K, V, C> {
    object: Object<C>,
    types: PhantomData<fn() -> (K, V)>,
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "values are given away, as to a map: `set(\"x\", 1)`"
)]
impl<K, V, C> Dict<K, V, C>
where
    K: Serialize + DeserializeOwned + 'static,
    V: Serialize + DeserializeOwned + 'static,
    C: Caller,
{
    pub(crate) fn new(client: C, name: &str) -> Dict<K, V, C> {
        Dict {
            object: Object::new(client, "dict", name),
            types: PhantomData,
        }
    }

    creation_options!();

    /// The value of a key.
    pub fn get<Q>(&self, key: &Q) -> C::Answer<Option<V>>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        let call = call("get", [argument(key)]);
        self.object.ask(call, None, true, caller::read_found)
    }

    /// Sets the value of a key.
    pub fn set<Q>(&self, key: &Q, value: V) -> C::Answer<()>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        let call = call("set", [argument(key), argument(&value)]);
        self.object.ask(call, None, false, caller::read_nothing)
    }

    /// Deletes a key; tells whether it was there.
    pub fn delete<Q>(&self, key: &Q) -> C::Answer<bool>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        let call = call("delete", [argument(key)]);
        self.object.ask(call, None, false, caller::read_was_there)
    }

    /// Is the key there?
    pub fn contains<Q>(&self, key: &Q) -> C::Answer<bool>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        self.object.reads(call("contains", [argument(key)]))
    }

    /// The number of keys.
    pub fn len(&self) -> C::Answer<usize> {
        self.object.reads(call("len", []))
    }

    /// Deletes a key and returns its value.
    pub fn pop<Q>(&self, key: &Q) -> C::Answer<Option<V>>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        let call = call("pop", [argument(key)]);
        self.object.ask(call, None, false, caller::read_found)
    }

    /// Deletes the newest key and returns it with its value; `None` if the dict is empty.
    pub fn popitem(&self) -> C::Answer<Option<(K, V)>> {
        let call = call("popitem", []);
        self.object.ask(call, None, false, caller::read_found)
    }

    /// The value of a key, after setting it if the key is missing.
    pub fn setdefault<Q>(&self, key: &Q, default: V) -> C::Answer<V>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        let call = call("setdefault", [argument(key), argument(&default)]);
        self.object.writes(call)
    }

    /// Sets the value of a key and returns the old one.
    pub fn swap<Q>(&self, key: &Q, value: V) -> C::Answer<Option<V>>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        let call = call("swap", [argument(key), argument(&value)]);
        self.object
            .ask(call, None, false, |reply| match reply.result? {
                Value::Null => Ok(None),
                value => caller::typed(value).map(Some),
            })
    }

    /// Adds to the number of a key and gives the new one; a missing key starts at 0. Options such as bounds are methods of
    /// what this returns, which is then awaited or, of a blocking client, told to `call()`.
    pub fn increment<Q>(&self, key: &Q, by: V) -> Increment<V, C>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        let call = call("increment", [argument(key), argument(&by)]);
        Increment::new(self.object.clone(), call)
    }

    /// Sets the value of a key if it equals `expected`, where `None` is a missing key. Tells whether it did.
    pub fn compare_and_set<Q>(&self, key: &Q, expected: Option<&V>, value: V) -> C::Answer<bool>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        let call = call("compare_and_set", [argument(key)]).and_then(|mut call| {
            if let Some(expected) = expected {
                call = call.with("expected", argument(expected)?);
            }
            Ok(call.with("value", argument(&value)?))
        });
        self.object.writes(call)
    }

    /// Deletes a key if its value equals `expected`. Tells whether it did.
    pub fn compare_and_delete<Q>(&self, key: &Q, expected: &V) -> C::Answer<bool>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        let call = call("compare_and_delete", [argument(key), argument(expected)]);
        self.object.writes(call)
    }

    /// Sets many keys in one change.
    pub fn update(&self, pairs: impl IntoIterator<Item = (K, V)>) -> C::Answer<()> {
        let pair = |(key, value)| Ok(Value::Tuple(vec![argument(&key)?, argument(&value)?]));
        let pairs: Result<Vec<Value>> = pairs.into_iter().map(pair).collect();
        let call = call("update", [pairs.map(Value::List)]);
        self.object.ask(call, None, false, caller::read_nothing)
    }

    /// Those of the keys that are there, with their values.
    pub fn get_many<'a, Q>(&self, keys: impl IntoIterator<Item = &'a Q>) -> C::Answer<Vec<(K, V)>>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized + 'a,
    {
        let call = call("get_many", [list(keys)]);
        self.object.ask(call, None, true, read_pairs)
    }

    /// Deletes keys and returns how many were there.
    pub fn delete_many<'a, Q>(&self, keys: impl IntoIterator<Item = &'a Q>) -> C::Answer<usize>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized + 'a,
    {
        self.object.writes(call("delete_many", [list(keys)]))
    }

    /// Deletes all keys.
    pub fn clear(&self) -> C::Answer<()> {
        let call = call("clear", []);
        self.object.ask(call, None, false, caller::read_nothing)
    }

    /// All keys and values as they were at one moment, in order. Refused for a very large dict: use
    /// [`scan`](Dict::scan).
    pub fn items(&self) -> C::Answer<Vec<(K, V)>> {
        self.object.reads(call("items", []))
    }

    /// All of it as a map, as it was at one moment.
    pub fn copy<M>(&self) -> C::Answer<M>
    where
        M: FromIterator<(K, V)> + 'static,
    {
        self.object.ask(call("copy", []), None, true, |reply| {
            Ok(read_pairs(reply)?.into_iter().collect())
        })
    }

    /// All keys as they were at one moment, in order.
    pub fn keys(&self) -> C::Answer<Vec<K>> {
        self.object.reads(call("keys", []))
    }

    /// All values as they were at one moment, in order.
    pub fn values(&self) -> C::Answer<Vec<V>> {
        self.object.reads(call("values", []))
    }

    /// Walks over keys and values a page at a time. A key that is there all the while is met exactly once.
    pub fn scan(&self) -> Scan<(K, V), C> {
        Scan::new(self.object.clone())
    }
}

/// The pairs of a dict value.
fn read_pairs<K: DeserializeOwned, V: DeserializeOwned>(reply: Reply) -> Result<Vec<(K, V)>> {
    match reply.result? {
        Value::Dict(pairs) => pairs
            .into_iter()
            .map(|(key, value)| Ok((caller::typed(key)?, caller::typed(value)?)))
            .collect(),
        other => caller::typed(other),
    }
}

/// A call, if all of its arguments are values.
pub(super) fn call<const N: usize>(method: &str, arguments: [Result<Value>; N]) -> Result<Call> {
    let arguments: Result<Vec<Value>> = arguments.into_iter().collect();
    Ok(Call::new(method, arguments?))
}

pub(super) fn list<'a, Q: Serialize + ?Sized + 'a>(
    items: impl IntoIterator<Item = &'a Q>,
) -> Result<Value> {
    let items: Result<Vec<Value>> = items.into_iter().map(argument).collect();
    items.map(Value::List)
}

impl<K, V, C: Clone> Clone for Dict<K, V, C> {
    fn clone(&self) -> Self {
        Dict {
            object: self.object.clone(),
            types: PhantomData,
        }
    }
}

impl<K, V, C> fmt::Debug for Dict<K, V, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.object.fmt(f)
    }
}
