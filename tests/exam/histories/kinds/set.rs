//! A set is its members, oldest first.

use super::super::history::Outcome;
use super::{Change, Kind, Model, Step, Turn, unknown};
use commonhold::{Call, Code, Value};

pub(in super::super) static SET: Kind = Kind {
    name: "set",
    options: Vec::new,
    patience: None,
    model: || Box::new(Set(Vec::new())),
    call,
    change,
    whole: || Call::new("items", []),
};

const MEMBERS: i64 = 16;

#[derive(Debug)]
struct Set(Vec<Value>);

impl Set {
    fn add(&mut self, member: &Value) -> bool {
        let is_new = !self.0.contains(member);
        if is_new {
            self.0.push(member.clone());
        }
        is_new
    }

    fn discard(&mut self, member: &Value) -> bool {
        let before = self.0.len();
        self.0.retain(|other| other != member);
        self.0.len() < before
    }

    /// How many of the given members this does something to.
    fn many(&mut self, call: &Call, mut one: impl FnMut(&mut Set, &Value) -> bool) -> Step {
        let Some(Value::List(members)) = call.arguments.first() else {
            unknown(call);
        };
        let count = members.iter().filter(|member| one(self, member)).count();
        Step::that(count > 0, count)
    }
}

impl Model for Set {
    fn apply(&mut self, call: &Call, _told: Option<&Outcome>) -> Step {
        match (call.method.as_str(), call.arguments.first()) {
            ("add", Some(member)) => {
                let is_new = self.add(member);
                Step::that(is_new, is_new)
            }
            ("discard", Some(member)) => {
                let was_there = self.discard(member);
                Step::that(was_there, was_there)
            }
            ("remove", Some(member)) => {
                if self.discard(member) {
                    Step::wrote(Value::Null)
                } else {
                    Step::refused(Code::NotFound)
                }
            }
            ("contains", Some(member)) => Step::read(self.0.contains(member)),
            ("add_many", _) => self.many(call, Set::add),
            ("discard_many", _) => self.many(call, Set::discard),
            ("pop", None) => match self.0.pop() {
                Some(newest) => Step::wrote(newest),
                None => Step::refused(Code::NotFound),
            },
            ("clear", None) => {
                let there = std::mem::take(&mut self.0);
                Step::that(!there.is_empty(), Value::Null)
            }
            ("len", None) => Step::read(self.0.len()),
            ("items", None) => Step::read(self.0.clone()),
            _ => unknown(call),
        }
    }

    fn fork(&self) -> Box<dyn Model> {
        Box::new(Set(self.0.clone()))
    }
}

fn call(turn: &Turn<'_>) -> Call {
    let member = || Value::from(turn.one_of(MEMBERS));
    let some = || Value::List((0..3).map(|_| member()).collect());
    turn.choose(&[
        (6, &|| Call::new("add", [member()])),
        (3, &|| Call::new("discard", [member()])),
        (2, &|| Call::new("remove", [member()])),
        (2, &|| Call::new("contains", [member()])),
        (2, &|| Call::new("add_many", [some()])),
        (1, &|| Call::new("discard_many", [some()])),
        (2, &|| Call::new("pop", [])),
        (1, &|| Call::new("len", [])),
        (1, &|| Call::new("items", [])),
        (1, &|| Call::new("clear", [])),
    ])
}

fn change(call: &Call, outcome: &Outcome) -> Change {
    match (call.method.as_str(), outcome) {
        ("clear", _) => Change::Perhaps,
        ("contains" | "len" | "items", _) | (_, Err(_)) => Change::No,
        // A member that was popped may be 0.
        ("pop", _) => Change::Yes,
        (_, Ok(value)) => (!matches!(value, Value::Bool(false) | Value::Int(0))).into(),
    }
}
