//! A durable queue loses no item and gives none away twice, whoever is killed; and what one puts another gets in order.

mod account;

use crate::support::{
    Answer, Bout, Counts, FLOOR, HANDS, Home, Job, Note, Plan, Random, Report, Stage, Tally, Task,
    Worker, alone, counts, eventually,
};
use account::Account;
use commonhold::{Call, Value};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

/// Processes of each sort.
const PROCESSES: usize = 8;
/// Processes of each sort that can be started.
const PROCESSES_MAX: usize = 1_500;
/// Over which the floor is judged: several kills, where they come more often.
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);

/// The processes of one sort, dead and alive.
struct Crew {
    task: Task,
    tally: Tally,
    url: String,
    key_file: PathBuf,
    /// With their numbers.
    at_work: Vec<(usize, Worker)>,
    /// By number: was it killed?
    was_killed: Vec<bool>,
}

#[test]
fn every_item_is_acknowledged_once_though_processes_are_killed() {
    let _alone = alone();
    let mut report = Report::of("races: a queue and killed processes");
    let items = counts(20_000, 1_000_000);
    let enough = counts(8, 100);
    let pause = counts(Duration::from_millis(250), Duration::from_secs(1));
    let home = Home::new();
    let _serving = home.serve(&[]);
    let ch = home.connect();
    let random = Random::new();
    let mut producers = Crew::new(&home, "producers", Task::Produce);
    let mut consumers = Crew::new(&home, "consumers", Task::Consume);
    let (mut kills, mut missed) = ([0; 2], 0);
    let (mut stalls, mut slowest) = (0, f64::INFINITY);
    let mut since = (Instant::now(), 0);
    while producers.acknowledged() < items || kills[0] < enough {
        // Every so often, whatever happens.
        thread::sleep(pause);
        let sum = producers.acknowledged() + consumers.acknowledged();
        let elapsed = since.0.elapsed();
        if elapsed >= SECOND {
            #[expect(clippy::cast_precision_loss, reason = "a rate")]
            let rate = (sum - since.1) as f64 / elapsed.as_secs_f64();
            slowest = rate.min(slowest);
            stalls += u64::from(rate <= FLOOR);
            assert!(stalls < 20, "no progress after {kills:?} kills: {sum}");
            report.expect(rate > FLOOR, || {
                format!("after {kills:?} kills: only {rate:.0} operations/s")
            });
            since = (Instant::now(), sum);
        }
        for (crew, kills) in [&mut producers, &mut consumers].into_iter().zip(&mut kills) {
            // A kill between two operations proves nothing.
            while !crew.strike(&random) {
                missed += 1;
                assert!(missed <= 100, "most kills hit nothing");
            }
            *kills += 1;
        }
    }
    producers.finish();
    let jobs = ch.object("queue", "jobs").exists(true);
    let join = jobs.call_within(Call::new("join", []), Some(counts(MINUTE, 5 * MINUTE)));
    join.expect("every item is acknowledged in the end");
    consumers.finish();
    for (method, expected) in [
        ("len", Value::from(0)),
        ("unfinished", 0.into()),
        ("dead", Value::List(vec![])),
    ] {
        let left = jobs.call(Call::new(method, [])).expect("it answers");
        report.expect(left == expected, || {
            format!("{method} is {left:?} in the end")
        });
    }
    let account = Account::of(&producers.slots(), consumers.notes());
    report.figure("items", account.put + account.put_unheard);
    report.figure("acknowledged", account.acknowledged);
    report.figure("killed_producers", kills[0]);
    report.figure("killed_consumers", kills[1]);
    report.figure("missed", missed);
    report.figure("put_unheard", account.put_unheard);
    report.figure("not_put", account.not_put);
    report.figure("acknowledged_unheard", account.acknowledged_unheard);
    report.figure("redelivered", account.redelivered);
    report.figure("unseen_deliveries", account.unseen);
    report.figure("floor", FLOOR);
    report.figure("slowest", slowest.round());
    for wrong in account.wrong.iter().take(20) {
        report.violation(wrong);
    }
    // Each kill ends one call of each hand, and no more.
    let in_hands = (consumers.killed() * HANDS) as u64;
    let touched = account.redelivered + account.acknowledged_unheard;
    report.expect(touched <= in_hands, || {
        format!("{touched} items were in the hands of killed processes, but only {in_hands} can be")
    });
    report.expect(account.redelivered > 0, || {
        "nothing was delivered again".to_owned()
    });
    report.expect(account.not_put > 0, || {
        "no killed producer was putting".to_owned()
    });
    report.end();
}

