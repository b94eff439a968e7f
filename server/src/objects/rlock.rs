//! `rlock`: a lock that its holder may take again, as Python's `threading.RLock`. Its rows are those of the
//! [`lock`](super::lock).

use super::Kind;
use super::lock::{Lock, METHODS, OPTIONS};

/// The kind.
pub static KIND: Kind = Kind {
    name: "rlock",
    doc: "A lock that its holder may take again, and gives back as often.",
    options: OPTIONS,
    methods: METHODS,
    create: |options| Ok(Box::new(Lock::create(options, true)?)),
};
