//! A blocking client that goes over a fork. It is this program, started for one test alone, that forks: no thread of another
//! test does anything, whose locks would stay locked in the child.

use crate::anonymous::{anonymous, comes_to, watcher};
use crate::server::TestServer;
use commonhold::blocking::{Client, List};
use commonhold::{Code, Options, Result, Value};
use fork::{Fork, fork};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use std::io::{PipeReader, PipeWriter, Read as _, Write as _, pipe};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Command, exit};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

/// Names the server to the program that forks, and where its key is.
const PLACE: &str = "COMMONHOLD_TEST_FORK";
const KEY: &str = "COMMONHOLD_TEST_FORK_KEY";

/// Runs a test of this program alone, as a client of this server.
fn run(program: &str, server: &TestServer) -> String {
    let key_file = server.key_file();
    let program = Command::new(env::current_exe().expect("this program"))
        .args(["--exact", &format!("forks::{program}")])
        .args(["--nocapture", "--test-threads=1"])
        .env(PLACE, format!("unix://{}", server.socket().display()))
        .env(KEY, key_file)
        .output()
        .expect("it starts");
    let said = [program.stdout, program.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(program.status.success(), "{said}");
    said
}

/// How to connect, for a test that [`run`] has started.
fn told() -> Option<Options> {
    let (place, key) = (env::var(PLACE).ok()?, env::var(KEY).ok()?);
    Some(Options::new().url(place).key_file(key))
}

#[test]
fn a_forked_child_holds_and_drops_nothing_of_its_parents() {
    let server = TestServer::start();
    let said = run("the_program_that_forks", &server);
    assert!(said.contains("both have ended"), "{said}");
    comes_to(&watcher(&server), 0);
}

/// What the other threads of the parent have locked at the fork stays locked in the child.
#[test]
fn a_child_that_is_forked_beside_calls_does_not_hang() {
    let server = TestServer::start();
    let said = run("the_program_that_forks_beside_calls", &server);
    assert!(said.contains("all have ended"), "{said}");
}

/// Ends at once unless the test above starts it.
#[test]
fn the_program_that_forks_beside_calls() -> Result<()> {
    let Some(options) = told() else {
        return Ok(());
    };
    let ch = options.connect_blocking()?;
    let (ended, counted) = (AtomicBool::new(false), ch.counter("parents"));
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !ended.load(Ordering::Relaxed) {
                    counted.increment(1).call().expect("the server is there");
                }
            });
        }
        let forked = catch_unwind(AssertUnwindSafe(|| {
            for _ in 0..150 {
                fork_once(&ch);
            }
        }));
        ended.store(true, Ordering::Relaxed);
        forked.expect("all children end");
    });
    assert_eq!(ch.counter("childrens").get()?, 150);
    println!("all have ended");
    Ok(())
}

/// Forks a child that calls, and kills it if it hangs.
fn fork_once(ch: &Client) {
    let Fork::Parent(child) = fork().expect("a process") else {
        let counted = ch.counter("childrens").increment(1).call();
        exit(i32::from(counted.is_err()));
    };
    let child = Pid::from_raw(child).expect("a process has a number");
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let ended = waitpid(Some(child), WaitOptions::NOHANG).expect("it is a child");
        if let Some((_, status)) = ended {
            assert_eq!(status.exit_status(), Some(0));
            return;
        }
        if Instant::now() > until {
            kill_process(child, Signal::KILL).expect("it is there");
            panic!("a child hangs");
        }
        thread::sleep(Duration::from_millis(1));
    }
}

/// Ends at once unless the test above starts it.
#[test]
fn the_program_that_forks() -> Result<()> {
    let Some(options) = told() else {
        return Ok(());
    };
    let threads = fs::read_dir("/proc/self/task").expect("this is Linux");
    assert!(threads.count() <= 2, "one runs the test, one waits for it");
    let (ch, other) = (
        options.clone().connect_blocking()?,
        options.connect_blocking()?,
    );
    let outer = ch.anonymous().list::<Value>().create()?;
    let list = ch.anonymous().list::<i64>().create()?;
    list.append(1)?;
    outer.append(list.reference())?;
    // A reference that nobody made a proxy of, and a proxy that is the only one.
    let found = outer.get(0)?.expect("the list");
    outer.clear()?;
    let (mut told, mut tell_child) = pipe().expect("a pipe");
    let (mut hear_child, mut tell) = pipe().expect("a pipe");
    let Fork::Parent(child) = fork().expect("a process") else {
        drop((tell_child, hear_child));
        let done = catch_unwind(AssertUnwindSafe(|| {
            in_child(&ch, (outer, list), &found, (&mut told, &mut tell))
        }));
        exit(i32::from(!matches!(done, Ok(Ok(())))));
    };
    drop((told, tell));
    hear(&mut hear_child);
    assert_eq!(anonymous(&other), 2, "the child dropped its copies");
    assert_eq!(list.copy()?, [1, 2], "the child called them before");
    drop(list);
    assert_eq!(anonymous(&other), 2, "the reference is the parent's yet");
    ch.forget(&found);
    assert_eq!(anonymous(&other), 1, "the child keeps nothing");
    say(&mut tell_child);
    let child = Pid::from_raw(child).expect("a process has a number");
    let ended = waitpid(Some(child), WaitOptions::empty()).expect("it is a child");
    let (_, status) = ended.expect("it was waited for");
    assert_eq!(status.exit_status(), Some(0));
    assert_eq!(outer.len()?, 0);
    assert_eq!(anonymous(&other), 1, "the end of the child dropped nothing");
    println!("both have ended");
    Ok(())
}

fn in_child(
    ch: &Client,
    (outer, list): (List<Value>, List<i64>),
    found: &Value,
    (told, tell): (&mut PipeReader, &mut PipeWriter),
) -> Result<()> {
    list.append(2)?;
    let known = list.object().oid().expect("it has one");
    drop((list.clone(), list, outer));
    ch.forget(found);
    ch.server().ping()?;
    say(tell);
    hear(told);
    let gone = ch.anonymous().list::<i64>().at(known).append(3);
    let gone = gone.expect_err("the parent dropped it");
    assert_eq!(gone.code(), Some(Code::ObjectGone));
    // What the child makes is its own.
    let mine = ch.anonymous().counter().create()?;
    assert_eq!(anonymous(ch), 2);
    drop(mine);
    assert_eq!(anonymous(ch), 1);
    Ok(())
}

fn say(to: &mut PipeWriter) {
    to.write_all(&[1]).expect("the other one listens");
}

fn hear(from: &mut PipeReader) {
    from.read_exact(&mut [0]).expect("the other one goes on");
}
