//! A semaphore is a number of free permits. Sessions do not end within a history, so none comes back by itself.
//!
//! Calls that wait ask for one permit: they stand in line only while there is none, and nobody is refused what is free.

use super::super::history::Outcome;
use super::{Change, Kind, Model, Step, Turn, int, unknown};
use commonhold::{Call, Value};
use std::time::Duration;

pub(in super::super) static SEMAPHORE: Kind = Kind {
    name: "semaphore",
    options: || vec![("permits", PERMITS.into())],
    patience: Some(Duration::from_millis(3)),
    model: || Box::new(Semaphore(PERMITS)),
    call,
    change,
    whole: || Call::new("value", []),
};

const PERMITS: i64 = 5;

#[derive(Debug)]
struct Semaphore(i64);

impl Model for Semaphore {
    fn apply(&mut self, call: &Call, _told: Option<&Outcome>) -> Step {
        match call.method.as_str() {
            "value" => Step::read(self.0),
            "acquire" if self.0 < int(call, 0) => Step::read(false),
            "acquire" => {
                self.0 -= int(call, 0);
                Step::wrote(true)
            }
            "release" => {
                self.0 += int(call, 0);
                Step::wrote(Value::Null)
            }
            _ => unknown(call),
        }
    }

    fn fork(&self) -> Box<dyn Model> {
        Box::new(Semaphore(self.0))
    }
}

/// Whoever was given permits gives them back next.
fn call(turn: &Turn<'_>) -> Call {
    match turn.last {
        Some(last) if last.call.method == "acquire" && last.outcome == Ok(true.into()) => {
            Call::new("release", [int(&last.call, 0).into()])
        }
        _ => turn.choose(&[
            (2, &|| Call::new("acquire", [1.into()])),
            (2, &|| {
                Call::new("acquire", [(1 + turn.one_of(3)).into()]).with("blocking", false)
            }),
            (1, &|| Call::new("value", [])),
        ]),
    }
}

fn change(call: &Call, outcome: &Outcome) -> Change {
    match (call.method.as_str(), outcome) {
        ("acquire", Ok(Value::Bool(true))) | ("release", Ok(_)) => Change::Yes,
        _ => Change::No,
    }
}
