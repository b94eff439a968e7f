//! The row `gen`: which generation waits, and what became of those before it.

use commonhold_proto::Value;
use std::collections::VecDeque;

/// So many broken generations are remembered.
pub(super) const BREAKS_MAX: usize = 64;

/// What the row `gen` says.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct State {
    pub(super) generation: i64,
    pub(super) broken: bool,
    /// What became of generations before this one is forgotten.
    known_from: i64,
    /// The generations that broke while someone waited, in order.
    breaks: VecDeque<i64>,
}

/// How a generation ended.
pub(super) enum End {
    NotYet,
    Passed,
    Broken,
    Forgotten,
}

impl State {
    pub(super) fn end(&self, generation: i64) -> End {
        if self.breaks.contains(&generation) || (generation == self.generation && self.broken) {
            End::Broken
        } else if generation == self.generation {
            End::NotYet
        } else if (self.known_from..self.generation).contains(&generation) {
            End::Passed
        } else {
            End::Forgotten
        }
    }

    /// The generation breaks while someone waits for it.
    pub(super) fn remember_break(&mut self) {
        if self.breaks.back() == Some(&self.generation) {
            return;
        }
        self.breaks.push_back(self.generation);
        while self.breaks.len() > BREAKS_MAX {
            let forgotten = self.breaks.pop_front().expect("there are more than the limit");
            self.known_from = forgotten.saturating_add(1);
        }
    }

    pub(super) fn to_value(&self) -> Value {
        let breaks = self.breaks.iter().map(|generation| (*generation).into());
        Value::Tuple(vec![
            self.generation.into(),
            self.broken.into(),
            self.known_from.into(),
            Value::List(breaks.collect()),
        ])
    }

    pub(super) fn parse(value: &Value) -> Option<State> {
        let Value::Tuple(parts) = value else {
            return None;
        };
        let [
            Value::Int(generation),
            Value::Bool(broken),
            Value::Int(known_from),
            Value::List(breaks),
        ] = &parts[..]
        else {
            return None;
        };
        Some(State {
            generation: *generation,
            broken: *broken,
            known_from: *known_from,
            breaks: breaks.iter().map(Value::as_int).collect::<Option<_>>()?,
        })
    }
}

