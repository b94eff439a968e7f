//! Walking over a large object a page at a time.

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

/// A walk over the pairs of a dict, the items of a list or the members of a set. Between pages others may change it; what is
/// there all the while is met exactly once.
pub struct Scan<T, C> {
    object: Object<C>,
    /// `None` at the end.
    cursor: Option<Value>,
    limit: Option<u32>,
    types: PhantomData<fn() -> T>,
}

/// A page, and the value of the place to go on from.
type Page<T> = (Value, Vec<T>);

impl<T, C> Scan<T, C>
where
    T: DeserializeOwned + 'static,
    C: Caller,
{
    pub(crate) fn new(object: Object<C>) -> Scan<T, C> {
        Scan {
            object,
            cursor: Some(Value::Null),
            limit: None,
            types: PhantomData,
        }
    }

    /// The most items of a page; the server's own default unless given.
    #[must_use]
    pub fn limit(mut self, items: u32) -> Scan<T, C> {
        self.limit = Some(items);
        self
    }

    fn ask(&self, cursor: &Value) -> C::Answer<Page<T>> {
        let mut call = call("scan", [Ok(cursor.clone())]);
        if let (Ok(call), Some(limit)) = (&mut call, self.limit) {
            call.named.push(("limit".to_owned(), limit.into()));
        }
        self.object.ask(call, None, true, caller::read)
    }

    fn turn(&mut self, (next, items): Page<T>) -> Vec<T> {
        self.cursor = (next != Value::Null).then_some(next);
        items
    }
}

impl<T> Scan<T, Client>
where
    T: DeserializeOwned + 'static,
{
    /// The next page; `None` after the last. It may be empty.
    ///
    /// # Cancel safety
    /// A page that was not returned is asked for again.
    pub async fn next_page(&mut self) -> Result<Option<Vec<T>>> {
        let Some(cursor) = &self.cursor else {
            return Ok(None);
        };
        let page = self.ask(cursor).await?;
        Ok(Some(self.turn(page)))
    }
}

impl<T> Scan<T, blocking::Client>
where
    T: DeserializeOwned + 'static,
{
    /// The next page; `None` after the last. It may be empty.
    pub fn next_page(&mut self) -> Result<Option<Vec<T>>> {
        let Some(cursor) = &self.cursor else {
            return Ok(None);
        };
        let page = self.ask(cursor)?;
        Ok(Some(self.turn(page)))
    }
}

impl<T> IntoIterator for Scan<T, blocking::Client>
where
    T: DeserializeOwned + 'static,
{
    type Item = Result<T>;
    type IntoIter = Items<T>;

    fn into_iter(self) -> Items<T> {
        Items {
            scan: self,
            page: Vec::new().into_iter(),
        }
    }
}

/// What a walk meets, one by one. It ends after an error.
#[derive(Debug)]
pub struct Items<T> {
    scan: Scan<T, blocking::Client>,
    page: vec::IntoIter<T>,
}

impl<T> Iterator for Items<T>
where
    T: DeserializeOwned + 'static,
{
    type Item = Result<T>;

    fn next(&mut self) -> Option<Result<T>> {
        loop {
            if let Some(item) = self.page.next() {
                return Some(Ok(item));
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

impl<T, C> fmt::Debug for Scan<T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scan")
            .field("object", &self.object)
            .field("cursor", &self.cursor)
            .finish_non_exhaustive()
    }
}
