//! A holder that stood still for longer than its term writes nothing more, however soon and often it tries.
//!
//! Processes take the lock in turn and write with its token as fast as they can, without asking whether they still hold
//! it. The exam stops the holder in the middle of a write, waits until another holds the lock and has written, and lets
//! the first go on. A write that was begun after the next grant must be refused. Every write has a key of its own, so the
//! dict itself keeps the order in which writes were carried out: the tokens in it never go down.
//!
//! A holder that is killed needs no fence: of what it had sent nothing is carried out after the next grant.

mod writer;

use super::Part;
use crate::support::{
    Home, Job, Notes, Random, Report, Serving, Tally, Task, Worker, alone, counts, eventually,
};
use std::time::{Duration, Instant};
pub(crate) use writer::Writer;
use writer::{Reign, STALE_WRITES};

const MINUTE: Duration = Duration::from_mins(1);
const GRACE: Duration = Duration::from_millis(500);
const TERM: Duration = Duration::from_secs(1);
const WORKERS: usize = 3;

struct Scene {
    home: Home,
    serving: Serving,
    tally: Tally,
    workers: Vec<Worker>,
    writer: Writer,
    random: Random,
}

/// What a holder did that was stopped, and who came after it.
#[derive(Clone, Copy, Debug)]
struct Round {
    stopped: Reign,
    next: Reign,
}

impl Round {
    /// Was something written that was begun when another held the lock?
    fn is_stale(self) -> bool {
        self.stopped.wrote > self.next.granted
    }
}

impl Scene {
    /// `deaths` processes are to die.
    fn new(writer: Writer, term: Duration, deaths: usize) -> Scene {
        let home = Home::with_times(GRACE, term);
        let serving = home.serve(&[]);
        // What guards a dict must be there before it.
        let is_held = home.connect().lock("gpu").locked();
        assert!(!is_held.expect("it answers"));
        let tally = Tally::create(home.path().join("tally"), WORKERS + deaths);
        let mut scene = Scene {
            home,
            serving,
            tally,
            workers: Vec::new(),
            writer,
            random: Random::new(),
        };
        for _ in 0..WORKERS {
            scene.start_worker();
        }
        scene
    }

    /// Every other one reaches the server over TCP.
    fn start_worker(&mut self) {
        let slot = self.workers.len();
        let url = if slot.is_multiple_of(2) {
            self.home.url()
        } else {
            format!("tcp://{}", self.serving.tcp)
        };
        self.workers.push(Worker::start(&Job {
            url,
            key_file: self.home.key_file(),
            tally: self.tally.path().to_owned(),
            slot,
            task: Task::Lock(Part::Write(self.writer)),
        }));
    }

    fn reigns(&self, slot: usize) -> impl Iterator<Item = Reign> {
        let rows = Notes::read(self.tally.path(), slot);
        rows.into_iter().map(Reign::of)
    }

    /// Who was granted the lock last.
    fn holder(&self) -> Option<(usize, Reign)> {
        let slots = 0..self.workers.len();
        let last = slots.filter_map(|slot| Some((slot, self.reigns(slot).last()?)));
        last.max_by_key(|(_, reign)| reign.token)
    }

    fn writes(&self) -> Option<(usize, Reign)> {
        self.holder().filter(|(_, reign)| reign.wrote > 0)
    }

    /// Whoever holds the lock and writes, after a while.
    fn pick(&self) -> (usize, Reign) {
        eventually("somebody holds the lock and writes", MINUTE, || {
            self.writes().is_some()
        });
        let goal = self.tally.sum().acknowledged + self.random.within(1..300);
        let reached = || self.tally.sum().acknowledged >= goal;
        eventually("the holders make progress", MINUTE, reached);
        self.holder().expect("it was found")
    }

    /// Is it in the middle of a write?
    fn is_writing(&self, slot: usize) -> bool {
        let counts = self.tally.read()[slot];
        counts.begun > counts.acknowledged
    }

    fn successor_of(&self, token: u64) -> Reign {
        let next = || self.writes().filter(|(_, reign)| reign.token > token);
        eventually("another holds the lock and writes", MINUTE, || {
            next().is_some()
        });
        next().expect("it was found").1
    }

    /// Stops the holder in a write and lets it go on when another has written. `None` if it was between two writes.
    fn round(&self) -> Option<Round> {
        let (slot, before) = self.pick();
        let worker = &self.workers[slot];
        worker.stop();
        let is_holder = self
            .holder()
            .is_some_and(|(at, now)| at == slot && now.token == before.token && now.stale == 0);
        if !is_holder || !self.is_writing(slot) {
            worker.go_on();
            return None;
        }
        let next = self.successor_of(before.token);
        worker.go_on();
        let mut stopped = before;
        eventually("the first tries to write", MINUTE, || {
            let mut reigns = self.reigns(slot);
            stopped = reigns
                .find(|reign| reign.token == before.token)
                .expect("it is noted");
            stopped.stale >= STALE_WRITES
        });
        Some(Round { stopped, next })
    }

