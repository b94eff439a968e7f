//! Errors of the client as Python's: the classes are in `commonhold.errors`.

use crate::wait;
use commonhold::{Code, Error, Happened, Refusal};
use pyo3::call::PyCallArgs;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

/// What to raise for an error.
pub(crate) fn raised(py: Python<'_>, error: Error) -> PyErr {
    let message = error.to_string();
    let made = match error {
        Error::Interrupted { .. } => return wait::take_raised(),
        Error::Refused(refusal) => make(py, "refused", (refusal.code.name(), refusal.message)),
        Error::ConnectionLost { happened, .. } => {
            let happened = match happened {
                Happened::Yes => Some(true),
                Happened::No => Some(false),
                Happened::Unknown => None,
            };
            make(py, "ConnectionLost", (message, happened))
        }
        Error::Unreachable { .. } => make(py, "ConnectionLost", (message, false)),
        Error::Authentication { .. } => make(py, "AuthenticationError", (message,)),
        _ => make(py, "Error", (message,)),
    };
    made.map_or_else(|error| error, PyErr::from_value)
}

/// What to raise for a value that this client cannot hold or send.
pub(crate) fn general(py: Python<'_>, message: String) -> PyErr {
    make(py, "Error", (message,)).map_or_else(|error| error, PyErr::from_value)
}

/// What to raise for a refusal that a method gave.
pub(crate) fn refused(py: Python<'_>, refusal: Refusal) -> PyErr {
    let made = if refusal.code == Code::NotFound {
        make(py, "Missing", (refusal.message,))
    } else {
        make(py, "refused", (refusal.code.name(), refusal.message))
    };
    made.map_or_else(|error| error, PyErr::from_value)
}

fn make<'py>(
    py: Python<'py>,
    name: &str,
    arguments: impl PyCallArgs<'py>,
) -> PyResult<Bound<'py, PyAny>> {
    static ERRORS: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    let errors =
        ERRORS.get_or_try_init(py, || py.import("commonhold.errors").map(Bound::unbind))?;
    errors.bind(py).getattr(name)?.call1(arguments)
}
