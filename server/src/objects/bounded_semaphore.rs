//! `bounded_semaphore`: a semaphore whose value never rises above the initial one, as Python's
//! `threading.BoundedSemaphore`. Its rows are those of the [`semaphore`](super::semaphore).

use super::Kind;
use super::semaphore::{METHODS, OPTIONS, Semaphore};

/// The kind.
pub static KIND: Kind = Kind {
    name: "bounded_semaphore",
    doc: "As a semaphore, but refuses to be released above its initial value.",
    options: OPTIONS,
    methods: METHODS,
    create: |options| Ok(Box::new(Semaphore::create(options, true)?)),
};
