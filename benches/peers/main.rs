//! Side by side with peers: each row measures this server and a peer in turn, on the same transport and with the same
//! durability, and compares the medians.
//!
//! `cargo bench --bench peers` measures all rows, prints a table and writes `target/bench.json`;
//! `cargo bench --bench peers -- durable64 c50` measures the rows whose names contain one of the words.
//! `--samples N` and `--seconds S` change how often and how long; `--alone` measures our side only, for a profiler, and
//! tells how much processor time server and load took for one operation; `--server PATH` measures another `commonhold`.

mod cpu;
mod echo;
mod handover;
mod kinds;
mod lab;
mod lean;
mod load;
mod process;
mod python;
mod redis;
mod report;
mod rows;
mod scale;
mod server;

use anyhow::{Context as _, Result, bail};
use lab::Lab;
use report::Measured;
use rows::{Row, Unit};
use std::path::PathBuf;
use std::time::{Duration, Instant};

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let first = arguments.next();
    match first.as_deref() {
        Some(echo::CHILD) => return echo::serve(arguments.next().context("a socket")?.as_ref()),
        Some(server::CHILD) => {
            return server::serve(arguments.next().context("a folder")?.as_ref());
        }
        Some(handover::CHILD) => return handover::serve(arguments),
        _ => {}
    }
    let plan = Plan::read(first.into_iter().chain(arguments))?;
    let lab = Lab::new(plan.server.as_deref())?;
    for sentence in lab.about() {
        println!("{sentence}");
    }
    let rows = rows::all().filter(|row| plan.wants(row));
    if plan.alone {
        for row in rows {
            println!("{}", alone(row, &lab, &plan)?);
        }
        return Ok(());
    }
    println!("{}", report::head());
    let mut measured = Vec::new();
    for row in rows {
        match measure(row, &lab, &plan) {
            Ok(Some(result)) => {
                println!("{}", result.line());
                measured.push(result);
            }
            Ok(None) => println!("{:<40} skipped: {}", row.name, Lab::missing(row.peer)),
            Err(error) => bail!("{}: {error:#}", row.name),
        }
    }
    report::write(&measured)?;
    let failed = measured.iter().filter(|row| row.pass == Some(false));
    for row in failed {
        println!("{} misses its bar", row.row.name);
    }
    Ok(())
}

/// What to measure.
struct Plan {
    words: Vec<String>,
    samples: usize,
    time: Duration,
    alone: bool,
    server: Option<PathBuf>,
}

impl Plan {
    fn read(arguments: impl Iterator<Item = String>) -> Result<Plan> {
        let mut plan = Plan {
            words: Vec::new(),
            samples: 5,
            time: Duration::from_secs(1),
            alone: false,
            server: None,
        };
        let mut arguments = arguments;
        while let Some(argument) = arguments.next() {
            let mut number = || {
                let text = arguments.next().context("a number is missing")?;
                text.parse::<f64>().context("a number was expected")
            };
            match argument.as_str() {
                // Cargo says so.
                "--bench" => {}
                "--alone" => plan.alone = true,
                "--server" => {
                    let path = arguments.next().context("a path is missing")?;
                    plan.server = Some(path.into());
                }
                "--seconds" => plan.time = Duration::try_from_secs_f64(number()?)?,
                "--samples" => {
                    let text = arguments.next().context("a number is missing")?;
                    plan.samples = text.parse().context("a number was expected")?;
                }
                word if word.starts_with('-') => bail!("there is no option {word}"),
                word => plan.words.push(word.to_owned()),
            }
        }
        Ok(plan)
    }

    fn wants(&self, row: &Row) -> bool {
        self.words.is_empty() || self.words.iter().any(|word| row.name.contains(word))
    }
}

/// Measures one row: both sides in turn, after a short warm-up of each. `None` if the peer is not on this machine.
fn measure(row: &'static Row, lab: &Lab, plan: &Plan) -> Result<Option<Measured>> {
    if !lab.has(row.peer) {
        return Ok(None);
    }
    let warm_up = plan.time / 4;
    (row.theirs)(lab, warm_up).context("the peer")?;
    (row.ours)(lab, warm_up)?;
    let (mut ours, mut peers) = (Vec::new(), Vec::new());
    for _ in 0..plan.samples {
        peers.push((row.theirs)(lab, plan.time).context("the peer")?);
        ours.push((row.ours)(lab, plan.time)?);
    }
    Ok(Some(Measured::new(row, ours, peers)))
}

/// Measures our side of one row, with the processor time that it took.
fn alone(row: &Row, lab: &Lab, plan: &Plan) -> Result<String> {
    (row.ours)(lab, plan.time / 4)?;
    let pids = [lab.ours().pid(), std::process::id()];
    let before = pids.map(cpu::seconds);
    let start = Instant::now();
    let sample = (row.ours)(lab, plan.time)?;
    let micros = start.elapsed().as_secs_f64() * 1e6;
    let operations = match row.unit {
        Unit::Micros => micros / sample,
        Unit::Rate => sample * micros / 1e6,
    };
    let mut spent = pids.map(cpu::seconds).into_iter().zip(before);
    let mut each = || {
        let (after, before) = spent.next()?;
        Some((after? - before?) * 1e6 / operations)
    };
    let (server, load) = (each(), each());
    Ok(format!(
        "{:<40} {:>6} {sample:>12.2}   processor us/op: server {:.2}, load {:.2}",
        row.name,
        row.unit.name(),
        server.unwrap_or(f64::NAN),
        load.unwrap_or(f64::NAN),
    ))
}
