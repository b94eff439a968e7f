//! The async client as Python classes: an event loop of Python's drives it. What waits is a `Call`; that it is awaited, and
//! by which future, is up to the package around.

mod call;
mod client;
mod driver;
mod object;

pub(crate) use call::Call;
pub(crate) use client::AsyncClient;
pub(crate) use driver::Driver;
pub(crate) use object::AsyncObject;
