//! A deterministic world: time that a test moves, a disk that survives crashes, a committer that is stepped by hand.

use super::super::cell::Cell;
use super::super::commit::Committer;
use super::super::faults::{Fault, Faults};
use super::super::{Engine, Limits};
use super::peer::Peer;
use crate::clock::ManualTime;
use crate::objects::RowLimit;
use crate::session::{Identity, Liveness};
use crate::store::{
    self, Checkpoint, CheckpointId, Epoch, MemoryDisk, Recovery, Segment, ShardId, Store,
    StoreError, StoreLimits, StoreMaker, StoreOptions, StoreStats, WriteWatch,
};
use commonhold_proto::login::TokenHash;
use commonhold_proto::{
    Call, Durability, Oid, Open, OpenOptions, Revision, Row, SessionId, Target, Value,
};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The largest change that the store takes here: little, so that tests need not make much.
pub(super) const CHANGE_BYTES_MAX: usize = 4 << 20;

/// Where the committer is when a test wants to act behind its back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// It has taken the changes and not appended them.
    BeforeAppend,
    /// They are appended and nobody was told.
    AfterAppend,
    /// A page was read and is not written.
    BeforePage,
    /// The checkpoint counts from now on.
    AfterPublish,
}

/// What a test does at such a moment.
pub(super) type Hook = Arc<Mutex<Option<Box<dyn FnMut(Moment) + Send>>>>;

/// A server, its disk and its time.
pub(super) struct World {
    pub(super) time: Arc<ManualTime>,
    pub(super) disk: MemoryDisk,
    pub(super) engine: Arc<Engine>,
    pub(super) committer: Committer,
    pub(super) hook: Hook,
    /// How often the server was started.
    pub(super) boot: u64,
    limits: Limits,
    faults: Faults,
}

impl World {
    pub(super) fn new() -> World {
        World::with(Limits::default(), Faults::default())
    }

    pub(super) fn faulty(fault: Fault) -> World {
        World::with(Limits::default(), Faults::plant(fault))
    }

    pub(super) fn with(limits: Limits, faults: Faults) -> World {
        let (time, disk, hook) = (
            Arc::new(ManualTime::default()),
            MemoryDisk::default(),
            Hook::default(),
        );
        time.set_wall_ms(1_000_000);
        let (engine, committer) =
            start(&disk, &hook, &limits, &time, faults).expect("an empty disk can be read");
        World {
            time,
            disk,
            engine,
            committer,
            hook,
            boot: 1,
            limits,
            faults,
        }
    }

    /// One batch, or one page of a checkpoint. False if there was nothing to do.
    #[track_caller]
    pub(super) fn step(&mut self) -> bool {
        self.committer.step().expect("the store works")
    }

    /// Commits everything there is.
    #[track_caller]
    pub(super) fn settle(&mut self) {
        while self.step() {}
    }

    /// Takes a whole checkpoint.
    #[track_caller]
    pub(super) fn checkpoint(&mut self) {
        self.committer.begin_checkpoint();
        self.settle();
        assert!(
            !self.committer.is_checkpointing(),
            "the checkpoint was published"
        );
    }

    /// The server dies: what was not appended is lost. Then it starts again.
    pub(super) fn crash(&mut self) {
        self.disk.crash();
        self.start_again();
    }

    /// The server dies in its next append, of which `kept` records reach the disk. Then it starts again.
    #[track_caller]
    pub(super) fn crash_in_append(&mut self, kept: usize) {
        self.disk.fail_next_write(store::Fault::Crash { kept });
        self.committer.step().expect_err("the store crashed");
        self.start_again();
    }

    /// Starts the server on what its disk holds.
    pub(super) fn start_again(&mut self) {
        let again = || {
            start(
                &self.disk,
                &self.hook,
                &self.limits,
                &self.time,
                self.faults,
            )
        };
        // A crash that a test ordered may come while the server starts.
        let (engine, committer) = again()
            .or_else(|_| again())
            .expect("what is on the disk can be read");
        self.engine = engine;
        self.committer = committer;
        self.boot += 1;
    }

