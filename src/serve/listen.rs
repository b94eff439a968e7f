//! Addresses to listen on, and the folders that they need.

use crate::failure::Failure;
use commonhold_proto::url::Url;
use commonhold_server::Listen;
use std::fs::{self, DirBuilder};
use std::net::ToSocketAddrs as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::Path;

/// The server's form of an address. Makes the folder of a socket.
pub(super) fn prepare(url: &Url) -> Result<Listen, Failure> {
    match url {
        Url::Unix(path) => {
            if let Some(folder) = path.parent() {
                private_folder(folder)?;
                own_fallback(folder)?;
            }
            Ok(Listen::Unix(path.clone()))
        }
        Url::Tcp(authority) => {
            let found = (authority.host.as_str(), authority.port).to_socket_addrs();
            let mut addresses = found
                .map_err(|error| Failure::usage(format!("cannot listen on {url}: {error}")))?;
            let address = addresses.next();
            let address = address.ok_or_else(|| {
                Failure::usage(format!("cannot listen on {url}: the name has no address"))
            })?;
            Ok(Listen::Tcp(address))
        }
        Url::Tls(_) => Err(Failure::usage(format!(
            "cannot listen on {url}: this version does not encrypt; tcp:// with --insecure listens in the clear"
        ))),
    }
}

/// Makes a folder that only its owner can enter, unless it is there.
pub(super) fn private_folder(folder: &Path) -> Result<(), Failure> {
    let mut builder = DirBuilder::new();
    let made = builder.recursive(true).mode(0o700).create(folder);
    made.map_err(|error| Failure::system(format!("cannot make {}", folder.display()), &error))
}

/// Where a path is too long for a socket, the socket lies in a folder under `/tmp`, whose name anyone can work out: it
/// must be ours.
fn own_fallback(folder: &Path) -> Result<(), Failure> {
    if folder.parent() != Some(Path::new("/tmp")) {
        return Ok(());
    }
    let there = fs::symlink_metadata(folder)
        .map_err(|error| Failure::system(format!("cannot read {}", folder.display()), &error))?;
    let ours = there.is_dir() && there.uid() == rustix::process::geteuid().as_raw();
    if ours && there.mode() & 0o022 == 0 {
        return Ok(());
    }
    Err(Failure::refused(format!(
        "{} is not a folder that only this user can write to: no socket is made there",
        folder.display()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_brings_its_folder() {
        let temp = tempfile::tempdir().expect("a temp folder");
        let path = temp.path().join("run/user/x.sock");
        let listen = prepare(&Url::Unix(path.clone())).expect("it is made");
        assert_eq!(listen, Listen::Unix(path.clone()));
        let mode = fs::metadata(path.parent().expect("a folder"))
            .expect("it is there")
            .mode();
        assert_eq!(mode & 0o777, 0o700);
    }

    #[test]
    fn a_host_is_looked_up() {
        let url: Url = "tcp://127.0.0.1:0".parse().expect("a URL");
        let listen = prepare(&url).expect("loopback");
        assert_eq!(listen, Listen::Tcp(([127, 0, 0, 1], 0).into()));
        let tls: Url = "tls://127.0.0.1:1".parse().expect("a URL");
        assert_eq!(prepare(&tls).expect_err("no TLS yet").exit.code(), 2);
    }
}
