//! Where things are on this machine: agreed by the server and every client, so that nobody needs a flag.
//!
//! | thing  | the first of these that is set                                                                          |
//! |--------|---------------------------------------------------------------------------------------------------------|
//! | data   | `$COMMONHOLD_DATA`, `$STATE_DIRECTORY`, `$XDG_DATA_HOME/commonhold`, `$HOME/.local/share/commonhold`, `/var/lib/commonhold` |
//! | socket | `$RUNTIME_DIRECTORY/commonhold.sock`, `$XDG_RUNTIME_DIR/commonhold.sock`, `/run/commonhold/commonhold.sock` if the data is in `/var/lib/commonhold` by default, `<data>/commonhold.sock` |
//! | key    | `$COMMONHOLD_AUTHKEY_FILE`, `$CONFIGURATION_DIRECTORY/authkey`, `$XDG_CONFIG_HOME/commonhold/authkey`, `$HOME/.config/commonhold/authkey`, `/etc/commonhold/authkey` |
//!
//! Who runs it makes no difference: root with a `HOME` has everything under it like anyone else, and the system's folders
//! are for services, which systemd tells their folders or which have no `HOME`. An empty variable counts as unset, and so
//! does a relative path, as the XDG specification wants it, except in the `COMMONHOLD_` variables, which a person sets. Of
//! a systemd variable that lists several folders the first counts.
//!
//! The environment comes in as a function, `|name| std::env::var_os(name)`, so that this is plain arithmetic.

use crate::login::{AuthKey, KeyError};
use crate::url::{Url, UrlError};
use std::ffi::{OsStr, OsString};
use std::hash::Hasher as _;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Looks up an environment variable.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// The longest path of a Unix socket, in bytes: the kernel's limit without the final zero, on Linux and (104) elsewhere.
pub const SOCKET_PATH_BYTES_MAX: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

const SYSTEM_DATA: &str = "/var/lib/commonhold";
const SYSTEM_RUN: &str = "/run/commonhold";
const SYSTEM_CONFIGURATION: &str = "/etc/commonhold";
const FOLDER: &str = "commonhold";
const SOCKET: &str = "commonhold.sock";
const KEY: &str = "authkey";

/// The folder that holds a server's data.
pub fn data_folder(env: Environment) -> PathBuf {
    by_person(env, "COMMONHOLD_DATA")
        .or_else(|| by_systemd(env, "STATE_DIRECTORY"))
        .or_else(|| absolute(env, "XDG_DATA_HOME").map(|folder| folder.join(FOLDER)))
        .or_else(|| absolute(env, "HOME").map(|home| home.join(".local/share").join(FOLDER)))
        .unwrap_or_else(|| SYSTEM_DATA.into())
}

/// The Unix socket of the server that has its data there.
///
/// A path that is too long for a socket is replaced by one in a folder of its own under `/tmp`, whose name is made from
/// it. Whoever listens there makes the folder with mode 0700, and refuses one that others own or can enter.
pub fn socket(env: Environment, data: &Path) -> PathBuf {
    let by_default = || data == Path::new(SYSTEM_DATA) && data_folder(env) == data;
    let path = by_systemd(env, "RUNTIME_DIRECTORY")
        .or_else(|| absolute(env, "XDG_RUNTIME_DIR"))
        .or_else(|| by_default().then(|| SYSTEM_RUN.into()))
        .unwrap_or_else(|| data.to_owned())
        .join(SOCKET);
    if path.as_os_str().len() <= SOCKET_PATH_BYTES_MAX {
        return path;
    }
    let mut hash = fnv::FnvHasher::default();
    hash.write(path.as_os_str().as_bytes());
    PathBuf::from(format!("/tmp/{FOLDER}-{:016x}", hash.finish())).join(SOCKET)
}

