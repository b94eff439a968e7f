//! The async client.

use crate::blocking::Driver;
use crate::caller::{Caller, Read, Request, Settling, Work, sealed};
use crate::drive::drive;
use crate::error::{Error, Happened, Result};
use crate::object::Object;
use crate::options::{Liveness, Options};
use crate::place::Place;
use crate::proxy::{self, Barrier, Condition, Counter, Dict, Lock, RwLock, Server};
use crate::session::Session;
use crate::shared::SharedLane;
use crate::stats::Stats;
use crate::tokio_net::TokioNet;
use commonhold_proto::{Call, Owner, Reply, Target};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::future::{Future, poll_fn};
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

/// A client for async programs. Cheap to clone; clones share one session and one connection.
///
/// A task of tokio's drives the connection: calls that are under way at one moment share frames. When the last clone is
/// dropped, the task says goodbye and ends; [`close`](Client::close) waits for that.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    /// In a forked child nobody drives, and a lock may be held for ever: nothing is touched there.
    pid: u32,
    lane: Arc<SharedLane>,
    session: Arc<Session>,
    closing: AtomicBool,
}

impl Client {
    /// Connects to `unix:///path`, `tcp://host:port` or `host:port`. Must run within a tokio runtime.
    ///
    /// A server that is not there is waited for, up to 2 s.
    pub async fn connect(url: impl Into<String>) -> Result<Client> {
        Client::with(Options::new().url(url)).await
    }

    /// Connects to the server of `$COMMONHOLD_URL`, else to the user's own.
    pub async fn from_env() -> Result<Client> {
        Client::with(Options::new()).await
    }

    /// Settings to connect with.
    pub fn builder() -> Options {
        Options::new()
    }

    pub(crate) async fn with(options: Options) -> Result<Client> {
        let session = Arc::new(Session::new(&options, Liveness::Heartbeat)?);
        Client::join(session).await
    }

    /// Another connection of the same session, for calls that should not share one with large values.
    pub async fn lane(&self) -> Result<Client> {
        Client::join(Arc::clone(&self.inner.session)).await
    }

    /// A client that somebody else's event loop drives.
    pub(crate) fn driven(options: &Options) -> Result<(Client, Driver)> {
        let session = Arc::new(Session::new(options, Liveness::Heartbeat)?);
        let client = Client::of(session);
        let inner = &client.inner;
        let driver = Driver::new(&inner.lane, &inner.session);
        let driver = driver.map_err(|error| inner.session.unreachable(error))?;
        Ok((client, driver))
    }

    async fn join(session: Arc<Session>) -> Result<Client> {
        let runtime = Handle::try_current().map_err(|error| {
            Error::Configuration(format!("an async client needs tokio: {error}"))
        })?;
        let client = Client::of(session);
        let inner = &client.inner;
        let (lane, session) = (Arc::clone(&inner.lane), Arc::clone(&inner.session));
        runtime.spawn(drive(lane, session, TokioNet));
        client.opened().await?;
        Ok(client)
    }

    fn of(session: Arc<Session>) -> Client {
        session.enter();
        Client {
            inner: Arc::new(Inner {
                pid: std::process::id(),
                lane: Arc::new(SharedLane::new(&session.holdings)),
                session,
                closing: AtomicBool::new(false),
            }),
        }
    }

    /// Waits until the first connection was made, or could not be.
    pub async fn opened(&self) -> Result<()> {
        poll_fn(|cx| self.inner.lane.poll_opened(cx)).await
    }

    /// The dict of this name. Makes no call.
    pub fn dict<K, V>(&self, name: &str) -> Dict<K, V, Client>
    where
        K: Serialize + DeserializeOwned + 'static,
        V: Serialize + DeserializeOwned + 'static,
    {
        Dict::new(self.clone(), name)
    }

    /// The counter of this name. Makes no call.
    pub fn counter(&self, name: &str) -> Counter<Client> {
        Counter::new(self.clone(), name)
    }

    /// The barrier of this name for so many parties. Makes no call.
    pub fn barrier(&self, name: &str, parties: u32) -> Barrier<Client> {
        Barrier::new(self.clone(), name, parties)
    }

    /// The lock of this name. Makes no call.
    pub fn lock(&self, name: &str) -> Lock<Client> {
        Lock::new(self.clone(), name)
    }

    /// The lock of this name that its holder may take again. Makes no call.
    pub fn rlock(&self, name: &str) -> Lock<Client> {
        Lock::reentrant(self.clone(), name)
    }

    /// The lock of this name for many readers or one writer. Makes no call.
    pub fn rwlock(&self, name: &str) -> RwLock<Client> {
        RwLock::new(self.clone(), name)
    }

    /// The condition of this name. Makes no call.
    pub fn condition(&self, name: &str) -> Condition<Client> {
        Condition::new(self.clone(), name)
    }

    /// An object of any kind. Makes no call.
    pub fn object(&self, kind: &str, name: &str) -> Object<Client> {
        Object::new(self.clone(), kind, name)
    }

