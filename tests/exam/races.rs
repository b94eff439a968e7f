//! What processes wait for comes to as many as it should: permits to no more than there are, a wake-up to whoever waits.
//!
//! Processes compare their notes by the clock that they share: what they hold from the moment a reply was there to the
//! moment the next call was about to be made, they surely held.

use crate::support::{Answer, Bout, Passage, Plan, Report, Task, alone, counts};

const PERMITS: u32 = 3;
/// Each pair calls by turns, so several are at work at once.
const PAIRS: usize = 4;

fn plan(workers: usize) -> Plan {
    Plan {
        workers,
        kills: counts(3, 20),
        one_in: 60,
        cuts: counts(20, 200),
        remembered: counts(4, 40),
    }
}

#[test]
fn no_more_hold_permits_than_there_are() {
    let _alone = alone();
    let mut report = Report::of("races: permits");
    let bout = Bout::run(&plan(8), &Task::Permit(PERMITS), &mut report, |_| {});
    let holds: Vec<Passage> = bout.answers.into_iter().flat_map(passages).collect();
    report.figure("holds", holds.len());
    let (most, when) = most_at_once(&holds);
    report.figure("most_at_once", most);
    report.expect(most <= PERMITS as usize, || {
        format!("{most} held one of {PERMITS} permits at {when}")
    });
    // Else nobody ever competed.
    report.expect(most >= 2, || {
        "nobody held a permit beside another".to_owned()
    });
    let ch = bout.home.connect();
    let semaphore = ch.object("semaphore", "permits");
    let free = semaphore.call(commonhold::Call::new("value", []));
    // Whoever ended gave back all that it held.
    let free = free.expect("it answers");
    report.expect(free == i64::from(PERMITS).into(), || {
        format!("{free:?} permits are free")
    });
    report.end();
}

#[test]
fn one_permit_too_many_is_noticed() {
    let _alone = alone();
    let mut report = Report::of("races: planted faults are found");
    let calm = Plan {
        kills: 0,
        one_in: 0,
        cuts: 0,
        remembered: 0,
        ..plan(8)
    };
    let bout = Bout::run(&calm, &Task::Permit(PERMITS + 1), &mut report, |_| {});
    let holds: Vec<Passage> = bout.answers.into_iter().flat_map(passages).collect();
    let (most, _) = most_at_once(&holds);
    report.figure("most_at_once", most);
    report.expect(most > PERMITS as usize, || {
        format!(
            "only {most} of {} permits were seen to be held at once",
            PERMITS + 1
        )
    });
    report.end();
}

#[test]
fn whoever_waits_for_an_event_is_woken() {
    let _alone = alone();
    let mut report = Report::of("races: events");
    // A wake-up that is lost stops a pair for ever, which the bout tells.
    let bout = Bout::run(&plan(2 * PAIRS), &Task::PingPong, &mut report, |_| {});
    let turns: Vec<Vec<Passage>> = bout.answers.into_iter().map(passages).collect();
    report.figure("wake_ups", turns.iter().map(Vec::len).sum::<usize>());
    for (pair, turns) in turns.chunks(2).enumerate() {
        let [ping, pong] = turns else {
            panic!("workers come in pairs");
        };
        report.expect(ping.len() == pong.len(), || {
            format!("pair {pair}: {} pings, {} pongs", ping.len(), pong.len())
        });
        let early = first_early(ping, pong);
        report.expect(early.is_none(), || {
            format!("pair {pair}: somebody was woken too early, in turn {early:?}")
        });
    }
    report.end();
}

/// The most holds that overlap, and a moment at which they do.
fn most_at_once(holds: &[Passage]) -> (usize, u64) {
    let begins = holds.iter().map(|hold| (hold.begun, true));
    let ends = holds.iter().map(|hold| (hold.ended, false));
    let mut moments: Vec<(u64, bool)> = begins.chain(ends).collect();
    // At one moment ends come first.
    moments.sort_unstable();
    let (mut held, mut most) = (0, (0, 0));
    for (moment, begins) in moments {
        held = if begins { held + 1 } else { held - 1 };
        if held > most.0 {
            most = (held, moment);
        }
    }
    most
}

/// The first turn in which somebody was woken before it was called. Ping notes when it called and when it was called
/// back; pong when it was called and when it called back.
fn first_early(ping: &[Passage], pong: &[Passage]) -> Option<usize> {
    ping.iter()
        .zip(pong)
        .position(|(ping, pong)| pong.begun < ping.begun || ping.ended < pong.ended)
}

fn passages(answer: Answer) -> Vec<Passage> {
    match answer {
        Answer::Passages(passages) => passages,
        Answer::Numbers(_) => panic!("these are no passages"),
    }
}

fn between(begun: u64, ended: u64) -> Passage {
    Passage {
        begun,
        ended,
        place: 0,
    }
}

#[test]
fn holds_that_overlap_are_counted() {
    assert_eq!(most_at_once(&[]), (0, 0));
    assert_eq!(most_at_once(&[between(1, 4), between(4, 6)]), (1, 1));
    let three = [between(1, 4), between(3, 6), between(2, 9)];
    assert_eq!(most_at_once(&three), (3, 3));
}

#[test]
fn an_early_wake_up_is_noticed() {
    let pings = [between(1, 4), between(5, 9)];
    assert_eq!(first_early(&pings, &[between(2, 3), between(6, 8)]), None);
    assert_eq!(
        first_early(&pings, &[between(2, 3), between(4, 8)]),
        Some(1)
    );
    assert_eq!(
        first_early(&pings, &[between(2, 5), between(6, 8)]),
        Some(0)
    );
}
