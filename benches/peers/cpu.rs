//! Processor time that a process took: what tells two builds apart even on a busy machine.

use std::fs;

/// Ticks of the kernel's accounting in one second, on every Linux that Rust runs on.
const TICKS_A_SECOND: f64 = 100.0;

/// Seconds that all threads of a process spent on processors so far.
pub(crate) fn seconds(pid: u32) -> Option<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in brackets, which may hold anything; the third follows the last bracket.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / TICKS_A_SECOND)
}
