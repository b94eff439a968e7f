//! A lock is the token of its grant, if it is held. Sessions do not end within a history, so it is freed by calls alone.
//!
//! Tokens are the server's choice: each must be above all before it. So is the oid by which fences name the lock: it must
//! stay what it is.

use super::super::history::Outcome;
use super::{Change, Kind, Model, Step, Turn, int, unknown};
use commonhold::{Call, Code, Value};
use std::time::Duration;

pub(in super::super) static LOCK: Kind = Kind {
    name: "lock",
    options: Vec::new,
    patience: Some(Duration::from_millis(3)),
    model: || Box::new(Lock::default()),
    call,
    change,
    whole: || Call::new("locked", []),
};

#[derive(Clone, Debug, Default)]
struct Lock {
    held: Option<i64>,
    /// The newest token that was ever given.
    newest: i64,
    /// As the first grant named it.
    oid: Option<i64>,
    /// Was it taken away from its last holder?
    was_lost: bool,
}

impl Lock {
    fn acquire(&mut self, call: &Call, told: Option<&Outcome>) -> Step {
        if self.held.is_some() {
            let waits = call.named.is_empty();
            return Step::refused(if waits {
                Code::DeadlineExceeded
            } else {
                Code::WouldBlock
            });
        }
        let told = told.and_then(|told| told.as_ref().ok());
        let oid = *self
            .oid
            .get_or_insert_with(|| told.and_then(|told| number(told, 3)).unwrap_or(0));
        let told = told.and_then(token);
        // A token that may not be is answered with one that may.
        let token = told
            .filter(|token| *token > self.newest)
            .unwrap_or(self.newest + 1);
        self.newest = token;
        self.held = Some(token);
        Step::wrote(Value::Dict(vec![
            ("token".into(), token.into()),
            ("previous_owner_died".into(), false.into()),
            ("previous_note".into(), Value::Null),
            ("lock".into(), oid.into()),
            (
                "previous_end".into(),
                if std::mem::take(&mut self.was_lost) {
                    "forced".into()
                } else {
                    Value::Null
                },
            ),
        ]))
    }
}

impl Model for Lock {
    fn apply(&mut self, call: &Call, told: Option<&Outcome>) -> Step {
        match call.method.as_str() {
            "locked" => Step::read(self.held.is_some()),
            "acquire" => self.acquire(call, told),
            "release" if self.held != Some(int(call, 0)) => Step::refused(Code::LockLost),
            "release" => {
                self.held = None;
                Step::wrote(Value::Null)
            }
            "force_release" => {
                let is_lost = self.held.take().is_some();
                self.was_lost |= is_lost;
                Step::that(is_lost, is_lost)
            }
            _ => unknown(call),
        }
    }

    fn fork(&self) -> Box<dyn Model> {
        Box::new(self.clone())
    }
}

/// Whoever was given the lock gives it back next, and now and then once more.
fn call(turn: &Turn<'_>) -> Call {
    if let Some(last) = turn.last {
        let granted = last.outcome.as_ref().ok().and_then(token);
        if let Some(token) = granted {
            return Call::new("release", [token.into()]);
        }
        if last.call.method == "release" && turn.one_of(8) == 0 {
            return last.call.clone();
        }
    }
    turn.choose(&[
        (12, &|| Call::new("acquire", [])),
        (6, &|| Call::new("acquire", []).with("blocking", false)),
        (4, &|| Call::new("locked", [])),
        (1, &|| Call::new("force_release", [])),
    ])
}

fn change(call: &Call, outcome: &Outcome) -> Change {
    match (call.method.as_str(), outcome) {
        ("locked", _) | (_, Err(_) | Ok(Value::Bool(false))) => Change::No,
        _ => Change::Yes,
    }
}

/// The token of a grant.
fn token(granted: &Value) -> Option<i64> {
    number(granted, 0)
}

/// A number of a grant.
fn number(granted: &Value, at: usize) -> Option<i64> {
    let Value::Dict(pairs) = granted else {
        return None;
    };
    match pairs.get(at) {
        Some((_, Value::Int(number))) => Some(*number),
        _ => None,
    }
}
