//! Dead letters: items that came back too often.

use super::super::paging::{few, page};
use super::super::{Arguments, Decision, OPERATION_ROWS_MAX};
use super::get::page_of;
use super::take::dict;
use super::{Item, Key, Queue, Ticket, at_least_one};
use commonhold_proto::{Refusal, Row, Value};

/// How many are listed if the caller does not say.
const LIMIT: i64 = 1000;

impl Queue {
    pub(super) fn dead(&self, call: &Arguments) -> Result<Decision, Refusal> {
        let limit = match call.int_or("limit", LIMIT)? {
            limit @ 1.. => page_of(limit)?,
            _ => return Err(call.bad("limit", "must be at least 1")),
        };
        let size = |(_, item): &(&Ticket, &Item)| item.size();
        let (page, _) = page(self.items.dead().iter(), size, limit);
        let letters = page.into_iter().map(|(ticket, item)| {
            dict([
                ("ticket", Value::Bytes(ticket.to_bytes().to_vec().into())),
                ("value", item.value.clone()),
                ("deliveries", self.items.deliveries(*ticket).into()),
            ])
        });
        Ok(Decision::reply(Value::List(letters.collect())))
    }

    pub(super) fn redrive(&self, call: &Arguments) -> Result<Decision, Refusal> {
        self.of_dead(call, |decision, ticket| {
            let count = Row::delete(Key::Count(ticket).to_row_key());
            decision.rows.push(count);
        })
    }

    pub(super) fn discard(&self, call: &Arguments) -> Result<Decision, Refusal> {
        self.of_dead(call, |decision, ticket| self.remove(decision, ticket))
    }

    /// Does this to as many as the call says, and answers how many they were.
    fn of_dead(
        &self,
        call: &Arguments,
        act: impl Fn(&mut Decision, Ticket),
    ) -> Result<Decision, Refusal> {
        let all = i64::try_from(OPERATION_ROWS_MAX).expect("it is small");
        let n = usize::try_from(at_least_one(call, all)?).unwrap_or(usize::MAX);
        few(n)?;
        let dead = self.items.dead();
        let mut decision = Decision::reply(dead.len().min(n));
        for ticket in dead.keys().take(n) {
            act(&mut decision, *ticket);
        }
        Ok(decision)
    }
}
