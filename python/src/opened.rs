//! `Opened`: a data folder that the processes which open it serve to each other.
//!
//! Whoever has the folder's lock serves, on a socket that all find by the folder's path; the others are clients. When the
//! one that serves ends, however it does, the kernel frees the lock, and the first of the others that needs the server
//! takes the lock and serves on: its clients' hook for absent servers, which runs while they try to connect, does it. So
//! nobody watches anybody, and what the clients were about to do happens exactly once, as over any restart of a server.

use crate::server::{Failed, start};
use crate::wait;
use commonhold::{Options, StandIn};
use commonhold_proto::{keyfile, place};
use commonhold_server::store::StoreError;
use commonhold_server::{Listen, Server as Inner};
use parking_lot::Mutex;
use pyo3::prelude::*;
use std::future::Future as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::{Context, Waker};
use std::thread;
use std::time::{Duration, Instant};
use std::{fs, mem, process};

const KEY: &str = "authkey";
/// Whoever serves first makes the key, a moment after it has the lock.
const KEY_WITHIN: Duration = Duration::from_secs(10);
const NOT_A_CHILD: &str = "this is the child of a process that served before it was forked: it cannot serve, so open the \
                           folder in another process first";
/// A server that has much to read begins late.
const PATIENCE: Duration = Duration::from_mins(1);

/// The process that served first among this one and those that it was forked from; 0 if none did. The store's threads
/// are of that process, and a forked child cannot make them anew: it is a client, and leaves serving to others.
static FIRST_TO_SERVE: AtomicU32 = AtomicU32::new(0);

/// The process that tried last, and how many tries are under way. In a child that was forked meanwhile they stay so.
static TRYING: AtomicU32 = AtomicU32::new(0);
static TRIES: AtomicU32 = AtomicU32::new(0);

/// A data folder that this process shares with others: served by one of them.
#[pyclass(frozen, module = "commonhold._native")]
pub(crate) struct Opened(Arc<Shared>);

struct Shared {
    /// The folder, by its only path.
    folder: PathBuf,
    socket: PathBuf,
    standing: Mutex<Standing>,
    /// The process that serves by this; 0 if none does.
    served_by: AtomicU32,
    closed: AtomicBool,
}

/// What this process does for the folder.
struct Standing {
    /// Present while it serves.
    server: Option<Inner>,
    /// The process that this was written in: a forked child has a copy, and no threads that serve.
    process: u32,
}

impl Opened {
    /// A client with these settings and the folder's server, or this process in its place.
    pub(crate) fn led_by(&self, options: Options) -> Options {
        let shared = Arc::clone(&self.0);
        options
            .url(format!("unix://{}", self.0.socket.display()))
            .key_file(self.0.folder.join(KEY))
            .connect_for(PATIENCE)
            .absence(move || shared.stand_in().map_err(|failed| failed.to_string()))
    }
}

#[pymethods]
impl Opened {
    /// Makes the folder if it is absent, and serves it unless another process does, or this one already.
    #[new]
    #[expect(clippy::needless_pass_by_value, reason = "so Python's paths come")]
    fn new(py: Python<'_>, folder: PathBuf) -> PyResult<Opened> {
        let opened = py.detach(|| Shared::open(&folder));
        opened
            .map(|shared| Opened(Arc::new(shared)))
            .map_err(|failed| failed.raised(py))
    }

    /// The folder's path.
    #[getter]
    fn folder(&self) -> &Path {
        &self.0.folder
    }

    /// The path of the server's socket.
    #[getter]
    fn socket(&self) -> &Path {
        &self.0.socket
    }

    /// Whether this process serves.
    #[getter]
    fn serves(&self) -> bool {
        self.0.served_by.load(Ordering::Acquire) == process::id()
    }

    /// Ends in order what this process serves, and never serves again.
    fn close(&self, py: Python<'_>) {
        py.detach(|| self.0.close());
    }
}

