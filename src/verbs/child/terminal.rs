//! The terminal, lent to a command that wants it.

use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use nix::unistd::{Pid as AnyPid, getpgid, getppid, getsid};
use rustix::io::Result;
use rustix::process::{Pid, getpgrp};
use rustix::termios::{tcgetpgrp, tcsetpgrp};
use std::fs::{self, File};

/// The terminal that controls this process. It is lent to one group of processes at most, and taken back when this is
/// dropped: a script that goes on after this process reads from it.
pub(super) struct Terminal {
    file: File,
    borrower: Option<Pid>,
}

impl Terminal {
    /// The terminal of this process, if it has one.
    pub(super) fn of_this_process() -> Option<Terminal> {
        let file = File::open("/dev/tty").ok()?;
        Some(Terminal {
            file,
            borrower: None,
        })
    }

    /// Lends it to a group. False if it is not this process's to lend: others stand in the foreground.
    pub(super) fn lend(&mut self, group: Pid) -> bool {
        let lent = match tcgetpgrp(&self.file) {
            Ok(foreground) if foreground == group => true,
            Ok(foreground) if foreground == getpgrp() => tcsetpgrp(&self.file, group).is_ok(),
            _ => false,
        };
        if lent {
            self.borrower = Some(group);
        }
        lent
    }

    /// Takes it back from whom it was lent to. True if they still had it.
    pub(super) fn take_back(&mut self) -> bool {
        let Some(borrower) = self.borrower.take() else {
            return false;
        };
        tcgetpgrp(&self.file) == Ok(borrower)
            && from_the_background(|| tcsetpgrp(&self.file, getpgrp())).is_ok()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.take_back();
    }
}

/// Who touches the terminal from the background is stopped, unless it blocks the signal that says so.
fn from_the_background(act: impl FnOnce() -> Result<()>) -> Result<()> {
    let mut stopping = SigSet::empty();
    stopping.add(Signal::SIGTTOU);
    let before = stopping.thread_swap_mask(SigmaskHow::SIG_BLOCK);
    let done = act();
    if let Ok(before) = before {
        // What could be set can be set back.
        let _ = before.thread_set_mask();
    }
    done
}

/// Is there a shell that would let the group of this process go on if it stopped? The kernel asks the same of a group
/// before a terminal's Ctrl-Z stops it.
///
/// Processes outside of the PID namespace of this one all have the number 0 (`pid_namespaces(7)`), so nothing can be told of a
/// session that one of them leads: nobody is trusted to let the group go on.
pub(super) fn is_watched() -> bool {
    let outside = AnyPid::from_raw(0);
    let (Ok(session), Ok(group)) = (getsid(None), getpgid(None)) else {
        return false;
    };
    if session == outside {
        return false;
    }
    let mut parent = getppid();
    while parent != outside {
        if getsid(Some(parent)) != Ok(session) {
            return false;
        }
        if getpgid(Some(parent)) != Ok(group) {
            return true;
        }
        let Some(next) = parent_of(parent) else {
            return false;
        };
        parent = next;
    }
    false
}

fn parent_of(process: AnyPid) -> Option<AnyPid> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("PPid:"))?;
    line.trim().parse().ok().map(AnyPid::from_raw)
}
