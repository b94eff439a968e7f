//! Nothing acknowledged is lost and nothing is half applied when the server is killed: at work, during a checkpoint, and
//! while it recovers.

mod writers;

use crate::support::{FLOOR, Home, Random, Report, Serving, alone, counts, eventually};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use writers::{Ballast, Counting, Writer};

/// When the server dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// While clients write.
    Traffic,
    /// The same, in the middle of a checkpoint.
    Checkpoint,
    /// The same, and then again and again while it recovers.
    Recovery,
}

impl Fault {
    fn of(round: u64) -> Fault {
        match round % 10 {
            0..4 => Fault::Traffic,
            4..7 => Fault::Checkpoint,
            _ => Fault::Recovery,
        }
    }

    /// What the server is told: checkpoints come as often as can be where one is to be hit.
    fn flags(self) -> &'static [&'static str] {
        match self {
            Fault::Traffic => &[],
            Fault::Checkpoint | Fault::Recovery => &["--checkpoint-log-bytes", "64KiB"],
        }
    }
}

struct Exam {
    home: Home,
    random: Random,
    report: Report,
    writers: Vec<Writer>,
    counting: Counting,
    ballast: Ballast,
    operations: u64,
    slowest: f64,
    /// Kills that hit a checkpoint.
    hits: u64,
    /// Kills during recovery.
    interrupted: u64,
    opened_in: Vec<Duration>,
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_is_half_applied() {
    let _alone = alone();
    let rounds = counts(10, 100);
    let mut exam = Exam {
        home: Home::new(),
        random: Random::new(),
        report: Report::of("nothing acknowledged is lost, nothing is half applied"),
        writers: (0..5).map(Writer::new).collect(),
        counting: Counting::default(),
        ballast: Ballast::new(),
        operations: 0,
        slowest: f64::INFINITY,
        hits: 0,
        interrupted: 0,
        opened_in: Vec::new(),
    };
    {
        let _serving = exam.home.serve(&[]);
        exam.ballast.load(&exam.home.connect());
    }
    // A kill between two operations proves nothing, and is none of the rounds.
    let (mut round, mut missed) = (0, 0);
    while round < rounds {
        if exam.round(round) {
            round += 1;
        } else {
            missed += 1;
            assert!(missed <= rounds, "most kills hit nothing");
        }
    }
    exam.report.figure("missed", missed);
    exam.end(rounds);
}

impl Exam {
    /// False if nothing was under way at the kill.
    fn round(&mut self, round: u64) -> bool {
        let fault = Fault::of(round);
        let mut serving = self.home.serve(fault.flags());
        self.opened_in.push(serving.opened_in);
        let hit = self.kill_at_work(round, fault, &mut serving);
        drop(serving);
        if fault == Fault::Recovery {
            self.kill_while_recovering(fault);
        }
        let serving = self.home.serve(fault.flags());
        self.opened_in.push(serving.opened_in);
        let ch = self.home.connect();
        let report = &mut self.report;
        for writer in &mut self.writers {
            writer.check(&ch, round, report);
        }
        self.counting.check(&ch, round, report);
        self.ballast.check(&ch, round, report);
        ch.close();
        drop(serving);
        for blob in blobs(&self.home.data()) {
            self.report
                .violation(format!("round {round}: {blob} is in the store"));
        }
        hit
    }

