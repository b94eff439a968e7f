//! A data folder: one process at a time, one store, one format.
//!
//! `lock` is locked by its owner and holds its process id; the kernel frees the lock however the owner ends. `FORMAT` holds
//! the format's number and the store's name. Everything else belongs to the store.

use super::StoreError;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

/// The format that this version writes, and the newest that it reads.
const FORMAT: u32 = 1;
/// Files that a crash may leave in a folder before `FORMAT` is in it.
const BEFORE_FORMAT: [&str; 2] = ["lock", "FORMAT.new"];

/// A data folder, locked.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    /// `lock`; the lock ends when this is closed.
    lock: File,
}

impl Folder {
    /// Locks a data folder for a store; creates it if it does not exist.
    pub(super) fn open(path: &Path, store: &str) -> Result<Folder, StoreError> {
        let failed = |what: &str, error: io::Error| {
            StoreError::failed(format!("{what} the data folder {}", path.display()), error)
        };
        fs::create_dir_all(path).map_err(|error| failed("creating", error))?;
        // Looked at before anything is written: a foreign folder stays as it is.
        let format = read_format(path, store)?;
        let folder = Folder {
            path: path.to_owned(),
            lock: lock(path)?,
        };
        if !format {
            folder
                .write_format(store)
                .map_err(|error| failed("writing FORMAT to", error))?;
        }
        folder.sync().map_err(|error| failed("syncing", error))?;
        Ok(folder)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes that may still be written to its file system by this user.
    pub(super) fn free_bytes(&self) -> io::Result<u64> {
        let room = rustix::fs::fstatvfs(&self.lock)?;
        Ok(room.f_bavail.saturating_mul(room.f_frsize))
    }

    fn write_format(&self, store: &str) -> io::Result<()> {
        let new = self.path.join("FORMAT.new");
        let mut file = File::create(&new)?;
        writeln!(file, "{FORMAT} {store}")?;
        file.sync_all()?;
        fs::rename(new, self.path.join("FORMAT"))
    }

    /// Makes the names in the folder and the folder's own name durable.
    fn sync(&self) -> io::Result<()> {
        sync_folder(&self.path)?;
        let parent = self.path.canonicalize()?.parent().map(Path::to_owned);
        parent.map_or(Ok(()), |parent| sync_folder(&parent))
    }
}

/// Makes the names in a folder durable.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Bytes that the files directly in a folder take on the disk.
pub(super) fn disk_bytes(path: &Path) -> io::Result<u64> {
    use std::os::unix::fs::MetadataExt;
    let mut bytes = 0;
    for entry in fs::read_dir(path)? {
        // A file that went away since it was listed takes nothing.
        bytes += entry?.metadata().map_or(0, |file| file.blocks() * 512);
    }
    Ok(bytes)
}

/// Is there a format? A folder without one must be empty.
fn read_format(path: &Path, store: &str) -> Result<bool, StoreError> {
    let failed = |error| StoreError::failed(format!("reading {}", path.display()), error);
    let foreign = |what: String| StoreError::Foreign {
        path: path.to_owned(),
        what,
    };
    match fs::read_to_string(path.join("FORMAT")) {
        Ok(text) => {
            let (number, name) = text.trim_end().split_once(' ').unwrap_or((&text, ""));
            let found = number
                .parse()
                .map_err(|_| foreign(format!("its FORMAT file says {text:?}")))?;
            if found > FORMAT {
                return Err(StoreError::NewerFormat {
                    path: path.to_owned(),
                    found,
                    known: FORMAT,
                });
            }
            if name != store {
                return Err(foreign(format!(
                    "it holds data of the store {name:?}, not of {store:?}"
                )));
            }
            Ok(true)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            for entry in fs::read_dir(path).map_err(failed)? {
                let file = entry.map_err(failed)?.file_name();
                if !BEFORE_FORMAT.iter().any(|name| file == *name) {
                    return Err(foreign(format!(
                        "it has no FORMAT file but holds {}: give an empty folder",
                        file.display()
                    )));
                }
            }
            Ok(false)
        }
        Err(error) => Err(failed(error)),
    }
}

fn lock(folder: &Path) -> Result<File, StoreError> {
    let path = folder.join("lock");
    let failed = |error| StoreError::failed(format!("locking {}", path.display()), error);
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(&path)
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut pid = String::new();
            // An owner that has not written its id yet is an unknown one.
            let read = file.read_to_string(&mut pid);
            return Err(StoreError::InUse {
                path: folder.to_owned(),
                pid: read.ok().and_then(|_| pid.trim_end().parse().ok()),
            });
        }
        Err(TryLockError::Error(error)) => return Err(failed(error)),
    }
    let mut write = || {
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "{}", std::process::id())
    };
    write().map_err(failed)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn open(path: &Path) -> Result<Folder, String> {
        Folder::open(path, "sled").map_err(|error| error.to_string())
    }

    #[test]
    fn a_folder_is_created_and_opened_again() {
        let temp = tempfile::tempdir().expect("a temp folder");
        let path = temp.path().join("a/b");
        drop(open(&path).expect("it is created"));
        let format = fs::read_to_string(path.join("FORMAT")).expect("a format");
        assert_eq!(format, "1 sled\n");
        let folder = open(&path).expect("it is opened again");
        assert!(folder.free_bytes().expect("statvfs") > 0);
    }

    #[test]
    fn a_crash_before_the_format_leaves_an_empty_folder() {
        let temp = tempfile::tempdir().expect("a temp folder");
        for name in BEFORE_FORMAT {
            fs::write(temp.path().join(name), "").expect("a file");
        }
        open(temp.path()).expect("it counts as empty");
    }

    #[test]
    fn a_second_owner_is_told_the_pid_of_the_first() {
        let temp = tempfile::tempdir().expect("a temp folder");
        let _first = open(temp.path()).expect("it is free");
        let second = open(temp.path()).expect_err("it is in use");
        let pid = std::process::id();
        let path = temp.path().display();
        assert_eq!(second, format!("{path} is in use by process {pid}"));
    }

    #[test]
    fn other_formats_and_other_folders_are_refused_and_left_alone() {
        for (name, text, says) in [
            (
                "FORMAT",
                "2 sled\n",
                "has format 2; this version reads up to 1",
            ),
            (
                "FORMAT",
                "1 redb\n",
                "it holds data of the store \"redb\", not of \"sled\"",
            ),
            ("FORMAT", "<html>\n", "its FORMAT file says \"<html>\\n\""),
            ("thesis.tex", "", "no FORMAT file but holds thesis.tex"),
        ] {
            let temp = tempfile::tempdir().expect("a temp folder");
            fs::write(temp.path().join(name), text).expect("a file");
            let refused = open(temp.path()).expect_err("it is not ours");
            assert!(refused.contains(says), "{refused}");
            let files = fs::read_dir(temp.path()).expect("a folder").count();
            assert_eq!(files, 1, "nothing was written");
        }
    }
}
