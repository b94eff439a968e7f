//! The checker for long histories: it believes the revisions of the replies, and checks everything that they claim.
//!
//! A history is linearizable if its operations can be put in one order that a single caller could have made, and in
//! which whatever was over before something else began comes first (Herlihy and Wing, "Linearizability: a correctness
//! condition for concurrent objects", TOPLAS 12(3), 1990). To search for an order takes exponential time. A server that
//! numbers its changes names one: by revision, at each revision first the change, then those who saw it, as they were
//! sent. So it is enough to sort, to replay, and to compare times: n log n. What passes is linearizable; the search in
//! `search.rs` does not believe the revisions, and sees to it that this is so.
//!
//! Three things are claimed, and checked:
//! - every change has a revision of its own, and whoever changed nothing carries the revision of a change, or that
//!   before the first operation. So nothing changed the object but the operations of the history;
//! - one after another in this order, the plain model says of each exactly what its client was told;
//! - what was over before something was sent does not carry a larger revision, nor the same if that was a change.
//!
//! A remembered reply is that of the call's one execution: its revision is that change's, and it is checked as any other.

use super::history::{History, Operation};
use std::fmt;

/// Why a history is none of a correct object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// A client was told something that the model does not say.
    Result(String),
    /// Two changes have one revision, or none has the revision that a reply names.
    Revision(String),
    /// The order of revisions is not that of time.
    Order(String),
}

/// Checks a history.
pub(super) fn check(history: &History) -> Result<(), Wrong> {
    let mut order: Vec<&Operation> = history.operations.iter().collect();
    // At one revision first the change, so far as is known, and then those who saw it.
    order.sort_by_key(|operation| {
        let change = (history.kind.change)(&operation.call, &operation.outcome);
        (operation.revision, change, operation.sent)
    });
    let changes = replay(history, &order)?;
    in_order_of_time(&order, &changes)
}

/// Lets the model do it all, and tells of each operation whether it was a change.
fn replay(history: &History, order: &[&Operation]) -> Result<Vec<bool>, Wrong> {
    let mut model = (history.kind.model)();
    let mut newest = history.since;
    let mut changes = Vec::with_capacity(order.len());
    for operation in order {
        let step = model.apply(&operation.call, Some(&operation.outcome));
        if step.outcome != operation.outcome {
            let expected = step.outcome;
            let what = format!("{operation:?} should have been told {expected:?}");
            return Err(Wrong::Result(what));
        }
        let is_newer = operation.revision > newest;
        if step.wrote && !is_newer {
            let what = format!("{operation:?} is a change, and {newest} is another's");
            return Err(Wrong::Revision(what));
        }
        if !step.wrote && operation.revision != newest {
            let what = format!("{operation:?} is no change, and the newest known is {newest}");
            return Err(Wrong::Revision(what));
        }
        newest = operation.revision;
        changes.push(step.wrote);
    }
    Ok(changes)
}

/// Compares the order with the clock: for each operation as it was sent, with the newest that was over by then.
fn in_order_of_time(order: &[&Operation], changes: &[bool]) -> Result<(), Wrong> {
    let mut begun: Vec<(&Operation, bool)> =
        order.iter().copied().zip(changes.iter().copied()).collect();
    begun.sort_by_key(|(operation, _)| operation.sent);
    let mut over: Vec<&Operation> = order.to_vec();
    over.sort_by_key(|operation| operation.answered);
    let mut over = over.into_iter().peekable();
    let mut newest: Option<&Operation> = None;
    for (operation, is_change) in begun {
        while let Some(earlier) = over.next_if(|earlier| earlier.precedes(operation)) {
            if newest.is_none_or(|newest| newest.revision < earlier.revision) {
                newest = Some(earlier);
            }
        }
        let Some(newest) = newest else { continue };
        let is_late = newest.revision > operation.revision;
        if is_late || is_change && newest.revision == operation.revision {
            let what = format!("{newest:?} was over before {operation:?} was sent");
            return Err(Wrong::Order(what));
        }
    }
    Ok(())
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, what) = match self {
            Wrong::Result(what) => ("result", what),
            Wrong::Revision(what) => ("revision", what),
            Wrong::Order(what) => ("order", what),
        };
        write!(f, "wrong {kind}: {what}")
    }
}
