//! What makes proxies, the same for both clients.

/// The factories of a client.
macro_rules! factories {
    ($client:ty) => {
        impl $client {
            /// Objects without names, each of which lives as long as something refers to it:
            /// `ch.anonymous().list::<i64>().create()` makes one.
            pub fn anonymous(&self) -> $crate::proxy::Anonymous<$client> {
                $crate::proxy::Anonymous::new(self.clone())
            }

            /// The object that a reference points to; a [draft](crate::Draft::of) makes a typed proxy. Makes no call.
            ///
            /// # Errors
            /// If the value is no reference.
            pub fn object_of(
                &self,
                reference: &commonhold_proto::Value,
            ) -> Result<Object<$client>> {
                Object::of_reference(self.clone(), reference)
            }

            /// The object of this kind and identity, which somebody [pinned](Object::pin) and told. The proxy keeps nothing.
            /// Makes no call.
            pub fn object_at(&self, kind: &str, oid: commonhold_proto::Oid) -> Object<$client> {
                Object::at(self.clone(), kind, oid)
            }

            /// Gives up the references to anonymous objects in a value that a call returned.
            ///
            /// Every reference that is returned keeps its object until the end of the session, or until it is given up: once,
            /// either to the proxy that [`object_of`](Self::object_of) or a [draft](crate::Draft::of) makes of it, which keeps
            /// the object in its place, or by this. A clone of a value that was given up keeps nothing; of a proxy make clones,
            /// not proxies of its own reference. Results that have no room for a reference give up what they leave out.
            pub fn forget(&self, value: &commonhold_proto::Value) {
                let session = $crate::caller::sealed::Sealed::ties(self).0;
                session.holdings.give_up(value);
                if session.holdings.has_unwanted() {
                    $crate::caller::sealed::Sealed::let_go(self);
                }
            }

            /// The list of this name. Makes no call.
            pub fn list<T>(&self, name: &str) -> $crate::proxy::List<T, $client>
            where
                T: serde::Serialize + serde::de::DeserializeOwned + 'static,
            {
                $crate::proxy::List::new(self.clone(), name)
            }

            /// The queue of this name. Makes no call.
            pub fn queue<T>(&self, name: &str) -> $crate::proxy::Queue<T, $client>
            where
                T: serde::Serialize + serde::de::DeserializeOwned + 'static,
            {
                $crate::proxy::Queue::new(self.clone(), name)
            }

            /// The set of this name. Makes no call.
            pub fn set<T>(&self, name: &str) -> $crate::proxy::Set<T, $client>
            where
                T: serde::Serialize + serde::de::DeserializeOwned + 'static,
            {
                $crate::proxy::Set::new(self.clone(), name)
            }

            /// The value of this name. Makes no call.
            pub fn value<T>(&self, name: &str) -> $crate::proxy::Shared<T, $client>
            where
                T: serde::Serialize + serde::de::DeserializeOwned + 'static,
            {
                $crate::proxy::Shared::new(self.clone(), name)
            }

            /// The array of this name; its typecode is one of `b B h H i I l L q Q f d` for numbers, as in Python's module
            /// `array`, or `u` or `w` for characters. Makes no call.
            pub fn array<T>(&self, name: &str, typecode: &str) -> $crate::proxy::Array<T, $client>
            where
                T: serde::Serialize + serde::de::DeserializeOwned + 'static,
            {
                $crate::proxy::Array::new(self.clone(), name, typecode)
            }

            /// The namespace of this name. Makes no call.
            pub fn namespace(&self, name: &str) -> $crate::proxy::Namespace<$client> {
                $crate::proxy::Namespace::new(self.clone(), name)
            }

            /// The event of this name. Makes no call.
            pub fn event(&self, name: &str) -> $crate::proxy::Event<$client> {
                $crate::proxy::Event::new(self.clone(), name)
            }

            /// The latch of this name, which counts down from so many. Makes no call.
            pub fn latch(&self, name: &str, count: u32) -> $crate::proxy::Latch<$client> {
                $crate::proxy::Latch::new(self.clone(), name, count)
            }

            /// The semaphore of this name with so many permits. Makes no call.
            pub fn semaphore(&self, name: &str, permits: u32) -> $crate::proxy::Semaphore<$client> {
                $crate::proxy::Semaphore::new(self.clone(), "semaphore", name, permits)
            }

            /// The bounded semaphore of this name with so many permits: giving back more than were taken is refused. Makes
            /// no call.
            pub fn bounded_semaphore(
                &self,
                name: &str,
                permits: u32,
            ) -> $crate::proxy::Semaphore<$client> {
                $crate::proxy::Semaphore::new(self.clone(), "bounded_semaphore", name, permits)
            }
        }
    };
}
pub(crate) use factories;
