//! `Dict`.

use crate::client::Client;
use crate::value::{Argument, from_python, to_python};
use crate::{error, wait};
use commonhold::{Value, blocking};
use pyo3::exceptions::PyKeyError;
use pyo3::prelude::*;
use pyo3::types::PyString;

/// A dict that processes share.
#[pyclass(frozen, weakref, module = "commonhold")]
pub(crate) struct Dict {
    shared: blocking::Dict<Value, Value>,
    name: String,
    client: Py<Client>,
}

impl Dict {
    pub(crate) fn new(
        shared: blocking::Dict<Value, Value>,
        name: String,
        client: Py<Client>,
    ) -> Dict {
        Dict {
            shared,
            name,
            client,
        }
    }

    fn find(&self, key: &Bound<'_, PyAny>) -> PyResult<Option<Value>> {
        let value = from_python(key)?;
        wait::without_interpreter(key.py(), || self.shared.get(&value))
    }
}

#[pymethods]
impl Dict {
    /// The value of a key, or the default.
    #[pyo3(signature = (key, default=None))]
    fn get<'py>(
        &self,
        key: &Bound<'py, PyAny>,
        default: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        match self.find(key)? {
            Some(value) => to_python(key.py(), value).map(Some),
            None => Ok(default),
        }
    }

    /// Sets the value of a key.
    fn set(&self, key: &Bound<'_, PyAny>, value: Argument) -> PyResult<()> {
        let (py, key) = (key.py(), from_python(key)?);
        wait::without_interpreter(py, || self.shared.set(&key, value.0))
    }

    /// Adds to the number of a key and returns the new one, in one step that no other client comes between.
    ///
    /// A missing key starts at `default`; None refuses it with `KeyError`. A result below `min` or above `max` is refused
    /// with `OutOfBounds`, or with `clamp` becomes the bound.
    #[pyo3(signature = (key, by=Argument(Value::Int(1)), *, default=Argument(Value::Int(0)), min=None, max=None, clamp=false),
           text_signature = "($self, key, by=1, *, default=0, min=None, max=None, clamp=False)")]
    fn increment<'py>(
        &self,
        key: &Bound<'py, PyAny>,
        by: Argument,
        default: Argument,
        min: Option<Argument>,
        max: Option<Argument>,
        clamp: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (py, name) = (key.py(), from_python(key)?);
        let mut increment = self.shared.increment(&name, by.0);
        match default.0 {
            // The server's own default.
            Value::Int(0) => {}
            Value::Null => increment = increment.default(None),
            default => increment = increment.default(Some(default)),
        }
        if let Some(min) = min {
            increment = increment.min(min.0);
        }
        if let Some(max) = max {
            increment = increment.max(max.0);
        }
        if clamp {
            increment = increment.clamp();
        }
        match py.detach(|| increment.call()) {
            Ok(number) => to_python(py, number),
            Err(error) if error::is_missing(&error) => {
                Err(PyKeyError::new_err((key.clone().unbind(),)))
            }
            Err(error) => Err(error::raised(py, error)),
        }
    }

    fn __getitem__<'py>(&self, key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        match self.find(key)? {
            Some(value) => to_python(key.py(), value),
            None => Err(PyKeyError::new_err((key.clone().unbind(),))),
        }
    }

    fn __setitem__(&self, key: &Bound<'_, PyAny>, value: Argument) -> PyResult<()> {
        self.set(key, value)
    }

    /// Its name.
    #[getter]
    fn name(&self) -> &str {
        &self.name
    }

    /// The client that it calls with.
    #[getter]
    fn client(&self, py: Python<'_>) -> Py<Client> {
        self.client.clone_ref(py)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let name = PyString::new(py, &self.name).repr()?;
        let place = self.client.get().get().place();
        Ok(format!("<commonhold dict {name} at {place}>"))
    }
}
