//! Objects of any kind, for callers that bring their own types: other languages, and tools.

use super::{guard, held::Held};
use crate::blocking::{self, Heard};
use crate::caller::{Caller, Request};
use crate::error::Result;
use crate::holdings;
use crate::object::Object;
use commonhold_proto::{Call, Fence, Reply, Value};
use std::fmt;
use std::time::Duration;

impl<C: Caller> Object<C> {
    /// Calls a method that waits for this long, `None` for ever, and returns all that the server said: a refusal is inside
    /// the reply, unless it is the object itself that is missing.
    ///
    /// # Cancel safety
    /// Dropped or interrupted, it takes back what it was lent, as the typed proxies do; what gives something back is carried
    /// out all the same.
    pub fn reply(&self, call: Call, timeout: Option<Duration>) -> C::Answer<Reply> {
        self.client().ask(self.generic(call, timeout))
    }

    fn generic(&self, call: Call, timeout: Option<Duration>) -> Request<Reply> {
        let undo = undo_of(self.kind(), &call);
        let gives_back = gives_back(self.kind(), &call);
        let request = self.request(Ok(call), timeout, false, Ok);
        match undo {
            Some(undo) => request.taken_back_by(undo),
            None if gives_back => request.kept(),
            None => request,
        }
    }

    /// Creates the object if it is absent, and returns a reference to it.
    ///
    /// # Errors
    /// Refused with `Conflict` if it exists with other options.
    pub fn open(&self) -> C::Answer<Value> {
        let request = Request::of(holdings::server(), self.opening(), None, |reply| {
            Ok(reply.result?)
        });
        self.client().ask(request)
    }

    /// Watches over a grant of a lock that this client was just given.
    pub fn watch(&self, grant: Fence) -> Watch {
        Watch {
            held: Held::new(self.client(), grant),
        }
    }
}

impl Object<blocking::Client> {
    /// As [`reply`](Object::reply), but what the call did can still be taken back.
    ///
    /// # Errors
    /// As of `reply`.
    pub fn hear(&self, call: Call, timeout: Option<Duration>) -> Result<Heard> {
        self.client().hear(self.generic(call, timeout))
    }
}

/// What takes back what a method lent, made of the value that it returned.
type Undo = Box<dyn Fn(&Value) -> Option<Call> + Send + Sync>;

fn undo_of(kind: &str, call: &Call) -> Option<Undo> {
    match (kind, call.method.as_str()) {
        ("lock" | "rlock" | "condition", "acquire" | "wait") | ("rwlock", "read" | "write") => {
            Some(Box::new(guard::undo))
        }
        ("semaphore" | "bounded_semaphore", "acquire") => {
            let named = call.named.iter().find(|(name, _)| name == "n");
            let n = named
                .map(|(_, n)| n)
                .or(call.arguments.first())
                .cloned()
                .unwrap_or(Value::Int(1));
            Some(Box::new(move |taken| {
                (*taken == Value::Bool(true))
                    .then(|| Call::new("release", [n.clone()]).with("own", true))
            }))
        }
        _ => None,
    }
}

/// Does a method give back what its caller holds?
fn gives_back(kind: &str, call: &Call) -> bool {
    matches!(
        (kind, call.method.as_str()),
        (
            "lock" | "rlock" | "condition" | "rwlock" | "semaphore" | "bounded_semaphore",
            "release"
        ) | ("queue", "ack" | "nack")
    )
}

/// A watch over a grant of a lock: see [`Object::watch`].
pub struct Watch {
    held: Held,
}

impl Watch {
    /// Was it lost, as far as is known now? See [`Guard::is_lost`](super::Guard::is_lost).
    pub fn is_lost(&self) -> bool {
        self.held.is_lost()
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}
