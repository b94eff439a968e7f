//! A private Redis, measured by its own `redis-benchmark`.

use crate::echo::per_step;
use crate::process::Process;
use anyhow::{Context as _, Result, bail, ensure};
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

/// A Redis server on a Unix socket and a TCP port of its own.
pub(crate) struct Redis {
    socket: PathBuf,
    port: u16,
    /// Operations a second that were seen, by command line: how many make a sample of the wished length.
    rates: Mutex<Vec<(String, f64)>>,
    _process: Process,
}

/// What is done one after another over one blocking socket.
#[derive(Clone, Copy)]
pub(crate) enum Chore {
    /// Puts an item into a list and gets it.
    PutGet,
    /// Puts an item into a list, moves it to another and deletes it there: a queue whose items survive who took them.
    TakeAck,
}

impl Chore {
    /// Its commands, and what each is answered.
    fn commands(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Chore::PutGet => &[
                ("LPUSH bench-queue 1\r\n", ":1\r\n"),
                (
                    "BRPOP bench-queue 0\r\n",
                    "*2\r\n$11\r\nbench-queue\r\n$1\r\n1\r\n",
                ),
            ],
            Chore::TakeAck => &[
                ("LPUSH bench-queue 1\r\n", ":1\r\n"),
                (
                    "BLMOVE bench-queue bench-taken RIGHT LEFT 0\r\n",
                    "$1\r\n1\r\n",
                ),
                ("LREM bench-taken 1 1\r\n", ":1\r\n"),
            ],
        }
    }
}

/// Is it installed?
pub(crate) fn version() -> Option<String> {
    let output = Command::new("redis-server")
        .arg("--version")
        .output()
        .ok()?;
    Command::new("redis-benchmark")
        .arg("--version")
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let version = text
        .split_whitespace()
        .find(|word| word.starts_with("v="))?;
    Some(version.trim_start_matches("v=").to_owned())
}

impl Redis {
    /// Starts one. `always`: each write is synced before its reply; otherwise nothing is written at all.
    pub(crate) fn start(folder: &Path, always: bool) -> Result<Redis> {
        std::fs::create_dir_all(folder)?;
        let socket = folder.join("redis.sock");
        // Free a moment ago: Redis has no port that it picks itself.
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut command = Command::new("redis-server");
        command
            .arg("--unixsocket")
            .arg(&socket)
            .args(["--bind", "127.0.0.1", "--port", &port.to_string()])
            .arg("--dir")
            .arg(folder)
            .args(["--save", "", "--daemonize", "no"])
            .args(["--appendonly", if always { "yes" } else { "no" }])
            .args(["--appendfsync", "always"])
            .stdout(Stdio::null());
        let mut process = Process::start(&mut command)?;
        process.wait_until(|| UnixStream::connect(&socket).is_ok())?;
        Ok(Redis {
            socket,
            port,
            rates: Mutex::default(),
            _process: process,
        })
    }

    /// Operations a second of one test of `redis-benchmark` over the Unix socket.
    pub(crate) fn unix(
        &self,
        test: &str,
        clients: u32,
        pipeline: u32,
        time: Duration,
    ) -> Result<f64> {
        let socket = self.socket.display().to_string();
        self.benchmark(&["-s", &socket], test, clients, pipeline, time)
    }

    /// The same over TCP.
    pub(crate) fn tcp(
        &self,
        test: &str,
        clients: u32,
        pipeline: u32,
        time: Duration,
    ) -> Result<f64> {
        let port = self.port.to_string();
        self.benchmark(&["-p", &port], test, clients, pipeline, time)
    }

    /// Microseconds of one chore.
    pub(crate) fn micros(&self, chore: Chore, time: Duration) -> Result<f64> {
        let mut stream = UnixStream::connect(&self.socket)?;
        let mut answer = [0; 64];
        per_step(time, || {
            for (command, expected) in chore.commands() {
                stream.write_all(command.as_bytes())?;
                let answer = &mut answer[..expected.len()];
                stream.read_exact(answer)?;
                ensure!(answer == expected.as_bytes(), "redis said {answer:?}");
            }
            Ok(())
        })
    }

    fn benchmark(
        &self,
        place: &[&str],
        test: &str,
        clients: u32,
        pipeline: u32,
        time: Duration,
    ) -> Result<f64> {
        let name = format!("{} {test} {clients} {pipeline}", place[0]);
        let mut rates = self.rates.lock().expect("no sample panics");
        let known = rates.iter_mut().find(|(known, _)| *known == name);
        let expected = known.as_ref().map_or(10_000.0, |(_, rate)| *rate);
        let count = (expected * time.as_secs_f64()).max(1_000.0).round();
        let output = Command::new("redis-benchmark")
            .args(place)
            .args(["-t", test, "--csv"])
            .args(["-n", &count.to_string()])
            .args(["-c", &clients.to_string()])
            .args(["-P", &pipeline.to_string()])
            .output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        let Some(rate) = rate(&text) else {
            bail!("redis-benchmark said {text}");
        };
        match known {
            Some((_, known)) => *known = rate,
            None => {
                rates.push((name, rate));
                drop(rates);
                // The first count was a guess.
                return self.benchmark(place, test, clients, pipeline, time);
            }
        }
        Ok(rate)
    }
}

/// Reads `"INCR","1234.50",...` below its line of headings.
fn rate(csv: &str) -> Option<f64> {
    let line = csv.lines().nth(1)?;
    let field = line.split(',').nth(1)?;
    field.trim_matches('"').parse().context("a rate").ok()
}
