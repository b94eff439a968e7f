//! Every call happens exactly once, through broken connections and killed servers.

use crate::support::{Answer, Bout, Plan, Report, Task, alone, counts};

fn plan() -> Plan {
    Plan {
        workers: 8,
        kills: counts(3, 20),
        one_in: 40,
        cuts: counts(50, 500),
        remembered: counts(10, 100),
    }
}

/// The numbers that all clients were given, in order.
fn numbers(answers: Vec<Answer>) -> Vec<i64> {
    let given = answers.into_iter().flat_map(|answer| match answer {
        Answer::Numbers(numbers) => numbers,
        Answer::Passages(_) => panic!("these are no numbers"),
    });
    let mut all: Vec<i64> = given.collect();
    all.sort_unstable();
    all
}

/// Notes the first number that is missing or came twice.
fn expect_each_once(report: &mut Report, numbers: &[i64]) {
    let wrong = (1..).zip(numbers).find(|(expected, n)| expected != *n);
    if let Some((expected, n)) = wrong {
        report.violation(format!("{expected} is missing, or {n} came twice"));
    }
}

#[test]
fn increments_are_neither_lost_nor_doubled() {
    let _alone = alone();
    let mut report = Report::of("exactly once: increments");
    let bout = Bout::run(&plan(), &Task::Increment, &mut report, |_| {});
    let given = numbers(bout.answers);
    expect_each_once(&mut report, &given);
    let counts = bout.home.connect().dict::<String, i64>("counts");
    let total = counts.get("n").expect("it answers").unwrap_or(0);
    report.figure("total", total);
    report.expect(u64::try_from(total) == Ok(bout.counts.begun), || {
        format!(
            "{total} increments happened, {} were begun",
            bout.counts.begun
        )
    });
    report.end();
}

#[test]
fn every_item_is_popped_once() {
    let _alone = alone();
    let mut report = Report::of("exactly once: pop");
    let items = counts(8_000, 60_000);
    let bout = Bout::run(&plan(), &Task::PopItem, &mut report, |ch| {
        let dict = ch.dict::<i64, i64>("items");
        let all: Vec<(i64, i64)> = (1..=items).map(|n| (n, n)).collect();
        for some in all.chunks(5_000) {
            dict.update(some.iter().copied()).expect("it is filled");
        }
    });
    let popped = numbers(bout.answers);
    expect_each_once(&mut report, &popped);
    report.figure("items", items);
    report.expect(i64::try_from(popped.len()) == Ok(items), || {
        format!("{} of {items} items were popped", popped.len())
    });
    report.end();
}
