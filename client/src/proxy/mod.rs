//! Typed proxies, written once for both clients: what differs is what a call gives, a future or a result.

mod barrier;
mod counter;
mod dict;
mod increment;
mod scan;
mod server;

pub use barrier::Barrier;
pub use counter::Counter;
pub use dict::Dict;
pub use increment::Increment;
pub use scan::{Pairs, Scan};
pub use server::Server;

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

        /// The object without its type.
        pub fn object(&self) -> &crate::Object<C> {
            &self.object
        }
    };
}
use creation_options;