    /// Time passes, and everything happens when it is due.
    pub(super) fn advance(&self, by: Duration) {
        let end = self.engine.clock.monotonic() + by;
        loop {
            let now = self.engine.clock.monotonic();
            let next = self.engine.timers.first().map_or(end, |due| due.min(end));
            self.time.advance(next.saturating_sub(now));
            self.engine.tick();
            if next >= end {
                return;
            }
        }
    }

    /// The server stands still for a time, and finds out afterwards.
    pub(super) fn stall(&self, by: Duration) {
        self.time.advance(by);
        self.engine.tick();
    }

    /// A client with one lane, connected.
    #[track_caller]
    pub(super) fn peer(&self, name: &str) -> Peer {
        self.peer_that(name, Liveness::Connection)
    }

    #[track_caller]
    pub(super) fn peer_that(&self, name: &str, liveness: Liveness) -> Peer {
        let identity = Identity {
            name: name.to_owned(),
            ..Identity::default()
        };
        let (session, _) = self
            .engine
            .open_session(identity, liveness, TokenHash([7; 32]))
            .expect("there is room for a session");
        let mut peer = Peer::of(session.id);
        peer.connect(self);
        peer
    }

    /// A session that no lane was ever taken of.
    #[track_caller]
    pub(super) fn open_session(&self) -> SessionId {
        let (session, _) = self
            .engine
            .open_session(
                Identity::default(),
                Liveness::Connection,
                TokenHash([7; 32]),
            )
            .expect("there is room for a session");
        session.id
    }

    /// The object of this name.
    #[track_caller]
    pub(super) fn cell(&self, name: &str) -> Arc<Cell> {
        self.engine.registry.named(name).expect("it exists")
    }

    /// What the disk makes of all objects, by a second server on a copy of time; the first one dies for it.
    pub(super) fn recovered(&mut self) -> BTreeMap<Oid, Shown> {
        self.crash();
        snapshot(&self.engine)
    }
}

fn start(
    disk: &MemoryDisk,
    hook: &Hook,
    limits: &Limits,
    time: &Arc<ManualTime>,
    faults: Faults,
) -> Result<(Arc<Engine>, Committer), StoreError> {
    let options = StoreOptions {
        memory: disk.clone(),
        ..StoreOptions::new("")
    };
    let inner = StoreMaker::find("memory")
        .expect("it is in the list")
        .open(&options)?;
    let store = Box::new(Hooked {
        inner,
        hook: Arc::clone(hook),
    });
    let (engine, committer, _) =
        Engine::recover(store, limits.clone(), Box::new(Arc::clone(time)), faults)?;
    Ok((engine, committer))
}

/// How an object stands: its newest revision and all its rows.
pub(super) type Shown = (Revision, Vec<Row>);

/// Every logged object, the engine's own tables included.
pub(super) fn snapshot(engine: &Engine) -> BTreeMap<Oid, Shown> {
    let mut cells = engine.registry.all();
    cells.retain(|cell| cell.is_logged());
    cells.push(Arc::clone(&engine.registry.table));
    cells.push(Arc::clone(&engine.session_table));
    cells.push(Arc::clone(&engine.holdings_table));
    cells.push(Arc::clone(&engine.losses_table));
    let shown = cells.iter().map(|cell| {
        let last = cell.state.lock().last;
        (cell.oid, (last, rows(cell)))
    });
    shown.collect()
}

/// All rows of an object, by key: an object's state is a function of their set.
pub(super) fn rows(cell: &Cell) -> Vec<Row> {
    let state = cell.state.lock();
    let (mut rows, mut cursor) = (Vec::new(), None);
    let limit = RowLimit {
        rows: 7,
        bytes: 1 << 20,
    };
    loop {
        let (more, next) = state.object.rows(cursor.as_ref(), limit);
        rows.extend(more);
        match next {
            Some(next) => cursor = Some(next),
            None => break,
        }
    }
    rows.sort_by(|a, b| a.key().cmp(b.key()));
    rows
}

