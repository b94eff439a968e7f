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

/// What to raise for what a codec made that this client was not given.
pub(crate) fn unreadable(py: Python<'_>, message: String) -> PyErr {
    make(py, "Unreadable", (message,)).map_or_else(|error| error, PyErr::from_value)
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

/// Is it an error of this class of `commonhold.errors`?
pub(crate) fn is(py: Python<'_>, error: &PyErr, class: &str) -> PyResult<bool> {
    Ok(error.is_instance(py, &errors(py)?.getattr(class)?))
}

fn make<'py>(
    py: Python<'py>,
    name: &str,
    arguments: impl PyCallArgs<'py>,
) -> PyResult<Bound<'py, PyAny>> {
    errors(py)?.getattr(name)?.call1(arguments)
}

fn errors(py: Python<'_>) -> PyResult<&Bound<'_, PyModule>> {
    static ERRORS: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    let errors =
        ERRORS.get_or_try_init(py, || py.import("commonhold.errors").map(Bound::unbind))?;
    Ok(errors.bind(py))
}
