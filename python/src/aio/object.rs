//! `AsyncObject`: what every proxy of `commonhold.aio` stands on.

use super::call::{Call, Outcome};
use super::client::AsyncClient;
use crate::error;
use crate::host::{Host, unknown};
use crate::object::{Grant, durability_of, represent, seconds};
use crate::value::{argument, from_python};
use commonhold::{Client, Fence, Object, Oid, Owner, Place, Revision, Value};
use parking_lot::Mutex;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString, PyTuple};
use std::cell::RefCell;
use std::sync::OnceLock;

/// A shared object of any kind. The classes of `commonhold.aio` derive from it.
///
/// Making one makes no call. One without a name has to be opened before its first call.
#[pyclass(frozen, subclass, weakref, module = "commonhold._native")]
pub(crate) struct AsyncObject {
    shared: Object<Client>,
    /// It is to be a new object, made when it is opened.
    is_new: bool,
    /// The new object.
    opened: OnceLock<Object<Client>>,
    /// A reference that opening told, for the call that it was opened for.
    told: Mutex<Option<Value>>,
    client: Py<AsyncClient>,
}

#[pymethods]
impl AsyncObject {
    /// Arguments as of `Object`.
    #[new]
    #[pyo3(signature = (client, kind, name, *, durability=None, exists=None, options=None, like=None, fence=None))]
    #[expect(clippy::too_many_arguments, reason = "Python gives them by name")]
    fn new(
        client: Bound<'_, AsyncClient>,
        kind: &str,
        name: Option<&str>,
        durability: Option<&str>,
        exists: Option<bool>,
        options: Option<&Bound<'_, PyDict>>,
        like: Option<&Bound<'_, AsyncObject>>,
        fence: Option<(u64, u64)>,
    ) -> PyResult<AsyncObject> {
        let mut shared = match like {
            Some(like) if like.get().is_unopened() => {
                let message =
                    format!("an anonymous {kind} that has not been opened: await it first");
                return Err(PyValueError::new_err(message));
            }
            Some(like) => like.get().object().clone(),
            None => client.get().get().object(kind, name.unwrap_or_default()),
        };
        if let Some(durability) = durability {
            shared = shared.durability(durability_of(durability)?);
        }
        if let Some(exists) = exists {
            shared = shared.exists(exists);
        }
        for (name, value) in options.into_iter().flatten() {
            let value = from_python(&value, &client)?;
            shared = shared.option(name.extract::<String>()?, value);
        }
        if let Some((lock, token)) = fence {
            shared = shared.fenced(Fence {
                lock: Oid(lock),
                token: Revision(token),
            });
        }
        Ok(AsyncObject {
            is_new: name.is_none() && like.is_none(),
            ..AsyncObject::of(shared, client.unbind())
        })
    }

    /// Makes a call that waits for so many seconds, None for ever, as this owner. Returns the `Call`, or a list of objects
    /// that have to be opened before it can be made. raw: its result is what came, to be sent again, and the object that it is.
    fn _begin<'py>(
        slf: &Bound<'py, Self>,
        owner: Option<u64>,
        timeout: Option<f64>,
        method: &Bound<'py, PyString>,
        arguments: &Bound<'py, PyTuple>,
        named: Option<&Bound<'py, PyDict>>,
        raw: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (py, own) = (slf.py(), slf.get());
        let client = own.client.bind(py);
        let timeout = timeout.map(seconds).transpose()?;
        let host = Caller {
            client,
            unopened: RefCell::default(),
        };
        if own.is_unopened() {
            host.unopened.borrow_mut().push(slf.clone());
        }
        let mut call = commonhold::Call::new(method.to_str()?, []);
        call.arguments.reserve(arguments.len());
        for given in arguments {
            let value = argument(&call.method, &given, &host)?;
            call.arguments.push(value);
        }
        for (name, value) in named.into_iter().flatten() {
            let name = name.extract::<String>()?;
            call.named.push((name, from_python(&value, &host)?));
        }
        let unopened = host.unopened.into_inner();
        if !unopened.is_empty() {
            return Ok(PyList::new(py, unopened)?.into_any());
        }
        let reply = match owner {
            Some(owner) => own.object().owned_by(Owner(owner)).reply(call, timeout),
            None => own.object().reply(call, timeout),
        };
        let outcome = if raw { Outcome::Raw } else { Outcome::Reply };
        let future = async move { reply.await.map(outcome) };
        Ok(Bound::new(py, Call::begin(client, None, future))?.into_any())
    }

    /// Creates it if it is absent.
    fn _open(slf: &Bound<'_, Self>) -> Call {
        let own = slf.get();
        let opening = own.shared.open();
        let future = async move { opening.await.map(Outcome::Opened) };
        Call::begin(
            own.client.bind(slf.py()),
            Some(slf.clone().unbind()),
            future,
        )
    }

    /// Keeps an anonymous object for so many seconds, although nothing may refer to it.
    fn _pin(&self, py: Python<'_>, time: f64) -> PyResult<Call> {
        let pinning = self.object().pin(seconds(time)?);
        let future = async move { pinning.await.map(|()| Outcome::Nothing) };
        Ok(Call::begin(self.client.bind(py), None, future))
    }

    /// Watches over a grant that a lock just gave.
    fn _watch(&self, lock: u64, token: u64) -> Grant {
        Grant::new(self.object().watch(Fence {
            lock: Oid(lock),
            token: Revision(token),
        }))
    }

    /// Its identity, None as long as no call has told it.
    #[getter]
    fn _oid(&self) -> Option<u64> {
        self.object().oid().map(|oid| oid.0)
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
    fn client(&self, py: Python<'_>) -> Py<AsyncClient> {
        self.client.clone_ref(py)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        represent(py, "async ", self.object(), self.place())
    }
}