/// An object by name.
pub(super) fn named(kind: &str, name: &str) -> Target {
    opened(kind, name, OpenOptions::default())
}

/// An object by name, of this durability if it is created.
pub(super) fn kept(kind: &str, name: &str, durability: Durability) -> Target {
    let options = OpenOptions {
        durability: Some(durability),
        ..OpenOptions::default()
    };
    opened(kind, name, options)
}

pub(super) fn opened(kind: &str, name: &str, options: OpenOptions) -> Target {
    Target::Open(Box::new(Open {
        kind: kind.to_owned(),
        name: name.to_owned(),
        options,
    }))
}

/// A call without arguments.
pub(super) fn plain(method: &str) -> Call {
    Call::new(method, [])
}

/// A barrier of so many parties.
pub(super) fn barrier(name: &str, parties: i64) -> Target {
    with_size("barrier", name, "parties", parties)
}

/// An object that needs its size, named as its kind.
pub(super) fn sized(kind: &str, option: &str, size: i64) -> Target {
    with_size(kind, kind, option, size)
}

fn with_size(kind: &str, name: &str, option: &str, size: i64) -> Target {
    let options = OpenOptions {
        options: vec![(option.to_owned(), Value::Int(size))],
        ..OpenOptions::default()
    };
    opened(kind, name, options)
}

/// Chance from a seed (splitmix64, Steele, Lea and Flood 2014).
#[derive(Clone, Debug)]
pub(super) struct Chance(pub(super) u64);

impl Chance {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `most`.
    pub(super) fn below(&mut self, most: usize) -> usize {
        usize::try_from(self.next() % most as u64).expect("it is below a usize")
    }

    /// True once in `of` times.
    pub(super) fn once_in(&mut self, of: usize) -> bool {
        self.below(of) == 0
    }
}

/// A store that lets a test act in the middle of the committer's work.
struct Hooked {
    inner: Box<dyn Store>,
    hook: Hook,
}

impl Hooked {
    fn at(&self, moment: Moment) {
        // Taken out meanwhile: what the hook does may come here again.
        let hook = self.hook.lock().take();
        if let Some(mut act) = hook {
            act(moment);
            self.hook.lock().get_or_insert(act);
        }
    }
}

impl Store for Hooked {
    fn acquire(&mut self, shard: ShardId) -> Result<Epoch, StoreError> {
        self.inner.acquire(shard)
    }

    fn load(&mut self, sink: &mut dyn Recovery) -> Result<(), StoreError> {
        self.inner.load(sink)
    }

    fn append(&mut self, epoch: Epoch, segments: &[Segment]) -> Result<(), StoreError> {
        self.at(Moment::BeforeAppend);
        let appended = self.inner.append(epoch, segments);
        self.at(Moment::AfterAppend);
        appended
    }

    fn write_page(&mut self, id: CheckpointId, index: u64, page: &[u8]) -> Result<(), StoreError> {
        self.at(Moment::BeforePage);
        self.inner.write_page(id, index, page)
    }

    fn publish(&mut self, checkpoint: Checkpoint) -> Result<(), StoreError> {
        self.inner.publish(checkpoint)?;
        self.at(Moment::AfterPublish);
        Ok(())
    }

    fn discard(&mut self, id: CheckpointId) -> Result<(), StoreError> {
        self.inner.discard(id)
    }

    fn tend(&mut self) -> Result<bool, StoreError> {
        self.inner.tend()
    }

    fn limits(&self) -> StoreLimits {
        StoreLimits {
            change_bytes_max: CHANGE_BYTES_MAX,
            ..self.inner.limits()
        }
    }

    fn stats(&self) -> StoreStats {
        self.inner.stats()
    }

    fn watch(&self) -> WriteWatch {
        self.inner.watch()
    }

    fn release(&mut self, epoch: Epoch) -> Result<(), StoreError> {
        self.inner.release(epoch)
    }
}
