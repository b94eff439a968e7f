//! Sets of sequence numbers, as few runs.

use commonhold_proto::wire;

/// A set of numbers, kept as runs with both ends included, in order and apart from each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ranges {
    runs: Vec<wire::Range>,
}

impl Ranges {
    /// Adds a number.
    pub(crate) fn insert(&mut self, number: u64) {
        // Replies come mostly in order: the last run grows, or a new one begins after it.
        match self.runs.last_mut() {
            Some(run) if number == run.last + 1 => run.last = number,
            Some(run) if number > run.last => self.runs.push(single(number)),
            None => self.runs.push(single(number)),
            Some(_) => self.insert_inside(number),
        }
    }

    /// Adds a run that lies behind everything in the set, and apart from it.
    pub(crate) fn append(&mut self, first: u64, last: u64) {
        self.runs.push(wire::Range { first, last });
    }

    fn insert_inside(&mut self, number: u64) {
        let at = self.runs.partition_point(|run| run.last < number);
        let next = self.runs.get(at).copied();
        if next.is_some_and(|next| next.first <= number) {
            return;
        }
        let meets_next = next.is_some_and(|next| next.first == number + 1);
        let meets_previous = at > 0 && self.runs[at - 1].last + 1 == number;
        match (meets_previous, meets_next) {
            (true, true) => {
                self.runs[at - 1].last = self.runs[at].last;
                self.runs.remove(at);
            }
            (true, false) => self.runs[at - 1].last = number,
            (false, true) => self.runs[at].first = number,
            (false, false) => self.runs.insert(at, single(number)),
        }
    }

    /// The runs, in order.
    pub(crate) fn runs(&self) -> &[wire::Range] {
        &self.runs
    }

    /// Removes everything; keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.runs.clear();
    }
}

const fn single(number: u64) -> wire::Range {
    wire::Range {
        first: number,
        last: number,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn is_a_set_with_few_runs(numbers in prop::collection::vec(1u64..80, 0..120)) {
            let mut ranges = Ranges::default();
            let mut model = BTreeSet::new();
            for number in numbers {
                ranges.insert(number);
                model.insert(number);
                let listed: Vec<u64> = ranges.runs().iter().flat_map(|run| run.first..=run.last).collect();
                prop_assert_eq!(listed, model.iter().copied().collect::<Vec<_>>());
                prop_assert!(ranges.runs().windows(2).all(|pair| pair[0].last + 1 < pair[1].first));
            }
        }
    }
}
