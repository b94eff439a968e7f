//! A list is its values.

use super::super::history::Outcome;
use super::{Change, Kind, Model, Step, Turn, int, unknown};
use commonhold::{Call, Code, Value};

pub(in super::super) static LIST: Kind = Kind {
    name: "list",
    options: Vec::new,
    patience: None,
    model: || Box::new(List(Vec::new())),
    call,
    change,
    whole: || Call::new("copy", []),
};

/// About how long it gets: it shrinks a little faster than it grows.
const INDEXES: i64 = 8;

#[derive(Debug)]
struct List(Vec<Value>);

impl List {
    /// The place that an index names: from the end if negative.
    fn place(&self, index: i64) -> Option<usize> {
        let from_end = usize::try_from(index.unsigned_abs()).ok()?;
        let place = match index {
            0.. => from_end,
            _ => self.0.len().checked_sub(from_end)?,
        };
        (place < self.0.len()).then_some(place)
    }

    fn at(&mut self, call: &Call, then: impl FnOnce(&mut Vec<Value>, usize) -> Step) -> Step {
        match self.place(int(call, 0)) {
            Some(place) => then(&mut self.0, place),
            None => Step::refused(Code::NotFound),
        }
    }
}

impl Model for List {
    fn apply(&mut self, call: &Call, _told: Option<&Outcome>) -> Step {
        match (call.method.as_str(), &call.arguments[..]) {
            ("get", [_]) => self.at(call, |values, place| Step::read(values[place].clone())),
            ("set", [_, new]) => self.at(call, |values, place| {
                values[place] = new.clone();
                Step::wrote(Value::Null)
            }),
            ("delete", [_]) => self.at(call, |values, place| {
                values.remove(place);
                Step::wrote(Value::Null)
            }),
            ("pop", [_]) => self.at(call, |values, place| Step::wrote(values.remove(place))),
            ("pop", []) => match self.0.pop() {
                Some(last) => Step::wrote(last),
                None => Step::refused(Code::NotFound),
            },
            ("append", [new]) => {
                self.0.push(new.clone());
                Step::wrote(Value::Null)
            }
            ("extend", [Value::List(new)]) => {
                self.0.extend(new.iter().cloned());
                Step::wrote(Value::Null)
            }
            ("insert", [_, new]) => {
                let place = usize::try_from(int(call, 0)).expect("the exam inserts from the start");
                self.0.insert(place.min(self.0.len()), new.clone());
                Step::wrote(Value::Null)
            }
            ("remove" | "index", [value]) => match self.0.iter().position(|other| other == value) {
                None => Step::refused(Code::NotFound),
                Some(place) if call.method == "index" => Step::read(place),
                Some(place) => {
                    self.0.remove(place);
                    Step::wrote(Value::Null)
                }
            },
            ("reverse", []) => {
                self.0.reverse();
                Step::that(self.0.len() > 1, Value::Null)
            }
            ("len", []) => Step::read(self.0.len()),
            ("copy", []) => Step::read(self.0.clone()),
            _ => unknown(call),
        }
    }

    fn fork(&self) -> Box<dyn Model> {
        Box::new(List(self.0.clone()))
    }
}

fn call(turn: &Turn<'_>) -> Call {
    let index = || Value::from(turn.one_of(INDEXES) - INDEXES / 4);
    let fresh = || Value::from(turn.fresh);
    turn.choose(&[
        (5, &|| Call::new("append", [fresh()])),
        (1, &|| {
            Call::new("extend", [Value::List(vec![fresh(), (-turn.fresh).into()])])
        }),
        (3, &|| {
            Call::new("insert", [turn.one_of(INDEXES).into(), fresh()])
        }),
        (5, &|| Call::new("pop", [])),
        (3, &|| Call::new("pop", [index()])),
        (2, &|| Call::new("delete", [index()])),
        (2, &|| Call::new("remove", [turn.seen_or(INDEXES)])),
        (1, &|| Call::new("index", [turn.seen_or(INDEXES)])),
        (2, &|| Call::new("set", [index(), fresh()])),
        (3, &|| Call::new("get", [index()])),
        (1, &|| Call::new("reverse", [])),
        (1, &|| Call::new("len", [])),
        (1, &|| Call::new("copy", [])),
    ])
}

fn change(call: &Call, outcome: &Outcome) -> Change {
    match (call.method.as_str(), outcome) {
        ("reverse", _) => Change::Perhaps,
        ("get" | "index" | "len" | "copy", _) | (_, Err(_)) => Change::No,
        _ => Change::Yes,
    }
}
