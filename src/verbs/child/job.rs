//! A command and all that it starts: a group of processes of their own, as a shell makes one of a job.
//!
//! Whoever shares a group with its neighbours, as `timeout` and `flock` do, either reaches a script's inner commands only
//! by luck or stops the script around it too. A group of its own has neither fault, but stands in the background: a
//! terminal's Ctrl-C does not reach it, and it is stopped as soon as it reads. So every signal is passed on, and the
//! terminal is lent to the group when it asks for it, not before: `lock run ... | less` leaves it to `less`.

use super::terminal::{Terminal, is_watched};
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, kill_current_process_group, kill_process_group,
    test_kill_process_group, waitid,
};

/// A running command with all that it started. What left the group by itself is not reached.
pub(super) struct Job {
    /// The command's process, whose number the group has.
    group: Pid,
    terminal: Option<Terminal>,
    /// Did it ask for the terminal?
    is_interactive: bool,
}

impl Job {
    pub(super) fn new(group: Pid, terminal: Option<Terminal>) -> Job {
        Job {
            group,
            terminal,
            is_interactive: false,
        }
    }

    /// Sends a signal to all of it. Who has ended takes no harm.
    pub(super) fn send(&self, signal: Signal) {
        let _ = kill_process_group(self.group, signal);
    }

    /// Is nothing of it left? Asked after the command was waited for: the number is not given to others as long as one of
    /// the group lives.
    pub(super) fn is_over(&self) -> bool {
        test_kill_process_group(self.group).is_err()
    }

    /// Does what is to be done about a signal that this process got.
    pub(super) fn heard(&mut self, signal: Signal) {
        match signal {
            Signal::CHILD => self.look(),
            Signal::CONT => {
                // A shell has brought it to the foreground again, or lets it go on in the background.
                if self.is_interactive {
                    self.lend();
                }
                self.send(Signal::CONT);
            }
            // Nobody could let it go on: the kernel would ignore it too.
            Signal::TSTP if !is_watched() => {}
            // Who minds to stop does so, and then this process does; who does not mind goes on under its lock.
            signal => self.send(signal),
        }
    }

    /// Has the command stopped, and what for?
    fn look(&mut self) {
        let options = WaitIdOptions::STOPPED | WaitIdOptions::NOHANG;
        let Ok(Some(status)) = waitid(WaitId::Pid(self.group), options) else {
            return;
        };
        let Some(signal) = status.stopping_signal() else {
            return;
        };
        let wants_terminal = [Signal::TTIN, Signal::TTOU]
            .iter()
            .any(|wants| wants.as_raw() == signal);
        if wants_terminal {
            self.is_interactive = true;
            if self.lend() {
                return self.send(Signal::CONT);
            }
        }
        let had_it = self.terminal.as_mut().is_some_and(Terminal::take_back);
        // Who else stopped it lets it go on.
        if !wants_terminal && !had_it && signal != Signal::TSTP.as_raw() {
            return;
        }
        if is_watched() {
            // All of the group that this process is in, as the terminal does it: a script around it too.
            let _ = kill_current_process_group(Signal::STOP);
        } else {
            // Nobody could let it go on. It is told as the kernel tells who is left behind.
            if wants_terminal {
                self.send(Signal::HUP);
            } else if had_it {
                self.lend();
            }
            self.send(Signal::CONT);
        }
    }

    fn lend(&mut self) -> bool {
        let group = self.group;
        self.terminal
            .as_mut()
            .is_some_and(|terminal| terminal.lend(group))
    }
}
