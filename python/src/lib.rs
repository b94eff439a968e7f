//! `commonhold._native`: the blocking and the async client, and the server, as Python classes. Names, docstrings and errors
//! belong to the Python package
//! around it.

mod aio;
mod client;
mod codec;
mod command;
mod error;
mod host;
mod keeping;
mod object;
mod opened;
mod server;
mod value;
mod wait;

use pyo3::prelude::*;

/// The extension module.
#[pymodule]
mod _native {
    #[pymodule_export]
    use crate::aio::{AsyncClient, AsyncObject, Call, Driver};
    #[pymodule_export]
    use crate::client::Client;
    #[pymodule_export]
    use crate::command::command;
    #[pymodule_export]
    use crate::object::{Grant, Object};
    #[pymodule_export]
    use crate::opened::Opened;
    #[pymodule_export]
    use crate::server::Server;
    #[pymodule_export]
    use crate::value::Raw;
}
