//! Text that others chose, shown on a terminal.

/// The text in one line: what a terminal would obey, or would not show, is written as `\u{1b}`.
pub(crate) fn line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || turns_or_hides(c) {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
    line
}

/// Characters that turn the direction of those beside them, or take no room.
fn turns_or_hides(c: char) -> bool {
    matches!(c,
        '\u{61c}' | '\u{feff}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_only_shown() {
        for (text, shown) in [
            (
                "step 3 of 7: \"caf\u{e9}\" \\ e\u{301}",
                "step 3 of 7: \"caf\u{e9}\" \\ e\u{301}",
            ),
            ("\u{1b}[2J\u{7}", "\\u{1b}[2J\\u{7}"),
            ("one\r\ntwo\t", "one\\r\\ntwo\\t"),
            ("\u{9b}1m\u{202e}gpj", "\\u{9b}1m\\u{202e}gpj"),
        ] {
            assert_eq!(line(text), shown);
        }
    }
}
