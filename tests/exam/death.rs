//! What a client holds ends with it: at once when its process dies, in order when it says goodbye.

use crate::support::{Home, Job, Serving, Task, Worker, beside, eventually, numbers_of};
use commonhold::Code;
use commonhold::blocking::{Barrier, Client};
use rustix::fd::OwnedFd;
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};
use std::fs;
use std::io;
use std::thread;
use std::time::Duration;

/// Far less than the grace of these servers: only the death itself tells them.
const SOON: Duration = Duration::from_secs(5);
const MINUTE: Duration = Duration::from_mins(1);

struct Scene {
    home: Home,
    _serving: Serving,
    ch: Client,
    barrier: Barrier,
}

impl Scene {
    fn new() -> Scene {
        let home = Home::new();
        let serving = home.serve(&["--store", "memory"]);
        let ch = home.connect();
        let barrier = ch.barrier("b", 2);
        Scene {
            home,
            _serving: serving,
            ch,
            barrier,
        }
    }

    /// A process that waits at the barrier.
    fn party(&self) -> Worker {
        // Nobody counts here.
        let tally = self.home.path().join("no tally");
        fs::write(&tally, [0; 8]).expect("a file");
        let worker = Worker::start(&Job {
            url: self.home.url(),
            key_file: self.home.key_file(),
            tally,
            slot: 0,
            task: Task::Arrive("b".to_owned(), 2),
        });
        self.wait_for_parties(1);
        worker
    }

    fn wait_for_parties(&self, count: u64) {
        let waiting = || self.barrier.n_waiting().expect("it answers") == count;
        eventually("so many parties wait", MINUTE, waiting);
    }

    fn wait_for_break(&self) {
        let broken = || self.barrier.broken().expect("it answers");
        eventually("the barrier breaks", SOON, broken);
        assert_eq!(self.barrier.n_waiting().expect("it answers"), 0);
    }
}

#[test]
fn a_party_whose_process_is_killed_breaks_the_barrier_at_once() {
    let _beside = beside();
    let scene = Scene::new();
    let mut party = scene.party();
    assert!(!scene.barrier.broken().expect("it answers"));
    party.kill();
    scene.wait_for_break();
    let refused = scene.barrier.wait(Some(MINUTE)).expect_err("it is broken");
    assert_eq!(refused.code(), Some(Code::Broken));
}

#[test]
fn a_death_is_seen_though_another_process_holds_the_socket() {
    let _beside = beside();
    let scene = Scene::new();
    let mut party = scene.party();
    // As a forked child would hold them.
    let copies = match sockets_of(party.pid()) {
        Ok(copies) => copies,
        Err(error) => {
            eprintln!("not examined: the kernel lends no sockets here: {error}");
            return;
        }
    };
    assert!(!copies.is_empty(), "a client has a socket");
    party.kill();
    scene.wait_for_break();
    drop(copies);
}

/// The sockets of another process.
fn sockets_of(pid: u32) -> io::Result<Vec<OwnedFd>> {
    let process = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let process = pidfd_open(process.expect("a process"), PidfdFlags::empty())?;
    let mut sockets = Vec::new();
    for entry in fs::read_dir(format!("/proc/{pid}/fd"))? {
        let entry = entry?;
        let target = fs::read_link(entry.path())?;
        if target.to_string_lossy().starts_with("socket:") {
            let fd = entry.file_name().to_string_lossy().parse();
            let fd = fd.expect("descriptors are numbers");
            sockets.push(pidfd_getfd(&process, fd, PidfdGetfdFlags::empty())?);
        }
    }
    Ok(sockets)
}

#[test]
fn a_party_that_says_goodbye_breaks_the_barrier_for_the_others() {
    let _beside = beside();
    let scene = Scene::new();
    let barrier = scene.ch.barrier("three", 3);
    let other = scene.home.connect();
    let leaver = scene.home.connect();
    let [sessions] = numbers_of(&scene.ch, ["sessions"]);
    let waits = |ch: &Client| {
        let barrier = ch.barrier("three", 3);
        thread::spawn(move || barrier.wait(Some(MINUTE)))
    };
    let (staying, going) = (waits(&other), waits(&leaver));
    let both = || barrier.n_waiting().expect("it answers") == 2;
    eventually("both wait", MINUTE, both);
    leaver.close();
    let told = staying.join().expect("it ends").expect_err("it broke");
    assert_eq!(told.code(), Some(Code::Broken));
    going.join().expect("it ends").expect_err("it was closed");
    let gone = || numbers_of(&scene.ch, ["sessions"]) == [sessions - 1];
    eventually("its session is forgotten", SOON, gone);
}
