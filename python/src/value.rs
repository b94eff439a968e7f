//! Values from and to Python objects.

use crate::codec;
use crate::error;
use crate::host::Host;
use bytes::Bytes;
use commonhold::Value;
use commonhold_proto::value::{DEPTH_MAX, INT_BYTES_MAX};
use num_bigint::BigInt;
use pyo3::exceptions::{PyIndexError, PyOverflowError, PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{
    IntoPyDict as _, PyBool, PyByteArray, PyBytes, PyDict, PyFloat, PyFrozenSet, PyInt, PyList,
    PyMemoryView, PySet, PyString, PyTuple,
};

/// The value of an object. Subclasses count as what they derive from, and a bytearray as bytes, unless the client has a codec
/// to keep them whole. A view of memory counts as bytes with any codec.
///
/// Builtins that are no values go to the codec: text with half of a surrogate pair and an int that is too large alone, and
/// whole what is nested too deeply, as a list that holds itself is.
///
/// # Errors
/// `TypeError` for an object of any other type, `ValueError` for one that is nested too deeply or for an int that is too
/// large, unless a codec takes it, and whatever a codec raises.
pub(crate) fn from_python<'py>(it: &Bound<'py, PyAny>, client: &dyn Host<'py>) -> PyResult<Value> {
    let whole = DEPTH_MAX;
    Reader { client, whole }.read(it, DEPTH_MAX)
}

/// Methods that take a list or a dict of values: the server has to know it for one, whatever is in it.
const OF_MANY: [&str; 10] = [
    "add_many",
    "delete_many",
    "difference_update",
    "discard_many",
    "extend",
    "get_many",
    "intersection_update",
    "put_many",
    "set_slice",
    "update",
];

/// The value of an argument of a method, as of [`from_python`].
pub(crate) fn argument<'py>(
    method: &str,
    it: &Bound<'py, PyAny>,
    client: &dyn Host<'py>,
) -> PyResult<Value> {
    let whole = DEPTH_MAX - usize::from(OF_MANY.contains(&method));
    Reader { client, whole }.read(it, DEPTH_MAX)
}

/// The object of the value of a reply. What this client cannot read is not lost: the error has the value.
pub(crate) fn result<'py>(
    py: Python<'py>,
    value: Value,
    client: &dyn Host<'py>,
) -> PyResult<Bound<'py, PyAny>> {
    let spare = holds_opaque(&value).then(|| value.clone());
    to_python(py, value, client).map_err(|error| match spare {
        Some(value) if error::is(py, &error, "Unreadable").unwrap_or_default() => {
            let named = error.value(py).setattr(intern!(py, "value"), Raw(value));
            named.err().unwrap_or(error)
        }
        _ => error,
    })
}

fn holds_opaque(value: &Value) -> bool {
    match value {
        Value::Opaque(_) => true,
        Value::List(items) | Value::Tuple(items) | Value::Set(items) | Value::Frozenset(items) => {
            items.iter().any(holds_opaque)
        }
        Value::Dict(pairs) => pairs
            .iter()
            .any(|(key, value)| holds_opaque(key) || holds_opaque(value)),
        _ => false,
    }
}

/// The object of a value.
fn to_python<'py>(
    py: Python<'py>,
    value: Value,
    client: &dyn Host<'py>,
) -> PyResult<Bound<'py, PyAny>> {
    let all = |items: Vec<Value>| -> PyResult<Vec<Bound<'py, PyAny>>> {
        let items = items.into_iter();
        items.map(|item| to_python(py, item, client)).collect()
    };
    Ok(match value {
        Value::Null => py.None().into_bound(py),
        Value::Bool(truth) => PyBool::new(py, truth).to_owned().into_any(),
        Value::Int(number) => number.into_pyobject(py)?.into_any(),
        Value::BigInt(number) => write_big(py, &number)?,
        Value::Float(number) => PyFloat::new(py, number).into_any(),
        Value::Text(text) => PyString::new(py, &text).into_any(),
        Value::Bytes(bytes) => PyBytes::new(py, &bytes).into_any(),
        Value::List(items) => PyList::new(py, all(items)?)?.into_any(),
        Value::Tuple(items) => PyTuple::new(py, all(items)?)?.into_any(),
        Value::Set(items) => PySet::new(py, all(items)?)?.into_any(),
        Value::Frozenset(items) => PyFrozenSet::new(py, all(items)?)?.into_any(),
        Value::Dict(pairs) => {
            let dict = PyDict::new(py);
            for (key, value) in pairs {
                dict.set_item(to_python(py, key, client)?, to_python(py, value, client)?)?;
            }
            dict.into_any()
        }
        Value::Opaque(opaque) => codec::load(py, client, *opaque)?,
        reference @ Value::Reference(_) => client.show(&reference)?,
    })
}

/// A value as it came, to be sent again as it is.
#[pyclass(frozen, module = "commonhold._native")]
pub(crate) struct Raw(pub(crate) Value);

