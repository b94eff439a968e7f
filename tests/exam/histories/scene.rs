//! Objects, and hands that call their methods and write down what they are told.

use super::history::{History, Operation};
use super::kinds::{Kind, Turn};
use super::voice::Voice;
use crate::support::Random;
use commonhold::blocking::Client;
use commonhold::{Call, Durability, Oid, Reply, Target, Value};
use futures_util::future::join_all;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Instant;

/// Fresh numbers are so far apart that no key is incremented from one to the next.
const APART: i64 = 1_000;

/// What all clients of one recording share.
pub(super) struct Scene {
    objects: Vec<Object>,
    random: Arc<Random>,
    /// When the clock of the recording stood at 0. All its threads read the same.
    epoch: Instant,
    fresh: AtomicI64,
    counts: Vec<Counts>,
    /// What no history may hold: calls without an outcome, for a session is taken up again; leases that ended, for what
    /// they held comes back without a call.
    troubles: Mutex<Vec<String>>,
}

struct Object {
    kind: &'static Kind,
    oid: Oid,
    since: u64,
}

/// What one client did so far.
#[derive(Default)]
struct Counts {
    begun: AtomicU64,
    answered: AtomicU64,
}

/// What a client was told, each with the place of its object.
pub(super) type Notes = Vec<(usize, Operation)>;

impl Scene {
    /// Makes an object of each kind, and notes its revision.
    pub(super) fn new(
        ch: &Client,
        random: &Arc<Random>,
        name: &str,
        kinds: &[&'static Kind],
        durability: Durability,
        clients: usize,
    ) -> Scene {
        let objects = kinds.iter().enumerate().map(|(place, kind)| {
            let options = (kind.options)().into_iter();
            let options = options.map(|(option, value)| (Value::from(option), value));
            // Two of one kind may be made with other options.
            let name = format!("{} {place} {name}", kind.name);
            let open = Call::new("open", [kind.name.into(), name.into()])
                .with("durability", durability.name())
                .with("options", Value::Dict(options.collect()));
            let made = ch.object("server", "$server").call(open);
            let Value::Reference(made) = made.expect("it is made") else {
                panic!("to open gives a reference");
            };
            let seen = ch.call(Target::Oid(made.oid), (kind.whole)(), None);
            Object {
                kind,
                oid: made.oid,
                since: seen.expect("it is there").revision.0,
            }
        });
        Scene {
            objects: objects.collect(),
            random: Arc::clone(random),
            epoch: Instant::now(),
            fresh: AtomicI64::new(0),
            counts: (0..clients).map(|_| Counts::default()).collect(),
            troubles: Mutex::default(),
        }
    }

    /// Makes so many calls, `hands` of them at a time.
    pub(super) async fn play(
        &self,
        client: usize,
        voice: &Voice,
        calls: u64,
        hands: usize,
    ) -> Notes {
        let left = AtomicU64::new(calls);
        let hands = (0..hands).map(|_| self.hand(client, voice, &left));
        let notes = join_all(hands).await.into_iter().flatten().collect();
        if voice.ch.lease_losses() > 0 {
            self.trouble(format!("the lease of client {client} ended"));
        }
        notes
    }

    /// Makes one call after the other until none is left to be made.
    async fn hand(&self, client: usize, voice: &Voice, left: &AtomicU64) -> Notes {
        let mut notes = Notes::new();
        let mut last = vec![None; self.objects.len()];
        let take = |left: u64| left.checked_sub(1);
        while left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
            .is_ok()
        {
            let place = self.random.below(self.objects.len());
            let object = &self.objects[place];
            let turn = Turn {
                random: &self.random,
                fresh: self.fresh.fetch_add(APART, Ordering::Relaxed),
                last: last[place].map(|at: usize| &notes[at].1),
            };
            let call = (object.kind.call)(&turn);
            self.counts[client].begun.fetch_add(1, Ordering::Relaxed);
            let sent = self.now();
            let reply = voice.ask(object.oid, &call, object.kind.patience).await;
            let answered = self.now();
            self.counts[client].answered.fetch_add(1, Ordering::Relaxed);
            match reply {
                Ok(reply) => {
                    last[place] = Some(notes.len());
                    notes.push((place, note(client, call, sent, answered, reply)));
                }
                Err(error) => {
                    self.trouble(format!("nobody knows what became of {call:?}: {error}"));
                }
            }
        }
        notes
    }

    /// Reads what became of the objects, and puts the notes together: a history for each.
    pub(super) fn histories(
        &self,
        ch: &Client,
        notes: impl IntoIterator<Item = Notes>,
    ) -> Vec<History> {
        let empty = |object: &Object| History {
            kind: object.kind,
            since: object.since,
            operations: Vec::new(),
        };
        let mut histories: Vec<History> = self.objects.iter().map(empty).collect();
        for (place, operation) in notes.into_iter().flatten() {
            histories[place].operations.push(operation);
        }
        for (object, history) in self.objects.iter().zip(&mut histories) {
            let call = (object.kind.whole)();
            let sent = self.now();
            let reply = ch.call(Target::Oid(object.oid), call.clone(), None);
            let reply = reply.expect("it answers");
            let last = note(self.counts.len(), call, sent, self.now(), reply);
            history.operations.push(last);
        }
        histories
    }

    /// Calls that each client has begun.
    pub(super) fn begun(&self) -> Vec<u64> {
        let begun = |counts: &Counts| counts.begun.load(Ordering::Relaxed);
        self.counts.iter().map(begun).collect()
    }

    /// Calls of each client that are over.
    pub(super) fn answered(&self) -> Vec<u64> {
        let answered = |counts: &Counts| counts.answered.load(Ordering::Relaxed);
        self.counts.iter().map(answered).collect()
    }

    /// What no history may hold, and this one does.
    pub(super) fn troubles(&self) -> Vec<String> {
        self.troubles.lock().clone()
    }

    fn trouble(&self, what: String) {
        self.troubles.lock().push(what);
    }

    fn now(&self) -> u64 {
        let since = self.epoch.elapsed().as_nanos();
        u64::try_from(since).expect("it takes less than centuries")
    }
}

fn note(client: usize, call: Call, sent: u64, answered: u64, reply: Reply) -> Operation {
    Operation {
        client,
        call,
        sent,
        answered,
        outcome: reply.result.map_err(|refusal| refusal.code),
        revision: reply.revision.0,
    }
}
