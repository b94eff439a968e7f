//! `who`: who holds an object, and who waits for it.

use super::Connection;
use super::connection::field;
use super::output::{Align, Output, Table};
use crate::failure::Failure;
use crate::line::line as escaped;
use clap::Args;
use commonhold::{Call, Value};

/// Tell who holds an object, since when, and who waits for it
#[derive(Debug, Args)]
pub(crate) struct Who {
    /// The object
    name: String,
    #[command(flatten)]
    output: Output,
}

impl Who {
    pub(super) fn run(&self, connection: &Connection) -> Result<(), Failure> {
        let who = connection.server(Call::new("who", [self.name.as_str().into()]))?;
        self.output
            .print_either(&who.to_json(), || to_text(&self.name, &who))
    }
}

fn to_text(name: &str, who: &Value) -> String {
    let holders = list(who, "holders");
    let mut text = if holders.is_empty() {
        format!("nobody holds {name}\n")
    } else {
        let (left, right) = (Align::Left, Align::Right);
        let mut table = Table::new([
            ("HOLDER", left),
            ("PID", right),
            ("SINCE", right),
            ("TOKEN", right),
            ("HOLDS", left),
            ("NOTE", left),
        ]);
        for holder in holders {
            table.row([
                client(holder),
                number(holder, "pid").map_or_else(String::new, |pid| pid.to_string()),
                since(holder),
                number(holder, "token").map_or_else(String::new, |token| token.to_string()),
                line(holder, "part").unwrap_or_else(|| "all".to_owned()),
                line(holder, "note").unwrap_or_default(),
            ]);
        }
        let mut text = table.to_text();
        text += &more(number(who, "holder_count"), holders.len());
        text
    };
    let count = number(who, "waiting_count").unwrap_or(0);
    if count == 0 {
        return text;
    }
    let waiting = list(who, "waiting");
    let mut table = Table::new([("", Align::Left), ("", Align::Left)]);
    for (at, waiter) in waiting.iter().enumerate() {
        let head = match at {
            0 => format!("WAITING  {count}"),
            _ => String::new(),
        };
        let pid = number(waiter, "pid").map_or_else(String::new, |pid| format!(" pid {pid}"));
        table.row([head, format!("{}{pid}, {}", client(waiter), since(waiter))]);
    }
    text += &table.to_text();
    text += &more(Some(count), waiting.len());
    text
}

/// How many there are beside those that were shown.
fn more(count: Option<i64>, shown: usize) -> String {
    let shown = i64::try_from(shown).unwrap_or(i64::MAX);
    match count.map_or(0, |count| count.saturating_sub(shown)) {
        more @ 1.. => format!("and {more} more\n"),
        _ => String::new(),
    }
}

fn list<'a>(of: &'a Value, name: &str) -> &'a [Value] {
    match field(of, name) {
        Some(Value::List(items)) => items,
        _ => &[],
    }
}

/// Host and name; a client that is gone has neither.
fn client(of: &Value) -> String {
    let parts = ["host", "client"].map(|name| line(of, name).unwrap_or_default());
    let parts: Vec<&str> = parts
        .iter()
        .map(String::as_str)
        .filter(|part| !part.is_empty())
        .collect();
    if parts.is_empty() {
        "(gone)".to_owned()
    } else {
        parts.join(" ")
    }
}

/// A text that fits a line of a terminal: clients choose it.
fn line(of: &Value, name: &str) -> Option<String> {
    Some(escaped(field(of, name)?.as_text()?))
}

/// A number that is known: a process is not 0.
fn number(of: &Value, name: &str) -> Option<i64> {
    field(of, name)?.as_int().filter(|number| *number > 0)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a tenth of a second is shown at most"
)]
fn since(of: &Value) -> String {
    let ms = number(of, "since_ms").unwrap_or(0);
    match ms {
        ..10_000 => format!("{:.1} s", ms as f64 / 1000.0),
        10_000..120_000 => format!("{} s", ms / 1000),
        120_000..7_200_000 => format!("{} min", ms / 60_000),
        7_200_000..172_800_000 => format!("{} h", ms / 3_600_000),
        _ => format!("{} days", ms / 86_400_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_who_are_not_listed_are_counted() {
        let client = |name: &str| {
            let fields = [("client", name.into()), ("since_ms", 1_500.into())];
            let fields = fields.map(|(name, value): (&str, Value)| (name.into(), value));
            Value::Dict(fields.to_vec())
        };
        let who = |holders: u32, waiting: u32| {
            Value::Dict(vec![
                ("holders".into(), Value::List(vec![client("one\u{1b}[2J")])),
                ("holder_count".into(), holders.into()),
                ("waiting".into(), Value::List(vec![client("two")])),
                ("waiting_count".into(), waiting.into()),
            ])
        };
        let text = to_text("gpu", &who(1, 1));
        assert!(!text.contains("more"), "{text}");
        assert!(text.contains("one\\u{1b}[2J"), "{text:?}");
        let text = to_text("gpu", &who(1_501, 4));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[2], "and 1500 more");
        assert!(lines[3].starts_with("WAITING  4"), "{text}");
        assert_eq!(lines[4], "and 3 more");
    }
}
