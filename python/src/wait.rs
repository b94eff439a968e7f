//! Waiting without the interpreter, and signals that end a wait.

use crate::error;
use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;
use std::cell::Cell;

thread_local! {
    /// What a signal's handler raised during this thread's wait.
    static RAISED: Cell<Option<PyErr>> = const { Cell::new(None) };
    /// Signals are left to the interpreter.
    static DEAF: Cell<bool> = const { Cell::new(false) };
}

/// Makes a call while other threads run Python code.
pub(crate) fn without_interpreter<T: Send>(
    py: Python<'_>,
    call: impl FnOnce() -> commonhold::Result<T> + Send,
) -> PyResult<T> {
    py.detach(call).map_err(|error| error::raised(py, error))
}

/// The client's interrupt hook: runs the handlers of signals that have come. True if one of them raised something.
#[expect(
    clippy::redundant_closure_for_method_calls,
    reason = "the method alone is for one lifetime only"
)]
pub(crate) fn interrupted() -> bool {
    if DEAF.get() {
        return false;
    }
    match Python::try_attach(|py| py.check_signals()) {
        Some(Err(raised)) => {
            RAISED.set(Some(raised));
            true
        }
        Some(Ok(())) | None => false,
    }
}

/// What the handler raised that ended this thread's wait.
pub(crate) fn take_raised() -> PyErr {
    RAISED
        .take()
        .unwrap_or_else(|| PyKeyboardInterrupt::new_err(()))
}

/// Drops something that may say goodbye: nothing can be raised meanwhile, so signals wait.
pub(crate) fn let_go<T: Send>(it: T) {
    let deaf = DEAF.replace(true);
    // Not attached only if the interpreter is ending.
    let mut it = Some(it);
    let dropped = Python::try_attach(|py| {
        let it = it.take();
        py.detach(|| drop(it));
    });
    if dropped.is_none() {
        drop(it);
    }
    DEAF.set(deaf);
}