impl AsyncObject {
    fn of(shared: Object<Client>, client: Py<AsyncClient>) -> AsyncObject {
        AsyncObject {
            shared,
            is_new: false,
            opened: OnceLock::new(),
            told: Mutex::default(),
            client,
        }
    }

    pub(super) fn of_reference(
        client: &Bound<'_, AsyncClient>,
        reference: &Value,
    ) -> PyResult<AsyncObject> {
        let shared = client.get().get().object_of(reference);
        let shared = shared.map_err(|error| error::raised(client.py(), error))?;
        Ok(AsyncObject::of(shared, client.clone().unbind()))
    }

    fn object(&self) -> &Object<Client> {
        self.opened.get().unwrap_or(&self.shared)
    }

    fn is_unopened(&self) -> bool {
        self.is_new && self.opened.get().is_none()
    }

    /// Opening it gave this.
    pub(super) fn opened(&self, py: Python<'_>, reference: Value) -> PyResult<()> {
        if !self.is_new {
            *self.told.lock() = Some(reference);
            return Ok(());
        }
        let opened = self.shared.client().object_of(&reference);
        // Opened twice at once, one of the two is forgotten again.
        let _ = self
            .opened
            .set(opened.map_err(|error| error::raised(py, error))?);
        Ok(())
    }

    /// Where its server is.
    pub(crate) fn place(&self) -> &Place {
        self.shared.client().place()
    }

    /// A reference to it, if it was opened or called.
    pub(crate) fn known_reference(&self) -> PyResult<Value> {
        if self.object().oid().is_some() {
            return Ok(self.object().reference());
        }
        let told = self.told.lock().take();
        told.ok_or_else(|| unknown(self.kind(), self.name().unwrap_or_default()))
    }

    fn is_known(&self) -> bool {
        self.object().oid().is_some() || self.told.lock().is_some()
    }
}

/// A client that makes a call, and what it has to open first.
struct Caller<'a, 'py> {
    client: &'a Bound<'py, AsyncClient>,
    unopened: RefCell<Vec<Bound<'py, AsyncObject>>>,
}

impl<'py> Host<'py> for Caller<'_, 'py> {
    fn codec(&self) -> Option<&Bound<'py, PyAny>> {
        self.client.codec()
    }

    fn refer(&self, it: &Bound<'py, PyAny>) -> PyResult<Option<Value>> {
        if let Ok(object) = it.cast::<AsyncObject>()
            && object.get().client.is(self.client)
            && !object.get().is_known()
        {
            self.unopened.borrow_mut().push(object.clone());
            // It stands for what is known when the call is made.
            return Ok(Some(object.get().object().reference()));
        }
        self.client.refer(it)
    }

    fn show(&self, reference: &Value) -> PyResult<Bound<'py, PyAny>> {
        self.client.show(reference)
    }

    fn forget(&self, value: &Value) {
        self.client.forget(value);
    }
}
