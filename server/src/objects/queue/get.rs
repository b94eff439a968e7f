//! Getting items for good, and looking at them.

use super::super::paging::{few, page};
use super::super::{Arguments, Decision, Operation, RowLimit};
use super::{Item, Key, Queue, Ticket, at_least_one, empty, shut, wait};
use commonhold_proto::{Refusal, Row, Value};

/// About how many bytes of items one answer has at most.
pub(super) const PAGE_BYTES: usize = 1 << 20;

impl Queue {
    pub(super) fn get(
        &self,
        operation: &Operation,
        call: &Arguments,
        ahead: bool,
    ) -> Result<Decision, Refusal> {
        match self.next_for(operation, call, ahead)? {
            Ok((ticket, item)) => {
                let memo = self.memo(ticket);
                let mut decision = Decision::undoable(item.value.clone(), memo);
                self.remove(&mut decision, ticket);
                Ok(decision.with(self.opened(1)))
            }
            Err(wait) => Ok(wait),
        }
    }

    pub(super) fn get_many(
        &self,
        operation: &Operation,
        call: &Arguments,
        ahead: bool,
    ) -> Result<Decision, Refusal> {
        let limit = page_of(at_least_one(call, 1)?)?;
        if let Err(wait) = self.next_for(operation, call, ahead)? {
            return Ok(wait);
        }
        let (page, _) = page(self.in_order(), |(_, item)| item.size(), limit);
        let values = page.iter().map(|(_, item)| item.value.clone());
        let values = Value::List(values.collect());
        let tickets: Vec<Ticket> = page.iter().map(|(ticket, _)| *ticket).collect();
        let mut decision = Decision::undoable(values, self.memo_of_list(&tickets));
        for ticket in tickets {
            self.remove(&mut decision, ticket);
        }
        let count = i64::try_from(page.len()).expect("a page is small");
        Ok(decision.with(self.opened(count)))
    }

    /// The next item, if the caller gets it now; otherwise how it waits.
    pub(super) fn next_for(
        &self,
        operation: &Operation,
        call: &Arguments,
        ahead: bool,
    ) -> Result<Result<(Ticket, &Item), Decision>, Refusal> {
        let blocking = call.bool_or("blocking", true)? && operation.may_wait;
        match self.next() {
            Some(next) if !ahead => Ok(Ok(next)),
            None if self.is_shut() => Err(shut()),
            _ if blocking => Ok(Err(wait(call, "late_get"))),
            _ => Err(empty()),
        }
    }

    /// Deletes what there is of an item that is not taken.
    pub(super) fn remove(&self, decision: &mut Decision, ticket: Ticket) {
        let delete = |key: Key| Row::delete(key.to_row_key());
        decision.rows.push(delete(Key::Item(ticket)));
        if self.items.count(ticket).is_some() {
            decision.rows.push(delete(Key::Count(ticket)));
        }
    }

    pub(super) fn peek(&self, call: &Arguments) -> Result<Decision, Refusal> {
        let limit = page_of(at_least_one(call, 1)?)?;
        let (page, _) = page(self.in_order(), |(_, item)| item.size(), limit);
        let values = page.into_iter().map(|(_, item)| item.value.clone());
        Ok(Decision::reply(Value::List(values.collect())))
    }
}

/// At most so many items.
pub(super) fn page_of(n: i64) -> Result<RowLimit, Refusal> {
    let rows = usize::try_from(n).unwrap_or(usize::MAX);
    few(rows)?;
    Ok(RowLimit {
        rows,
        bytes: PAGE_BYTES,
    })
}
