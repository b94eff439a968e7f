//! Methods of a list that read.

use super::super::paging::{Scan, few, few_to_look_at, page, use_scan};
use super::super::slice::{self, Slice, integer};
use super::super::{Arguments, Decision, LOOKED_AT_MAX};
use super::{Item, List, label};
use commonhold_proto::{Code, Refusal, Value};

impl List {
    /// The item at the index that the call names; `words` if there is none.
    pub(super) fn item(
        &self,
        call: &Arguments,
        default: Option<i64>,
        words: &str,
    ) -> Result<&Item, Refusal> {
        let index = integer(call, "index")?.or(default);
        let index = index.ok_or_else(|| slice::no_integer(call, "index", &Value::Null))?;
        let place = slice::place(index, self.items.len());
        let place = place.ok_or_else(|| Refusal::new(Code::NotFound, words))?;
        Ok(self.items.at(place).expect("the index is below the length"))
    }

    pub(super) fn get(&self, call: &Arguments) -> Result<Decision, Refusal> {
        let item = self.item(call, None, "list index out of range")?;
        Ok(Decision::reply(item.value.clone()))
    }

    /// The items of a slice, in its order.
    pub(super) fn slice(&self, slice: Slice) -> Result<Vec<&Item>, Refusal> {
        few(slice.count).map_err(use_scan)?;
        if slice.is_plain() {
            return Ok(self.items.from(slice.first).take(slice.count).collect());
        }
        let item = |place| self.items.at(place).expect("a slice stays within its list");
        Ok(slice.places().map(item).collect())
    }

    pub(super) fn get_slice(&self, call: &Arguments) -> Result<Decision, Refusal> {
        let items = self.slice(Slice::of(call, self.items.len())?)?;
        let values = items.into_iter().map(|item| item.value.clone());
        Ok(Decision::reply(Value::List(values.collect())))
    }

    /// Every item, unless they are more than one call may handle.
    pub(super) fn all(&self) -> Result<impl Iterator<Item = &Item>, Refusal> {
        few(self.items.len()).map_err(use_scan)?;
        Ok(self.items.after(None))
    }

    /// The first item between two indexes that equals this value, and its index.
    pub(super) fn find(
        &self,
        value: &Value,
        from: usize,
        to: usize,
    ) -> Result<Option<(usize, &Item)>, Refusal> {
        let count = to.saturating_sub(from);
        let looked_at = self.items.from(from).zip(from..).take(count.min(LOOKED_AT_MAX));
        for (item, index) in looked_at {
            if item.value.equals(value) {
                return Ok(Some((index, item)));
            }
        }
        few_to_look_at(count).map_err(use_scan)?;
        Ok(None)
    }

    pub(super) fn index(&self, call: &Arguments) -> Result<Decision, Refusal> {
        let value = call.value("value")?;
        let range = slice::range(call, self.items.len())?;
        match self.find(value, range.start, range.end)? {
            Some((index, _)) => Ok(Decision::reply(index)),
            None => {
                let message = format!("{} is not in list", value.repr());
                Err(Refusal::new(Code::NotFound, message))
            }
        }
    }

    pub(super) fn contains(&self, call: &Arguments) -> Result<Decision, Refusal> {
        let found = self.find(call.value("value")?, 0, self.items.len())?;
        Ok(Decision::reply(found.is_some()))
    }

    pub(super) fn count(&self, call: &Arguments) -> Result<Decision, Refusal> {
        let value = call.value("value")?;
        few_to_look_at(self.items.len()).map_err(use_scan)?;
        let same = self.items.after(None).filter(|item| item.value.equals(value));
        Ok(Decision::reply(same.count()))
    }

    pub(super) fn copy(&self) -> Result<Decision, Refusal> {
        let values = self.all()?.map(|item| item.value.clone()).collect();
        Ok(Decision::reply(Value::List(values)))
    }

    pub(super) fn scan(&self, call: &Arguments) -> Result<Decision, Refusal> {
        let scan = Scan::of(call)?;
        let after = match scan.cursor {
            None => None,
            Some(bytes) => Some(label(bytes).ok_or_else(|| scan.bad_cursor())?),
        };
        let (page, more) = page(self.items.after(after), |item| item.size(), scan.limit);
        let next = page.last().filter(|_| more);
        let next = next.map(|item| item.label.to_be_bytes().to_vec());
        let values = page.into_iter().map(|item| item.value.clone()).collect();
        Ok(Scan::reply(next, values))
    }
}
