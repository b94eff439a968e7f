//! A queue is its items, each at the place that it was put to: what is ready, what is taken, and dead letters.
//!
//! Sessions do not end within a history, nor do leases, so what is taken comes back by calls alone. Receipts are the
//! server's choice: each must be above all before it. Only calls that do not wait put several items: one that waits
//! for more room than there is keeps out others for which there is enough, which no order of calls tells.

use super::super::history::Outcome;
use super::{Change, Kind, Model, Step, Turn, int, unknown};
use commonhold::{Call, Code, Value};
use std::collections::BTreeMap;
use std::time::Duration;

pub(in super::super) static QUEUE: Kind = Kind {
    name: "queue",
    options: || {
        vec![
            ("maxsize", MAXSIZE.into()),
            ("dead_after", DEAD_AFTER.into()),
        ]
    },
    patience: PATIENCE,
    model: || Box::new(Queue::default()),
    call,
    change,
    whole,
};

/// The same, with the newest item got first.
pub(in super::super) static LIFO: Kind = Kind {
    name: "queue",
    options: || {
        let mut options = (QUEUE.options)();
        options.push(("lifo", true.into()));
        options
    },
    patience: PATIENCE,
    model: || {
        Box::new(Queue {
            is_lifo: true,
            ..Queue::default()
        })
    },
    call,
    change,
    whole,
};

const PATIENCE: Option<Duration> = Some(Duration::from_millis(3));
const MAXSIZE: usize = 6;
const DEAD_AFTER: i64 = 2;
/// Seconds of a lease that ends after the history.
const LEASE: i64 = 3_600;

#[derive(Clone, Debug, Default)]
struct Queue {
    is_lifo: bool,
    /// By place.
    ready: BTreeMap<u64, Item>,
    /// By receipt, with their places.
    taken: BTreeMap<i64, (u64, Item)>,
    /// By place.
    dead: BTreeMap<u64, Item>,
    /// Items that were put and are not done.
    unfinished: i64,
    /// Places that were ever given.
    places: u64,
    /// The newest receipt that was ever given.
    newest: i64,
}

#[derive(Clone, Debug)]
struct Item {
    value: Value,
    deliveries: i64,
}

impl Queue {
    /// The places of the next so many.
    fn next(&self, many: usize) -> Vec<u64> {
        let places = self.ready.keys().copied();
        if self.is_lifo {
            places.rev().take(many).collect()
        } else {
            places.take(many).collect()
        }
    }

    /// Takes the next so many out, at least one.
    fn draw(&mut self, many: i64) -> Option<Vec<(u64, Item)>> {
        let places = self.next(usize::try_from(many).expect("some"));
        let draw = |place| Some((place, self.ready.remove(&place)?));
        let drawn: Vec<_> = places.into_iter().filter_map(draw).collect();
        (!drawn.is_empty()).then_some(drawn)
    }

    fn put(&mut self, values: &[Value]) -> Step {
        if self.ready.len() + values.len() > MAXSIZE {
            return Step::refused(Code::Full);
        }
        for value in values {
            self.places += 1;
            let item = Item {
                value: value.clone(),
                deliveries: 0,
            };
            self.ready.insert(self.places, item);
            self.unfinished += 1;
        }
        Step::wrote(Value::Null)
    }

    fn take(&mut self, told: Option<&Outcome>) -> Step {
        let Some((place, mut item)) = self.draw(1).and_then(|mut drawn| drawn.pop()) else {
            return Step::refused(Code::Empty);
        };
        item.deliveries += 1;
        let told = told.and_then(|told| receipt(told.as_ref().ok()?));
        // A receipt that may not be is answered with one that may.
        let receipt = told.filter(|receipt| *receipt > self.newest);
        let receipt = receipt.unwrap_or(self.newest + 1);
        self.newest = receipt;
        let lent = Value::Dict(vec![
            ("value".into(), item.value.clone()),
            ("receipt".into(), receipt.into()),
            ("deliveries".into(), item.deliveries.into()),
        ]);
        self.taken.insert(receipt, (place, item));
        Step::wrote(lent)
    }

    fn nack(&mut self, place: u64, item: Item) {
        if item.deliveries >= DEAD_AFTER {
            self.dead.insert(place, item);
            self.done(1);
        } else {
            self.ready.insert(place, item);
        }
    }

    /// So many leave. Some may have been said to be done before.
    fn done(&mut self, many: usize) {
        let many = i64::try_from(many).expect("few");
        self.unfinished = (self.unfinished - many).max(0);
    }

    /// What is done with a receipt.
    fn with_receipt(&mut self, call: &Call) -> Step {
        let receipt = int(call, 0);
        let Some((place, item)) = self.taken.remove(&receipt) else {
            return Step::refused(Code::LockLost);
        };
        match call.method.as_str() {
            "ack" => self.done(1),
            "nack" => self.nack(place, item),
            _ => drop(self.taken.insert(receipt, (place, item))),
        }
        Step::wrote(Value::Null)
    }

    fn values(drawn: Vec<(u64, Item)>) -> Vec<Value> {
        drawn.into_iter().map(|(_, item)| item.value).collect()
    }
}

