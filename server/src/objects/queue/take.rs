//! Taking items on loan: take, ack, nack, extend.

use super::super::terms::Terms;
use super::super::{Arguments, Decision, Operation};
use super::items::{Count, Taken};
use super::{Key, Queue, Ticket};
use commonhold_proto::{Code, Refusal, Row, Rows, ServerTime, Value};
use smallvec::smallvec;
use std::time::Duration;

impl Queue {
    pub(super) fn take(
        &self,
        operation: &Operation,
        call: &Arguments,
        ahead: bool,
    ) -> Result<Decision, Refusal> {
        let lease = lease(call)?;
        if lease.is_none() && operation.session.is_none() {
            let what = "is missing: without a session nobody would notice that the caller died";
            return Err(call.bad("lease", what));
        }
        let (ticket, item) = match self.next_for(operation, call, ahead)? {
            Ok(next) => next,
            Err(wait) => return Ok(wait),
        };
        let deliveries = self.items.deliveries(ticket).saturating_add(1);
        let taken = Taken {
            receipt: operation.next.0.cast_signed(),
            owner: operation.owner.0.cast_signed(),
            deliveries,
            since: operation.at.0.cast_signed(),
            terms: Terms::of(operation.session, lease.map(|lease| ends(operation, lease))),
        };
        let reply = [
            ("value", item.value.clone()),
            ("receipt", taken.receipt.into()),
            ("deliveries", deliveries.into()),
        ];
        let decision = Decision::undoable(dict(reply), taken.receipt);
        Ok(decision.with(taken_row(ticket, &taken)))
    }

    pub(super) fn ack(&self, call: &Arguments) -> Result<Decision, Refusal> {
        let (ticket, _) = self.receipt(call)?;
        let mut decision = Decision::reply(Value::Null);
        self.remove(&mut decision, ticket);
        let taken = Row::delete(Key::Taken(ticket).to_row_key());
        decision.rows.push(taken);
        decision.rows.extend(self.settled(1));
        Ok(decision)
    }

    pub(super) fn nack(&self, call: &Arguments) -> Result<Decision, Refusal> {
        let (ticket, taken) = self.receipt(call)?;
        let mut decision = Decision::reply(Value::Null);
        decision.rows = self.given_back(ticket, taken);
        Ok(decision)
    }

    pub(super) fn extend(
        &self,
        operation: &Operation,
        call: &Arguments,
    ) -> Result<Decision, Refusal> {
        let (ticket, taken) = self.receipt(call)?;
        let Some(lease) = lease(call)? else {
            return Err(call.bad("lease", "must be a number of seconds"));
        };
        let taken = Taken {
            terms: Terms::of(taken.terms.lent(), Some(ends(operation, lease))),
            ..taken.clone()
        };
        Ok(Decision::reply(Value::Null).with(taken_row(ticket, &taken)))
    }

    /// The rows that give an item back to its place, one delivery older.
    pub(super) fn given_back(&self, ticket: Ticket, taken: &Taken) -> Rows {
        let mut rows: Rows = smallvec![Row::delete(Key::Taken(ticket).to_row_key())];
        if self.items.item(ticket).is_none() {
            return rows;
        }
        let count = Count {
            deliveries: taken.deliveries,
            terms: Terms::default(),
        };
        rows.push(count_row(ticket, &count));
        if self.items.is_deadly(taken.deliveries) {
            rows.extend(self.settled(1));
        }
        rows
    }

    /// What the receipt is for. A stale one is for nothing, although the item may be somebody else's by now.
    fn receipt(&self, call: &Arguments) -> Result<(Ticket, &Taken), Refusal> {
        let receipt = call.int_or("receipt", 0)?;
        self.items.by_receipt(receipt).ok_or_else(|| {
            Refusal::new(
                Code::LockLost,
                format!(
                    "{}: the receipt {receipt} is for nothing that is taken: its item was acknowledged or given back, or \
                     its lease ended",
                    call.method()
                ),
            )
        })
    }
}

/// The row `t/` of an item.
pub(super) fn taken_row(ticket: Ticket, taken: &Taken) -> Row {
    taken
        .terms
        .put(Key::Taken(ticket).to_row_key(), taken.to_value())
}

/// The row `d/` of an item.
pub(super) fn count_row(ticket: Ticket, count: &Count) -> Row {
    let key = Key::Count(ticket).to_row_key();
    count.terms.put(key, count.deliveries.into())
}

/// A dict value with these keys.
pub(super) fn dict<const N: usize>(fields: [(&str, Value); N]) -> Value {
    Value::Dict(fields.map(|(name, value)| (name.into(), value)).into())
}

/// The argument `lease`.
fn lease(call: &Arguments) -> Result<Option<Duration>, Refusal> {
    let seconds = match call.get("lease") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Int(seconds)) => u64::try_from(*seconds).ok().map(Duration::from_secs),
        Some(Value::Float(seconds)) => Duration::try_from_secs_f64(*seconds).ok(),
        Some(_) => None,
    };
    match seconds {
        Some(lease) if !lease.is_zero() => Ok(Some(lease)),
        _ => Err(call.bad("lease", "must be a number of seconds above 0")),
    }
}

/// When a lease ends that begins now: not before its time.
fn ends(operation: &Operation, lease: Duration) -> ServerTime {
    let ms = lease.as_nanos().div_ceil(1_000_000);
    let ms = u64::try_from(ms).unwrap_or(u64::MAX);
    ServerTime(operation.at.0.saturating_add(ms))
}
