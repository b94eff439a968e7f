//! Starting and ending a server: its threads, its listeners, its order of ending.
//!
//! Threads: one accepts, one a core serves, one commits, one keeps time, one
//! waits for deaths. Ending: nothing new is accepted or begun, what
//! is under way is answered, the log is flushed, the store is given back.

use super::address::{Listen, Listener, Listening, Registered};
use super::connection::{Accepted, Count};
use super::death::Deaths;
use super::vigil;
use super::{Front, Service};
use crate::auth::{Keys, Logins, Tokens};
use crate::clock::MachineTime;
use crate::engine::{Engine, Limits};
use crate::store::{Store, StoreError};
use commonhold_proto::wire::{DESCRIPTORS, commonhold_server::CommonholdServer};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, watch};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;

/// Connections at a time.
const CONNECTIONS_MAX: usize = 10_000;
/// After a failed accept, for instance for lack of descriptors.
const ACCEPT_BACK_OFF: Duration = Duration::from_millis(100);
/// How long calls have to finish when the server ends.
const DRAIN: Duration = Duration::from_secs(5);
/// How often a server that ends looks whether they have.
const DRAIN_LOOK: Duration = Duration::from_millis(10);
/// HTTP/2: streams of one connection. A lane multiplexes its waiting calls on one.
const STREAMS_MAX: u32 = 256;
/// HTTP/2: resets of one connection before it is closed.
const RESETS_MAX: usize = 256;
/// HTTP/2: bytes of a header list.
const HEADERS_MAX: u32 = 8 << 10;
/// HTTP/2: bytes that a client may have under way on one stream, and on one connection.
const STREAM_WINDOW: u32 = 512 << 10;
const CONNECTION_WINDOW: u32 = 1 << 20;
/// The largest HTTP/2 frame that is taken: what is large comes in few pieces.
const FRAME_MAX: u32 = 256 << 10;
/// Bytes of one message. Larger values travel in parts.
const MESSAGE_MAX: usize = 4 << 20;

/// What a server is made of.
pub struct Config {
    /// Where the log lies.
    pub store: Box<dyn Store>,
    /// Where to listen.
    pub listen: Vec<Listen>,
    /// Who may come in.
    pub keys: Keys,
    /// Listen beyond loopback although nothing is encrypted.
    pub insecure: bool,
    /// Cores to serve on; 0 for all.
    pub cores: usize,
    /// The engine's limits.
    pub limits: Limits,
}

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: String,
        /// Why not.
        source: io::Error,
    },
    /// The address is beyond loopback, and nothing is encrypted.
    #[error("{address} is not loopback and nothing is encrypted: say --insecure if that is meant")]
    Insecure {
        /// The address.
        address: SocketAddr,
    },
    /// The machine refuses threads or descriptors.
    #[error("cannot start")]
    System(#[from] io::Error),
}

/// A running server. It ends in order when it is dropped, too.
pub struct Server {
    engine: Arc<Engine>,
    front: Arc<Front>,
    listening: Vec<Listening>,
    objects: usize,
    sessions: usize,
    ending: watch::Sender<bool>,
    cores: Vec<JoinHandle<()>>,
    acceptor: Option<JoinHandle<()>>,
    committer: Option<JoinHandle<()>>,
    timekeeper: Option<JoinHandle<()>>,
    watcher: Option<JoinHandle<()>>,
}

