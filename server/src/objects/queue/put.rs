//! Putting items.

use super::super::paging::few;
use super::super::{Arguments, Decision, Operation};
use super::{Key, Queue, Ticket, full, shut, wait};
use commonhold_proto::{Refusal, Row, Value};

impl Queue {
    pub(super) fn put(
        &self,
        operation: &Operation,
        call: &Arguments,
        ahead: bool,
    ) -> Result<Decision, Refusal> {
        let item = call.value("item")?;
        self.put_all(operation, call, ahead, std::slice::from_ref(item))
    }

    pub(super) fn put_many(
        &self,
        operation: &Operation,
        call: &Arguments,
        ahead: bool,
    ) -> Result<Decision, Refusal> {
        let items = call.items("items")?;
        few(items.len())?;
        if let Some(maxsize) = self.maxsize.filter(|maxsize| items.len() > *maxsize) {
            let what = format!(
                "has {} items, but there is never room for more than {maxsize}",
                items.len()
            );
            return Err(call.bad("items", &what));
        }
        self.put_all(operation, call, ahead, items)
    }

    fn put_all(
        &self,
        operation: &Operation,
        call: &Arguments,
        ahead: bool,
        items: &[Value],
    ) -> Result<Decision, Refusal> {
        let blocking = call.bool_or("blocking", true)? && operation.may_wait;
        if self.is_shut() {
            return Err(shut());
        }
        if items.is_empty() {
            return Ok(Decision::reply(Value::Null));
        }
        if ahead || self.is_full_for(items.len()) {
            return if blocking {
                Ok(wait(call, "late_put"))
            } else {
                Err(full())
            };
        }
        let mut decision = Decision::reply(Value::Null);
        let rows = Ticket::of(operation).zip(items);
        let rows =
            rows.map(|(ticket, item)| Row::put(Key::Item(ticket).to_row_key(), item.clone()));
        decision.rows.extend(rows);
        Ok(decision)
    }
}
