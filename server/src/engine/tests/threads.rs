//! Real threads on one engine, with the committer on a thread of its own.

use super::super::caller::{Connection, Origin};
use super::super::{Engine, Limits};
use super::harness::{Chance, barrier, kept, named, plain, rows};
use crate::clock::MachineTime;
use crate::session::{Identity, Lane, Liveness, Session};
use crate::store::{MemoryDisk, StoreMaker, StoreOptions};
use commonhold_proto::login::TokenHash;
use commonhold_proto::{
    Call, Code, Durability, Fence, LaneId, Owner, Received, Reply, Row, Target, Value,
};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::task::{Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// No wait of these tests is longer, unless a wake-up is lost.
const WAKES_WITHIN: Duration = Duration::from_secs(30);

/// A server whose committer and timers run.
pub(super) struct Server {
    pub(super) engine: Arc<Engine>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Server {
    pub(super) fn start(disk: &MemoryDisk) -> Server {
        let options = StoreOptions {
            memory: disk.clone(),
            ..StoreOptions::new("")
        };
        let maker = StoreMaker::find("memory").expect("it is in the list");
        let store = maker.open(&options).expect("the disk is free");
        let limits = Limits {
            grace: Duration::from_millis(50),
            ..Limits::default()
        };
        let time = Box::new(MachineTime::default());
        let (engine, committer, _) =
            Engine::start(store, limits, time).expect("the disk can be read");
        let timers = Arc::clone(&engine);
        Server {
            engine,
            threads: vec![
                thread::spawn(move || committer.run()),
                thread::spawn(move || timers.keep_time()),
            ],
        }
    }

    pub(super) fn stop(self) {
        self.engine.stop();
        for thread in self.threads {
            thread.join().expect("it ends by itself");
        }
        assert!(!self.engine.gate.is_broken());
    }

    pub(super) fn session(&self) -> Arc<Session> {
        let opened = self.engine.open_session(
            Identity::default(),
            Liveness::Connection,
            TokenHash([7; 32]),
        );
        opened.expect("there is room").0
    }
}

/// Wakes the thread that waits for a frame.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Unpark>) {
        self.0.unpark();
    }
}

/// A call that has no answer yet.
type Sent = (Target, Call, Option<Duration>, Option<Fence>);

/// A client on a thread of its own.
pub(super) struct Client<'a> {
    server: &'a Server,
    pub(super) session: Arc<Session>,
    lane: LaneId,
    link: (Arc<Connection>, u32),
    next: u64,
    unanswered: BTreeMap<u64, Sent>,
    /// Named with every call from now on.
    pub(super) fence: Option<Fence>,
    answered: BTreeMap<u64, Reply>,
    waker: Waker,
}

impl Client<'_> {
    pub(super) fn connect(server: &Server, session: Arc<Session>, lane: u32) -> Client<'_> {
        let lane = LaneId(lane);
        let joined = server.engine.join(&session, lane).expect("there is room");
        Client {
            server,
            session,
            lane,
            link: (joined.connection, joined.incarnation),
            next: 1,
            unanswered: BTreeMap::new(),
            fence: None,
            answered: BTreeMap::new(),
            waker: Waker::from(Arc::new(Unpark(thread::current()))),
        }
    }

    fn lane(&self) -> &Lane {
        &self.link.0.lane
    }

    pub(super) fn call(&mut self, target: &Target, call: Call, timeout: Option<Duration>) -> u64 {
        let sequence = self.next;
        self.next += 1;
        self.unanswered
            .insert(sequence, (target.clone(), call, timeout, self.fence));
        self.send(sequence);
        sequence
    }

    fn send(&self, sequence: u64) {
        let (target, call, timeout, fence) = self.unanswered[&sequence].clone();
        let received = Received {
            sequence,
            target,
            call,
            timeout,
            owner: Owner(0),
            fence,
            fingerprint: None,
        };
        let origin = Origin::Lane(Arc::clone(&self.link.0));
        if let Some(_executing) = self.lane().decoder(self.link.1) {
            self.lane().spend_credit();
            self.server.engine.submit(&origin, received);
        }
    }

    /// Breaks the connection at any moment, takes the lane again, and sends everything unanswered.
    pub(super) fn reconnect(&mut self) {
        let before = self.link.clone();
        let joined = self
            .server
            .engine
            .join(&self.session, self.lane)
            .expect("there is room");
        self.link = (joined.connection, joined.incarnation);
        self.server
            .engine
            .disconnected(&self.session, &before.0.lane, before.1);
        self.unanswered
            .keys()
            .for_each(|sequence| self.send(*sequence));
    }

    /// Takes what is there, and waits for something if there is nothing.
    fn receive(&mut self) {
        let gate = &self.server.engine.gate;
        let began = Instant::now();
        loop {
            let durable = gate.durable();
            let (frame, held) = self.lane().next_frame(durable, &self.waker);
            if let Some(frame) = frame {
                for reply in frame.replies {
                    let (sequence, reply) = Reply::from_wire(reply);
                    assert!(self.unanswered.remove(&sequence).is_some());
                    self.answered.insert(sequence, reply);
                    let engine = &self.server.engine;
                    assert!(engine.acknowledge(&self.link.0, sequence, sequence));
                }
                return;
            }
            if !self.lane().is_current(self.link.1) {
                return self.reconnect();
            }
            if held {
                gate.register(&self.waker);
                if gate.durable() != durable {
                    continue;
                }
            }
            thread::park_timeout(WAKES_WITHIN);
            assert!(began.elapsed() < WAKES_WITHIN, "nobody woke the lane");
        }
    }

    pub(super) fn finish(&mut self, sequence: u64) -> Reply {
        while !self.answered.contains_key(&sequence) {
            self.receive();
        }
        self.answered[&sequence].clone()
    }
}

