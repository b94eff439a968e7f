//! How the command ends: exit codes, and the sentence on stderr.

use crate::line::line;
use commonhold::{Code, Error};
use commonhold_proto::keyfile::KeyFileError;
use commonhold_proto::url::UrlError;
use commonhold_server::StartError;
use commonhold_server::store::StoreError;
use std::error::Error as StdError;
use std::fmt;
use std::io;

/// The exit codes other than 0. They are stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Understood and answered "no": no key, conflict, wrong kind; for `serve`: the data or the address is another's.
    Refused,
    /// The command line, the environment or the configuration makes no sense.
    Usage,
    /// Nobody answers.
    Unreachable,
    /// The server does not know the key.
    KeyRefused,
    /// The server failed.
    ServerFailed,
    /// A wait ended without what it waited for.
    TimedOut,
    /// What was held while a command ran is lost, and the command was stopped.
    LockLost,
    /// That of the command that was run.
    Child(u8),
    /// Ended by a signal before everything was done.
    Signal(u8),
}

impl Exit {
    /// The number.
    pub(crate) fn code(self) -> u8 {
        match self {
            Exit::Refused => 1,
            Exit::Usage => 2,
            Exit::Unreachable => 3,
            Exit::KeyRefused => 4,
            Exit::ServerFailed => 5,
            Exit::TimedOut => 124,
            Exit::LockLost => 75,
            Exit::Child(code) => code,
            Exit::Signal(number) => 128 + number,
        }
    }
}

/// Why the command ends early.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) message: String,
    /// What the server said, if it said anything.
    code: Option<Code>,
}

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Failure {
        Failure {
            exit,
            message: message.into(),
            code: None,
        }
    }

    /// Is there no such key or object?
    pub(crate) fn is_not_found(&self) -> bool {
        self.code == Some(Code::NotFound)
    }

    /// Nothing is to be said that was not said before.
    pub(crate) fn silent(exit: Exit) -> Failure {
        Failure::new(exit, "")
    }

    pub(crate) fn usage(message: impl Into<String>) -> Failure {
        Failure::new(Exit::Usage, message)
    }

    pub(crate) fn refused(message: impl Into<String>) -> Failure {
        Failure::new(Exit::Refused, message)
    }

    /// The machine did not do what it was asked: a file, a process, a thread.
    pub(crate) fn system(what: impl fmt::Display, error: &io::Error) -> Failure {
        Failure::new(Exit::Refused, format!("{what}: {error}"))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// An error and everything that caused it, in one line.
pub(crate) fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let sentence = error.to_string();
        // Some errors repeat their cause.
        if !text.ends_with(&sentence) {
            text = format!("{text}: {sentence}");
        }
        cause = error.source();
    }
    text
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        let exit = match &error {
            Error::Refused(refusal) => match refusal.code {
                Code::DeadlineExceeded | Code::WouldBlock => Exit::TimedOut,
                Code::Internal => Exit::ServerFailed,
                _ => Exit::Refused,
            },
            Error::Authentication { .. } => Exit::KeyRefused,
            Error::Incompatible { .. } | Error::Configuration(_) => Exit::Usage,
            Error::Value { .. } => Exit::Refused,
            _ => Exit::Unreachable,
        };
        Failure {
            code: error.code(),
            // It may tell what others said: the name of who holds a lock.
            ..Failure::new(exit, line(&chain(&error)))
        }
    }
}

impl From<UrlError> for Failure {
    fn from(error: UrlError) -> Failure {
        Failure::usage(error.to_string())
    }
}

impl From<KeyFileError> for Failure {
    fn from(error: KeyFileError) -> Failure {
        Failure::usage(chain(&error))
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Failure {
        let exit = match error {
            StoreError::InUse { .. }
            | StoreError::NewerFormat { .. }
            | StoreError::Foreign { .. } => Exit::Refused,
            _ => Exit::ServerFailed,
        };
        Failure::new(exit, chain(&error))
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Failure {
        match error {
            StartError::Store(error) => error.into(),
            StartError::Listen { ref source, .. } if source.kind() == io::ErrorKind::AddrInUse => {
                let message = chain(&error);
                Failure::refused(format!("{message}; --listen names other addresses"))
            }
            StartError::Insecure { .. } => Failure::usage(error.to_string()),
            _ => Failure::refused(chain(&error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use commonhold::Refusal;

    #[test]
    fn refusals_and_deadlines_differ() {
        let exit = |code| {
            Failure::from(Error::Refused(Refusal::new(code, "no")))
                .exit
                .code()
        };
        assert_eq!(exit(Code::NotFound), 1);
        assert_eq!(exit(Code::DeadlineExceeded), 124);
        assert_eq!(exit(Code::Internal), 5);
    }

    #[test]
    fn a_cause_is_told_once() {
        let taken = io::Error::new(io::ErrorKind::AddrInUse, "taken");
        let failure = Failure::from(StartError::Listen {
            address: "tcp://127.0.0.1:7414".into(),
            source: taken,
        });
        assert_eq!(failure.exit, Exit::Refused);
        assert_eq!(
            failure.message,
            "cannot listen on tcp://127.0.0.1:7414: taken; --listen names other addresses"
        );
    }
}
