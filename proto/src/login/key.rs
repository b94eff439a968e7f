//! The shared key, and whether it can be guessed.

use super::random;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use std::fmt;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Stands before a generated key.
const MARK: &str = "chk1_";
/// Stands before what is digested because its length is none of a key.
const AUTHKEY_LABEL: &[u8] = b"commonhold.v1 authkey";
/// Random bytes behind the mark.
const RANDOM_BYTES: usize = 32;

/// The longest key, in bytes.
pub const KEY_BYTES_MAX: usize = 4096;

/// The secret that server and clients share. Wiped from memory when dropped, never shown.
///
/// A key is *random* (generated here, or declared so by whoever made it) or *chosen* (a password, for all we know). Nobody
/// can find a random key by trying; a chosen one is protected by the cost of Argon2id.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct AuthKey {
    bytes: Vec<u8>,
    #[zeroize(skip)]
    random: bool,
}

/// These bytes are no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// There are none.
    #[error("the key is empty")]
    Empty,
    /// There are more than [`KEY_BYTES_MAX`].
    #[error("the key is longer than {KEY_BYTES_MAX} bytes")]
    TooLong,
}

impl AuthKey {
    /// A new key in the generated form: `chk1_` and 32 random bytes in base64url.
    pub fn generate() -> AuthKey {
        let bytes = Zeroizing::new(random::<RANDOM_BYTES>());
        let mut text = String::with_capacity(64);
        text.push_str(MARK);
        URL_SAFE_NO_PAD.encode_string(&bytes[..], &mut text);
        AuthKey {
            bytes: text.into_bytes(),
            random: true,
        }
    }

    /// The key of these bytes: random if it has the generated form, else chosen.
    pub fn new(bytes: impl AsRef<[u8]>) -> Result<AuthKey, KeyError> {
        let bytes = bytes.as_ref();
        Self::checked(bytes, has_generated_form(bytes))
    }

    /// A key whose bytes are random by construction, without saying so: the default `authkey` of a Python process is 32
    /// bytes of `os.urandom`. Never use it for what a person may have chosen. Server and client must agree.
    pub fn assume_random(bytes: impl AsRef<[u8]>) -> Result<AuthKey, KeyError> {
        Self::checked(bytes.as_ref(), true)
    }

    /// The key of an `authkey` of Python's multiprocessing, of any length.
    ///
    /// A process's own is 32 bytes of `os.urandom`, which have no reason to be text: 32 bytes that are none count as
    /// random, so that whoever knows them logs in within microseconds. All else counts as chosen.
    pub fn of_multiprocessing(bytes: impl AsRef<[u8]>) -> AuthKey {
        let bytes = bytes.as_ref();
        let random = bytes.len() == RANDOM_BYTES && std::str::from_utf8(bytes).is_err();
        Self::checked(bytes, random || has_generated_form(bytes)).unwrap_or_else(|_| {
            // Empty or very long: its digest stands for it.
            let digest = Sha256::new_with_prefix(AUTHKEY_LABEL).chain_update(bytes);
            AuthKey {
                bytes: digest.finalize().to_vec(),
                random: false,
            }
        })
    }

    fn checked(bytes: &[u8], random: bool) -> Result<AuthKey, KeyError> {
        match bytes.len() {
            0 => Err(KeyError::Empty),
            1..=KEY_BYTES_MAX => Ok(AuthKey {
                bytes: bytes.to_vec(),
                random,
            }),
            _ => Err(KeyError::TooLong),
        }
    }

    /// Is it random, so that it cannot be found by trying?
    pub fn is_random(&self) -> bool {
        self.random
    }

    /// The secret itself, the mark included.
    pub fn expose(&self) -> &[u8] {
        &self.bytes
    }
}

fn has_generated_form(bytes: &[u8]) -> bool {
    bytes.strip_prefix(MARK.as_bytes()).is_some_and(|encoded| {
        URL_SAFE_NO_PAD
            .decode(encoded)
            .map(Zeroizing::new)
            .is_ok_and(|decoded| decoded.len() == RANDOM_BYTES)
    })
}

impl fmt::Debug for AuthKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.random {
            "AuthKey(random)"
        } else {
            "AuthKey(chosen)"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_keys_are_random_and_differ() {
        let (one, other) = (AuthKey::generate(), AuthKey::generate());
        assert_ne!(one.expose(), other.expose());
        assert_eq!(one.expose().len(), 5 + 43);
        assert!(AuthKey::new(one.expose()).expect("a key").is_random());
    }

    #[test]
    fn only_the_whole_generated_form_counts_as_random() {
        let whole = AuthKey::generate();
        let text = std::str::from_utf8(whole.expose()).expect("text");
        let longer = format!("{text}A");
        let newline = format!("{text}\n");
        for chosen in [
            "secret",
            "chk1_",
            "chk1_password",
            "chk2_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            &text[5..],
            &text[..47],
            &longer,
            &newline,
        ] {
            let key = AuthKey::new(chosen).expect("a key");
            assert!(!key.is_random(), "{chosen:?}");
        }
        assert!(AuthKey::assume_random("secret").expect("a key").is_random());
    }

    #[test]
    fn the_length_is_bounded() {
        assert_eq!(AuthKey::new("").err(), Some(KeyError::Empty));
        assert!(AuthKey::new([7; KEY_BYTES_MAX]).is_ok());
        let long = AuthKey::new([7; KEY_BYTES_MAX + 1]);
        assert_eq!(long.err(), Some(KeyError::TooLong));
    }

    #[test]
    fn an_authkey_of_any_length_is_a_key() {
        let random: Vec<u8> = (0..32).map(|byte| 0xff - byte).collect();
        assert!(AuthKey::of_multiprocessing(&random).is_random());
        for chosen in ["", "secret", "thirty-two letters, all of which", "x"] {
            let key = AuthKey::of_multiprocessing(chosen);
            assert!(!key.is_random(), "{chosen:?}");
            assert!(chosen.is_empty() || key.expose() == chosen.as_bytes());
        }
        assert!(!AuthKey::of_multiprocessing(&random[1..]).is_random());
        let long = |last: u8| {
            let bytes = [vec![7; KEY_BYTES_MAX], vec![last]].concat();
            AuthKey::of_multiprocessing(bytes).expose().to_vec()
        };
        assert_ne!(long(1), long(2));
        assert_ne!(long(1), AuthKey::of_multiprocessing("").expose());
        assert_eq!(long(1).len(), 32);
    }

    #[test]
    fn debug_shows_nothing_of_the_key() {
        let shown = format!("{:?}", AuthKey::new("open sesame").expect("a key"));
        assert_eq!(shown, "AuthKey(chosen)");
    }
}
