//! The contract test that every kind passes, and a bench to try one on.
//!
//! Calls are made from the kind's own method table, so a new kind is examined without a line here; an argument's name
//! decides from what it is drawn, and a name unknown here is drawn from all values.

mod bench;
mod calls;
mod refusals;

pub(super) use bench::{Bench, snapshot};
pub(super) use calls::key;

use super::{Access, Cursor, KINDS, Kind, Object, RowLimit, UNDO};
use bench::ALL;
use calls::{Step, garbage, options, step};
use commonhold_proto::{Row, Value};
use proptest::collection::vec;
use proptest::prelude::*;

/// Lives of each kind: `COMMONHOLD_EXAM=full` takes the count that the contract is promised on.
fn cases() -> u32 {
    let full = std::env::var_os("COMMONHOLD_EXAM").is_some_and(|counts| counts == "full");
    if full { 1000 } else { 300 }
}

/// Lives through the steps, with a checkpoint scanned meanwhile, and replays what came of it.
fn examine(kind: &'static Kind, options: &[(&str, Value)], steps: Vec<Step>) {
    let mut bench = Bench::new(kind, options);
    let mut pages: Vec<Row> = Vec::new();
    let mut cursor: Option<Cursor> = None;
    let mut scan_start = None;
    let mut scanned = false;
    for step in steps {
        match step {
            Step::Call {
                session,
                may_wait,
                call,
            } => drop(bench.call(session, may_wait, call)),
            Step::Unary(may_wait, call) => drop(bench.call_unary(may_wait, call)),
            Step::Deadline(at) => {
                if let Some(number) = bench.waiting().get(at) {
                    bench.deadline(*number);
                }
            }
            Step::Undo => drop(bench.undo()),
            Step::EndLease(session, why) => bench.end_lease(session, why),
            Step::Page(limit) if !scanned => {
                scan_start.get_or_insert(bench.log.len());
                let (rows, next) = bench.object.rows(cursor.as_ref(), limit);
                assert!(rows.len() <= limit.rows);
                assert!(
                    next.is_none() || !rows.is_empty(),
                    "an empty page leads nowhere"
                );
                pages.extend(rows);
                scanned = next.is_none();
                cursor = next;
            }
            Step::Page(_) => {}
        }
    }
    while !scanned {
        scan_start.get_or_insert(bench.log.len());
        let limit = RowLimit {
            rows: 2,
            bytes: 500,
        };
        let (rows, next) = bench.object.rows(cursor.as_ref(), limit);
        pages.extend(rows);
        assert!(next.is_none() || next != cursor, "the scan stands still");
        scanned = next.is_none();
        cursor = next;
    }
    let live = bench.snapshot();

    let mut replayed = bench.fresh();
    apply(&mut *replayed, &bench.log);
    assert_eq!(snapshot(&*replayed), live, "the log replayed");

    for limit in [
        ALL,
        RowLimit { rows: 1, bytes: 0 },
        RowLimit {
            rows: 3,
            bytes: 500,
        },
    ] {
        let mut copy = bench.fresh();
        let mut rows = all_rows(&*bench.object, limit);
        apply(&mut *copy, &rows);
        assert_eq!(snapshot(&*copy), live, "its rows applied");
        let mut copy = bench.fresh();
        rows.reverse();
        apply(&mut *copy, &rows);
        assert_eq!(snapshot(&*copy), live, "its rows applied in another order");
    }

    let holders = bench.object.holders(usize::MAX);
    assert_eq!(bench.object.holder_count(), holders.len() as u64);
    assert_eq!(bench.object.holders(1), holders[..holders.len().min(1)]);

    let mut recovered = bench.fresh();
    apply(&mut *recovered, &pages);
    let from = scan_start.expect("the scan began");
    apply(&mut *recovered, &bench.log[from..]);
    assert_eq!(snapshot(&*recovered), live, "checkpoint and log replayed");
}

fn apply(object: &mut dyn Object, rows: &[Row]) {
    for row in rows {
        object.apply(row);
    }
}

