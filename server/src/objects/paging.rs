//! Large objects, a page at a time: what `scan` and `rows` of several kinds share.

use super::ordered::{Entry, Held, Ordered, Place};
use super::{Arguments, Cursor, Decision, LOOKED_AT_MAX, OPERATION_ROWS_MAX, RowLimit};
use commonhold_proto::{Code, Refusal, Row, Value};

/// How many entries a page has if the caller does not say.
const PAGE_ROWS: i64 = 1000;
/// About how many bytes a page has at most.
const PAGE_BYTES: usize = 1 << 20;

/// What a `scan` asks for.
pub(super) struct Scan<'a> {
    call: &'a Arguments,
    /// Where to go on; `None` is the start.
    pub(super) cursor: Option<&'a [u8]>,
    pub(super) limit: RowLimit,
}

impl<'a> Scan<'a> {
    /// Reads `cursor` and `limit`.
    pub(super) fn of(call: &'a Arguments) -> Result<Scan<'a>, Refusal> {
        let cursor = match call.get("cursor") {
            None | Some(Value::Null) => None,
            Some(Value::Bytes(bytes)) => Some(&bytes[..]),
            Some(other) => {
                let what = format!("must be bytes, not {}", other.type_name());
                return Err(call.bad("cursor", &what));
            }
        };
        let rows = usize::try_from(call.int_or("limit", PAGE_ROWS)?)
            .ok()
            .filter(|limit| (1..=OPERATION_ROWS_MAX).contains(limit))
            .ok_or_else(|| {
                let what = format!("must be from 1 to {OPERATION_ROWS_MAX}");
                call.bad("limit", &what)
            })?;
        let limit = RowLimit {
            rows,
            bytes: PAGE_BYTES,
        };
        Ok(Scan {
            call,
            cursor,
            limit,
        })
    }

    /// That the cursor makes no sense.
    pub(super) fn bad_cursor(&self) -> Refusal {
        self.call.bad("cursor", "is none that scan returned")
    }

    /// The answer: where to go on, and the page.
    pub(super) fn reply(next: Option<Vec<u8>>, page: Vec<Value>) -> Decision {
        let next = next.map_or(Value::Null, |cursor| Value::Bytes(cursor.into()));
        Decision::reply(Value::Tuple(vec![next, Value::List(page)]))
    }
}

/// The first of these, at least one if there is one, and whether more follow.
pub(super) fn page<T>(
    items: impl Iterator<Item = T>,
    size: impl Fn(&T) -> usize,
    limit: RowLimit,
) -> (Vec<T>, bool) {
    let mut page = Vec::new();
    let mut bytes = 0;
    for item in items {
        let size = size(&item);
        let full = page.len() >= limit.rows || bytes + size > limit.bytes;
        if full && !page.is_empty() {
            return (page, true);
        }
        bytes += size;
        page.push(item);
    }
    (page, false)
}

impl<T: Held> Ordered<T> {
    fn page(&self, after: Option<&Place>, limit: RowLimit) -> (Vec<Entry<'_, T>>, Option<Place>) {
        let size = |entry: &Entry<'_, T>| entry.row.len() + entry.held.size();
        let (page, more) = page(self.after(after), size, limit);
        let next = page.last().filter(|_| more).map(Entry::place);
        (page, next)
    }

    /// A page of rows: [`super::Object::rows`].
    pub(super) fn rows(
        &self,
        after: Option<&Cursor>,
        limit: RowLimit,
        to_row: impl Fn(&Entry<'_, T>) -> Row,
    ) -> (Vec<Row>, Option<Cursor>) {
        let place = match after {
            None => None,
            Some(cursor) => match Place::from_bytes(&cursor.0) {
                None => return (Vec::new(), None),
                place => place,
            },
        };
        let (page, next) = self.page(place.as_ref(), limit);
        let rows = page.iter().map(to_row).collect();
        (rows, next.map(|place| Cursor(place.to_bytes())))
    }

    /// A page of values: the method `scan`.
    pub(super) fn scan(
        &self,
        call: &Arguments,
        to_value: impl Fn(&Entry<'_, T>) -> Value,
    ) -> Result<Decision, Refusal> {
        let scan = Scan::of(call)?;
        let place = match scan.cursor {
            None => None,
            Some(bytes) => Some(Place::from_bytes(bytes).ok_or_else(|| scan.bad_cursor())?),
        };
        let answers = self
            .after(place.as_ref())
            .map(|entry| (to_value(&entry), entry));
        let (page, more) = page(answers, |(value, _)| value.size(), scan.limit);
        let next = page.last().filter(|_| more);
        let next = next.map(|(_, entry)| entry.place().to_bytes());
        let values = page.into_iter().map(|(value, _)| value).collect();
        Ok(Scan::reply(next, values))
    }

    /// Every entry, unless they are more than one call may handle.
    pub(super) fn all(&self) -> Result<impl Iterator<Item = Entry<'_, T>>, Refusal> {
        few(self.len()).map_err(use_scan)?;
        Ok(self.after(None))
    }
}

/// Refuses more entries than one call may handle.
pub(super) fn few(count: usize) -> Result<(), Refusal> {
    at_most(OPERATION_ROWS_MAX, count, "handle")
}

/// Refuses more entries than one call may look at.
pub(super) fn few_to_look_at(count: usize) -> Result<(), Refusal> {
    at_most(LOOKED_AT_MAX, count, "look at")
}

fn at_most(most: usize, count: usize, doing: &str) -> Result<(), Refusal> {
    if count <= most {
        return Ok(());
    }
    let message = format!("{count} entries are more than one call may {doing}, which is {most}");
    Err(Refusal::new(Code::TooLarge, message))
}

/// Adds what helps to a refusal of [`few`].
pub(super) fn use_scan(mut refusal: Refusal) -> Refusal {
    refusal.message.push_str(": use scan");
    refusal
}

/// About how many bytes a row takes besides its key and its value.
const ROW_BYTES: usize = 32;

/// A page of the rows of a kind that keeps them in order of their keys, and where to go on: after the last one's key.
pub(super) fn rows(rows: impl Iterator<Item = Row>, limit: RowLimit) -> (Vec<Row>, Option<Cursor>) {
    let size = |row: &Row| {
        let value = match row {
            Row::Put { value, .. } => value.size(),
            Row::Delete { .. } | Row::DeletePrefix { .. } => 0,
        };
        ROW_BYTES + row.key().len() + value
    };
    let (page, more) = page(rows, size, limit);
    let last = page.last().filter(|_| more);
    let next = last.map(|row| Cursor(row.key().to_vec()));
    (page, next)
}
