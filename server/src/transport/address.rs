//! Where the server listens.

use super::connection::Accepted;
use super::serve::StartError;
use commonhold_proto::place;
use rustix::process::geteuid;
use std::fmt;
use std::fs::{self, DirBuilder};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// An address to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// A socket file, made with mode 0600; its folder, if it is absent, with mode 0700.
    Unix(PathBuf),
    /// A TCP address; port 0 takes a free one.
    Tcp(SocketAddr),
}

/// An address that is listened on: the real port, where 0 was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listening(pub Listen);

impl fmt::Display for Listening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Listen::Unix(path) => write!(f, "unix://{}", path.display()),
            Listen::Tcp(address) => write!(f, "tcp://{address}"),
        }
    }
}

/// A bound socket. Dropped, its file is gone.
pub(super) enum Listener {
    Unix(UnixListener, SocketFile),
    Tcp(TcpListener),
}

impl Listener {
    /// Binds. A socket file that nobody answers on is a leftover and is replaced.
    pub(super) fn bind(listen: &Listen, insecure: bool) -> Result<Listener, StartError> {
        let failed = |source| StartError::Listen {
            address: Listening(listen.clone()).to_string(),
            source,
        };
        match listen {
            Listen::Tcp(address) => {
                if !address.ip().is_loopback() && !insecure {
                    return Err(StartError::Insecure { address: *address });
                }
                let listener = TcpListener::bind(address).map_err(failed)?;
                listener.set_nonblocking(true).map_err(failed)?;
                Ok(Listener::Tcp(listener))
            }
            Listen::Unix(path) => {
                if let Some(folder) = path.parent() {
                    private_folder(folder).map_err(failed)?;
                    own(folder, geteuid().as_raw()).map_err(failed)?;
                }
                clear(path).map_err(failed)?;
                let listener = UnixListener::bind(path).map_err(failed)?;
                let file = SocketFile::of(path).map_err(failed)?;
                fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(failed)?;
                listener.set_nonblocking(true).map_err(failed)?;
                Ok(Listener::Unix(listener, file))
            }
        }
    }

    pub(super) fn address(&self) -> io::Result<Listening> {
        Ok(Listening(match self {
            Listener::Unix(_, file) => Listen::Unix(file.path.clone()),
            Listener::Tcp(listener) => Listen::Tcp(listener.local_addr()?),
        }))
    }

    /// Registers with the runtime of this thread.
    pub(super) fn register(self) -> io::Result<Registered> {
        Ok(match self {
            Listener::Unix(listener, file) => {
                Registered::Unix(tokio::net::UnixListener::from_std(listener)?, file)
            }
            Listener::Tcp(listener) => {
                Registered::Tcp(tokio::net::TcpListener::from_std(listener)?)
            }
        })
    }
}

/// A bound socket with its runtime.
pub(super) enum Registered {
    Unix(
        tokio::net::UnixListener,
        #[expect(dead_code, reason = "removed when dropped")] SocketFile,
    ),
    Tcp(tokio::net::TcpListener),
}

impl Registered {
    /// The next connection.
    pub(super) async fn accept(&self) -> io::Result<Accepted> {
        match self {
            Registered::Unix(listener, _) => {
                let (socket, _) = listener.accept().await?;
                Ok(Accepted::Unix(socket.into_std()?))
            }
            Registered::Tcp(listener) => {
                let (socket, address) = listener.accept().await?;
                Ok(Accepted::Tcp(socket.into_std()?, address))
            }
        }
    }
}

/// A socket file, removed when the server ends.
pub(super) struct SocketFile {
    path: PathBuf,
    /// Its device and number: its folder may be another one by then, with the file of another server.
    identity: (u64, u64),
}

