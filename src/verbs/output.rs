//! What the verbs print: bare text for people, JSON for programs, raw bytes for files.

use crate::failure::Failure;
use clap::{Args, ValueEnum};
use commonhold::Value;
use serde_json::Value as Json;
use std::io::{self, ErrorKind, Write as _};

/// How an answer is printed.
#[derive(Debug, Default, Args)]
pub(super) struct Output {
    /// text: a string bare, all else as JSON; json: always JSON; raw: a string's or bytes' own bytes, no line break
    #[arg(
        short = 'o',
        long = "output",
        value_name = "FORMAT",
        default_value = "text",
        hide_default_value = true
    )]
    pub(super) format: Format,
}

/// A format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
    /// For files.
    Raw,
}

impl Output {
    /// Prints a value.
    pub(super) fn print(&self, value: &Value) -> Result<(), Failure> {
        say(&render(value, self.format))
    }

    /// Prints JSON, or the text that a function makes for people.
    pub(super) fn print_either(
        &self,
        json: &Json,
        text: impl FnOnce() -> String,
    ) -> Result<(), Failure> {
        match self.format {
            Format::Text => say(text().as_bytes()),
            Format::Json => say(format!("{json:#}\n").as_bytes()),
            Format::Raw => say(json.to_string().as_bytes()),
        }
    }
}

/// A value in a format.
pub(super) fn render(value: &Value, format: Format) -> Vec<u8> {
    let bytes = match (value, format) {
        (Value::Bytes(bytes), Format::Raw) => return bytes.to_vec(),
        (Value::Text(text), Format::Raw | Format::Text) => text.as_bytes().to_vec(),
        _ => value.to_json().to_string().into_bytes(),
    };
    line(bytes, format)
}

fn line(mut bytes: Vec<u8>, format: Format) -> Vec<u8> {
    if format != Format::Raw {
        bytes.push(b'\n');
    }
    bytes
}

/// Writes to stdout. That nobody reads it any more is no failure.
pub(crate) fn say(bytes: &[u8]) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::system("cannot write to stdout", &error))
        }
        _ => Ok(()),
    }
}

/// Columns: headings in capitals, numbers to the right.
#[derive(Debug, Default)]
pub(super) struct Table {
    headings: Vec<(&'static str, Align)>,
    rows: Vec<Vec<String>>,
}

/// Where a column's cells stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Right,
}

impl Table {
    pub(super) fn new(headings: impl Into<Vec<(&'static str, Align)>>) -> Table {
        Table {
            headings: headings.into(),
            rows: Vec::new(),
        }
    }

    pub(super) fn row(&mut self, cells: impl Into<Vec<String>>) {
        self.rows.push(cells.into());
    }

    /// The whole table, without spaces at the ends of lines.
    pub(super) fn to_text(&self) -> String {
        let headings: Vec<String> = self
            .headings
            .iter()
            .map(|(name, _)| (*name).to_owned())
            .collect();
        let untitled = headings.iter().all(String::is_empty);
        let lines: Vec<&Vec<String>> = (!untitled)
            .then_some(&headings)
            .into_iter()
            .chain(&self.rows)
            .collect();
        let width = |column: usize| {
            let cells = lines.iter().map(|line| line[column].chars().count());
            cells.max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..headings.len()).map(width).collect();
        let mut text = String::new();
        for line in lines {
            let cells = line.iter().zip(&widths).zip(&self.headings);
            let cells: Vec<String> = cells
                .map(|((cell, width), (_, align))| match align {
                    Align::Left => format!("{cell:width$}"),
                    Align::Right => format!("{cell:>width$}"),
                })
                .collect();
            text.push_str(cells.join("  ").trim_end());
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_differ_in_what_they_do_to_text_and_bytes() {
        let check =
            |value: Value, format, expected: &[u8]| assert_eq!(render(&value, format), expected);
        check("dark".into(), Format::Text, b"dark\n");
        check("dark".into(), Format::Json, b"\"dark\"\n");
        check("dark".into(), Format::Raw, b"dark");
        check(3.into(), Format::Text, b"3\n");
        check(3.into(), Format::Raw, b"3");
        check(Value::Bytes(vec![0, 255].into()), Format::Raw, &[0, 255]);
        check(
            Value::Bytes(vec![0, 255].into()),
            Format::Text,
            b"{\"$bytes\":\"AP8=\"}\n",
        );
        check(Value::Null, Format::Text, b"null\n");
    }

    #[test]
    fn a_table_lines_up() {
        let mut table = Table::new([
            ("NAME", Align::Left),
            ("ENTRIES", Align::Right),
            ("HOW", Align::Left),
        ]);
        table.row(["config".into(), "3".into(), "durable".into()]);
        table.row(["x".into(), "12345678".into(), "memory".into()]);
        let expected =
            "NAME     ENTRIES  HOW\nconfig         3  durable\nx       12345678  memory\n";
        assert_eq!(table.to_text(), expected);
    }
}