    /// The server itself.
    pub fn server(&self) -> Server<Client> {
        Server::new(self.clone())
    }

    /// Where the server is.
    pub fn place(&self) -> &Place {
        &self.inner.session.place
    }

    /// Makes any call. A refusal is inside the reply. A method that waits does so for `timeout`; `None` is for ever.
    pub fn call(&self, target: Target, call: Call, timeout: Option<Duration>) -> Answer<Reply> {
        self.ask(Request::of(target, call, timeout, Ok))
    }

    /// How often the server gave up everything that this client held, because it did not hear from it in time.
    pub fn lease_losses(&self) -> u64 {
        self.inner.session.lease_losses()
    }

    /// What became of the calls of this connection, in numbers. Clones share it; every [`lane`](Client::lane) has its own.
    pub fn stats(&self) -> Stats {
        self.inner.lane.stats()
    }

    /// Says goodbye and waits until the server knows. Calls that are under way end with an error.
    pub async fn close(self) {
        self.inner.close();
        let lane = Arc::clone(&self.inner.lane);
        poll_fn(|cx| lane.poll_closed(cx)).await;
    }
}

proxy::factories!(Client);

impl Inner {
    /// Each call is its own owner, unless it has another.
    fn send(&self, work: Work) -> Result<Stage> {
        let (submission, settling) = work.into_submission(|| self.session.fresh_owner());
        let sequence = self.lane.submit(submission, Instant::now())?;
        Ok(Stage::Sent(sequence, settling))
    }

    fn is_forked(&self) -> bool {
        self.pid != std::process::id()
    }

    fn close(&self) {
        if !self.is_forked() && !self.closing.swap(true, Ordering::AcqRel) {
            let lost = self
                .session
                .lost("the client was closed", Happened::Unknown);
            self.lane.close(&lost, self.session.leave());
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.close();
    }
}

impl sealed::Sealed for Client {
    fn owner_of_proxy(&self) -> Option<Owner> {
        Some(self.inner.session.fresh_owner())
    }

    fn ties(&self) -> sealed::Ties {
        sealed::Ties(Arc::clone(&self.inner.session))
    }

    fn let_go(&self) {
        if !self.inner.is_forked() {
            self.inner.lane.let_go();
        }
    }
}

impl Caller for Client {
    type Answer<T> = Answer<T>;

    fn ask<T: 'static>(&self, request: Request<T>) -> Answer<T> {
        let (work, read) = request.into_parts();
        Answer {
            client: self.clone(),
            stage: Stage::Made(work),
            read,
        }
    }

    fn owner(&self) -> Owner {
        self.inner.session.fresh_owner()
    }
}

/// A call of an async client: it is sent when first polled.
///
/// # Cancel safety
/// Dropped before its end, the call is withdrawn: one that waits at the server waits no more. One that was carried out
/// stays carried out, unless its method can be undone.
#[must_use = "a call is not made until it is awaited"]
pub struct Answer<T> {
    client: Client,
    stage: Stage,
    read: Read<T>,
}

enum Stage {
    Made(Result<Work>),
    Sent(u64, Settling),
    Ended,
}

impl<T> Future for Answer<T> {
    type Output = Result<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T>> {
        let answer = self.get_mut();
        let inner = &answer.client.inner;
        if let Stage::Made(_) = answer.stage {
            let Stage::Made(work) = mem::replace(&mut answer.stage, Stage::Ended) else {
                return Poll::Pending;
            };
            answer.stage = match work.and_then(|work| inner.send(work)) {
                Ok(stage) => stage,
                Err(error) => return Poll::Ready(Err(error)),
            };
        }
        let Stage::Sent(sequence, settling) = &answer.stage else {
            return Poll::Ready(Err(Error::Closed));
        };
        let Poll::Ready(reply) = inner.lane.poll_reply(*sequence, cx) else {
            return Poll::Pending;
        };
        let holdings = &inner.session.holdings;
        let result = reply
            .and_then(|reply| settling.settle(reply))
            .and_then(|reply| answer.read.finish(reply, holdings));
        if holdings.has_unwanted() {
            inner.lane.let_go();
        }
        answer.stage = Stage::Ended;
        Poll::Ready(result)
    }
}

impl<T> Drop for Answer<T> {
    fn drop(&mut self) {
        let inner = &self.client.inner;
        if matches!(self.stage, Stage::Ended) || inner.is_forked() {
            return;
        }
        // What is carried out even if nobody waits is sent now, if it was not.
        if let Stage::Made(Ok(work)) = &self.stage
            && work.is_kept()
            && let Stage::Made(Ok(work)) = mem::replace(&mut self.stage, Stage::Ended)
            && let Ok(sent) = inner.send(work)
        {
            self.stage = sent;
        }
        if let Stage::Sent(sequence, _) = self.stage {
            inner.lane.abandon(sequence);
        }
    }
}

impl<T> fmt::Debug for Answer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").finish_non_exhaustive()
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("place", &self.inner.session.place)
            .finish_non_exhaustive()
    }
}
