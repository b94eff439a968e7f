//! The blocking client: no runtime, no thread of its own.
//!
//! The calling thread writes its call and reads its reply. When several threads call at one time, one of them carries the
//! calls of all.

mod driven;
mod epoll;
mod heard;
mod keeper;
mod net;
mod reactor;
mod runner;
mod socket;
mod spin;

pub use driven::Driver;

use crate::caller::{Caller, Request, sealed};
use crate::error::{Error, Happened, Result};
use crate::object::Object;
use crate::options::{Interrupt, Liveness, Options};
use crate::place::Place;
use crate::proxy;
use crate::session::Session;
use crate::stats::Stats;
use commonhold_proto::{Call, Owner, Reply, Target};
pub use heard::Heard;
pub use keeper::Keeper;
use parking_lot::Mutex;
use runner::{Runner, Stopped};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// A shared dict.
pub type Dict<K, V> = proxy::Dict<K, V, Client>;
/// A shared counter.
pub type Counter = proxy::Counter<Client>;
/// A shared lock.
pub type Lock = proxy::Lock<Client>;
/// A shared lock for many readers or one writer.
pub type RwLock = proxy::RwLock<Client>;
/// A shared condition.
pub type Condition = proxy::Condition<Client>;
/// A lock that is held.
pub type Guard = proxy::Guard<Client>;
/// A shared barrier.
pub type Barrier = proxy::Barrier<Client>;
/// A shared list.
pub type List<T> = proxy::List<T, Client>;
/// A shared set.
pub type Set<T> = proxy::Set<T, Client>;
/// A shared value.
pub type Shared<T> = proxy::Shared<T, Client>;
/// A shared array.
pub type Array<T> = proxy::Array<T, Client>;
/// A shared namespace.
pub type Namespace = proxy::Namespace<Client>;
/// A shared event.
pub type Event = proxy::Event<Client>;
/// A shared latch.
pub type Latch = proxy::Latch<Client>;
/// A shared semaphore, bounded or not.
pub type Semaphore = proxy::Semaphore<Client>;
/// Permits that are held.
pub type Permit = proxy::Permit<Client>;
/// Any object.
pub type AnyObject = Object<Client>;

/// The longest that a client that is dropped waits for its goodbye to be answered.
const GOODBYE_FOR: Duration = Duration::from_secs(1);

/// A client for blocking programs. Cheap to clone and shared by threads freely; clones share one session and one
/// connection. The last one that is dropped says goodbye.
///
/// In a forked child it goes on with a session of its own, which it opens at its first call; the parent's connection is
/// let go without a word. Of the parent's anonymous objects it holds none: it may use those that are pinned, or that other
/// objects refer to, but its copies of proxies keep nothing.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

/// A client within one process.
struct Inner {
    /// The process that it belongs to.
    pid: u32,
    session: Arc<Session>,
    interrupt: Option<Interrupt>,
    /// Absent if the machine gave no sockets to wait with: the error says so.
    runner: std::result::Result<Runner, Error>,
    /// What it is in a forked child. The parent never looks here, and the child at nothing else that could be locked.
    child: OnceLock<Box<Inner>>,
    closed: Mutex<bool>,
}

impl Client {
    /// Connects to `unix:///path`, `tcp://host:port` or `host:port`.
    ///
    /// A server that is not there is waited for, up to 2 s.
    pub fn connect(url: impl Into<String>) -> Result<Client> {
        Client::with(Options::new().url(url))
    }

    /// Connects to the server of `$COMMONHOLD_URL`, else to the user's own.
    pub fn from_env() -> Result<Client> {
        Client::with(Options::new())
    }

    /// Settings to connect with.
    pub fn builder() -> Options {
        Options::new()
    }

    pub(crate) fn with(options: Options) -> Result<Client> {
        let session = Arc::new(Session::new(&options, Liveness::Connection)?);
        Client::join(session, options.interrupt)
    }

    /// Another connection of the same session, for instance one for each thread.
    pub fn lane(&self) -> Result<Client> {
        let inner = self.inner();
        Client::join(Arc::clone(&inner.session), inner.interrupt.clone())
    }

    /// A connection that keeps this client's session while nobody calls. It is made by who runs it.
    pub fn keeper(&self) -> Keeper {
        let session = Arc::clone(&self.inner().session);
        Keeper {
            inner: Arc::new(Inner::new(session, None)),
        }
    }

    fn join(session: Arc<Session>, interrupt: Option<Interrupt>) -> Result<Client> {
        let client = Client {
            inner: Arc::new(Inner::new(session, interrupt)),
        };
        client.inner.runner()?.open()?;
        Ok(client)
    }

    /// The client of this process.
    fn inner(&self) -> &Inner {
        let pid = std::process::id();
        let mut inner = &*self.inner;
        while inner.pid != pid {
            inner = inner.child.get_or_init(|| Box::new(inner.in_child()));
        }
        inner
    }

    /// The dict of this name. Makes no call.
    pub fn dict<K, V>(&self, name: &str) -> Dict<K, V>
    where
        K: Serialize + DeserializeOwned + 'static,
        V: Serialize + DeserializeOwned + 'static,
    {
        Dict::new(self.clone(), name)
    }

    /// The counter of this name. Makes no call.
    pub fn counter(&self, name: &str) -> Counter {
        Counter::new(self.clone(), name)
    }

    /// The barrier of this name for so many parties. Makes no call.
    pub fn barrier(&self, name: &str, parties: u32) -> Barrier {
        Barrier::new(self.clone(), name, parties)
    }

