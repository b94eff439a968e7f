//! What `serve` can be told, what it was told, and by whom.

#![expect(
    clippy::doc_markdown,
    reason = "some of these doc comments are the help, and a terminal shows them as they are"
)]

use crate::arguments::Reach;
use crate::failure::Failure;
use crate::settings::{KeyPlace, Layers, Setting, Source};
use crate::units;
use clap::Args;
use commonhold_proto::Durability;
use commonhold_proto::url::{DEFAULT_PORT, Url};
use commonhold_server::Limits;
use commonhold_server::store::{STORES, StoreMaker};
use serde_json::Value as Json;
use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::time::Duration;

/// Start a server; without any option it is one for yourself
#[derive(Debug, Default, Args)]
#[command(
    after_help = "Flags come before the environment, the environment before --config, that before the defaults; \
        --print-config shows each value and who chose it.\n\n\
        A first SIGTERM or SIGINT finishes what is under way and exits with 0; a second one exits at once. Exit code 1: \
        the data folder or an address is in use (the message says by which process), 5: the store or the server failed."
)]
pub(crate) struct ServeArguments {
    /// The data folder [default: $COMMONHOLD_DATA, else ~/.local/share/commonhold]
    #[arg(long, value_name = "FOLDER")]
    pub(super) data: Option<PathBuf>,
    /// Where to listen, once or more; port 0 takes a free one [default: your socket and tcp://127.0.0.1:7414]
    #[arg(long, value_name = "URL")]
    pub(super) listen: Vec<String>,
    /// Where the log lies: sled (a folder on a local disk) or memory (nothing is kept)
    #[arg(long, value_name = "NAME")]
    pub(super) store: Option<String>,
    /// Of new objects: durable (on disk before the reply), relaxed (soon after), memory (gone with the server)
    #[arg(long, value_name = "HOW")]
    pub(super) durability: Option<String>,
    /// Listen beyond this machine although nothing is encrypted
    #[arg(long)]
    pub(super) insecure: bool,
    /// A broken connection ends what its client holds after this time [default: 2s]
    #[arg(long, value_name = "TIME")]
    pub(super) grace: Option<String>,
    /// Silence ends what a client with a heartbeat holds after this time [default: 10s]
    #[arg(long, value_name = "TIME")]
    pub(super) term: Option<String>,
    /// Refuse to add anything while less than this is free on the disk [default: 256MiB]
    #[arg(long, value_name = "SIZE")]
    pub(super) disk_reserve: Option<String>,
    /// Write a checkpoint when the log has more bytes than this and than the live state [default: 64MiB]
    #[arg(long, value_name = "SIZE", hide = true, value_parser = units::bytes)]
    pub(super) checkpoint_log_bytes: Option<u64>,
    /// Cores to serve on; 0 for all
    #[arg(long, value_name = "COUNT")]
    pub(super) cores: Option<usize>,
    /// Of the log on stderr: text or json [default: text on a terminal, else json]
    #[arg(long, value_name = "FORMAT")]
    pub(super) log_format: Option<String>,
    /// Write one line of JSON (pid, addresses) to this file descriptor, a pipe or a file, once clients can connect
    #[arg(long, value_name = "FD")]
    pub(super) ready_fd: Option<u32>,
    /// End as after SIGTERM when stdin is closed: for a server that belongs to the process that started it
    #[arg(long)]
    pub(super) until_stdin_closes: bool,
    /// Print every setting and who chose it, and exit
    #[arg(long)]
    pub(super) print_config: bool,
}

