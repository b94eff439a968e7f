//! The token that a login gives: what a client shows from then on in place of a proof.

use super::derive::{Hash, sha256};
use super::random;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::fmt;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Bytes of a token.
pub const TOKEN_BYTES: usize = 32;

/// Stands before the token in the metadata field `authorization`.
const SCHEME: &str = "Bearer ";

/// A secret that stands for a login. Wiped from memory when dropped, never shown.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Token([u8; TOKEN_BYTES]);

impl Token {
    /// A new token.
    pub fn random() -> Token {
        Token(random())
    }

    /// The token of these bytes, if there are [`TOKEN_BYTES`].
    pub fn from_bytes(bytes: &[u8]) -> Option<Token> {
        bytes.try_into().map(Token).ok()
    }

    /// The secret itself.
    pub fn expose(&self) -> &[u8; TOKEN_BYTES] {
        &self.0
    }

    /// What the metadata field `authorization` says: `Bearer ` and base64url. Mark the field as sensitive.
    pub fn to_authorization(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(64));
        text.push_str(SCHEME);
        URL_SAFE_NO_PAD.encode_string(self.0, &mut text);
        text
    }

    /// Reads the metadata field `authorization`.
    pub fn from_authorization(field: &[u8]) -> Option<Token> {
        let (scheme, encoded) = field.split_at_checked(SCHEME.len())?;
        if !scheme.eq_ignore_ascii_case(SCHEME.as_bytes()) {
            return None;
        }
        let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(encoded).ok()?);
        Token::from_bytes(&bytes)
    }

    /// What the server keeps of it.
    pub fn hash(&self) -> TokenHash {
        TokenHash(sha256(&self.0))
    }
}

redacted!(Token);

/// The SHA-256 of a token: names it without giving it away. A session keeps it over a restart.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TokenHash(pub Hash);

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, ..] = self.0;
        write!(f, "TokenHash({a:02x}{b:02x}..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_shows_is_what_a_server_reads() {
        let token = Token::random();
        let field = token.to_authorization();
        assert_eq!(field.len(), 7 + 43);
        let read = Token::from_authorization(field.as_bytes()).expect("a token");
        assert_eq!(read.expose(), token.expose());
        assert_eq!(read.hash(), token.hash());
        assert_ne!(Token::random().hash(), token.hash());
        let lower = field.replacen("Bearer", "bearer", 1);
        assert!(Token::from_authorization(lower.as_bytes()).is_some());
    }

    #[test]
    fn anything_else_is_no_token() {
        let encoded = URL_SAFE_NO_PAD.encode([7; 32]);
        for field in [
            "",
            "Bearer",
            "Bearer ",
            &encoded,
            &format!("Basic {encoded}"),
            &format!("Bearer  {encoded}"),
            &format!("Bearer {encoded}="),
            &format!("Bearer {}", &encoded[1..]),
            &format!("Bearer {encoded}AAAA"),
            "Bearer ~~~~",
        ] {
            assert!(
                Token::from_authorization(field.as_bytes()).is_none(),
                "{field}"
            );
        }
    }

    #[test]
    fn debug_shows_no_token() {
        let token = Token::from_bytes(&[0xab; 32]).expect("32 bytes");
        assert_eq!(format!("{token:?}"), "Token { .. }");
        assert_eq!(format!("{:?}", TokenHash([0xab; 32])), "TokenHash(abab..)");
    }
}
