//! Remembers stretched keys, so that a process pays for Argon2id once a key and salt.

use super::derive::{Hash, sha256};
use super::message::part;
use super::{AuthKey, LoginError, Mechanism, Salt, SaltedPassword};
use std::sync::{Mutex, TryLockError};
use zeroize::Zeroizing;

/// How many stretched keys are remembered; the oldest makes room. A server that changes its salt gains nothing.
const ENTRIES_MAX: usize = 16;
/// How often a lock that another thread has is tried.
const LOCK_TRIES: usize = 64;

/// Stretched keys by key, salt and mechanism. Plain memory: a forked child has what its parent had.
///
/// The lock guards the list for nanoseconds, is never held during a derivation and is never waited for without end: a
/// fork may have copied it locked, and then the child derives anew each time instead of hanging. Threads that log in for
/// the first time at one moment may each derive.
#[derive(Default)]
pub struct KeyCache {
    entries: Mutex<Vec<(Hash, SaltedPassword)>>,
}

impl KeyCache {
    /// An empty cache.
    pub const fn new() -> KeyCache {
        KeyCache {
            entries: Mutex::new(Vec::new()),
        }
    }

    /// The one that the whole process shares.
    pub fn process() -> &'static KeyCache {
        static PROCESS: KeyCache = KeyCache::new();
        &PROCESS
    }

    /// Would [`derive`](KeyCache::derive) answer from memory? If not, it may take long.
    pub fn knows(&self, key: &AuthKey, mechanism: Mechanism, salt: &Salt) -> bool {
        self.get(&identity(key, mechanism, salt)).is_some()
    }

    /// As [`Mechanism::derive`], from memory where it was derived before.
    pub fn derive(
        &self,
        key: &AuthKey,
        mechanism: Mechanism,
        salt: &Salt,
    ) -> Result<SaltedPassword, LoginError> {
        // Whatever is remembered: what this key may be used with is decided anew.
        mechanism.check(key)?;
        let identity = identity(key, mechanism, salt);
        if let Some(known) = self.get(&identity) {
            return Ok(known);
        }
        let password = mechanism.derive(key, salt)?;
        self.with(|entries| {
            entries.retain(|(known, _)| *known != identity);
            if entries.len() == ENTRIES_MAX {
                entries.remove(0);
            }
            entries.push((identity, password.clone()));
        });
        Ok(password)
    }

    fn get(&self, identity: &Hash) -> Option<SaltedPassword> {
        self.with(|entries| {
            let found = entries.iter().find(|(known, _)| known == identity);
            found.map(|(_, password)| password.clone())
        })
        .flatten()
    }

    fn with<T>(&self, work: impl FnOnce(&mut Vec<(Hash, SaltedPassword)>) -> T) -> Option<T> {
        for _ in 0..LOCK_TRIES {
            match self.entries.try_lock() {
                Ok(mut entries) => return Some(work(&mut entries)),
                // A list of whole entries is never half changed.
                Err(TryLockError::Poisoned(entries)) => {
                    return Some(work(&mut entries.into_inner()));
                }
                Err(TryLockError::WouldBlock) => std::thread::yield_now(),
            }
        }
        None
    }
}

/// One hash for the three, so that the cache holds no further copy of the key.
fn identity(key: &AuthKey, mechanism: Mechanism, salt: &Salt) -> Hash {
    let numbers = match mechanism {
        Mechanism::Hkdf => [0; 3],
        Mechanism::Argon2id {
            memory_kib,
            iterations,
            parallelism,
        } => [memory_kib, iterations, parallelism],
    };
    let key = key.expose();
    // Large enough never to grow: a buffer that moves leaves a copy of the key behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(key.len() + 64));
    part(&mut bytes, key);
    part(&mut bytes, &salt.0);
    for number in numbers {
        part(&mut bytes, &number.to_be_bytes());
    }
    sha256(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> AuthKey {
        AuthKey::assume_random(text).expect("a key")
    }

    #[test]
    fn a_key_is_derived_once_for_each_salt_and_mechanism() {
        let cache = KeyCache::new();
        let (hkdf, salt) = (Mechanism::Hkdf, Salt([1; 16]));
        let first = cache.derive(&key("a"), hkdf, &salt).expect("accepted");
        assert!(cache.knows(&key("a"), hkdf, &salt));
        let again = cache.derive(&key("a"), hkdf, &salt).expect("accepted");
        assert_eq!(first.0, again.0);
        assert!(!cache.knows(&key("b"), hkdf, &salt));
        assert!(!cache.knows(&key("a"), hkdf, &Salt([2; 16])));
        assert!(!cache.knows(&key("a"), Mechanism::ARGON2ID, &salt));
    }

    #[test]
    fn what_is_remembered_is_bounded_and_the_oldest_goes() {
        let cache = KeyCache::new();
        let hkdf = Mechanism::Hkdf;
        let salts: Vec<Salt> = (0..=16).map(|n| Salt([n; 16])).collect();
        assert_eq!(salts.len(), ENTRIES_MAX + 1);
        for salt in &salts {
            cache.derive(&key("a"), hkdf, salt).expect("accepted");
        }
        assert!(!cache.knows(&key("a"), hkdf, &salts[0]));
        for salt in &salts[1..] {
            assert!(cache.knows(&key("a"), hkdf, salt));
        }
    }

    #[test]
    fn a_random_key_that_is_remembered_is_refused_where_it_counts_as_chosen() {
        let cache = KeyCache::new();
        let (hkdf, salt) = (Mechanism::Hkdf, Salt([1; 16]));
        cache.derive(&key("a"), hkdf, &salt).expect("accepted");
        let chosen = AuthKey::new("a").expect("a key");
        let refused = cache.derive(&chosen, hkdf, &salt).err();
        assert_eq!(refused, Some(LoginError::WeakMechanism));
    }

    #[test]
    fn a_lock_that_is_never_given_back_does_not_stop_a_login() {
        let cache = KeyCache::new();
        let _held = cache.entries.lock().expect("free");
        let derived = cache.derive(&key("a"), Mechanism::Hkdf, &Salt([1; 16]));
        assert!(derived.is_ok());
    }
}
