//! Where a setting comes from: flags, then the environment, then the configuration file, then the defaults.

use crate::arguments::Reach;
use crate::failure::Failure;
use crate::file::ConfigFile;
use commonhold_proto::keyfile::{self, KeyFile};
use commonhold_proto::login::AuthKey;
use commonhold_proto::place;
use commonhold_proto::url::Url;
use std::ffi::OsString;
use std::fmt;
use std::path::{self, Path, PathBuf};

/// A value, and who chose it.
#[derive(Clone, Debug)]
pub(crate) struct Setting<T> {
    pub(crate) value: T,
    pub(crate) source: Source,
}

/// Who chose a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Flag,
    Environment(&'static str),
    File(PathBuf),
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Flag => f.write_str("flag"),
            Source::Environment(name) => write!(f, "${name}"),
            Source::File(path) => write!(f, "{}", path.display()),
            Source::Default => f.write_str("default"),
        }
    }
}

impl<T> Setting<T> {
    pub(crate) fn new(value: T, source: Source) -> Setting<T> {
        Setting { value, source }
    }

    /// Makes something else of the value.
    ///
    /// # Errors
    /// A usage failure that says who chose it.
    pub(crate) fn parse<U, E: fmt::Display>(
        self,
        name: &str,
        parse: impl FnOnce(T) -> Result<U, E>,
    ) -> Result<Setting<U>, Failure> {
        let Setting { value, source } = self;
        match parse(value) {
            Ok(value) => Ok(Setting { value, source }),
            Err(error) => Err(Failure::usage(format!("{name} ({source}): {error}"))),
        }
    }
}

/// Where the key is.
#[derive(Clone, Debug)]
pub(crate) enum KeyPlace {
    File(PathBuf),
    /// In `$COMMONHOLD_AUTHKEY`.
    Inline(AuthKey),
}

impl KeyPlace {
    /// The key; a file that is not there is made.
    pub(crate) fn read_or_create(&self) -> Result<KeyFile, Failure> {
        match self {
            KeyPlace::File(path) => Ok(keyfile::read_or_create(path)?),
            KeyPlace::Inline(key) => Ok(KeyFile {
                key: key.clone(),
                new: false,
                warning: None,
            }),
        }
    }
}

/// The environment and the configuration file.
pub(crate) struct Layers<'a> {
    env: place::Environment<'a>,
    pub(crate) file: ConfigFile,
}

impl<'a> Layers<'a> {
    /// Reads the configuration file, where a flag or the environment names one.
    pub(crate) fn read(env: place::Environment<'a>, reach: &Reach) -> Result<Self, Failure> {
        let path = reach.config.clone().or_else(|| {
            let named = env("COMMONHOLD_CONFIG").filter(|path| !path.is_empty());
            named.map(PathBuf::from)
        });
        let file = path.as_deref().map(ConfigFile::read).transpose()?;
        Ok(Layers {
            env,
            file: file.unwrap_or_default(),
        })
    }

    /// A variable that is set to something.
    fn variable(&self, name: &'static str) -> Option<Setting<OsString>> {
        let value = (self.env)(name).filter(|value| !value.is_empty())?;
        Some(Setting::new(value, Source::Environment(name)))
    }

    fn in_file<T>(&self, value: Option<T>) -> Option<Setting<T>> {
        value.map(|value| Setting::new(value, Source::File(self.file.path.clone())))
    }

    /// A setting without a variable.
    pub(crate) fn pick<T>(&self, flag: Option<T>, file: Option<T>, default: T) -> Setting<T> {
        flag.map(|value| Setting::new(value, Source::Flag))
            .or_else(|| self.in_file(file))
            .unwrap_or_else(|| Setting::new(default, Source::Default))
    }

    /// A setting with a variable of text.
    pub(crate) fn pick_text(
        &self,
        variable: &'static str,
        flag: Option<String>,
        file: Option<String>,
        default: &str,
    ) -> Setting<String> {
        let found = self
            .variable(variable)
            .map(|found| Setting::new(found.value.to_string_lossy().into_owned(), found.source));
        match (flag, found) {
            (None, Some(found)) => found,
            (flag, _) => self.pick(flag, file, default.to_owned()),
        }
    }

    /// The data folder, as an absolute path.
    pub(crate) fn data(&self, flag: Option<&Path>) -> Result<Setting<PathBuf>, Failure> {
        let found = flag
            .map(|path| Setting::new(path.to_owned(), Source::Flag))
            .or_else(|| {
                let variable = self.variable("COMMONHOLD_DATA")?;
                Some(Setting::new(variable.value.into(), variable.source))
            })
            .or_else(|| self.in_file(self.file.data.clone()))
            .unwrap_or_else(|| Setting::new(place::data_folder(self.env), Source::Default));
        found.parse("data", path::absolute)
    }