impl Server {
    /// Recovers the objects, binds and serves.
    ///
    /// # Errors
    /// If the store or an address cannot be used; nothing is left running then.
    pub fn start(config: Config) -> Result<Server, StartError> {
        let listeners: Vec<Listener> = config
            .listen
            .iter()
            .map(|listen| Listener::bind(listen, config.insecure))
            .collect::<Result<_, _>>()?;
        let listening = listeners
            .iter()
            .map(Listener::address)
            .collect::<Result<Vec<_>, _>>()?;
        let (engine, committer, found) =
            Engine::start(config.store, config.limits, Box::<MachineTime>::default())?;
        let tokens = Tokens::new();
        for session in engine.sessions() {
            tokens.restore(session.token);
        }
        let front = Arc::new(Front {
            engine: Arc::clone(&engine),
            logins: Logins::new(config.keys),
            tokens,
            login_count: AtomicU64::new(0),
            draining: AtomicBool::new(false),
            deaths: Deaths::new()?,
            porch: Arc::default(),
            under_way: AtomicUsize::new(0),
            boot: u64::from_le_bytes(random()?),
            staged: AtomicUsize::new(0),
        });
        let known = Arc::downgrade(&front);
        engine.on_forget(move |token| {
            if let Some(front) = known.upgrade() {
                front.tokens.revoke(token);
            }
        });
        let (ending, ended) = watch::channel(false);
        let committer = spawn("commit", move || committer.run())?;
        let keeper = Arc::clone(&engine);
        let (deaths, mourner) = (Arc::clone(&front.deaths), Arc::clone(&engine));
        let watcher = spawn("death", move || deaths.run(&mourner))?;
        let timekeeper = spawn("time", move || keeper.keep_time())?;
        let count = match config.cores {
            0 => thread::available_parallelism().map_or(1, usize::from),
            count => count,
        };
        let connections = Arc::new(AtomicUsize::new(0));
        let (mut cores, mut inboxes) = (Vec::new(), Vec::new());
        for core in 0..count {
            let (inbox, accepted) = mpsc::channel(256);
            inboxes.push(inbox);
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let (front, ended) = (Arc::clone(&front), ended.clone());
            let (engine, name) = (Arc::clone(&engine), format!("core {core}"));
            cores.push(spawn(&name.clone(), move || {
                engine.guard(&name, || serve(&runtime, front, accepted, ended));
            })?);
        }
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let doorkeeper = Arc::clone(&engine);
        let acceptor = spawn("accept", move || {
            doorkeeper.guard("accept", || {
                accept(&runtime, listeners, &inboxes, ended, &connections);
            });
        })?;
        Ok(Server {
            engine,
            front,
            listening,
            objects: found.objects,
            sessions: found.sessions,
            ending,
            cores,
            acceptor: Some(acceptor),
            committer: Some(committer),
            timekeeper: Some(timekeeper),
            watcher: Some(watcher),
        })
    }

    /// The addresses, with real ports.
    pub fn listening(&self) -> &[Listening] {
        &self.listening
    }

    /// Objects that were recovered.
    pub fn objects(&self) -> usize {
        self.objects
    }

    /// Sessions that were recovered.
    pub fn sessions(&self) -> usize {
        self.sessions
    }

    /// Waits until the server fails, and says why. It does not serve any more then.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn failed(&self) -> String {
        self.engine.failed().await
    }

    /// Ends in order: finishes what is under way, flushes the log. True if everything was flushed.
    pub fn shut_down(mut self) -> bool {
        self.end();
        !self.engine.gate.is_broken()
    }

    fn end(&mut self) {
        self.front.draining.store(true, Ordering::Release);
        self.ending.send_replace(true);
        self.engine.poke_lanes();
        join(self.acceptor.take());
        self.cores.drain(..).for_each(|core| join(Some(core)));
        self.front.deaths.stop();
        join(self.watcher.take());
        self.engine.stop();
        join(self.committer.take());
        join(self.timekeeper.take());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

fn join(thread: Option<JoinHandle<()>>) {
    if let Some(Err(_)) = thread.map(JoinHandle::join) {
        tracing::error!("a thread panicked");
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name(name.into()).spawn(run)
}

fn random() -> Result<[u8; 8], io::Error> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(bytes)
}

/// Accepts connections and deals them out.
fn accept(
    runtime: &Runtime,
    listeners: Vec<Listener>,
    inboxes: &[mpsc::Sender<(Accepted, Count)>],
    mut ended: watch::Receiver<bool>,
    connections: &Arc<AtomicUsize>,
) {
    runtime.block_on(async {
        let tasks = tokio::task::LocalSet::new();
        for listener in listeners {
            match listener.register() {
                Ok(listener) => {
                    let (inboxes, connections) = (inboxes.to_vec(), Arc::clone(connections));
                    tasks.spawn_local(accept_from(listener, inboxes, connections));
                }
                Err(error) => tracing::error!(%error, "a listener is lost"),
            }
        }
        tokio::select! {
            () = tasks => {}
            _ = ended.wait_for(|ended| *ended) => {}
        }
    });
}

async fn accept_from(
    listener: Registered,
    inboxes: Vec<mpsc::Sender<(Accepted, Count)>>,
    connections: Arc<AtomicUsize>,
) {
    for next in (0..inboxes.len()).cycle() {
        let accepted = loop {
            match listener.accept().await {
                // One too many is closed at once: its client sees it and backs off.
                Ok(_) if connections.load(Ordering::Acquire) >= CONNECTIONS_MAX => {
                    tracing::warn!(most = CONNECTIONS_MAX, "too many connections");
                }
                Ok(accepted) => break accepted,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept");
                    tokio::time::sleep(ACCEPT_BACK_OFF).await;
                }
            }
        };
        if inboxes[next]
            .send((accepted, Count::new(&connections)))
            .await
            .is_err()
        {
            return;
        }
    }
}

