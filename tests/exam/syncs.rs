//! Every batch of the log is synced once before its replies leave, and the server counts its syncs as the kernel does.

use crate::support::{Home, Serving, beside, eventually, numbers_of};
use rustix::process::{Pid, Signal, kill_process};
use std::process::Command;
use std::time::Duration;

const WRITES: i64 = 200;

/// Makes writes one after another, no two of which can share a batch, until the server's numbers show them. The numbers
/// are appends and syncs, before and after.
fn write(home: &Home) -> [[i64; 2]; 2] {
    let ch = home.connect();
    let counter = ch.counter("visits");
    let numbers = || numbers_of(&ch, ["appends", "syncs"]);
    let before = numbers();
    for _ in 0..WRITES {
        counter.increment(1).call().expect("it counts");
    }
    let mut after = before;
    // They are those of the server's last look at its store.
    eventually("the numbers show it", Duration::from_secs(30), || {
        after = numbers();
        after[0] >= before[0] + WRITES
    });
    [before, after]
}

#[test]
fn every_batch_is_synced_once() {
    let _beside = beside();
    let home = Home::new();
    let _serving = home.serve(&[]);
    let [before, after] = write(&home);
    assert_eq!(after[1] - before[1], after[0] - before[0]);
}

#[test]
fn the_kernel_counts_the_same_syncs() {
    let _beside = beside();
    let home = Home::new();
    let trace = home.path().join("trace");
    let mut command = Command::new("strace");
    command
        .args(["-f", "-qq", "-e", "trace=fdatasync,fsync", "-o"])
        .arg(&trace)
        .arg(env!("CARGO_BIN_EXE_commonhold"));
    home.arrange(&mut command, &[]);
    let tried = Command::new("strace")
        .args(["-o", "/dev/null", "true"])
        .status();
    if !tried.is_ok_and(|status| status.success()) {
        eprintln!("not examined: there is no strace, or it may not trace");
        return;
    }
    let mut serving = Serving::start(&mut command);
    let [_, [_, syncs]] = write(&home);
    let [pid] = numbers_of(&home.connect(), ["pid"]);
    let server = i32::try_from(pid).ok();
    let server = server.and_then(Pid::from_raw).expect("a process");
    kill_process(server, Signal::KILL).expect("it runs");
    serving.kill();
    let traced = std::fs::read_to_string(&trace).expect("a trace");
    let seen = traced.lines().filter(|line| line.contains("sync(")).count();
    let seen = i64::try_from(seen).expect("it is few");
    // A few more: to open a store takes some, and the last look at the store missed the newest.
    let possible = syncs..=syncs + 50;
    assert!(
        possible.contains(&seen),
        "the kernel saw {seen} syncs, the server counted {syncs}"
    );
}