/// Is this the kind of folder that [`socket`] names where a path is too long?
pub fn is_fallback(folder: &Path) -> bool {
    let name = folder.file_name().and_then(OsStr::to_str);
    let named = name.and_then(|name| name.strip_prefix(FOLDER));
    let hash = named.and_then(|rest| rest.strip_prefix('-'));
    let is_hash = |hash: &str| hash.len() == 16 && hash.bytes().all(|b| b.is_ascii_hexdigit());
    folder.parent() == Some(Path::new("/tmp")) && hash.is_some_and(is_hash)
}

/// The file that holds the key.
pub fn key_file(env: Environment) -> PathBuf {
    by_person(env, "COMMONHOLD_AUTHKEY_FILE").unwrap_or_else(|| {
        by_systemd(env, "CONFIGURATION_DIRECTORY")
            .or_else(|| absolute(env, "XDG_CONFIG_HOME").map(|folder| folder.join(FOLDER)))
            .or_else(|| absolute(env, "HOME").map(|home| home.join(".config").join(FOLDER)))
            .unwrap_or_else(|| SYSTEM_CONFIGURATION.into())
            .join(KEY)
    })
}

/// The key itself, where `$COMMONHOLD_AUTHKEY` holds it and `$COMMONHOLD_AUTHKEY_FILE` names no file: it is used in place of
/// a file's then.
pub fn inline_key(env: Environment) -> Option<Result<AuthKey, KeyError>> {
    if set(env, "COMMONHOLD_AUTHKEY_FILE").is_some() {
        return None;
    }
    let value = set(env, "COMMONHOLD_AUTHKEY")?;
    Some(AuthKey::new(Zeroizing::new(value.into_vec())))
}

/// The server that a client speaks to: `$COMMONHOLD_URL`, else this machine's by its socket.
pub fn server_url(env: Environment) -> Result<Url, UrlError> {
    match by_person(env, "COMMONHOLD_URL") {
        Some(url) => url.to_str().ok_or(UrlError::Host)?.parse(),
        None => Ok(Url::Unix(socket(env, &data_folder(env)))),
    }
}

fn set(env: Environment, name: &str) -> Option<OsString> {
    env(name).filter(|value| !value.is_empty())
}

fn by_person(env: Environment, name: &str) -> Option<PathBuf> {
    set(env, name).map(PathBuf::from)
}

fn absolute(env: Environment, name: &str) -> Option<PathBuf> {
    by_person(env, name).filter(|path| path.is_absolute())
}

