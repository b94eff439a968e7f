//! Client processes against a server that is cut off and killed, again and again.

use super::{
    Answer, Counts, Cuts, FLOOR, Home, Job, Proxy, Random, Report, Serving, Tally, Task, Worker,
    counts, eventually,
};
use commonhold::blocking::Client;
use std::time::{Duration, Instant};

/// How hard a bout is.
pub(crate) struct Plan {
    pub(crate) workers: usize,
    /// How often the server is killed.
    pub(crate) kills: u64,
    /// One in so many messages of clients is followed by a cut.
    pub(crate) one_in: u64,
    /// Cuts between a call and its reply without which the bout proves nothing.
    pub(crate) cuts: u64,
    /// The same for remembered replies that were given again.
    pub(crate) remembered: u64,
}

/// A bout that is over, with the server still there.
pub(crate) struct Bout {
    pub(crate) answers: Vec<Answer>,
    pub(crate) counts: Counts,
    pub(crate) home: Home,
    _serving: Serving,
}

/// A bout under way.
struct Ring {
    tally: Tally,
    random: Random,
    home: Home,
    serving: Serving,
    slowest: f64,
    /// How the last kill left the clients.
    last: Vec<Counts>,
}

impl Bout {
    /// Starts a server and client processes behind a cutting proxy, kills the server so many times, and waits until every
    /// client is done. `prepare` makes the objects.
    ///
    /// The figures and what falls short of the plan go to the report.
    pub(crate) fn run(
        plan: &Plan,
        task: &Task,
        report: &mut Report,
        prepare: impl FnOnce(&Client),
    ) -> Bout {
        let home = Home::new();
        let serving = home.serve(&[]);
        prepare(&home.connect());
        let proxy = Proxy::before(&home.socket());
        let tally = Tally::create(home.path().join("tally"), plan.workers);
        let start = |slot| {
            Worker::start(&Job {
                url: proxy.url(slot),
                key_file: home.key_file(),
                tally: tally.path().to_owned(),
                slot,
                task: task.clone(),
            })
        };
        let workers: Vec<Worker> = (0..plan.workers).map(start).collect();
        let mut ring = Ring {
            last: tally.read(),
            tally,
            random: Random::new(),
            home,
            serving,
            slowest: f64::INFINITY,
        };
        proxy.cut_one_in(plan.one_in);
        // A kill between two operations proves nothing, and is none of the rounds.
        let (mut hit, mut missed) = (0, 0);
        while hit < plan.kills {
            if ring.strike(hit + 1, report) {
                hit += 1;
            } else {
                missed += 1;
                assert!(missed <= plan.kills, "most kills hit nothing");
            }
        }
        report.figure("missed", missed);
        ring.wait_for_faults(plan, &proxy);
        proxy.cut_one_in(0);
        if !task.ends() {
            // Far enough ahead that parties who wait for each other all see it before they come there.
            let furthest = ring.tally.read().iter().map(|counts| counts.begun).max();
            ring.tally.end_at(furthest.unwrap_or(0) + 100);
        }
        let answers = workers.into_iter().map(Worker::finish).collect();
        let sum = ring.tally.sum();
        ring.figures(plan, proxy.cuts(), sum, report);
        Bout {
            answers,
            counts: sum,
            home: ring.home,
            _serving: ring.serving,
        }
    }
}

impl Ring {
    /// Kills the server while clients are at work, and starts it again. False if nothing was under way.
    fn strike(&mut self, round: u64, report: &mut Report) -> bool {
        let everyone_is_back = || {
            let now = self.tally.read();
            let mut both = now.iter().zip(&self.last);
            both.all(|(now, last)| now.acknowledged > last.acknowledged)
        };
        let minute = Duration::from_mins(1);
        eventually("every client is answered again", minute, everyone_is_back);
        let (since, before) = (Instant::now(), self.tally.sum().acknowledged);
        let goal = before + self.random.within(300..900);
        let reached = || self.tally.sum().acknowledged >= goal;
        eventually("the clients make progress", minute, reached);
        let acknowledged = self.tally.sum().acknowledged - before;
        #[expect(clippy::cast_precision_loss, reason = "a rate")]
        let rate = acknowledged as f64 / since.elapsed().as_secs_f64();
        self.slowest = self.slowest.min(rate);
        report.expect(rate > FLOOR, || {
            format!("kill {round}: only {rate:.0} operations/s before it")
        });
        let begun = self.tally.read();
        self.serving.kill();
        // What was begun before the kill and is not answered now is what the kill hit.
        self.last = self.tally.read();
        let mut both = begun.iter().zip(&self.last);
        let hit = both.any(|(before, now)| before.begun > now.acknowledged);
        self.serving = self.home.serve(&[]);
        hit
    }

    /// Goes on until the faults were enough, the clients have nothing left to do, or it takes too long: the report tells
    /// what is missing then.
    fn wait_for_faults(&self, plan: &Plan, proxy: &Proxy) {
        let until = Instant::now() + counts(Duration::from_mins(1), Duration::from_mins(10));
        let mut progress = (0, Instant::now());
        while Instant::now() < until {
            let sum = self.tally.sum();
            let enough = sum.remembered >= plan.remembered;
            if enough && proxy.cuts().before_reply >= plan.cuts {
                return;
            }
            if sum.acknowledged > progress.0 {
                progress = (sum.acknowledged, Instant::now());
            }
            let idle = progress.1.elapsed();
            if idle > Duration::from_secs(1) && sum.begun == sum.acknowledged {
                return;
            }
            assert!(idle < Duration::from_mins(1), "no progress: {sum:?}");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn figures(&self, plan: &Plan, cuts: Cuts, sum: Counts, report: &mut Report) {
        report.figure("rounds", plan.kills);
        report.figure("operations", sum.acknowledged);
        report.figure("floor", FLOOR);
        report.figure("slowest", self.slowest.round());
        report.figure("clients", plan.workers);
        report.figure("cuts_before_reply", cuts.before_reply);
        report.figure("cuts_elsewhere", cuts.elsewhere);
        report.figure("reconnects", sum.reconnects);
        report.figure("resent", sum.resent);
        report.figure("remembered", sum.remembered);
        report.expect(cuts.before_reply >= plan.cuts, || {
            format!(
                "only {} cuts fell between a call and its reply",
                cuts.before_reply
            )
        });
        report.expect(sum.remembered >= plan.remembered, || {
            format!("only {} replies were given again", sum.remembered)
        });
        report.expect(sum.begun == sum.acknowledged, || {
            format!("not everything that was begun was answered: {sum:?}")
        });
    }
}
