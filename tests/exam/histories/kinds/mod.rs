//! What is known of a kind: a plain model, and the calls that are made.
//!
//! **To add a kind: one file and its line in [`KINDS`].**

mod counter;
mod dict;
mod list;
mod lock;
mod queue;
mod semaphore;
mod set;

pub(super) use counter::COUNTER;
pub(super) use dict::DICT;
pub(super) use list::LIST;
pub(super) use lock::LOCK;
pub(super) use queue::{LIFO, QUEUE};
pub(super) use semaphore::SEMAPHORE;
pub(super) use set::SET;

use super::history::{Operation, Outcome};
use crate::support::Random;
use commonhold::{Call, Code, Value};
use std::fmt;
use std::time::Duration;

/// The kinds whose histories are examined.
pub(super) static KINDS: &[&Kind] = &[
    &COUNTER, &DICT, &LIST, &LOCK, &QUEUE, &LIFO, &SEMAPHORE, &SET,
];

/// A kind.
pub(super) struct Kind {
    /// As the server calls it.
    pub(super) name: &'static str,
    /// With what it is created.
    pub(super) options: fn() -> Vec<(&'static str, Value)>,
    /// How long its calls wait, if they wait.
    pub(super) patience: Option<Duration>,
    /// The model as it is created.
    pub(super) model: fn() -> Box<dyn Model>,
    /// The next call.
    pub(super) call: fn(&Turn<'_>) -> Call,
    /// Did the call change the object, as far as its outcome tells?
    pub(super) change: fn(&Call, &Outcome) -> Change,
    /// The call that reads all of it.
    pub(super) whole: fn() -> Call,
}

/// Did a call change its object?
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Change {
    Yes,
    /// The outcome does not tell: the model does. At most one method of a kind may be so: of two at one revision, nothing
    /// would tell which was the change.
    Perhaps,
    No,
}

/// Whose turn it is.
pub(super) struct Turn<'a> {
    pub(super) random: &'a Random,
    /// A number that no other call of the object is given.
    pub(super) fresh: i64,
    /// What the same hand did to the same object before.
    pub(super) last: Option<&'a Operation>,
}

/// An object as a reader of its documentation would write it down, for one caller at a time. It shows its whole state.
pub(super) trait Model: fmt::Debug {
    /// Does what the call says. What it says it did not write it has left as it was.
    ///
    /// `told` is what the caller was told, if that is known: a model looks at it only for what is the server's to choose,
    /// such as a token, and only to see that the server may choose that.
    fn apply(&mut self, call: &Call, told: Option<&Outcome>) -> Step;

    /// Another of the same state.
    fn fork(&self) -> Box<dyn Model>;
}

/// What the model says a call does.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) outcome: Outcome,
    /// Does it change the object, if only to what it was?
    pub(super) wrote: bool,
}

impl From<bool> for Change {
    fn from(is_change: bool) -> Change {
        if is_change { Change::Yes } else { Change::No }
    }
}

impl Step {
    fn read(value: impl Into<Value>) -> Step {
        Step::that(false, value)
    }

    fn wrote(value: impl Into<Value>) -> Step {
        Step::that(true, value)
    }

    /// It may write.
    fn that(wrote: bool, value: impl Into<Value>) -> Step {
        Step {
            outcome: Ok(value.into()),
            wrote,
        }
    }

    fn refused(code: Code) -> Step {
        Step {
            outcome: Err(code),
            wrote: false,
        }
    }
}

impl Turn<'_> {
    /// One of so many.
    fn one_of(&self, many: i64) -> i64 {
        let many = u64::try_from(many).expect("some");
        i64::try_from(self.random.within(0..many)).expect("it is below")
    }

    /// The number that the last call was given, or else one of so many.
    fn seen_or(&self, many: i64) -> Value {
        match self.last.map(|last| &last.outcome) {
            Some(Ok(seen @ Value::Int(_))) => seen.clone(),
            _ => self.one_of(many).into(),
        }
    }

    /// One of these makers of calls, each as often as its weight says.
    fn choose(&self, choices: &[(u64, &dyn Fn() -> Call)]) -> Call {
        let mut left = self
            .random
            .within(0..choices.iter().map(|(weight, _)| weight).sum());
        for (weight, make) in choices {
            match left.checked_sub(*weight) {
                Some(rest) => left = rest,
                None => return make(),
            }
        }
        unreachable!("the weights add up")
    }
}

/// An integer argument that the exam gave.
fn int(call: &Call, at: usize) -> i64 {
    match call.arguments.get(at) {
        Some(Value::Int(number)) => *number,
        other => panic!("{} was made with {other:?}", call.method),
    }
}

/// What a call cannot be: the exam makes none that its model does not know.
fn unknown(call: &Call) -> ! {
    panic!("the model knows no {call:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A long run of one hand.
    fn run(kind: &Kind) -> Vec<(Call, Step, bool)> {
        let random = Random::new();
        let mut model = (kind.model)();
        let mut last: Option<Operation> = None;
        let mut steps = Vec::new();
        for fresh in 0..5_000 {
            let turn = Turn {
                random: &random,
                fresh,
                last: last.as_ref(),
            };
            let call = (kind.call)(&turn);
            let before = format!("{model:?}");
            let step = model.apply(&call, None);
            let is_same = format!("{model:?}") == before;
            last = Some(Operation {
                client: 0,
                call: call.clone(),
                sent: 0,
                answered: 0,
                outcome: step.outcome.clone(),
                revision: 0,
            });
            steps.push((call, step, is_same));
        }
        steps
    }

    #[test]
    fn models_change_only_when_they_say_so() {
        for kind in KINDS {
            let steps = run(kind);
            for (call, step, is_same) in &steps {
                assert!(step.wrote || *is_same, "{}: {call:?}", kind.name);
                let told = (kind.change)(call, &step.outcome);
                assert!(
                    told == Change::Perhaps || told == step.wrote.into(),
                    "{}: {call:?} gives {step:?}, but {told:?}",
                    kind.name
                );
            }
            let changes = steps.iter().filter(|(_, step, _)| step.wrote).count();
            assert!((500..4_700).contains(&changes), "{}: {changes}", kind.name);
        }
    }

    #[test]
    fn at_most_one_method_of_a_kind_does_not_tell_whether_it_wrote() {
        for kind in KINDS {
            let mut methods: Vec<String> = run(kind)
                .into_iter()
                .filter(|(call, step, _)| (kind.change)(call, &step.outcome) == Change::Perhaps)
                .map(|(call, ..)| call.method)
                .collect();
            methods.dedup();
            assert!(methods.len() <= 1, "{}: {methods:?}", kind.name);
        }
    }
}
