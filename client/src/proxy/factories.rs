//! What makes proxies, the same for both clients.

/// The factories of a client.
macro_rules! factories {
    ($client:ty) => {
        impl $client {
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
