//! Client processes: this program again, told by a socket what to do.

use super::{Slot, eventually};
use crate::locks::Part;
use commonhold::blocking::Client;
use commonhold::{Call, Error, Object, Options, Value};
use rustix::process::{Pid, Signal, kill_process};
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

/// Names the socket over which a worker is told its job.
const CONTROL: &str = "COMMONHOLD_EXAM_WORKER";

/// What a worker is to do, where, and where it notes how far it came.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Job {
    pub(crate) url: String,
    pub(crate) key_file: PathBuf,
    pub(crate) tally: PathBuf,
    pub(crate) slot: usize,
    pub(crate) task: Task,
}

/// The kinds of work.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Task {
    /// Increments the key "n" of the dict "counts" until the tally says stop.
    Increment,
    /// Takes items from the dict "items" until it is empty.
    PopItem,
    /// Waits at the barrier "gate" for so many parties until the tally says stop.
    Barrier(u32),
    /// Takes one of so many permits of the semaphore "permits" and gives it back until the tally says stop.
    Permit(u32),
    /// Sets an event and waits for another until the tally says stop; the worker of the next slot does it the other way
    /// round, with the same two.
    PingPong,
    /// Puts numbers into a queue until the tally says stop; the worker of the next slot gets them.
    Relay,
    /// Puts items into the queue "jobs", with several hands, until the tally says stop.
    Produce,
    /// Takes items from the queue "jobs" and acknowledges them, with several hands, until the tally says stop.
    Consume,
    /// Waits once at the barrier of this name for so many parties.
    Arrive(String, u32),
    /// What it does with locks.
    Lock(Part),
}

/// What a worker has done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Answer {
    /// The numbers that it was given: results of increments, keys of items.
    Numbers(Vec<i64>),
    /// How it passed the barrier, how long it held each permit, or when it was woken.
    Passages(Vec<Passage>),
}

/// One wait at a barrier, or what is between two calls. Times are nanoseconds of the machine's one monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Passage {
    pub(crate) begun: u64,
    pub(crate) ended: u64,
    pub(crate) place: u64,
}

/// A worker's process. Dropped, it is killed.
pub(crate) struct Worker {
    child: Child,
    is_killed: bool,
    control: BufReader<UnixStream>,
}

impl Task {
    /// Does it end without being told?
    pub(crate) fn ends(&self) -> bool {
        matches!(self, Task::PopItem | Task::Arrive(..))
    }
}

impl Worker {
    /// Starts a process on a job.
    pub(crate) fn start(job: &Job) -> Worker {
        let folder = TempDir::new().expect("a folder");
        let path = folder.path().join("control");
        let listener = UnixListener::bind(&path).expect("a socket");
        let (_, test) = concat!(module_path!(), "::a_worker_does_its_job")
            .split_once("::")
            .expect("a path");
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", test, "--nocapture"])
            .env(CONTROL, &path)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("it starts");
        listener.set_nonblocking(true).expect("a socket");
        let control = loop {
            match listener.accept() {
                Ok((control, _)) => break control,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let ended = child.try_wait().expect("a child");
                    assert!(ended.is_none(), "a worker ended at once: {ended:?}");
                    thread::sleep(Duration::from_millis(1));
                }
                Err(error) => panic!("{error}"),
            }
        };
        control.set_nonblocking(false).expect("a socket");
        let mut worker = Worker {
            child,
            is_killed: false,
            control: BufReader::new(control),
        };
        let mut line = serde_json::to_vec(job).expect("it is JSON");
        line.push(b'\n');
        let told = worker.control.get_mut().write_all(&line);
        told.expect("it listens");
        worker
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL. The process is gone when this returns.
    pub(crate) fn kill(&mut self) {
        // It can only have ended by itself.
        let _ = self.child.kill();
        self.child.wait().expect("it ends");
        self.is_killed = true;
    }

    pub(crate) fn is_killed(&self) -> bool {
        self.is_killed
    }

