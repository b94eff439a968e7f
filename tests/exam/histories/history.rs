//! What is recorded: calls on one object, when each was under way, and what it was told.

use super::kinds::Kind;
use commonhold::{Call, Code, Value};

/// What a call was told: a result, or the code of a refusal. Its words are for people.
pub(super) type Outcome = Result<Value, Code>;

/// A call that was answered.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Operation {
    /// Who made it. Calls of one client may overlap, as those of many do.
    pub(super) client: usize,
    pub(super) call: Call,
    /// When it was about to be made, in nanoseconds of one clock.
    pub(super) sent: u64,
    /// When its reply was there, on the same clock.
    pub(super) answered: u64,
    pub(super) outcome: Outcome,
    /// The object's revision in the reply: its own if it changed the object, else the newest that it saw.
    pub(super) revision: u64,
}

/// Everything that was ever done to one object.
#[derive(Clone)]
pub(super) struct History {
    pub(super) kind: &'static Kind,
    /// The object's revision before the first operation.
    pub(super) since: u64,
    /// In any order. The last to be made reads all of the object, so that what it ends as is checked as well.
    pub(super) operations: Vec<Operation>,
}

impl Operation {
    /// Was this one over before that one began?
    pub(super) fn precedes(&self, other: &Operation) -> bool {
        self.answered < other.sent
    }
}
