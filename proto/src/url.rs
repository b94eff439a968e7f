//! Addresses of servers: `unix:///path`, `tcp://host:7414`, `tls://host:7414`, or a bare `host:port`.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

/// The port where none is given.
pub const DEFAULT_PORT: u16 = 7414;

/// Where a server listens or is reached. A bare `host:port` is `tcp` on loopback, else `tls`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Url {
    /// A Unix socket, by its absolute path.
    Unix(PathBuf),
    /// In the clear.
    Tcp(Authority),
    /// Encrypted.
    Tls(Authority),
}

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Authority {
    /// A name or an address; an IPv6 address stands without brackets.
    pub host: String,
    /// 0 asks for any free port, where one listens.
    pub port: u16,
}

/// This is no address of a server. The sentence never repeats what may be a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// There is something where only a user and a password would stand.
    #[error(
        "the address contains an @: a key in a URL ends up in logs and process lists; put it into a file and name that \
         with --key-file or COMMONHOLD_AUTHKEY_FILE"
    )]
    Key,
    /// The scheme is none of the three.
    #[error(
        "{0:?} is no scheme: use unix:///path, tcp://host:{DEFAULT_PORT} or tls://host:{DEFAULT_PORT}"
    )]
    Scheme(String),
    /// A `unix` address without an absolute path.
    #[error(
        "a unix address has an absolute path behind three slashes: unix:///run/commonhold.sock"
    )]
    Path,
    /// No host, or one with characters that no host has.
    #[error(
        "the address has no valid host: use tcp://host:{DEFAULT_PORT}, or [..] around an IPv6 address"
    )]
    Host,
    /// No port where one is needed, or one that is no number up to 65535.
    #[error("the address has no valid port: use host:{DEFAULT_PORT}")]
    Port,
}

impl Url {
    /// A Unix socket, or a host on this machine: nobody else can listen in.
    pub fn is_local(&self) -> bool {
        match self {
            Url::Unix(_) => true,
            Url::Tcp(authority) | Url::Tls(authority) => authority.is_loopback(),
        }
    }
}

impl Authority {
    /// `localhost`, or an address of the loopback network.
    pub fn is_loopback(&self) -> bool {
        self.host.eq_ignore_ascii_case("localhost")
            || (self.host.parse::<IpAddr>())
                .is_ok_and(|address| address.to_canonical().is_loopback())
    }

    fn parse(text: &str, default_port: Option<u16>) -> Result<Authority, UrlError> {
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, port) = rest.split_once(']').ok_or(UrlError::Host)?;
                let is_v6 = host.parse::<std::net::Ipv6Addr>().is_ok();
                (is_v6.then_some(host).ok_or(UrlError::Host)?, port)
            }
            None => text.split_at(text.find(':').unwrap_or(text.len())),
        };
        let host_is_valid = |c: char| c.is_ascii_alphanumeric() || "-._:".contains(c);
        if host.is_empty() || !host.chars().all(host_is_valid) {
            return Err(UrlError::Host);
        }
        let port = match (port.strip_prefix(':'), default_port) {
            (Some(digits), _) if digits.bytes().all(|b| b.is_ascii_digit()) => {
                digits.parse().map_err(|_| UrlError::Port)?
            }
            (None, Some(default)) if port.is_empty() => default,
            _ => return Err(UrlError::Port),
        };
        Ok(Authority {
            host: host.to_owned(),
            port,
        })
    }
}