    /// SIGSTOP. No thread of the process runs when this returns.
    pub(crate) fn stop(&self) {
        kill_process(self.process(), Signal::STOP).expect("it runs");
        let stands_still = || {
            let threads = std::fs::read_dir(format!("/proc/{}/task", self.pid()));
            let mut threads = threads.expect("it runs");
            threads.all(|thread| {
                let stat =
                    thread.and_then(|thread| std::fs::read_to_string(thread.path().join("stat")));
                // A thread that is gone runs no more.
                stat.map_or(true, |stat| stat.contains(") T "))
            })
        };
        eventually("a process stops", Duration::from_mins(1), stands_still);
    }

    /// SIGCONT.
    pub(crate) fn go_on(&self) {
        kill_process(self.process(), Signal::CONT).expect("it is there");
    }

    fn process(&self) -> Pid {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw);
        pid.expect("a process has a number")
    }

    /// Waits for the end of the job.
    pub(crate) fn finish(mut self) -> Answer {
        let socket = self.control.get_ref();
        let patience = Some(Duration::from_mins(5));
        socket.set_read_timeout(patience).expect("a socket");
        let mut line = String::new();
        let read = self.control.read_line(&mut line);
        let read = read.expect("it ends within minutes");
        assert!(read > 0, "a worker failed: {:?}", self.child.wait());
        serde_json::from_str(&line).expect("an answer")
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.kill();
    }
}

/// In a worker: does what it is told.
fn work(control: &Path) {
    let mut control = BufReader::new(UnixStream::connect(control).expect("the exam listens"));
    let mut line = String::new();
    control.read_line(&mut line).expect("a job");
    let job: Job = serde_json::from_str(&line).expect("a job");
    let mut exam = control.get_ref().try_clone().expect("a descriptor");
    // An exam that is gone needs no workers.
    thread::spawn(move || {
        let _ = exam.read(&mut [0]);
        std::process::exit(1);
    });
    let answer = job.run().expect("every call is answered");
    let mut line = serde_json::to_vec(&answer).expect("it is JSON");
    line.push(b'\n');
    control.get_mut().write_all(&line).expect("the exam reads");
}

impl Job {
    /// How its process connects.
    pub(crate) fn options(&self) -> Options {
        let options = Options::new().url(&self.url).key_file(&self.key_file);
        options.connect_for(Duration::from_secs(30))
    }

    /// Where it notes how far it came.
    pub(crate) fn slot(&self) -> Slot {
        Slot::open(&self.tally, self.slot)
    }

    fn run(&self) -> Result<Answer, Error> {
        match &self.task {
            // These connect by themselves.
            Task::Lock(part) => return part.play(self),
            Task::Produce => return self.produce(),
            Task::Consume => return self.consume(),
            _ => {}
        }
        let ch = self.options().connect_blocking()?;
        let mut slot = self.slot();
        match &self.task {
            Task::Increment => {
                let counts = ch.dict::<String, i64>("counts");
                each(&ch, &mut slot, || counts.increment("n", 1).call().map(Some))
            }
            Task::PopItem => {
                let items = ch.dict::<i64, i64>("items");
                let pop = || Ok(items.popitem()?.map(|(key, _)| key));
                each(&ch, &mut slot, pop)
            }
            Task::Barrier(parties) => pass(&ch, &mut slot, *parties),
            Task::Permit(permits) => hold(&ch, &mut slot, *permits),
            Task::Relay => relay(&ch, &mut slot, self.slot),
            Task::PingPong => ping_pong(&ch, &mut slot, self.slot),
            Task::Arrive(name, parties) => {
                ch.barrier(name, *parties).wait(None)?;
                Ok(Answer::Numbers(Vec::new()))
            }
            Task::Lock(part) => part.play(self),
            Task::Produce => self.produce(),
            Task::Consume => self.consume(),
        }
    }
}

/// Makes a call again and again, until it gives nothing or the tally says stop.
fn each(
    ch: &Client,
    slot: &mut Slot,
    mut call: impl FnMut() -> Result<Option<i64>, Error>,
) -> Result<Answer, Error> {
    let mut numbers = Vec::new();
    while slot.begin() {
        let number = call()?;
        slot.acknowledge(ch.stats());
        match number {
            Some(number) => numbers.push(number),
            None => break,
        }
    }
    Ok(Answer::Numbers(numbers))
}

