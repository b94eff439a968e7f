//! A counter is a number.

use super::super::history::Outcome;
use super::{Change, Kind, Model, Step, Turn, int, unknown};
use commonhold::{Call, Code, Value};

pub(in super::super) static COUNTER: Kind = Kind {
    name: "counter",
    options: Vec::new,
    patience: None,
    model: || Box::new(Counter(0)),
    call,
    change,
    whole: || Call::new("get", []),
};

/// Above it, bounded increments are refused.
const MOST: i64 = 60;

#[derive(Debug)]
struct Counter(i64);

impl Model for Counter {
    fn apply(&mut self, call: &Call, _told: Option<&Outcome>) -> Step {
        match call.method.as_str() {
            "get" => Step::read(self.0),
            "set" => {
                self.0 = int(call, 0);
                Step::wrote(Value::Null)
            }
            "increment" => {
                let sum = self.0 + int(call, 0);
                if !call.named.is_empty() && sum > MOST {
                    return Step::refused(Code::OutOfBounds);
                }
                self.0 = sum;
                Step::wrote(sum)
            }
            "compare_and_set" if self.0 != int(call, 0) => Step::read(false),
            "compare_and_set" => {
                self.0 = int(call, 1);
                Step::wrote(true)
            }
            "swap" => Step::wrote(std::mem::replace(&mut self.0, int(call, 0))),
            _ => unknown(call),
        }
    }

    fn fork(&self) -> Box<dyn Model> {
        Box::new(Counter(self.0))
    }
}

fn call(turn: &Turn<'_>) -> Call {
    let small = || turn.one_of(100);
    turn.choose(&[
        (6, &|| Call::new("increment", [(1 + turn.one_of(3)).into()])),
        (2, &|| Call::new("increment", [1.into()]).with("max", MOST)),
        (4, &|| Call::new("get", [])),
        (1, &|| Call::new("set", [small().into()])),
        (1, &|| Call::new("swap", [small().into()])),
        (2, &|| {
            Call::new("compare_and_set", [turn.seen_or(100), small().into()])
        }),
    ])
}

fn change(call: &Call, outcome: &Outcome) -> Change {
    match (call.method.as_str(), outcome) {
        ("get", _) | (_, Err(_) | Ok(Value::Bool(false))) => Change::No,
        _ => Change::Yes,
    }
}
