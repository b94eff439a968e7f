//! What `serve` prints on stdout: who it is, where things are, when it is ready.

use super::options::Options;
use crate::settings::KeyPlace;
use commonhold_server::Server;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::time::Duration;

pub(super) struct Banner<'a> {
    options: &'a Options,
    key_is_new: bool,
}

impl Banner<'_> {
    pub(super) fn new(options: &Options, key_is_new: bool) -> Banner<'_> {
        Banner {
            options,
            key_is_new,
        }
    }

    /// Once the data folder is ours.
    pub(super) fn head(&self) {
        let (data, store) = (&self.options.data.value, &self.options.store.value);
        let version = env!("CARGO_PKG_VERSION");
        let place = if store == "memory" {
            "in memory: nothing is kept".to_owned()
        } else {
            format!("{} ({store}{})", short(data), format_of(data))
        };
        say(&format!(
            "commonhold {version}  pid {}  data {place}\n",
            std::process::id()
        ));
        say(&match &self.options.key.value {
            KeyPlace::File(path) if self.key_is_new => {
                format!("  key     {}   (new, mode 0600)\n", short(path))
            }
            KeyPlace::File(path) => format!("  key     {}\n", short(path)),
            KeyPlace::Inline(_) => "  key     $COMMONHOLD_AUTHKEY\n".to_owned(),
        });
    }

    /// Once clients can connect.
    pub(super) fn ready(server: &Server, took: Duration) {
        for address in server.listening() {
            say(&format!("  listen  {address}\n"));
        }
        let objects = match server.objects() {
            1 => "1 object".to_owned(),
            count => format!("{count} objects"),
        };
        say(&format!(
            "ready in {:.2} s, {objects}\n",
            took.as_secs_f64()
        ));
    }
}

/// A server goes on serving when nobody reads its stdout.
fn say(line: &str) {
    let mut stdout = io::stdout().lock();
    let _ = stdout
        .write_all(line.as_bytes())
        .and_then(|()| stdout.flush());
}

/// The format of a data folder, as it says itself.
fn format_of(data: &Path) -> String {
    let text = fs::read_to_string(data.join("FORMAT")).unwrap_or_default();
    match text.split_whitespace().next() {
        Some(number) => format!(", format {number}"),
        None => String::new(),
    }
}

/// A path as people write it, with `~`.
fn short(path: &Path) -> String {
    let home = std::env::var_os("HOME").filter(|home| !home.is_empty());
    match home.and_then(|home| path.strip_prefix(home).ok().map(Path::to_owned)) {
        Some(rest) => format!("~/{}", rest.display()),
        None => path.display().to_string(),
    }
}
