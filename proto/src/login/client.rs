//! The client's side: one value for each step, consumed by the next.

use super::derive::{Derived, HASH_BYTES, Hash, hmac, xor};
use super::message::{NONCE_BYTES, client_message, server_message};
use super::{AuthKey, KeyCache, LoginError, Mechanism, SALT_BYTES, Salt, Token, random};
use crate::wire::{self, login_request, login_response};
use prost::Message as _;
use std::time::Duration;
use subtle::ConstantTimeEq as _;

/// A login whose first message is on its way.
pub struct ClientLogin {
    first: Vec<u8>,
    nonce: [u8; NONCE_BYTES],
}

/// A login that waits for the server's proof.
pub struct ClientProof {
    first: Vec<u8>,
    challenge: Vec<u8>,
    proof: Hash,
    derived: Derived,
}

redacted!(ClientLogin, ClientProof, wire::ClientFinal);

/// What a login gives.
#[derive(Debug)]
pub struct Granted {
    /// Shown with every call from then on.
    pub token: Token,
    /// How long it is good, from the answer on, unless a session adopts it.
    pub expires: Duration,
}

impl ClientLogin {
    /// Begins a login with the key of this name, and gives the message to send.
    pub fn new(key_name: &str) -> (ClientLogin, wire::LoginRequest) {
        ClientLogin::with_nonce(key_name, random())
    }

    pub(super) fn with_nonce(
        key_name: &str,
        nonce: [u8; NONCE_BYTES],
    ) -> (ClientLogin, wire::LoginRequest) {
        let first = wire::ClientFirst {
            key_name: key_name.to_owned(),
            nonce: nonce.to_vec(),
        };
        let first = first.encode_to_vec();
        let request = wire::LoginRequest {
            step: Some(login_request::Step::First(first.clone())),
        };
        (ClientLogin { first, nonce }, request)
    }

    /// Proves to the server that the key is known, and gives the message to send.
    ///
    /// The first time a chosen key meets a server's salt this takes 0.02 to several seconds of the calling thread.
    ///
    /// # Errors
    /// If the server's message is not an answer to this login, or if it asks for a proof that would not protect the key.
    /// Nothing was sent then that depends on the key.
    pub fn challenge(
        self,
        key: &AuthKey,
        cache: &KeyCache,
        response: &wire::LoginResponse,
    ) -> Result<(ClientProof, wire::LoginRequest), LoginError> {
        let Some(login_response::Step::First(challenge)) = &response.step else {
            return Err(LoginError::Malformed("the server sent no challenge"));
        };
        let (mechanism, salt) = self.read(challenge)?;
        let derived = cache.derive(key, mechanism, &salt)?.keys();
        let message = client_message(&self.first, challenge);
        let proof = xor(&derived.client_key, &hmac(&derived.stored_key, &message));
        let request = wire::LoginRequest {
            step: Some(login_request::Step::Final(wire::ClientFinal {
                proof: proof.to_vec(),
            })),
        };
        let next = ClientProof {
            first: self.first,
            challenge: challenge.clone(),
            proof,
            derived,
        };
        Ok((next, request))
    }

    fn read(&self, challenge: &[u8]) -> Result<(Mechanism, Salt), LoginError> {
        let challenge = wire::ServerFirst::decode(challenge)
            .map_err(|_| LoginError::Malformed("the server's challenge cannot be read"))?;
        if challenge.nonce.len() != 2 * NONCE_BYTES || !challenge.nonce.starts_with(&self.nonce) {
            return Err(LoginError::Malformed(
                "the server's challenge is not an answer to this login",
            ));
        }
        let salt: [u8; SALT_BYTES] = (challenge.salt.as_slice().try_into())
            .map_err(|_| LoginError::Malformed("the server's salt is not 16 bytes long"))?;
        let mechanism = challenge
            .mechanism
            .ok_or(LoginError::Malformed("the server named no mechanism"))?;
        Ok((mechanism.try_into()?, Salt(salt)))
    }
}

impl ClientProof {
    /// Checks that the server knows the key too, and takes the token.
    pub fn finish(self, response: &wire::LoginResponse) -> Result<Granted, LoginError> {
        let Some(login_response::Step::Final(answer)) = &response.step else {
            return Err(LoginError::Malformed("the server sent no proof"));
        };
        let message = server_message(
            &self.first,
            &self.challenge,
            &self.proof,
            &answer.token,
            answer.expires_ms,
        );
        let expected: [u8; HASH_BYTES] = hmac(&self.derived.server_key, &message);
        if !bool::from(expected.as_slice().ct_eq(&answer.signature)) {
            return Err(LoginError::ServerUnproven);
        }
        let token = Token::from_bytes(&answer.token).ok_or(LoginError::Malformed(
            "the server's token is not 32 bytes long",
        ))?;
        Ok(Granted {
            token,
            expires: Duration::from_millis(answer.expires_ms),
        })
    }
}
