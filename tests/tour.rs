//! The tour of the README, command by command: what it prints is what is printed.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A command of the README and what the README says that it prints.
struct Step {
    command: String,
    prints: String,
}

/// The steps of each `console` block.
fn blocks() -> Vec<Vec<Step>> {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md"));
    let readme = readme.expect("there is a README");
    let blocks = readme.split("```console\n").skip(1);
    let block = |text: &str| {
        let (text, _) = text.split_once("```").expect("a block ends");
        let steps = text.split("$ ").skip(1);
        let step = |step: &str| {
            let (command, prints) = step.split_once('\n').expect("a command ends its line");
            Step {
                command: command.to_owned(),
                prints: prints.to_owned(),
            }
        };
        steps.map(step).collect()
    };
    blocks.map(block).collect()
}

/// A home of its own, and the server in it.
struct Home {
    folder: tempfile::TempDir,
    server: Option<Child>,
    /// The port that was free.
    port: String,
}

impl Home {
    fn new() -> Home {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let home = Home {
            folder,
            server: None,
            port: String::new(),
        };
        // The same as without a word, but for the port: another server may have that one.
        let config = format!(
            "listen = [\"unix://{}\", \"tcp://127.0.0.1:0\"]\n",
            home.run_folder().join("commonhold.sock").display()
        );
        fs::write(home.config(), config).expect("the folder is ours");
        home
    }

    fn run_folder(&self) -> PathBuf {
        self.folder.path().join("run")
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("commonhold.toml")
    }

    fn shell(&self, script: &str) -> Command {
        let binaries = Path::new(env!("CARGO_BIN_EXE_commonhold")).parent();
        let binaries = binaries.expect("a binary lies in a folder").display();
        let path = std::env::var("PATH").unwrap_or_default();
        let mut shell = Command::new("bash");
        shell
            .args(["-c", script])
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", format!("{binaries}:{path}"))
            .env("HOME", self.folder.path())
            .env("XDG_RUNTIME_DIR", self.run_folder())
            .env("COMMONHOLD_CONFIG", self.config())
            .stdin(Stdio::null());
        shell
    }

    /// Starts the server, and checks what it prints until it is ready.
    fn serve(&mut self, step: &Step) {
        self.end();
        let mut shell = self.shell(&format!("exec {}", step.command));
        let mut child = shell
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("bash is there");
        let stdout = BufReader::new(child.stdout.take().expect("it was asked for"));
        self.server = Some(child);
        let mut lines = stdout.lines();
        for expected in step.prints.lines() {
            let line = lines
                .next()
                .expect("the server prints all of it")
                .expect("text");
            if let Some(port) = line.trim().strip_prefix("listen  tcp://127.0.0.1:") {
                port.clone_into(&mut self.port);
            }
            let run_folder = self.run_folder().display().to_string();
            let line = line.replace(&run_folder, "/run/user/1000");
            assert_eq!(
                without_numbers(&line),
                without_numbers(expected),
                "{}",
                step.command
            );
        }
    }

    /// Runs the steps in one shell, and checks what each prints.
    fn check(&self, steps: &[Step]) {
        const MARK: &str = "\u{1e}\n";
        let mut script = String::from("exec 2>&1\n");
        for step in steps {
            let command = step.command.replace(
                "tcp://127.0.0.1:7414",
                &format!("tcp://127.0.0.1:{}", self.port),
            );
            // The mark must not be what the next command sees of the one before.
            script.push_str(&command);
            script.push_str("\nended=$?; printf '\\036\\n'; (exit $ended)\n");
        }
        let done = self.shell(&script).output().expect("bash is there");
        let printed = String::from_utf8(done.stdout).expect("text");
        let printed: Vec<&str> = printed.split_terminator(MARK).collect();
        for (index, step) in steps.iter().enumerate() {
            let printed = printed.get(index).copied().unwrap_or_default();
            if step.command.contains("lock run") {
                assert_eq!(
                    varying(printed),
                    varying(&step.prints),
                    "$ {}",
                    step.command
                );
                continue;
            }
            assert_eq!(printed, step.prints, "$ {}", step.command);
        }
    }

    /// Waits for a server that was killed, or kills it.
    fn end(&mut self) {
        if let Some(mut server) = self.server.take() {
            // It may have ended already: that is what is wanted.
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        self.end();
    }
}

/// What is told of clients differs in numbers, in the machine's name, and so in the width of columns.
fn varying(printed: &str) -> String {
    let machine = rustix::system::uname();
    let machine = machine.nodename().to_string_lossy();
    let words = printed.replace(&*machine, "web1");
    let words: Vec<String> = words.split_whitespace().map(without_numbers).collect();
    words.join(" ")
}

/// Numbers differ from run to run: a process, a port, a time.
fn without_numbers(line: &str) -> String {
    line.replace(|c: char| c.is_ascii_digit(), "#")
        .split('#')
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join("#")
}

#[test]
fn every_line_of_the_tour_works_as_printed() {
    let mut home = Home::new();
    let (mut servers, mut commands) = (0, 0);
    for block in blocks() {
        let here = block
            .iter()
            .filter(|step| !step.command.starts_with("cargo "));
        let (serve, run): (Vec<&Step>, Vec<&Step>) =
            here.partition(|step| step.command.starts_with("commonhold serve"));
        if let [serve] = serve[..] {
            home.serve(serve);
            servers += 1;
            continue;
        }
        commands += run.len();
        home.check(&block);
    }
    assert!(
        servers == 2 && commands > 20,
        "the tour is where this test looks for it"
    );
}