    /// The socket of the server that has its data there.
    pub(crate) fn socket(&self, data: &Path) -> PathBuf {
        place::socket(self.env, data)
    }

    /// The key.
    pub(crate) fn key(&self, reach: &Reach) -> Result<Setting<KeyPlace>, Failure> {
        if let Some(path) = &reach.key_file {
            return Ok(Setting::new(KeyPlace::File(path.clone()), Source::Flag));
        }
        if let Some(path) = self.variable("COMMONHOLD_AUTHKEY_FILE") {
            return Ok(Setting::new(KeyPlace::File(path.value.into()), path.source));
        }
        if let Some(key) = place::inline_key(self.env) {
            let source = Source::Environment("COMMONHOLD_AUTHKEY");
            return Setting::new(key, source).parse("key", |key| key.map(KeyPlace::Inline));
        }
        let found = self.in_file(self.file.key_file.clone());
        Ok(match found {
            Some(path) => Setting::new(KeyPlace::File(path.value), path.source),
            None => Setting::new(KeyPlace::File(place::key_file(self.env)), Source::Default),
        })
    }

    /// The server that a client speaks to. A file that says where the server listens says it too.
    pub(crate) fn url(&self, reach: &Reach) -> Result<Setting<Url>, Failure> {
        let flag = reach.url.clone();
        let of_file = self.file.url.clone().or_else(|| {
            let listen = self.file.listen.as_ref()?;
            listen.first().cloned()
        });
        let text = self.pick_text("COMMONHOLD_URL", flag, of_file, "");
        if text.source == Source::Default {
            let socket = self.socket(&self.data(None)?.value);
            return Ok(Setting::new(Url::Unix(socket), Source::Default));
        }
        text.parse("url", |text| text.parse())
    }
}

/// The process's own environment.
pub(crate) fn environment(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(name: &str) -> Option<OsString> {
        let value = match name {
            "HOME" => "/home/a",
            "COMMONHOLD_URL" => "tcp://db1",
            "COMMONHOLD_DATA" => "/data",
            _ => return None,
        };
        Some(value.into())
    }

    fn home_only(name: &str) -> Option<OsString> {
        env(name).filter(|_| name == "HOME")
    }

    fn layers(env: place::Environment<'_>) -> Layers<'_> {
        Layers {
            env,
            file: ConfigFile {
                path: "/etc/c.toml".into(),
                data: Some("/srv".into()),
                ..ConfigFile::default()
            },
        }
    }

    #[test]
    fn flags_come_before_the_environment_before_the_file_before_the_default() {
        let source = |data: Setting<PathBuf>| (data.value, data.source.to_string());
        let all = layers(&env);
        let flag = all.data(Some(Path::new("/flag"))).expect("a path");
        assert_eq!(source(flag), ("/flag".into(), "flag".into()));
        let variable = all.data(None).expect("a path");
        assert_eq!(
            source(variable),
            ("/data".into(), "$COMMONHOLD_DATA".into())
        );
        let mut less = layers(&home_only);
        let file = less.data(None).expect("a path");
        assert_eq!(source(file), ("/srv".into(), "/etc/c.toml".into()));
        less.file.data = None;
        let default = less.data(None).expect("a path");
        assert_eq!(
            source(default),
            ("/home/a/.local/share/commonhold".into(), "default".into())
        );
    }

    #[test]
    fn a_client_looks_where_the_file_lets_the_server_listen() {
        let url = |layers: &Layers, reach: &Reach| {
            layers
                .url(reach)
                .map(|url| url.value.to_string())
                .map_err(|e| e.message)
        };
        let mut reach = Reach::default();
        assert_eq!(url(&layers(&env), &reach), Ok("tcp://db1:7414".into()));
        let mut less = layers(&home_only);
        assert_eq!(url(&less, &reach), Ok("unix:///srv/commonhold.sock".into()));
        less.file.listen = Some(vec!["tcp://db2:1".into()]);
        assert_eq!(url(&less, &reach), Ok("tcp://db2:1".into()));
        reach.url = Some("tcp://secret@db3".into());
        let refused = url(&less, &reach).expect_err("a key in a URL");
        assert!(refused.starts_with("url (flag): "), "{refused}");
        assert!(!refused.contains("secret"), "{refused}");
    }
}
