//! `commonhold demo`: processes count the words of a text together, one increment a word, while their server is killed.
//!
//! The claim is "nothing lost, nothing doubled", and this shows it on the user's own files: the shared counts are
//! compared word by word with a count that one process made alone. The server is stopped (SIGSTOP) until every worker
//! waits for an answer, killed (SIGKILL) in that state, and started again on what it left.

mod crew;
mod harm;
mod options;
mod progress;
mod report;
mod server;
mod text;
mod words;
mod worker;

pub(crate) use options::DemoArguments;
pub(crate) use worker::WorkerArguments;

use crate::failure::{Exit, Failure};
use crate::verbs::say;
use commonhold::Options;
use crew::Crew;
use harm::Harm;
use progress::Progress;
use report::Report;
use server::PrivateServer;
use std::collections::HashMap;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};
use text::Text;

/// The dict that the workers share.
const SHARED: &str = "words";
/// A server that is started again is waited for so long.
const RECONNECT_FOR: Duration = Duration::from_mins(1);

/// Runs a worker: the demo starts these itself.
pub(crate) fn work(arguments: &WorkerArguments) -> Result<(), Failure> {
    worker::run(arguments)
}

/// Runs the demo.
pub(crate) fn run(arguments: &DemoArguments) -> Result<(), Failure> {
    let folder = tempfile::Builder::new()
        .prefix("commonhold-demo-")
        .permissions(std::fs::Permissions::from_mode(0o700))
        .tempdir()
        .map_err(|error| Failure::system("cannot make a temporary folder", &error))?;
    let text = Text::gather(&arguments.paths, folder.path())?;
    let begun = Instant::now();
    let expected = words::count(&text.content);
    let alone = begun.elapsed();
    let words: u64 = expected.values().sum();
    if words == 0 {
        return Err(Failure::usage(
            "there are no words to count: name files or folders with text",
        ));
    }
    let mut progress = Progress::new(words, arguments.json);
    progress.note(&format!(
        "{} words in {} ({:.1} MB), {} workers, one increment a word",
        crate::units::grouped(words),
        match text.files {
            1 => "1 file".to_owned(),
            files => format!("{files} files"),
        },
        text.megabytes(),
        arguments.workers,
    ));
    let mut server = PrivateServer::start(folder.path())?;
    let begun = Instant::now();
    let mut crew = Crew::start(&server, &text, words, arguments.workers)?;
    let mut harm = Harm::new(words, arguments.kills);
    while let Some(event) = crew.next()? {
        server.must_run()?;
        progress.advance(crew.done());
        harm.on_report(&event, &crew, &mut server, &progress)?;
    }
    let took = begun.elapsed();
    progress.finish();
    let found = shared_count(&server)?;
    let report = Report {
        files: text.files,
        megabytes: text.megabytes(),
        workers: arguments.workers,
        alone,
        took,
        killed: harm.killed(),
        wanted: arguments.kills,
        totals: crew.totals(),
        comparison: report::compare(&expected, &found),
        top: report::top(&expected, &found, arguments.top),
        words,
    };
    server.end()?;
    if arguments.json {
        say(format!("{:#}\n", report.as_json()).as_bytes())?;
    } else {
        say(report.as_text().as_bytes())?;
    }
    if report.comparison.is_equal() {
        return Ok(());
    }
    Err(Failure::new(
        Exit::Refused,
        "the shared counts differ from those of one process alone",
    ))
}

/// What the workers counted together.
fn shared_count(server: &PrivateServer) -> Result<HashMap<String, u64>, Failure> {
    let client = Options::new()
        .url(server.url())
        .key_file(server.key_file())
        .reconnect_for(RECONNECT_FOR)
        .connect_blocking()?;
    let mut found = HashMap::new();
    for pair in client.dict::<String, u64>(SHARED).scan().limit(5_000) {
        let (word, count) = pair?;
        // A word that a walk meets twice would hide what the second count says.
        if found.insert(word.clone(), count).is_some() {
            let message = format!("the walk over the shared dict met {word:?} twice");
            return Err(Failure::new(Exit::ServerFailed, message));
        }
    }
    Ok(found)
}
