//! Sets of sequence numbers as runs.

/// A set of numbers, kept as runs with both ends included, in order, neither touching nor overlapping.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ranges(Vec<(u64, u64)>);

/// More runs than this are only made by a client that means harm: a run ends where a call is unanswered.
pub(crate) const RUNS_MAX: usize = 32_768;

impl Ranges {
    /// Is the number in the set?
    pub(crate) fn contains(&self, number: u64) -> bool {
        let at = self.0.partition_point(|&(_, last)| last < number);
        self.0.get(at).is_some_and(|&(first, _)| first <= number)
    }

    /// Adds a run. False if the set would have too many runs; it is unchanged then.
    pub(crate) fn insert(&mut self, first: u64, last: u64) -> bool {
        if first > last {
            return true;
        }
        // The many: the last run grows.
        if let Some(end) = self.0.last_mut()
            && first >= end.0
            && first <= end.1.saturating_add(1)
        {
            end.1 = end.1.max(last);
            return true;
        }
        let from = self
            .0
            .partition_point(|run| run.1.saturating_add(1) < first);
        let to = self
            .0
            .partition_point(|run| run.0 <= last.saturating_add(1));
        let merged = match self.0.get(from..to) {
            Some([]) | None if self.0.len() >= RUNS_MAX => return false,
            Some([]) | None => (first, last),
            Some(runs) => (first.min(runs[0].0), last.max(runs[runs.len() - 1].1)),
        };
        self.0.splice(from..to.max(from), [merged]);
        true
    }

    /// The lowest number from 1 on that is not in the set.
    pub(crate) fn first_missing(&self) -> u64 {
        match self.0.first() {
            Some(&(first, last)) if first <= 1 => last.saturating_add(1),
            _ => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn is_a_set(runs in prop::collection::vec((1u64..60, 0u64..8), 0..40)) {
            let (mut ranges, mut model) = (Ranges::default(), BTreeSet::new());
            for (first, more) in runs {
                prop_assert!(ranges.insert(first, first + more));
                model.extend(first..=first + more);
                for number in 0..80 {
                    prop_assert_eq!(ranges.contains(number), model.contains(&number));
                }
                let missing = (1..200).find(|number| !model.contains(number));
                prop_assert_eq!(Some(ranges.first_missing()), missing);
                prop_assert!(ranges.0.windows(2).all(|w| w[0].1 + 1 < w[1].0), "{:?}", ranges);
            }
        }
    }

    #[test]
    fn the_ends_of_the_numbers_do_no_harm() {
        let mut ranges = Ranges::default();
        assert!(ranges.insert(u64::MAX, u64::MAX));
        assert!(ranges.insert(0, u64::MAX));
        assert!(ranges.insert(5, 3));
        assert_eq!(ranges.0, [(0, u64::MAX)]);
        assert_eq!(ranges.first_missing(), u64::MAX);
    }
}