    /// The lock of this name. Makes no call.
    pub fn lock(&self, name: &str) -> Lock {
        Lock::new(self.clone(), name)
    }

    /// The lock of this name that its holder may take again. Makes no call.
    pub fn rlock(&self, name: &str) -> Lock {
        Lock::reentrant(self.clone(), name)
    }

    /// The lock of this name for many readers or one writer. Makes no call.
    pub fn rwlock(&self, name: &str) -> RwLock {
        RwLock::new(self.clone(), name)
    }

    /// The condition of this name. Makes no call.
    pub fn condition(&self, name: &str) -> Condition {
        Condition::new(self.clone(), name)
    }

    /// An object of any kind. Makes no call.
    pub fn object(&self, kind: &str, name: &str) -> Object<Client> {
        Object::new(self.clone(), kind, name)
    }

    /// The server itself.
    pub fn server(&self) -> proxy::Server<Client> {
        proxy::Server::new(self.clone())
    }

    /// Where the server is.
    pub fn place(&self) -> &Place {
        &self.inner.session.place
    }

    /// In a child that was just forked: lets go of the parent's connection now, where otherwise its first call would.
    pub fn forked(&self) {
        self.inner();
    }

    /// Makes any call. A refusal is inside the reply. A method that waits does so for `timeout`; `None` is for ever.
    pub fn call(&self, target: Target, call: Call, timeout: Option<Duration>) -> Result<Reply> {
        self.ask(Request::of(target, call, timeout, Ok))
    }

    /// How often the server gave up everything that this client held, because it did not hear from it in time.
    pub fn lease_losses(&self) -> u64 {
        self.inner().session.lease_losses()
    }

    /// What became of the calls of this connection, in numbers. Clones share it; every [`lane`](Client::lane) has its own.
    pub fn stats(&self) -> Stats {
        let runner = self.inner().runner.as_ref();
        runner.map_or_else(|_| Stats::default(), |runner| runner.lane.stats())
    }

    /// Says goodbye and waits until the server knows, for at most 1 s. Calls of other threads end with an error.
    pub fn close(self) {
        self.inner().close();
    }
}

proxy::factories!(Client);

impl Inner {
    fn new(session: Arc<Session>, interrupt: Option<Interrupt>) -> Inner {
        session.enter();
        let runner = Runner::new(&session, interrupt.clone());
        Inner {
            pid: std::process::id(),
            runner: runner.map_err(|error| session.unreachable(error)),
            session,
            interrupt,
            child: OnceLock::new(),
            closed: Mutex::new(false),
        }
    }

    fn in_child(&self) -> Inner {
        if let Ok(runner) = &self.runner {
            runner.forget();
        }
        let session = Arc::new(self.session.fresh());
        Inner::new(session, self.interrupt.clone())
    }

    fn runner(&self) -> Result<&Runner> {
        self.runner.as_ref().map_err(Clone::clone)
    }

    fn close(&self) {
        if std::mem::replace(&mut *self.closed.lock(), true) {
            return;
        }
        let lost = self
            .session
            .lost("the client was closed", Happened::Unknown);
        let goodbye = self.session.leave();
        let Ok(runner) = &self.runner else { return };
        runner.lane.close(&lost, goodbye);
        let until = Instant::now() + GOODBYE_FOR;
        // Whether it was answered or not: the client is gone.
        let _ = runner.wait(0, Some(until), |cx| runner.lane.poll_closed(cx));
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // In a child everything is the parent's, but for what the child made.
        if self.pid == std::process::id() {
            self.close();
        }
    }
}

impl sealed::Sealed for Client {
    fn owner_of_proxy(&self) -> Option<Owner> {
        None
    }

    fn ties(&self) -> sealed::Ties {
        sealed::Ties(Arc::clone(&self.inner().session))
    }

    fn let_go(&self) {
        let Ok(runner) = self.inner().runner() else {
            return;
        };
        runner.lane.let_go();
        let until = Instant::now() + GOODBYE_FOR;
        // What is not dropped by then is dropped with the next call.
        let _ = runner.wait(0, Some(until), |cx| runner.lane.poll_let_go(cx));
    }
}

impl Caller for Client {
    type Answer<T> = Result<T>;

    fn ask<T: 'static>(&self, request: Request<T>) -> Result<T> {
        let (work, mut read) = request.into_parts();
        let work = work?;
        let inner = self.inner();
        let (runner, holdings) = (inner.runner()?, &inner.session.holdings);
        let (submission, settling) = work.into_submission(owner);
        let sequence = runner.lane.submit(submission, Instant::now())?;
        let waited = runner.wait(sequence, None, |cx| runner.lane.poll_reply(sequence, cx));
        match waited {
            Ok(reply) => {
                let result = read.finish(settling.settle(reply?)?, holdings);
                if holdings.has_unwanted() {
                    sealed::Sealed::let_go(self);
                }
                result
            }
            Err(Stopped::Interrupted | Stopped::TimedOut) => {
                let happened = runner.lane.abandon(sequence);
                runner.withdraw(sequence);
                Err(Error::Interrupted { happened })
            }
        }
    }

    fn owner(&self) -> Owner {
        owner()
    }
}

/// The number of this thread.
fn owner() -> Owner {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    thread_local! {
        static OWNER: u64 = NEXT.fetch_add(1, Ordering::Relaxed);
    }
    Owner(OWNER.with(|owner| *owner))
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("place", &self.inner.session.place)
            .finish_non_exhaustive()
    }
}
