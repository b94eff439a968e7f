//! The processes under test: started once, and only if a row needs them.

use crate::echo;
use crate::process::Process;
use crate::python;
use crate::redis::{self, Redis};
use crate::rows::Peer;
use crate::scale;
use crate::server::OurServer;
use anyhow::Result;
use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// Everything that is measured, on one disk.
pub(crate) struct Lab {
    ours: OurServer,
    crowded: OnceCell<OurServer>,
    program: Option<PathBuf>,
    redis_version: Option<String>,
    python_version: Option<String>,
    redis: OnceCell<Redis>,
    redis_always: OnceCell<Redis>,
    echo: OnceCell<(Process, PathBuf)>,
    /// Dropped last.
    folder: TempDir,
}

impl Lab {
    /// Starts our server, or the given program as one, and looks which peers there are.
    pub(crate) fn new(program: Option<&Path>) -> Result<Lab> {
        // Not in the folder for temporary files, which may be no disk at all.
        let folder = TempDir::with_prefix_in("bench-", env!("CARGO_TARGET_TMPDIR"))?;
        Ok(Lab {
            crowded: OnceCell::new(),
            program: program.map(Path::to_owned),
            ours: OurServer::start(&folder.path().join("ours"), program)?,
            redis_version: redis::version(),
            python_version: python::version(),
            redis: OnceCell::new(),
            redis_always: OnceCell::new(),
            echo: OnceCell::new(),
            folder,
        })
    }

    /// What is compared with what.
    pub(crate) fn about(&self) -> Vec<String> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let missing = |version: &Option<String>| version.clone().unwrap_or("none".to_owned());
        vec![
            format!("{cores} cores, data in {}", self.folder.path().display()),
            format!(
                "ours: {}; redis: {}; python: {}",
                self.ours.kind,
                missing(&self.redis_version),
                missing(&self.python_version)
            ),
        ]
    }

    /// Is this peer on this machine?
    pub(crate) fn has(&self, peer: Peer) -> bool {
        match peer {
            Peer::Machine => true,
            Peer::Redis => self.redis_version.is_some(),
            Peer::Python => self.python_version.is_some(),
        }
    }

    /// What to do about a missing peer.
    pub(crate) fn missing(peer: Peer) -> &'static str {
        match peer {
            Peer::Machine => "the machine is always there",
            Peer::Redis => "Redis is missing: sudo apt-get install redis-server",
            Peer::Python => "Python is missing: sudo apt-get install python3",
        }
    }

    /// Our server.
    pub(crate) fn ours(&self) -> &OurServer {
        &self.ours
    }

    /// Another server of ours, with very many objects.
    pub(crate) fn crowded(&self) -> Result<&OurServer> {
        started(&self.crowded, || {
            let folder = self.folder.path().join("crowded");
            let server = OurServer::start(&folder, self.program.as_deref())?;
            scale::fill(server.unix())?;
            Ok(server)
        })
    }

    /// A folder on the disk that all use.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A Redis that writes nothing.
    pub(crate) fn redis(&self) -> Result<&Redis> {
        started(&self.redis, || {
            Redis::start(&self.folder.path().join("redis"), false)
        })
    }

    /// A Redis that syncs each write before its reply.
    pub(crate) fn redis_always(&self) -> Result<&Redis> {
        started(&self.redis_always, || {
            Redis::start(&self.folder.path().join("redis-always"), true)
        })
    }

    /// The socket of a process that echoes.
    pub(crate) fn echo(&self) -> Result<&Path> {
        let (_, socket) = started(&self.echo, || {
            let socket = self.folder.path().join("echo.sock");
            let mut command = Command::new(std::env::current_exe()?);
            let mut process = Process::start(command.arg(echo::CHILD).arg(&socket))?;
            process.wait_until(|| socket.exists())?;
            Ok((process, socket))
        })?;
        Ok(socket)
    }
}

fn started<T>(cell: &OnceCell<T>, start: impl FnOnce() -> Result<T>) -> Result<&T> {
    if let Some(there) = cell.get() {
        return Ok(there);
    }
    let new = start()?;
    Ok(cell.get_or_init(|| new))
}
