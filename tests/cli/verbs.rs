//! The operations person's tour, line by line.

use crate::home::{Done, Home};
use rustix::process::Signal;
use std::fs;
use std::io::Write as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

#[test]
fn the_first_five_minutes() {
    let home = Home::new();
    let serving = home.serve(&[]);
    home.says("incr hits /index", "1");
    home.says("incr hits /index --by 2", "3");
    home.check(
        "get hits missing",
        "",
        "error: no key \"missing\" in dict \"hits\"\n",
        1,
    );
    home.says("get hits missing --default 0", "0");
    home.says("incr visits", "1");
    home.check("set config theme dark", "", "", 0);
    home.says("get config theme", "dark");
    home.says("get config theme -o json", "\"dark\"");
    home.check("set config retries --int 3", "", "", 0);
    home.check("set config limits --json {\"cpu\":2}", "", "", 0);
    home.check(
        "ls",
        "NAME    KIND     ENTRIES  DURABILITY\n\
         config  dict           3  durable\n\
         hits    dict           1  durable\n\
         visits  counter        1  durable\n",
        "",
        0,
    );
    // The server is killed as hard as it can be, and started again: whatever was answered is there.
    serving.end(Signal::KILL);
    let serving = home.serve(&[]);
    home.says("get hits /index", "3");
    home.says("get config retries", "3");
    home.says("get config limits -o json", "{\"cpu\":2}");
    home.says("get visits", "1");
    // Another key, over TCP.
    let begun = Instant::now();
    fs::write(
        home.path().join("wrong"),
        "chk1_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n",
    )
    .expect("written");
    let place = serving.tcp().trim_start_matches("tcp://");
    home.check(
        &format!("get hits /index --url {} --key-file wrong", serving.tcp()),
        "",
        &format!("error: {place} refused the key (file wrong)\n"),
        4,
    );
    assert!(
        begun.elapsed() < Duration::from_secs(1),
        "{:?}",
        begun.elapsed()
    );
}

#[test]
fn a_chosen_key_does_not_open_a_server_with_a_generated_one() {
    let home = Home::new();
    let serving = home.serve(&[]);
    fs::write(home.path().join("wrong"), "sesame\n").expect("written");
    let done = home.run(&["ping", "--url", serving.tcp(), "--key-file", "wrong"]);
    assert_eq!(done.code, Some(4), "{done:?}");
    assert!(
        done.stderr.contains(" refused the key (file wrong): "),
        "{done:?}"
    );
}

#[test]
fn counters_and_dicts_change_under_conditions() {
    let home = Home::new();
    let _serving = home.serve(&["--store", "memory"]);
    home.check("set visits 7", "", "", 0);
    home.check("cas visits 7 8", "", "", 0);
    home.check(
        "cas visits 7 9",
        "",
        "error: counter \"visits\" is not 7\n",
        1,
    );
    home.says("get visits", "8");
    home.says("incr visits --by -3", "5");
    home.check(
        "incr visits --max 5",
        "",
        "error: 6 would be above max 5\n",
        1,
    );
    home.says("incr visits --by 10 --max 9 --clamp", "9");
    home.says("incr stock apples --default 10 --by -1", "9");
    home.check(
        "incr stock pears --default none",
        "",
        "error: no key \"pears\" in dict \"stock\"\n",
        1,
    );
    home.check("cas config theme light --missing", "", "", 0);
    home.check(
        "cas config theme light --missing",
        "",
        "error: key \"theme\" in dict \"config\" is not missing\n",
        1,
    );
    home.check(
        "cas config theme dark blue",
        "",
        "error: key \"theme\" in dict \"config\" is not \"dark\"\n",
        1,
    );
    home.check("cas config theme light blue", "", "", 0);
    home.says("get config", "{\"theme\":\"blue\"}");
    home.check(
        "get visits x",
        "",
        "error: \"visits\" is a counter, not a dict\n",
        1,
    );
    home.check("get nothing", "", "error: no object \"nothing\"\n", 1);
    home.says("get nothing --default none", "none");
}

#[test]
fn keys_have_types_and_files_are_bytes() {
    let home = Home::new();
    let _serving = home.serve(&["--store", "memory"]);
    home.check("set t 7 text", "", "", 0);
    home.check("set t --key-json 7 --float 2", "", "", 0);
    home.check(
        "set t --key-json {\"$tuple\":[1,2]} --json [null]",
        "",
        "",
        0,
    );
    home.check("keys t", "7\n7\n{\"$tuple\":[1,2]}\n", "", 0);
    home.says("keys t -o json", "[\"7\",7,{\"$tuple\":[1,2]}]");
    home.says("get t 7", "text");
    home.says("get t 7 --key-json", "2.0");
    home.check("get t 7 -o raw", "text", "", 0);
    fs::write(home.path().join("file"), [0, 159, 255]).expect("written");
    home.check("set t file --file file", "", "", 0);
    home.says("get t file", "{\"$bytes\":\"AJ//\"}");
    let raw = home
        .command(&["get", "t", "file", "-o", "raw"])
        .output()
        .expect("it runs");
    assert_eq!(raw.stdout, [0, 159, 255]);
    let mut set = home
        .command(&["set", "t", "stdin", "--file", "-"])
        .stdin(Stdio::piped())
        .spawn()
        .expect("it runs");
    set.stdin
        .take()
        .expect("a pipe")
        .write_all(b"from a pipe")
        .expect("it reads");
    assert!(set.wait().expect("it ends").success());
    home.check("get t stdin -o raw", "from a pipe", "", 0);
    home.check("del t stdin", "", "", 0);
    home.check(
        "del t stdin",
        "",
        "error: no key \"stdin\" in dict \"t\"\n",
        1,
    );
    home.says("del t file stdin 7", "2");
}

