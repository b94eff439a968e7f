//! Walking over a dict a page at a time.

use super::dict::call;
use crate::caller::{self, Caller};
use crate::error::Result;
use crate::object::Object;
use crate::{Client, blocking};
use commonhold_proto::Value;
use serde::de::DeserializeOwned;
use std::fmt;
use std::marker::PhantomData;
use std::vec;

/// A walk over a dict. Between pages others may change it; a key that is there all the while is met exactly once.
pub struct Scan<K, V, C> {
    object: Object<C>,
    /// `None` at the end.
    cursor: Option<Value>,
    limit: Option<u32>,
    types: PhantomData<fn() -> (K, V)>,
}

/// A page, and the value of the place to go on from.
type Page<K, V> = (Value, Vec<(K, V)>);

impl<K, V, C> Scan<K, V, C>
where
    K: DeserializeOwned + 'static,
    V: DeserializeOwned + 'static,
    C: Caller,
{
    pub(crate) fn new(object: Object<C>) -> Scan<K, V, C> {
        Scan {
            object,
            cursor: Some(Value::Null),
            limit: None,
            types: PhantomData,
        }
    }

    /// The most pairs of a page; the server's own default unless given.
    #[must_use]
    pub fn limit(mut self, pairs: u32) -> Scan<K, V, C> {
        self.limit = Some(pairs);
        self
    }

    fn ask(&self, cursor: &Value) -> C::Answer<Page<K, V>> {
        let mut call = call("scan", [Ok(cursor.clone())]);
        if let (Ok(call), Some(limit)) = (&mut call, self.limit) {
            call.named.push(("limit".to_owned(), limit.into()));
        }
        self.object.ask(call, None, true, caller::read)
    }

    fn turn(&mut self, (next, pairs): Page<K, V>) -> Vec<(K, V)> {
        self.cursor = (next != Value::Null).then_some(next);
        pairs
    }
}

impl<K, V> Scan<K, V, Client>
where
    K: DeserializeOwned + 'static,
    V: DeserializeOwned + 'static,
{
    /// The next page; `None` after the last. It may be empty.
    ///
    /// # Cancel safety
    /// A page that was not returned is asked for again.
    pub async fn next_page(&mut self) -> Result<Option<Vec<(K, V)>>> {
        let Some(cursor) = &self.cursor else {
            return Ok(None);
        };
        let page = self.ask(cursor).await?;
        Ok(Some(self.turn(page)))
    }
}

impl<K, V> Scan<K, V, blocking::Client>
where
    K: DeserializeOwned + 'static,
    V: DeserializeOwned + 'static,
{
    /// The next page; `None` after the last. It may be empty.
    pub fn next_page(&mut self) -> Result<Option<Vec<(K, V)>>> {
        let Some(cursor) = &self.cursor else {
            return Ok(None);
        };
        let page = self.ask(cursor)?;
        Ok(Some(self.turn(page)))
    }
}

impl<K, V> IntoIterator for Scan<K, V, blocking::Client>
where
    K: DeserializeOwned + 'static,
    V: DeserializeOwned + 'static,
{
    type Item = Result<(K, V)>;
    type IntoIter = Pairs<K, V>;

    fn into_iter(self) -> Pairs<K, V> {
        Pairs {
            scan: self,
            page: Vec::new().into_iter(),
        }
    }
}

/// The pairs of a walk, one by one. It ends after an error.
#[derive(Debug)]
pub struct Pairs<K, V> {
    scan: Scan<K, V, blocking::Client>,
    page: vec::IntoIter<(K, V)>,
}

impl<K, V> Iterator for Pairs<K, V>
where
    K: DeserializeOwned + 'static,
    V: DeserializeOwned + 'static,
{
    type Item = Result<(K, V)>;

    fn next(&mut self) -> Option<Result<(K, V)>> {
        loop {
            if let Some(pair) = self.page.next() {
                return Some(Ok(pair));
            }
            match self.scan.next_page() {
                Ok(Some(page)) => self.page = page.into_iter(),
                Ok(None) => return None,
                Err(error) => {
                    self.scan.cursor = None;
                    return Some(Err(error));
                }
            }
        }
    }
}

impl<K, V, C> fmt::Debug for Scan<K, V, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scan")
            .field("object", &self.object)
            .field("cursor", &self.cursor)
            .finish_non_exhaustive()
    }
}
