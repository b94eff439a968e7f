//! The engine: one road from a call to its reply.
//!
//! admit -> execute (decide, apply, under the cell's lock) -> log -> commit -> reply gate. It knows rows, calls and
//! stores; it names no transport, no encoding and no storage engine.

mod admit;
mod answer;
mod birth;
mod caller;
mod cell;
mod checkpoint;
mod commit;
mod edges;
mod execute;
mod faults;
mod fence;
mod freeing;
mod gate;
mod holding;
mod lease;
mod links;
mod log;
mod lost;
mod parking;
mod recount;
mod recover;
mod references;
mod registry;
mod server_object;
mod session_rows;
mod table;
#[cfg(test)]
mod tests;
mod timer;
mod tracer;
mod undo;
mod waiting;
mod who;

pub(crate) use caller::{Origin, Unary};
pub(crate) use commit::chain;
pub(crate) use gate::Gate;
pub(crate) use lease::Joined;
pub(crate) use waiting::Parked;

use crate::clock::{Clock, TimeSource};
use crate::objects::{self, Kind};
use crate::session::{Lane, Session};
use crate::store::{ShardId, Store, StoreError, StoreStats, WRITE_TIME_MAX, WriteWatch};
use caller::Caller;
use cell::Cell;
use commit::Committer;
use commonhold_proto::login::TokenHash;
use commonhold_proto::{Durability, Received, Revision, SessionId, Target};
use dashmap::DashMap;
use faults::Faults;
use log::Log;
use parking_lot::Mutex;
use recover::Recovered;
use references::References;
use registry::Registry;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use timer::Timers;
use tracer::Tracer;

/// Bytes of changes that may wait for the store before lanes are read no further.
const PENDING_BYTES_MAX: usize = 32 << 20;

/// How often the timekeeper looks whether the store hangs.
const WATCH_EVERY: Duration = Duration::from_secs(1);

/// Every limit of the engine, with its unit.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Of objects that are created without a word about it.
    pub durability: Durability,
    /// A broken connection ends the session's lease after this.
    pub grace: Duration,
    /// Silence ends the lease of a heartbeat session after this; so does absence after a restart.
    pub term: Duration,
    /// A session is forgotten so long after its last lane.
    pub session_memory: Duration,
    /// Sessions that are known at a time.
    pub sessions_max: usize,
    /// Free bytes below which what adds to a logged object is refused.
    pub disk_reserve: u64,
    /// The largest value, in bytes; the rest of its call or reply may take 1 MiB more.
    pub value_bytes_max: usize,
    /// A checkpoint is due when the log has more bytes than this, and than the live state.
    pub checkpoint_log_bytes: u64,
    /// The store's name, for `status`.
    pub store: String,
    /// Where the data lies, for `status`.
    pub data: String,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            durability: Durability::Durable,
            grace: Duration::from_secs(2),
            term: Duration::from_secs(10),
            session_memory: Duration::from_hours(1),
            sessions_max: 100_000,
            disk_reserve: 256 << 20,
            value_bytes_max: 64 << 20,
            checkpoint_log_bytes: 64 << 20,
            store: String::new(),
            data: String::new(),
        }
    }
}

/// All objects of one server, their log and their sessions.
pub(crate) struct Engine {
    pub(crate) limits: Limits,
    pub(crate) gate: Gate,
    clock: Clock,
    registry: Registry,
    session_table: Arc<Cell>,
    holdings_table: Arc<Cell>,
    losses_table: Arc<Cell>,
    sessions: DashMap<SessionId, Arc<Session>>,
    log: Log,
    timers: Timers,
    references: Arc<References>,
    tracer: Mutex<Tracer>,
    stopping: AtomicBool,
    full: AtomicBool,
    poison: Mutex<Option<String>>,
    store_stats: Mutex<StoreStats>,
    store_watch: WriteWatch,
    /// The largest change that the store takes, in bytes of its stored form.
    change_bytes_max: usize,
    checkpoints: AtomicU64,
    checkpoint_asked: AtomicBool,
    /// Told of the token of every session that is forgotten.
    on_forget: OnceLock<Box<dyn Fn(TokenHash) + Send + Sync>>,
    faults: Faults,
}

/// What recovery found, for the line that `serve` prints.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    pub(crate) objects: usize,
    pub(crate) sessions: usize,
}