impl Shared {
    fn open(folder: &Path) -> Result<Shared, Failed> {
        let mut builder = fs::DirBuilder::new();
        let made = builder.recursive(true).mode(0o700).create(folder);
        made.map_err(|error| Failed::Folder(folder.to_owned(), error))?;
        let path = fs::canonicalize(folder);
        let folder = path.map_err(|error| Failed::Folder(folder.to_owned(), error))?;
        let shared = Shared {
            socket: place::socket(&|_| None, &folder),
            folder,
            standing: Mutex::new(Standing {
                server: None,
                process: process::id(),
            }),
            served_by: AtomicU32::new(0),
            closed: AtomicBool::new(false),
        };
        if is_childs() && !shared.folder.join(KEY).exists() {
            let folder = shared.folder.display();
            return Err(Failed::Other(format!(
                "{folder} has no server, and {NOT_A_CHILD}"
            )));
        }
        let until = Instant::now() + KEY_WITHIN;
        while let StandIn::Waits(why) = shared.stand_in()?
            && !shared.folder.join(KEY).exists()
        {
            if Instant::now() > until {
                let who = why.unwrap_or_else(|| shared.folder.display().to_string());
                return Err(Failed::Other(format!(
                    "{who}, and there is no key to be found: was it opened otherwise?"
                )));
            }
            if wait::interrupted() {
                return Err(Failed::Interrupted);
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(shared)
    }

    /// Serves if nobody does.
    fn stand_in(&self) -> Result<StandIn, Failed> {
        // Whoever has it is at it, or was when this process was forked.
        let Some(mut standing) = self.standing.try_lock() else {
            return Ok(StandIn::Waits(None));
        };
        standing.leave_to_parent();
        if self.closed.load(Ordering::Acquire) {
            return Ok(StandIn::Waits(None));
        }
        if is_childs() {
            return Ok(StandIn::Waits(Some(NOT_A_CHILD.to_owned())));
        }
        match standing.server.as_ref().map(has_failed) {
            Some(false) => return Ok(StandIn::Waits(None)),
            // It has said why. The log is read again, by whoever is first.
            Some(true) => {
                self.served_by.store(0, Ordering::Release);
                standing.server = None;
            }
            None => {}
        }
        let trying = Trying::begin();
        let started = match self.start() {
            // Whoever makes a folder of it locks it first: what was not there a moment ago may be by now.
            Err(Failed::Store(StoreError::Foreign { .. })) => self.start(),
            started => started,
        };
        if !matches!(started, Err(Failed::Store(StoreError::InUse { .. }))) {
            FIRST_TO_SERVE.store(process::id(), Ordering::Relaxed);
        }
        drop(trying);
        match started {
            Ok(server) => {
                standing.server = Some(server);
                self.served_by.store(process::id(), Ordering::Release);
                Ok(StandIn::Serves)
            }
            Err(Failed::Store(error @ StoreError::InUse { .. })) => {
                Ok(StandIn::Waits(Some(error.to_string())))
            }
            Err(failed) => Err(failed),
        }
    }

    fn start(&self) -> Result<Inner, Failed> {
        let key = || match keyfile::read_or_create(&self.folder.join(KEY)) {
            Ok(file) => Ok(file.key),
            Err(error) => Err(Failed::Other(error.to_string())),
        };
        let listen = vec![Listen::Unix(self.socket.clone())];
        start(listen, key, Some(&self.folder), 1)
    }

    fn close(&self) {
        self.closed.store(true, Ordering::Release);
        // What a process serves that this one was forked from is not this one's to end; a thread of it may have the lock.
        if is_childs() {
            return;
        }
        let mut standing = self.standing.lock();
        self.served_by.store(0, Ordering::Release);
        if let Some(server) = standing.server.take() {
            server.shut_down();
        }
    }
}

impl Standing {
    /// A forked child leaves what its parent serves alone: it has none of the threads that would have to end.
    fn leave_to_parent(&mut self) {
        if self.process != process::id() {
            mem::forget(self.server.take());
            self.process = process::id();
        }
    }
}

/// Did a process serve, or try to at the fork, of which this one is a forked child?
fn is_childs() -> bool {
    let is_others = |process: &AtomicU32| {
        let process = process.load(Ordering::Acquire);
        process != 0 && process != process::id()
    };
    is_others(&FIRST_TO_SERVE) || (TRIES.load(Ordering::Acquire) != 0 && is_others(&TRYING))
}

/// An attempt to serve, for as long as it is kept.
struct Trying;

impl Trying {
    fn begin() -> Trying {
        TRYING.store(process::id(), Ordering::Release);
        TRIES.fetch_add(1, Ordering::AcqRel);
        Trying
    }
}

impl Drop for Trying {
    fn drop(&mut self) {
        TRIES.fetch_sub(1, Ordering::AcqRel);
    }
}

fn has_failed(server: &Inner) -> bool {
    let failed = pin!(server.failed());
    let mut context = Context::from_waker(Waker::noop());
    failed.poll(&mut context).is_ready()
}

impl Drop for Standing {
    fn drop(&mut self) {
        self.leave_to_parent();
        wait::let_go(self.server.take());
    }
}
