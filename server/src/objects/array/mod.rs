//! `array`: elements of one type, by index.
//!
//! Rows: the index, 8 bytes in big-endian order -> the element, from the first time that it is written; `length` -> how
//! many there are, from the first time that this changes. An element without a row is as the array was created, so an
//! array of many zeros takes no room. The length changes only where `set_slice` replaces a range by more or fewer
//! elements, as in `array.array`; then the elements behind it are written anew.

mod memory;
mod methods;
#[cfg(test)]
mod tests;
mod typecode;

pub use methods::KIND;

use super::increment::Increment;
use super::paging::{self, few, few_to_look_at};
use super::slice::{self, Slice};
use super::terms::Terms;
use super::{Arguments, Cursor, Decision, LOOKED_AT_MAX, Object, Operation, RowLimit};
use commonhold_proto::{Code, Refusal, Row, RowKey, Rows, Value};
use memory::Memory;
use typecode::Typecode;

static LENGTH: RowKey = RowKey::of("length");
/// About how many bytes a row takes.
const ROW_BYTES: u64 = 48;

/// An array.
#[derive(Debug)]
struct Array {
    typecode: &'static Typecode,
    initial: Initial,
    /// The row `length`.
    length: Option<(u32, Terms)>,
    elements: Memory,
}

/// How an array is created.
#[derive(Debug)]
enum Initial {
    Elements(Vec<u64>),
    Zeros(u32),
}

impl Array {
    fn new(typecode: &'static Typecode, initial: Initial) -> Array {
        Array {
            typecode,
            initial,
            length: None,
            elements: Memory::default(),
        }
    }

    fn len(&self) -> usize {
        match (&self.length, &self.initial) {
            (Some((length, _)), _) => *length as usize,
            (None, Initial::Elements(elements)) => elements.len(),
            (None, Initial::Zeros(size)) => *size as usize,
        }
    }

    /// The element at a place within the length.
    fn element(&self, place: usize) -> u64 {
        let written = u32::try_from(place)
            .ok()
            .and_then(|index| self.elements.get(index));
        match (written, &self.initial) {
            (Some(element), _) => element,
            (None, Initial::Elements(elements)) => elements.get(place).copied().unwrap_or(0),
            (None, Initial::Zeros(_)) => 0,
        }
    }

    fn value(&self, place: usize) -> Value {
        self.typecode.value(self.element(place))
    }

    fn place(&self, call: &Arguments, words: &str) -> Result<usize, Refusal> {
        let place = slice::place(slice::index(call)?, self.len());
        place.ok_or_else(|| Refusal::new(Code::NotFound, words))
    }

    /// The row of an element, made of a value as `array.array` does.
    fn put(&self, place: usize, value: &Value) -> Result<Row, Refusal> {
        let element = self.typecode.element(value)?;
        Ok(self.put_element(place, element))
    }

    fn put_element(&self, place: usize, element: u64) -> Row {
        Row::put(key(place), self.typecode.value(element))
    }

    fn increment(&self, call: &Arguments) -> Result<Decision, Refusal> {
        let place = self.place(call, NO_INDEX)?;
        let sum = Increment::of(call)?.of_number(&self.value(place))?;
        let element = self.typecode.element(&sum)?;
        let row = self.put_element(place, element);
        Ok(Decision::reply(self.typecode.value(element)).with(row))
    }

    fn compare_and_set(&self, call: &Arguments) -> Result<Decision, Refusal> {
        let place = self.place(call, NO_ASSIGNMENT_INDEX)?;
        let row = self.put(place, call.value("value")?)?;
        if self.value(place).is_or_equals(call.value("expected")?) {
            Ok(Decision::reply(true).with(row))
        } else {
            Ok(Decision::reply(false))
        }
    }

    fn get_slice(&self, slice: Slice) -> Result<Decision, Refusal> {
        few(slice.count).map_err(use_slices)?;
        let values = slice.places().map(|place| self.value(place));
        Ok(Decision::reply(Value::List(values.collect())))
    }

    fn set_slice(&self, call: &Arguments) -> Result<Decision, Refusal> {
        let slice = Slice::of(call, self.len())?;
        let values = call.items("values")?;
        few(values.len())?;
        let mut decision = Decision::reply(Value::Null);
        if slice.is_plain() && values.len() != slice.count {
            decision.rows = self.splice(slice, values)?;
            return Ok(decision);
        }
        if values.len() != slice.count {
            let message = format!(
                "attempt to assign array of size {} to extended slice of size {}",
                values.len(),
                slice.count
            );
            return Err(Refusal::new(Code::BadArguments, message));
        }
        let rows = slice
            .places()
            .zip(values)
            .map(|(place, value)| self.put(place, value));
        decision.rows = rows.collect::<Result<Rows, Refusal>>()?;
        Ok(decision)
    }

    /// The rows that replace a range by more or fewer elements.
    fn splice(&self, slice: Slice, values: &[Value]) -> Result<Rows, Refusal> {
        let old = self.len();
        let tail = slice.first + slice.count;
        let new = old - slice.count + values.len();
        let length = u32::try_from(new).map_err(|_| {
            Refusal::new(
                Code::TooLarge,
                format!("an array has at most {} elements", u32::MAX),
            )
        })?;
        few(values.len() + (old - tail).max(old.saturating_sub(new)))?;
        let mut rows = Rows::new();
        for (place, value) in (slice.first..).zip(values) {
            rows.push(self.put(place, value)?);
        }
        let moved = (tail..old).map(|place| self.element(place));
        for (place, element) in (slice.first + values.len()..).zip(moved) {
            rows.push(self.put_element(place, element));
        }
        let first_beyond = u32::try_from(new).unwrap_or(u32::MAX);
        let beyond = self.elements.from(first_beyond);
        let beyond = beyond.take_while(|(index, _)| (*index as usize) < old);
        rows.extend(beyond.map(|(index, _)| Row::delete(key(index as usize))));
        rows.push(Row::put(LENGTH.clone(), i64::from(length).into()));
        Ok(rows)
    }