fn by_systemd(env: Environment, name: &str) -> Option<PathBuf> {
    let list = set(env, name)?;
    let first = list.as_bytes().split(|byte| *byte == b':').next()?;
    Some(PathBuf::from(OsStr::from_bytes(first))).filter(|path| path.is_absolute())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(variables: &[(&str, &str)], data: &str, socket_path: &str, key: &str) {
        let env = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| OsString::from(value))
        };
        assert_eq!(data_folder(&env), Path::new(data), "{variables:?}");
        let found = socket(&env, Path::new(data));
        assert_eq!(found, Path::new(socket_path), "{variables:?}");
        assert_eq!(key_file(&env), Path::new(key), "{variables:?}");
        assert_eq!(server_url(&env), Ok(Url::Unix(socket_path.into())));
    }

    #[test]
    fn with_a_home_alone_everything_is_under_it() {
        check(
            &[("HOME", "/new")],
            "/new/.local/share/commonhold",
            "/new/.local/share/commonhold/commonhold.sock",
            "/new/.config/commonhold/authkey",
        );
    }

    #[test]
    fn a_desktop_session_says_where_things_are() {
        check(
            &[
                ("HOME", "/home/a"),
                ("XDG_RUNTIME_DIR", "/run/user/1000"),
                ("XDG_DATA_HOME", "/home/a/data"),
                ("XDG_CONFIG_HOME", "/home/a/config"),
            ],
            "/home/a/data/commonhold",
            "/run/user/1000/commonhold.sock",
            "/home/a/config/commonhold/authkey",
        );
    }

    #[test]
    fn systemd_says_where_things_are() {
        check(
            &[
                ("HOME", "/root"),
                ("XDG_RUNTIME_DIR", "/run/user/0"),
                ("STATE_DIRECTORY", "/var/lib/commonhold:/var/lib/other"),
                ("RUNTIME_DIRECTORY", "/run/commonhold"),
                ("CONFIGURATION_DIRECTORY", "/etc/commonhold"),
            ],
            "/var/lib/commonhold",
            "/run/commonhold/commonhold.sock",
            "/etc/commonhold/authkey",
        );
    }

    #[test]
    fn without_anything_the_systems_folders_are_used() {
        check(
            &[],
            "/var/lib/commonhold",
            "/run/commonhold/commonhold.sock",
            "/etc/commonhold/authkey",
        );
    }

    #[test]
    fn a_persons_own_variables_come_first_and_may_be_relative() {
        check(
            &[
                ("COMMONHOLD_DATA", "here"),
                ("COMMONHOLD_AUTHKEY_FILE", "key.txt"),
                ("STATE_DIRECTORY", "/var/lib/commonhold"),
                ("HOME", "/home/a"),
            ],
            "here",
            "here/commonhold.sock",
            "key.txt",
        );
    }

    #[test]
    fn empty_and_relative_variables_count_as_unset() {
        check(
            &[
                ("HOME", "/new"),
                ("COMMONHOLD_DATA", ""),
                ("COMMONHOLD_URL", ""),
                ("XDG_DATA_HOME", "data"),
                ("XDG_RUNTIME_DIR", ""),
                ("STATE_DIRECTORY", "state"),
            ],
            "/new/.local/share/commonhold",
            "/new/.local/share/commonhold/commonhold.sock",
            "/new/.config/commonhold/authkey",
        );
    }

    #[test]
    fn a_socket_beside_data_that_lies_deep_is_in_a_short_folder() {
        let none = |_: &str| None;
        let fits = format!("/{}", "d".repeat(SOCKET_PATH_BYTES_MAX - 17));
        let path = socket(&none, Path::new(&fits));
        assert_eq!(path.as_os_str().len(), SOCKET_PATH_BYTES_MAX);
        assert!(path.starts_with(&fits));
        let deep = format!("{fits}d");
        let short = socket(&none, Path::new(&deep));
        assert!(short.starts_with("/tmp") && short.ends_with("commonhold.sock"));
        assert!(is_fallback(short.parent().expect("a folder")));
        for other in ["/tmp/commonholder", "/tmp/commonhold-demo-2qWfhU"] {
            assert!(!is_fallback(Path::new(other)), "{other}");
        }
        assert_eq!(short, socket(&none, Path::new(&deep)));
        assert_ne!(short, socket(&none, Path::new(&format!("{deep}d"))));
    }

    #[test]
    fn a_client_is_told_its_server_by_one_variable() {
        let env = |url: &'static str| {
            move |name: &str| (name == "COMMONHOLD_URL").then(|| OsString::from(url))
        };
        let url = server_url(&env("tcp://db1:9")).expect("an address");
        assert_eq!(url.to_string(), "tcp://db1:9");
        assert_eq!(server_url(&env("tcp://k@db1")), Err(UrlError::Key));
    }

    #[test]
    fn a_key_in_the_environment_gives_way_to_a_file_that_is_named_there() {
        let key = |variables: &[(&str, &str)]| {
            let env = |name: &str| {
                let found = variables.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| OsString::from(value))
            };
            inline_key(&env).map(|key| key.expect("a key").expose().to_vec())
        };
        let (inline, file) = (
            ("COMMONHOLD_AUTHKEY", "k"),
            ("COMMONHOLD_AUTHKEY_FILE", "f"),
        );
        assert_eq!(key(&[inline]), Some(b"k".to_vec()));
        assert_eq!(
            key(&[inline, ("COMMONHOLD_AUTHKEY_FILE", "")]),
            Some(b"k".to_vec())
        );
        assert_eq!(key(&[inline, file]), None);
        assert_eq!(key(&[]), None);
    }
}
