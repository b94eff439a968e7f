//! `Object`: what every proxy of the package stands on.

use crate::client::Client;
use crate::value::{Raw, argument, from_python, result};
use crate::{error, wait};
use commonhold::blocking::{AnyObject, Heard};
use commonhold::{Call, Durability, Fence, Oid, Place, Reply, Revision, Value, Watch};
use pyo3::exceptions::{PyOverflowError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString, PyTuple};
use std::time::Duration;

/// A shared object of any kind. The classes of the package derive from it.
///
/// Making one makes no call.
#[pyclass(frozen, subclass, weakref, module = "commonhold._native")]
pub(crate) struct Object {
    shared: AnyObject,
    client: Py<Client>,
    made: Made,
}

/// How a proxy was made, for those that are made in other processes.
#[derive(Default)]
struct Made {
    durability: Option<String>,
    exists: Option<bool>,
    options: Option<Py<PyDict>>,
    fence: Option<(u64, u64)>,
}

/// Its fields in their order.
type AsMade = (
    Option<String>,
    Option<bool>,
    Option<Py<PyDict>>,
    Option<(u64, u64)>,
);

impl Made {
    fn again(&self, py: Python<'_>) -> Made {
        Made {
            durability: self.durability.clone(),
            exists: self.exists,
            options: self.options.as_ref().map(|options| options.clone_ref(py)),
            fence: self.fence,
        }
    }
}

