//! The checker for short histories: it believes no revision, and looks for any order that explains the results.
//!
//! The algorithm is Wing and Gong's ("Testing and verifying concurrent objects", JPDC 17(1-2), 1993) with Lowe's
//! memory ("Testing for linearizability", CCPE 29(4), 2017): take any operation that nothing else precedes, let the
//! model do it, and go on with the rest; go back where a result does not fit. What was done and how the object is then
//! is all that matters for the rest, so no such pair is tried twice.

use super::history::{History, Operation};
use super::kinds::Model;
use std::collections::HashSet;

/// So many states are tried before the search gives up: what many callers wrote at once and nobody read may have been
/// written in any order, and there are too many of them.
const STATES_MAX: usize = 10_000;

/// Is there an order of the operations that keeps to their times and that the model agrees with? For at most 64
/// operations; `None` if it was not found out in time.
pub(super) fn is_linearizable(history: &History) -> Option<bool> {
    assert!(history.operations.len() <= 64, "it would take for ever");
    let mut operations: Vec<&Operation> = history.operations.iter().collect();
    operations.sort_by_key(|operation| operation.sent);
    let mut search = Search {
        operations,
        tried: HashSet::new(),
    };
    let model = (history.kind.model)();
    let is_found = search.go_on(0, model.as_ref());
    (is_found || search.tried.len() < STATES_MAX).then_some(is_found)
}

struct Search<'h> {
    /// As they were sent.
    operations: Vec<&'h Operation>,
    /// What had been done, one bit an operation, and what the object was then.
    tried: HashSet<(u64, String)>,
}

impl Search<'_> {
    /// Can the rest be done? `done` has a bit for each operation that is.
    fn go_on(&mut self, done: u64, model: &dyn Model) -> bool {
        let is_left = |place: &usize| done & (1 << place) == 0;
        let left: Vec<usize> = (0..self.operations.len()).filter(is_left).collect();
        let answers = left.iter().map(|place| self.operations[*place].answered);
        let Some(first_answer) = answers.min() else {
            return true;
        };
        if self.tried.len() >= STATES_MAX {
            return false;
        }
        if !self.tried.insert((done, format!("{model:?}"))) {
            return false;
        }
        let may_be_next = |place: &usize| self.operations[*place].sent <= first_answer;
        let next: Vec<usize> = left.into_iter().take_while(may_be_next).collect();
        next.into_iter().any(|place| {
            let operation = self.operations[place];
            let mut model = model.fork();
            let step = model.apply(&operation.call, Some(&operation.outcome));
            step.outcome == operation.outcome && self.go_on(done | (1 << place), model.as_ref())
        })
    }
}
