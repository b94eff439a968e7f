//! `Call`: one that is under way.

use super::client::AsyncClient;
use super::object::AsyncObject;
use crate::error;
use crate::value::{Raw, result};
use commonhold::{Error, Reply, Result, Value};
use parking_lot::Mutex;
use pyo3::prelude::*;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

/// A call that was made. Its reply waits here until it is taken: a call that is abandoned instead counts as never heard, and
/// the server takes back what it gave.
#[pyclass(frozen, module = "commonhold._native")]
pub(crate) struct Call {
    number: u64,
    waker: Waker,
    client: Py<AsyncClient>,
    /// What it opens.
    opens: Option<Py<AsyncObject>>,
    state: Mutex<State>,
}

/// What a call comes to.
pub(super) enum Outcome {
    Reply(Reply),
    /// A reply of which what came is wanted besides.
    Raw(Reply),
    Opened(Value),
    Nothing,
}

type Under = Pin<Box<dyn Future<Output = Result<Outcome>> + Send>>;

enum State {
    UnderWay(Under),
    Done(Result<Outcome>),
    /// It was taken or abandoned.
    Over,
}

impl Call {
    /// Makes it now.
    pub(super) fn begin(
        client: &Bound<'_, AsyncClient>,
        opens: Option<Py<AsyncObject>>,
        future: impl Future<Output = Result<Outcome>> + Send + 'static,
    ) -> Call {
        let (number, waker) = client.get().mailbox().bell();
        let mut future: Under = Box::pin(future);
        let state = match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Pending => State::UnderWay(future),
            Poll::Ready(outcome) => {
                waker.wake_by_ref();
                State::Done(outcome)
            }
        };
        Call {
            number,
            waker,
            client: client.clone().unbind(),
            opens,
            state: Mutex::new(state),
        }
    }

    fn outcome(&self) -> Poll<Result<Outcome>> {
        let mut state = self.state.lock();
        match mem::replace(&mut *state, State::Over) {
            State::Done(outcome) => Poll::Ready(outcome),
            State::Over => Poll::Ready(Err(Error::Closed)),
            State::UnderWay(mut future) => {
                let polled = future.as_mut().poll(&mut Context::from_waker(&self.waker));
                if polled.is_pending() {
                    *state = State::UnderWay(future);
                }
                polled
            }
        }
    }
}

#[pymethods]
impl Call {
    /// Tells it from the other calls of its client, for `Driver.drive`.
    #[getter]
    fn number(&self) -> u64 {
        self.number
    }

    /// What it returned, once; raises what it raised. `not_yet` as long as there is no reply.
    fn take<'py>(
        &self,
        py: Python<'py>,
        not_yet: Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let Poll::Ready(outcome) = self.outcome() else {
            return Ok(not_yet);
        };
        match outcome.map_err(|error| error::raised(py, error))? {
            Outcome::Reply(reply) => match reply.result {
                Ok(value) => result(py, value, self.client.bind(py)),
                Err(refusal) => Err(error::refused(py, refusal)),
            },
            Outcome::Raw(reply) => match reply.result {
                Ok(value) => {
                    let read = result(py, value.clone(), self.client.bind(py))?;
                    Ok((Raw(value), read).into_pyobject(py)?.into_any())
                }
                Err(refusal) => Err(error::refused(py, refusal)),
            },
            Outcome::Opened(reference) => {
                if let Some(object) = &self.opens {
                    object.get().opened(py, reference)?;
                }
                Ok(py.None().into_bound(py))
            }
            Outcome::Nothing => Ok(py.None().into_bound(py)),
        }
    }

    /// Nobody waits for it any more. Does nothing after `take`.
    fn abandon(&self) {
        let state = mem::replace(&mut *self.state.lock(), State::Over);
        drop(state);
    }
}
