//! A folder for a server, and the server's process.

use commonhold::blocking::Client;
use commonhold::{AuthKey, Options, Value};
use commonhold_proto::keyfile;
use parking_lot::Mutex;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Data, key and socket of one server. They outlive its processes.
pub(crate) struct Home {
    folder: TempDir,
    key: AuthKey,
    /// Of its servers.
    grace: Duration,
    term: Duration,
}

/// A server's process. Dropped, it is killed.
pub(crate) struct Serving {
    child: Child,
    /// From its start to the moment at which clients can connect.
    pub(crate) opened_in: Duration,
    /// Its TCP address.
    pub(crate) tcp: String,
    /// What it logged.
    log: Arc<Mutex<Vec<String>>>,
    logger: Option<JoinHandle<()>>,
    /// Open for as long as the server may write to it.
    _stdout: BufReader<ChildStdout>,
}

impl Home {
    /// Grace and term are long: what breaks a barrier in an exam is the exam, not a machine that is busy.
    pub(crate) fn new() -> Home {
        Home::with_times(Duration::from_secs(30), Duration::from_mins(1))
    }

    /// One whose servers give up clients after these.
    pub(crate) fn with_times(grace: Duration, term: Duration) -> Home {
        let folder = TempDir::new().expect("a folder");
        let key = keyfile::read_or_create(&folder.path().join("key")).expect("a key");
        Home {
            folder,
            key: key.key,
            grace,
            term,
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    pub(crate) fn key_file(&self) -> PathBuf {
        self.path().join("key")
    }

    pub(crate) fn key(&self) -> &AuthKey {
        &self.key
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.path().join("socket")
    }

    pub(crate) fn url(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// Options of a client in this process that reaches the server directly.
    pub(crate) fn options(&self) -> Options {
        Options::new().url(self.url()).key(self.key.clone())
    }

    /// A client in this process.
    pub(crate) fn connect(&self) -> Client {
        self.options().connect_blocking().expect("it connects")
    }

    /// The command that serves here, with its output for this process to read.
    pub(crate) fn command(&self, flags: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_commonhold"));
        self.arrange(&mut command, flags);
        command
    }

    /// Adds what `serve` needs to a command.
    pub(crate) fn arrange(&self, command: &mut Command, flags: &[&str]) {
        command
            .env_clear()
            .env("HOME", self.path())
            .env("COMMONHOLD_LOG", log_level())
            .current_dir(self.path())
            .args(["serve", "--log-format", "json"])
            .args(["--grace", &format!("{}ms", self.grace.as_millis())])
            .args(["--term", &format!("{}ms", self.term.as_millis())])
            .arg("--data")
            .arg(self.data())
            .arg("--key-file")
            .arg(self.key_file())
            .args(["--listen", &self.url(), "--listen", "tcp://127.0.0.1:0"])
            .args(flags)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
    }

    /// Starts a server and waits until it serves.
    pub(crate) fn serve(&self, flags: &[&str]) -> Serving {
        Serving::start(&mut self.command(flags))
    }
}

impl Serving {
    /// Starts a server and waits until it serves.
    pub(crate) fn start(command: &mut Command) -> Serving {
        let begun = Instant::now();
        let mut child = command.spawn().expect("it starts");
        let log = Arc::new(Mutex::new(Vec::new()));
        let lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
        let kept = Arc::clone(&log);
        let logger = thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if line.contains("\"ERROR\"") {
                    eprintln!("server: {line}");
                }
                kept.lock().push(line);
            }
        });
        let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut tcp = String::new();
        loop {
            let mut line = String::new();
            let read = stdout.read_line(&mut line).expect("text");
            if read == 0 {
                let status = child.wait();
                logger.join().expect("it reads");
                panic!("the server ended with {status:?}: {:#?}", log.lock());
            }
            if let Some(address) = line.trim().strip_prefix("listen  tcp://") {
                address.clone_into(&mut tcp);
            }
            if line.starts_with("ready in ") {
                break;
            }
        }
        Serving {
            child,
            opened_in: begun.elapsed(),
            tcp,
            log,
            logger: Some(logger),
            _stdout: stdout,
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How many lines of its log so far hold this text.
    pub(crate) fn logged(&self, text: &str) -> usize {
        let lines = self.log.lock();
        lines.iter().filter(|line| line.contains(text)).count()
    }

    /// SIGKILL, and everything that it had logged is read. The process is gone when this returns.
    pub(crate) fn kill(&mut self) {
        // It can only have ended by itself, which the next line tells as well.
        let _ = self.child.kill();
        self.child.wait().expect("it ends");
        if let Some(logger) = self.logger.take() {
            logger.join().expect("it reads");
        }
    }

    /// The most memory that it ever had, in bytes.
    pub(crate) fn peak_bytes(&self) -> u64 {
        self.memory("VmHWM:")
    }

    /// The memory that it has, in bytes.
    pub(crate) fn resident_bytes(&self) -> u64 {
        self.memory("VmRSS:")
    }

    fn memory(&self, field: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()));
        let status = status.expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        let number = line.and_then(|line| line.split_whitespace().next());
        number.expect("a size").parse::<u64>().expect("a number") << 10
    }
}

/// What servers log. An exam that fails shows the end of it.
fn log_level() -> String {
    std::env::var("COMMONHOLD_EXAM_LOG").unwrap_or_else(|_| "info".to_owned())
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.kill();
        if thread::panicking() {
            let log = self.log.lock();
            for line in &log[log.len().saturating_sub(50)..] {
                eprintln!("server: {line}");
            }
        }
    }
}

/// Some of the server's own numbers, as they were at one moment.
pub(crate) fn numbers_of<const N: usize>(ch: &Client, names: [&str; N]) -> [i64; N] {
    let Value::Dict(pairs) = ch.server().status().expect("it answers") else {
        panic!("a status is a dict");
    };
    names.map(
        |name| match pairs.iter().find(|(key, _)| *key == name.into()) {
            Some((_, Value::Int(number))) => *number,
            other => panic!("{name} is {other:?}"),
        },
    )
}