impl Model for Queue {
    fn apply(&mut self, call: &Call, told: Option<&Outcome>) -> Step {
        match (call.method.as_str(), &call.arguments[..]) {
            ("put", [item]) => self.put(std::slice::from_ref(item)),
            ("put_many", [Value::List(items)]) => self.put(items),
            ("get", []) => match self.draw(1).map(Queue::values).as_deref() {
                Some([value]) => Step::wrote(value.clone()),
                _ => Step::refused(Code::Empty),
            },
            ("get_many", [Value::Int(n)]) => match self.draw(*n).map(Queue::values) {
                Some(values) => Step::wrote(values),
                None => Step::refused(Code::Empty),
            },
            ("take", []) => self.take(told),
            ("ack" | "nack" | "extend", _) => self.with_receipt(call),
            ("peek", [Value::Int(n)]) => {
                let next = self.next(usize::try_from(*n).expect("some"));
                let value = |place: &u64| self.ready[place].value.clone();
                Step::read(next.iter().map(value).collect::<Vec<_>>())
            }
            ("len", []) => Step::read(self.ready.len()),
            ("full", []) => Step::read(self.ready.len() >= MAXSIZE),
            ("unfinished", []) => Step::read(self.unfinished),
            ("task_done", []) if self.unfinished == 0 => Step::refused(Code::OutOfBounds),
            ("task_done", []) => {
                self.unfinished -= 1;
                Step::wrote(Value::Null)
            }
            ("join", []) if self.unfinished > 0 => Step::refused(Code::DeadlineExceeded),
            ("join", []) => Step::read(Value::Null),
            ("clear", []) => {
                let ready = std::mem::take(&mut self.ready).len();
                self.done(ready);
                Step::that(ready > 0, Value::Null)
            }
            ("redrive", []) => {
                let letters = std::mem::take(&mut self.dead);
                let count = letters.len();
                self.unfinished += i64::try_from(count).expect("few");
                self.ready.extend(letters.into_iter().map(|(place, item)| {
                    let value = item.value;
                    (
                        place,
                        Item {
                            value,
                            deliveries: 0,
                        },
                    )
                }));
                Step::that(count > 0, count)
            }
            ("discard", []) => {
                let count = std::mem::take(&mut self.dead).len();
                Step::that(count > 0, count)
            }
            _ => unknown(call),
        }
    }

    fn fork(&self) -> Box<dyn Model> {
        Box::new(self.clone())
    }
}

/// Whoever took an item keeps it for longer, gives it back or is done with it next, and now and then once more.
fn call(turn: &Turn<'_>) -> Call {
    if let Some(last) = turn.last {
        let with = |method: &str, receipt: Value| match method {
            "extend" => Call::new(method, [receipt, LEASE.into()]),
            _ => Call::new(method, [receipt]),
        };
        if let Some(receipt) = last.outcome.as_ref().ok().and_then(receipt) {
            let methods = ["extend", "nack", "nack", "ack", "ack", "ack"];
            return with(methods[turn.random.below(methods.len())], receipt.into());
        }
        let method = last.call.method.as_str();
        match method {
            "extend" if last.outcome.is_ok() => return with("ack", int(&last.call, 0).into()),
            "ack" | "nack" if turn.one_of(8) == 0 => {
                return with(method, int(&last.call, 0).into());
            }
            _ => {}
        }
    }
    let fresh = || Value::from(turn.fresh);
    let now = |call: Call| call.with("blocking", false);
    turn.choose(&[
        (8, &|| Call::new("put", [fresh()])),
        (3, &|| now(Call::new("put", [fresh()]))),
        (2, &|| {
            let items = Value::List(vec![fresh(), (-turn.fresh).into()]);
            now(Call::new("put_many", [items]))
        }),
        (5, &|| Call::new("get", [])),
        (2, &|| now(Call::new("get", []))),
        (2, &|| Call::new("get_many", [(1 + turn.one_of(3)).into()])),
        (6, &|| Call::new("take", [])),
        (1, &|| now(Call::new("take", []).with("lease", LEASE))),
        (8, &|| Call::new("task_done", [])),
        (2, &|| Call::new("peek", [(1 + turn.one_of(3)).into()])),
        (2, &|| Call::new("len", [])),
        (1, &|| Call::new("full", [])),
        (2, &|| Call::new("unfinished", [])),
        (2, &|| Call::new("join", [])),
        (1, &|| Call::new("clear", [])),
        (1, &|| Call::new("redrive", [])),
        (1, &|| Call::new("discard", [])),
    ])
}

fn change(call: &Call, outcome: &Outcome) -> Change {
    match (call.method.as_str(), outcome) {
        ("peek" | "len" | "full" | "unfinished" | "join", _)
        | ("redrive" | "discard", Ok(Value::Int(0)))
        | (_, Err(_)) => Change::No,
        ("clear", _) => Change::Perhaps,
        _ => Change::Yes,
    }
}

/// All that is ready.
fn whole() -> Call {
    Call::new("peek", [1_000.into()])
}

/// The receipt of what was taken.
fn receipt(taken: &Value) -> Option<i64> {
    let Value::Dict(fields) = taken else {
        return None;
    };
    match fields.get(1) {
        Some((_, Value::Int(receipt))) => Some(*receipt),
        _ => None,
    }
}