    /// Lets everybody write, and kills the server. False if nothing was under way.
    fn kill_at_work(&mut self, round: u64, fault: Fault, serving: &mut Serving) -> bool {
        let options = self
            .home
            .options()
            .reconnect_for(Duration::from_millis(20))
            .connect_for(Duration::from_millis(20));
        let written: Vec<AtomicU64> = self.writers.iter().map(|_| AtomicU64::new(0)).collect();
        let counting = &mut self.counting;
        let random = &self.random;
        let counted = counting.acknowledged();
        let (mut rate, mut killed) = (0.0, Instant::now());
        thread::scope(|scope| {
            for (writer, written) in self.writers.iter_mut().zip(&written) {
                let options = options.clone();
                scope.spawn(move || writer.write(options, written));
            }
            scope.spawn(move || counting.count(options));
            let each = || written.iter().map(|count| count.load(Ordering::Relaxed));
            let sum = || each().sum::<u64>() + counted.load(Ordering::Relaxed);
            let minute = Duration::from_mins(1);
            eventually("everybody writes", minute, || each().all(|count| count > 0));
            let (since, before) = (Instant::now(), sum());
            let goal = before + random.within(400..1_200);
            eventually("they make progress", minute, || sum() >= goal);
            if fault == Fault::Checkpoint {
                let begun = serving.logged(BEGINS);
                let begins = || serving.logged(BEGINS) > begun;
                eventually("a checkpoint begins", minute, begins);
                // Somewhere in it.
                thread::sleep(Duration::from_micros(random.within(0..3_000)));
            }
            #[expect(clippy::cast_precision_loss, reason = "a rate")]
            let acknowledged = (sum() - before) as f64;
            rate = acknowledged / since.elapsed().as_secs_f64();
            killed = Instant::now();
            serving.kill();
        });
        self.operations += written
            .iter()
            .map(|n| n.load(Ordering::Relaxed))
            .sum::<u64>();
        self.hits += u64::from(serving.logged(BEGINS) > serving.logged(ENDED));
        self.slowest = self.slowest.min(rate);
        if fault == Fault::Recovery {
            return true;
        }
        self.report.expect(rate > FLOOR, || {
            format!("round {round}: only {rate:.0} operations/s before the kill")
        });
        self.writers.iter().any(|writer| writer.was_at_work(killed))
    }

    /// Kills servers that have not come up yet, each at a random moment.
    fn kill_while_recovering(&mut self, fault: Fault) {
        let usual = self.opened_in.iter().min().copied().unwrap_or_default();
        let most = u64::try_from(usual.as_micros()).unwrap_or(u64::MAX);
        for _ in 0..self.random.within(1..4) {
            let mut command: Command = self.home.command(fault.flags());
            let command = command.stdout(Stdio::null()).stderr(Stdio::null());
            let mut child = command.spawn().expect("it starts");
            let moment = self.random.within(0..most.max(1));
            thread::sleep(Duration::from_micros(moment));
            child.kill().expect("it runs");
            child.wait().expect("it ends");
            self.interrupted += 1;
        }
    }

    fn end(mut self, rounds: u64) {
        self.opened_in.sort_unstable();
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let median = millis(self.opened_in[self.opened_in.len() / 2]);
        let longest = millis(self.opened_in[self.opened_in.len() - 1]);
        self.operations += self.counting.total();
        let report = &mut self.report;
        report.figure("rounds", rounds);
        report.figure("operations", self.operations);
        report.figure("floor", FLOOR);
        report.figure("slowest", self.slowest.round());
        report.figure("kills_in_checkpoints", self.hits);
        report.figure("kills_in_recovery", self.interrupted);
        report.figure("open_median_ms", median);
        report.figure("open_max_ms", longest);
        let hits = self.hits;
        report.expect(hits >= rounds / 10, || {
            format!("only {hits} kills hit a checkpoint")
        });
        self.report.end();
    }
}

/// What the server logs of its checkpoints.
const BEGINS: &str = "\"a checkpoint begins\"";
const ENDED: &str = "\"checkpoint\"";

/// Files in folders named `blobs`: sled never syncs those.
fn blobs(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let entry = entry.expect("an entry");
        if !entry.file_type().expect("a type").is_dir() {
            continue;
        }
        if entry.file_name() == "blobs" {
            let files = fs::read_dir(entry.path()).expect("a folder");
            found.extend(files.map(|file| file.expect("an entry").path().display().to_string()));
        } else {
            found.extend(blobs(&entry.path()));
        }
    }
    found
}