    /// The first place in a range whose element equals this value.
    fn find(&self, value: &Value, range: std::ops::Range<usize>) -> Result<Option<usize>, Refusal> {
        let count = range.len();
        let mut places = range.take(LOOKED_AT_MAX);
        let found = places.find(|place| self.value(*place).equals(value));
        if found.is_none() {
            few_to_look_at(count).map_err(use_slices)?;
        }
        Ok(found)
    }
}

const NO_INDEX: &str = "array index out of range";
const NO_ASSIGNMENT_INDEX: &str = "array assignment index out of range";

/// Adds what helps to a refusal of [`few`].
fn use_slices(mut refusal: Refusal) -> Refusal {
    refusal.message.push_str(": use get_slice");
    refusal
}

impl Object for Array {
    fn decide(
        &self,
        _operation: &Operation,
        call: &Arguments,
        _ahead: bool,
    ) -> Result<Decision, Refusal> {
        let len = self.len();
        match call.method() {
            "get" => Ok(Decision::reply(self.value(self.place(call, NO_INDEX)?))),
            "set" => {
                let place = self.place(call, NO_ASSIGNMENT_INDEX)?;
                let row = self.put(place, call.value("value")?)?;
                Ok(Decision::reply(Value::Null).with(row))
            }
            "get_slice" => self.get_slice(Slice::of(call, len)?),
            "set_slice" => self.set_slice(call),
            "len" => Ok(Decision::reply(len)),
            "typecode" => Ok(Decision::reply(self.typecode.code().to_string())),
            "copy" => {
                few(len).map_err(use_slices)?;
                let values = (0..len).map(|place| self.value(place));
                Ok(Decision::reply(Value::List(values.collect())))
            }
            "index" => match self.find(call.value("value")?, slice::range(call, len)?)? {
                Some(place) => Ok(Decision::reply(place)),
                None => Err(Refusal::new(
                    Code::NotFound,
                    "array.index(x): x not in array",
                )),
            },
            "count" => {
                few_to_look_at(len).map_err(use_slices)?;
                let value = call.value("value")?;
                let same = (0..len).filter(|place| self.value(*place).equals(value));
                Ok(Decision::reply(same.count()))
            }
            "contains" => {
                let found = self.find(call.value("value")?, 0..len)?;
                Ok(Decision::reply(found.is_some()))
            }
            "increment" => self.increment(call),
            "compare_and_set" => self.compare_and_set(call),
            other => Err(Refusal::new(Code::NoMethod, other)),
        }
    }

    fn apply(&mut self, row: &Row) {
        match row {
            Row::Put {
                key,
                value,
                lent,
                expires,
                ..
            } => {
                let terms = Terms::of(*lent, *expires);
                if let Some(index) = index(key) {
                    if let Some(element) = self.typecode.stored(value) {
                        self.elements.put(index, element, terms);
                    }
                } else if let (true, Value::Int(length)) = (*key == LENGTH, value)
                    && let Ok(length) = u32::try_from(*length)
                {
                    self.length = Some((length, terms));
                }
            }
            Row::Delete { key } if *key == LENGTH => self.length = None,
            Row::Delete { key } => {
                if let Some(index) = index(key) {
                    self.elements.remove(index);
                }
            }
            Row::DeletePrefix { prefix } if prefix.is_empty() => {
                self.elements = Memory::default();
                self.length = None;
            }
            Row::DeletePrefix { .. } => {
                if row.touches(&LENGTH) {
                    self.length = None;
                }
                let written = self.elements.from(0).map(|(index, _)| index);
                let touched = written.filter(|index| row.touches(&key(*index as usize)));
                for index in touched.collect::<Vec<_>>() {
                    self.elements.remove(index);
                }
            }
        }
    }

    fn row(&self, key: &RowKey) -> Option<Row> {
        if *key == LENGTH {
            let (length, terms) = self.length.as_ref()?;
            return Some(terms.put(LENGTH.clone(), i64::from(*length).into()));
        }
        let index = index(key)?;
        let value = self.typecode.value(self.elements.get(index)?);
        Some(self.elements.terms(index).put(key.clone(), value))
    }

    fn rows(&self, after: Option<&Cursor>, limit: RowLimit) -> (Vec<Row>, Option<Cursor>) {
        // The indexes sort before `length`.
        let from = match after.map(|cursor| index(&cursor.0)) {
            None => Some(0),
            Some(Some(index)) => index.checked_add(1),
            Some(None) => return (Vec::new(), None),
        };
        let written = from.into_iter().flat_map(|from| self.elements.from(from));
        let rows = written.filter_map(|(index, _)| self.row(&key(index as usize)));
        paging::rows(rows.chain(self.row(&LENGTH)), limit)
    }

    fn entries(&self) -> u64 {
        self.len() as u64
    }

    fn bytes(&self) -> u64 {
        let rows = self.elements.count() + usize::from(self.length.is_some());
        rows as u64 * ROW_BYTES
    }
}

fn key(place: usize) -> RowKey {
    (place as u64).to_be_bytes().into()
}

/// The index of a row's key or of a cursor, if it is one's.
fn index(bytes: &[u8]) -> Option<u32> {
    let index = u64::from_be_bytes(bytes.try_into().ok()?);
    u32::try_from(index).ok()
}