/// Every setting of a server.
#[derive(Debug)]
pub(super) struct Options {
    pub(super) data: Setting<PathBuf>,
    pub(super) listen: Setting<Vec<Url>>,
    pub(super) key: Setting<KeyPlace>,
    pub(super) store: Setting<String>,
    pub(super) durability: Setting<Durability>,
    pub(super) insecure: Setting<bool>,
    pub(super) grace: Setting<Duration>,
    pub(super) term: Setting<Duration>,
    pub(super) disk_reserve: Setting<u64>,
    /// Not a setting for people: exams make checkpoints frequent with it.
    pub(super) checkpoint_log_bytes: u64,
    pub(super) cores: Setting<usize>,
    pub(super) log_format: Setting<LogFormat>,
    pub(super) log: Setting<String>,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LogFormat {
    Text,
    Json,
}

impl Options {
    /// Takes the flags, the environment, the file and the defaults together.
    pub(super) fn resolve(
        flags: &ServeArguments,
        reach: &Reach,
        layers: &Layers,
    ) -> Result<Options, Failure> {
        if reach.url.is_some() {
            return Err(Failure::usage(
                "--url is for clients; a server has --listen",
            ));
        }
        let (file, limits) = (&layers.file, Limits::default());
        let data = layers.data(flags.data.as_deref())?;
        let urls = (!flags.listen.is_empty()).then(|| flags.listen.clone());
        let listen = layers.pick(urls, file.listen.clone(), Vec::new());
        let listen = if listen.source == Source::Default {
            let socket = Url::Unix(layers.socket(&data.value));
            let port: Url = format!("tcp://127.0.0.1:{DEFAULT_PORT}").parse()?;
            Setting::new(vec![socket, port], Source::Default)
        } else {
            let parse = |urls: Vec<String>| {
                urls.iter()
                    .map(|url| url.parse())
                    .collect::<Result<Vec<Url>, _>>()
            };
            listen.parse("listen", parse)?
        };
        let text = |flag: &Option<String>, file: &Option<String>, default: &str| {
            layers.pick(flag.clone(), file.clone(), default.to_owned())
        };
        let default_format = if std::io::stderr().is_terminal() {
            "text"
        } else {
            "json"
        };
        let default_reserve = units::show_bytes(limits.disk_reserve);
        let durability = text(
            &flags.durability,
            &file.durability,
            limits.durability.name(),
        );
        let reserve = text(&flags.disk_reserve, &file.disk_reserve, &default_reserve);
        let grace = text(
            &flags.grace,
            &file.grace,
            &units::show_duration(limits.grace),
        );
        let term = text(&flags.term, &file.term, &units::show_duration(limits.term));
        let log_format = text(&flags.log_format, &file.log_format, default_format);
        let log_format = log_format.parse("log-format", |name| match name.as_str() {
            "text" => Ok(LogFormat::Text),
            "json" => Ok(LogFormat::Json),
            _ => Err(format!("{name:?} is neither text nor json")),
        })?;
        // Who reads text sees the banner too, which says what a log would.
        let default_log = match log_format.value {
            LogFormat::Text => "warn",
            LogFormat::Json => "info",
        };
        Ok(Options {
            listen,
            key: layers.key(reach)?,
            store: text(&flags.store, &file.store, "sled")
                .parse("store", |name| known_store(&name))?,
            durability: durability.parse("durability", |name| {
                let known = Durability::from_name(&name);
                known.ok_or_else(|| format!("{name:?} is none of durable, relaxed, memory"))
            })?,
            insecure: layers.pick(flags.insecure.then_some(true), file.insecure, false),
            grace: grace.parse("grace", |text| units::duration(&text))?,
            term: term.parse("term", |text| units::duration(&text))?,
            disk_reserve: reserve.parse("disk-reserve", |text| units::bytes(&text))?,
            checkpoint_log_bytes: flags
                .checkpoint_log_bytes
                .unwrap_or(limits.checkpoint_log_bytes),
            cores: layers.pick(flags.cores, file.cores, 0),
            log_format,
            log: layers.pick_text("COMMONHOLD_LOG", None, file.log.clone(), default_log),
            data,
        })
    }

