//! What is derived from the key: what the client proves with, and what the server checks with.

use super::{AuthKey, LoginError, Mechanism, Salt};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use std::fmt;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Bytes of every derived key, proof and signature.
pub(super) const HASH_BYTES: usize = 32;

/// 32 bytes that a hash made.
pub(super) type Hash = [u8; HASH_BYTES];

pub(super) fn sha256(bytes: &[u8]) -> Hash {
    Sha256::digest(bytes).into()
}

pub(super) fn hmac(key: &[u8], message: &[u8]) -> Hash {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(message);
    mac.finalize().into_bytes().into()
}

pub(super) fn xor(a: &Hash, b: &Hash) -> Hash {
    std::array::from_fn(|at| a[at] ^ b[at])
}

/// The stretched key: whoever has it can log in wherever the salt is the same. Wiped from memory when dropped.
#[derive(Clone, Default, Zeroize, ZeroizeOnDrop)]
pub struct SaltedPassword(pub(super) Hash);

impl SaltedPassword {
    /// Derives the keys of the exchange.
    pub fn keys(&self) -> Derived {
        let client_key = hmac(&self.0, b"Client Key");
        Derived {
            stored_key: sha256(&client_key),
            server_key: hmac(&self.0, b"Server Key"),
            client_key,
        }
    }
}

/// The keys of the exchange, as a client has them. Wiped from memory when dropped.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
#[expect(
    clippy::struct_field_names,
    reason = "the names that RFC 5802 gives them"
)]
pub struct Derived {
    pub(super) client_key: Hash,
    pub(super) stored_key: Hash,
    pub(super) server_key: Hash,
}

redacted!(SaltedPassword, Derived);

/// What a server keeps of a key: enough to check a client and to prove itself, not enough to log in. Wiped from memory
/// when dropped.
#[derive(Clone, ZeroizeOnDrop)]
pub struct Verifier {
    #[zeroize(skip)]
    pub(super) salt: Salt,
    #[zeroize(skip)]
    pub(super) mechanism: Mechanism,
    pub(super) stored_key: Hash,
    pub(super) server_key: Hash,
}

impl Verifier {
    /// Makes the verifier of a key. Takes as long as [`Mechanism::derive`]: once at a server's start.
    pub fn new(key: &AuthKey, mechanism: Mechanism, salt: Salt) -> Result<Verifier, LoginError> {
        let derived = mechanism.derive(key, &salt)?.keys();
        Ok(Verifier {
            salt,
            mechanism,
            stored_key: derived.stored_key,
            server_key: derived.server_key,
        })
    }

    /// A verifier that no key satisfies and that cannot be told from a real one: for a name that is no key's. Its salt
    /// depends on this verifier and the name alone, so that asking again, or after a restart with the same verifier, gives
    /// the same one. Costs two hashes.
    #[must_use]
    pub fn decoy(&self, name: &str) -> Verifier {
        let secret = hmac(&self.server_key, b"commonhold.v1 unknown key");
        let seed = hmac(&secret, name.as_bytes());
        let (salt, _) = seed.split_first_chunk().expect("32 bytes hold a salt");
        Verifier {
            salt: Salt(*salt),
            mechanism: self.mechanism,
            // To name the 32 bytes with this hash is to invert SHA-256, so no proof fits, and nothing is ever signed.
            stored_key: secret,
            server_key: secret,
        }
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("salt", &self.salt)
            .field("mechanism", &self.mechanism)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::login::hex;

    const SALT: Salt = Salt([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);

    /// The expected bytes were computed with the `hmac`, `hashlib` and `cryptography` modules of Python.
    fn check(key: &str, mechanism: Mechanism, salted: &str, stored: &str, server: &str) {
        let key = AuthKey::new(key).expect("a key");
        let password = mechanism.derive(&key, &SALT).expect("accepted");
        assert_eq!(hex(&password.0), salted);
        let derived = password.keys();
        assert_eq!(hex(&derived.stored_key), stored);
        assert_eq!(hex(&derived.server_key), server);
        assert_eq!(sha256(&derived.client_key), derived.stored_key);
    }

    #[test]
    fn hkdf_derives_what_another_implementation_does() {
        check(
            "chk1_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
            Mechanism::Hkdf,
            "94700160129f88de240eac545b78e953bf43fc818a2587650bc30cd7a59d9eb7",
            "7f34d679e1d27331735aeae7b91851e8151e8724f0c50a0894292ca39d85e051",
            "9652819b53321d7cab59feb20827c5c152182eaa78ab8a8df85efe520e068e2e",
        );
    }

    #[test]
    fn argon2id_derives_what_another_implementation_does() {
        check(
            "correct horse",
            Mechanism::Argon2id {
                memory_kib: 19 << 10,
                iterations: 2,
                parallelism: 1,
            },
            "d00b90c40f918cf889780d7d3a9ec3c2b1719df87dc5e4d4d93ea6163db04e17",
            "17345cbdfc860aa0fbd402af94056f9e2e7dd6f07b1277b15b633826df4a2753",
            "7dcf1e8e53b097845b9868ca3c0823b1036e9a6038a7e7be336f49b417cd4831",
        );
        let key = AuthKey::new("correct horse").expect("a key");
        let password = Mechanism::ARGON2ID.derive(&key, &SALT).expect("accepted");
        assert_eq!(
            hex(&password.0),
            "577f1ff37e9a3e52c97d39f8e83891c1b73b0e87ffe0429cee8ede2fb005fe44"
        );
    }

    #[test]
    fn a_decoy_looks_the_same_each_time_it_is_asked_for() {
        let key = AuthKey::generate();
        let real = Verifier::new(&key, Mechanism::Hkdf, SALT).expect("accepted");
        assert_eq!(real.decoy("guess").salt, real.decoy("guess").salt);
        assert_ne!(real.decoy("guess").salt, real.decoy("other").salt);
        assert_ne!(real.decoy("guess").salt, real.salt);
        assert_eq!(real.decoy("guess").mechanism, real.mechanism);
    }

    #[test]
    fn debug_shows_no_secret() {
        let key = AuthKey::generate();
        let password = Mechanism::Hkdf.derive(&key, &SALT).expect("accepted");
        let verifier = Verifier::new(&key, Mechanism::Hkdf, SALT).expect("accepted");
        let shown = format!("{password:?} {:?} {verifier:?}", password.keys());
        for secret in [password.0, verifier.stored_key, verifier.server_key] {
            assert!(!shown.contains(&format!("{}, {}, {}", secret[0], secret[1], secret[2])));
            assert!(!shown.contains(&hex(&secret)[..8]));
        }
        assert!(shown.contains("Hkdf"));
    }
}
