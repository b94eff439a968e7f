//! Where the server listens.

use super::connection::Accepted;
use super::serve::StartError;
use std::fmt;
use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// An address to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// A socket file, made with mode 0600.
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

/// A bound socket.
pub(super) enum Listener {
    Unix(UnixListener, PathBuf),
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
                clear(path).map_err(failed)?;
                let listener = UnixListener::bind(path).map_err(failed)?;
                fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(failed)?;
                listener.set_nonblocking(true).map_err(failed)?;
                Ok(Listener::Unix(listener, path.clone()))
            }
        }
    }

    pub(super) fn address(&self) -> io::Result<Listening> {
        Ok(Listening(match self {
            Listener::Unix(_, path) => Listen::Unix(path.clone()),
            Listener::Tcp(listener) => Listen::Tcp(listener.local_addr()?),
        }))
    }

    /// Registers with the runtime of this thread.
    pub(super) fn register(self) -> io::Result<Registered> {
        Ok(match self {
            Listener::Unix(listener, path) => Registered::Unix(
                tokio::net::UnixListener::from_std(listener)?,
                SocketFile(path),
            ),
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
pub(super) struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Gone already is as good; anything else leaves a file that the next start replaces.
        let _ = fs::remove_file(&self.0);
    }
}

fn clear(path: &Path) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
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
