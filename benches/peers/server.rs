//! Our side: a server in a process of its own, as `make run` starts it: with a key, exactly once, with its limits.

use crate::lean::Place;
use crate::process::{Process, end_with_parent};
use anyhow::{Result, anyhow};
use commonhold::Options;
use commonhold_proto::keyfile;
use commonhold_server::auth::Keys;
use commonhold_server::store::{StoreMaker, StoreOptions};
use commonhold_server::{Config, Limits, Listen, Server};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The argument of the child that serves with the library.
pub(crate) const CHILD: &str = "child-server";

/// Our server.
pub(crate) struct OurServer {
    folder: PathBuf,
    tcp: String,
    /// What serves: the command or the library.
    pub(crate) kind: &'static str,
    process: Process,
}

impl OurServer {
    /// Starts it on a folder of its own.
    pub(crate) fn start(folder: &Path, program: Option<&Path>) -> Result<OurServer> {
        std::fs::create_dir_all(folder)?;
        keyfile::read_or_create(&folder.join("key"))?;
        let (mut command, kind) = match serve_command(folder, program) {
            Some(command) => (command, "commonhold serve"),
            None => (library_command(folder)?, "commonhold-server, as a library"),
        };
        let log = std::fs::File::create(folder.join("log"))?;
        command.stdout(log.try_clone()?).stderr(log);
        let mut process = Process::start(&mut command)?;
        let listening = || std::fs::read_to_string(folder.join("log")).unwrap_or_default();
        process.wait_until(|| listening().contains("ready"))?;
        let tcp = listening()
            .split_whitespace()
            .find(|word| word.starts_with("tcp://"))
            .ok_or_else(|| anyhow!("the server does not say its TCP address"))?
            .to_owned();
        Ok(OurServer {
            folder: folder.to_owned(),
            tcp,
            kind,
            process,
        })
    }

    /// The number of its process.
    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Options of a client that reaches it over its Unix socket.
    pub(crate) fn unix(&self) -> Options {
        self.options(&format!("unix://{}", self.socket().display()))
    }

    /// Its Unix socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.join("socket")
    }

    /// Its Unix socket, for a load that speaks to it by hand.
    pub(crate) fn unix_place(&self) -> Place {
        Place::Unix(self.socket())
    }

    /// Its TCP port, for a load that speaks to it by hand.
    pub(crate) fn tcp_place(&self) -> Place {
        Place::Tcp(self.tcp.trim_start_matches("tcp://").to_owned())
    }

    /// The file with its key.
    pub(crate) fn key_file(&self) -> PathBuf {
        self.folder.join("key")
    }

    /// Options of a client that reaches it over TCP.
    pub(crate) fn tcp(&self) -> Options {
        self.options(&self.tcp)
    }

    fn options(&self, url: &str) -> Options {
        Options::new().url(url).key_file(self.key_file())
    }
}

/// The real command, if this build has it.
fn serve_command(folder: &Path, program: Option<&Path>) -> Option<Command> {
    let program = program.unwrap_or(env!("CARGO_BIN_EXE_commonhold").as_ref());
    let help = Command::new(program)
        .args(["serve", "--help"])
        .stdin(Stdio::null())
        .output()
        .ok()?;
    if !help.status.success() || help.stdout.is_empty() {
        return None;
    }
    let mut command = Command::new(program);
    command
        .args(["serve", "--data"])
        .arg(folder.join("data"))
        .arg("--key-file")
        .arg(folder.join("key"))
        .arg("--listen")
        .arg(format!("unix://{}", folder.join("socket").display()))
        .args(["--listen", "tcp://127.0.0.1:0"]);
    Some(command)
}

fn library_command(folder: &Path) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(CHILD).arg(folder);
    Ok(command)
}

/// In the child: serves until the parent ends.
pub(crate) fn serve(folder: &Path) -> Result<()> {
    end_with_parent();
    let key = keyfile::read(&folder.join("key"))?.key;
    let store = StoreMaker::find("sled").ok_or_else(|| anyhow!("there is no store sled"))?;
    let server = Server::start(Config {
        store: store.open(&StoreOptions::new(folder.join("data")))?,
        listen: vec![
            Listen::Unix(folder.join("socket")),
            Listen::Tcp(([127, 0, 0, 1], 0).into()),
        ],
        keys: Keys::new("default", &key)?,
        insecure: false,
        cores: 0,
        limits: Limits::default(),
    })?;
    for address in server.listening() {
        println!("listen {address}");
    }
    println!("ready");
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    Err(anyhow!(runtime.block_on(server.failed())))
}
