//! A holder that stood still for longer than its term writes nothing more, however soon and often it tries.
//!
//! Processes take the lock in turn and write with its token as fast as they can, without asking whether they still hold
//! it. The exam stops the holder in the middle of a write, waits until another holds the lock and has written, and lets
//! the first go on. A write that was begun after the next grant must be refused. Every write has a key of its own, so the
//! dict itself keeps the order in which writes were carried out: the tokens in it never go down.

use super::{Part, run_async};
use crate::support::{
    Answer, Home, Job, Notes, Random, Report, Serving, Slot, Tally, Task, Worker, alone, counts,
    eventually, nanoseconds,
};
use commonhold::{Client, Code, Dict, Error, Guard, Happened};
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

const MINUTE: Duration = Duration::from_mins(1);
const GRACE: Duration = Duration::from_millis(500);
const TERM: Duration = Duration::from_secs(1);
const WORKERS: usize = 3;
/// How often a holder that lost the lock goes on to write.
const STALE_WRITES: u64 = 20;

/// How a process writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Writer {
    /// To a dict that the lock guards, and to one that it does not, both times naming its grant.
    Fenced,
    /// The fault that the exam must find: to the second alone, naming nothing.
    Careless,
}

/// What a process notes of one grant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Reign {
    token: u64,
    granted: u64,
    /// When its last write that was carried out was begun; 0 if none was.
    wrote: u64,
    /// Writes since the lock was lost, as far as the process knew.
    stale: u64,
}

impl Reign {
    fn row(self) -> [u64; 4] {
        [self.token, self.granted, self.wrote, self.stale]
    }

    fn of([token, granted, wrote, stale]: [u64; 4]) -> Reign {
        Reign {
            token,
            granted,
            wrote,
            stale,
        }
    }
}

impl Writer {
    pub(super) fn play(self, job: &Job) -> Result<Answer, Error> {
        run_async(self.reign_again_and_again(job))
    }

    async fn reign_again_and_again(self, job: &Job) -> Result<(), Error> {
        let ch = job.options().connect().await?;
        let mut notes = Notes::create(&job.tally, job.slot);
        let mut slot = job.slot();
        while !slot.is_over() {
            let guard = ch.lock("gpu").acquire().await?;
            self.reign(&ch, &guard, &mut notes, &mut slot).await?;
            // It may be lost.
            drop(guard);
        }
        ch.close().await;
        Ok(())
    }

    /// Writes until it was refused often enough, or the tally says stop.
    async fn reign(
        self,
        ch: &Client,
        guard: &Guard<Client>,
        notes: &mut Notes,
        slot: &mut Slot,
    ) -> Result<(), Error> {
        let mut reign = Reign {
            token: guard.token().0,
            granted: nanoseconds(),
            ..Reign::default()
        };
        notes.add(reign.row());
        let open: Dict<String, u64, Client> = ch.dict("open");
        let dicts = match self {
            Writer::Fenced => vec![
                open.fenced(guard),
                ch.dict("guarded").guarded_by("gpu").fenced(guard),
            ],
            Writer::Careless => vec![open],
        };
        let mut writes = 0;
        while reign.stale < STALE_WRITES && slot.begin() {
            let dict = &dicts[writes % dicts.len()];
            let key = format!("{} {writes}", reign.token);
            writes += 1;
            let begun = nanoseconds();
            match dict.set(&key, reign.token).await {
                Ok(()) => {
                    reign.wrote = begun;
                    // It may have been in doubt for a moment only.
                    reign.stale = if guard.is_lost() { reign.stale + 1 } else { 0 };
                }
                Err(error) if is_refusal(&error) => reign.stale += 1,
                Err(error) => return Err(error),
            }
            slot.acknowledge(ch.stats());
            notes.correct(reign.row());
        }
        Ok(())
    }
}

/// Was it surely not carried out, because the lock is lost?
fn is_refusal(error: &Error) -> bool {
    match error {
        Error::Refused(refusal) => matches!(refusal.code, Code::FencedOut | Code::LockLost),
        Error::ConnectionLost { happened, .. } => *happened == Happened::No,
        _ => false,
    }
}

struct Scene {
    home: Home,
    _serving: Serving,
    tally: Tally,
    workers: Vec<Worker>,
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
    fn new(writer: Writer) -> Scene {
        let home = Home::with_times(GRACE, TERM);
        let serving = home.serve(&[]);
        let ch = home.connect();
        // What guards a dict must be there before it.
        assert!(!ch.lock("gpu").locked().expect("it answers"));
        let tally = Tally::create(home.path().join("tally"), WORKERS);
        let start = |slot: usize| {
            let url = if slot.is_multiple_of(2) {
                home.url()
            } else {
                format!("tcp://{}", serving.tcp)
            };
            Worker::start(&Job {
                url,
                key_file: home.key_file(),
                tally: tally.path().to_owned(),
                slot,
                task: Task::Lock(Part::Write(writer)),
            })
        };
        Scene {
            workers: (0..WORKERS).map(start).collect(),
            home,
            _serving: serving,
            tally,
            random: Random::new(),
        }
    }

    fn reigns(&self, slot: usize) -> impl Iterator<Item = Reign> {
        let rows = Notes::read(self.tally.path(), slot);
        rows.into_iter().map(Reign::of)
    }

    /// Who was granted the lock last.
    fn holder(&self) -> Option<(usize, Reign)> {
        let slots = 0..WORKERS;
        let last = slots.filter_map(|slot| Some((slot, self.reigns(slot).last()?)));
        last.max_by_key(|(_, reign)| reign.token)
    }

    /// Stops the holder in a write and lets it go on when another has written. `None` if it was between two writes.
    fn round(&self) -> Option<Round> {
        let writes = || self.holder().filter(|(_, reign)| reign.wrote > 0);
        eventually("somebody holds the lock and writes", MINUTE, || {
            writes().is_some()
        });
        let goal = self.tally.sum().acknowledged + self.random.within(1..300);
        let reached = || self.tally.sum().acknowledged >= goal;
        eventually("the holders make progress", MINUTE, reached);
        let (slot, before) = self.holder().expect("it was found");
        let worker = &self.workers[slot];
        worker.stop();
        let counts = self.tally.read()[slot];
        let is_hit = counts.begun > counts.acknowledged
            && self
                .holder()
                .is_some_and(|(at, now)| at == slot && now.token == before.token && now.stale == 0);
        if !is_hit {
            worker.go_on();
            return None;
        }
        let mut next = None;
        eventually("another holds the lock and writes", MINUTE, || {
            next = writes().filter(|(_, reign)| reign.token > before.token);
            next.is_some()
        });
        let (_, next) = next.expect("it was found");
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

    /// Ends the processes; the tokens in a dict, in the order in which they came there.
    fn end(&mut self) {
        self.tally.end_at(0);
        for worker in self.workers.drain(..) {
            worker.finish();
        }
    }

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
    let mut scene = Scene::new(Writer::Fenced);
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
    let mut scene = Scene::new(Writer::Careless);
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
fn a_token_that_falls_is_found() {
    assert_eq!(first_fall(&[]), None);
    assert_eq!(first_fall(&[1, 1, 4]), None);
    assert_eq!(first_fall(&[1, 4, 1]), Some(1));
}
