//! How a key becomes a [`SaltedPassword`], and which ways a client accepts.

use super::derive::SaltedPassword;
use super::{AuthKey, LoginError, random};
use crate::wire;
use sha2::Sha256;
use std::ops::RangeInclusive;

/// Bytes of a salt.
pub const SALT_BYTES: usize = 16;

/// What HKDF is told of its purpose.
const INFO: &[u8] = b"commonhold.v1 key";

const MEMORY_KIB: RangeInclusive<u32> = 19 << 10..=1 << 20;
const ITERATIONS: RangeInclusive<u32> = 2..=10;
const PARALLELISM: RangeInclusive<u32> = 1..=64;
/// The three ranges above, for people.
pub(super) const RANGE: &str = "19 MiB to 1 GiB of memory, 2 to 10 iterations, parallelism 1 to 64";

/// A server's salt. It is public, and every client is told it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Salt(pub [u8; SALT_BYTES]);

impl Salt {
    /// A new salt.
    pub fn random() -> Salt {
        Salt(random())
    }
}

/// How a key is stretched. The server names it, the client may refuse it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// HKDF-SHA-256, microseconds: for random keys only.
    Hkdf,
    /// Argon2id version 0x13: a fraction of a second and much memory for each guess at a chosen key.
    Argon2id {
        /// Memory in KiB.
        memory_kib: u32,
        /// Passes over it.
        iterations: u32,
        /// Lanes. They are computed one after another; an attacker gains nothing by having them.
        parallelism: u32,
    },
}

impl Mechanism {
    /// Argon2id with the default parameters: 64 MiB, 3 passes, 4 lanes.
    pub const ARGON2ID: Mechanism = Mechanism::Argon2id {
        memory_kib: 64 << 10,
        iterations: 3,
        parallelism: 4,
    };

    /// The one that a key of this form calls for.
    pub fn for_key(key: &AuthKey) -> Mechanism {
        if key.is_random() {
            Mechanism::Hkdf
        } else {
            Mechanism::ARGON2ID
        }
    }

    /// May a client use it for this key? A chosen key calls for Argon2id, with parameters that are neither under the
    /// floor (19 MiB, 2 passes) nor over the ceiling (1 GiB, 10 passes, 64 lanes). Any key may be given more than it
    /// calls for.
    pub fn check(self, key: &AuthKey) -> Result<(), LoginError> {
        match self {
            Mechanism::Hkdf if key.is_random() => Ok(()),
            Mechanism::Hkdf => Err(LoginError::WeakMechanism),
            Mechanism::Argon2id {
                memory_kib,
                iterations,
                parallelism,
            } => {
                let accepted = MEMORY_KIB.contains(&memory_kib)
                    && ITERATIONS.contains(&iterations)
                    && PARALLELISM.contains(&parallelism);
                accepted.then_some(()).ok_or(LoginError::Parameters {
                    memory_kib,
                    iterations,
                    parallelism,
                })
            }
        }
    }

    /// Stretches the key. Argon2id takes 0.02 to several seconds of this thread: keep it off a connection's.
    ///
    /// # Errors
    /// Those of [`check`](Mechanism::check), before any work is done.
    pub fn derive(self, key: &AuthKey, salt: &Salt) -> Result<SaltedPassword, LoginError> {
        self.check(key)?;
        let mut out = SaltedPassword::default();
        match self {
            Mechanism::Hkdf => hkdf::Hkdf::<Sha256>::new(Some(&salt.0), key.expose())
                .expand(INFO, &mut out.0)
                .expect("32 bytes are far less than HKDF can give"),
            Mechanism::Argon2id {
                memory_kib,
                iterations,
                parallelism,
            } => {
                let length = Some(out.0.len());
                let params = argon2::Params::new(memory_kib, iterations, parallelism, length)
                    .expect("the accepted range lies within that of Argon2");
                argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params)
                    .hash_password_into(key.expose(), &salt.0, &mut out.0)
                    .expect("key, salt and output have lengths that Argon2 takes");
            }
        }
        Ok(out)
    }
}

impl From<Mechanism> for wire::server_first::Mechanism {
    fn from(mechanism: Mechanism) -> Self {
        match mechanism {
            Mechanism::Hkdf => Self::Hkdf(true),
            Mechanism::Argon2id {
                memory_kib,
                iterations,
                parallelism,
            } => Self::Argon2id(wire::Argon2id {
                memory_kib,
                iterations,
                parallelism,
            }),
        }
    }
}

impl TryFrom<wire::server_first::Mechanism> for Mechanism {
    type Error = LoginError;

    fn try_from(mechanism: wire::server_first::Mechanism) -> Result<Mechanism, LoginError> {
        match mechanism {
            wire::server_first::Mechanism::Hkdf(true) => Ok(Mechanism::Hkdf),
            wire::server_first::Mechanism::Hkdf(false) => {
                Err(LoginError::Malformed("the server named no mechanism"))
            }
            wire::server_first::Mechanism::Argon2id(it) => Ok(Mechanism::Argon2id {
                memory_kib: it.memory_kib,
                iterations: it.iterations,
                parallelism: it.parallelism,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn argon2id(memory_kib: u32, iterations: u32, parallelism: u32) -> Mechanism {
        Mechanism::Argon2id {
            memory_kib,
            iterations,
            parallelism,
        }
    }

    #[test]
    fn the_parameters_have_a_floor_and_a_ceiling() {
        let key = AuthKey::new("secret").expect("a key");
        for accepted in [
            Mechanism::ARGON2ID,
            argon2id(19 << 10, 2, 1),
            argon2id(1 << 20, 10, 64),
        ] {
            assert_eq!(accepted.check(&key), Ok(()), "{accepted:?}");
        }
        for (memory_kib, iterations, parallelism) in [
            ((19 << 10) - 1, 2, 1),
            (19 << 10, 1, 1),
            (19 << 10, 2, 0),
            ((1 << 20) + 1, 10, 4),
            (1 << 20, 11, 4),
            (1 << 20, 10, 65),
            (u32::MAX, u32::MAX, u32::MAX),
            (0, 0, 0),
        ] {
            let mechanism = argon2id(memory_kib, iterations, parallelism);
            let refused = mechanism.derive(&key, &Salt([0; 16])).err();
            let expected = LoginError::Parameters {
                memory_kib,
                iterations,
                parallelism,
            };
            assert_eq!(refused, Some(expected));
        }
    }

    #[test]
    fn a_chosen_key_is_never_given_to_hkdf() {
        let chosen = AuthKey::new("secret").expect("a key");
        let refused = Mechanism::Hkdf.derive(&chosen, &Salt([0; 16])).err();
        assert_eq!(refused, Some(LoginError::WeakMechanism));
        assert_eq!(Mechanism::for_key(&chosen), Mechanism::ARGON2ID);
    }

    #[test]
    fn a_random_key_may_be_given_more_than_it_calls_for() {
        let random = AuthKey::generate();
        assert_eq!(Mechanism::for_key(&random), Mechanism::Hkdf);
        assert_eq!(Mechanism::ARGON2ID.check(&random), Ok(()));
    }

    #[test]
    fn the_wire_form_is_the_same_mechanism() {
        for mechanism in [Mechanism::Hkdf, Mechanism::ARGON2ID, argon2id(0, 1, 2)] {
            let wire = wire::server_first::Mechanism::from(mechanism);
            assert_eq!(Mechanism::try_from(wire), Ok(mechanism));
        }
        assert!(Mechanism::try_from(wire::server_first::Mechanism::Hkdf(false)).is_err());
    }
}
