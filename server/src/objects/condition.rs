//! `condition`: callers wait, under a lock, to be notified, as Python's `threading.Condition`.
//!
//! A condition with a lock of its own is an [`rlock`](super::rlock), rows and all. With the option `lock` it has no rows:
//! its calls go to that lock's object, where the condition is a line of its own, so that several conditions can share a
//! lock. The engine leads them there.

use super::hold::{ON_CRASH, ON_EXIT};
use super::lock::{Lock, METHODS};
use super::{Kind, Parameter};

/// The kind.
pub static KIND: Kind = Kind {
    name: "condition",
    doc: "Callers wait under a lock until others notify them.",
    options: OPTIONS,
    methods: METHODS,
    create: |options| Ok(Box::new(Lock::create(options, true)?)),
};

/// The option that names the lock which a condition shares.
pub(crate) const LOCK: &str = "lock";

const OPTIONS: &[Parameter] = &[
    Parameter::optional(
        LOCK,
        "a lock or rlock, by name or reference, that it shares; default an rlock of its own",
    ),
    ON_CRASH,
    ON_EXIT,
];
