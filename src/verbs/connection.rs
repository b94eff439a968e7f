//! The one connection of a verb.

use crate::arguments::Reach;
use crate::failure::{Exit, Failure};
use crate::settings::{self, KeyPlace, Layers, Source};
use commonhold::blocking::Client;
use commonhold::{Call, Code, Error, Fence, Object, Options, Value};
use commonhold_proto::keyfile;
use commonhold_proto::login::LoginError;
use commonhold_proto::url::Url;
use std::io::ErrorKind;
use std::time::{Duration, Instant};

/// A server that vanished in the middle of a command is waited for so long, unless `--timeout` says otherwise.
const RECONNECT_FOR: Duration = Duration::from_secs(10);

/// The name and kind of the server's own object.
const SERVER: (&str, &str) = ("$server", "server");

/// A session with the server that the settings name.
pub(crate) struct Connection {
    client: Client,
    url: Url,
    key: String,
    timeout: Option<Duration>,
}

impl Connection {
    /// Connects and logs in.
    pub(crate) fn open(reach: &Reach) -> Result<Connection, Failure> {
        let settings = options(reach, "commonhold command")?;
        let client = settings.options.connect_blocking();
        let client = client.map_err(|error| failure(error, &settings.key))?;
        Ok(Connection {
            client,
            url: settings.url,
            key: settings.key,
            timeout: reach.timeout,
        })
    }

    /// The server's address.
    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    /// Calls a method of an object.
    pub(super) fn call(&self, kind: &str, name: &str, call: Call) -> Result<Value, Failure> {
        self.call_on(&self.client.object(kind, name), call)
    }

    /// Calls a method of an object that is created, if it is absent, with these options of its kind.
    pub(super) fn call_with(
        &self,
        (kind, name): (&str, &str),
        options: Vec<(String, Value)>,
        call: Call,
    ) -> Result<Value, Failure> {
        let object = self.client.object(kind, name);
        let object = options
            .into_iter()
            .fold(object, |object, (name, value)| object.option(name, value));
        self.call_on(&object, call)
    }

    fn call_on(&self, object: &Object<Client>, call: Call) -> Result<Value, Failure> {
        let begun = Instant::now();
        let answer = object.call_within(call, self.timeout);
        answer.map_err(|error| {
            // Who runs out of time at a barrier breaks it, and is told that it is broken.
            // A queue says what it lacks.
            let broken = matches!(error.code(), Some(Code::Broken | Code::Empty | Code::Full));
            let failure = failure(error, &self.key);
            match self.timeout {
                Some(timeout) if broken && begun.elapsed() >= timeout => {
                    Failure::new(Exit::TimedOut, failure.message)
                }
                _ => failure,
            }
        })
    }

    /// Calls a method of the server itself.
    pub(super) fn server(&self, call: Call) -> Result<Value, Failure> {
        let (name, kind) = SERVER;
        self.call(kind, name, call)
    }

    /// The same, while a grant of a lock holds, if one is named.
    pub(super) fn server_fenced(&self, fence: Option<Fence>, call: Call) -> Result<Value, Failure> {
        let (name, kind) = SERVER;
        let server = self.client.object(kind, name);
        let server = fence.map_or_else(|| server.clone(), |fence| server.fenced(fence));
        self.call_on(&server, call)
    }

    /// What the server says of an object.
    pub(super) fn describe(&self, name: &str) -> Result<Value, Failure> {
        self.server(Call::new("describe", [name.into()]))
    }

    /// The kind of an object that must exist.
    pub(super) fn kind_of(&self, name: &str) -> Result<String, Failure> {
        if name == SERVER.0 {
            return Ok(SERVER.1.to_owned());
        }
        let about = self.describe(name)?;
        let kind = field(&about, "kind").and_then(Value::as_text);
        let kind = kind.map(str::to_owned);
        kind.ok_or_else(|| {
            Failure::new(
                Exit::ServerFailed,
                format!("the server does not say what kind {name:?} is of"),
            )
        })
    }
}

/// What a verb connects with.
pub(super) struct Settings {
    pub(super) options: Options,
    url: Url,
    /// Where the key came from, for messages.
    pub(super) key: String,
}

/// Settings of the command line, the environment and the configuration, for a client of this name.
pub(super) fn options(reach: &Reach, name: &str) -> Result<Settings, Failure> {
    let layers = Layers::read(&settings::environment, reach)?;
    let url = layers.url(reach)?;
    let place = layers.key(reach)?;
    let (key, key_name) = match &place.value {
        KeyPlace::Inline(key) => (key.clone(), "$COMMONHOLD_AUTHKEY".to_owned()),
        KeyPlace::File(path) => match keyfile::read(path) {
            Ok(file) => (file.key, format!("file {}", path.display())),
            Err(keyfile::KeyFileError::Read { source, .. })
                if source.kind() == ErrorKind::NotFound && place.source == Source::Default =>
            {
                return Err(Failure::new(
                    Exit::Unreachable,
                    format!(
                        "no server was started by this user yet: there is no key at {}; `commonhold serve` makes \
                         one, --key-file names another",
                        path.display()
                    ),
                ));
            }
            Err(error) => return Err(error.into()),
        },
    };
    let mut options = Options::new()
        .url(url.value.to_string())
        .key(key)
        .name(name)
        .reconnect_for(reach.timeout.unwrap_or(RECONNECT_FOR));
    if let Some(timeout) = reach.timeout {
        options = options.connect_for(timeout.min(Duration::from_secs(2)));
    }
    Ok(Settings {
        options,
        url: url.value,
        key: key_name,
    })
}

/// A field of a dict whose keys are text.
pub(super) fn field<'a>(dict: &'a Value, name: &str) -> Option<&'a Value> {
    let Value::Dict(pairs) = dict else {
        return None;
    };
    let found = pairs.iter().find(|(key, _)| key.as_text() == Some(name));
    found.map(|(_, value)| value)
}

/// What a verb says of an error.
pub(super) fn failure(error: Error, key: &str) -> Failure {
    match error {
        Error::Authentication { place, .. } => {
            Failure::new(Exit::KeyRefused, format!("{place} refused the key ({key})"))
        }
        // The client itself will not show such a server what it knows.
        Error::Incompatible { place, reason }
            if reason == LoginError::WeakMechanism.to_string() =>
        {
            let why = "it is a chosen one, and the server has a generated one (chk1_...)";
            Failure::new(
                Exit::KeyRefused,
                format!("{place} refused the key ({key}): {why}"),
            )
        }
        Error::Unreachable { .. } => {
            let failure = Failure::from(error);
            let hint = "is a server running there? `commonhold serve` starts one";
            Failure::new(failure.exit, format!("{failure}; {hint}"))
        }
        error => error.into(),
    }
}
