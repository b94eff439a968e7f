//! `AsyncClient`.

use super::call::{Call, Outcome};
use super::driver::{Driver, Mailbox};
use super::object::AsyncObject;
use crate::error;
use crate::host::{Host, check_place, unknown};
use crate::object::Object;
use commonhold::{AuthKey, Caller as _, Client, Liveness, Options, Value};
use pyo3::intern;
use pyo3::prelude::*;
use std::path::PathBuf;
use std::sync::Arc;

/// A client for one event loop, which has to drive it.
#[pyclass(frozen, subclass, weakref, module = "commonhold._native")]
pub(crate) struct AsyncClient {
    // In this order: a driver that is dropped after its client says goodbye.
    client: Client,
    driver: Py<Driver>,
    mailbox: Arc<Mailbox>,
    codec: Option<Py<PyAny>>,
}

impl AsyncClient {
    pub(super) fn get(&self) -> &Client {
        &self.client
    }

    pub(super) fn mailbox(&self) -> &Arc<Mailbox> {
        &self.mailbox
    }
}

#[pymethods]
impl AsyncClient {
    /// heartbeat: whether the server takes it for dead when its loop stands still; otherwise when its connection ends.
    /// authkey: the key itself, as multiprocessing has it, in place of a file.
    #[new]
    #[pyo3(signature = (url=None, *, key_file=None, name=None, codec=None, heartbeat=true, authkey=None))]
    fn new(
        py: Python<'_>,
        url: Option<String>,
        key_file: Option<PathBuf>,
        name: Option<String>,
        codec: Option<Py<PyAny>>,
        heartbeat: bool,
        authkey: Option<&[u8]>,
    ) -> PyResult<AsyncClient> {
        let mut options = Options::new().liveness(if heartbeat {
            Liveness::Heartbeat
        } else {
            Liveness::Connection
        });
        if let Some(url) = url {
            options = options.url(url);
        }
        if let Some(path) = key_file {
            options = options.key_file(path);
        }
        if let Some(name) = name {
            options = options.name(name);
        }
        if let Some(authkey) = authkey {
            options = options.key(AuthKey::of_multiprocessing(authkey));
        }
        let made = options.connect_driven();
        let (client, driver) = made.map_err(|error| error::raised(py, error))?;
        let mailbox = Arc::default();
        Ok(AsyncClient {
            client,
            driver: Py::new(py, Driver::new(driver, &mailbox))?,
            mailbox,
            codec,
        })
    }

    /// What the event loop drives.
    #[getter]
    fn _driver(&self, py: Python<'_>) -> Py<Driver> {
        self.driver.clone_ref(py)
    }

    /// Waits until the first connection was made.
    fn _opened(slf: &Bound<'_, Self>) -> Call {
        let client = slf.get().client.clone();
        Call::begin(slf, None, async move {
            client.opened().await.map(|()| Outcome::Nothing)
        })
    }

    /// Says goodbye, and waits until the server knows.
    fn _closed(slf: &Bound<'_, Self>) -> Call {
        let client = slf.get().client.clone();
        Call::begin(slf, None, async move {
            client.close().await;
            Ok(Outcome::Nothing)
        })
    }

    /// A number that no other holder of this client has.
    fn _fresh_owner(&self) -> u64 {
        self.client.owner().0
    }

    /// Where the server is.
    #[getter]
    fn url(&self) -> String {
        self.client.place().to_string()
    }

    fn __repr__(&self) -> String {
        format!("<commonhold async client at {}>", self.url())
    }
}

impl<'py> Host<'py> for Bound<'py, AsyncClient> {
    fn codec(&self) -> Option<&Bound<'py, PyAny>> {
        let codec = self.get().codec.as_ref();
        codec.map(|codec| codec.bind(self.py()))
    }

    fn refer(&self, it: &Bound<'py, PyAny>) -> PyResult<Option<Value>> {
        if let Ok(object) = it.cast::<AsyncObject>() {
            check_place(self.get().client.place(), object.get().place())?;
            return object.get().known_reference().map(Some);
        }
        if let Ok(object) = it.cast::<Object>() {
            check_place(self.get().client.place(), &object.get().place())?;
            // To find it out would block the loop.
            return match object.get().known_reference() {
                Some(reference) => Ok(Some(reference)),
                None => Err(unknown(
                    object.get().kind(),
                    object.get().name().unwrap_or_default(),
                )),
            };
        }
        Ok(None)
    }

    fn show(&self, reference: &Value) -> PyResult<Bound<'py, PyAny>> {
        let object = AsyncObject::of_reference(self, reference)?;
        self.call_method1(intern!(self.py(), "_shown"), (object,))
    }

    fn forget(&self, value: &Value) {
        self.get().get().forget(value);
    }
}