/// The numbers and the revisions of a counter agree whoever counts, resends and breaks connections: the order of the log is
/// the order of execution, and each increment executes once.
#[test]
fn many_threads_count_right() {
    const THREADS: u64 = 4;
    const EACH: usize = 400;
    let disk = MemoryDisk::default();
    let server = Server::start(&disk);
    let answers: Vec<(i64, u64)> = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|seed| {
                let server = &server;
                scope.spawn(move || {
                    let mut chance = Chance(seed);
                    let mut client = Client::connect(server, server.session(), 0);
                    let target = named("counter", "hits");
                    for turn in 0..EACH {
                        client.call(&target, plain("increment"), None);
                        if turn % 16 == 0 {
                            client.receive();
                        }
                        if chance.once_in(50) {
                            client.reconnect();
                        }
                    }
                    while !client.unanswered.is_empty() {
                        client.receive();
                    }
                    assert_eq!(client.lane().outcomes(), []);
                    let answers = client.answered.into_values();
                    answers
                        .map(|reply| {
                            let value = reply.result.expect("counted").as_int();
                            (value.expect("a number"), reply.revision.0)
                        })
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        let joined = threads
            .into_iter()
            .map(|thread| thread.join().expect("it ends"));
        joined.flatten().collect()
    });
    let answers: BTreeMap<i64, u64> = answers.into_iter().collect();
    let all = i64::try_from(THREADS).expect("few") * i64::try_from(EACH).expect("few");
    assert!(answers.keys().copied().eq(1..=all));
    assert!(answers.values().is_sorted_by(|a, b| a < b));
    let live = rows(&server.engine.registry.named("hits").expect("made"));
    server.stop();
    let again = Server::start(&disk);
    assert_eq!(
        rows(&again.engine.registry.named("hits").expect("kept")),
        live
    );
    again.stop();
}

/// A lock under deadlines, cancels, broken connections and deaths from all sides: every call ends once, nobody has the lock
/// together with another, and at the end it is free.
#[test]
fn a_lock_is_never_held_by_two() {
    let disk = MemoryDisk::default();
    let server = Server::start(&disk);
    let inside = AtomicU64::new(0);
    let granted = AtomicU64::new(0);
    thread::scope(|scope| {
        for seed in 0..4u64 {
            let (server, inside, granted) = (&server, &inside, &granted);
            scope.spawn(move || {
                let mut chance = Chance(seed);
                let lock = kept("hold", "lock", Durability::Relaxed);
                let mut client = Client::connect(server, server.session(), 0);
                for _ in 0..150 {
                    let timeout = Duration::from_micros(chance.next() % 2_000);
                    let sequence = client.call(&lock, plain("acquire"), Some(timeout));
                    match chance.below(4) {
                        0 => server.engine.cancel(&client.link.0, sequence),
                        1 => client.reconnect(),
                        _ => {}
                    }
                    let reply = client.finish(sequence);
                    match reply.result {
                        Ok(Value::Int(_)) => {
                            assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                            granted.fetch_add(1, Ordering::Relaxed);
                            thread::yield_now();
                            assert_eq!(inside.fetch_sub(1, Ordering::SeqCst), 1);
                            let release = client.call(&lock, plain("release"), None);
                            client.finish(release).result.expect("it is ours");
                        }
                        Ok(other) => assert_eq!(other, Value::Bool(false)),
                        Err(refusal) => assert!(
                            matches!(refusal.code, Code::DeadlineExceeded | Code::Cancelled),
                            "{refusal:?}"
                        ),
                    }
                }
            });
        }
    });
    assert!(granted.load(Ordering::Relaxed) > 0);
    let left = rows(&server.engine.registry.named("lock").expect("made"));
    assert_eq!(left, []);
    server.stop();
}

/// Clients die at any moment while others wait, take and let go: what the dead held is free in the end, and nobody who
/// lives lost anything.
#[test]
fn the_dead_hold_nothing_whenever_they_die() {
    let disk = MemoryDisk::default();
    let server = Server::start(&disk);
    let living = server.session();
    thread::scope(|scope| {
        for seed in 0..3u64 {
            let server = &server;
            scope.spawn(move || {
                let mut chance = Chance(seed);
                let lock = named("hold", "lock");
                for _ in 0..60 {
                    let session = server.session();
                    let client = &mut Client::connect(server, Arc::clone(&session), 0);
                    thread::scope(|scope| {
                        let turns = chance.below(30);
                        scope.spawn(move || {
                            (0..turns).for_each(|_| thread::yield_now());
                            server.engine.died(&session);
                        });
                        client.call(&lock, plain("acquire"), None);
                        client.call(&lock, plain("release"), None);
                        client.call(&lock, plain("acquire"), None);
                    });
                }
            });
        }
        let mut client = Client::connect(&server, Arc::clone(&living), 0);
        let (lock, mine) = (named("hold", "lock"), named("hold", "mine"));
        let sequence = client.call(&mine, plain("acquire"), None);
        client.finish(sequence).result.expect("it is free");
        for _ in 0..60 {
            let acquire = client.call(&lock, plain("acquire"), None);
            client.finish(acquire).result.expect("its turn comes");
            let release = client.call(&lock, plain("release"), None);
            client.finish(release).result.expect("it is ours");
        }
        assert!(!client.link.0.lease.has_ended());
    });
    let holder = rows(&server.engine.registry.named("lock").expect("made"));
    let held = holder
        .iter()
        .any(|row| matches!(row, Row::Put { lent: Some(_), .. }));
    assert!(!held, "{holder:?}");
    let mine = rows(&server.engine.registry.named("mine").expect("made"));
    assert_eq!(mine.len(), 1);
    server.stop();
}

/// A client resumes and sends again while its old connection's frame is just executing: once, in all of 500 races.
#[test]
fn a_resume_races_with_the_old_decoder() {
    const ROUNDS: u64 = 500;
    let disk = MemoryDisk::default();
    let server = Server::start(&disk);
    let session = server.session();
    let target = named("counter", "hits");
    let start = Barrier::new(2);
    thread::scope(|scope| {
        let mut client = Client::connect(&server, session, 0);
        let (send, frames) = std::sync::mpsc::channel::<((Arc<Connection>, u32), u64)>();
        let (server, target, start) = (&server, &target, &start);
        scope.spawn(move || {
            for ((connection, incarnation), sequence) in frames {
                let received = Received {
                    sequence,
                    target: target.clone(),
                    call: plain("increment"),
                    timeout: None,
                    owner: Owner(0),
                    fence: None,
                    fingerprint: None,
                };
                start.wait();
                if let Some(_executing) = connection.lane.decoder(incarnation) {
                    let origin = Origin::Lane(Arc::clone(&connection));
                    server.engine.submit(&origin, received);
                }
            }
        });
        for _ in 0..ROUNDS {
            let sequence = client.next;
            client.next += 1;
            client
                .unanswered
                .insert(sequence, (target.clone(), plain("increment"), None, None));
            send.send((client.link.clone(), sequence))
                .expect("it listens");
            start.wait();
            client.reconnect();
            client.finish(sequence);
        }
        let get = client.call(target, plain("get"), None);
        assert_eq!(client.finish(get).result, Ok(ROUNDS.into()));
    });
    server.stop();
}

/// Objects are deleted while calls wait for them, time out, lapse and lend; the log can be read afterwards.
#[test]
fn deleting_races_with_everything() {
    let disk = MemoryDisk::default();
    let server = Server::start(&disk);
    thread::scope(|scope| {
        for seed in 0..3u64 {
            let server = &server;
            scope.spawn(move || {
                let mut chance = Chance(seed);
                let mut client = Client::connect(server, server.session(), 0);
                let name = |chance: &mut Chance| format!("brief{}", chance.below(2));
                for _ in 0..300 {
                    let ms = Some(Duration::from_micros(chance.next() % 3_000));
                    let all = barrier(&format!("all{}", chance.below(2)), 3);
                    let room = named("trouble", &name(&mut chance));
                    match chance.below(6) {
                        0 => client.call(&all, plain("wait"), ms),
                        1 => client.call(&room, plain("linger"), ms),
                        2 => {
                            let keep = Call::new("keep", ["key".into(), 2.into()]);
                            client.call(&room, keep, None)
                        }
                        3 => client.call(&room, plain("open"), None),
                        4 => {
                            let delete = super::identity::delete(&name(&mut chance));
                            client.call(&super::identity::server(), delete, None)
                        }
                        _ => {
                            let delete = format!("all{}", chance.below(2));
                            let delete = super::identity::delete(&delete);
                            client.call(&super::identity::server(), delete, None)
                        }
                    };
                    if chance.once_in(8) {
                        client.reconnect();
                    }
                    if client.unanswered.len() > 8 {
                        client.receive();
                    }
                }
                while !client.unanswered.is_empty() {
                    client.receive();
                }
            });
        }
    });
    server.stop();
    Server::start(&disk).stop();
}