#[pymethods]
impl Raw {
    /// An element of a list or a tuple, as it came.
    fn __getitem__(&self, index: usize) -> PyResult<Raw> {
        match &self.0 {
            Value::List(items) | Value::Tuple(items) => items.get(index).cloned().map(Raw),
            _ => None,
        }
        .ok_or_else(|| PyIndexError::new_err("there is no such element"))
    }
}

/// Makes values for a client's calls.
struct Reader<'a, 'py> {
    client: &'a dyn Host<'py>,
    /// What may be nested so deep and is nested deeper goes to the codec as a whole.
    whole: usize,
}

impl<'py> Reader<'_, 'py> {
    /// `depth` is how deep the object may be nested.
    fn read(&self, it: &Bound<'py, PyAny>, depth: usize) -> PyResult<Value> {
        match self.read_typed(it, depth) {
            Err(error)
                if error.is_instance_of::<PyValueError>(it.py())
                    && self.client.codec().is_some()
                    && (is_text_or_int(it) || (depth == self.whole && is_builtin(it))) =>
            {
                codec::dump(self.client, it)
            }
            read => read,
        }
    }

    fn read_typed(&self, it: &Bound<'py, PyAny>, depth: usize) -> PyResult<Value> {
        if let Some(plain) = read_plain(it)? {
            return Ok(plain);
        }
        if let Some(reference) = self.client.refer(it)? {
            return Ok(reference);
        }
        if let Ok(raw) = it.cast_exact::<Raw>() {
            return Ok(raw.get().0.clone());
        }
        if self.is_for_codec(it)? {
            return match self.stands_for(it)? {
                Some(reference) => Ok(reference),
                None => codec::dump(self.client, it),
            };
        }
        self.read_any(it, depth)
    }

    /// A reference to the shared object of this server that it is a proxy of, where the class of the proxy is not the
    /// package's own.
    fn stands_for(&self, it: &Bound<'py, PyAny>) -> PyResult<Option<Value>> {
        let name = intern!(it.py(), "_commonhold_object");
        if !it.get_type().hasattr(name)? {
            return Ok(None);
        }
        match self.client.refer(&it.getattr(name)?) {
            // Of another server.
            Err(error) if error.is_instance_of::<PyValueError>(it.py()) => Ok(None),
            referred => referred,
        }
    }

    /// What is to come back as the very type that it is.
    fn is_for_codec(&self, it: &Bound<'py, PyAny>) -> PyResult<bool> {
        if self.client.codec().is_none() || is_builtin(it) || it.is_instance_of::<PyMemoryView>() {
            return Ok(false);
        }
        // The package's own subclasses of builtins stand for what they derive from.
        Ok(!it
            .get_type()
            .hasattr(intern!(it.py(), "_commonhold_plain"))?)
    }

    fn read_any(&self, it: &Bound<'py, PyAny>, depth: usize) -> PyResult<Value> {
        if let Ok(text) = it.cast::<PyString>() {
            return Ok(Value::Text(text.to_str()?.into()));
        }
        // Before int, which bool is a subclass of.
        if let Ok(truth) = it.cast::<PyBool>() {
            return Ok(Value::Bool(truth.is_true()));
        }
        if let Ok(number) = it.cast::<PyInt>() {
            return read_int(number);
        }
        if let Ok(number) = it.cast::<PyFloat>() {
            return Ok(Value::Float(number.value()));
        }
        if let Ok(bytes) = it.cast::<PyBytes>() {
            return Ok(Value::Bytes(shared_bytes(bytes)?));
        }
        if let Ok(bytes) = it.cast::<PyByteArray>() {
            return Ok(Value::Bytes(bytes.to_vec().into()));
        }
        if it.is_instance_of::<PyMemoryView>() {
            let bytes = it.call_method0(intern!(it.py(), "tobytes"))?;
            return Ok(Value::Bytes(shared_bytes(bytes.cast()?)?));
        }
        let Some(inner) = depth.checked_sub(1).filter(|inner| *inner > 0) else {
            let message = format!("a value may be nested {DEPTH_MAX} deep, and this is deeper");
            return Err(PyValueError::new_err(message));
        };
        if let Ok(list) = it.cast::<PyList>() {
            return self.read_all(list.iter(), inner).map(Value::List);
        }
        if let Ok(tuple) = it.cast::<PyTuple>() {
            return self.read_all(tuple.iter(), inner).map(Value::Tuple);
        }
        if let Ok(dict) = it.cast::<PyDict>() {
            return self.read_pairs(dict, inner).map(Value::Dict);
        }
        if let Ok(set) = it.cast::<PySet>() {
            // Reading a member may let other threads run, and they may change the set: its members are taken at once.
            let members = PyFrozenSet::new(it.py(), set.iter())?;
            return self.read_all(members.iter(), inner).map(Value::Set);
        }
        if let Ok(set) = it.cast::<PyFrozenSet>() {
            return self.read_all(set.iter(), inner).map(Value::Frozenset);
        }
        Err(PyTypeError::new_err(format!(
            "a {} is not a value that can be shared: None, bool, int, float, str, bytes, bytearray, memoryview, list, \
             tuple, dict, set and frozenset are, and with a codec, as in connect(codec=\"pickle\"), what the codec takes",
            it.get_type().name()?
        )))
    }

    fn read_pairs(&self, dict: &Bound<'py, PyDict>, depth: usize) -> PyResult<Vec<(Value, Value)>> {
        let mut pairs = Vec::with_capacity(dict.len());
        for (key, value) in dict {
            let (Ok(Some(key)), Ok(Some(value))) = (read_plain(&key), read_plain(&value)) else {
                // Reading this may let other threads run, and they may change the dict: it is read from a copy.
                return self.read_copied(dict, depth);
            };
            pairs.push((key, value));
        }
        Ok(pairs)
    }

    fn read_copied(
        &self,
        dict: &Bound<'py, PyDict>,
        depth: usize,
    ) -> PyResult<Vec<(Value, Value)>> {
        let copy = dict.copy()?;
        let mut pairs = Vec::with_capacity(copy.len());
        for (key, value) in copy {
            pairs.push((self.read(&key, depth)?, self.read(&value, depth)?));
        }
        Ok(pairs)
    }

    fn read_all(
        &self,
        items: impl Iterator<Item = Bound<'py, PyAny>>,
        depth: usize,
    ) -> PyResult<Vec<Value>> {
        items.map(|item| self.read(&item, depth)).collect()
    }
}

