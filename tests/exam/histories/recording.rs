//! A long history: clients on threads of their own, behind a proxy that cuts, of a server that is killed.

use super::history::History;
use super::kinds::Kind;
use super::scene::{Notes, Scene};
use super::voice::{Fault, Voice};
use crate::support::{Cuts, FLOOR, Home, Proxy, Random, Report, Serving, eventually};
use commonhold::{Durability, Options, Stats};
use std::sync::{Arc, mpsc};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};
use tokio::runtime::Builder;

/// How a history is made.
pub(super) struct Plan {
    pub(super) kinds: &'static [&'static Kind],
    pub(super) clients: usize,
    /// Calls of each client.
    pub(super) calls: u64,
    pub(super) kills: u64,
    /// One in so many messages of clients is followed by a cut; 0: none.
    pub(super) one_in: u64,
    pub(super) durability: Durability,
    pub(super) fault: Fault,
}

/// What was recorded, and under which faults.
pub(super) struct Recording {
    pub(super) histories: Vec<History>,
    pub(super) cuts: Cuts,
    /// Of all clients together.
    pub(super) stats: Stats,
    /// Kills that hit nothing.
    pub(super) missed: u64,
    /// The slowest stretch before a kill, in calls a second.
    pub(super) slowest: f64,
}

/// A recording under way.
struct Ring<'a> {
    plan: &'a Plan,
    home: &'a Home,
    scene: &'a Scene,
    serving: Serving,
    random: Arc<Random>,
    slowest: f64,
}

/// Calls of one client that are under way at a time, at most.
const HANDS: usize = 16;
/// Checkpoints come in the middle of a history.
const FLAGS: &[&str] = &["--checkpoint-log-bytes", "1MiB"];

impl Plan {
    /// Lets clients call and the server die. What falls short of an exam goes to the report.
    pub(super) fn record(&self, report: &mut Report) -> Recording {
        let home = Home::new();
        let serving = home.serve(FLAGS);
        let random = Arc::new(Random::new());
        let scene = Scene::new(
            &home.connect(),
            &random,
            "h",
            self.kinds,
            self.durability,
            self.clients,
        );
        let proxy = Proxy::before(&home.socket());
        proxy.cut_one_in(self.one_in);
        let mut ring = Ring {
            plan: self,
            home: &home,
            scene: &scene,
            serving,
            random,
            slowest: f64::INFINITY,
        };
        let (histories, stats, missed) = thread::scope(|scope| {
            // Whoever is done stays until the objects are read: what it holds ends with it.
            let (done, all_done) = mpsc::channel();
            let start = |client| {
                let options = home.options().url(proxy.url(client));
                let (done, scene) = (done.clone(), &scene);
                let (stay, leave) = mpsc::channel::<()>();
                let run = move || run(self, scene, client, options, done, &leave);
                (stay, scope.spawn(run))
            };
            let clients: Vec<(_, ScopedJoinHandle<'_, ()>)> =
                (0..self.clients).map(start).collect();
            drop(done);
            let missed = ring.strike_all(report);
            let told: Vec<(Notes, Stats)> = all_done.iter().take(self.clients).collect();
            proxy.cut_one_in(0);
            let (notes, stats): (Vec<Notes>, Vec<Stats>) = told.into_iter().unzip();
            let histories = scene.histories(&home.connect(), notes);
            drop(clients);
            (histories, stats, missed)
        });
        for trouble in scene.troubles() {
            report.violation(trouble);
        }
        Recording {
            histories,
            cuts: proxy.cuts(),
            stats: sum(&stats),
            missed,
            slowest: ring.slowest,
        }
    }

    fn total(&self) -> u64 {
        self.calls * self.clients as u64
    }
}

/// One client, on a thread of its own. It tells what it did, and leaves when it is told to.
fn run(
    plan: &Plan,
    scene: &Scene,
    client: usize,
    options: Options,
    done: mpsc::Sender<(Notes, Stats)>,
    leave: &mpsc::Receiver<()>,
) {
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let voice = runtime.block_on(async {
        let options = options.connect_for(Duration::from_secs(30));
        let ch = options.connect().await.expect("it connects");
        let voice = Voice::new(ch, plan.fault);
        let notes = scene.play(client, &voice, plan.calls, HANDS).await;
        done.send((notes, voice.ch.stats()))
            .expect("the exam waits");
        voice
    });
    // The exam waits for those who may still tell.
    drop(done);
    // It ends when the exam drops its end.
    let _ = leave.recv();
    runtime.block_on(voice.ch.close());
}

impl Ring<'_> {
    /// Kills the server as often as is planned, and tells how many more kills hit nothing.
    fn strike_all(&mut self, report: &mut Report) -> u64 {
        let (mut hit, mut missed) = (0, 0);
        while hit < self.plan.kills {
            let part = self.plan.total() / (self.plan.kills + 1);
            let goal = part * (hit + missed + 1);
            if self.strike(goal.max(1) - self.random.within(0..part / 4 + 1), report) {
                hit += 1;
            } else {
                missed += 1;
                assert!(missed <= self.plan.kills, "most kills hit nothing");
            }
        }
        missed
    }

    /// Kills the server when so many calls are over, and starts it again. False if nothing was under way.
    fn strike(&mut self, goal: u64, report: &mut Report) -> bool {
        let patience = Duration::from_mins(2);
        let sum = || self.scene.answered().iter().sum::<u64>();
        let last = self.scene.answered();
        let all = self.plan.calls;
        let everyone_is_back = || {
            let now = self.scene.answered();
            now.iter()
                .zip(&last)
                .all(|(now, last)| now > last || *now == all)
        };
        eventually("every client is answered again", patience, everyone_is_back);
        let (since, before) = (Instant::now(), sum());
        // At least some calls later, or nothing can be said of its speed.
        let goal = goal.max(before + 300).min(self.plan.total());
        eventually("the clients make progress", patience, || sum() >= goal);
        #[expect(clippy::cast_precision_loss, reason = "a rate")]
        let rate = (sum() - before) as f64 / since.elapsed().as_secs_f64();
        self.slowest = self.slowest.min(rate);
        report.expect(rate > FLOOR, || {
            format!("only {rate:.0} operations/s before the kill at {goal}")
        });
        let begun = self.scene.begun();
        self.serving.kill();
        // What was begun before the kill and is not answered now is what the kill hit.
        let answered = self.scene.answered();
        let hit = begun
            .iter()
            .zip(&answered)
            .any(|(begun, answered)| begun > answered);
        self.serving = self.home.serve(FLAGS);
        hit
    }
}

fn sum(stats: &[Stats]) -> Stats {
    let add = |sum: Stats, stats: &Stats| Stats {
        calls: sum.calls + stats.calls,
        resent: sum.resent + stats.resent,
        remembered: sum.remembered + stats.remembered,
        reconnects: sum.reconnects + stats.reconnects,
    };
    stats.iter().fold(Stats::default(), add)
}
