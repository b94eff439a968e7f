//! `lock run`, `lock release` and `who`.

use crate::home::{Done, Home};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value as Json;
use std::fs;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

fn who(home: &Home, name: &str) -> Json {
    let done = home.run(&["who", name, "-o", "json"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    serde_json::from_str(&done.stdout).expect("JSON")
}

fn count(who: &Json, what: &str) -> usize {
    who[what].as_array().expect("a list").len()
}

/// Waits until `who` tells so.
#[track_caller]
fn wait_for(home: &Home, name: &str, so: impl Fn(&Json) -> bool) -> Json {
    let begun = Instant::now();
    loop {
        let done = home.run(&["who", name, "-o", "json"]);
        if let Ok(who) = serde_json::from_str(&done.stdout)
            && so(&who)
        {
            return who;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{done:?}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// `lock run` of a shell's line.
fn lock_run(home: &Home, more: &[&str], line: &str) -> Child {
    let mut arguments = vec!["lock", "run", "deploy"];
    arguments.extend(more);
    arguments.extend(["--", "/bin/sh", "-c", line]);
    let mut command = home.command(&arguments);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("it starts")
}

/// Waits until it is so.
#[track_caller]
pub(crate) fn eventually(so: impl Fn() -> bool, else_tell: impl Fn() -> String) {
    let begun = Instant::now();
    while !so() {
        assert!(begun.elapsed() < Duration::from_secs(20), "{}", else_tell());
        thread::sleep(Duration::from_millis(2));
    }
}

/// The state of a process, as `T` for one that stands still; `None` if it has ended.
pub(crate) fn state_of(process: i32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let state = stat.rsplit(") ").next()?.chars().next()?;
    (state != 'Z').then_some(state)
}

fn end(child: Child) -> Done {
    Done::of(child.wait_with_output().expect("it ends"))
}

#[test]
fn a_command_runs_while_the_lock_is_held_and_its_exit_code_is_passed_on() {
    let home = Home::new();
    let _serving = home.serve(&["--store", "memory"]);
    let line =
        "echo $COMMONHOLD_LOCK $((COMMONHOLD_LOCK_TOKEN > 0)) $((COMMONHOLD_LOCK_OID > 0)); exit 7";
    let done = end(lock_run(&home, &[], line));
    assert_eq!(
        (done.code, &*done.stdout, &*done.stderr),
        (Some(7), "deploy 1 1\n", "")
    );
    home.check("who deploy", "nobody holds deploy\n", "", 0);
    let done = home.run(&["lock", "run", "deploy", "--", "no-such-program"]);
    assert_eq!(done.code, Some(127), "{done:?}");
    let killed = end(lock_run(&home, &[], "kill -9 $$"));
    assert_eq!(killed.code, Some(128 + 9));
}

#[test]
fn who_shows_the_holder_and_those_who_wait_and_a_wait_in_vain_names_it() {
    let home = Home::new();
    let _serving = home.serve(&["--store", "memory"]);
    fs::write(home.path().join("go"), "").expect("written");
    let holder = lock_run(
        &home,
        &["--note", "step 3 of 7"],
        "while [ -e go ]; do sleep 0.01; done",
    );
    wait_for(&home, "deploy", |who| count(who, "holders") == 1);
    let waiter = lock_run(&home, &[], "true");
    let told = wait_for(&home, "deploy", |who| count(who, "waiting") == 1);
    assert_eq!(told["holders"][0]["client"], "sh");
    assert_eq!(told["holders"][0]["note"], "step 3 of 7");
    assert_eq!(told["holders"][0]["pid"], holder.id());
    assert_eq!(told["waiting"][0]["pid"], waiter.id());
    let text = home.run(&["who", "deploy"]).stdout;
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("HOLDER "), "{text}");
    assert!(lines[1].ends_with("  all    step 3 of 7"), "{text}");
    assert!(lines[2].starts_with("WAITING  1  "), "{text}");
    let late = end(lock_run(&home, &["--wait", "50ms"], "true"));
    assert_eq!(late.code, Some(124), "{late:?}");
    assert!(
        late.stderr
            .contains("waiting for lock \"deploy\", held by sh@"),
        "{late:?}"
    );
    assert!(late.stderr.ends_with(", 1 ahead\n"), "{late:?}");
    fs::remove_file(home.path().join("go")).expect("removed");
    assert_eq!(end(holder).code, Some(0));
    assert_eq!(end(waiter).code, Some(0));
    assert_eq!(count(&who(&home, "deploy"), "holders"), 0);
}

#[test]
fn a_command_whose_lock_is_lost_is_stopped() {
    let home = Home::new();
    let _serving = home.serve(&["--store", "memory"]);
    let line = "trap 'echo stopped; exit 3' TERM; while true; do sleep 0.01; done";
    let child = lock_run(&home, &[], line);
    wait_for(&home, "deploy", |who| count(who, "holders") == 1);
    home.check(
        "lock release deploy --token 1",
        "",
        "error: the grant with token 1 is over: the lock was lost, or released\n",
        1,
    );
    home.check("lock release deploy --force", "", "", 0);
    let done = end(child);
    assert_eq!(done.code, Some(75), "{done:?}");
    assert_eq!(done.stdout, "stopped\n");
    // The shell may say that what it ran was terminated.
    let last = done.stderr.lines().last();
    let told = "error: lost the lock \"deploy\": the command was stopped";
    assert_eq!(last, Some(told), "{done:?}");
    home.check(
        "lock release deploy --force",
        "",
        "error: lock \"deploy\" is not held\n",
        1,
    );
    let next = end(lock_run(&home, &[], "true"));
    assert_eq!(
        next.stderr,
        "note: the holder before this one did not give the lock back: somebody else freed the lock\n"
    );
}

#[test]
fn a_note_of_the_holder_before_is_shown_and_not_obeyed() {
    let home = Home::new();
    let _serving = home.serve(&["--store", "memory"]);
    let note = ["--note", "step 3\u{1b}[2J\r\nerror: fake"];
    let mut child = lock_run(&home, &note, "exec sleep 60");
    wait_for(&home, "deploy", |who| count(who, "holders") == 1);
    kill_process(Pid::from_child(&child), Signal::KILL).expect("it runs");
    child.wait().expect("it ended");
    let next = end(lock_run(&home, &[], "true"));
    assert_eq!(
        next.stderr,
        "note: the holder before this one did not give the lock back: its client died; it noted: \
         step 3\\u{1b}[2J\\r\\nerror: fake\n"
    );
}

#[test]
fn all_that_a_command_started_is_stopped_with_it() {
    let home = Home::new();
    let _serving = home.serve(&["--store", "memory"]);
    let line = "sleep 1000 & echo $! > inner; exec sleep 1000";
    let child = lock_run(&home, &[], line);
    let text = || fs::read_to_string(home.path().join("inner")).unwrap_or_default();
    eventually(|| text().ends_with('\n'), text);
    home.check("lock release deploy --force", "", "", 0);
    let done = end(child);
    assert_eq!(done.code, Some(75), "{done:?}");
    let inner = text().trim().parse().expect("a number");
    eventually(|| state_of(inner).is_none(), text);
}

#[test]
fn signals_go_on_to_a_command_that_is_being_stopped_and_a_second_interrupt_kills_it() {
    let home = Home::new();
    let _serving = home.serve(&["--store", "memory"]);
    let line = "for s in TERM INT HUP; do trap \"echo $s >> told\" $s; done; touch up; \
                while true; do sleep 0.01; done";
    let child = lock_run(&home, &[], line);
    let told = || fs::read_to_string(home.path().join("told")).unwrap_or_default();
    eventually(|| home.path().join("up").exists(), told);
    home.check("lock release deploy --force", "", "", 0);
    eventually(|| told() == "TERM\n", told);
    let begun = Instant::now();
    let pid = Pid::from_child(&child);
    for (signal, so_far) in [
        (Signal::HUP, "TERM\nHUP\n"),
        (Signal::TERM, "TERM\nHUP\nTERM\n"),
        (Signal::INT, "TERM\nHUP\nTERM\nINT\n"),
    ] {
        kill_process(pid, signal).expect("it runs");
        eventually(|| told() == so_far, told);
    }
    kill_process(pid, Signal::INT).expect("it runs");
    let done = end(child);
    assert_eq!(done.code, Some(75), "{done:?}");
    assert!(
        begun.elapsed() < Duration::from_secs(4),
        "it was not waited for"
    );
}

/// The server is gone for longer than it would keep the lock: nobody can tell who holds it.
#[test]
fn a_command_is_stopped_when_the_server_is_gone_for_too_long() {
    let home = Home::new();
    let serving = home.serve(&["--grace", "500ms"]);
    let child = lock_run(&home, &[], "exec sleep 60");
    wait_for(&home, "deploy", |who| count(who, "holders") == 1);
    serving.end(Signal::KILL);
    let done = end(child);
    assert_eq!(done.code, Some(75), "{done:?}");
}

#[test]
fn a_signal_goes_to_the_command() {
    let home = Home::new();
    let _serving = home.serve(&["--store", "memory"]);
    let child = lock_run(
        &home,
        &[],
        "trap 'echo told; exit 5' TERM; touch up; while true; do sleep 0.01; done",
    );
    wait_for(&home, "deploy", |who| count(who, "holders") == 1);
    while !home.path().join("up").exists() {
        thread::sleep(Duration::from_millis(1));
    }
    kill_process(Pid::from_child(&child), Signal::TERM).expect("it runs");
    let done = end(child);
    assert_eq!((done.code, &*done.stdout), (Some(5), "told\n"));
    assert_eq!(count(&who(&home, "deploy"), "holders"), 0);
}

#[test]
fn a_killed_run_frees_its_lock_and_its_command_ends() {
    let home = Home::new();
    let _serving = home.serve(&["--store", "memory"]);
    let child = lock_run(&home, &[], "echo $$ > pid; exec sleep 60");
    wait_for(&home, "deploy", |who| count(who, "holders") == 1);
    let command = loop {
        let pid = fs::read_to_string(home.path().join("pid")).unwrap_or_default();
        if let Some(pid) = pid.strip_suffix('\n') {
            break pid.to_owned();
        }
        thread::sleep(Duration::from_millis(1));
    };
    let pid = Pid::from_child(&child);
    kill_process(pid, Signal::KILL).expect("it runs");
    wait_for(&home, "deploy", |who| count(who, "holders") == 0);
    // What ran under it does not go on without it.
    let lives = || {
        let stat = fs::read_to_string(format!("/proc/{command}/stat")).unwrap_or_default();
        stat.contains("(sleep)") && !stat.contains(") Z ")
    };
    while lives() {
        thread::sleep(Duration::from_millis(1));
    }
    let mut child = child;
    child.wait().expect("it ended");
}

#[test]
fn what_a_lock_guards_is_deleted_with_its_grant_or_by_force() {
    let home = Home::new();
    let _serving = home.serve(&["--store", "memory"]);
    fs::write(home.path().join("go"), "").expect("written");
    let holder = lock_run(&home, &[], "while [ -e go ]; do sleep 0.01; done");
    let held = wait_for(&home, "deploy", |who| count(who, "holders") == 1);
    let grant = format!("{}:{}", held["oid"], held["holders"][0]["token"]);
    for name in ["a", "b"] {
        let open = format!(
            "call $server open \"dict\" \"{name}\" --named options={{\"guard\":\"deploy\"}}"
        );
        let made = home.run(&open.split(' ').collect::<Vec<_>>());
        assert_eq!(made.code, Some(0), "{made:?}");
    }
    home.check(
        "rm a",
        "",
        "error: dict \"a\" is guarded by lock \"deploy\": delete it with a fence of it, or with force\n",
        1,
    );
    home.check(&format!("rm a --fence {grant}"), "", "", 0);
    fs::remove_file(home.path().join("go")).expect("removed");
    assert_eq!(end(holder).code, Some(0));
    let late = home.run(&["rm", "b", "--fence", &grant]);
    assert_eq!(late.code, Some(1));
    assert!(late.stderr.contains("is over"), "{late:?}");
    home.check("rm b --force", "", "", 0);
    let wrong = home.run(&["rm", "b", "--fence", "deploy"]);
    assert_eq!(wrong.code, Some(2), "{wrong:?}");
}