    /// A configuration file that says all of this, with who chose it as comments.
    pub(super) fn as_toml(&self) -> String {
        let path = |path: &PathBuf| Json::from(path.to_string_lossy()).to_string();
        let text = |text: &str| Json::from(text).to_string();
        let urls: Vec<String> = self
            .listen
            .value
            .iter()
            .map(|url| text(&url.to_string()))
            .collect();
        let key = match &self.key.value {
            KeyPlace::File(file) => format!("key-file = {}", path(file)),
            KeyPlace::Inline(_) => "# the key is in the environment".to_owned(),
        };
        let format = match self.log_format.value {
            LogFormat::Text => "text",
            LogFormat::Json => "json",
        };
        let lines = [
            (
                format!("data = {}", path(&self.data.value)),
                &self.data.source,
            ),
            (
                format!("listen = [{}]", urls.join(", ")),
                &self.listen.source,
            ),
            (key, &self.key.source),
            (
                format!("store = {}", text(&self.store.value)),
                &self.store.source,
            ),
            (
                format!("durability = {}", text(self.durability.value.name())),
                &self.durability.source,
            ),
            (
                format!("insecure = {}", self.insecure.value),
                &self.insecure.source,
            ),
            (
                format!("grace = {}", text(&units::show_duration(self.grace.value))),
                &self.grace.source,
            ),
            (
                format!("term = {}", text(&units::show_duration(self.term.value))),
                &self.term.source,
            ),
            (
                format!(
                    "disk-reserve = {}",
                    text(&units::show_bytes(self.disk_reserve.value))
                ),
                &self.disk_reserve.source,
            ),
            (format!("cores = {}", self.cores.value), &self.cores.source),
            (
                format!("log-format = {}", text(format)),
                &self.log_format.source,
            ),
            (format!("log = {}", text(&self.log.value)), &self.log.source),
        ];
        let width = lines
            .iter()
            .map(|(line, _)| line.chars().count())
            .max()
            .unwrap_or(0);
        lines.iter().fold(String::new(), |mut out, (line, source)| {
            writeln!(out, "{line:width$}  # {source}").expect("text grows");
            out
        })
    }
}

fn known_store(name: &str) -> Result<String, String> {
    if let Some(maker) = StoreMaker::find(name) {
        return Ok(maker.name.to_owned());
    }
    let names: Vec<&str> = STORES.iter().map(|maker| maker.name).collect();
    Err(format!(
        "{name:?} is no store: there are {}",
        names.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::ConfigFile;
    use std::ffi::OsString;

    fn env(name: &str) -> Option<OsString> {
        (name == "HOME").then(|| "/home/a".into())
    }

    fn resolve(flags: &ServeArguments) -> Result<Options, Failure> {
        let reach = Reach::default();
        let layers = Layers::read(&env, &reach)?;
        Options::resolve(flags, &reach, &layers)
    }

    #[test]
    fn the_defaults_need_no_word() {
        let options = resolve(&ServeArguments::default()).expect("defaults");
        let urls: Vec<String> = options.listen.value.iter().map(Url::to_string).collect();
        let socket = "unix:///home/a/.local/share/commonhold/commonhold.sock";
        assert_eq!(urls, [socket, "tcp://127.0.0.1:7414"]);
        assert_eq!(options.durability.value, Durability::Durable);
    }

    #[test]
    fn what_is_printed_is_a_configuration_file_that_says_the_same() {
        let flags = ServeArguments {
            grace: Some("1500ms".into()),
            listen: vec!["tcp://localhost:0".into()],
            ..ServeArguments::default()
        };
        let printed = resolve(&flags).expect("good flags").as_toml();
        assert!(printed.contains("grace = \"1500ms\""), "{printed}");
        assert!(
            printed
                .lines()
                .any(|line| line.starts_with("grace") && line.ends_with("# flag"))
        );
        assert!(
            printed
                .lines()
                .any(|line| line.starts_with("store") && line.ends_with("# default"))
        );
        let file: ConfigFile = toml::from_str(&printed).expect("it is TOML");
        assert_eq!(file.grace.as_deref(), Some("1500ms"));
        assert_eq!(file.listen, Some(vec!["tcp://localhost:0".to_owned()]));
    }

    #[test]
    fn what_makes_no_sense_says_who_said_it() {
        let flags = ServeArguments {
            store: Some("redis".into()),
            ..ServeArguments::default()
        };
        let failure = resolve(&flags).expect_err("no such store");
        let expected = "store (flag): \"redis\" is no store: there are memory, sled";
        assert_eq!(failure.message, expected);
        assert_eq!(failure.exit.code(), 2);
    }
}