impl Engine {
    /// Recovers everything from a store. The committer has the store from then on.
    pub(crate) fn recover(
        mut store: Box<dyn Store>,
        limits: Limits,
        time: Box<dyn TimeSource>,
        faults: Faults,
    ) -> Result<(Arc<Engine>, Committer, Found), StoreError> {
        let epoch = store.acquire(ShardId(0))?;
        let mut found = Recovered::new();
        store.load(&mut found)?;
        found.finish()?;
        let newest = match found.newest {
            // A store that keeps nothing finds nothing: its next life begins elsewhere, or numbers would come again.
            Revision(0) => Log::somewhere(time.wall_ms()),
            newest => newest,
        };
        let log = Log::after(newest, found.previous);
        let gate = Gate::starting_at(log.newest());
        let (previous, checkpoint) = (found.previous, found.checkpoint_id());
        tracing::info!(changes = found.changes, "recovered");
        let engine = Arc::new(Engine {
            limits,
            gate,
            clock: Clock::new(time, found.at),
            registry: found.registry,
            session_table: found.session_table,
            holdings_table: found.holdings_table,
            losses_table: found.losses_table,
            sessions: found.sessions.into_iter().collect(),
            log,
            timers: Timers::default(),
            references: Arc::default(),
            tracer: Mutex::default(),
            stopping: AtomicBool::new(false),
            full: AtomicBool::new(false),
            poison: Mutex::default(),
            store_stats: Mutex::new(store.stats()),
            store_watch: store.watch(),
            change_bytes_max: store.limits().change_bytes_max,
            checkpoints: AtomicU64::new(0),
            checkpoint_asked: AtomicBool::new(false),
            on_forget: OnceLock::new(),
            faults,
        });
        engine.recount();
        engine.restore_losses();
        // What lapsed while nobody served lapses before anything is asked; sessions get a new term from here on.
        for cell in engine.registry.all() {
            let mut state = cell.state.lock();
            engine.lapse_due(&cell, &mut state);
            engine.let_go(state);
        }
        let sessions: Vec<_> = engine
            .sessions
            .iter()
            .map(|session| Arc::clone(&session))
            .collect();
        sessions
            .iter()
            .for_each(|session| engine.await_return(session, engine.limits.term));
        let found = Found {
            objects: engine.registry.len(),
            sessions: sessions.len(),
        };
        let mut committer = Committer::new(Arc::clone(&engine), store, epoch, previous, checkpoint);
        // Logged before anything is served: what is given from here on without being logged lies below the next jump.
        committer.mark();
        committer.step()?;
        Ok((engine, committer, found))
    }

    /// As [`Engine::recover`], for a server.
    pub(crate) fn start(
        store: Box<dyn Store>,
        limits: Limits,
        time: Box<dyn TimeSource>,
    ) -> Result<(Arc<Engine>, Committer, Found), StoreError> {
        Engine::recover(store, limits, time, Faults::default())
    }

    /// Tells `tell` of the token of every session that is forgotten from now on.
    pub(crate) fn on_forget(&self, tell: impl Fn(TokenHash) + Send + Sync + 'static) {
        // Set once, by the server that owns the engine.
        let _ = self.on_forget.set(Box::new(tell));
    }

    /// Server time.
    pub(crate) fn now(&self) -> commonhold_proto::ServerTime {
        self.clock.now()
    }

    /// Makes the task of every lane look around.
    pub(crate) fn poke_lanes(&self) {
        self.all_lanes().iter().for_each(|lane| lane.poke());
    }

