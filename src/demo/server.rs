//! The demo's own server: a child process on a temporary folder, which can be stopped, killed and started again.

use crate::failure::{Exit, Failure};
use crate::own;
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use std::io::{self, BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// A server that only this demo knows.
pub(super) struct PrivateServer {
    folder: PathBuf,
    child: Child,
    /// Open for as long as the server may write to it.
    stdout: BufReader<ChildStdout>,
}

impl PrivateServer {
    /// Starts a server in a folder.
    pub(super) fn start(folder: &Path) -> Result<PrivateServer, Failure> {
        let (child, stdout) = spawn(folder)?;
        Ok(PrivateServer {
            folder: folder.to_owned(),
            child,
            stdout,
        })
    }

    /// Its address.
    pub(super) fn url(&self) -> String {
        url(&self.folder)
    }

    /// The file with its key.
    pub(super) fn key_file(&self) -> PathBuf {
        key_file(&self.folder)
    }

    /// Nothing but this demo may end it.
    pub(super) fn must_run(&mut self) -> Result<(), Failure> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(ended)) => Err(Failure::new(
                Exit::ServerFailed,
                format!("the server ended by itself: {ended}"),
            )),
            Err(error) => Err(Failure::system("cannot ask for the server", &error)),
        }
    }

    /// Stops it: it exists, but does nothing any more. Returns once that is so.
    pub(super) fn stop(&self) -> Result<(), Failure> {
        let stop = || {
            let pid = Pid::from_child(&self.child);
            kill_process(pid, Signal::STOP)?;
            waitpid(Some(pid), WaitOptions::UNTRACED)
        };
        match stop() {
            Ok(Some((_, status))) if status.stopped() => Ok(()),
            Ok(_) => Err(Failure::new(
                Exit::ServerFailed,
                "the server ended before it was killed",
            )),
            Err(error) => Err(Failure::system("cannot stop the server", &error.into())),
        }
    }

    /// Kills it without a chance to do anything about it, and starts another one on what it left. Tells how long that
    /// took.
    pub(super) fn kill_and_restart(&mut self) -> Result<Duration, Failure> {
        let killed = self.child.kill().and_then(|()| self.child.wait());
        killed.map_err(|error| Failure::system("cannot kill the server", &error))?;
        let begun = Instant::now();
        let (child, stdout) = spawn(&self.folder)?;
        self.child = child;
        self.stdout = stdout;
        Ok(begun.elapsed())
    }

    /// Ends it in order.
    pub(super) fn end(mut self) -> Result<(), Failure> {
        // Closes its stdin first, which is what it waits for.
        match self.child.wait() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(Failure::new(
                Exit::ServerFailed,
                format!("the server ended with {status}"),
            )),
            Err(error) => Err(Failure::system("cannot end the server", &error)),
        }
    }
}

impl Drop for PrivateServer {
    fn drop(&mut self) {
        // It has ended already, but for a demo that fails on its way.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// This command again.
pub(super) fn myself(verb: &str) -> Result<Command, Failure> {
    let mut command =
        own::command().map_err(|error| Failure::system("cannot find this command", &error))?;
    command.arg(verb);
    for (name, _) in std::env::vars_os() {
        // What is meant for the user's own server is not meant for this one.
        if name.to_string_lossy().starts_with("COMMONHOLD_") || name == "NOTIFY_SOCKET" {
            command.env_remove(name);
        }
    }
    Ok(command)
}

fn url(folder: &Path) -> String {
    format!("unix://{}", folder.join("socket").display())
}

fn key_file(folder: &Path) -> PathBuf {
    folder.join("authkey")
}

/// Starts a server and waits until it is ready.
fn spawn(folder: &Path) -> Result<(Child, BufReader<ChildStdout>), Failure> {
    let cannot = |error: &io::Error| Failure::system("cannot start the server", error);
    let mut child = myself("serve")?
        .arg("--data")
        .arg(folder.join("data"))
        .args([
            "--store",
            "sled",
            "--log-format",
            "text",
            "--until-stdin-closes",
            "--listen",
        ])
        .arg(url(folder))
        .arg("--key-file")
        .arg(key_file(folder))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| cannot(&error))?;
    let mut stdout = BufReader::new(child.stdout.take().expect("it was asked for"));
    let mut line = String::new();
    while !line.starts_with("ready in ") {
        line.clear();
        let read = stdout
            .read_line(&mut line)
            .map_err(|error| cannot(&error))?;
        if read == 0 {
            let ended = child.wait().map_err(|error| cannot(&error))?;
            return Err(Failure::new(
                Exit::ServerFailed,
                format!("the server did not start: {ended}"),
            ));
        }
    }
    Ok((child, stdout))
}
