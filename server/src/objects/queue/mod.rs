//! `queue`: items that are put at one end and got at the other, as Python's `queue.Queue` and `queue.LifoQueue`; and for
//! those who must lose none, taken and acknowledged.
//!
//! Rows:
//! - `i/<ticket>` -> the item. The ticket is its place, and it keeps it for as long as it exists.
//! - `t/<ticket>` -> `(receipt, owner, deliveries, since)`: it is taken. Lent to the session that took it, and expiring
//!   if a lease was given. When it lapses, the item is there again, at its place.
//! - `d/<ticket>` -> deliveries of an item that came back. From `dead_after` on it is a dead letter: nobody gets it until
//!   it is redriven.
//! - `open` -> what is got but not done, less what was done before it was got.
//! - `shut` -> True: nothing more is put.
//!
//! An item's value is written once, by `put`. Costs in rows: put 1, get 2 (3 of an item that came back), take 1, ack 2 or
//! 3, nack and lapse 2, extend 1, `task_done` 1.
//!
//! **Unfinished** is what is ready, what is taken and what `open` says. So an acknowledged item is done, and a dead letter
//! counts as done until it is redriven: a `join` must not wait for what nobody will ever get.
//!
//! **Room** is a matter of what is ready: taken items and dead letters take none, and one that comes back is let in
//! however full the queue is by then.

mod dead;
mod drain;
mod get;
mod items;
mod put;
mod rows;
mod table;
mod take;
#[cfg(test)]
mod tests;
mod ticket;
mod undo;

pub use table::KIND;

use super::terms::Terms;
use super::{Arguments, Decision, Next, Operation, Options, Until};
use commonhold_proto::{Call, Code, Refusal, Row, Rows, Value};
use items::{Item, Items};
use ticket::{Key, Ticket};

/// A queue.
#[derive(Debug)]
struct Queue {
    /// So many may be ready; `None` is unbounded.
    maxsize: Option<usize>,
    is_lifo: bool,
    items: Items,
    /// The row `open`.
    open: Option<(i64, Terms)>,
    /// The row `shut`.
    shut: Option<Terms>,
}

impl Queue {
    fn create(options: &Options) -> Result<Queue, Refusal> {
        let maxsize = int_option(options, "maxsize")?;
        let dead_after = int_option(options, "dead_after")?;
        if dead_after < 0 {
            return Err(bad_option("dead_after", "must be at least 0"));
        }
        let is_lifo = match options.get("lifo") {
            None => false,
            Some(Value::Bool(lifo)) => *lifo,
            Some(other) => {
                return Err(bad_option(
                    "lifo",
                    &format!("must be a bool, not {}", other.repr()),
                ));
            }
        };
        Ok(Queue {
            maxsize: usize::try_from(maxsize).ok().filter(|maxsize| *maxsize > 0),
            is_lifo,
            items: Items::new(dead_after),
            open: None,
            shut: None,
        })
    }

    /// What is ready, in the order in which it is got.
    fn in_order(&self) -> impl Iterator<Item = (Ticket, &Item)> {
        let ready = self.items.ready();
        let oldest_first = (!self.is_lifo).then(|| ready.iter());
        let newest_first = self.is_lifo.then(|| ready.iter().rev());
        let in_order = oldest_first.into_iter().flatten();
        in_order
            .chain(newest_first.into_iter().flatten())
            .map(|(ticket, item)| (*ticket, item))
    }

    /// The next that is got.
    fn next(&self) -> Option<(Ticket, &Item)> {
        let ready = self.items.ready();
        let next = if self.is_lifo {
            ready.last_key_value()
        } else {
            ready.first_key_value()
        };
        next.map(|(ticket, item)| (*ticket, item))
    }

    /// Is there no room for so many more?
    fn is_full_for(&self, more: usize) -> bool {
        self.maxsize
            .is_some_and(|maxsize| self.items.ready().len().saturating_add(more) > maxsize)
    }

    fn is_shut(&self) -> bool {
        self.shut.is_some()
    }

    fn open(&self) -> i64 {
        self.open.as_ref().map_or(0, |(open, _)| *open)
    }

    /// How many items were put and are not done.
    fn unfinished(&self) -> i64 {
        let live = i64::try_from(self.items.live()).unwrap_or(i64::MAX);
        live.saturating_add(self.open()).max(0)
    }

    /// The row that says that so many more are got and not done.
    fn opened(&self, by: i64) -> Row {
        Row::put(
            Key::Open.to_row_key(),
            self.open().saturating_add(by).into(),
        )
    }

    /// The row without which fewer than none would be unfinished when so many that are ready or taken leave, because
    /// they were said to be done before.
    fn settled(&self, leaving: usize) -> Option<Row> {
        let live = self.items.live().saturating_sub(leaving);
        let live = i64::try_from(live).unwrap_or(i64::MAX);
        let negative = live.saturating_add(self.open()) < 0;
        negative.then(|| Row::put(Key::Open.to_row_key(), (-live).into()))
    }

    fn task_done(&self, call: &Arguments) -> Result<Decision, Refusal> {
        let n = at_least_one(call, 1)?;
        if n > self.unfinished() {
            return Err(Refusal::new(
                Code::OutOfBounds,
                "task_done() called too many times",
            ));
        }
        Ok(Decision::reply(Value::Null).with(self.opened(-n)))
    }

    fn join(&self, operation: &Operation, call: &Arguments) -> Result<Decision, Refusal> {
        match self.unfinished() {
            0 => Ok(Decision::reply(Value::Null)),
            n if !operation.may_wait => Err(not_joined(n)),
            _ => Ok(wait(call, "late_join")),
        }
    }
}

/// Waits until something changes, and asks the same again: only the first of a line is asked.
fn wait(call: &Arguments, late: &str) -> Decision {
    Decision {
        rows: Rows::new(),
        next: Next::Wait {
            until: Until::Any,
            resume: call.to_call().into(),
            on_deadline: Some(Call::new(late, []).into()),
        },
    }
}

/// The argument `n`.
fn at_least_one(call: &Arguments, default: i64) -> Result<i64, Refusal> {
    match call.int_or("n", default)? {
        n @ 1.. => Ok(n),
        _ => Err(call.bad("n", "must be at least 1")),
    }
}

fn int_option(options: &Options, name: &str) -> Result<i64, Refusal> {
    match options.get(name) {
        None => Ok(0),
        Some(Value::Int(number)) => Ok(*number),
        Some(other) => Err(bad_option(
            name,
            &format!("must be an int of 64 bits, not {}", other.repr()),
        )),
    }
}

fn bad_option(name: &str, what: &str) -> Refusal {
    Refusal::new(Code::BadArguments, format!("the option \"{name}\" {what}"))
}

fn empty() -> Refusal {
    Refusal::new(Code::Empty, "the queue is empty")
}

fn full() -> Refusal {
    Refusal::new(Code::Full, "the queue is full")
}

fn shut() -> Refusal {
    Refusal::new(Code::Broken, "the queue is shut down")
}

fn not_joined(unfinished: i64) -> Refusal {
    let message = format!("timed out waiting for the queue: {unfinished} items are not done");
    Refusal::new(Code::DeadlineExceeded, message)
}
