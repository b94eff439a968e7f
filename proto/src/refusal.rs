//! Refusals: a call that was understood and answered "no".

use std::fmt;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal,)+) => {
        /// Why a call was refused. The numbers are stable and never reused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u32)]
        pub enum Code {
            $($(#[$doc])* $name = $number,)+
        }

        impl Code {
            /// Every code, in order.
            pub const ALL: &[Code] = &[$(Code::$name,)+];

            /// The code's name, as documentation and error messages write it.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Code::$name => stringify!($name),)+
                }
            }

            /// The code with this number, if there is one.
            pub const fn from_number(number: u32) -> Option<Code> {
                match number {
                    $($number => Some(Code::$name),)+
                    _ => None,
                }
            }
        }
    };
}

codes! {
    /// No such key, index or object.
    NotFound = 1,
    /// The object is of another kind.
    WrongKind = 2,
    /// The kind has no such method.
    NoMethod = 3,
    /// The arguments do not fit the method.
    BadArguments = 4,
    /// The value is of a type that the method cannot work on.
    WrongType = 5,
    /// Something exists already, or is not as the caller expected.
    Conflict = 6,
    /// The result would leave the bounds that the caller gave.
    OutOfBounds = 7,
    /// The queue is full.
    Full = 8,
    /// There is nothing to take.
    Empty = 9,
    /// The wait timed out.
    DeadlineExceeded = 10,
    /// The caller does not hold it.
    NotOwner = 11,
    /// The object was deleted, or was lost with a server that did not keep it.
    ObjectGone = 12,
    /// The session is unknown or has ended.
    SessionExpired = 13,
    /// The operation's id was used for another call.
    IdReused = 14,
    /// The operation's reply was acknowledged already.
    Stale = 15,
    /// Too many calls wait.
    TooManyWaiting = 16,
    /// The work is too large for one call.
    TooLarge = 17,
    /// The value is too large or too deeply nested.
    ValueTooLarge = 18,
    /// One change would write objects that outlive the server and objects that do not.
    MixedDurability = 19,
    /// It would have to wait where it may not.
    WouldBlock = 20,
    /// The fence's lock is not held with that token now.
    FencedOut = 21,
    /// The lock was lost.
    LockLost = 22,
    /// The caller cancelled it.
    Cancelled = 23,
    /// The disk is full or too slow.
    StoreFull = 24,
    /// The barrier is broken.
    Broken = 25,
    /// The caller may not do this.
    Denied = 26,
    /// The server failed while it decided; nothing was changed.
    Internal = 27,
}

/// A normal "no": what, which object, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What programs decide by.
    pub code: Code,
    /// What people read.
    pub message: String,
}

impl Refusal {
    /// A refusal with a sentence for people.
    pub fn new(code: Code, message: impl Into<String>) -> Refusal {
        Refusal {
            code,
            message: message.into(),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Refusal {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_codes_are_one_to_one() {
        for (at, code) in Code::ALL.iter().enumerate() {
            assert_eq!(*code as usize, at + 1);
            assert_eq!(Code::from_number(*code as u32), Some(*code));
        }
        assert_eq!(Code::from_number(0), None);
    }
}
