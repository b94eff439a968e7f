//! Typed proxies, written once for both clients: what differs is what a call gives, a future or a result.

mod anonymous;
mod array;
mod barrier;
mod condition;
mod counter;
mod dict;
mod event;
mod factories;
mod generic;
mod guard;
mod held;
mod increment;
mod job;
mod latch;
mod list;
mod lock;
mod namespace;
mod permit;
mod queue;
mod rwlock;
mod scan;
mod semaphore;
mod server;
mod set;
mod shared;
mod slice;
mod who;

pub use anonymous::{Anonymous, Draft};
pub use array::Array;
pub use barrier::Barrier;
pub use condition::Condition;
pub use counter::Counter;
pub use dict::Dict;
pub use event::Event;
pub(crate) use factories::factories;
pub use generic::Watch;
pub use guard::{Guard, LockAcquire, PreviousEnd};
pub use increment::Increment;
pub use job::{Dead, Job, Take};
pub use latch::Latch;
pub use list::List;
pub use lock::Lock;
pub use namespace::Namespace;
pub use permit::Permit;
pub use queue::Queue;
pub use rwlock::RwLock;
pub use scan::{Items, Scan};
pub use semaphore::{Acquire, Acquiring, Semaphore};
pub use server::Server;
pub use set::Set;
pub use shared::Shared;
pub use slice::Slice;
pub use who::{Holder, Waiter, Who};

/// The creation options that every typed proxy has.
macro_rules! creation_options {
    () => {
        /// Asks for a durability; if the object exists, it must have it.
        #[must_use]
        pub fn durability(mut self, durability: commonhold_proto::Durability) -> Self {
            self.object = self.object.durability(durability);
            self
        }

        /// Insists that the object exists, or that it does not.
        #[must_use]
        pub fn exists(mut self, exists: bool) -> Self {
            self.object = self.object.exists(exists);
            self
        }

        /// Lets nobody write to it without a fence of the lock of this name, or of this
        /// [reference](crate::Object::reference), which must exist when the object is made.
        #[must_use]
        pub fn guarded_by(mut self, lock: impl Into<commonhold_proto::Value>) -> Self {
            self.object = self.object.option("guard", lock);
            self
        }

        /// The same object, whose calls are refused with `FencedOut` unless this grant of a lock holds: nothing is written
        /// by a holder that was superseded. Such calls do not wait.
        #[must_use]
        pub fn fenced(&self, fence: impl Into<commonhold_proto::Fence>) -> Self {
            let mut fenced = self.clone();
            fenced.object = fenced.object.fenced(fence);
            fenced
        }

        /// The object without its type.
        pub fn object(&self) -> &crate::Object<C> {
            &self.object
        }

        /// A reference to it, to be stored in other objects: see [`Object::reference`](crate::Object::reference).
        pub fn reference(&self) -> commonhold_proto::Value {
            self.object.reference()
        }

        /// This type over another object.
        pub(crate) fn over(mut self, object: crate::Object<C>) -> Self {
            self.object = object.called_as(&self.object);
            self
        }
    };
}
use creation_options;

/// What becomes of what a client holds when it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnEnd {
    /// Others get it.
    Release,
    /// It stays held until somebody frees it.
    Keep,
}

impl OnEnd {
    const fn name(self) -> &'static str {
        match self {
            OnEnd::Release => "release",
            OnEnd::Keep => "keep",
        }
    }
}

/// The creation options of locks.
macro_rules! policies {
    () => {
        /// What becomes of it when its holder dies; released unless given.
        #[must_use]
        pub fn on_crash(mut self, then: super::OnEnd) -> Self {
            self.object = self.object.option("on_crash", then.name());
            self
        }

        /// What becomes of it when its holder ends cleanly; released unless given.
        #[must_use]
        pub fn on_exit(mut self, then: super::OnEnd) -> Self {
            self.object = self.object.option("on_exit", then.name());
            self
        }
    };
}
use policies;
