//! `Server`: a server inside this process.

use crate::{error, wait};
use commonhold::AuthKey;
use commonhold_server::auth::Keys;
use commonhold_server::store::{StoreError, StoreMaker, StoreOptions};
use commonhold_server::{Config, Limits, Listen, Server as Inner, StartError};
use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use std::fmt;
use std::fs::DirBuilder;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

/// A server in threads of this process, which must not be forked from then on. It is stopped when it is dropped.
#[pyclass(frozen, module = "commonhold._native")]
pub(crate) struct Server {
    /// Absent once it is stopped.
    server: Mutex<Option<Inner>>,
    listen: Vec<Address>,
}

/// The path of a socket, or a host and a port, as Python's sockets have them.
#[derive(Clone, FromPyObject, IntoPyObject)]
enum Address {
    Unix(PathBuf),
    Tcp(String, u16),
}

#[pymethods]
impl Server {
    /// listen: addresses; port 0 takes a free one. Nothing is encrypted, whatever the address: that is the caller's to judge.
    /// authkey: as multiprocessing has it.
    /// data: the folder of the log; without one everything is in memory.
    /// cores: how many to serve on, 0 for all.
    #[new]
    #[pyo3(signature = (listen, authkey, *, data=None, cores=1))]
    fn new(
        py: Python<'_>,
        listen: Vec<Address>,
        authkey: &[u8],
        data: Option<PathBuf>,
        cores: usize,
    ) -> PyResult<Server> {
        let key = AuthKey::of_multiprocessing(authkey);
        let places = listen.into_iter().map(Address::place);
        let places: Vec<Listen> = places.collect::<PyResult<_>>()?;
        let started = py.detach(move || start(places, || Ok(key), data.as_deref(), cores));
        let server = started.map_err(|failed| failed.raised(py))?;
        let listening = server.listening().iter();
        Ok(Server {
            listen: listening.map(|at| Address::of(&at.0)).collect(),
            server: Mutex::new(Some(server)),
        })
    }

    /// Where it listens, with real ports.
    #[getter]
    fn listen(&self) -> Vec<Address> {
        self.listen.clone()
    }

    /// Why it does not serve any more; None as long as it does, or once it was stopped.
    fn failure(&self) -> Option<String> {
        let server = self.server.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = pin!(server.as_ref()?.failed());
        match failed.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(why) => Some(why),
            Poll::Pending => None,
        }
    }

    /// Ends in order, and returns whether everything reached the store. A second time it does nothing.
    fn stop(&self, py: Python<'_>) -> bool {
        let server = self.server.lock().unwrap_or_else(PoisonError::into_inner);
        let server = { server }.take();
        py.detach(|| server.is_none_or(Inner::shut_down))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let server = self.server.get_mut();
        wait::let_go(server.unwrap_or_else(PoisonError::into_inner).take());
    }
}

impl Address {
    fn of(listen: &Listen) -> Address {
        match listen {
            Listen::Unix(path) => Address::Unix(path.clone()),
            Listen::Tcp(address) => Address::Tcp(address.ip().to_string(), address.port()),
        }
    }

    /// The address to listen on; an empty host is every one, as it is for Python's sockets.
    fn place(self) -> PyResult<Listen> {
        let (host, port) = match self {
            Address::Unix(path) => return Ok(Listen::Unix(path)),
            Address::Tcp(host, port) => (host, port),
        };
        if host.is_empty() {
            return Ok(Listen::Tcp(SocketAddr::from(([0, 0, 0, 0], port))));
        }
        let mut found = (host.as_str(), port).to_socket_addrs()?;
        let found = found.next().map(Listen::Tcp);
        found.ok_or_else(|| PyValueError::new_err(format!("the host {host:?} has no address")))
    }
}

/// Why there is no server.
pub(crate) enum Failed {
    Start(StartError),
    Store(StoreError),
    Other(String),
    Folder(PathBuf, std::io::Error),
    /// A signal's handler raised something.
    Interrupted,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failed::Start(error) => error.fmt(f),
            Failed::Store(error) => error.fmt(f),
            Failed::Other(message) => f.write_str(message),
            Failed::Folder(path, error) => write!(f, "{}: {error}", path.display()),
            Failed::Interrupted => f.write_str("it was interrupted"),
        }
    }
}

impl Failed {
    pub(crate) fn raised(self, py: Python<'_>) -> PyErr {
        match self {
            Failed::Start(StartError::Listen { address, source }) => {
                let errno = source.raw_os_error();
                let errno = errno.or((source.kind() == std::io::ErrorKind::AddrInUse)
                    .then(|| rustix::io::Errno::ADDRINUSE.raw_os_error()));
                PyOSError::new_err((errno, format!("cannot listen on {address}: {source}")))
            }
            Failed::Start(StartError::Store(error)) | Failed::Store(error) => {
                error::general(py, error.to_string())
            }
            Failed::Start(error) => error::general(py, error.to_string()),
            // With its number the class is the one that Python has for it.
            Failed::Folder(path, error) => match error.raw_os_error() {
                Some(errno) => {
                    let why = py
                        .import("os")
                        .and_then(|os| os.call_method1("strerror", (errno,)));
                    why.map_or_else(
                        |failed| failed,
                        |why| PyOSError::new_err((errno, why.unbind(), path.into_os_string())),
                    )
                }
                None => error.into(),
            },
            Failed::Interrupted => wait::take_raised(),
            Failed::Other(message) => error::general(py, message),
        }
    }
}

/// Starts a server. The key is asked for once the folder is this server's own.
pub(crate) fn start(
    listen: Vec<Listen>,
    key: impl FnOnce() -> Result<AuthKey, Failed>,
    data: Option<&Path>,
    cores: usize,
) -> Result<Inner, Failed> {
    if let Some(folder) = data {
        let mut builder = DirBuilder::new();
        let made = builder.recursive(true).mode(0o700).create(folder);
        made.map_err(|error| Failed::Folder(folder.to_owned(), error))?;
    }
    let name = if data.is_some() { "sled" } else { "memory" };
    let maker = StoreMaker::find(name).expect("the list of stores has it");
    let store = maker.open(&StoreOptions::new(data.unwrap_or(Path::new(""))));
    let store = store.map_err(Failed::Store)?;
    let keys = Keys::new("default", &key()?).map_err(|error| Failed::Other(error.to_string()))?;
    let mut limits = Limits {
        store: name.to_owned(),
        ..Limits::default()
    };
    match data {
        Some(folder) => limits.data = folder.display().to_string(),
        None => limits.disk_reserve = 0,
    }
    let config = Config {
        store,
        listen,
        keys,
        insecure: true,
        cores,
        limits,
    };
    Inner::start(config).map_err(Failed::Start)
}
