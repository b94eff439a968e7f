//! The table, and `target/bench.json`.

use crate::rows::{Row, Unit};
use anyhow::Result;
use serde_json::{Value, json};
use std::path::Path;

/// A row that was measured.
pub(crate) struct Measured {
    pub(crate) row: &'static Row,
    ours: Vec<f64>,
    peers: Vec<f64>,
    ratio: f64,
    /// None for rows without a bar.
    pub(crate) pass: Option<bool>,
}

impl Measured {
    pub(crate) fn new(row: &'static Row, ours: Vec<f64>, peers: Vec<f64>) -> Measured {
        let ratio = median(&ours) / median(&peers);
        Measured {
            row,
            ours,
            peers,
            ratio,
            pass: row.bar.map(|bar| row.unit.reaches(ratio, bar)),
        }
    }

    /// Its line of the table.
    pub(crate) fn line(&self) -> String {
        let bar = match (self.row.bar, self.row.unit) {
            (None, _) => String::new(),
            (Some(bar), Unit::Micros) => format!("<= {bar:.1}"),
            (Some(bar), Unit::Rate) => format!(">= {bar:.1}"),
        };
        let verdict = match self.pass {
            None => "",
            Some(true) => "yes",
            Some(false) => "NO",
        };
        format!(
            "{:<40} {:>6} {:>12} {:>12} {:>7.2} {:>7} {:>5}  {}",
            self.row.name,
            self.row.unit.name(),
            number(median(&self.ours)),
            number(median(&self.peers)),
            self.ratio,
            bar,
            verdict,
            self.row.peer_name
        )
    }

    fn json(&self) -> Value {
        let Row {
            name,
            unit,
            transport,
            durability,
            peer_name,
            bar,
            ..
        } = self.row;
        json!({
            "name": name,
            "unit": unit.name(),
            "transport": transport,
            "durability": durability,
            "ours": median(&self.ours),
            "peer_name": peer_name,
            "peer": median(&self.peers),
            "ratio": self.ratio,
            "better": unit.better(),
            "bar": bar,
            "pass": self.pass,
            "samples": { "ours": self.ours, "peer": self.peers },
        })
    }
}

/// The first line of the table.
pub(crate) fn head() -> String {
    format!(
        "{:<40} {:>6} {:>12} {:>12} {:>7} {:>7} {:>5}  {}",
        "row", "unit", "ours", "peer", "ratio", "bar", "pass", "peer is"
    )
}

/// Writes `bench.json` into the target folder.
pub(crate) fn write(rows: &[Measured]) -> Result<()> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let path = folder.parent().unwrap_or(folder).join("bench.json");
    let rows: Vec<Value> = rows.iter().map(Measured::json).collect();
    std::fs::write(&path, serde_json::to_string_pretty(&rows)?)?;
    println!("written to {}", path.display());
    Ok(())
}

fn median(samples: &[f64]) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

/// Whole numbers where they are large, two digits where they are small.
fn number(value: f64) -> String {
    if value < 1_000.0 {
        format!("{value:.2}")
    } else {
        format!("{value:.0}")
    }
}
