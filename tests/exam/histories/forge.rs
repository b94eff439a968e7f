//! Recorded histories with something in them that was not so. Most are bad then, but not all.

use super::history::History;
use crate::support::Random;
use commonhold::Value;

/// With another outcome of one operation: that of another, or one that is near.
pub(super) fn change(history: &History, random: &Random) -> History {
    let mut forged = history.clone();
    let operations = &mut forged.operations;
    let other = operations[random.below(operations.len())].outcome.clone();
    let outcome = &mut operations[random.below(history.operations.len())].outcome;
    *outcome = match outcome {
        Ok(Value::Int(number)) => Ok((*number + 1).into()),
        Ok(Value::Bool(truth)) => Ok((!*truth).into()),
        _ => other,
    };
    forged
}

/// With the outcomes of two operations of one method in each other's place, if there are two that differ.
pub(super) fn swap(history: &History, random: &Random) -> History {
    let mut forged = history.clone();
    let operations = &mut forged.operations;
    let one = random.below(operations.len());
    let is_other = |other: &usize| {
        let (one, other) = (&operations[one], &operations[*other]);
        one.call.method == other.call.method && one.outcome != other.outcome
    };
    let others: Vec<usize> = (0..operations.len()).filter(is_other).collect();
    if others.is_empty() {
        return forged;
    }
    let other = others[random.below(others.len())];
    let outcome = operations[one].outcome.clone();
    let swapped = std::mem::replace(&mut operations[other].outcome, outcome);
    operations[one].outcome = swapped;
    forged
}

/// With one operation at another time: just before another began, or just after it was over.
pub(super) fn shift(history: &History, random: &Random) -> History {
    let mut forged = history.clone();
    // Times have room below 0.
    for operation in &mut forged.operations {
        operation.sent += 1 << 60;
        operation.answered += 1 << 60;
    }
    let other = forged.operations[random.below(history.operations.len())].clone();
    let operation = &mut forged.operations[random.below(history.operations.len())];
    let took = operation.answered - operation.sent;
    operation.sent = if random.once_in(2) {
        other.answered + 1
    } else {
        other.sent - took - 1
    };
    operation.answered = operation.sent + took;
    forged
}
