//! What came of the demo.

use super::crew::Totals;
use crate::units::grouped;
use serde_json::{Value as Json, json};
use std::collections::HashMap;
use std::time::Duration;

/// Words whose counts differ that are named.
const NAMED_MAX: usize = 10;

/// Everything that there is to say.
pub(super) struct Report {
    pub(super) files: usize,
    pub(super) megabytes: f64,
    pub(super) words: u64,
    pub(super) workers: u16,
    /// How long one process took alone, without a server.
    pub(super) alone: Duration,
    pub(super) took: Duration,
    pub(super) killed: u64,
    pub(super) wanted: u16,
    pub(super) totals: Totals,
    pub(super) comparison: Comparison,
    /// The most frequent words, with both counts.
    pub(super) top: Vec<(String, u64, u64)>,
}

/// The shared counts against those of one process alone, word by word.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Comparison {
    pub(super) distinct: usize,
    /// Increments that are missing.
    pub(super) lost: u64,
    /// Increments that are too many.
    pub(super) doubled: u64,
    /// Some of the words that differ.
    pub(super) differing: Vec<String>,
}

impl Comparison {
    pub(super) fn is_equal(&self) -> bool {
        self.lost == 0 && self.doubled == 0
    }
}

/// Compares every word of either side.
pub(super) fn compare(expected: &HashMap<String, u64>, found: &HashMap<String, u64>) -> Comparison {
    let mut comparison = Comparison {
        distinct: expected.len(),
        ..Comparison::default()
    };
    let unexpected = found.keys().filter(|word| !expected.contains_key(*word));
    for word in expected.keys().chain(unexpected) {
        let count = |counts: &HashMap<String, u64>| counts.get(word).copied().unwrap_or(0);
        let (right, shared) = (count(expected), count(found));
        comparison.lost += right.saturating_sub(shared);
        comparison.doubled += shared.saturating_sub(right);
        if right != shared {
            comparison
                .differing
                .push(format!("{word}: {shared} in place of {right}"));
        }
    }
    comparison.differing.sort_unstable();
    comparison.differing.truncate(NAMED_MAX);
    comparison
}

/// The most frequent words, each with the count of one process and the shared one.
pub(super) fn top(
    expected: &HashMap<String, u64>,
    found: &HashMap<String, u64>,
    count: usize,
) -> Vec<(String, u64, u64)> {
    let mut words: Vec<(&String, u64)> = expected
        .iter()
        .map(|(word, count)| (word, *count))
        .collect();
    words.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
    let shared = |word: &str| found.get(word).copied().unwrap_or(0);
    let rows = words.into_iter().take(count);
    rows.map(|(word, count)| (word.clone(), count, shared(word)))
        .collect()
}

impl Report {
    fn per_second(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let words = self.words as f64;
        words / self.took.as_secs_f64().max(1e-9)
    }

    /// For people. The last line is the result.
    pub(super) fn as_text(&self) -> String {
        let width = self
            .top
            .iter()
            .map(|(word, ..)| word.chars().count())
            .max()
            .unwrap_or(0)
            .max(4);
        let mut lines = vec![format!(
            "{:width$}  {:>12}  {:>12}",
            "WORD", "SHARED", "ALONE"
        )];
        for (word, alone, shared) in &self.top {
            lines.push(format!(
                "{word:width$}  {:>12}  {:>12}",
                grouped(*shared),
                grouped(*alone)
            ));
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rate for people"
        )]
        let rate = self.per_second().round() as u64;
        lines.push(String::new());
        lines.push(format!(
            "{} increments of {} words by {} processes in {:.2} s: {} a second, each on disk before its answer",
            grouped(self.words),
            grouped(self.comparison.distinct as u64),
            self.workers,
            self.took.as_secs_f64(),
            grouped(rate),
        ));
        lines.push(format!(
            "one process alone, in its own memory: {:.2} s",
            self.alone.as_secs_f64()
        ));
        lines.extend(
            self.comparison
                .differing
                .iter()
                .map(|word| format!("differs: {word}")),
        );
        if self.killed < self.wanted.into() {
            lines.push(format!(
                "the text was counted before the server could be killed {} times: give more text",
                self.wanted
            ));
        }
        lines.push(format!(
            "killed {}, resent {}, deduplicated {}, lost {}, doubled {}\n",
            self.killed,
            self.totals.resent,
            self.totals.remembered,
            self.comparison.lost,
            self.comparison.doubled
        ));
        lines.join("\n")
    }

    /// For programs.
    pub(super) fn as_json(&self) -> Json {
        let top = self.top.iter();
        let top: Vec<Json> = top
            .map(|(word, alone, shared)| json!({"word": word, "shared": shared, "alone": alone}))
            .collect();
        json!({
            "files": self.files,
            "megabytes": self.megabytes,
            "words": self.words,
            "distinct": self.comparison.distinct,
            "workers": self.workers,
            "seconds": self.took.as_secs_f64(),
            "words_per_second": self.per_second(),
            "seconds_alone": self.alone.as_secs_f64(),
            "killed": self.killed,
            "resent": self.totals.resent,
            "deduplicated": self.totals.remembered,
            "reconnects": self.totals.reconnects,
            "lost": self.comparison.lost,
            "doubled": self.comparison.doubled,
            "differing": self.comparison.differing,
            "top": top,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(pairs: &[(&str, u64)]) -> HashMap<String, u64> {
        pairs
            .iter()
            .map(|(word, count)| ((*word).to_owned(), *count))
            .collect()
    }

    #[test]
    fn every_difference_is_found() {
        let alone = counts(&[("a", 5), ("b", 3), ("c", 1)]);
        assert!(compare(&alone, &alone).is_equal());
        let shared = counts(&[("a", 4), ("b", 5), ("d", 7)]);
        let comparison = compare(&alone, &shared);
        assert_eq!((comparison.lost, comparison.doubled), (2, 9));
        let named = [
            "a: 4 in place of 5",
            "b: 5 in place of 3",
            "c: 0 in place of 1",
            "d: 7 in place of 0",
        ];
        assert_eq!(comparison.differing, named);
        assert!(!comparison.is_equal());
    }

    #[test]
    fn the_most_frequent_come_first() {
        let alone = counts(&[("a", 1), ("b", 3), ("c", 3)]);
        let shared = counts(&[("b", 2)]);
        let expected = [("b".to_owned(), 3, 2), ("c".to_owned(), 3, 0)];
        assert_eq!(top(&alone, &shared, 2), expected);
    }
}