/// From this size on bytes are not copied out of their Python object, which costs two allocations.
const SHARED_BYTES_MIN: usize = 16 << 10;

/// The bytes of an object, which stays around as long as they do if they are many.
pub(crate) fn shared_bytes(bytes: &Bound<'_, PyBytes>) -> PyResult<Bytes> {
    if bytes.as_bytes().len() < SHARED_BYTES_MIN {
        return Ok(Bytes::copy_from_slice(bytes.as_bytes()));
    }
    Ok(Bytes::from_owner(bytes.extract::<PyBackedBytes>()?))
}

/// What may be too much for a value, although it holds nothing.
fn is_text_or_int(it: &Bound<'_, PyAny>) -> bool {
    it.is_exact_instance_of::<PyString>() || it.is_exact_instance_of::<PyInt>()
}

/// Is it of a type that every client has, of no subclass, and none of those that are looked at first?
fn is_builtin(it: &Bound<'_, PyAny>) -> bool {
    it.is_exact_instance_of::<PyBool>()
        || it.is_exact_instance_of::<PyFloat>()
        || it.is_exact_instance_of::<PyBytes>()
        || it.is_exact_instance_of::<PyList>()
        || it.is_exact_instance_of::<PyTuple>()
        || it.is_exact_instance_of::<PyDict>()
        || it.is_exact_instance_of::<PySet>()
        || it.is_exact_instance_of::<PyFrozenSet>()
}

/// The value of what is of one of the types that values are of most, and of no subclass. No Python code runs.
fn read_plain(it: &Bound<'_, PyAny>) -> PyResult<Option<Value>> {
    Ok(Some(if let Ok(text) = it.cast_exact::<PyString>() {
        Value::Text(text.to_str()?.into())
    } else if let Ok(number) = it.cast_exact::<PyInt>() {
        read_int(number)?
    } else if let Ok(number) = it.cast_exact::<PyFloat>() {
        Value::Float(number.value())
    } else if it.is_none() {
        Value::Null
    } else {
        return Ok(None);
    }))
}

fn read_int(number: &Bound<'_, PyInt>) -> PyResult<Value> {
    match number.extract::<i64>() {
        Ok(small) => Ok(Value::Int(small)),
        Err(error) if error.is_instance_of::<PyOverflowError>(number.py()) => read_big(number),
        Err(error) => Err(error),
    }
}

fn read_big(number: &Bound<'_, PyInt>) -> PyResult<Value> {
    let py = number.py();
    let bits: usize = number.call_method0(intern!(py, "bit_length"))?.extract()?;
    if bits >= 8 * INT_BYTES_MAX {
        let message = format!(
            "an int may take {} KiB, and this takes more",
            INT_BYTES_MAX >> 10
        );
        return Err(PyValueError::new_err(message));
    }
    let signed = [(intern!(py, "signed"), true)].into_py_dict(py)?;
    // One more bit for the sign.
    let arguments = (bits / 8 + 1, intern!(py, "little"));
    let bytes = number.call_method(intern!(py, "to_bytes"), arguments, Some(&signed))?;
    let bytes = bytes.cast_into::<PyBytes>()?;
    Ok(Value::from_big_int(BigInt::from_signed_bytes_le(
        bytes.as_bytes(),
    )))
}

fn write_big<'py>(py: Python<'py>, number: &BigInt) -> PyResult<Bound<'py, PyAny>> {
    let bytes = PyBytes::new(py, &number.to_signed_bytes_le());
    let signed = [(intern!(py, "signed"), true)].into_py_dict(py)?;
    let arguments = (bytes, intern!(py, "little"));
    py.get_type::<PyInt>()
        .call_method(intern!(py, "from_bytes"), arguments, Some(&signed))
}