#[test]
fn any_method_can_be_called() {
    let home = Home::new();
    let _serving = home.serve(&["--store", "memory"]);
    home.says("call d set \"a\" 1 --kind dict", "null");
    home.says("call d increment \"a\" --named by=41", "42");
    home.check(
        "call nothing len",
        "",
        "error: no object \"nothing\"; --kind says what kind to create\n",
        1,
    );
    home.says("call $server ping", "null");
    let text = home.run(&["call", "d", "get", "a"]);
    assert_eq!(text.code, Some(2));
    assert!(
        text.stderr
            .ends_with("text is JSON in quotes: '\"text\"'\n"),
        "{text:?}"
    );
    // Nobody else comes to the barrier.
    let begun = Instant::now();
    let waited = home.run(&[
        "call",
        "b",
        "wait",
        "--kind",
        "barrier",
        "--option",
        "parties=2",
        "--timeout",
        "200ms",
    ]);
    assert_eq!(waited.code, Some(124), "{waited:?}");
    assert!(begun.elapsed() >= Duration::from_millis(200));
}

#[test]
fn objects_are_listed_described_and_deleted() {
    let home = Home::new();
    let serving = home.serve(&["--store", "memory"]);
    for line in ["incr a.x", "incr a.y k", "incr b.x"] {
        home.says(line, "1");
    }
    let names = |line: &str| {
        let arguments: Vec<&str> = line.split_whitespace().collect();
        let rows: serde_json::Value =
            serde_json::from_str(&home.run(&arguments).stdout).expect("JSON");
        let name = |row: &serde_json::Value| row["name"].as_str().expect("a name").to_owned();
        rows.as_array()
            .expect("a list")
            .iter()
            .map(name)
            .collect::<Vec<_>>()
    };
    assert_eq!(names("ls -o json"), ["a.x", "a.y", "b.x"]);
    assert_eq!(names("ls -o json --prefix a."), ["a.x", "a.y"]);
    assert_eq!(names("ls -o json --kind counter --prefix a"), ["a.x"]);
    let told = home.run(&["describe", "a.y"]).stdout;
    assert!(told.contains("kind        dict\n"), "{told}");
    assert!(told.contains("\ndelete key [path] "), "{told}");
    home.check("rm a.x b.x", "", "", 0);
    home.check("rm a.x", "", "error: no object \"a.x\"\n", 1);
    assert_eq!(names("ls -o json"), ["a.y"]);
    let status: serde_json::Value =
        serde_json::from_str(&home.run(&["status", "-o", "json"]).stdout).expect("JSON");
    assert_eq!(status["pid"], serving.pid());
    assert_eq!(status["objects"], 1);
    let ping = home.run(&["ping"]);
    assert_eq!(ping.code, Some(0), "{ping:?}");
    assert!(ping.stdout.contains(" answered in "), "{ping:?}");
}

#[test]
fn a_kind_is_described_without_a_server() {
    let home = Home::new();
    let done = home.run(&["describe", "--kind", "dict"]);
    assert_eq!(done.code, Some(0));
    assert!(done.stdout.starts_with("dict: "), "{done:?}");
    assert!(
        done.stdout
            .contains("\nincrement key [by] [default] [min] [max] [clamp] [path] "),
        "{done:?}"
    );
    home.check(
        "describe --kind heap",
        "",
        "error: \"heap\" is no kind: there are array, barrier, bounded_semaphore, condition, counter, dict, event, latch, \
         list, lock, namespace, queue, rlock, rwlock, semaphore, set, value\n",
        1,
    );
}

#[test]
fn nobody_there_is_exit_3_and_nonsense_is_exit_2() {
    let home = Home::new();
    let unstarted = home.run(&["get", "hits", "x"]);
    assert_eq!(unstarted.code, Some(3), "{unstarted:?}");
    assert!(
        unstarted
            .stderr
            .starts_with("error: no server was started by this user yet: "),
        "{unstarted:?}"
    );
    fs::write(home.path().join("key"), "sesame").expect("written");
    let away = [
        "get",
        "hits",
        "x",
        "--key-file",
        "key",
        "--timeout",
        "100ms",
    ];
    let done = home.run(&away);
    assert_eq!(done.code, Some(3), "{done:?}");
    assert!(
        done.stderr.starts_with("error: cannot reach unix:///"),
        "{done:?}"
    );
    let code = |arguments: &[&str]| {
        let Done {
            code,
            stdout,
            stderr,
        } = home.run(arguments);
        assert_eq!(stdout, "");
        assert!(stderr.starts_with("error: "), "{stderr}");
        code
    };
    assert_eq!(code(&["get"]), Some(2));
    assert_eq!(code(&["frobnicate"]), Some(2));
    assert_eq!(
        code(&["get", "a", "b", "--url", "tcp://secret@db1"]),
        Some(2)
    );
    assert_eq!(code(&["get", "a", "b", "--key-file", "nowhere"]), Some(2));
}
