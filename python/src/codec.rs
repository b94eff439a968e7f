//! What only a codec understands: a Python object that the caller chose, with a `name`, `dumps` and `loads`.
//!
//! `dumps(value)` returns bytes, and a list of the shared objects that they mention. The server keeps those as long as the
//! bytes, and `loads(bytes, objects)` is given proxies of them, in the same order. Nothing is ever decoded by a client that
//! was given no codec, and never by the server.

use crate::error;
use crate::host::Host;
use crate::value::shared_bytes;
use commonhold::Value;
use commonhold_proto::value::Opaque;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

/// The value that the client's codec makes of an object. The client must have one.
pub(crate) fn dump<'py>(client: &dyn Host<'py>, it: &Bound<'py, PyAny>) -> PyResult<Value> {
    let py = it.py();
    let Some(codec) = client.codec() else {
        return Err(error::general(py, "the client has no codec".to_owned()));
    };
    let dumped = codec.call_method1(intern!(py, "dumps"), (it,))?;
    let dumped = dumped.extract::<(Bound<'_, PyBytes>, Bound<'_, PyList>)>();
    let (bytes, objects) = dumped.map_err(|_| {
        PyTypeError::new_err("the codec's dumps must return bytes and a list of shared objects")
    })?;
    let mut references = Vec::with_capacity(objects.len());
    for object in &objects {
        match client.refer(&object)? {
            Some(Value::Reference(reference)) => references.push(*reference),
            _ => {
                let message = "a codec names as a shared object what is none";
                return Err(PyValueError::new_err(message));
            }
        }
    }
    Ok(Value::Opaque(Box::new(Opaque {
        codec: codec.getattr(intern!(py, "name"))?.extract()?,
        bytes: shared_bytes(&bytes)?,
        references,
    })))
}

/// The object that was given to a codec once.
///
/// # Errors
/// `commonhold.Unreadable` if the client was not given that very codec, and whatever the codec raises.
pub(crate) fn load<'py>(
    py: Python<'py>,
    client: &dyn Host<'py>,
    opaque: Opaque,
) -> PyResult<Bound<'py, PyAny>> {
    if let Some(codec) = client.codec() {
        let name: String = codec.getattr(intern!(py, "name"))?.extract()?;
        if name == opaque.codec {
            let bytes = PyBytes::new(py, &opaque.bytes);
            let objects = PyList::empty(py);
            for reference in opaque.references {
                objects.append(client.show(&Value::Reference(Box::new(reference)))?)?;
            }
            return codec.call_method1(intern!(py, "loads"), (bytes, objects));
        }
    }
    let message = format!(
        "the value was made by the codec {:?}, which this client was not given: see connect(codec=...)",
        opaque.codec
    );
    client.forget(&Value::Opaque(Box::new(opaque)));
    Err(error::unreadable(py, message))
}