/// Even slots put, and the others note what they get.
fn relay(ch: &Client, slot: &mut Slot, number: usize) -> Result<Answer, Error> {
    let queue = ch.object("queue", &format!("relay {}", number / 2));
    if number.is_multiple_of(2) {
        let mut last = 0;
        return each(ch, slot, || {
            last += 1;
            queue.call(Call::new("put", [last.into()]))?;
            Ok(Some(last))
        });
    }
    each(ch, slot, || match queue.call(Call::new("get", []))? {
        Value::Int(number) => Ok(Some(number)),
        other => panic!("nobody put {other:?}"),
    })
}

fn pass(ch: &Client, slot: &mut Slot, parties: u32) -> Result<Answer, Error> {
    let gate = ch.barrier("gate", parties);
    let mut passages = Vec::new();
    while slot.begin() {
        let begun = nanoseconds();
        let place = gate.wait(None)?;
        let ended = nanoseconds();
        slot.acknowledge(ch.stats());
        passages.push(Passage {
            begun,
            ended,
            place,
        });
    }
    Ok(Answer::Passages(passages))
}

/// Notes what it held for sure: from the reply that gave it to the call that gives it back.
fn hold(ch: &Client, slot: &mut Slot, permits: u32) -> Result<Answer, Error> {
    let semaphore = ch.object("semaphore", "permits").option("permits", permits);
    let mut holds = Vec::new();
    while slot.begin() {
        semaphore.call(Call::new("acquire", []))?;
        let begun = nanoseconds();
        slot.go_on(ch.stats());
        // For as long as a call takes.
        semaphore.call(Call::new("value", []))?;
        slot.go_on(ch.stats());
        let ended = nanoseconds();
        semaphore.call(Call::new("release", []))?;
        slot.acknowledge(ch.stats());
        holds.push(between(begun, ended));
    }
    Ok(Answer::Passages(holds))
}

/// Even slots begin. Notes what is between the call that wakes the other and the wake-up that comes back, or the other
/// way round.
fn ping_pong(ch: &Client, slot: &mut Slot, number: usize) -> Result<Answer, Error> {
    let event = |name: &str| ch.object("event", &format!("{name} {}", number / 2));
    let (ping, pong) = (event("ping"), event("pong"));
    let ask = |event: &Object<Client>, method: &str| event.call(Call::new(method, []));
    let mut turns = Vec::new();
    while slot.begin() {
        let (begun, ended);
        if number.is_multiple_of(2) {
            begun = nanoseconds();
            ask(&ping, "set")?;
            slot.go_on(ch.stats());
            ask(&pong, "wait")?;
            ended = nanoseconds();
            slot.go_on(ch.stats());
            ask(&pong, "clear")?;
        } else {
            ask(&ping, "wait")?;
            begun = nanoseconds();
            slot.go_on(ch.stats());
            ask(&ping, "clear")?;
            slot.go_on(ch.stats());
            ended = nanoseconds();
            ask(&pong, "set")?;
        }
        slot.acknowledge(ch.stats());
        turns.push(between(begun, ended));
    }
    Ok(Answer::Passages(turns))
}

fn between(begun: u64, ended: u64) -> Passage {
    Passage {
        begun,
        ended,
        place: 0,
    }
}

/// The machine's monotonic clock, which all processes share.
pub(crate) fn nanoseconds() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let part = |number: i64| u64::try_from(number).expect("time is positive");
    part(now.tv_sec) * 1_000_000_000 + part(now.tv_nsec)
}

/// What a worker's process runs; in any other, it starts a worker to see that it answers.
#[test]
fn a_worker_does_its_job() {
    if let Some(control) = std::env::var_os(CONTROL) {
        return work(Path::new(&control));
    }
    let _beside = super::beside();
    let home = super::Home::new();
    let _serving = home.serve(&["--store", "memory"]);
    let tally = super::Tally::create(home.path().join("tally"), 1);
    tally.end_at(3);
    let job = Job {
        url: home.url(),
        key_file: home.key_file(),
        tally: tally.path().to_owned(),
        slot: 0,
        task: Task::Increment,
    };
    let answer = Worker::start(&job).finish();
    assert_eq!(answer, Answer::Numbers(vec![1, 2, 3]));
    let counts = tally.sum();
    assert_eq!((counts.begun, counts.acknowledged), (3, 3));
}
