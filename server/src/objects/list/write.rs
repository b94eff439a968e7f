//! Methods of a list that write.

use super::super::increment::Increment;
use super::super::paging::{few, use_scan};
use super::super::slice::{self, Slice, integer};
use super::super::{Arguments, Decision, OPERATION_ROWS_MAX};
use super::labels;
use super::sort::sort;
use super::{Item, List, key};
use commonhold_proto::{Code, Refusal, Row, RowKey, Rows, Value};

/// How much room new labels leave beside each item, by the square of the window's items: a window that is four times as
/// sparse as its halves need to be is not relabelled soon (Itai, Konheim and Rodeh, 1981).
const ROOM: u128 = 1 << 24;

const NO_ASSIGNMENT_INDEX: &str = "list assignment index out of range";

impl List {
    pub(super) fn set(&self, call: &Arguments) -> Result<Decision, Refusal> {
        let row = put(self.item(call, None, NO_ASSIGNMENT_INDEX)?, call.value("value")?);
        Ok(Decision::reply(Value::Null).with(row))
    }

    pub(super) fn delete(&self, call: &Arguments) -> Result<Decision, Refusal> {
        let row = delete(self.item(call, None, NO_ASSIGNMENT_INDEX)?);
        Ok(Decision::reply(Value::Null).with(row))
    }

    pub(super) fn increment(&self, call: &Arguments) -> Result<Decision, Refusal> {
        let item = self.item(call, None, "list index out of range")?;
        let sum = Increment::of(call)?.of_number(&item.value)?;
        // It is the same item with more in it: it stays on its terms.
        let row = item.terms.put(key(item.label), sum.clone());
        Ok(Decision::reply(sum).with(row))
    }

    pub(super) fn compare_and_set(&self, call: &Arguments) -> Result<Decision, Refusal> {
        let item = self.item(call, None, NO_ASSIGNMENT_INDEX)?;
        if item.value.is_or_equals(call.value("expected")?) {
            Ok(Decision::reply(true).with(put(item, call.value("value")?)))
        } else {
            Ok(Decision::reply(false))
        }
    }

    pub(super) fn pop(&self, call: &Arguments) -> Result<Decision, Refusal> {
        // A bad index is told first, as Python does.
        integer(call, "index")?;
        if self.items.len() == 0 {
            return Err(Refusal::new(Code::NotFound, "pop from empty list"));
        }
        let item = self.item(call, Some(-1), "pop index out of range")?;
        Ok(Decision::reply(item.value.clone()).with(delete(item)))
    }

    pub(super) fn remove(&self, call: &Arguments) -> Result<Decision, Refusal> {
        let value = call.value("value")?;
        match self.find(value, 0, self.items.len())? {
            Some((_, item)) => Ok(Decision::reply(Value::Null).with(delete(item))),
            None => Err(Refusal::new(Code::NotFound, "list.remove(x): x not in list")),
        }
    }

    pub(super) fn delete_slice(&self, call: &Arguments) -> Result<Decision, Refusal> {
        let slice = Slice::of(call, self.items.len())?;
        if slice.is_plain() && slice.count == self.items.len() {
            return Ok(self.clear());
        }
        Ok(changed(self.slice(slice)?.into_iter().map(delete).collect()))
    }

    pub(super) fn append(&self, call: &Arguments) -> Result<Decision, Refusal> {
        self.add(self.items.len(), &[call.value("value")?])
    }

    pub(super) fn extend(&self, call: &Arguments) -> Result<Decision, Refusal> {
        self.add(self.items.len(), &values(call)?)
    }

    pub(super) fn insert(&self, call: &Arguments) -> Result<Decision, Refusal> {
        let place = slice::bound(slice::index(call)?, self.items.len());
        self.add(place, &[call.value("value")?])
    }

    fn add(&self, place: usize, values: &[&Value]) -> Result<Decision, Refusal> {
        let mut rows = Rows::new();
        self.add_rows(place, values, &[], &mut rows)?;
        Ok(changed(rows))
    }

    pub(super) fn set_slice(&self, call: &Arguments) -> Result<Decision, Refusal> {
        let slice = Slice::of(call, self.items.len())?;
        let values = values(call)?;
        let items = self.slice(slice)?;
        if !slice.is_plain() && values.len() != items.len() {
            let message = format!(
                "attempt to assign sequence of size {} to extended slice of size {}",
                values.len(),
                items.len()
            );
            return Err(Refusal::new(Code::BadArguments, message));
        }
        let kept = items.len().min(values.len());
        let mut rows: Rows = items.iter().zip(&values).map(|(item, value)| put(item, value)).collect();
        rows.extend(items[kept..].iter().map(|item| delete(item)));
        let (replaced, added) = values.split_at(kept);
        self.add_rows(slice.first + kept, added, replaced, &mut rows)?;
        Ok(changed(rows))
    }

