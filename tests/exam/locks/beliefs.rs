//! There is no time at which two clients both believe that they hold one lock.
//!
//! Processes with a heartbeat take the lock in turn, make calls under it, and ask their guard all the while whether it is
//! lost, noting when they asked and when they had the answer. Each time that it says no, the process believed at some
//! moment between the two; from the first such moment to the last of one grant it held the lock, by its own account. The
//! exam stops holders, cuts them off, lets nothing of theirs through, loses what they are told and kills the server, and
//! compares the accounts.
//!
//! A process that stands still believes nothing; when it goes on, its guard must know before it acts. What remains is a
//! stop between the answer and what is done on it. No client can exclude that, and it is no belief here: what was asked
//! before the stop counts at the time before the stop. Against that there are fences, which `fencing.rs` examines.

mod accounts;
mod believer;

use super::Part;
use crate::support::{
    Home, Job, Notes, Proxy, Random, Report, Serving, Tally, Task, Worker, alone, counts,
    eventually,
};
use accounts::{Belief, State, closest_handover_ms, first_conflict};
pub(crate) use believer::Believer;
use std::thread;
use std::time::Duration;

const MINUTE: Duration = Duration::from_mins(1);
const GRACE_MS: u64 = 500;
const GRACE: Duration = Duration::from_millis(GRACE_MS);
const TERM: Duration = Duration::from_secs(1);
const WORKERS: usize = 4;

/// What happens to the holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// It stands still until another has the lock.
    LongStop,
    /// It stands still for less than the grace.
    ShortStop,
    /// It is cut off until another has the lock.
    CutOff,
    /// Nothing of its is passed on until another has the lock.
    Stall,
    /// Every connection is cut now and then.
    Cuts,
    /// The server is killed and started again.
    Kill,
    /// The next holder is cut off before it hears that it is one, until another has the lock.
    LateGrant,
}

const FAULTS: [Fault; 7] = [
    Fault::LongStop,
    Fault::ShortStop,
    Fault::CutOff,
    Fault::Stall,
    Fault::Cuts,
    Fault::Kill,
    Fault::LateGrant,
];

struct Scene {
    home: Home,
    serving: Serving,
    tally: Tally,
    proxies: Vec<Proxy>,
    workers: Vec<Worker>,
    random: Random,
}

impl Scene {
    fn new(believer: Believer) -> Scene {
        let home = Home::with_times(GRACE, TERM);
        let serving = home.serve(&[]);
        let tally = Tally::create(home.path().join("tally"), WORKERS);
        let proxies: Vec<Proxy> = (0..WORKERS)
            .map(|_| Proxy::before(&home.socket()))
            .collect();
        let start = |(slot, proxy): (usize, &Proxy)| {
            Worker::start(&Job {
                url: proxy.url(slot),
                key_file: home.key_file(),
                tally: tally.path().to_owned(),
                slot,
                task: Task::Lock(Part::Believe(believer)),
            })
        };
        Scene {
            workers: proxies.iter().enumerate().map(start).collect(),
            proxies,
            home,
            serving,
            tally,
            random: Random::new(),
        }
    }

    fn beliefs(&self) -> Vec<Belief> {
        let rows = |slot| Notes::read(self.tally.path(), slot).into_iter();
        let read = |slot| rows(slot).map(move |row| Belief::of(slot, row));
        (0..WORKERS).flat_map(read).collect()
    }

    /// Who was granted the lock last.
    fn newest(&self) -> Option<Belief> {
        let beliefs = self.beliefs();
        beliefs.into_iter().max_by_key(|belief| belief.token)
    }

    /// Does it to whoever holds the lock. False if nobody believed to hold it when it began.
    fn suffer(&mut self, fault: Fault) -> bool {
        let before = self.tally.read();
        let everyone_is_back = || {
            let now = self.tally.read();
            let mut both = now.iter().zip(&before);
            both.all(|(now, before)| now.acknowledged > before.acknowledged)
        };
        eventually("everyone has had the lock again", MINUTE, everyone_is_back);
        let pause = Duration::from_millis(self.random.within(0..30));
        thread::sleep(pause);
        if fault == Fault::LateGrant {
            return self.lose_a_grant();
        }
        let mut holder = None;
        eventually("somebody believes", MINUTE, || {
            holder = self
                .newest()
                .filter(|newest| newest.state == State::Believes);
            holder.is_some()
        });
        let holder = holder.expect("it was found");
        self.begin(fault, holder.slot);
        let hit = self
            .newest()
            .is_some_and(|newest| newest.token == holder.token && newest.state == State::Believes);
        if fault == Fault::Kill {
            self.serving = self.home.serve(&[]);
        }
        match fault {
            Fault::ShortStop => {
                let short = self.random.within(1..GRACE_MS * 8 / 10);
                thread::sleep(Duration::from_millis(short));
            }
            Fault::Cuts => {
                let goal = self.tally.sum().acknowledged + 20;
                let reached = || self.tally.sum().acknowledged >= goal;
                eventually("holders come and go", MINUTE, reached);
            }
            _ => self.wait_for_another_than(holder.token),
        }
        self.end(fault, holder.slot);
        hit
    }

