//! Every object is linearizable: what all clients were told could have been told to one, call by call, in an order that
//! keeps to the clock, through broken connections and killed servers.

mod agreement;
mod corpus;
mod forge;
mod history;
mod kinds;
mod planted;
mod recording;
mod revisions;
mod scene;
mod search;
mod voice;

use crate::support::{FLOOR, Report, alone, counts};
use commonhold::Durability;
use kinds::KINDS;
use recording::{Plan, Recording};
use voice::Fault;

const CLIENTS: usize = 8;

#[test]
fn histories_are_linearizable() {
    let _alone = alone();
    let mut report = Report::of("linearizable: histories");
    let plan = Plan {
        kinds: KINDS,
        clients: CLIENTS,
        calls: counts(3_000, 50_000),
        kills: counts(2, 5),
        one_in: counts(40, 150),
        durability: Durability::Durable,
        fault: Fault::Nothing,
    };
    let rounds = counts(2, 10);
    let recordings: Vec<Figures> = (1..=rounds)
        .map(|round| examine(&plan, round, &mut report))
        .collect();
    let sum = |figure: fn(&Figures) -> u64| recordings.iter().map(figure).sum::<u64>();
    let slowest = recordings.iter().map(|figures| figures.slowest);
    let (operations, before_reply) = (sum(|f| f.operations), sum(|f| f.before_reply));
    let remembered = sum(|f| f.remembered);
    report.figure("rounds", rounds);
    report.figure(
        "kinds",
        KINDS.iter().map(|kind| kind.name).collect::<Vec<_>>(),
    );
    report.figure("clients", CLIENTS);
    report.figure("operations", operations);
    report.figure("floor", FLOOR);
    report.figure("slowest", slowest.fold(f64::INFINITY, f64::min).round());
    report.figure("kills", plan.kills * rounds);
    report.figure("missed", sum(|f| f.missed));
    report.figure("cuts_before_reply", before_reply);
    report.figure("cuts_elsewhere", sum(|f| f.elsewhere));
    report.figure("resent", sum(|f| f.resent));
    report.figure("remembered", remembered);
    // All that was begun, and one look at each object in the end.
    let planned = rounds * (plan.calls * CLIENTS as u64 + KINDS.len() as u64);
    report.expect(operations == planned, || {
        format!("{operations} operations of {planned} are in the histories")
    });
    report.expect(before_reply >= counts(20, 500), || {
        format!("only {before_reply} cuts fell between a call and its reply")
    });
    report.expect(remembered >= counts(10, 100), || {
        format!("only {remembered} replies were given again")
    });
    report.end();
}

/// What is left of a recording.
struct Figures {
    operations: u64,
    before_reply: u64,
    elsewhere: u64,
    resent: u64,
    remembered: u64,
    missed: u64,
    slowest: f64,
}

fn examine(plan: &Plan, round: u64, report: &mut Report) -> Figures {
    let recording = plan.record(report);
    for history in &recording.histories {
        if let Err(wrong) = revisions::check(history) {
            report.violation(format!("history {round}, {}: {wrong}", history.kind.name));
        }
    }
    let Recording {
        histories,
        cuts,
        stats,
        missed,
        slowest,
    } = recording;
    Figures {
        operations: histories
            .iter()
            .map(|history| history.operations.len() as u64)
            .sum(),
        before_reply: cuts.before_reply,
        elsewhere: cuts.elsewhere,
        resent: stats.resent,
        remembered: stats.remembered,
        missed,
        slowest,
    }
}