    /// The rows that add values before the item at `place`. Just before it stand those that the same change replaces.
    fn add_rows(
        &self,
        place: usize,
        values: &[&Value],
        replaced: &[&Value],
        rows: &mut Rows,
    ) -> Result<(), Refusal> {
        if values.is_empty() {
            return Ok(());
        }
        let label = |place: usize| self.items.at(place).map(|item| item.label);
        let before = place.checked_sub(1).and_then(label);
        if let Some(labels) = labels::between(before, label(place), values.len()) {
            rows.extend(labels.into_iter().zip(values).map(|(label, value)| fresh(label, value)));
            return Ok(());
        }
        // A window around the place that grows until it has room: its items and the new ones share it evenly.
        let mut reach = 16;
        let (from, to, labels) = loop {
            let from = place.saturating_sub(reach);
            let to = place.saturating_add(reach).min(self.items.len());
            let count = to - from + values.len();
            few(count)?;
            let low = from.checked_sub(1).and_then(label).unwrap_or(0);
            let high = label(to).unwrap_or(u128::MAX);
            let sparse = (high - low) / (count as u128 + 1) >= ROOM * (count as u128).pow(2);
            let last = to - from == self.items.len() || 2 * count > OPERATION_ROWS_MAX;
            if (sparse || last)
                && let Some(labels) = labels::inside(low, high, count)
            {
                break (from, to, labels);
            }
            reach *= 2;
        };
        let window: Vec<&Item> = self.items.from(from).take(to - from).collect();
        rows.extend(window.iter().map(|item| delete(item)));
        let first_replaced = place - replaced.len();
        let (left, rest) = labels.split_at(place - from);
        let (new, right) = rest.split_at(values.len());
        for ((item, label), place) in window.iter().zip(left).zip(from..) {
            let new = place.checked_sub(first_replaced).and_then(|nth| replaced.get(nth));
            rows.push(match new {
                Some(value) => fresh(*label, value),
                None => item.terms.put(key(*label), item.value.clone()),
            });
        }
        rows.extend(new.iter().zip(values).map(|(label, value)| fresh(*label, value)));
        let moved = window[place - from..].iter().zip(right);
        rows.extend(moved.map(|(item, label)| item.terms.put(key(*label), item.value.clone())));
        Ok(())
    }

    pub(super) fn reverse(&self) -> Result<Decision, Refusal> {
        let mut items: Vec<&Item> = self.all()?.collect();
        items.reverse();
        self.rewrite(&items)
    }

    pub(super) fn sort(&self, call: &Arguments) -> Result<Decision, Refusal> {
        let reverse = call.bool_or("reverse", false)?;
        let mut items: Vec<&Item> = self.all()?.collect();
        sort(&mut items, &|item| &item.value, reverse)?;
        self.rewrite(&items)
    }

    pub(super) fn reorder(&self, call: &Arguments) -> Result<Decision, Refusal> {
        let (order, expected) = (call.items("order")?, call.items("expected")?);
        few(expected.len())?;
        let places = permutation(order, expected.len())
            .ok_or_else(|| call.bad("order", "must name each of the expected values once"))?;
        let front: Vec<&Item> = self.items.after(None).take(expected.len()).collect();
        let same = front.iter().zip(expected).filter(|(item, expected)| item.value.is_or_equals(expected));
        if same.count() < expected.len() {
            return Ok(Decision::reply(false));
        }
        let reordered: Vec<&Item> = places.into_iter().map(|place| front[place]).collect();
        let mut decision = Decision::reply(true);
        decision.rows = self.moved(&reordered);
        Ok(decision)
    }

    /// Writes all items in another order.
    fn rewrite(&self, items: &[&Item]) -> Result<Decision, Refusal> {
        few(items.len()).map_err(use_scan)?;
        Ok(changed(self.moved(items)))
    }

    /// The rows that put the items at the front into another order, under the labels that are there.
    fn moved(&self, items: &[&Item]) -> Rows {
        let labels = self.items.after(None).map(|item| item.label);
        let moved = labels.zip(items).filter(|(label, item)| *label != item.label);
        moved.map(|(label, item)| item.terms.put(key(label), item.value.clone())).collect()
    }

    pub(super) fn clear(&self) -> Decision {
        let decision = Decision::reply(Value::Null);
        if self.items.len() == 0 {
            return decision;
        }
        decision.with(Row::DeletePrefix {
            prefix: RowKey::EMPTY,
        })
    }
}

/// The places that these values name, if they name each of so many once.
fn permutation(order: &[Value], count: usize) -> Option<Vec<usize>> {
    let mut free = vec![true; count];
    let place = |value: &Value| {
        let place = usize::try_from(value.as_int()?).ok()?;
        std::mem::take(free.get_mut(place)?).then_some(place)
    };
    let places: Vec<usize> = order.iter().map(place).collect::<Option<_>>()?;
    (places.len() == count).then_some(places)
}

/// The values that the call is given.
fn values(call: &Arguments) -> Result<Vec<&Value>, Refusal> {
    let values: Vec<&Value> = match call.value("values")? {
        Value::Dict(pairs) => pairs.iter().map(|(key, _)| key).collect(),
        _ => call.items("values")?.iter().collect(),
    };
    few(values.len())?;
    Ok(values)
}

fn changed(rows: Rows) -> Decision {
    let mut decision = Decision::reply(Value::Null);
    decision.rows = rows;
    decision
}

fn fresh(label: u128, value: &Value) -> Row {
    Row::put(key(label), value.clone())
}

fn put(item: &Item, value: &Value) -> Row {
    fresh(item.label, value)
}

fn delete(item: &Item) -> Row {
    Row::delete(key(item.label))
}
