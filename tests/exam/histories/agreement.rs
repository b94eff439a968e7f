//! The two checkers against each other, on short histories: as they were recorded, by honest clients and by faulty ones,
//! and forged. The one that searches is the judge.

use super::forge;
use super::history::History;
use super::kinds::{KINDS, Kind};
use super::revisions;
use super::scene::{Notes, Scene};
use super::search;
use super::voice::{Fault, Voice};
use crate::support::{Home, Proxy, Random, Report, Serving, beside, counts};
use commonhold::Durability;
use commonhold::blocking::Client;
use futures_util::future::join_all;
use std::sync::Arc;
use tokio::runtime::{Builder, Runtime};

const CLIENTS: usize = 5;
const CALLS: u64 = 12;
/// One call of a client after the other: what overlaps are those of different clients.
const HANDS: usize = 1;
/// Forgeries of each history, of each sort.
const FORGERIES: usize = 4;

/// Of five histories, so many are recorded by clients that do this.
const FAULTS: [Fault; 5] = [
    Fault::Nothing,
    Fault::Nothing,
    Fault::Nothing,
    Fault::LostUpdate,
    Fault::StaleRead,
];

/// What the judge found, and whether the other checker agreed.
#[derive(Debug, Default)]
struct Tally {
    good: u64,
    bad: u64,
    /// An order explains it, but not that of the revisions: they claim more.
    good_but_for_revisions: u64,
    /// The judge did not come to an end.
    undecided: u64,
}

impl Tally {
    /// Lets both check. What the judge finds bad may not pass.
    fn judge(&mut self, history: &History, report: &mut Report) {
        match (search::is_linearizable(history), revisions::check(history)) {
            (None, _) => self.undecided += 1,
            (Some(true), Ok(())) => self.good += 1,
            (Some(true), Err(_)) => self.good_but_for_revisions += 1,
            (Some(false), Err(_)) => self.bad += 1,
            (Some(false), Ok(())) => {
                self.bad += 1;
                let (kind, operations) = (history.kind.name, &history.operations);
                report.violation(format!("a bad history of a {kind} passed: {operations:?}"));
            }
        }
    }
}

#[test]
fn both_checkers_agree() {
    let _beside = beside();
    let mut report = Report::of("linearizable: both checkers agree");
    let rounds = counts(60, 600);
    let mut bench = Bench::new();
    let (mut honest, mut faulty, mut forged) =
        (Tally::default(), Tally::default(), Tally::default());
    for round in 0..rounds {
        let fault = FAULTS[round % FAULTS.len()];
        // Each kind meets each fault.
        let kind = KINDS[round / FAULTS.len() % KINDS.len()];
        let history = bench.record(kind, fault, round);
        if fault != Fault::Nothing {
            faulty.judge(&history, &mut report);
            continue;
        }
        honest.judge(&history, &mut report);
        for _ in 0..FORGERIES {
            for forge in [forge::change, forge::swap, forge::shift] {
                forged.judge(&forge(&history, &bench.random), &mut report);
            }
        }
    }
    report.figure("rounds", rounds);
    report.figure("operations", rounds as u64 * (CLIENTS as u64 * CALLS + 1));
    report.figure("cuts", bench.proxy.cuts().before_reply);
    for (name, tally) in [
        ("honest", &honest),
        ("faulty", &faulty),
        ("forged", &forged),
    ] {
        report.figure(&format!("{name}_bad"), tally.bad);
        report.figure(&format!("{name}_good"), tally.good);
        let figure = format!("{name}_good_but_for_revisions");
        report.figure(&figure, tally.good_but_for_revisions);
        report.figure(&format!("{name}_undecided"), tally.undecided);
    }
    let honest_rounds = rounds as u64 / 5 * 3;
    report.expect(honest.good + honest.undecided == honest_rounds, || {
        format!("of {honest_rounds} honest histories, {honest:?}")
    });
    for (name, tally) in [
        ("honest", &honest),
        ("faulty", &faulty),
        ("forged", &forged),
    ] {
        let decided = tally.good + tally.bad + tally.good_but_for_revisions;
        report.expect(tally.undecided <= decided / 10, || {
            format!("the judge gave up on {} {name} histories", tally.undecided)
        });
    }
    report.expect(faulty.bad >= rounds as u64 / 20, || {
        format!("only {} histories of faulty clients are bad", faulty.bad)
    });
    report.expect(forged.bad >= rounds as u64, || {
        format!("only {} forged histories are bad", forged.bad)
    });
    report.end();
}

/// A server, and clients on one thread.
struct Bench {
    runtime: Runtime,
    voices: Vec<commonhold::Client>,
    ch: Client,
    random: Arc<Random>,
    proxy: Proxy,
    _serving: Serving,
    _home: Home,
}

impl Bench {
    fn new() -> Bench {
        let home = Home::new();
        let serving = home.serve(&[]);
        let proxy = Proxy::before(&home.socket());
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime");
        let voices = (0..CLIENTS).map(|client| {
            let connecting = home.options().url(proxy.url(client)).connect();
            runtime.block_on(connecting).expect("it connects")
        });
        let voices = voices.collect();
        proxy.cut_one_in(50);
        Bench {
            runtime,
            voices,
            ch: home.connect(),
            random: Arc::new(Random::new()),
            proxy,
            _serving: serving,
            _home: home,
        }
    }

    /// A history of a new object.
    fn record(&mut self, kind: &'static Kind, fault: Fault, round: usize) -> History {
        let name = round.to_string();
        let durability = Durability::Durable;
        let scene = Scene::new(&self.ch, &self.random, &name, &[kind], durability, CLIENTS);
        let voices: Vec<Voice> = self
            .voices
            .iter()
            .map(|ch| Voice::new(ch.clone(), fault))
            .collect();
        let play = |(client, voice)| scene.play(client, voice, CALLS, HANDS);
        let notes: Vec<Notes> = self
            .runtime
            .block_on(join_all(voices.iter().enumerate().map(play)));
        assert_eq!(scene.troubles(), [""; 0]);
        let mut histories = scene.histories(&self.ch, notes);
        histories.pop().expect("one object has one history")
    }
}
