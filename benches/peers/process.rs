//! Child processes that end with this one.

use anyhow::{Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How long a child has to end by itself, or to begin to serve.
const PATIENCE: Duration = Duration::from_secs(10);

/// A child process. Dropped, it is asked to end, and waited for.
pub(crate) struct Process(Child);

impl Process {
    /// Starts it. Its standard input is a pipe that closes when this process ends, however it does.
    pub(crate) fn start(command: &mut Command) -> Result<Process> {
        Ok(Process(command.stdin(Stdio::piped()).spawn()?))
    }

    /// Its number.
    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// Waits until it serves.
    pub(crate) fn wait_until(&mut self, mut serves: impl FnMut() -> bool) -> Result<()> {
        let until = Instant::now() + PATIENCE;
        while !serves() {
            if let Some(status) = self.0.try_wait()? {
                bail!("a child process ended: {status}");
            }
            if Instant::now() > until {
                bail!("a child process does not serve");
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Waits until it has ended by itself, and well.
    pub(crate) fn wait_until_ended(&mut self) -> Result<()> {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.0.try_wait()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => bail!("a child process ended: {status}"),
                None if Instant::now() > until => bail!("a child process does not end"),
                None => thread::sleep(Duration::from_millis(5)),
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let pid = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // If it has ended already, there is nobody to ask.
            let _ = kill_process(pid, Signal::TERM);
        }
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            if !matches!(self.0.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(Duration::from_millis(5));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// In a child: ends the process when its standard input does.
pub(crate) fn end_with_parent() {
    thread::spawn(|| {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        std::process::exit(0);
    });
}