fn all_rows(object: &dyn Object, limit: RowLimit) -> Vec<Row> {
    let mut all = Vec::new();
    let mut cursor = None;
    loop {
        let (rows, next) = object.rows(cursor.as_ref(), limit);
        all.extend(rows);
        if next.is_none() {
            return all;
        }
        assert_ne!(next, cursor, "the enumeration stands still");
        cursor = next;
    }
}

/// Applies anything, then behaves like any object.
fn survive(kind: &'static Kind, options: &[(&str, Value)], rows: &[Row], steps: Vec<Step>) {
    let mut bench = Bench::new(kind, options);
    for row in rows {
        bench.object.apply(row);
        let once = bench.snapshot();
        bench.object.apply(row);
        assert_eq!(bench.snapshot(), once, "applied twice: {row:?}");
        // What is taken in is kept whole; all else is ignored.
        let kept = bench.object.row(row.key());
        match (row, kept) {
            (Row::Put { value, .. }, Some(Row::Put { value: kept, .. }))
                if format!("{value:?}") != format!("{kept:?}") => {}
            (Row::Put { .. }, Some(kept)) => {
                let mut row = row.clone();
                if let (Row::Put { ticket, .. }, Row::Put { ticket: None, .. }) = (&mut row, &kept)
                {
                    // Most kinds have an order by their keys, or none.
                    *ticket = None;
                }
                assert_eq!(format!("{kept:?}"), format!("{row:?}"));
            }
            (Row::Put { .. }, None) => {}
            (_, kept) => assert_eq!(kept, None, "deleted by {row:?}"),
        }
    }
    let mut copy = bench.fresh();
    all_rows(&*bench.object, ALL)
        .iter()
        .rev()
        .for_each(|row| copy.apply(row));
    assert_eq!(snapshot(&*copy), bench.snapshot(), "after garbage");
    for step in steps {
        if let Step::Call {
            session,
            may_wait,
            call,
        } = step
        {
            drop(bench.call(session, may_wait, call));
        }
    }
}

#[test]
fn every_kind_keeps_the_contract() {
    for kind in KINDS {
        let lives = (options(kind), vec(step(kind), 0..60));
        proptest!(ProptestConfig::with_cases(cases()), |((options, steps) in lives)| {
            examine(kind, &options, steps);
        });
    }
}

#[test]
fn every_kind_survives_any_row() {
    for kind in KINDS {
        let lives = (options(kind), vec(garbage(), 0..20), vec(step(kind), 0..10));
        proptest!(ProptestConfig::with_cases(cases()), |((options, rows, steps) in lives)| {
            survive(kind, &options, &rows, steps);
        });
    }
}

#[test]
fn every_table_is_sound() {
    for kind in KINDS {
        for (at, method) in kind.methods.iter().enumerate() {
            let first = kind
                .methods
                .iter()
                .position(|other| other.name == method.name);
            assert_eq!(
                first,
                Some(at),
                "{} has two methods {}",
                kind.name,
                method.name
            );
            assert!(
                method.doc.ends_with('.'),
                "{}.{}: a sentence",
                kind.name,
                method.name
            );
            assert!(!method.shrinking || method.access == Access::Write);
            let undo = kind.method(UNDO).map(|undo| {
                let parameters = undo.parameters.iter().map(|parameter| parameter.name);
                (undo.internal, parameters.collect::<Vec<_>>())
            });
            assert!(!method.undo || undo == Some((true, vec!["memo", "reply"])));
            for (at, parameter) in method.parameters.iter().enumerate() {
                let same = method
                    .parameters
                    .iter()
                    .position(|p| p.name == parameter.name);
                assert_eq!(
                    same,
                    Some(at),
                    "{}.{} has two {}",
                    kind.name,
                    method.name,
                    parameter.name
                );
            }
        }
        assert!(std::ptr::eq(
            super::kind(kind.name).expect("it is listed"),
            *kind
        ));
    }
}
