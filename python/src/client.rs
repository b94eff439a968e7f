//! `Client`.

use crate::keeping::Keeping;
use crate::object::seconds;
use crate::opened::Opened;
use crate::wait;
use commonhold::{AuthKey, Error, Options, blocking};
use commonhold_proto::login::LoginError;
use pyo3::prelude::*;
use std::path::PathBuf;

/// A connection to a server.
///
/// Threads may share it. In a forked child it goes on with a session of its own.
#[pyclass(frozen, subclass, weakref, module = "commonhold._native")]
#[expect(clippy::struct_field_names, reason = "it is the client")]
pub(crate) struct Client {
    /// Absent only while it is dropped.
    client: Option<blocking::Client>,
    codec: Option<Py<PyAny>>,
    /// Of a folder: who keeps what is held over a change of server.
    keeping: Option<Keeping>,
}

impl Client {
    pub(crate) fn get(&self) -> &blocking::Client {
        self.client
            .as_ref()
            .expect("only drop takes it, and nobody holds what is dropped")
    }

    /// Something is about to be held.
    pub(crate) fn keep(&self) {
        if let Some(keeping) = &self.keeping {
            keeping.begin(self.get());
        }
    }

    /// What takes and gives objects that are no values.
    pub(crate) fn codec(&self) -> Option<&Py<PyAny>> {
        self.codec.as_ref()
    }
}

#[pymethods]
impl Client {
    #[new]
    /// authkey: the key itself, as multiprocessing has it, in place of a file.
    /// patience: how many seconds a server that is not there is waited for at first, and how many later.
    /// opened: a folder whose server is taken over when it ends.
    #[pyo3(signature = (url=None, *, key_file=None, name=None, codec=None, authkey=None, patience=None, opened=None))]
    #[expect(clippy::too_many_arguments, reason = "Python gives them by name")]
    fn new(
        py: Python<'_>,
        url: Option<String>,
        key_file: Option<PathBuf>,
        name: Option<String>,
        codec: Option<Py<PyAny>>,
        authkey: Option<&[u8]>,
        patience: Option<(f64, f64)>,
        opened: Option<Bound<'_, Opened>>,
    ) -> PyResult<Client> {
        let mut options = Options::new().interrupt(wait::interrupted);
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
        if let Some((first, later)) = patience {
            options = options
                .connect_for(seconds(first)?)
                .reconnect_for(seconds(later)?);
        }
        let keeping = opened.as_ref().map(|_| Keeping::default());
        if let Some(opened) = opened {
            options = opened.get().led_by(options);
        }
        let by_bytes = authkey.is_some();
        let client = wait::without_interpreter(py, || {
            options.connect_blocking().map_err(|error| match error {
                // Both sides tell by the bytes what an authkey is: where they disagree, these differ.
                Error::Incompatible { place, reason }
                    if by_bytes && reason == LoginError::WeakMechanism.to_string() =>
                {
                    Error::Authentication {
                        place,
                        key: "given".to_owned(),
                    }
                }
                error => error,
            })
        })?;
        Ok(Client {
            client: Some(client),
            codec,
            keeping,
        })
    }

    /// Where the server is.
    #[getter]
    fn url(&self) -> String {
        self.get().place().to_string()
    }

    /// Says goodbye: what this client holds is given back, and its calls fail from now on.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let client = self.get().clone();
        wait::without_interpreter(py, || {
            if let Some(keeping) = &self.keeping {
                keeping.end();
            }
            client.close();
            Ok(())
        })
    }

    /// Lets go of the parent's connection in a forked child.
    fn _forked(&self) {
        self.get().forked();
    }

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, py: Python<'_>, _exception: &Bound<'_, PyAny>) -> PyResult<()> {
        self.close(py)
    }

    fn __repr__(&self) -> String {
        format!("<commonhold client at {}>", self.url())
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        wait::let_go((self.keeping.take(), self.client.take()));
    }
}
