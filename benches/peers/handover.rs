//! A lock that two processes compete for: how long after one gives it back the other has it.

use crate::lab::Lab;
use crate::process::{Process, end_with_parent};
use anyhow::{Context as _, Result, ensure};
use commonhold::{Durability, Options};
use rustix::time::{ClockId, clock_gettime};
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// The argument of the child that competes.
pub(crate) const CHILD: &str = "child-locker";
const LOCK: &str = "bench-lock-contended";
/// Hand-overs without which a sample tells nothing.
const LEAST: usize = 20;
/// How long the child has to start.
const HEAD_START: Duration = Duration::from_millis(200);

/// One grant. Times are nanoseconds of the machine's one monotonic clock.
struct Grant {
    token: u64,
    /// Just before it was asked for.
    asked: u64,
    /// Just after the answer had come.
    granted: u64,
    /// Just before the call that gave it back.
    released: u64,
    mine: bool,
}

/// Microseconds from the release of one process to the grant of the other, the median of those that were waited for.
pub(crate) fn micros(lab: &Lab, durability: Durability, time: Duration) -> Result<f64> {
    let file = lab.folder().join("grants");
    let until = now() + nanoseconds(HEAD_START + time);
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args([CHILD, durability.name(), &until.to_string()])
        .args([&lab.ours().socket(), &lab.ours().key_file(), &file]);
    let mut child = Process::start(&mut command)?;
    let mut grants = compete(lab.ours().unix(), durability, until)?;
    child.wait_until_ended()?;
    for line in std::fs::read_to_string(&file)?.lines() {
        let mut numbers = line.split(' ').map(str::parse);
        let mut number = || numbers.next().context("a number is missing");
        grants.push(Grant {
            token: number()??,
            asked: number()??,
            granted: number()??,
            released: number()??,
            mine: false,
        });
    }
    std::fs::remove_file(file)?;
    grants.sort_by_key(|grant| grant.token);
    let pairs = grants.windows(2).filter_map(|pair| {
        let [before, after] = pair else { return None };
        // It changed hands, and was waited for.
        let counts = before.mine != after.mine && after.asked < before.released;
        counts.then(|| after.granted.saturating_sub(before.released))
    });
    let mut waits: Vec<u64> = pairs.collect();
    ensure!(
        waits.len() >= LEAST,
        "the lock changed hands {} times in {} grants",
        waits.len(),
        grants.len()
    );
    waits.sort_unstable();
    Ok(Duration::from_nanos(waits[waits.len() / 2]).as_secs_f64() * 1e6)
}

/// In the child: competes, and writes down how it went.
pub(crate) fn serve(mut arguments: impl Iterator<Item = String>) -> Result<()> {
    end_with_parent();
    let mut next = || arguments.next().context("an argument is missing");
    let durability = Durability::from_name(&next()?).context("a durability")?;
    let until = next()?.parse()?;
    let (socket, key_file, file) = (next()?, next()?, next()?);
    let options = Options::new()
        .url(format!("unix://{socket}"))
        .key_file(key_file);
    let mut text = String::new();
    for grant in compete(options, durability, until)? {
        writeln!(
            text,
            "{} {} {} {}",
            grant.token, grant.asked, grant.granted, grant.released
        )?;
    }
    std::fs::write(Path::new(&file), text)?;
    Ok(())
}

/// Takes the lock and gives it back, over and over.
fn compete(options: Options, durability: Durability, until: u64) -> Result<Vec<Grant>> {
    let client = options.connect_blocking()?;
    let lock = client.lock(&format!("{LOCK}-{}", durability.name()));
    let lock = lock.durability(durability);
    let mut grants = Vec::new();
    loop {
        let asked = now();
        if asked >= until {
            return Ok(grants);
        }
        let guard = lock.acquire().call()?;
        let granted = now();
        let token = guard.token().0;
        let released = now();
        guard.release()?;
        grants.push(Grant {
            token,
            asked,
            granted,
            released,
            mine: true,
        });
    }
}

fn now() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let part = |number: i64| u64::try_from(number).unwrap_or_default();
    part(now.tv_sec) * 1_000_000_000 + part(now.tv_nsec)
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
