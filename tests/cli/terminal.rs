//! A command that runs under a lock, at a terminal: what it reads, Ctrl-C, Ctrl-Z.

use crate::home::Home;
use crate::locks::{eventually, state_of};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};
use std::thread;

/// A terminal with somebody at it, and a shell's line that runs in it as the only thing.
struct Terminal {
    keys: File,
    shown: Arc<Mutex<String>>,
    child: Child,
}

impl Terminal {
    fn run(home: &Home, line: &str) -> Terminal {
        let keys = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&keys).expect("it is ours");
        unlockpt(&keys).expect("it can be opened");
        let path = ptsname(&keys, Vec::new()).expect("it has a name");
        let path = path.to_str().expect("text").to_owned();
        let open = || {
            let mut options = OpenOptions::new();
            options.read(true).write(true);
            options.open(&path).expect("it opens")
        };
        let mut command = Command::new("setsid");
        command.args(["--ctty", "/bin/sh", "-c", line]);
        command.env_clear().env("HOME", home.path());
        command.env("PATH", "/usr/bin:/bin");
        command.env("COMMONHOLD", env!("CARGO_BIN_EXE_commonhold"));
        command.current_dir(home.path());
        command.stdin(open()).stdout(open()).stderr(open());
        let child = command.spawn().expect("it starts");
        drop(command);
        let keys = File::from(keys);
        let shown = Arc::<Mutex<String>>::default();
        let (mut screen, showing) = (keys.try_clone().expect("a handle"), Arc::clone(&shown));
        // Ends when nobody has the terminal any more.
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = screen.read(&mut buffer) {
                let text = String::from_utf8_lossy(&buffer[..read]);
                showing.lock().expect("no panic").push_str(&text);
            }
        });
        Terminal { keys, shown, child }
    }

    fn types(&mut self, text: &str) {
        self.keys.write_all(text.as_bytes()).expect("it is typed");
    }

    #[track_caller]
    fn shows(&self, text: &str) {
        let shown = || self.shown.lock().expect("no panic").clone();
        eventually(|| shown().contains(text), shown);
    }

    fn ends(mut self) -> Option<i32> {
        self.child.wait().expect("it ends").code()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It has ended, if all went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The number that a shell wrote.
fn written(home: &Home, file: &str) -> i32 {
    let text = || fs::read_to_string(home.path().join(file)).unwrap_or_default();
    eventually(|| text().ends_with('\n'), text);
    text().trim().parse().expect("a number")
}

#[test]
fn a_command_reads_the_terminal_and_a_script_goes_on_with_it() {
    let home = Home::new();
    let _serving = home.serve(&["--store", "memory"]);
    let mut terminal = Terminal::run(
        &home,
        "$COMMONHOLD lock run deploy -- sh -c 'echo sure?; read answer; echo got $answer; exit 3'; \
         echo it ended with $?; read more; echo then $more; exit 7",
    );
    terminal.shows("sure?");
    terminal.types("yes\n");
    terminal.shows("got yes");
    terminal.shows("it ended with 3");
    terminal.types("more\n");
    terminal.shows("then more");
    assert_eq!(terminal.ends(), Some(7));
}

#[test]
fn ctrl_c_reaches_a_command_and_all_that_it_started() {
    for line in [
        "sleep 1000 & echo $! > inner; wait",
        "sleep 1000 & echo $! > inner; read x",
    ] {
        let home = Home::new();
        let _serving = home.serve(&["--store", "memory"]);
        // Children of a shell without jobs would ignore Ctrl-C if they were not the last of a pipe.
        let mut terminal = Terminal::run(
            &home,
            &format!(
                "exec $COMMONHOLD lock run deploy -- bash -c 'set -m; trap \"kill -INT %1; exit 9\" INT; {line}'"
            ),
        );
        let inner = written(&home, "inner");
        terminal.types("\u{3}");
        assert_eq!(terminal.ends(), Some(9), "{line}");
        eventually(|| state_of(inner).is_none(), || line.to_owned());
    }
}

/// Ctrl-Z stops the command and what waits for it; both go on together. The command starts nothing while it waits: a shell
/// whose child is stopped before it has become another program does not stop itself.
#[test]
fn ctrl_z_stops_a_command_and_a_shell_lets_it_go_on() {
    for asks in ["", "read first; "] {
        let home = Home::new();
        let _serving = home.serve(&["--store", "memory"]);
        let line = format!(
            "mkfifo gate; echo $PPID > outer; echo $$ > inner; {asks}echo go on; read x < gate; echo gone on"
        );
        // A shell with jobs, as people have.
        let mut terminal = Terminal::run(
            &home,
            &format!(
                "exec bash --norc --noprofile -m -c '$COMMONHOLD lock run deploy -- sh -c \"{}\"; echo stopped with $?; \
                 read x; fg; echo ended with $?'",
                line.replace('$', "\\$")
            ),
        );
        if !asks.is_empty() {
            terminal.types("yes\n");
        }
        terminal.shows("go on");
        let (outer, inner) = (written(&home, "outer"), written(&home, "inner"));
        terminal.types("\u{1a}");
        terminal.shows("stopped with 147");
        for process in [outer, inner] {
            eventually(|| state_of(process) == Some('T'), || format!("{process}"));
        }
        // Opened once it is read from.
        let gate = home.path().join("gate");
        let gate = thread::spawn(move || fs::write(gate, "\n"));
        terminal.types("\n");
        terminal.shows("gone on");
        gate.join().expect("no panic").expect("it is written");
        terminal.shows("ended with 0");
        assert_eq!(terminal.ends(), Some(0), "{asks}");
    }
}

/// A command that stands still and that nobody can let go on would hold its lock for ever.
#[test]
fn without_a_shell_ctrl_z_stops_nothing() {
    let home = Home::new();
    let _serving = home.serve(&["--store", "memory"]);
    let mut terminal = Terminal::run(
        &home,
        "exec $COMMONHOLD lock run deploy -- sh -c 'echo $PPID > outer; read x; echo one $x; read y; echo two $y; exit 6'",
    );
    let outer = written(&home, "outer");
    terminal.types("a\n");
    terminal.shows("one a");
    terminal.types("\u{1a}");
    terminal.types("b\n");
    terminal.shows("two b");
    assert_eq!(terminal.ends(), Some(6));
    assert_eq!(state_of(outer), None);
    // Of a signal from elsewhere the same is true.
    let terminal = Terminal::run(
        &home,
        "exec $COMMONHOLD lock run deploy -- sh -c 'echo $PPID > outer2; while [ ! -e go ]; do sleep 0.01; done'",
    );
    let outer = Pid::from_raw(written(&home, "outer2")).expect("a process");
    kill_process(outer, Signal::TSTP).expect("it runs");
    File::create(home.path().join("go")).expect("made");
    assert_eq!(terminal.ends(), Some(0));
}
