//! The server itself: `status ping version`.

use super::Connection;
use super::output::{Align, Output, Table, say};
use crate::failure::Failure;
use crate::units;
use clap::Args;
use commonhold::{Call, Value};
use commonhold_proto::{PROTOCOL_MAJOR, PROTOCOL_MINOR};
use std::time::{Duration, Instant};

/// Print the server's numbers
#[derive(Debug, Args)]
pub(crate) struct Status {
    #[command(flatten)]
    output: Output,
}

impl Status {
    pub(super) fn run(&self, connection: &Connection) -> Result<(), Failure> {
        let status = connection.server(Call::new("status", []))?;
        self.output.print_either(&status.to_json(), || {
            let mut table = Table::new([("", Align::Left), ("", Align::Left)]);
            if let Value::Dict(pairs) = &status {
                for (name, value) in pairs {
                    table.row(readable(name.as_text().unwrap_or_default(), value));
                }
            }
            table.to_text()
        })
    }
}

/// A number with its unit, as people read it.
fn readable(name: &str, value: &Value) -> [String; 2] {
    let number = value.as_int().and_then(|number| u64::try_from(number).ok());
    if let (Some(name), Some(ms)) = (name.strip_suffix("_ms"), number) {
        return [
            name.to_owned(),
            format!("{:.1} s", Duration::from_millis(ms).as_secs_f64()),
        ];
    }
    if let (Some(name), Some(bytes)) = (name.strip_suffix("_bytes"), number) {
        return [name.to_owned(), format!("{} bytes", units::grouped(bytes))];
    }
    let text = match value {
        Value::Text(text) => text.to_string(),
        value => value.to_json().to_string(),
    };
    [name.to_owned(), text]
}

/// Ask the server for a sign of life
#[derive(Debug, Args)]
pub(crate) struct Ping {}

impl Ping {
    #[expect(clippy::unused_self, reason = "every verb runs alike")]
    pub(super) fn run(&self, connection: &Connection) -> Result<(), Failure> {
        let begun = Instant::now();
        connection.server(Call::new("ping", []))?;
        let ms = begun.elapsed().as_secs_f64() * 1000.0;
        say(format!("{} answered in {ms:.2} ms\n", connection.url()).as_bytes())
    }
}

/// Print the version of this command and of the protocol that it speaks
#[derive(Debug, Args)]
pub(crate) struct Version {}

impl Version {
    #[expect(clippy::unused_self, reason = "every verb runs alike")]
    pub(super) fn run(&self) -> Result<(), Failure> {
        let version = env!("CARGO_PKG_VERSION");
        say(
            format!("commonhold {version}\nprotocol {PROTOCOL_MAJOR}.{PROTOCOL_MINOR}\n")
                .as_bytes(),
        )
    }
}
