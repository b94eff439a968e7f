//! The keys that open this server, as far as it knows them.

use commonhold_proto::login::{AuthKey, LoginError, Mechanism, Salt, Verifier};
use std::collections::BTreeMap;

/// Verifiers by the names of their keys. There is at least one.
#[derive(Debug)]
pub struct Keys {
    first: Verifier,
    named: BTreeMap<String, Verifier>,
}

impl Keys {
    /// One key. Derives its verifier with a new salt and the mechanism that the key's form calls for: microseconds for
    /// a random key, a good tenth of a second for a chosen one.
    pub fn new(name: &str, key: &AuthKey) -> Result<Keys, LoginError> {
        let verifier = Verifier::new(key, Mechanism::for_key(key), Salt::random())?;
        Ok(Keys::with_verifier(name, verifier))
    }

    /// One key whose verifier was made before. Clients need not stretch a chosen key again after a restart if it has the
    /// same salt.
    pub fn with_verifier(name: &str, verifier: Verifier) -> Keys {
        Keys {
            named: BTreeMap::from([(name.to_owned(), verifier.clone())]),
            first: verifier,
        }
    }

    /// Adds another key, or replaces the one of this name.
    pub fn add(&mut self, name: &str, verifier: Verifier) {
        self.named.insert(name.to_owned(), verifier);
    }

    /// The verifier of this name, or one that nobody satisfies: the work is the same, and so is what a client sees.
    pub(super) fn get(&self, name: &str) -> Verifier {
        let decoy = self.first.decoy(name);
        self.named.get(name).cloned().unwrap_or(decoy)
    }
}