    /// Executes a call, now, on this thread. Its answer goes back by its origin.
    pub(crate) fn submit(&self, origin: &Origin, received: Received) {
        let Received {
            sequence,
            target,
            call,
            timeout,
            owner,
            fence,
            fingerprint,
        } = received;
        let fingerprint = match origin {
            Origin::Lane(_) => fingerprint.unwrap_or_else(|| call.fingerprint(&target)),
            Origin::Unary(_) => 0,
        };
        let caller = Caller {
            origin: origin.clone(),
            sequence,
            fingerprint,
            owner,
            opened: matches!(target, Target::Open(_)),
            led_from: None,
            deadline: timeout.map(|timeout| self.clock.monotonic().saturating_add(timeout)),
            may_wait: timeout.is_none_or(|timeout| !timeout.is_zero()),
            fence,
            floor: Revision(0),
        };
        if let Origin::Lane(connection) = origin
            && connection.tells.swap(false, Ordering::Relaxed)
        {
            self.heard_of_loss(connection);
        }
        if let Origin::Lane(connection) = origin
            && !self.admit_operation(&connection.lane, &caller)
        {
            return;
        }
        match &target {
            Target::Oid(oid) => match self.registry.cell(*oid) {
                Some(cell) => self.execute_on(&cell, &caller, call),
                None => self.refuse(&caller, Engine::gone(*oid)),
            },
            Target::Open(open) if open.name == server_object::NAME => {
                self.serve(&caller, open, call);
            }
            Target::Open(open) => self.execute_named(&caller, open, call),
        }
    }

    /// Is too much waiting for the store to take more?
    pub(crate) fn is_congested(&self) -> bool {
        self.log.pending_bytes() > PENDING_BYTES_MAX
    }

    fn is_full(&self) -> bool {
        self.full.load(Ordering::Acquire)
    }

    fn set_full(&self, full: bool) {
        if self.full.swap(full, Ordering::AcqRel) != full {
            tracing::warn!(full, "room on the disk");
        }
    }

    /// Stops for good: memory and log may differ, so nothing more is answered. The server recovers from its store.
    pub(crate) fn poison(&self, why: &str) {
        let mut poison = self.poison.lock();
        if poison.is_none() {
            tracing::error!(why, "the engine is poisoned");
            *poison = Some(why.to_owned());
        }
        drop(poison);
        self.stopping.store(true, Ordering::Release);
        self.gate.break_down();
        self.log.poke();
    }

    /// Runs the work of a thread that the server cannot do without: a panic there poisons the engine.
    pub(crate) fn guard(&self, thread: &str, work: impl FnOnce()) {
        if let Err(panic) = caught(work) {
            self.poison(&format!("the thread \"{thread}\" panicked: {panic}"));
        }
    }

    /// Waits until the engine is poisoned, and says why.
    pub(crate) async fn failed(&self) -> String {
        self.gate.wait_for(Revision(u64::MAX)).await;
        self.poison.lock().clone().unwrap_or_default()
    }

    /// Does what is due, and sees that the store does not hang, until the engine stops. For a thread of its own.
    pub(crate) fn keep_time(&self) {
        self.guard("time", || self.keep_time_until_stopped());
    }

    fn keep_time_until_stopped(&self) {
        let mut writing = None;
        while self.timers.wait(self.clock.monotonic(), WATCH_EVERY) {
            self.tick();
            let (now, write) = (self.clock.monotonic(), self.store_watch.under_way());
            writing = match (write, writing) {
                (Some(write), Some((before, since))) if write == before => {
                    if now.saturating_sub(since) >= WRITE_TIME_MAX {
                        self.poison("a write to the store takes longer than 5 s: it is given up");
                    }
                    Some((before, since))
                }
                (write, _) => write.map(|write| (write, now)),
            };
        }
    }

    /// Ends the committer, once it has committed what there is, and the timers.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        self.log.poke();
        self.timers.stop();
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// About how many bytes the rows of all logged objects take.
    fn live_bytes(&self) -> u64 {
        let cells = self.registry.all();
        cells
            .iter()
            .filter(|cell| cell.is_logged())
            .map(|cell| cell.state.lock().object.bytes())
            .sum()
    }

    fn all_lanes(&self) -> Vec<Arc<Lane>> {
        let sessions: Vec<_> = self
            .sessions
            .iter()
            .map(|session| Arc::clone(&session))
            .collect();
        sessions
            .iter()
            .flat_map(|session| session.lanes())
            .collect()
    }

    /// Sessions that recovery found, for their tokens.
    pub(crate) fn sessions(&self) -> Vec<Arc<Session>> {
        self.sessions
            .iter()
            .map(|session| Arc::clone(&session))
            .collect()
    }
}

/// Every kind that can be described, the server's own object first.
pub fn described() -> impl Iterator<Item = &'static Kind> {
    std::iter::once(&server_object::KIND).chain(objects::KINDS.iter().copied())
}

/// Runs what must not take the server down with it. The error is the panic's message.
fn caught<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        text.or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "a panic".into())
    })
}