#[pymethods]
impl Object {
    /// name: None makes a new object, which lives while something refers to it.
    /// durability: "durable", "relaxed" or "memory"; None is what the object has, or the server's default.
    /// exists: whether it must be there already, or must not; None creates it with the first write.
    /// options: a dict of the kind's creation options.
    /// like: an object that this is to be another proxy of; the options are those of that one.
    /// fence: the lock's and the grant's number, without which calls are refused.
    /// oid: of an object without a name that somebody pinned; this proxy keeps it not.
    #[new]
    #[pyo3(signature = (
        client, kind, name, *, durability=None, exists=None, options=None, like=None, fence=None, oid=None
    ))]
    #[expect(clippy::too_many_arguments, reason = "Python gives them by name")]
    fn new(
        client: Bound<'_, Client>,
        kind: &str,
        name: Option<&str>,
        durability: Option<&str>,
        exists: Option<bool>,
        options: Option<&Bound<'_, PyDict>>,
        like: Option<&Bound<'_, Object>>,
        fence: Option<(u64, u64)>,
        oid: Option<u64>,
    ) -> PyResult<Object> {
        let py = client.py();
        let caller = client.get().get();
        let mut made = like.map_or_else(Made::default, |like| like.get().made.again(py));
        let mut shared = match (like, oid) {
            (Some(like), _) => like.get().shared.clone(),
            (None, Some(oid)) => caller.object_at(kind, Oid(oid)),
            (None, None) => caller.object(kind, name.unwrap_or_default()),
        };
        if let Some(durability) = durability {
            shared = shared.durability(durability_of(durability)?);
            made.durability = Some(durability.to_owned());
        }
        if let Some(exists) = exists {
            shared = shared.exists(exists);
            made.exists = Some(exists);
        }
        for (name, value) in options.into_iter().flatten() {
            let value = from_python(&value, &client)?;
            shared = shared.option(name.extract::<String>()?, value);
        }
        if let Some(options) = options.filter(|options| !options.is_empty()) {
            made.options = Some(options.copy()?.unbind());
        }
        made.fence = fence.or(made.fence);
        if name.is_none() && like.is_none() && oid.is_none() {
            let open = || caller.object_of(&shared.open()?);
            shared = wait::without_interpreter(py, open)?;
        }
        if let Some((lock, token)) = fence {
            shared = shared.fenced(Fence {
                lock: Oid(lock),
                token: Revision(token),
            });
        }
        Ok(Object {
            shared,
            client: client.unbind(),
            made,
        })
    }

    /// Calls a method that does not wait, or waits for ever.
    #[pyo3(signature = (method, /, *arguments, **named))]
    fn _call<'py>(
        &self,
        method: &Bound<'py, PyString>,
        arguments: &Bound<'py, PyTuple>,
        named: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let reply = self.ask(method, arguments, named)?;
        self.result_of(method.py(), reply)
    }

    /// As `_call`; returns what came, to be sent again, and the object that it is.
    #[pyo3(signature = (method, /, *arguments, **named))]
    fn _read<'py>(
        &self,
        method: &Bound<'py, PyString>,
        arguments: &Bound<'py, PyTuple>,
        named: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<(Raw, Bound<'py, PyAny>)> {
        let reply = self.ask(method, arguments, named)?;
        let raw = Raw(reply.result.clone().unwrap_or_default());
        Ok((raw, self.result_of(method.py(), reply)?))
    }

    /// Calls a method that waits for so many seconds, None for ever; 0 is not at all.
    #[pyo3(signature = (timeout, method, /, *arguments, **named))]
    fn _wait<'py>(
        &self,
        timeout: Option<f64>,
        method: &Bound<'py, PyString>,
        arguments: &Bound<'py, PyTuple>,
        named: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = method.py();
        let mut heard = self.hear(timeout, method, arguments, named)?;
        let result = self.result_of(py, heard.take())?;
        // What a signal takes from here on, nobody ever had. After this the interpreter looks once more, at once.
        py.check_signals()?;
        heard.keep();
        Ok(result)
    }

    /// As `_wait`, but puts the result into a list: what a signal's handler raises in the caller after this finds it there.
    #[pyo3(signature = (taken, timeout, method, /, *arguments, **named))]
    fn _wait_into<'py>(
        &self,
        taken: &Bound<'py, PyList>,
        timeout: Option<f64>,
        method: &Bound<'py, PyString>,
        arguments: &Bound<'py, PyTuple>,
        named: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<()> {
        let py = method.py();
        self.client.get().keep();
        let mut heard = self.hear(timeout, method, arguments, named)?;
        let result = self.result_of(py, heard.take())?;
        py.check_signals()?;
        taken.append(result)?;
        heard.keep();
        Ok(())
    }

    /// `__exit__` of a lock: releases the grant of the innermost block of this thread. What went wrong in the block matters
    /// more than that the lock was lost.
    fn _leave(
        slf: &Bound<'_, Self>,
        kind: &Bound<'_, PyAny>,
        _error: &Bound<'_, PyAny>,
        _traceback: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let py = slf.py();
        // No Python code runs on the way to the call.
        let blocks = slf.getattr(intern!(py, "_blocks"))?;
        let grant = blocks
            .getattr(intern!(py, "grants"))?
            .call_method0(intern!(py, "pop"))?;
        let hold = grant.getattr(intern!(py, "_hold"))?;
        let token: Value = hold.getattr(intern!(py, "token"))?.extract::<u64>()?.into();
        match slf.get().released(py, Call::new("release", [token])) {
            Err(error) if !kind.is_none() && error::is(py, &error, "Error")? => Ok(()),
            released => released,
        }
    }

    /// `__exit__` of a semaphore: gives a permit of this thread's back.
    fn _give_back(
        slf: &Bound<'_, Self>,
        kind: &Bound<'_, PyAny>,
        _error: &Bound<'_, PyAny>,
        _traceback: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let py = slf.py();
        let call = Call::new("release", [1.into()]).with("own", true);
        match slf.get().released(py, call) {
            Err(error) if !kind.is_none() && error::is(py, &error, "LockLost")? => Ok(()),
            released => released,
        }
    }

    /// Something of it is about to be held, otherwise than by `_wait_into`.
    fn _keep(&self) {
        self.client.get().keep();
    }

    /// Watches over a grant that a lock just gave.
    fn _watch(&self, lock: u64, token: u64) -> Grant {
        Grant::new(self.shared.watch(Fence {
            lock: Oid(lock),
            token: Revision(token),
        }))
    }

    /// Keeps an anonymous object for so many seconds, although nothing may refer to it.
    fn _pin(&self, py: Python<'_>, time: f64) -> PyResult<()> {
        let time = seconds(time)?;
        wait::without_interpreter(py, || self.shared.pin(time))
    }

    /// Its identity, None as long as no call has told it.
    #[getter]
    fn _oid(&self) -> Option<u64> {
        self.shared.oid().map(|oid| oid.0)
    }

    /// Its kind.
    #[getter]
    pub(crate) fn kind(&self) -> &str {
        self.shared.kind()
    }

    /// Its name; None if it is anonymous.
    #[getter]
    pub(crate) fn name(&self) -> Option<&str> {
        Some(self.shared.name()).filter(|name| !name.is_empty())
    }

    /// The client that it calls with.
    #[getter]
    fn client(&self, py: Python<'_>) -> Py<Client> {
        self.client.clone_ref(py)
    }

    /// Its durability, whether it must exist, its creation options and its fence, as given to the proxy.
    #[getter]
    fn _made(&self, py: Python<'_>) -> AsMade {
        let made = self.made.again(py);
        (made.durability, made.exists, made.options, made.fence)
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        py.import(intern!(py, "commonhold.pickling"))?
            .call_method1(intern!(py, "reduce"), (slf,))
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        represent(py, "", &self.shared, &self.place())
    }
}

