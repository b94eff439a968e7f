//! `queue put get take peek len dead redrive`.

use crate::home::{Done, Home};
use std::process::Stdio;

/// `queue take jobs` with a shell's line.
fn take(home: &Home, more: &[&str], line: &str) -> Done {
    let mut arguments = vec!["queue", "take", "jobs"];
    arguments.extend(more);
    arguments.extend(["--", "/bin/sh", "-c", line]);
    home.run(&arguments)
}

#[test]
fn items_are_put_and_got() {
    let home = Home::new();
    let _serving = home.serve(&["--store", "memory"]);
    home.check("queue put jobs a b --maxsize 3", "", "", 0);
    home.check("queue put jobs 7 --int", "", "", 0);
    home.says("queue len jobs", "3");
    home.check(
        "queue put jobs d --timeout 50ms",
        "",
        "error: the queue is full\n",
        124,
    );
    home.says("queue peek jobs -n 2", "[\"a\",\"b\"]");
    home.says("queue get jobs", "a");
    home.says("queue get jobs -o json", "\"b\"");
    home.says("queue get jobs", "7");
    home.check(
        "queue get jobs --no-wait",
        "",
        "error: the queue is empty\n",
        1,
    );
    home.check(
        "queue get jobs --timeout 50ms",
        "",
        "error: the queue is empty\n",
        124,
    );
}

#[test]
fn a_command_works_items_off() {
    let home = Home::new();
    let _serving = home.serve(&["--store", "memory"]);
    home.check("queue put jobs one two --dead-after 2", "", "", 0);
    let done = take(&home, &[], "cat; echo \" $COMMONHOLD_DELIVERIES\"");
    assert_eq!((done.code, &*done.stdout), (Some(0), "one 1\n"));
    // What fails goes back to its place, and is a dead letter in the end.
    for delivery in ["1", "2"] {
        let failed = take(&home, &[], "echo $COMMONHOLD_DELIVERIES; exit 9");
        assert_eq!(failed.code, Some(9), "{failed:?}");
        assert_eq!(failed.stdout, format!("{delivery}\n"));
    }
    let none = take(&home, &["--wait", "50ms"], "true");
    assert_eq!(none.code, Some(124), "{none:?}");
    let dead = home.run(&["queue", "dead", "jobs", "-o", "json"]);
    assert!(dead.stdout.contains("\"value\":\"two\""), "{dead:?}");
    home.says("queue redrive jobs", "1");
    let done = take(&home, &[], "cat; echo \" $COMMONHOLD_DELIVERIES\"");
    assert_eq!((done.code, &*done.stdout), (Some(0), "two 1\n"));
    home.says("queue len jobs", "0");
}

#[test]
fn a_command_whose_item_is_lost_is_stopped() {
    let home = Home::new();
    let _serving = home.serve(&["--store", "memory"]);
    home.check("queue put jobs one", "", "", 0);
    let line = "trap 'echo stopped; exit 3' TERM; while true; do sleep 0.01; done";
    let done = take(&home, &["--lease", "300ms"], line);
    assert_eq!(done.code, Some(75), "{done:?}");
    assert_eq!(done.stdout, "stopped\n");
    // The shell may say that what it ran was terminated.
    let last = done.stderr.lines().last();
    let told = "error: lost the item of \"jobs\": the command was stopped";
    assert_eq!(last, Some(told), "{done:?}");
    home.says("queue len jobs", "1");
}

#[test]
fn bytes_come_as_they_are_and_need_not_be_read() {
    let home = Home::new();
    let _serving = home.serve(&["--store", "memory"]);
    let zeros = vec![0; 1 << 20];
    std::fs::write(home.path().join("zeros"), &zeros).expect("written");
    home.check("queue put jobs --file zeros", "", "", 0);
    home.check("queue put jobs --file zeros", "", "", 0);
    let counted = take(&home, &[], "wc -c");
    assert_eq!(counted.stdout.trim(), zeros.len().to_string());
    let mut command = home.command(&["queue", "take", "jobs", "--", "true"]);
    let done = command.stdout(Stdio::piped()).output().expect("it runs");
    assert!(done.status.success());
    home.says("queue len jobs", "0");
}