impl FromStr for Url {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Url, UrlError> {
        let Some((scheme, rest)) = text.split_once("://") else {
            if text.contains('@') {
                return Err(UrlError::Key);
            }
            let authority = Authority::parse(text, None)?;
            return Ok(if authority.is_loopback() {
                Url::Tcp(authority)
            } else {
                Url::Tls(authority)
            });
        };
        // The path of a socket may well contain an @.
        if scheme == "unix" && rest.starts_with('/') {
            let valid = rest.len() > 1 && !rest.contains('\0');
            return valid.then(|| Url::Unix(rest.into())).ok_or(UrlError::Path);
        }
        if text.contains('@') {
            return Err(UrlError::Key);
        }
        let authority =
            || Authority::parse(rest.strip_suffix('/').unwrap_or(rest), Some(DEFAULT_PORT));
        match scheme {
            "unix" => Err(UrlError::Path),
            "tcp" => authority().map(Url::Tcp),
            "tls" => authority().map(Url::Tls),
            other => Err(UrlError::Scheme(other.to_owned())),
        }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Url::Unix(path) => write!(f, "unix://{}", path.display()),
            Url::Tcp(authority) => write!(f, "tcp://{authority}"),
            Url::Tls(authority) => write!(f, "tls://{authority}"),
        }
    }
}

/// As a resolver takes it: `host:port`, `[address]:port`.
impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Authority { host, port } = self;
        if host.contains(':') {
            write!(f, "[{host}]:{port}")
        } else {
            write!(f, "{host}:{port}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, shown: &str, local: bool) {
        let url: Url = text
            .parse()
            .unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(url.to_string(), shown, "{text}");
        assert_eq!(url.is_local(), local, "{text}");
        assert_eq!(shown.parse(), Ok(url), "{text}");
    }

    #[test]
    fn addresses_are_read_and_shown() {
        check(
            "unix:///run/commonhold.sock",
            "unix:///run/commonhold.sock",
            true,
        );
        check("unix:///tmp/a@b", "unix:///tmp/a@b", true);
        check("tcp://db1:7414", "tcp://db1:7414", false);
        check("tcp://db1", "tcp://db1:7414", false);
        check("tcp://127.0.0.1:0", "tcp://127.0.0.1:0", true);
        check(
            "tls://db1.example.org:65535/",
            "tls://db1.example.org:65535",
            false,
        );
        check("tcp://[::1]:9", "tcp://[::1]:9", true);
        check("tls://[2001:db8::1]", "tls://[2001:db8::1]:7414", false);
        check("localhost:7414", "tcp://localhost:7414", true);
        check("127.8.9.1:7414", "tcp://127.8.9.1:7414", true);
        check("[::1]:7414", "tcp://[::1]:7414", true);
        check("[::ffff:127.0.0.1]:1", "tcp://[::ffff:127.0.0.1]:1", true);
        check("db1:7414", "tls://db1:7414", false);
        check("192.0.2.1:7414", "tls://192.0.2.1:7414", false);
        check("0.0.0.0:7414", "tls://0.0.0.0:7414", false);
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for (text, expected) in [
            ("", UrlError::Host),
            ("db1", UrlError::Port),
            ("/run/commonhold.sock", UrlError::Host),
            ("::1:7414", UrlError::Host),
            ("tcp://", UrlError::Host),
            ("tcp://:7414", UrlError::Host),
            ("tcp://db1:", UrlError::Port),
            ("tcp://db1:+1", UrlError::Port),
            ("tcp://db1:65536", UrlError::Port),
            ("tcp://db1:7414/path", UrlError::Port),
            ("tcp://db1/path", UrlError::Host),
            ("tcp://db1?x=1", UrlError::Host),
            ("tcp://[db1]:7414", UrlError::Host),
            ("tcp://[::1", UrlError::Host),
            ("tcp://[::1]7414", UrlError::Port),
            ("tcp://::1", UrlError::Host),
            ("unix://", UrlError::Path),
            ("unix:///", UrlError::Path),
            ("unix://run/x.sock", UrlError::Path),
            ("http://db1", UrlError::Scheme("http".into())),
        ] {
            assert_eq!(text.parse::<Url>(), Err(expected), "{text}");
        }
    }

    #[test]
    fn a_key_in_an_address_is_refused_and_not_repeated() {
        for text in [
            "tcp://secret@db1:7414",
            "tls://user:secret@db1",
            "secret@db1:7414",
            "unix://secret@/run/x.sock",
            "secret://user@db1",
        ] {
            let error = text.parse::<Url>().expect_err(text);
            assert_eq!(error, UrlError::Key, "{text}");
            assert!(!error.to_string().contains("secret"));
        }
    }
}
