//! Where a server is, and where its key lies.

use crate::error::{Error, Result};
use crate::options::{KeySource, Options};
use commonhold_proto::login::AuthKey;
use std::env;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// A Unix socket.
    Unix(PathBuf),
    /// A host and a port, in the clear.
    Tcp {
        /// Name or address.
        host: String,
        /// Port.
        port: u16,
    },
}

impl Place {
    /// Reads `unix:///path`, `tcp://host:port` or `host:port`.
    pub fn parse(url: &str) -> Result<Place> {
        let bad = |why: &str| Err(Error::Configuration(format!("the URL \"{url}\" {why}")));
        if let Some(path) = url.strip_prefix("unix://") {
            return if path.starts_with('/') {
                Ok(Place::Unix(path.into()))
            } else {
                bad("needs an absolute path after unix://")
            };
        }
        let address = url.strip_prefix("tcp://").unwrap_or(url);
        if address.contains("://") {
            return bad("is neither unix:// nor tcp://");
        }
        if address.contains('@') {
            return Err(Error::Configuration(
                "a URL must not contain a key: name a key file instead".to_owned(),
            ));
        }
        let Some((host, port)) = address.rsplit_once(':') else {
            return bad("needs a port, as in tcp://host:7414");
        };
        let Ok(port) = port.parse() else {
            return bad("has a port that is no number from 0 to 65535");
        };
        let host = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        if host.is_empty() {
            return bad("needs a host");
        }
        Ok(Place::Tcp { host, port })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Unix(path) => write!(f, "unix://{}", path.display()),
            Place::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Place::Tcp { host, port } => write!(f, "{host}:{port}"),
        }
    }
}

impl Options {
    /// The server's place: the option, the environment, the user's socket.
    pub(crate) fn place(&self) -> Result<Place> {
        if let Some(url) = &self.url {
            return Place::parse(url);
        }
        if let Ok(url) = env::var("COMMONHOLD_URL") {
            return Place::parse(&url);
        }
        let folder = (env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from))
            .unwrap_or_else(|| PathBuf::from("/run"));
        Ok(Place::Unix(folder.join("commonhold.sock")))
    }

    /// The key, and where it came from.
    pub(crate) fn read_key(&self) -> Result<(AuthKey, String)> {
        match &self.key {
            KeySource::Key(key) => Ok((key.clone(), "given".to_owned())),
            KeySource::File(path) => read_key(path),
            KeySource::Default => {
                if let Ok(key) = env::var("COMMONHOLD_AUTHKEY") {
                    let key = AuthKey::new(&key).map_err(|error| {
                        Error::Configuration(format!("$COMMONHOLD_AUTHKEY: {error}"))
                    })?;
                    return Ok((key, "$COMMONHOLD_AUTHKEY".to_owned()));
                }
                if let Some(path) = env::var_os("COMMONHOLD_AUTHKEY_FILE") {
                    return read_key(Path::new(&path));
                }
                let folder = (env::var_os("XDG_CONFIG_HOME").map(PathBuf::from))
                    .or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".config")))
                    .unwrap_or_else(|| PathBuf::from("/etc"));
                read_key(&folder.join("commonhold/authkey"))
            }
        }
    }
}

fn read_key(path: &Path) -> Result<(AuthKey, String)> {
    let fail = |why: &dyn fmt::Display| {
        Error::Configuration(format!("the key file {}: {why}", path.display()))
    };
    let bytes = fs::read(path).map_err(|error| fail(&error))?;
    let key = AuthKey::new(bytes.trim_ascii_end()).map_err(|error| fail(&error))?;
    Ok((key, format!("file {}", path.display())))
}