impl Object {
    /// The proxy of what a reference points to, of the class that the package has for its kind.
    pub(crate) fn show<'py>(
        client: &Bound<'py, Client>,
        reference: &Value,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = client.py();
        let shared = client.get().get().object_of(reference);
        let object = Object {
            shared: shared.map_err(|error| error::raised(py, error))?,
            client: client.clone().unbind(),
            made: Made::default(),
        };
        client.call_method1(intern!(py, "_shown"), (object,))
    }

    /// Where its server is.
    pub(crate) fn place(&self) -> Place {
        self.shared.client().place().clone()
    }

    /// A reference to it, if a call has told its identity.
    pub(crate) fn known_reference(&self) -> Option<Value> {
        self.shared.oid().map(|_| self.shared.reference())
    }

    /// A reference to it, which creates it if it is absent.
    pub(crate) fn reference(&self, py: Python<'_>) -> PyResult<Value> {
        match self.shared.oid() {
            Some(_) => Ok(self.shared.reference()),
            None => wait::without_interpreter(py, || self.shared.open()),
        }
    }

    fn call_of<'py>(
        &self,
        method: &Bound<'py, PyString>,
        arguments: &Bound<'py, PyTuple>,
        named: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Call> {
        let client = self.client.bind(method.py());
        let mut call = Call::new(method.to_str()?, []);
        call.arguments.reserve(arguments.len());
        for given in arguments {
            let value = argument(&call.method, &given, client)?;
            call.arguments.push(value);
        }
        for (name, value) in named.into_iter().flatten() {
            let name = name.extract::<String>()?;
            call.named.push((name, from_python(&value, client)?));
        }
        Ok(call)
    }

    fn ask(
        &self,
        method: &Bound<'_, PyString>,
        arguments: &Bound<'_, PyTuple>,
        named: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Reply> {
        let call = self.call_of(method, arguments, named)?;
        wait::without_interpreter(method.py(), || self.shared.reply(call, None))
    }

    fn hear(
        &self,
        timeout: Option<f64>,
        method: &Bound<'_, PyString>,
        arguments: &Bound<'_, PyTuple>,
        named: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Heard> {
        let timeout = timeout.map(seconds).transpose()?;
        let call = self.call_of(method, arguments, named)?;
        wait::without_interpreter(method.py(), || self.shared.hear(call, timeout))
    }

    fn released(&self, py: Python<'_>, call: Call) -> PyResult<()> {
        let reply = wait::without_interpreter(py, || self.shared.reply(call, None))?;
        self.result_of(py, reply).map(drop)
    }

    fn result_of<'py>(&self, py: Python<'py>, reply: Reply) -> PyResult<Bound<'py, PyAny>> {
        match reply.result {
            Ok(value) => result(py, value, self.client.bind(py)),
            Err(refusal) => Err(error::refused(py, refusal)),
        }
    }
}

/// A watch over a grant of a lock, for as long as it is kept.
#[pyclass(frozen, module = "commonhold._native")]
pub(crate) struct Grant(Watch);

impl Grant {
    pub(crate) fn new(watch: Watch) -> Grant {
        Grant(watch)
    }
}

#[pymethods]
impl Grant {
    /// Whether the grant was lost, as far as is known now.
    #[getter]
    fn lost(&self) -> bool {
        self.0.is_lost()
    }
}

/// What a proxy looks like to people; `how` says of which client it is.
pub(crate) fn represent<C: commonhold::Caller>(
    py: Python<'_>,
    how: &str,
    shared: &commonhold::Object<C>,
    place: &Place,
) -> PyResult<String> {
    let kind = shared.kind();
    if !shared.name().is_empty() {
        let name = PyString::new(py, shared.name()).repr()?;
        return Ok(format!("<commonhold {how}{kind} {name} at {place}>"));
    }
    let oid = shared.oid().map_or(0, |oid| oid.0);
    Ok(format!(
        "<commonhold {how}anonymous {kind} {oid} at {place}>"
    ))
}

pub(crate) fn durability_of(name: &str) -> PyResult<Durability> {
    Durability::from_name(name).ok_or_else(|| {
        let message = format!(
            "the durability {name:?} is not one of \"durable\", \"relaxed\" and \"memory\""
        );
        PyValueError::new_err(message)
    })
}

/// A time-out as `threading` takes it.
pub(crate) fn seconds(timeout: f64) -> PyResult<Duration> {
    if timeout < 0.0 {
        let message = "'timeout' must be a non-negative number";
        return Err(PyValueError::new_err(message));
    }
    Duration::try_from_secs_f64(timeout)
        .map_err(|_| PyOverflowError::new_err("the time-out is no time that can be waited"))
}
