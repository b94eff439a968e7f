//! Undoing a get or a take whose caller has not consumed the answer: each item is at its place again, with its deliveries,
//! as if nobody had had it.

use super::super::terms::Terms;
use super::super::{Arguments, Decision};
use super::items::Count;
use super::take::count_row;
use super::ticket::TICKET_BYTES;
use super::{Key, Queue, Ticket};
use bytes::Bytes;
use commonhold_proto::{Code, Refusal, Row, Value};

/// What is written down of an item that is got: its ticket and its deliveries.
const MEMO_BYTES: usize = TICKET_BYTES + size_of::<i64>();

impl Queue {
    /// What [`undo`](Queue::undo) needs, besides its value, of an item that is got.
    pub(super) fn memo(&self, ticket: Ticket) -> Value {
        Value::Bytes(self.places(&[ticket]))
    }

    /// The same of a list of items.
    pub(super) fn memo_of_list(&self, tickets: &[Ticket]) -> Value {
        Value::Tuple(vec![Value::Bytes(self.places(tickets))])
    }

    fn places(&self, tickets: &[Ticket]) -> Bytes {
        let mut memo = Vec::with_capacity(tickets.len() * MEMO_BYTES);
        for ticket in tickets {
            memo.extend(ticket.to_bytes());
            memo.extend(self.items.deliveries(*ticket).to_be_bytes());
        }
        memo.into()
    }

    pub(super) fn undo(&self, call: &Arguments) -> Result<Decision, Refusal> {
        match (call.value("memo")?, call.value("reply")?) {
            (Value::Int(receipt), _) => self.give_back_untouched(*receipt),
            (Value::Bytes(memo), item) => Ok(self.put_back(memo, std::slice::from_ref(item))),
            (Value::Tuple(memo), Value::List(items)) => match &memo[..] {
                [Value::Bytes(memo)] => Ok(self.put_back(memo, items)),
                _ => Err(call.bad("memo", "must be a tuple of bytes for a list of items")),
            },
            (memo, _) => Err(call.bad("memo", &format!("cannot be a {}", memo.type_name()))),
        }
    }

    /// What was taken under this receipt was not delivered.
    fn give_back_untouched(&self, receipt: i64) -> Result<Decision, Refusal> {
        match self.items.by_receipt(receipt) {
            Some((ticket, _)) => {
                let taken = Row::delete(Key::Taken(ticket).to_row_key());
                Ok(Decision::reply(Value::Null).with(taken))
            }
            None => Err(Refusal::new(Code::LockLost, "it was given back before")),
        }
    }

    fn put_back(&self, memo: &[u8], items: &[Value]) -> Decision {
        let mut decision = Decision::reply(Value::Null);
        let mut back = 0;
        for (memo, item) in memo.chunks_exact(MEMO_BYTES).zip(items) {
            let (ticket, deliveries) = memo.split_at(TICKET_BYTES);
            let (Some(ticket), Ok(deliveries)) =
                (Ticket::from_bytes(ticket), deliveries.try_into())
            else {
                continue;
            };
            let deliveries = i64::from_be_bytes(deliveries);
            let key = Key::Item(ticket).to_row_key();
            decision.rows.push(Row::put(key, item.clone()));
            if deliveries > 0 {
                let terms = Terms::default();
                let count = Count { deliveries, terms };
                decision.rows.push(count_row(ticket, &count));
            }
            back += 1;
        }
        decision.with(self.opened(-back))
    }
}
