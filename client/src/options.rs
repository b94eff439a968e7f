//! How a client connects.

use crate::blocking::Driver;
use crate::error::Result;
use crate::{Client, blocking};
use commonhold_proto::login::AuthKey;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Settings of a client, all optional.
///
/// Without any, the client talks to the server of `$COMMONHOLD_URL`, else to that of the same user, with the key of
/// `$COMMONHOLD_AUTHKEY`, `$COMMONHOLD_AUTHKEY_FILE`, else of the user's configuration.
#[derive(Clone)]
pub struct Options {
    pub(crate) url: Option<String>,
    pub(crate) key: KeySource,
    pub(crate) key_name: String,
    pub(crate) name: Option<String>,
    pub(crate) liveness: Option<Liveness>,
    pub(crate) connect_for: Duration,
    pub(crate) reconnect_for: Duration,
    pub(crate) interrupt: Option<Interrupt>,
    pub(crate) absence: Option<Absence>,
}

/// Asks whether a blocking call should stop: run when a signal has arrived.
pub(crate) type Interrupt = Arc<dyn Fn() -> bool + Send + Sync>;

/// Asks whether something was done about a server that is not there, or why it is of no use to wait for one.
pub(crate) type Absence = Arc<dyn Fn() -> std::result::Result<StandIn, String> + Send + Sync>;

/// What a program does about an absent server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StandIn {
    /// It serves now: the client tries again at once.
    Serves,
    /// It does not serve, and why, if that helps whoever waited in vain.
    Waits(Option<String>),
}

/// Where the key comes from.
#[derive(Clone, Default)]
pub(crate) enum KeySource {
    /// The environment, else the user's configuration.
    #[default]
    Default,
    File(PathBuf),
    Key(AuthKey),
}

/// How the server tells that a client lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Liveness {
    /// As long as its connection does. The default of blocking clients, which have no thread of their own.
    Connection,
    /// As long as it sends frames. The default of async clients.
    Heartbeat,
}

impl Options {
    /// The defaults.
    pub fn new() -> Options {
        Options {
            url: None,
            key: KeySource::Default,
            key_name: "default".to_owned(),
            name: None,
            liveness: None,
            connect_for: Duration::from_secs(2),
            reconnect_for: Duration::from_mins(1),
            interrupt: None,
            absence: None,
        }
    }

    /// The server: `unix:///path`, `tcp://host:7414`, or `host:7414`.
    #[must_use]
    pub fn url(mut self, url: impl Into<String>) -> Options {
        self.url = Some(url.into());
        self
    }

    /// The file that holds the key.
    #[must_use]
    pub fn key_file(mut self, path: impl AsRef<Path>) -> Options {
        self.key = KeySource::File(path.as_ref().to_owned());
        self
    }

    /// The key itself.
    #[must_use]
    pub fn key(mut self, key: AuthKey) -> Options {
        self.key = KeySource::Key(key);
        self
    }

    /// The name under which the server knows the key; `default` unless given.
    #[must_use]
    pub fn key_name(mut self, name: impl Into<String>) -> Options {
        self.key_name = name.into();
        self
    }

    /// The client's name, for people who ask who holds what.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Options {
        self.name = Some(name.into());
        self
    }

    /// How the server tells that this client lives.
    #[must_use]
    pub fn liveness(mut self, liveness: Liveness) -> Options {
        self.liveness = Some(liveness);
        self
    }

    /// How long a server that is not there is waited for at first; 2 s unless given.
    #[must_use]
    pub fn connect_for(mut self, time: Duration) -> Options {
        self.connect_for = time;
        self
    }

    /// How long a broken connection is tried to be taken up again before calls fail; 60 s unless given.
    #[must_use]
    pub fn reconnect_for(mut self, time: Duration) -> Options {
        self.reconnect_for = time;
        self
    }

    /// For blocking clients: runs when a signal interrupts a wait, and at least five times a second during one. If it
    /// says true, the wait ends with [`Error::Interrupted`](crate::Error::Interrupted).
    #[must_use]
    pub fn interrupt(mut self, hook: impl Fn() -> bool + Send + Sync + 'static) -> Options {
        self.interrupt = Some(Arc::new(hook));
        self
    }

    /// Runs after each try to connect that failed, in the thread that drives the client: a program may serve in the place
    /// of a server that has ended. An error ends the calls that wait, with its text.
    #[must_use]
    pub fn absence(
        mut self,
        hook: impl Fn() -> std::result::Result<StandIn, String> + Send + Sync + 'static,
    ) -> Options {
        self.absence = Some(Arc::new(hook));
        self
    }

    /// Connects an async client. Must run within a tokio runtime, which also drives the client.
    pub async fn connect(self) -> Result<Client> {
        Client::with(self).await
    }

    /// An async client that needs no runtime, and what has to be driven for its calls to come about. It connects when it is
    /// driven; [`opened`](Client::opened) tells how that went.
    ///
    /// The futures of its calls may be polled by any executor, but for those that wait for the loss of a grant: they need
    /// tokio's time.
    ///
    /// # Errors
    /// Settings that make no sense, and any system but Linux.
    pub fn connect_driven(self) -> Result<(Client, Driver)> {
        Client::driven(&self)
    }

    /// Connects a blocking client.
    pub fn connect_blocking(self) -> Result<blocking::Client> {
        blocking::Client::with(self)
    }
}

impl Default for Options {
    fn default() -> Options {
        Options::new()
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The key stays out of logs.
        f.debug_struct("Options")
            .field("url", &self.url)
            .field("key_name", &self.key_name)
            .field("name", &self.name)
            .field("liveness", &self.liveness)
            .field("connect_for", &self.connect_for)
            .field("reconnect_for", &self.reconnect_for)
            .finish_non_exhaustive()
    }
}