impl SocketFile {
    fn of(path: &Path) -> io::Result<SocketFile> {
        Ok(SocketFile {
            path: path.to_owned(),
            identity: identity(path)?,
        })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Gone already is as good; anything else leaves a file that the next start replaces.
        if identity(&self.path).is_ok_and(|identity| identity == self.identity) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let file = fs::symlink_metadata(path)?;
    Ok((file.dev(), file.ino()))
}

/// Makes a folder that only its owner can enter, unless it is there.
fn private_folder(folder: &Path) -> io::Result<()> {
    // The parent of a relative path may be empty: the folder that is there.
    if folder.as_os_str().is_empty() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Where a path is too long for a socket, the socket lies in a folder under `/tmp`, whose name anyone can work out, so
/// that anyone could have made it: it must be this user's, and nobody else's to enter. Others that are directly in
/// `/tmp` must not be others' to write to.
fn own(folder: &Path, user: u32) -> io::Result<()> {
    if folder.parent() != Some(Path::new("/tmp")) {
        return Ok(());
    }
    let others = if place::is_fallback(folder) {
        0o077
    } else {
        0o022
    };
    let there = fs::symlink_metadata(folder)?;
    if there.is_dir() && there.uid() == user && there.mode() & others == 0 {
        return Ok(());
    }
    let mode = if others == 0o077 { "enter" } else { "write to" };
    Err(io::Error::new(
        io::ErrorKind::PermissionDenied,
        format!(
            "{} is not a folder that only this user can {mode}",
            folder.display()
        ),
    ))
}

fn clear(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(meta) if !meta.file_type().is_socket() => Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "there is a file of that name, and it is no socket",
        )),
        Ok(_) => match UnixStream::connect(path) {
            Ok(_) => Err(io::Error::new(
                io::ErrorKind::AddrInUse,
                "another server listens there",
            )),
            Err(_) => fs::remove_file(path),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("it is there").mode() & 0o777
    }

    #[test]
    fn a_socket_brings_its_folder_and_takes_its_file_away() {
        let temp = tempfile::tempdir().expect("a temp folder");
        let path = temp.path().join("run/user/x.sock");
        let listener = Listener::bind(&Listen::Unix(path.clone()), false).expect("it is bound");
        assert_eq!(mode(path.parent().expect("a folder")), 0o700);
        assert_eq!(mode(&path), 0o600);
        drop(listener);
        assert!(!path.exists());
    }

    #[test]
    fn a_file_of_another_server_is_left_alone() {
        let temp = tempfile::tempdir().expect("a temp folder");
        let (first, moved) = (temp.path().join("run"), temp.path().join("moved"));
        let path = first.join("x.sock");
        let bind = || Listener::bind(&Listen::Unix(path.clone()), false).expect("it is bound");
        let one = bind();
        fs::rename(&first, &moved).expect("it is renamed");
        let other = bind();
        drop(one);
        assert!(path.exists());
        drop(other);
        assert!(!path.exists());
    }

    #[test]
    fn the_folder_of_a_path_that_was_too_long_must_be_ones_own() {
        // A name of its own for each process that tests.
        let folder = format!("/tmp/commonhold-{:016x}", std::process::id());
        let folder = PathBuf::from(folder);
        private_folder(&folder).expect("a folder");
        assert!(place::is_fallback(&folder));
        let path = folder.join("commonhold.sock");
        let bind = || Listener::bind(&Listen::Unix(path.clone()), false).map(drop);
        for (mode, ours) in [
            (0o700, true),
            (0o710, false),
            (0o755, false),
            (0o777, false),
        ] {
            let permissions = fs::Permissions::from_mode(mode);
            fs::set_permissions(&folder, permissions).expect("it is ours");
            assert_eq!(bind().is_ok(), ours, "{mode:o}");
            assert!(!path.exists(), "{mode:o}");
        }
        let stranger = geteuid().as_raw() + 1;
        let permissions = fs::Permissions::from_mode(0o700);
        fs::set_permissions(&folder, permissions).expect("it is ours");
        let refused = own(&folder, stranger).expect_err("it is another's");
        assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
        // A link to a folder of ours is another's word for it.
        let link = folder.with_extension("link");
        std::os::unix::fs::symlink(&folder, &link).expect("a link");
        let refused = own(&link, geteuid().as_raw());
        fs::remove_file(&link).expect("it is ours");
        fs::remove_dir_all(&folder).expect("it is ours");
        refused.expect_err("a link");
    }
}
