//! Labels: where the items of a list stand. They have room between them, so that an insert writes one row.

/// The room beside an item at an end of the list.
pub(super) const GAP: u128 = 1 << 64;
/// Where the first item stands: room for as many before as after it.
const MIDDLE: u128 = 1 << 127;

/// `count` labels in order strictly between two, or the ends; `None` if there is no room for them.
pub(super) fn between(before: Option<u128>, after: Option<u128>, count: usize) -> Option<Vec<u128>> {
    let many = count as u128;
    match (before, after) {
        (None, None) => evenly(MIDDLE, GAP, count),
        (Some(last), None) => match last.checked_add(GAP) {
            Some(first) if many <= (u128::MAX - first) / GAP => evenly(first, GAP, count),
            _ => inside(last, u128::MAX, count),
        },
        (None, Some(first)) => match (many + 1).checked_mul(GAP) {
            Some(room) if room <= first => evenly(first - many * GAP, GAP, count),
            _ => inside(0, first, count),
        },
        (Some(before), Some(after)) => inside(before, after, count),
    }
}

/// Labels that divide the room strictly between two evenly.
pub(super) fn inside(before: u128, after: u128, count: usize) -> Option<Vec<u128>> {
    let step = after.checked_sub(before)? / (count as u128 + 1);
    if step == 0 {
        return None;
    }
    evenly(before + step, step, count)
}

fn evenly(first: u128, step: u128, count: usize) -> Option<Vec<u128>> {
    let mut labels = Vec::with_capacity(count);
    for nth in 0..count as u128 {
        labels.push(first.checked_add(step.checked_mul(nth)?)?);
    }
    Some(labels)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn labels_stand_in_order_between_their_neighbours(
            before in any::<Option<u128>>(), after in any::<Option<u128>>(), small in 0u128..2000, near in any::<bool>(),
            count in 0usize..50,
        ) {
            let after = match before {
                Some(before) if near => Some(before.saturating_add(small)),
                _ => after,
            };
            let room = after.unwrap_or(u128::MAX).saturating_sub(before.unwrap_or(0));
            match between(before, after, count) {
                None => prop_assert!(room <= count as u128),
                Some(labels) => {
                    prop_assert_eq!(labels.len(), count);
                    let ends = before.into_iter().chain(labels).chain(after).collect::<Vec<_>>();
                    prop_assert!(count == 0 || ends.is_sorted_by(|a, b| a < b), "{:?}", ends);
                }
            }
        }
    }
}
