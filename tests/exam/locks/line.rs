//! Who waits for a lock has it in the order in which the server says they stand in line; of an rwlock, readers and writers
//! alike, so that a writer waits for nobody who came later.
//!
//! The exam takes its turn like the processes that it examines. When it holds the lock and all of them wait, it asks who
//! stands where and since when, and gives the lock back. The next grants, by their tokens, must be in that order, and it
//! must be the order in which they came.

use super::Part;
use crate::support::{Answer, Home, Job, Report, Tally, Task, Worker, alone, counts, eventually};
use commonhold::blocking::Client;
use commonhold::{Error, Who};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

const MINUTE: Duration = Duration::from_mins(1);
const WORKERS: usize = 8;

/// The kind of lock that is stood in line for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Line {
    Lock,
    /// Every other process writes.
    ReadWriteLock,
}

impl Line {
    /// The tokens that it was given.
    pub(super) fn play(self, job: &Job) -> Result<Answer, Error> {
        let ch = job.options().connect_blocking()?;
        let mut slot = job.slot();
        let mut tokens = Vec::new();
        while slot.begin() {
            let acquire = match self {
                Line::Lock => ch.lock("gpu").acquire(),
                Line::ReadWriteLock if job.slot.is_multiple_of(2) => ch.rwlock("gpu").read(),
                Line::ReadWriteLock => ch.rwlock("gpu").write(),
            };
            let guard = acquire.call()?;
            tokens.push(i64::try_from(guard.token().0).expect("a revision"));
            // Where it stands next time is left to chance.
            let errands = guard.token().0 % 7;
            guard.release()?;
            for _ in 0..errands {
                ch.server().ping()?;
            }
            slot.acknowledge(ch.stats());
        }
        Ok(Answer::Numbers(tokens))
    }
}

/// Those who waited when the exam held the lock, in their order.
#[derive(Clone, Debug)]
struct Round {
    /// Of the exam's grant.
    token: u64,
    line: Vec<Place>,
}

/// A process that waits.
#[derive(Clone, Debug)]
struct Place {
    pid: u32,
    writes: bool,
    /// For how long.
    since_ms: u64,
}

/// Who was granted the lock, by token.
type Grants = BTreeMap<u64, u32>;

/// Those that were granted the lock after the exam, in the order of their tokens: as many as stood in line.
fn successors(round: &Round, grants: &Grants) -> Vec<u32> {
    let after = grants.range(round.token + 1..);
    after.map(|(_, pid)| *pid).take(round.line.len()).collect()
}

/// Those who stood behind a writer and had the lock before it.
fn overtakers(round: &Round, granted: &[u32]) -> usize {
    let turn = |pid: u32| granted.iter().position(|other| *other == pid);
    let line = round.line.iter().enumerate();
    let writers = line.filter(|(_, place)| place.writes);
    let passed = writers.map(|(at, writer)| {
        let behind = round.line[at + 1..].iter();
        let served = behind.filter(|place| turn(place.pid) < turn(writer.pid));
        served.count()
    });
    passed.max().unwrap_or(0)
}

/// Does everyone stand behind those who came before?
fn is_in_order(line: &[Place]) -> bool {
    line.is_sorted_by(|first, second| first.since_ms >= second.since_ms)
}

fn rounds(ch: &Client, line: Line, many: usize) -> Vec<Round> {
    let mut rounds = Vec::new();
    while rounds.len() < many {
        let acquire = match line {
            Line::Lock => ch.lock("gpu").acquire(),
            Line::ReadWriteLock => ch.rwlock("gpu").write(),
        };
        let guard = acquire.call().expect("it is granted");
        let mut who: Option<Who> = None;
        eventually("everybody stands in line", MINUTE, || {
            let now = ch.server().who("gpu").expect("it answers");
            let all = now.waiting_count == WORKERS as u64;
            who = Some(now);
            all
        });
        let waiting = who.expect("it was asked").waiting.into_iter();
        rounds.push(Round {
            token: guard.token().0,
            line: waiting
                .map(|waiter| Place {
                    pid: waiter.pid,
                    writes: waiter.method == "write",
                    since_ms: waiter.since_ms,
                })
                .collect(),
        });
        guard.release().expect("it is given back");
    }
    rounds
}

fn examine(promise: &'static str, line: Line) {
    let _alone = alone();
    let mut report = Report::of(promise);
    let home = Home::new();
    let serving = home.serve(&[]);
    let tally = Tally::create(home.path().join("tally"), WORKERS);
    let start = |slot| {
        Worker::start(&Job {
            url: home.url(),
            key_file: home.key_file(),
            tally: tally.path().to_owned(),
            slot,
            task: Task::Lock(Part::StandInLine(line)),
        })
    };
    let workers: Vec<Worker> = (0..WORKERS).map(start).collect();
    let rounds = rounds(&home.connect(), line, counts(30, 1_000));
    tally.end_at(0);
    let mut grants = Grants::new();
    for worker in workers {
        let pid = worker.pid();
        let Answer::Numbers(tokens) = worker.finish() else {
            panic!("these are no tokens");
        };
        for token in tokens {
            let token = u64::try_from(token).expect("a token");
            let twice = grants.insert(token, pid);
            report.expect(twice.is_none(), || format!("two were given {token}"));
        }
    }
    drop(serving);
    report.figure("rounds", rounds.len());
    report.figure("grants", grants.len());
    let mut most = 0;
    let mut orders: Vec<Vec<u32>> = Vec::new();
    for (number, round) in rounds.iter().enumerate() {
        let granted = successors(round, &grants);
        most = most.max(overtakers(round, &granted));
        let stood: Vec<u32> = round.line.iter().map(|place| place.pid).collect();
        report.expect(granted == stood, || {
            format!("round {number}: {stood:?} stood in line, {granted:?} were served")
        });
        report.expect(is_in_order(&round.line), || {
            format!(
                "round {number}: somebody stands before who came first: {:?}",
                round.line
            )
        });
        orders.push(stood);
    }
    report.figure("overtaken_by", most);
    orders.sort();
    orders.dedup();
    report.figure("orders", orders.len());
    // If they always stood alike, any rule would do.
    report.expect(orders.len() > 1, || {
        "they always stood in one order".to_owned()
    });
    report.end();
}

#[test]
fn a_lock_is_granted_in_the_order_of_its_line() {
    examine("locks: line", Line::Lock);
}

#[test]
fn a_writer_waits_for_nobody_who_came_later() {
    examine("locks: line of an rwlock", Line::ReadWriteLock);
}

#[test]
fn who_is_overtaken_is_noticed() {
    let place = |pid, writes, since_ms| Place {
        pid,
        writes,
        since_ms,
    };
    let round = Round {
        token: 10,
        line: vec![place(1, false, 9), place(2, true, 7), place(3, false, 7)],
    };
    assert!(is_in_order(&round.line));
    assert!(!is_in_order(&[place(1, true, 7), place(2, true, 8)]));
    let grants = |tokens: [(u64, u32); 5]| Grants::from(tokens);
    let fair = grants([(9, 3), (11, 1), (12, 2), (14, 3), (15, 1)]);
    assert_eq!(successors(&round, &fair), [1, 2, 3]);
    assert_eq!(overtakers(&round, &[1, 2, 3]), 0);
    let unfair = grants([(9, 3), (11, 1), (12, 3), (14, 2), (15, 1)]);
    assert_eq!(successors(&round, &unfair), [1, 3, 2]);
    assert_eq!(overtakers(&round, &[1, 3, 2]), 1);
}
