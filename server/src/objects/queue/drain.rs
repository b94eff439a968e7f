//! Shutting a queue down, and emptying it.

use super::super::paging::few;
use super::super::{Arguments, Decision};
use super::ticket::{COUNTS, ITEMS, under};
use super::{Key, Queue, Ticket};
use commonhold_proto::{Refusal, Row, Value};

impl Queue {
    pub(super) fn shutdown(&self, call: &Arguments) -> Result<Decision, Refusal> {
        let mut decision = if call.bool_or("immediate", false)? {
            self.clear()?
        } else {
            Decision::reply(Value::Null)
        };
        if !self.is_shut() {
            let shut = Row::put(Key::Shut.to_row_key(), true.into());
            decision.rows.push(shut);
        }
        Ok(decision)
    }

    /// Deletes what is ready. What is taken stays with whoever took it, and dead letters stay.
    pub(super) fn clear(&self) -> Result<Decision, Refusal> {
        let mut decision = Decision::reply(Value::Null);
        self.drain(&mut decision, &mut Vec::new())?;
        decision.rows.extend(self.settled(self.items.ready().len()));
        Ok(decision)
    }

    /// Deletes what is ready of the tickets that begin so, whole ranges at a time: one row for a million items, and at
    /// most some thousands for each that is kept among them.
    fn drain(&self, decision: &mut Decision, prefix: &mut Vec<u8>) -> Result<(), Refusal> {
        few(decision.rows.len())?;
        let (first, last) = (Ticket::least(prefix), Ticket::greatest(prefix));
        let ready = |from: Ticket| {
            let mut ready = self.items.ready().range(from..=last);
            ready.next().map(|(ticket, _)| *ticket)
        };
        let Some(mut next) = ready(first) else {
            return Ok(());
        };
        if !self.items.is_kept_within(first, last) {
            let delete = |room| Row::DeletePrefix {
                prefix: under(room, prefix),
            };
            decision.rows.push(delete(ITEMS));
            if self.items.is_counted_within(first, last) {
                decision.rows.push(delete(COUNTS));
            }
            return Ok(());
        }
        // What is ready is not kept, so a whole ticket never comes here, and there is a next byte.
        loop {
            prefix.push(next.to_bytes()[prefix.len()]);
            self.drain(decision, prefix)?;
            let end = Ticket::greatest(prefix);
            prefix.pop();
            let after = end.next().filter(|after| *after <= last).and_then(ready);
            match after {
                Some(ticket) => next = ticket,
                None => return Ok(()),
            }
        }
    }
}
