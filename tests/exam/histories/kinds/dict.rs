//! A dict is its pairs, oldest first.

use super::super::history::Outcome;
use super::{Change, Kind, Model, Step, Turn, int, unknown};
use commonhold::{Call, Code, Value};

pub(in super::super) static DICT: Kind = Kind {
    name: "dict",
    options: Vec::new,
    patience: None,
    model: || Box::new(Dict(Vec::new())),
    call,
    change,
    whole: || Call::new("items", []),
};

const KEYS: i64 = 6;

#[derive(Debug)]
struct Dict(Vec<(Value, Value)>);

impl Dict {
    fn place(&self, key: &Value) -> Option<usize> {
        self.0.iter().position(|(other, _)| other == key)
    }

    fn get(&self, key: &Value) -> Option<&Value> {
        self.place(key).map(|place| &self.0[place].1)
    }

    /// A key that is there keeps its place.
    fn set(&mut self, key: &Value, value: Value) -> Option<Value> {
        match self.place(key) {
            Some(place) => Some(std::mem::replace(&mut self.0[place].1, value)),
            None => {
                self.0.push((key.clone(), value));
                None
            }
        }
    }

    fn remove(&mut self, key: &Value) -> Option<Value> {
        let place = self.place(key)?;
        Some(self.0.remove(place).1)
    }

    fn replace(&mut self, key: &Value, expected: &Value, new: Option<&Value>) -> Step {
        if self.get(key) != Some(expected) {
            return Step::read(false);
        }
        match new {
            Some(new) => drop(self.set(key, new.clone())),
            None => drop(self.remove(key)),
        }
        Step::wrote(true)
    }
}

impl Model for Dict {
    fn apply(&mut self, call: &Call, _told: Option<&Outcome>) -> Step {
        let missing = || Step::refused(Code::NotFound);
        match (call.method.as_str(), &call.arguments[..]) {
            ("get", [key]) => self
                .get(key)
                .map_or_else(missing, |value| Step::read(value.clone())),
            ("get", [key, default]) => Step::read(self.get(key).unwrap_or(default).clone()),
            ("contains", [key]) => Step::read(self.place(key).is_some()),
            ("set", [key, value]) => {
                self.set(key, value.clone());
                Step::wrote(Value::Null)
            }
            ("swap", [key, value]) => Step::wrote(self.set(key, value.clone()).unwrap_or_default()),
            ("delete", [key]) => self
                .remove(key)
                .map_or_else(missing, |_| Step::wrote(Value::Null)),
            ("pop", [key]) => self.remove(key).map_or_else(missing, Step::wrote),
            ("popitem", []) => match self.0.pop() {
                Some((key, value)) => Step::wrote(Value::Tuple(vec![key, value])),
                None => missing(),
            },
            ("setdefault", [key, default]) => match self.get(key) {
                Some(value) => Step::read(value.clone()),
                None => {
                    self.set(key, default.clone());
                    Step::wrote(default.clone())
                }
            },
            ("increment", [key, _]) => {
                let before = match self.get(key) {
                    Some(Value::Int(number)) => *number,
                    _ => 0,
                };
                let sum = before + int(call, 1);
                self.set(key, sum.into());
                Step::wrote(sum)
            }
            ("compare_and_set", [key, expected, new]) => self.replace(key, expected, Some(new)),
            ("compare_and_delete", [key, expected]) => self.replace(key, expected, None),
            ("update", [Value::Dict(pairs)]) => {
                for (key, value) in pairs {
                    self.set(key, value.clone());
                }
                Step::wrote(Value::Null)
            }
            ("delete_many", [Value::List(keys)]) => {
                let there = keys.iter().filter(|key| self.remove(key).is_some()).count();
                Step::that(there > 0, there)
            }
            ("clear", []) => {
                let there = std::mem::take(&mut self.0);
                Step::that(!there.is_empty(), Value::Null)
            }
            ("len", []) => Step::read(self.0.len()),
            ("items", []) => {
                let pairs = self.0.iter().cloned();
                let pairs = pairs.map(|(key, value)| Value::Tuple(vec![key, value]));
                Step::read(pairs.collect::<Vec<Value>>())
            }
            _ => unknown(call),
        }
    }

    fn fork(&self) -> Box<dyn Model> {
        Box::new(Dict(self.0.clone()))
    }
}

fn call(turn: &Turn<'_>) -> Call {
    let key = || Value::from(format!("k{}", turn.one_of(KEYS)));
    let fresh = || Value::from(turn.fresh);
    // What was seen was seen under some key: mostly the one that it is sought under now.
    let seen_at = || turn.last.and_then(|last| last.call.arguments.first());
    let same = || match seen_at() {
        Some(key @ Value::Text(_)) => key.clone(),
        _ => key(),
    };
    let seen = || turn.seen_or(KEYS);
    turn.choose(&[
        (4, &|| Call::new("set", [key(), fresh()])),
        (3, &|| Call::new("get", [key()])),
        (2, &|| Call::new("get", [key(), Value::Null])),
        (1, &|| Call::new("contains", [key()])),
        (2, &|| Call::new("swap", [key(), fresh()])),
        (2, &|| Call::new("delete", [key()])),
        (2, &|| Call::new("pop", [key()])),
        (1, &|| Call::new("popitem", [])),
        (2, &|| Call::new("setdefault", [key(), fresh()])),
        (3, &|| Call::new("increment", [key(), 1.into()])),
        (3, &|| {
            Call::new("compare_and_set", [same(), seen(), fresh()])
        }),
        (2, &|| Call::new("compare_and_delete", [same(), seen()])),
        (1, &|| {
            let pairs = vec![("k0".into(), fresh()), ("k1".into(), fresh())];
            Call::new("update", [Value::Dict(pairs)])
        }),
        (1, &|| {
            Call::new("delete_many", [Value::List(vec!["k0".into(), key()])])
        }),
        (1, &|| Call::new("clear", [])),
        (1, &|| Call::new("len", [])),
        (1, &|| Call::new("items", [])),
    ])
}

fn change(call: &Call, outcome: &Outcome) -> Change {
    match (call.method.as_str(), outcome) {
        ("clear", _) => Change::Perhaps,
        ("get" | "contains" | "len" | "items", _) | (_, Err(_)) => Change::No,
        // Nobody else gives this number to a key.
        ("setdefault", Ok(value)) => (call.arguments.get(1) == Some(value)).into(),
        ("compare_and_set" | "compare_and_delete", Ok(done)) => (*done == true.into()).into(),
        ("delete_many", Ok(there)) => (*there != 0.into()).into(),
        _ => Change::Yes,
    }
}