/// Serves one core's connections until the server ends.
fn serve(
    runtime: &Runtime,
    front: Arc<Front>,
    accepted: mpsc::Receiver<(Accepted, Count)>,
    mut ended: watch::Receiver<bool>,
) {
    let mut late = ended.clone();
    let (porch, waiting) = (Arc::clone(&front.porch), Arc::clone(&front));
    runtime.block_on(async move {
        if vigil::is_kept() {
            tokio::spawn(vigil::keep());
        }
        let sockets = ReceiverStream::new(accepted).filter_map(move |(accepted, count)| {
            match accepted.register(&porch, count) {
                Ok(socket) => Some(Ok::<_, io::Error>(socket)),
                Err(error) => {
                    tracing::debug!(%error, "a connection was gone before it was served");
                    None
                }
            }
        });
        let engine = Arc::clone(&front.engine);
        tokio::spawn(async move { engine.gate.attend().await });
        let service = CommonholdServer::new(Service(front))
            .max_decoding_message_size(MESSAGE_MAX)
            .max_encoding_message_size(MESSAGE_MAX);
        let (health, healthy) = tonic_health::server::health_reporter();
        health.set_serving::<CommonholdServer<Service>>().await;
        let reflection = || {
            tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(DESCRIPTORS)
        };
        let (v1, v1alpha) = match (reflection().build_v1(), reflection().build_v1alpha()) {
            (Ok(v1), Ok(v1alpha)) => (v1, v1alpha),
            (Err(error), _) | (_, Err(error)) => {
                tracing::error!(%error, "the protocol's own descriptors are damaged");
                return;
            }
        };
        // tonic passes `None` for what is not set, which removes hyper's own limits: all are set. HTTP/2 keep-alive
        // stays off: its pings go unanswered by clients that compute between two calls.
        let served = tonic::transport::Server::builder()
            .max_concurrent_streams(STREAMS_MAX)
            .http2_max_local_error_reset_streams(Some(RESETS_MAX))
            .http2_max_pending_accept_reset_streams(Some(RESETS_MAX))
            .http2_max_header_list_size(HEADERS_MAX)
            .http2_adaptive_window(Some(false))
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_frame_size(FRAME_MAX)
            .add_service(service)
            .add_service(healthy)
            .add_service(v1)
            .add_service(v1alpha)
            .serve_with_incoming_shutdown(sockets, async move {
                let _ = ended.wait_for(|ended| *ended).await;
            });
        let late = async {
            let _ = late.wait_for(|ended| *ended).await;
            // An idle client answers no ping, so an orderly end of its connection would never come: the connections are
            // closed once everything that was under way is answered and written.
            for _ in 0..DRAIN.as_millis() / DRAIN_LOOK.as_millis() {
                tokio::time::sleep(DRAIN_LOOK).await;
                if waiting.under_way.load(Ordering::Acquire) == 0 {
                    tokio::time::sleep(DRAIN_LOOK).await;
                    return true;
                }
            }
            false
        };
        tokio::select! {
            result = served => if let Err(error) = result {
                tracing::error!(error = crate::engine::chain(&error), "a core serves no more");
            },
            finished = late => if !finished {
                tracing::warn!("calls did not finish in time");
            },
        }
    });
}
