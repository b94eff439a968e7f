//! `rwlock`: held by many readers or by one writer.

use super::creation_options;
use super::dict::call;
use super::guard::LockAcquire;
use crate::caller::Caller;
use crate::object::Object;

/// A shared lock for many readers or one writer, who stand in one line.
#[derive(Clone, Debug)]
pub struct RwLock<C> {
    object: Object<C>,
}

impl<C: Caller> RwLock<C> {
    pub(crate) fn new(client: C, name: &str) -> RwLock<C> {
        RwLock {
            object: Object::new(client, "rwlock", name),
        }
    }

    creation_options!();
    super::policies!();

    /// Takes the lock with other readers.
    pub fn read(&self) -> LockAcquire<C> {
        LockAcquire::new(self.as_someone(), "read")
    }

    /// Takes the lock alone.
    pub fn write(&self) -> LockAcquire<C> {
        LockAcquire::new(self.as_someone(), "write")
    }

    /// How many read.
    pub fn readers(&self) -> C::Answer<u64> {
        self.object.reads(call("readers", []))
    }

    /// Does anybody hold it?
    pub fn locked(&self) -> C::Answer<bool> {
        self.object.reads(call("locked", []))
    }

    /// Frees it, whoever holds it: they are told that they lost it. Tells how many did.
    pub fn force_release(&self) -> C::Answer<u64> {
        self.object.writes(call("force_release", []))
    }

    fn as_someone(&self) -> Object<C> {
        self.object.owned_by(self.object.client().owner())
    }
}
