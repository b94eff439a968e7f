//! `commonhold serve`: a server with as few words as possible.

mod banner;
mod listen;
mod log;
mod notify;
mod options;

pub(crate) use options::ServeArguments;

use crate::arguments::Reach;
use crate::failure::{Exit, Failure};
use crate::settings::{self, Layers};
use banner::Banner;
use commonhold_server::auth::Keys;
use commonhold_server::store::{StoreMaker, StoreOptions};
use commonhold_server::{Config, Limits, Server};
use notify::Notify;
use options::Options;
use std::future::pending;
use std::io;
use std::thread;
use std::time::{Duration, Instant};
use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

/// Signals within this time are one act: some supervisors send theirs to the process and to its group.
const SAME_ACT: Duration = Duration::from_millis(250);

/// Serves until a signal or a failure ends it.
pub(crate) fn run(arguments: &ServeArguments, reach: &Reach) -> Result<(), Failure> {
    let begun = Instant::now();
    let layers = Layers::read(&settings::environment, reach)?;
    let options = Options::resolve(arguments, reach, &layers)?;
    if arguments.print_config {
        print!("{}", options.as_toml());
        return Ok(());
    }
    log::start(&options)?;
    let notify = Notify::find(arguments.ready_fd)?;
    // Before anything can happen that a signal should end.
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::system("cannot start", &error))?;
    let signals = {
        let _within = runtime.enter();
        Signals::listen().map_err(|error| Failure::system("cannot listen for signals", &error))?
    };
    let key = options.key.value.read_or_create()?;
    if let Some(warning) = &key.warning {
        tracing::warn!("{warning}");
    }
    let keys = Keys::new("default", &key.key).map_err(|error| Failure::usage(error.to_string()))?;
    let banner = Banner::new(&options, key.new);
    let server = start(&options, keys, &banner)?;
    Banner::ready(&server, begun.elapsed());
    tracing::info!(
        pid = std::process::id(),
        objects = server.objects(),
        sessions = server.sessions(),
        "the server serves"
    );
    notify.ready(&server)?;
    let mut end = End::new(signals, arguments.until_stdin_closes);
    runtime.block_on(serve(server, &mut end, &notify))
}

fn start(options: &Options, keys: Keys, banner: &Banner) -> Result<Server, Failure> {
    let data = &options.data.value;
    let in_memory = options.store.value == "memory";
    if !in_memory {
        listen::private_folder(data)?;
    }
    let maker = StoreMaker::find(&options.store.value).expect("it was looked up when it was read");
    let store = maker.open(&StoreOptions::new(data))?;
    banner.head();
    let listen = options
        .listen
        .value
        .iter()
        .map(listen::prepare)
        .collect::<Result<_, _>>()?;
    Ok(Server::start(Config {
        store,
        listen,
        keys,
        insecure: options.insecure.value,
        cores: options.cores.value,
        limits: Limits {
            durability: options.durability.value,
            grace: options.grace.value,
            term: options.term.value,
            disk_reserve: if in_memory {
                0
            } else {
                options.disk_reserve.value
            },
            checkpoint_log_bytes: options.checkpoint_log_bytes,
            store: options.store.value.clone(),
            data: if in_memory {
                String::new()
            } else {
                data.display().to_string()
            },
            ..Limits::default()
        },
    })?)
}

/// Serves until the end: of its own accord after a signal, or by a failure.
async fn serve(server: Server, end: &mut End, notify: &Notify) -> Result<(), Failure> {
    let signal = tokio::select! {
        why = server.failed() => {
            tracing::error!(why, "the server failed: it recovers from its store when it is started again");
            let message = format!("the server failed: {why}; start it again, and it recovers from its store");
            return Err(Failure::new(Exit::ServerFailed, message));
        }
        signal = end.next() => signal,
    };
    tracing::info!(signal = signal.name, "the server ends");
    notify.stopping();
    let asked = Instant::now();
    let again = async {
        loop {
            let signal = end.signals.next().await;
            if asked.elapsed() >= SAME_ACT {
                break signal;
            }
        }
    };
    let (sender, done) = oneshot::channel();
    // Nobody listens any more if a second signal came: the process ends then.
    thread::spawn(move || sender.send(server.shut_down()));
    tokio::select! {
        flushed = done => match flushed {
            Ok(true) => {
                tracing::info!("the server has ended");
                Ok(())
            }
            _ => Err(Failure::new(Exit::ServerFailed, "the server ended, but not everything reached the store")),
        },
        signal = again => {
            let message = format!("a second signal ({}): ended at once", signal.name);
            Err(Failure::new(Exit::Signal(signal.number), message))
        }
    }
}

/// What ends a server from outside.
struct End {
    signals: Signals,
    stdin: Option<oneshot::Receiver<()>>,
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

struct Caught {
    name: &'static str,
    number: u8,
}

impl Signals {
    /// Must run within a runtime.
    fn listen() -> io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> Caught {
        tokio::select! {
            _ = self.terminate.recv() => Caught { name: "SIGTERM", number: 15 },
            _ = self.interrupt.recv() => Caught { name: "SIGINT", number: 2 },
        }
    }
}

impl End {
    fn new(signals: Signals, until_stdin_closes: bool) -> End {
        let stdin = until_stdin_closes.then(|| {
            let (sender, closed) = oneshot::channel();
            // It may wait for ever: the process does not wait for it.
            thread::spawn(move || {
                let read = io::copy(&mut io::stdin().lock(), &mut io::sink());
                drop(read);
                sender.send(())
            });
            closed
        });
        End { signals, stdin }
    }

    /// A signal, or the end of stdin.
    async fn next(&mut self) -> Caught {
        let closed = async {
            match &mut self.stdin {
                Some(closed) => drop(closed.await),
                None => pending().await,
            }
        };
        tokio::select! {
            signal = self.signals.next() => signal,
            () = closed => Caught { name: "stdin was closed", number: 15 },
        }
    }
}
