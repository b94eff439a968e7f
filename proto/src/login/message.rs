//! The bytes that proofs and signatures cover.

use super::derive::Hash;

/// Bytes of each side's nonce.
pub const NONCE_BYTES: usize = 24;

/// Who speaks. The label stands at the front of what is proven.
const CLIENT: &[u8] = b"commonhold.v1 client";
const SERVER: &[u8] = b"commonhold.v1 server";

/// What the client's proof covers: both first messages.
pub(super) fn client_message(first: &[u8], challenge: &[u8]) -> Vec<u8> {
    joined(&[CLIENT, first, challenge])
}

/// What the server's signature covers: everything that went before it, and what it hands out.
pub(super) fn server_message(
    first: &[u8],
    challenge: &[u8],
    proof: &Hash,
    token: &[u8],
    expires_ms: u64,
) -> Vec<u8> {
    let expires = expires_ms.to_be_bytes();
    joined(&[SERVER, first, challenge, proof, token, &expires])
}

fn joined(parts: &[&[u8]]) -> Vec<u8> {
    let mut message = Vec::with_capacity(parts.iter().map(|bytes| 4 + bytes.len()).sum());
    for bytes in parts {
        part(&mut message, bytes);
    }
    message
}

/// Appends one part behind its length: where a part ends is never a matter of opinion.
pub(super) fn part(to: &mut Vec<u8>, bytes: &[u8]) {
    let len = u32::try_from(bytes.len()).expect("messages are bounded far below 4 GiB");
    to.extend_from_slice(&len.to_be_bytes());
    to.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limits_between_parts_and_the_roles_are_covered() {
        let whole = client_message(b"ab", b"c");
        assert_ne!(whole, client_message(b"a", b"bc"));
        assert_eq!(
            whole,
            b"\0\0\0\x14commonhold.v1 client\0\0\0\x02ab\0\0\0\x01c"
        );
        let server = server_message(b"ab", b"c", &[7; 32], b"token", 1);
        assert!(server.starts_with(b"\0\0\0\x14commonhold.v1 server\0\0\0\x02ab"));
        assert!(server.ends_with(b"token\0\0\0\x08\0\0\0\0\0\0\0\x01"));
    }
}
