//! Where the server is, and the key that it knows.

use crate::error::{Error, Result};
use crate::options::{KeySource, Options};
use commonhold_proto::login::AuthKey;
use commonhold_proto::url::{Authority, Url};
use commonhold_proto::{keyfile, place};
use std::env;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

/// Where a client looks for its server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// A Unix socket.
    Unix(PathBuf),
    /// A host and a port, in the clear.
    Tcp(Authority),
}

impl Place {
    fn of(url: Url) -> Result<Place> {
        match url {
            Url::Unix(path) => Ok(Place::Unix(path)),
            Url::Tcp(authority) => Ok(Place::Tcp(authority)),
            Url::Tls(authority) => Err(Error::Configuration(format!(
                "this client does not encrypt: reach {authority} through a tunnel, or say tcp:// where the network is \
                 trusted"
            ))),
        }
    }

    /// What HTTP/2 requests name.
    pub(crate) fn authority(&self) -> String {
        match self {
            Place::Unix(_) => "localhost".to_owned(),
            Place::Tcp(authority) => authority.to_string(),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Unix(path) => write!(f, "unix://{}", path.display()),
            Place::Tcp(authority) => authority.fmt(f),
        }
    }
}

impl Options {
    /// The server's place: the option, else what the environment says.
    pub(crate) fn place(&self) -> Result<Place> {
        let url = match &self.url {
            Some(url) => url.parse(),
            None => place::server_url(&environment),
        };
        Place::of(url.map_err(configuration)?)
    }

    /// The key, and where it came from: the option, else what the environment says.
    pub(crate) fn read_key(&self) -> Result<(AuthKey, String)> {
        match &self.key {
            KeySource::Key(key) => Ok((key.clone(), "given".to_owned())),
            KeySource::File(path) => read_key(path),
            KeySource::Default => match place::inline_key(&environment) {
                Some(key) => Ok((
                    key.map_err(configuration)?,
                    "$COMMONHOLD_AUTHKEY".to_owned(),
                )),
                None => read_key(&place::key_file(&environment)),
            },
        }
    }
}

fn environment(name: &str) -> Option<OsString> {
    env::var_os(name)
}

fn read_key(path: &Path) -> Result<(AuthKey, String)> {
    let file = keyfile::read(path).map_err(configuration)?;
    if let Some(warning) = file.warning {
        tracing::warn!("{warning}");
    }
    Ok((file.key, format!("file {}", path.display())))
}

fn configuration(error: impl fmt::Display) -> Error {
    Error::Configuration(error.to_string())
}
