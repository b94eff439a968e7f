//! A lock whose holder's process ends goes to the next: at once over a Unix socket, after the grace over TCP.

use super::Part;
use crate::support::{
    Answer, Home, Job, Notes, Report, Serving, Tally, Task, Worker, alone, counts, eventually,
    nanoseconds,
};
use commonhold::Error;
use commonhold::blocking::Client;
use rustix::net::{SocketAddrUnix, getpeername};
use rustix::process::{
    Pid, PidfdFlags, PidfdGetfdFlags, Signal, kill_process, pidfd_getfd, pidfd_open,
    test_kill_process,
};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::mem;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

const MINUTE: Duration = Duration::from_mins(1);
/// The median from the kill of a holder to the next grant, over a Unix socket.
const AT_ONCE_MS: f64 = 50.0;
/// Of the server of these exams, so that its end over TCP is soon.
const GRACE: Duration = Duration::from_millis(500);
/// How much later than the grace a lock may be free.
const SLACK: Duration = Duration::from_millis(500);

/// How a process holds the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Holder {
    Alone,
    /// A child process has the socket of the connection as well, as a forked one would.
    WithChild,
}

impl Holder {
    /// Notes when it held the lock, with the number of its child, and then the moment before it closed its client.
    pub(super) fn play(self, job: &Job) -> Result<Answer, Error> {
        let ch = job.options().connect_blocking()?;
        let mut notes = Notes::create(&job.tally, job.slot);
        let guard = ch.lock("gpu").acquire().note("half done").call()?;
        let child = match self {
            Holder::Alone => 0,
            Holder::WithChild => heir(&job.url).expect("a child with the socket"),
        };
        notes.add([nanoseconds(), child.into(), 0, 0]);
        let slot = job.slot();
        while !slot.is_over() {
            thread::sleep(Duration::from_millis(1));
        }
        // It is the end of the client that gives back what is held.
        mem::forget(guard);
        notes.add([nanoseconds(), 0, 0, 0]);
        ch.close();
        Ok(Answer::Numbers(Vec::new()))
    }
}

/// Starts a process that has this one's connection to the server as its input, and does nothing with it. Gives its
/// number.
fn heir(url: &str) -> io::Result<u32> {
    let own = pidfd_open(rustix::process::getpid(), PidfdFlags::empty())?;
    let server = url.strip_prefix("unix://").expect("a Unix socket");
    for entry in fs::read_dir("/proc/self/fd")? {
        let fd = entry?.file_name().to_string_lossy().parse();
        let fd = fd.expect("descriptors are numbers");
        // The one that reads this folder is gone when it is looked at.
        let Ok(copy) = pidfd_getfd(&own, fd, PidfdGetfdFlags::empty()) else {
            continue;
        };
        let peer = getpeername(&copy).ok().flatten();
        let peer = peer.and_then(|peer| SocketAddrUnix::try_from(peer).ok());
        let path = peer.as_ref().and_then(SocketAddrUnix::path);
        if path.is_some_and(|path| path.to_bytes() == server.as_bytes()) {
            let child = Command::new("sleep")
                .arg("60")
                .stdin(Stdio::from(copy))
                .stdout(Stdio::null())
                .spawn()?;
            return Ok(child.id());
        }
    }
    Err(io::ErrorKind::NotFound.into())
}

/// A server, and who waits for the lock.
struct Scene {
    home: Home,
    _serving: Serving,
    ch: Client,
    url: String,
}

/// What the next holder was given.
struct Handover {
    /// From the end of the one before to the grant, in milliseconds.
    after_ms: f64,
    died: bool,
    note: Option<String>,
}

/// How a holder ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Killed,
    Closes,
}

impl Scene {
    fn new(over_tcp: bool) -> Scene {
        let home = Home::with_times(GRACE, 20 * GRACE);
        let serving = home.serve(&[]);
        let url = if over_tcp {
            format!("tcp://{}", serving.tcp)
        } else {
            home.url()
        };
        Scene {
            ch: home.connect(),
            url,
            home,
            _serving: serving,
        }
    }

