//! Words, and pieces of text to count them in.

use std::collections::HashMap;
use std::ops::Range;

/// Longer runs are no words: encoded data, mostly.
const WORD_BYTES_MAX: usize = 64;

/// The words of a text, in lower case: runs of letters and digits.
pub(super) fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty() && word.len() <= WORD_BYTES_MAX)
        .map(str::to_lowercase)
}

/// How often each word occurs.
pub(super) fn count(text: &str) -> HashMap<String, u64> {
    let mut counts = HashMap::new();
    for word in words(text) {
        *counts.entry(word).or_insert(0) += 1;
    }
    counts
}

/// Ranges of about so many bytes that cut no word.
pub(super) fn pieces(text: &str, bytes: usize) -> Vec<Range<usize>> {
    let mut pieces = Vec::new();
    let mut start = 0;
    while start < text.len() {
        let target = start.saturating_add(bytes.max(1));
        let end = match text.as_bytes().get(target..) {
            // A white space of ASCII is a whole character and part of no word.
            Some(rest) => {
                let cut = rest.iter().position(u8::is_ascii_whitespace);
                cut.map_or(text.len(), |at| target + at)
            }
            None => text.len(),
        };
        pieces.push(start..end);
        start = end;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_runs_of_letters_and_digits_in_lower_case() {
        let found: Vec<String> = words("Über-Größe, it's 42% [x]\n").collect();
        assert_eq!(found, ["über", "größe", "it", "s", "42", "x"]);
        assert_eq!(words(&"a".repeat(65)).count(), 0);
    }

    #[test]
    fn pieces_have_the_words_of_the_whole() {
        let text = "the cat sat on the mat, größer als der Hut\n".repeat(40);
        let whole = count(&text);
        for bytes in [1, 7, 100, 10_000] {
            let pieces = pieces(&text, bytes);
            assert_eq!(pieces.first().map(|piece| piece.start), Some(0));
            assert_eq!(pieces.last().map(|piece| piece.end), Some(text.len()));
            assert!(pieces.windows(2).all(|pair| pair[0].end == pair[1].start));
            let mut sum = HashMap::new();
            for piece in pieces {
                for (word, number) in count(&text[piece]) {
                    *sum.entry(word).or_insert(0) += number;
                }
            }
            assert_eq!(sum, whole, "{bytes}");
        }
        assert!(pieces("", 10).is_empty());
    }
}
