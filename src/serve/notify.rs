//! Telling who started the server that it is ready: systemd, or a parent process.

use crate::failure::Failure;
use commonhold_server::Server;
use serde_json::json;
use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::UnixDatagram;

/// Who wants to know.
pub(super) struct Notify {
    ready: Option<File>,
}

impl Notify {
    /// Takes the descriptor that a flag names. It must be a pipe or a file: it is opened anew, by its path.
    pub(super) fn find(fd: Option<u32>) -> Result<Notify, Failure> {
        let open = |fd: u32| {
            let opened = OpenOptions::new()
                .append(true)
                .open(format!("/dev/fd/{fd}"));
            opened.map_err(|error| Failure::usage(format!("--ready-fd {fd}: {error}")))
        };
        Ok(Notify {
            ready: fd.map(open).transpose()?,
        })
    }

    /// The server serves.
    pub(super) fn ready(&self, server: &Server) -> Result<(), Failure> {
        systemd("READY=1");
        let Some(mut ready) = self.ready.as_ref() else {
            return Ok(());
        };
        let listen: Vec<String> = server.listening().iter().map(ToString::to_string).collect();
        let line = format!("{}\n", json!({"pid": std::process::id(), "listen": listen}));
        let written = ready.write_all(line.as_bytes());
        written.map_err(|error| {
            Failure::system("cannot write to the descriptor of --ready-fd", &error)
        })
    }

    /// The server ends.
    #[expect(
        clippy::unused_self,
        reason = "who is told of the start is told of the end"
    )]
    pub(super) fn stopping(&self) {
        systemd("STOPPING=1");
    }
}

/// Tells systemd, if it listens. It does without if it cannot be told.
fn systemd(state: &str) {
    let Some(path) = std::env::var_os("NOTIFY_SOCKET").filter(|path| !path.is_empty()) else {
        return;
    };
    if let Err(error) = send(&path, state) {
        tracing::warn!(%error, "systemd cannot be told");
    }
}

fn send(path: &OsStr, state: &str) -> std::io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    #[cfg(target_os = "linux")]
    if let Some(name) = path.as_bytes().strip_prefix(b"@") {
        use std::os::linux::net::SocketAddrExt as _;
        let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
        socket.send_to_addr(state.as_bytes(), &address)?;
        return Ok(());
    }
    socket.send_to(state.as_bytes(), path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_reaches_a_socket() {
        let temp = tempfile::tempdir().expect("a temp folder");
        let path = temp.path().join("notify");
        let socket = UnixDatagram::bind(&path).expect("a socket");
        send(path.as_os_str(), "READY=1").expect("it is sent");
        let mut message = [0; 64];
        let length = socket.recv(&mut message).expect("it came");
        assert_eq!(&message[..length], b"READY=1");
    }

    #[test]
    fn a_descriptor_that_is_not_open_is_an_error() {
        let failure = Notify::find(Some(999_999)).err().expect("it is not open");
        assert!(
            failure.message.starts_with("--ready-fd 999999: "),
            "{failure}"
        );
    }
}
