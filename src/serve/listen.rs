//! Addresses to listen on, and the folder of the data.

use crate::failure::Failure;
use commonhold_proto::url::Url;
use commonhold_server::Listen;
use std::fs::DirBuilder;
use std::net::ToSocketAddrs as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

/// The server's form of an address.
pub(super) fn prepare(url: &Url) -> Result<Listen, Failure> {
    match url {
        Url::Unix(path) => Ok(Listen::Unix(path.clone())),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_looked_up() {
        let url: Url = "tcp://127.0.0.1:0".parse().expect("a URL");
        let listen = prepare(&url).expect("loopback");
        assert_eq!(listen, Listen::Tcp(([127, 0, 0, 1], 0).into()));
        let tls: Url = "tls://127.0.0.1:1".parse().expect("a URL");
        assert_eq!(prepare(&tls).expect_err("no TLS yet").exit.code(), 2);
    }
}
