//! Faults that a checker must find, or it finds nothing: each in histories of a real server that does nothing wrong.

use super::kinds::{COUNTER, KINDS, Kind};
use super::recording::Plan;
use super::revisions;
use super::voice::Fault;
use crate::support::{Report, alone, counts};
use commonhold::Durability;

/// A fault that does not show in so many histories is not found.
const ROUNDS: u64 = 5;
/// Of a lost update: a kind in which it would show at once, and nothing else does.
static NUMBERS: &[&Kind] = &[&COUNTER];

fn plan(fault: Fault) -> Plan {
    Plan {
        kinds: KINDS,
        clients: 4,
        calls: counts(1_000, 10_000),
        kills: 0,
        one_in: 0,
        durability: Durability::Durable,
        fault,
    }
}

#[test]
fn planted_faults_are_found() {
    let _alone = alone();
    let mut report = Report::of("linearizable: planted faults are found");
    let mut operations = 0;
    let faults = [
        (
            "lost_update",
            Plan {
                kinds: NUMBERS,
                ..plan(Fault::LostUpdate)
            },
        ),
        ("stale_read", plan(Fault::StaleRead)),
        (
            "second_call",
            Plan {
                one_in: 20,
                ..plan(Fault::SecondCall)
            },
        ),
        // Taken for durable: a kill takes back the last of what was answered.
        (
            "forgotten_write",
            Plan {
                kills: 3,
                durability: Durability::Relaxed,
                ..plan(Fault::Nothing)
            },
        ),
    ];
    for (name, plan) in &faults {
        match rounds_until_found(plan, &mut operations, &mut report) {
            Some((round, wrong)) => {
                eprintln!("{name}: {wrong}");
                report.figure(name, round);
            }
            None => report.violation(format!("{name} was not found in {ROUNDS} histories")),
        }
    }
    report.figure("rounds", faults.len());
    report.figure("operations", operations);
    report.end();
}

/// How many histories it took, and what was said.
fn rounds_until_found(
    plan: &Plan,
    operations: &mut u64,
    report: &mut Report,
) -> Option<(u64, revisions::Wrong)> {
    (1..=ROUNDS).find_map(|round| {
        let recording = plan.record(report);
        let counts = recording
            .histories
            .iter()
            .map(|h| h.operations.len() as u64);
        *operations += counts.sum::<u64>();
        let wrong = recording
            .histories
            .iter()
            .find_map(|h| revisions::check(h).err());
        wrong.map(|wrong| (round, wrong))
    })
}
