//! The file that holds the key: one line, or any bytes.
//!
//! The one part of this crate that reads and writes files: server and clients must not disagree about what is in it.

use crate::login::{AuthKey, KEY_BYTES_MAX, KeyError};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// A key that was read from a file or written to one.
#[derive(Debug)]
pub struct KeyFile {
    /// The key.
    pub key: AuthKey,
    /// It was made just now.
    pub new: bool,
    /// A sentence for people if others on this machine may read or change the file. It is used all the same: secrets that
    /// a container is given are often mounted so, and to refuse them would make people copy them about.
    pub warning: Option<String>,
}

/// The key cannot be had from the file.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// It cannot be read.
    #[error("the key file {path} cannot be read: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It cannot be made. There is never a part of one.
    #[error("the key file {path} cannot be made: {source}")]
    Create {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What is in it is no key.
    #[error("the key file {path} holds no key: {source}")]
    Content {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: KeyError,
    },
}

/// Reads the key. One line break at the end does not belong to it.
pub fn read(path: &Path) -> Result<KeyFile, KeyFileError> {
    let unreadable = |source| KeyFileError::Read {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(unreadable)?;
    let mode = file.metadata().map_err(unreadable)?.mode();
    // Large enough never to grow, a byte more than a key and its line break may have.
    let limit = KEY_BYTES_MAX + 3;
    let mut bytes = Zeroizing::new(Vec::with_capacity(limit + 1));
    file.take(limit as u64)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    let line = (bytes.strip_suffix(b"\r\n"))
        .or_else(|| bytes.strip_suffix(b"\n"))
        .unwrap_or(&bytes);
    let key = AuthKey::new(line).map_err(|source| KeyFileError::Content {
        path: path.to_owned(),
        source,
    })?;
    let warning = (mode & 0o077 != 0).then(|| {
        format!(
            "the key file {path} has mode {:04o}: other users may use the key; run `chmod 600 {path}`",
            mode & 0o7777,
            path = path.display()
        )
    });
    Ok(KeyFile {
        key,
        new: false,
        warning,
    })
}

/// Reads the key, or makes a new one if there is no such file: mode 0600, in folders that are made with mode 0700.
///
/// However many start at the same moment, all get the same key: the file appears whole, and whoever comes second reads it.
/// The file system must know hard links.
pub fn read_or_create(path: &Path) -> Result<KeyFile, KeyFileError> {
    match read(path) {
        Err(KeyFileError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
        other => return other,
    }
    let key = AuthKey::generate();
    match create(path, &key) {
        Ok(()) => Ok(KeyFile {
            key,
            new: true,
            warning: None,
        }),
        Err(source) if source.kind() == io::ErrorKind::AlreadyExists => read(path),
        Err(source) => Err(KeyFileError::Create {
            path: path.to_owned(),
            source,
        }),
    }
}

/// Makes the file, unless there is one: `AlreadyExists`.
fn create(path: &Path, key: &AuthKey) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    let random = u64::from_le_bytes(crate::login::random());
    let draft = folder.join(format!(".authkey.{random:016x}"));
    let made = write(&draft, key).and_then(|()| fs::hard_link(&draft, path));
    let removed = fs::remove_file(&draft);
    made.and(removed)?;
    File::open(folder)?.sync_all()
}

fn write(path: &Path, key: &AuthKey) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(key.expose())?;
    file.write_all(b"\n")?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;
    use std::sync::Barrier;
    use std::thread;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().expect("a folder")
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("a folder");
        let name = |entry: io::Result<fs::DirEntry>| entry.expect("an entry").file_name();
        entries
            .map(|entry| name(entry).to_string_lossy().into_owned())
            .collect()
    }

    #[test]
    fn a_new_key_is_private_random_and_read_again() {
        let home = folder();
        let path = home.path().join("config/commonhold/authkey");
        let made = read_or_create(&path).expect("made");
        assert!(made.new && made.key.is_random() && made.warning.is_none());
        let permissions = |path: &Path| fs::metadata(path).expect("there").mode() & 0o7777;
        assert_eq!(permissions(&path), 0o600);
        assert_eq!(permissions(&home.path().join("config")), 0o700);
        assert_eq!(permissions(&home.path().join("config/commonhold")), 0o700);
        let again = read_or_create(&path).expect("read");
        assert!(!again.new && again.key.is_random() && again.warning.is_none());
        assert_eq!(again.key.expose(), made.key.expose());
        assert_eq!(names(path.parent().expect("a folder")), ["authkey"]);
    }

    #[test]
    fn all_who_start_at_once_get_the_same_key() {
        for _ in 0..20 {
            let home = folder();
            let path = home.path().join("config/authkey");
            let start = Barrier::new(8);
            let keys: Vec<KeyFile> = thread::scope(|scope| {
                let starters: Vec<_> = (0..8)
                    .map(|_| {
                        scope.spawn(|| {
                            start.wait();
                            read_or_create(&path).expect("a key")
                        })
                    })
                    .collect();
                let joined = starters.into_iter().map(|it| it.join().expect("no panic"));
                joined.collect()
            });
            assert_eq!(keys.iter().filter(|it| it.new).count(), 1);
            assert!(
                keys.iter()
                    .all(|it| it.key.expose() == keys[0].key.expose())
            );
            assert_eq!(names(&home.path().join("config")), ["authkey"]);
        }
    }

    #[test]
    fn one_line_break_at_the_end_is_not_part_of_the_key() {
        let home = folder();
        let path = home.path().join("authkey");
        let generated = AuthKey::generate();
        let text = std::str::from_utf8(generated.expose()).expect("text");
        for (content, key) in [
            ("secret", "secret"),
            ("secret\n", "secret"),
            ("secret\r\n", "secret"),
            ("secret\n\n", "secret\n"),
            ("secret\r", "secret\r"),
            (&format!("{text}\n"), text),
        ] {
            fs::write(&path, content).expect("written");
            let read = read(&path).expect("a key");
            assert_eq!(read.key.expose(), key.as_bytes(), "{content:?}");
            assert_eq!(read.key.is_random(), key == text);
        }
    }

    #[test]
    fn a_key_that_others_may_read_is_used_with_a_warning() {
        let home = folder();
        let path = home.path().join("authkey");
        fs::write(&path, "secret").expect("written");
        for (mode, warns) in [
            (0o600, false),
            (0o400, false),
            (0o640, true),
            (0o604, true),
            (0o620, true),
        ] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("set");
            let warning = read(&path).expect("a key").warning;
            assert_eq!(warning.is_some(), warns, "{mode:o}");
            let says_all = |text: String| text.contains("chmod 600") && !text.contains("secret");
            assert!(warning.is_none_or(says_all));
        }
    }

    #[test]
    fn what_is_no_key_is_an_error_that_names_the_file() {
        let home = folder();
        let path = home.path().join("authkey");
        let message = |result: Result<KeyFile, KeyFileError>| {
            let text = result.expect_err("no key").to_string();
            assert!(text.contains(&path.display().to_string()), "{text}");
            text
        };
        assert!(message(read(&path)).contains("cannot be read"));
        for empty in ["", "\n"] {
            fs::write(&path, empty).expect("written");
            assert!(message(read_or_create(&path)).contains("empty"));
        }
        fs::write(&path, [b'k'; KEY_BYTES_MAX]).expect("written");
        assert!(read(&path).is_ok());
        fs::write(&path, vec![b'k'; 100_000]).expect("written");
        assert!(message(read(&path)).contains("longer"));
        fs::remove_file(&path).expect("removed");
        fs::create_dir(&path).expect("made");
        assert!(message(read_or_create(&path)).contains("cannot be read"));
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_an_error() {
        let home = folder();
        fs::write(home.path().join("file"), "").expect("written");
        assert!(read_or_create(&home.path().join("file/authkey")).is_err());
    }
}
