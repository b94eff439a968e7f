//! Starting and ending a server.

use crate::home::{Home, Serving};
use rustix::process::Signal;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixDatagram;

#[test]
fn the_banner_says_where_everything_is() {
    let home = Home::new();
    let serving = home.serve(&[]);
    let [head, key, socket, port, ready] = &serving.banner[..] else {
        panic!("{:?}", serving.banner);
    };
    let version = env!("CARGO_PKG_VERSION");
    let pid = serving.pid();
    assert_eq!(
        *head,
        format!("commonhold {version}  pid {pid}  data ~/.local/share/commonhold (sled, format 1)")
    );
    assert_eq!(
        key,
        "  key     ~/.config/commonhold/authkey   (new, mode 0600)"
    );
    assert_eq!(
        *socket,
        format!("  listen  unix://{}", home.socket().display())
    );
    assert!(
        port.starts_with("  listen  tcp://127.0.0.1:") && !port.ends_with(":0"),
        "{port}"
    );
    assert!(
        ready.starts_with("ready in ") && ready.ends_with(" s, 0 objects"),
        "{ready}"
    );
    let mode = |path: &str| {
        fs::metadata(home.path().join(path))
            .expect("it is there")
            .mode()
            & 0o777
    };
    assert_eq!(mode(".config/commonhold/authkey"), 0o600);
    assert_eq!(mode(".local/share/commonhold"), 0o700);
    assert_eq!(mode(".local/share/commonhold/commonhold.sock"), 0o600);
    drop(serving);
    let again = home.serve(&[]);
    assert_eq!(again.banner[1], "  key     ~/.config/commonhold/authkey");
}

#[test]
fn a_signal_ends_it_in_order() {
    let home = Home::new();
    for signal in [Signal::TERM, Signal::INT] {
        let serving = home.serve(&[]);
        home.run(&["incr", "visits"]);
        assert_eq!(serving.end(signal).code(), Some(0));
        assert!(!home.socket().exists(), "the socket is removed");
    }
    let _serving = home.serve(&[]);
    home.says("get visits", "2");
}

#[test]
fn a_signal_that_comes_twice_at_once_is_one() {
    let home = Home::new();
    let serving = home.serve(&[]);
    serving.signal(Signal::TERM);
    assert_eq!(serving.end(Signal::INT).code(), Some(0));
}

#[test]
fn a_data_folder_has_one_server() {
    let home = Home::new();
    let first = home.serve(&[]);
    let data = home.path().join(".local/share/commonhold");
    let expected = format!(
        "error: {} is in use by process {}\n",
        data.display(),
        first.pid()
    );
    home.check("serve --listen tcp://127.0.0.1:0", "", &expected, 1);
    home.says("incr visits", "1");
}

#[test]
fn an_address_has_one_server() {
    let home = Home::new();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("tcp://{}", taken.local_addr().expect("an address"));
    let done = home.run(&["serve", "--listen", &url]);
    assert_eq!(done.code, Some(1), "{done:?}");
    assert!(
        done.stderr
            .contains(&format!("error: cannot listen on {url}: ")),
        "{done:?}"
    );
    let first = home.serve(&["--store", "memory"]);
    let socket = format!("unix://{}", home.socket().display());
    let done = home.run(&["serve", "--store", "memory", "--listen", &socket]);
    assert_eq!(done.code, Some(1), "{done:?}");
    assert!(
        done.stderr.contains("another server listens there"),
        "{done:?}"
    );
    home.says("incr visits", "1");
    drop(first);
}

#[test]
fn nothing_is_encrypted_so_the_world_is_not_let_in_unasked() {
    let home = Home::new();
    let done = home.run(&["serve", "--store", "memory", "--listen", "tcp://0.0.0.0:0"]);
    assert_eq!(done.code, Some(2), "{done:?}");
    assert!(done.stderr.contains("say --insecure"), "{done:?}");
    let done = home.run(&[
        "serve",
        "--store",
        "memory",
        "--listen",
        "tls://127.0.0.1:0",
    ]);
    assert_eq!(done.code, Some(2), "{done:?}");
}

#[test]
fn settings_come_from_flags_the_environment_and_a_file() {
    let home = Home::new();
    let file = home.path().join("commonhold.toml");
    let text = "data = \"here\"\nlisten = [\"unix:///nowhere\"]\ngrace = \"3s\"\nterm = \"30s\"\n";
    fs::write(&file, text).expect("written");
    let printed = home
        .command(&["serve", "--print-config", "--term", "20s"])
        .env("COMMONHOLD_CONFIG", &file)
        .env("COMMONHOLD_LOG", "debug")
        .output()
        .expect("it runs");
    let printed = String::from_utf8(printed.stdout).expect("text");
    let file = file.display().to_string();
    for (start, source) in [
        (
            format!("data = \"{}\"", home.path().join("here").display()),
            file.as_str(),
        ),
        ("listen = [\"unix:///nowhere\"]".into(), &file),
        ("grace = \"3s\"".into(), &file),
        ("term = \"20s\"".into(), "flag"),
        ("store = \"sled\"".into(), "default"),
        ("log = \"debug\"".into(), "$COMMONHOLD_LOG"),
    ] {
        let line = |line: &str| line.starts_with(&start) && line.ends_with(&format!("# {source}"));
        assert!(
            printed.lines().any(line),
            "{start} from {source}: {printed}"
        );
    }
    assert!(!home.path().join("here").exists(), "nothing was started");
}

#[test]
fn one_file_serves_the_server_and_its_clients() {
    let home = Home::new();
    let socket = home.path().join("s.sock");
    let text = format!(
        "data = \"d\"\nkey-file = \"k\"\nlisten = [\"unix://{}\"]\n",
        socket.display()
    );
    fs::write(home.path().join("c.toml"), text).expect("written");
    let _serving = Serving::start(&mut home.command(&["serve", "--config", "c.toml"]));
    home.says("incr visits --config c.toml", "1");
    assert!(home.path().join("k").exists() && home.path().join("d/FORMAT").exists());
}

#[test]
fn who_started_it_is_told_when_it_is_ready() {
    let home = Home::new();
    let notify = home.path().join("notify");
    let systemd = UnixDatagram::bind(&notify).expect("a socket");
    let ready = home.path().join("ready");
    fs::write(&ready, "").expect("written");
    // The shell opens the descriptor, as a parent process would.
    let script =
        "exec \"$0\" serve --store memory --listen tcp://127.0.0.1:0 --ready-fd 7 7>>ready";
    let serving = Serving::start(
        std::process::Command::new("sh")
            .args(["-c", script, env!("CARGO_BIN_EXE_commonhold")])
            .env("HOME", home.path())
            .env("NOTIFY_SOCKET", &notify)
            .env_remove("XDG_CONFIG_HOME")
            .current_dir(home.path()),
    );
    let mut message = [0; 64];
    let length = systemd.recv(&mut message).expect("it was told");
    assert_eq!(&message[..length], b"READY=1");
    let line = loop {
        let line = fs::read_to_string(&ready).expect("text");
        if line.ends_with('\n') {
            break line;
        }
        std::thread::yield_now();
    };
    let told: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!(told["pid"], serving.pid());
    assert_eq!(told["listen"][0], serving.tcp());
    serving.end(Signal::TERM);
    let length = systemd.recv(&mut message).expect("it was told");
    assert_eq!(&message[..length], b"STOPPING=1");
}