    /// Kills the holder, waits until another has written, and starts a process in its place. False if the holder was
    /// between two writes.
    fn kill_round(&mut self) -> bool {
        let (slot, before) = self.pick();
        self.workers[slot].kill();
        let hit = self.is_writing(slot);
        self.successor_of(before.token);
        self.start_worker();
        hit
    }

    fn rounds(&self, many: usize, report: &mut Report) -> Vec<Round> {
        let (mut rounds, mut missed) = (Vec::new(), 0);
        while rounds.len() < many {
            match self.round() {
                Some(round) => rounds.push(round),
                None => missed += 1,
            }
            assert!(missed <= 10 + 10 * many, "no stop hits a write");
        }
        report.figure("rounds", rounds.len());
        report.figure("missed", missed);
        let refused: u64 = rounds.iter().map(|round| round.stopped.stale).sum();
        report.figure("tried_after_the_loss", refused);
        rounds
    }

    /// Ends the processes.
    fn end(&mut self) {
        self.tally.end_at(0);
        for worker in self.workers.drain(..).filter(|worker| !worker.is_killed()) {
            worker.finish();
        }
    }

    /// The tokens in a dict, in the order in which they came there.
    fn tokens(&self, dict: &str) -> Vec<u64> {
        let dict = self.home.connect().dict::<String, u64>(dict);
        let pairs = dict.scan().into_iter();
        pairs.map(|pair| pair.expect("it answers").1).collect()
    }
}

/// The first place at which a token is below the one before it.
fn first_fall(tokens: &[u64]) -> Option<usize> {
    tokens.windows(2).position(|pair| pair[1] < pair[0])
}

#[test]
fn a_holder_that_was_superseded_writes_nothing() {
    let _alone = alone();
    let mut report = Report::of("locks: fencing");
    let mut scene = Scene::new(Writer::Fenced, TERM, 0);
    let begun = Instant::now();
    let rounds = scene.rounds(counts(3, 100), &mut report);
    scene.end();
    for (number, round) in rounds.iter().enumerate() {
        report.expect(!round.is_stale(), || {
            format!("round {number}: a superseded holder wrote: {round:?}")
        });
    }
    let written = scene.tally.sum().acknowledged;
    report.figure("writes", written);
    report.figure("seconds", begun.elapsed().as_secs());
    for dict in ["open", "guarded"] {
        let tokens = scene.tokens(dict);
        report.figure(dict, tokens.len());
        report.expect(tokens.len() > rounds.len(), || {
            format!("only {} were written to {dict}", tokens.len())
        });
        let fall = first_fall(&tokens);
        report.expect(fall.is_none(), || {
            format!("the write {fall:?} of {dict} came after that of a later holder")
        });
    }
    report.end();
}

#[test]
fn a_holder_that_names_no_fence_is_noticed() {
    let _alone = alone();
    let mut report = Report::of("locks: writes without a fence are found");
    let mut scene = Scene::new(Writer::Careless, TERM, 0);
    let rounds = scene.rounds(1, &mut report);
    scene.end();
    report.expect(rounds[0].is_stale(), || {
        "no write of a superseded holder was seen".to_owned()
    });
    report.expect(first_fall(&scene.tokens("open")).is_some(), || {
        "the dict does not show it".to_owned()
    });
    report.end();
}

#[test]
fn nothing_of_a_killed_holder_comes_after_the_next_grant() {
    let _alone = alone();
    let mut report = Report::of("locks: last words");
    let kills = counts(4, 100);
    let mut scene = Scene::new(Writer::Careless, MINUTE, 2 * kills);
    let (mut hit, mut missed) = (0, 0);
    while hit < kills && hit + missed < 2 * kills {
        if scene.kill_round() {
            hit += 1;
        } else {
            missed += 1;
        }
    }
    scene.end();
    report.figure("rounds", hit);
    report.figure("missed", missed);
    report.expect(hit == kills, || "most kills hit no write".to_owned());
    let tokens = scene.tokens("open");
    report.figure("writes", tokens.len());
    let fall = first_fall(&tokens);
    report.expect(fall.is_none(), || {
        format!("the write {fall:?} came after that of a later holder")
    });
    report.end();
}

#[test]
fn a_token_that_falls_is_found() {
    assert_eq!(first_fall(&[]), None);
    assert_eq!(first_fall(&[1, 1, 4]), None);
    assert_eq!(first_fall(&[1, 4, 1]), Some(1));
}
