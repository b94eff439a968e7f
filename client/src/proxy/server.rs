//! `$server`: the server itself.

use super::dict::call;
use super::who::Who;
use crate::caller::{self, Caller};
use crate::object::Object;
use commonhold_proto::{Fence, Value};

/// The server as an object.
#[derive(Clone, Debug)]
pub struct Server<C> {
    object: Object<C>,
}

impl<C: Caller> Server<C> {
    pub(crate) fn new(client: C) -> Server<C> {
        Server {
            object: Object::new(client, "server", "$server"),
        }
    }

    /// The object without its type, for methods that this proxy does not name.
    pub fn object(&self) -> &Object<C> {
        &self.object
    }

    /// Returns once the server has answered.
    pub fn ping(&self) -> C::Answer<()> {
        self.object
            .ask(call("ping", []), None, true, caller::read_nothing)
    }

    /// What the server says of itself.
    pub fn status(&self) -> C::Answer<Value> {
        self.object.reads(call("status", []))
    }

    /// Who holds the object of this name, and who waits for it.
    pub fn who(&self, name: &str) -> C::Answer<Who> {
        self.object.reads(call("who", [Ok(name.into())]))
    }

    /// The objects.
    pub fn ls(&self) -> C::Answer<Value> {
        self.object.reads(call("ls", []))
    }

    /// What the server says of one object.
    pub fn describe(&self, name: &str) -> C::Answer<Value> {
        self.object.reads(call("describe", [Ok(name.into())]))
    }

    /// The server, whose calls are refused with `FencedOut` unless this grant of a lock holds.
    #[must_use]
    pub fn fenced(&self, fence: impl Into<Fence>) -> Server<C> {
        Server {
            object: self.object.fenced(fence),
        }
    }

    /// Deletes an object; tells whether there was one.
    ///
    /// # Errors
    /// Refused with `FencedOut` if a lock guards it, unless it is [fenced](Server::fenced) by a grant of that lock.
    pub fn delete(&self, name: &str) -> C::Answer<bool> {
        let call = call("delete", [Ok(name.into())]);
        self.object.ask(call, None, false, caller::read_was_there)
    }

    /// Deletes an object, whatever guards it; tells whether there was one.
    pub fn force_delete(&self, name: &str) -> C::Answer<bool> {
        let call = call("delete", [Ok(name.into())]).map(|call| call.with("force", true));
        self.object.ask(call, None, false, caller::read_was_there)
    }
}
