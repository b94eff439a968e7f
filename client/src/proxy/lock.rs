//! `lock` and `rlock`: held by one at a time.

use super::creation_options;
use super::dict::call;
use super::guard::LockAcquire;
use crate::caller::Caller;
use crate::object::Object;

/// A shared lock, or one that its holder may take again.
#[derive(Clone, Debug)]
pub struct Lock<C> {
    object: Object<C>,
    is_reentrant: bool,
}

impl<C: Caller> Lock<C> {
    pub(crate) fn new(client: C, name: &str) -> Lock<C> {
        Lock {
            object: Object::new(client, "lock", name),
            is_reentrant: false,
        }
    }

    /// One that its holder may take again. Of an async client the proxy is the holder, and so are its clones: whoever has
    /// another proxy of the same lock waits. Of a blocking client it is the thread.
    pub(crate) fn reentrant(client: C, name: &str) -> Lock<C> {
        let owner = client.owner_of_proxy();
        let object = Object::new(client, "rlock", name);
        Lock {
            object: object.owned(owner),
            is_reentrant: true,
        }
    }

    creation_options!();
    super::policies!();

    /// Takes the lock, in the order in which callers came.
    pub fn acquire(&self) -> LockAcquire<C> {
        let object = if self.is_reentrant {
            self.object.clone()
        } else {
            self.object.owned_by(self.object.client().owner())
        };
        LockAcquire::new(object, "acquire")
    }

    /// Is it held?
    pub fn locked(&self) -> C::Answer<bool> {
        self.object.reads(call("locked", []))
    }

    /// Frees it, whoever holds it: the holder is told that it lost it. Tells whether anybody held it.
    pub fn force_release(&self) -> C::Answer<bool> {
        self.object.writes(call("force_release", []))
    }
}