impl Crew {
    fn new(home: &Home, name: &str, task: Task) -> Crew {
        let path = home.path().join(name);
        let mut crew = Crew {
            task,
            tally: Tally::create(path, PROCESSES_MAX * HANDS),
            url: home.url(),
            key_file: home.key_file(),
            at_work: Vec::new(),
            was_killed: Vec::new(),
        };
        (0..PROCESSES).for_each(|_| crew.start());
        eventually("every process is at work", MINUTE, || {
            let counts = crew.tally.read();
            let hands = counts.chunks(HANDS).take(PROCESSES);
            hands.into_iter().all(|hands| hands[0].begun > 0)
        });
        crew
    }

    fn start(&mut self) {
        let number = self.was_killed.len();
        assert!(number < PROCESSES_MAX, "the tally has no slot left");
        self.was_killed.push(false);
        let worker = Worker::start(&Job {
            url: self.url.clone(),
            key_file: self.key_file.clone(),
            tally: self.tally.path().to_owned(),
            slot: number * HANDS,
            task: self.task.clone(),
        });
        self.at_work.push((number, worker));
    }

    /// Kills one of them, and starts another. False if nothing was in its hands.
    fn strike(&mut self, random: &Random) -> bool {
        let (number, mut worker) = self.at_work.swap_remove(random.below(self.at_work.len()));
        worker.kill();
        self.was_killed[number] = true;
        let slots = number * HANDS..(number + 1) * HANDS;
        let hit = match self.task {
            Task::Consume => slots.into_iter().any(|slot| {
                let last = Note::read(self.tally.path(), slot).pop();
                last.is_some_and(|last| last.stage != Stage::Acked)
            }),
            _ => self.tally.read()[slots]
                .iter()
                .any(|counts| counts.begun > counts.acknowledged),
        };
        self.start();
        hit
    }

    /// Lets all of them end in order.
    fn finish(&mut self) {
        self.tally.end_at(0);
        for (_, worker) in self.at_work.drain(..) {
            worker.finish();
        }
    }

    fn acknowledged(&self) -> u64 {
        self.tally.sum().acknowledged
    }

    fn killed(&self) -> usize {
        self.was_killed.iter().filter(|killed| **killed).count()
    }

    /// The slot of each hand, and whether it was killed.
    fn slots(&self) -> Vec<(Counts, bool)> {
        let killed = self.was_killed.iter().flat_map(|killed| [*killed; HANDS]);
        self.tally.read().into_iter().zip(killed).collect()
    }

    /// The notes of each hand, and whether it was killed.
    fn notes(&self) -> impl Iterator<Item = (Vec<Note>, bool)> {
        let tally = self.tally.path();
        let killed = self.was_killed.iter().flat_map(|killed| [*killed; HANDS]);
        killed
            .enumerate()
            .map(|(slot, killed)| (Note::read(tally, slot), killed))
    }
}

/// One puts into each, and another gets. One pair alone waits for the disk at every step, which is slow under load.
const QUEUES: usize = 3;

#[test]
fn what_one_puts_another_gets_in_order() {
    let _alone = alone();
    let mut report = Report::of("races: a queue is first in, first out");
    let plan = Plan {
        workers: 2 * QUEUES,
        kills: counts(3, 20),
        one_in: 60,
        cuts: counts(20, 200),
        remembered: counts(4, 40),
    };
    let bout = Bout::run(&plan, &Task::Relay, &mut report, |_| {});
    let numbers: Vec<Vec<i64>> = bout
        .answers
        .into_iter()
        .map(|answer| match answer {
            Answer::Numbers(numbers) => numbers,
            Answer::Passages(_) => panic!("these are no numbers"),
        })
        .collect();
    report.figure(
        "items",
        numbers.iter().step_by(2).map(Vec::len).sum::<usize>(),
    );
    for pair in numbers.chunks(2) {
        let (put, got) = (&pair[0], &pair[1]);
        report.expect(got.len() == put.len(), || {
            format!("{} were put, {} were got", put.len(), got.len())
        });
        let wrong = (1..).zip(got).find(|(expected, got)| expected != *got);
        report.expect(wrong.is_none(), || {
            format!("instead of which was got: {wrong:?}")
        });
    }
    report.end();
}
