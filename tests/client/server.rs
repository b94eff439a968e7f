//! A server in this process, and a proxy before it that breaks connections.

use commonhold::{AuthKey, Options};
use commonhold_server::store::{MemoryDisk, StoreMaker, StoreOptions};
use commonhold_server::{Config, Keys, Limits, Listen, Server};
use parking_lot::Mutex;
use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

/// A server on a Unix socket in a folder of its own. Its disk outlives it.
pub(crate) struct TestServer {
    folder: TempDir,
    disk: MemoryDisk,
    key: AuthKey,
    limits: Limits,
    server: Option<Server>,
}

impl TestServer {
    pub(crate) fn start() -> TestServer {
        TestServer::with(Limits::default())
    }

    pub(crate) fn with(limits: Limits) -> TestServer {
        let mut server = TestServer {
            folder: TempDir::new().expect("a folder"),
            disk: MemoryDisk::default(),
            key: AuthKey::generate(),
            limits,
            server: None,
        };
        server.serve();
        server
    }

    /// Starts it again after [`stop`](TestServer::stop).
    pub(crate) fn serve(&mut self) {
        let mut options = StoreOptions::new(self.folder.path());
        options.memory = self.disk.clone();
        let store = StoreMaker::find("memory").expect("a store").open(&options);
        let config = Config {
            store: store.expect("it opens"),
            listen: vec![
                Listen::Unix(self.socket()),
                Listen::Tcp(([127, 0, 0, 1], 0).into()),
            ],
            keys: Keys::new("default", &self.key).expect("a key"),
            insecure: false,
            cores: 1,
            limits: self.limits.clone(),
        };
        self.server = Some(Server::start(config).expect("it starts"));
    }

    /// Ends it in order.
    pub(crate) fn stop(&mut self) {
        assert!(self.server.take().expect("it runs").shut_down());
    }

    /// Loses everything: the next one is another server on an empty disk, with the same key.
    pub(crate) fn lose_disk(&mut self) {
        self.disk = MemoryDisk::default();
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    /// Options of a client that reaches it.
    pub(crate) fn options(&self) -> Options {
        self.options_at(&self.socket())
    }

    pub(crate) fn options_at(&self, socket: &Path) -> Options {
        Options::new()
            .url(format!("unix://{}", socket.display()))
            .key(self.key.clone())
    }

    /// A file with its key, for other programs.
    pub(crate) fn key_file(&self) -> PathBuf {
        let path = self.folder.path().join("key");
        let mut options = OpenOptions::new();
        let file = options.create_new(true).write(true).mode(0o600).open(&path);
        let written = file.and_then(|mut file| file.write_all(self.key.expose()));
        written.expect("the folder is ours");
        path
    }

    /// Options of a client that reaches it over TCP.
    pub(crate) fn options_tcp(&self) -> Options {
        let server = self.server.as_ref().expect("it runs");
        let url = server.listening()[1].to_string();
        Options::new().url(url).key(self.key.clone())
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            server.shut_down();
        }
    }
}

/// Passes bytes between clients and a server, and cuts all connections when told, or after a number of bytes, or makes
/// what the server says unreadable.
pub(crate) struct Cutter {
    folder: TempDir,
    state: Arc<CutterState>,
}

#[derive(Default)]
struct CutterState {
    open: Mutex<Vec<UnixStream>>,
    /// Bytes that pass until the next cut; 0: no cut by itself.
    every: AtomicU64,
    passed: AtomicU64,
    cuts: AtomicU64,
    silent: AtomicBool,
    garbling: AtomicBool,
}

impl Cutter {
    /// This text is made none wherever the server says it, if it is told to.
    pub(crate) const GARBLED: &str = "text that comes as none";

    pub(crate) fn before(server: &TestServer) -> Cutter {
        let folder = TempDir::new().expect("a folder");
        let listener = UnixListener::bind(folder.path().join("socket")).expect("a socket");
        let state = Arc::new(CutterState::default());
        let (target, passing) = (server.socket(), Arc::clone(&state));
        thread::spawn(move || {
            while let Ok((client, _)) = listener.accept() {
                let silent = passing.silent.load(Ordering::SeqCst);
                if let Ok(server) = UnixStream::connect(&target)
                    && !silent
                {
                    passing.pass(client, server);
                }
            }
        });
        Cutter { folder, state }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    /// Breaks every connection now.
    pub(crate) fn cut(&self) {
        self.state.cut();
    }

    /// From now on nothing that the server says arrives, and nobody can connect; or both again.
    pub(crate) fn silence(&self, silent: bool) {
        self.state.silent.store(silent, Ordering::SeqCst);
    }

    /// Makes [`GARBLED`](Self::GARBLED) unreadable from now on; or not.
    pub(crate) fn garble(&self, garbling: bool) {
        self.state.garbling.store(garbling, Ordering::SeqCst);
    }

    /// Breaks every connection each time so many bytes have passed.
    pub(crate) fn cut_every(&self, bytes: u64) {
        self.state.every.store(bytes, Ordering::Relaxed);
    }

    pub(crate) fn cuts(&self) -> u64 {
        self.state.cuts.load(Ordering::Relaxed)
    }
}

impl CutterState {
    fn pass(self: &Arc<Self>, client: UnixStream, server: UnixStream) {
        let copy = |stream: &UnixStream| stream.try_clone().expect("a descriptor");
        self.open.lock().extend([copy(&client), copy(&server)]);
        let up = (copy(&client), copy(&server), false);
        for (from, to, down) in [up, (server, client, true)] {
            let state = Arc::clone(self);
            thread::spawn(move || {
                let _ = state.copy(&from, &to, down);
                let _ = from.shutdown(Shutdown::Both);
                let _ = to.shutdown(Shutdown::Both);
            });
        }
    }

    fn copy(&self, mut from: &UnixStream, mut to: &UnixStream, down: bool) -> io::Result<()> {
        let mut bytes = [0; 4096];
        loop {
            let read = from.read(&mut bytes)?;
            if read == 0 {
                return Ok(());
            }
            if down && self.silent.load(Ordering::SeqCst) {
                continue;
            }
            let every = self.every.load(Ordering::Relaxed);
            let passed = self.passed.fetch_add(read as u64, Ordering::Relaxed) + read as u64;
            if every > 0 && passed >= every {
                self.passed.store(0, Ordering::Relaxed);
                // Some of it arrives.
                to.write_all(&bytes[..read / 2])?;
                self.cut();
                return Ok(());
            }
            if down && self.garbling.load(Ordering::SeqCst) {
                garble(&mut bytes[..read]);
            }
            to.write_all(&bytes[..read])?;
        }
    }

    fn cut(&self) {
        self.cuts.fetch_add(1, Ordering::Relaxed);
        for stream in self.open.lock().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

/// No UTF-8 has these bytes.
fn garble(bytes: &mut [u8]) {
    let text = Cutter::GARBLED.as_bytes();
    let found = bytes.windows(text.len()).position(|window| window == text);
    if let Some(start) = found {
        bytes[start..start + text.len()].fill(0xff);
    }
}

/// Waits until something is so, for at most 10 s.
#[track_caller]
pub(crate) fn eventually(what: &str, mut so: impl FnMut() -> bool) {
    for _ in 0..10_000 {
        if so() {
            return;
        }
        thread::sleep(Duration::from_millis(1));
    }
    panic!("it never came to be: {what}");
}
