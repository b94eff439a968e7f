//! What values are made for: a client, blocking or not.

use crate::aio::AsyncObject;
use crate::client::Client;
use crate::object::Object;
use commonhold::{Place, Value};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// A client, as far as values are concerned.
pub(crate) trait Host<'py> {
    /// What takes and gives objects that are no values.
    fn codec(&self) -> Option<&Bound<'py, PyAny>>;

    /// A reference to what one of the package's proxies stands for; `None` if the object is no proxy.
    ///
    /// # Errors
    /// `ValueError` if the proxy's object is at another server, or if it takes a call to know it that cannot be made here.
    fn refer(&self, it: &Bound<'py, PyAny>) -> PyResult<Option<Value>>;

    /// The proxy of what a reference points to, of the class that the package has for its kind.
    fn show(&self, reference: &Value) -> PyResult<Bound<'py, PyAny>>;

    /// Gives up the references in a value that is not shown.
    fn forget(&self, value: &Value);
}

impl<'py> Host<'py> for Bound<'py, Client> {
    fn codec(&self) -> Option<&Bound<'py, PyAny>> {
        self.get().codec().map(|codec| codec.bind(self.py()))
    }

    fn refer(&self, it: &Bound<'py, PyAny>) -> PyResult<Option<Value>> {
        if let Ok(object) = it.cast::<Object>() {
            check_place(self.get().get().place(), &object.get().place())?;
            return object.get().reference(self.py()).map(Some);
        }
        if let Ok(object) = it.cast::<AsyncObject>() {
            check_place(self.get().get().place(), object.get().place())?;
            return object.get().known_reference().map(Some);
        }
        Ok(None)
    }

    fn show(&self, reference: &Value) -> PyResult<Bound<'py, PyAny>> {
        Object::show(self, reference)
    }

    fn forget(&self, value: &Value) {
        self.get().get().forget(value);
    }
}

/// Another client of the same server may have made a proxy, but not one of another server.
pub(crate) fn check_place(own: &Place, other: &Place) -> PyResult<()> {
    if own == other {
        return Ok(());
    }
    let message = format!("an object at {other} cannot be stored at {own}");
    Err(PyValueError::new_err(message))
}

/// What to raise for a proxy that has not learned yet which object it stands for.
pub(crate) fn unknown(kind: &str, name: &str) -> PyErr {
    PyValueError::new_err(format!(
        "{kind} {name:?} has not been opened: make a call with it before it is stored by another client"
    ))
}
