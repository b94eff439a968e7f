//! A home of its own for the command: nothing of the user's is read or written.

use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};

/// A home folder, and servers in it.
pub(crate) struct Home {
    folder: tempfile::TempDir,
}

/// A server that is ended when dropped.
pub(crate) struct Serving {
    child: Child,
    /// What it printed until it was ready.
    pub(crate) banner: Vec<String>,
    /// Open for as long as the server writes to it.
    _stdout: BufReader<ChildStdout>,
}

/// What a command did.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Done {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Home {
    pub(crate) fn new() -> Home {
        Home {
            folder: tempfile::tempdir().expect("a temporary folder"),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.path().join(".local/share/commonhold/commonhold.sock")
    }

    /// The command, with nothing in its environment but this home.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_commonhold"));
        command
            .env_clear()
            .env("HOME", self.path())
            .current_dir(self.path())
            .stdin(Stdio::null())
            .args(arguments);
        command
    }

    /// Runs the command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Done {
        Done::of(self.command(arguments).output().expect("it runs"))
    }

    /// Starts a server where clients look for one; its port is a free one.
    pub(crate) fn serve(&self, more: &[&str]) -> Serving {
        let socket = format!("unix://{}", self.socket().display());
        let mut arguments = vec![
            "serve",
            "--listen",
            &socket,
            "--listen",
            "tcp://127.0.0.1:0",
        ];
        arguments.extend(more);
        Serving::start(&mut self.command(&arguments))
    }

    /// Runs a line as a shell would (without quotes) and checks what it prints and its exit code.
    #[track_caller]
    pub(crate) fn check(&self, line: &str, stdout: &str, stderr: &str, code: i32) {
        let arguments: Vec<&str> = line.split_whitespace().collect();
        let done = self.run(&arguments);
        let expected = Done {
            code: Some(code),
            stdout: stdout.to_owned(),
            stderr: stderr.to_owned(),
        };
        assert_eq!(done, expected, "commonhold {line}");
    }

    /// As [`Home::check`], for a command that prints one line and exits with 0.
    #[track_caller]
    pub(crate) fn says(&self, line: &str, stdout: &str) {
        self.check(line, &format!("{stdout}\n"), "", 0);
    }
}

impl Done {
    pub(crate) fn of(output: Output) -> Done {
        Done {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("text"),
            stderr: String::from_utf8(output.stderr).expect("text"),
        }
    }
}

impl Serving {
    /// Starts a server and waits until it says that it is ready.
    pub(crate) fn start(command: &mut Command) -> Serving {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut banner = Vec::new();
        loop {
            let mut line = String::new();
            let read = stdout.read_line(&mut line).expect("text");
            assert!(read > 0, "the server ended: {banner:?}, {:?}", child.wait());
            banner.push(line.trim_end().to_owned());
            if line.starts_with("ready in ") {
                break;
            }
        }
        Serving {
            child,
            banner,
            _stdout: stdout,
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The address that the banner names.
    pub(crate) fn tcp(&self) -> &str {
        let tcp = |line: &String| line.trim_start().starts_with("listen  tcp://");
        let line = self
            .banner
            .iter()
            .find(|line| tcp(line))
            .expect("it listens");
        line.trim_start().trim_start_matches("listen  ")
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it was not waited for");
    }

    /// Sends a signal and waits for the end.
    pub(crate) fn end(mut self, signal: Signal) -> ExitStatus {
        self.signal(signal);
        self.child.wait().expect("it ends")
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