    /// A process holds the lock and ends while this one waits for it.
    fn round(&self, number: u64, holder: Holder, end: End) -> Handover {
        let tally = Tally::create(self.home.path().join(format!("tally-{number}")), 1);
        let mut worker = Worker::start(&Job {
            url: self.url.clone(),
            key_file: self.home.key_file(),
            tally: tally.path().to_owned(),
            slot: 0,
            task: Task::Lock(Part::Hold(holder)),
        });
        let noted = || Notes::read(tally.path(), 0);
        eventually("it is held", MINUTE, || noted().len() == 1);
        let child = Child::of(noted()[0][1]);
        let next = self.home.connect();
        let waiting = thread::spawn(move || {
            let guard = next.lock("gpu").acquire().wait(MINUTE).call();
            let guard = guard.expect("it is granted");
            let at = nanoseconds();
            let died = guard.previous_owner_died();
            let note = guard.previous_note().map(str::to_owned);
            guard.release().expect("it is given back");
            (at, died, note)
        });
        let is_waited_for = || {
            let who = self.ch.server().who("gpu").expect("it answers");
            assert_eq!(who.holders[0].pid, worker.pid());
            who.waiting_count == 1
        };
        eventually("somebody waits", MINUTE, is_waited_for);
        let ended = if end == End::Killed {
            let now = nanoseconds();
            worker.kill();
            now
        } else {
            tally.end_at(0);
            worker.finish();
            noted()[1][0]
        };
        let (at, died, note) = waiting.join().expect("it ends");
        if let Some(child) = child {
            child.end();
        }
        #[expect(clippy::cast_precision_loss, reason = "milliseconds")]
        let after_ms = at.checked_sub(ended).expect("nobody else had it before") as f64 / 1e6;
        Handover {
            after_ms,
            died,
            note,
        }
    }
}

/// A holder's child.
struct Child(Pid);

impl Child {
    fn of(number: u64) -> Option<Child> {
        let number = i32::try_from(number).expect("a process");
        Pid::from_raw(number).map(Child)
    }

    /// It must have lived until now.
    fn end(self) {
        test_kill_process(self.0).expect("it outlives its parent");
        kill_process(self.0, Signal::KILL).expect("it lives");
    }
}

fn examine(promise: &'static str, over_tcp: bool, holder: Holder, end: End) -> (Report, Vec<f64>) {
    let mut report = Report::of(promise);
    let scene = Scene::new(over_tcp);
    let rounds = counts(5, 100);
    let mut times = Vec::new();
    for number in 0..rounds {
        let handover = scene.round(number, holder, end);
        report.expect(handover.died == (end == End::Killed), || {
            format!("round {number}: died: {}", handover.died)
        });
        let note = (end == End::Killed).then_some("half done");
        report.expect(handover.note.as_deref() == note, || {
            format!("round {number}: the note is {:?}", handover.note)
        });
        times.push(handover.after_ms);
    }
    times.sort_by(f64::total_cmp);
    report.figure("rounds", rounds);
    report.figure("first_ms", times[0]);
    report.figure("median_ms", median(&times));
    report.figure("last_ms", times[times.len() - 1]);
    (report, times)
}

/// Of times in order.
fn median(times: &[f64]) -> f64 {
    times[times.len() / 2]
}

fn examine_at_once(promise: &'static str, over_tcp: bool, holder: Holder, end: End) {
    let _alone = alone();
    let (mut report, times) = examine(promise, over_tcp, holder, end);
    report.expect(median(&times) < AT_ONCE_MS, || {
        format!("the median is {:.1} ms", median(&times))
    });
    report.end();
}

#[test]
fn a_killed_holder_frees_its_lock_at_once() {
    examine_at_once("locks: kill", false, Holder::Alone, End::Killed);
}

#[test]
fn a_killed_holder_frees_its_lock_though_a_child_has_its_socket() {
    let own = pidfd_open(rustix::process::getpid(), PidfdFlags::empty());
    if let Err(error) = own.and_then(|own| pidfd_getfd(&own, 0, PidfdGetfdFlags::empty())) {
        eprintln!("not examined: the kernel copies no descriptors here: {error}");
        return;
    }
    let promise = "locks: kill, a child lives";
    examine_at_once(promise, false, Holder::WithChild, End::Killed);
}

#[test]
fn a_client_that_closes_frees_its_lock_at_once() {
    examine_at_once("locks: close", false, Holder::Alone, End::Closes);
    examine_at_once("locks: close over TCP", true, Holder::Alone, End::Closes);
}

#[test]
fn a_killed_holder_frees_its_lock_after_the_grace_over_tcp() {
    let _alone = alone();
    let promise = "locks: kill over TCP";
    let (mut report, times) = examine(promise, true, Holder::Alone, End::Killed);
    let grace = GRACE.as_secs_f64() * 1e3;
    let latest = (GRACE + SLACK).as_secs_f64() * 1e3;
    report.figure("grace_ms", grace);
    for after in times {
        report.expect(grace <= after && after <= latest, || {
            format!("after {after:.1} ms, not within {grace} to {latest}")
        });
    }
    report.end();
}
