//! Sets of sequence numbers, as few runs: which replies were acknowledged.

use crate::wire::Range;

/// A set of numbers, kept as runs with both ends included, in order, neither touching nor overlapping.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ranges(Vec<Range>);

impl Ranges {
    /// Is the number in the set?
    pub fn contains(&self, number: u64) -> bool {
        let at = self.0.partition_point(|run| run.last < number);
        self.0.get(at).is_some_and(|run| run.first <= number)
    }

    /// Adds a run; one that ends before it begins is empty.
    pub fn insert(&mut self, first: u64, last: u64) {
        let added = self.insert_within(first, last, usize::MAX);
        debug_assert!(added, "there is no bound");
    }

    /// Adds a run. False if the set would have more runs than `runs_max`; it is unchanged then.
    #[must_use = "it may not have been added"]
    pub fn insert_within(&mut self, first: u64, last: u64, runs_max: usize) -> bool {
        if first > last {
            return true;
        }
        // The many: the last run grows.
        if let Some(end) = self.0.last_mut()
            && first >= end.first
            && first <= end.last.saturating_add(1)
        {
            end.last = end.last.max(last);
            return true;
        }
        let from = self
            .0
            .partition_point(|run| run.last.saturating_add(1) < first);
        let to = self
            .0
            .partition_point(|run| run.first <= last.saturating_add(1));
        let merged = match self.0.get(from..to) {
            Some([]) | None if self.0.len() >= runs_max => return false,
            Some([]) | None => Range { first, last },
            Some(runs) => Range {
                first: first.min(runs[0].first),
                last: last.max(runs[runs.len() - 1].last),
            },
        };
        self.0.splice(from..to.max(from), [merged]);
        true
    }

    /// Removes a number.
    pub fn remove(&mut self, number: u64) {
        let at = self.0.partition_point(|run| run.last < number);
        let Some(run) = self.0.get(at).filter(|run| run.first <= number) else {
            return;
        };
        let (first, last) = (run.first, run.last);
        let before = (first < number).then(|| Range {
            first,
            last: number - 1,
        });
        let after = (number < last).then(|| Range {
            first: number + 1,
            last,
        });
        self.0.splice(at..=at, before.into_iter().chain(after));
    }

    /// The lowest number from 1 on that is not in the set.
    pub fn first_missing(&self) -> u64 {
        match self.0.first() {
            Some(run) if run.first <= 1 => run.last.saturating_add(1),
            _ => 1,
        }
    }

    /// The runs, in order.
    pub fn runs(&self) -> &[Range] {
        &self.0
    }

    /// Removes everything; keeps the memory.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn is_a_set_of_few_runs(runs in prop::collection::vec((1u64..60, 0u64..8, 1u64..70), 0..40)) {
            let (mut ranges, mut model) = (Ranges::default(), BTreeSet::new());
            for (first, more, removed) in runs {
                ranges.insert(first, first + more);
                model.extend(first..=first + more);
                ranges.remove(removed);
                model.remove(&removed);
                for number in 0..80 {
                    prop_assert_eq!(ranges.contains(number), model.contains(&number));
                }
                let missing = (1..200).find(|number| !model.contains(number));
                prop_assert_eq!(Some(ranges.first_missing()), missing);
                let listed: Vec<u64> = ranges.runs().iter().flat_map(|run| run.first..=run.last).collect();
                prop_assert_eq!(listed, model.iter().copied().collect::<Vec<_>>());
                prop_assert!(ranges.0.windows(2).all(|w| w[0].last + 1 < w[1].first), "{:?}", ranges);
            }
        }
    }

    #[test]
    fn the_ends_of_the_numbers_do_no_harm() {
        let mut ranges = Ranges::default();
        ranges.insert(u64::MAX, u64::MAX);
        ranges.insert(0, u64::MAX);
        ranges.insert(5, 3);
        let all = Range {
            first: 0,
            last: u64::MAX,
        };
        assert_eq!(ranges.runs(), [all]);
        assert_eq!(ranges.first_missing(), u64::MAX);
    }

    #[test]
    fn a_set_with_too_many_runs_takes_what_makes_no_more() {
        let mut ranges = Ranges::default();
        assert!(ranges.insert_within(1, 1, 2) && ranges.insert_within(5, 5, 2));
        let before = ranges.clone();
        for run in [3, 9] {
            assert!(!ranges.insert_within(run, run, 2));
        }
        assert_eq!(ranges, before);
        assert!(ranges.insert_within(2, 3, 2) && ranges.insert_within(6, 6, 2));
        assert!(ranges.insert_within(4, 4, 2));
        assert_eq!(ranges.runs(), [Range { first: 1, last: 6 }]);
    }
}
