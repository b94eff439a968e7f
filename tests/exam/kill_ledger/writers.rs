//! Those who write, and their ledgers of what was begun and what was acknowledged.

use crate::support::{Random, Report};
use commonhold::blocking::Client;
use commonhold::{Error, Options};
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use tokio::runtime::Builder;
use tokio::task::JoinSet;

/// Bytes of one of the large values. Eight of them are a change that no segment holds.
const BLOCK_BYTES: usize = 12 << 10;
/// Keys of one writer.
const KEYS: u64 = 40;
/// Keys that one call sets together.
const TOGETHER: u64 = 8;

/// A client whose keys nobody else writes, with one call at a time: after a crash its keys are as its ledger says, or as
/// after the one call that was under way.
pub(crate) struct Writer {
    dict: String,
    number: u64,
    random: Random,
    ledger: BTreeMap<String, String>,
    under_way: Option<UnderWay>,
    turn: u64,
}

/// A call that was begun and not acknowledged.
struct UnderWay {
    begun: Instant,
    /// What it makes of its keys.
    edits: Vec<(String, Option<String>)>,
}

impl Writer {
    /// The first of them writes large values.
    pub(crate) fn new(number: u64) -> Writer {
        Writer {
            dict: format!("ledger {number}"),
            number,
            random: Random::new(),
            ledger: BTreeMap::new(),
            under_way: None,
            turn: 0,
        }
    }

    /// Writes until the server is gone.
    pub(crate) fn write(&mut self, options: Options, acknowledged: &AtomicU64) {
        let ch = options.connect_blocking().expect("it connects");
        loop {
            let edits = self.think();
            self.under_way = Some(UnderWay {
                begun: Instant::now(),
                edits: edits.clone(),
            });
            match self.call(&ch, &edits) {
                Ok(()) => {
                    apply(&mut self.ledger, &edits);
                    self.under_way = None;
                    acknowledged.fetch_add(1, Ordering::Relaxed);
                }
                Err(Error::ConnectionLost { .. } | Error::Unreachable { .. }) => return,
                Err(other) => panic!("{other}"),
            }
        }
    }

    /// Was a call under way at this moment?
    pub(crate) fn was_at_work(&self, at: Instant) -> bool {
        let under_way = self.under_way.as_ref();
        under_way.is_some_and(|call| call.begun < at)
    }

    /// What to do next.
    fn think(&mut self) -> Vec<(String, Option<String>)> {
        self.turn += 1;
        let value = if self.number == 0 {
            format!("{:016}", self.turn).repeat(BLOCK_BYTES / 16)
        } else {
            self.turn.to_string()
        };
        let key = self.random.within(0..KEYS);
        let name = |n: u64| format!("key {}", n % KEYS);
        match self.random.within(0..4) {
            0 if self.number > 0 => vec![(name(key), None)],
            1 if self.number > 0 => vec![(name(key), Some(value))],
            // As one change.
            _ => (key..key + TOGETHER)
                .map(|n| (name(n), Some(value.clone())))
                .collect(),
        }
    }

    fn call(&self, ch: &Client, edits: &[(String, Option<String>)]) -> Result<(), Error> {
        let dict = ch.dict::<String, String>(&self.dict);
        match edits {
            [(key, None)] => dict.delete(key).map(|_| ()),
            [(key, Some(value))] => dict.set(key, value.clone()),
            several => dict.update(
                several
                    .iter()
                    .filter_map(|(key, value)| Some((key.clone(), value.clone()?))),
            ),
        }
    }

    /// Compares the server with the ledger, and takes over what became of the call that was under way.
    pub(crate) fn check(&mut self, ch: &Client, round: u64, report: &mut Report) {
        let dict = ch.dict::<String, String>(&self.dict);
        let found: BTreeMap<String, String> = dict.copy().expect("it answers");
        let mut with = self.ledger.clone();
        if let Some(call) = self.under_way.take() {
            apply(&mut with, &call.edits);
        }
        if found != self.ledger && found != with {
            let short = |map: &BTreeMap<String, String>| -> BTreeMap<String, String> {
                let cut = |(k, v): (&String, &String)| (k.clone(), v[..v.len().min(16)].to_owned());
                map.iter().map(cut).collect()
            };
            report.violation(format!(
                "round {round}: {} holds {:?}; acknowledged was {:?}, and {:?} was under way",
                self.dict,
                short(&found),
                short(&self.ledger),
                short(&with)
            ));
        }
        self.ledger = found;
    }
}

fn apply(ledger: &mut BTreeMap<String, String>, edits: &[(String, Option<String>)]) {
    for (key, value) in edits {
        match value {
            Some(value) => ledger.insert(key.clone(), value.clone()),
            None => ledger.remove(key),
        };
    }
}

/// A client with many calls under way at a time: a counter is between what was acknowledged and what was begun.
#[derive(Default)]
pub(crate) struct Counting {
    begun: Arc<AtomicU64>,
    acknowledged: Arc<AtomicU64>,
    /// The counter at the last look.
    found: u64,
    total: u64,
}

impl Counting {
    /// Calls that were acknowledged since the last look.
    pub(crate) fn acknowledged(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.acknowledged)
    }

    /// All calls that were acknowledged.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// Counts until the server is gone.
    pub(crate) fn count(&self, options: Options) {
        let runtime = Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let ch = options.connect().await.expect("it connects");
            let mut tasks = JoinSet::new();
            for _ in 0..32 {
                let counter = ch.counter("counted");
                let (begun, acknowledged) =
                    (Arc::clone(&self.begun), Arc::clone(&self.acknowledged));
                tasks.spawn(async move {
                    loop {
                        begun.fetch_add(1, Ordering::Relaxed);
                        match counter.increment(1).await {
                            Ok(_) => acknowledged.fetch_add(1, Ordering::Relaxed),
                            Err(Error::ConnectionLost { .. } | Error::Unreachable { .. }) => return,
                            Err(other) => panic!("{other}"),
                        };
                    }
                });
            }
            tasks.join_all().await;
        });
    }

    /// Compares the server with what was begun and acknowledged.
    pub(crate) fn check(&mut self, ch: &Client, round: u64, report: &mut Report) {
        let counter = ch.counter("counted").get().expect("it answers");
        let now = u64::try_from(counter).expect("it only grows");
        let begun = self.begun.swap(0, Ordering::Relaxed);
        let acknowledged = self.acknowledged.swap(0, Ordering::Relaxed);
        let possible = self.found + acknowledged..=self.found + begun;
        report.expect(possible.contains(&now), || {
            format!("round {round}: the counter is {now}, it should be within {possible:?}")
        });
        self.found = now;
        self.total += acknowledged;
    }
}

/// What is written once and must stay: it makes checkpoints long.
#[derive(Debug)]
pub(crate) struct Ballast(Vec<(i64, String)>);

impl Ballast {
    pub(crate) fn new() -> Ballast {
        Ballast((0..48).map(|n| (n, n.to_string().repeat(8_000))).collect())
    }

    pub(crate) fn load(&self, ch: &Client) {
        let dict = ch.dict::<i64, String>("ballast");
        dict.update(self.0.clone()).expect("it is loaded");
    }

    pub(crate) fn check(&self, ch: &Client, round: u64, report: &mut Report) {
        let dict = ch.dict::<i64, String>("ballast");
        let there = dict.items().expect("it answers");
        report.expect(there == self.0, || {
            format!("round {round}: what was written at the beginning is not there any more")
        });
    }
}