    fn wait_for_another_than(&self, token: u64) {
        let newest = || self.newest().map_or(0, |newest| newest.token);
        eventually("another holds the lock", MINUTE, || newest() > token);
    }

    /// Whoever is the next in line is granted the lock, does not hear of it, and then nothing else until another has it.
    /// False if it heard of it all the same.
    fn lose_a_grant(&self) -> bool {
        let ch = self.home.connect();
        let who = || ch.server().who("gpu").expect("it answers");
        let mut next = None;
        eventually("somebody stands in line", MINUTE, || {
            next = who().waiting.into_iter().next();
            next.is_some()
        });
        let next = next.expect("it was found").pid;
        let is_next = |worker: &Worker| worker.pid() == next;
        let slot = self.workers.iter().position(is_next).expect("a worker");
        self.proxies[slot].stall(true);
        let mut token = None;
        eventually("it is granted the lock", MINUTE, || {
            let now = who();
            let holder = now.holders.iter().find(|holder| holder.pid == next);
            token = holder.and_then(|holder| holder.token);
            // Or it was before it was stalled, and has given it back.
            token.is_some() || now.waiting.iter().all(|waiter| waiter.pid != next)
        });
        self.proxies[slot].shut(true);
        self.proxies[slot].stall(false);
        if let Some(token) = token {
            self.wait_for_another_than(token);
        }
        self.proxies[slot].shut(false);
        let heard = |token| self.beliefs().iter().any(|belief| belief.token == token);
        token.is_some_and(|token| !heard(token))
    }

    fn begin(&mut self, fault: Fault, slot: usize) {
        match fault {
            Fault::LongStop | Fault::ShortStop => self.workers[slot].stop(),
            Fault::CutOff => self.proxies[slot].shut(true),
            Fault::Stall => self.proxies[slot].stall(true),
            Fault::Cuts => self.cut_one_in(30),
            Fault::Kill => self.serving.kill(),
            Fault::LateGrant => {}
        }
    }

    fn end(&self, fault: Fault, slot: usize) {
        match fault {
            Fault::LongStop | Fault::ShortStop => self.workers[slot].go_on(),
            Fault::CutOff => self.proxies[slot].shut(false),
            Fault::Stall => self.proxies[slot].stall(false),
            Fault::Cuts => self.cut_one_in(0),
            Fault::Kill | Fault::LateGrant => {}
        }
    }

    fn cut_one_in(&self, many: u64) {
        for proxy in &self.proxies {
            proxy.cut_one_in(many);
        }
    }

    /// Goes through these faults by turns, so many times in all, and ends the processes.
    fn examine(mut self, faults: &[Fault], rounds: usize, report: &mut Report) -> Vec<Belief> {
        let (mut hit, mut missed) = (0, 0);
        while hit < rounds {
            if self.suffer(faults[hit % faults.len()]) {
                hit += 1;
            } else {
                missed += 1;
                assert!(missed <= 10 + 10 * rounds, "no fault hits a holder");
            }
        }
        self.tally.end_at(0);
        for worker in self.workers.drain(..) {
            worker.finish();
        }
        let cuts = self.proxies.iter().map(|proxy| proxy.cuts().before_reply);
        report.figure("cuts_before_reply", cuts.sum::<u64>());
        report.figure("rounds", hit);
        report.figure("missed", missed);
        let beliefs = self.beliefs();
        report.figure("grants", beliefs.len());
        let lost = beliefs.iter().filter(|belief| belief.state == State::Lost);
        report.figure("lost", lost.count());
        if let Some(closest) = closest_handover_ms(&beliefs) {
            report.figure("closest_handover_ms", closest);
        }
        beliefs
    }
}

#[test]
fn no_two_clients_believe_that_they_hold_a_lock() {
    let _alone = alone();
    let mut report = Report::of("locks: beliefs");
    let rounds = counts(FAULTS.len(), 20 * FAULTS.len());
    let scene = Scene::new(Believer::CountsDown);
    let beliefs = scene.examine(&FAULTS, rounds, &mut report);
    let conflict = first_conflict(&beliefs);
    report.expect(conflict.is_none(), || {
        format!("two believed at one time: {conflict:?}")
    });
    // Three of the faults take the lock from its holder, who must have noticed, unless it was just giving it back: the
    // server may have heard of that, and the holder not that it had.
    let lost = beliefs.iter().filter(|belief| belief.state == State::Lost);
    let lost = lost.count();
    report.expect(lost >= rounds / FAULTS.len() * 2, || {
        format!("only {lost} losses were noticed in {rounds} rounds")
    });
    report.end();
}

/// A client that does not count down believes for as long as nobody tells it otherwise.
#[test]
fn a_client_that_does_not_count_down_is_noticed() {
    let _alone = alone();
    let mut report = Report::of("locks: a client without a countdown is found");
    let scene = Scene::new(Believer::WaitsToBeTold);
    let beliefs = scene.examine(&[Fault::CutOff], counts(2, 10), &mut report);
    report.expect(first_conflict(&beliefs).is_some(), || {
        "nobody believed beside another".to_owned()
    });
    report.end();
}
