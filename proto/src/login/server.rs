//! The server's side: one value for each step, consumed by the next, so that no handshake is used twice.

use super::derive::{Hash, Verifier, hmac, sha256, xor};
use super::message::{NONCE_BYTES, client_message, server_message};
use super::{KEY_NAME_BYTES_MAX, LoginError, Token, random};
use crate::wire::{self, login_request, login_response};
use prost::Message as _;
use std::time::Duration;
use subtle::ConstantTimeEq as _;

/// A login that waits for the client's proof.
pub struct ServerLogin {
    first: Vec<u8>,
    challenge: Vec<u8>,
    verifier: Verifier,
}

/// A login whose client proved that it knows the key.
pub struct Proven {
    first: Vec<u8>,
    challenge: Vec<u8>,
    proof: Hash,
    verifier: Verifier,
}

redacted!(ServerLogin, Proven, wire::ServerFinal);

impl ServerLogin {
    /// Takes a client's first message, and gives the challenge to send. `verifier` is asked for the verifier of the key
    /// of this name, or for a [decoy](Verifier::decoy).
    pub fn new(
        request: &wire::LoginRequest,
        verifier: impl FnOnce(&str) -> Verifier,
    ) -> Result<(ServerLogin, wire::LoginResponse), LoginError> {
        ServerLogin::with_nonce(request, random(), verifier)
    }

    pub(super) fn with_nonce(
        request: &wire::LoginRequest,
        nonce: [u8; NONCE_BYTES],
        verifier: impl FnOnce(&str) -> Verifier,
    ) -> Result<(ServerLogin, wire::LoginResponse), LoginError> {
        let Some(login_request::Step::First(first)) = &request.step else {
            return Err(LoginError::Malformed("a login begins with a nonce"));
        };
        let read = wire::ClientFirst::decode(first.as_slice())
            .map_err(|_| LoginError::Malformed("the client's first message cannot be read"))?;
        if read.nonce.len() != NONCE_BYTES {
            return Err(LoginError::Malformed("a nonce has 24 bytes"));
        }
        if read.key_name.len() > KEY_NAME_BYTES_MAX {
            return Err(LoginError::Malformed(
                "the name of a key has at most 255 bytes",
            ));
        }
        let verifier = verifier(&read.key_name);
        let challenge = wire::ServerFirst {
            nonce: [read.nonce.as_slice(), nonce.as_slice()].concat(),
            salt: verifier.salt.0.to_vec(),
            mechanism: Some(verifier.mechanism.into()),
        };
        let challenge = challenge.encode_to_vec();
        let response = wire::LoginResponse {
            step: Some(login_response::Step::First(challenge.clone())),
        };
        let login = ServerLogin {
            first: first.clone(),
            challenge,
            verifier,
        };
        Ok((login, response))
    }

    /// Checks the client's proof. Takes about a microsecond, and as long for a decoy.
    ///
    /// # Errors
    /// [`LoginError::Refused`] if the proof is wrong, whatever the reason.
    pub fn verify(self, request: &wire::LoginRequest) -> Result<Proven, LoginError> {
        let Some(login_request::Step::Final(answer)) = &request.step else {
            return Err(LoginError::Malformed("a login ends with a proof"));
        };
        let proof: Hash = (answer.proof.as_slice().try_into())
            .map_err(|_| LoginError::Malformed("a proof has 32 bytes"))?;
        let message = client_message(&self.first, &self.challenge);
        let client_key = xor(&proof, &hmac(&self.verifier.stored_key, &message));
        if !bool::from(sha256(&client_key).ct_eq(&self.verifier.stored_key)) {
            return Err(LoginError::Refused);
        }
        Ok(Proven {
            first: self.first,
            challenge: self.challenge,
            proof,
            verifier: self.verifier,
        })
    }
}

impl Proven {
    /// Proves to the client that the server knows the key, and hands out the token.
    pub fn grant(self, token: &Token, expires: Duration) -> wire::LoginResponse {
        let expires_ms = u64::try_from(expires.as_millis()).unwrap_or(u64::MAX);
        let message = server_message(
            &self.first,
            &self.challenge,
            &self.proof,
            token.expose(),
            expires_ms,
        );
        wire::LoginResponse {
            step: Some(login_response::Step::Final(wire::ServerFinal {
                signature: hmac(&self.verifier.server_key, &message).to_vec(),
                token: token.expose().to_vec(),
                expires_ms,
            })),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::login::{
        AuthKey, ClientLogin, ClientProof, Granted, KeyCache, Mechanism, Salt, hex,
    };
    use crate::wire::{LoginRequest, LoginResponse};

    const SALT: Salt = Salt([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
    const GENERATED: &str = "chk1_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
    const HOUR: Duration = Duration::from_hours(1);

    fn key(text: &str) -> AuthKey {
        AuthKey::new(text).expect("a key")
    }

    fn verifier(text: &str, mechanism: Mechanism) -> Verifier {
        Verifier::new(&key(text), mechanism, SALT).expect("accepted")
    }

    fn begin(server: &Verifier) -> (ClientLogin, ServerLogin, LoginResponse) {
        let (client, request) = ClientLogin::with_nonce("default", [b'c'; 24]);
        let (server, response) = ServerLogin::with_nonce(&request, [b's'; 24], |name| {
            assert_eq!(name, "default");
            server.clone()
        })
        .expect("a challenge");
        (client, server, response)
    }

    fn prove(
        client: ClientLogin,
        text: &str,
        challenge: &LoginResponse,
    ) -> (ClientProof, LoginRequest) {
        client
            .challenge(&key(text), &KeyCache::new(), challenge)
            .expect("a proof")
    }

    fn first_of(response: &LoginResponse) -> &[u8] {
        match &response.step {
            Some(login_response::Step::First(bytes)) => bytes,
            other => panic!("no challenge: {other:?}"),
        }
    }

    fn final_of(response: &LoginResponse) -> wire::ServerFinal {
        match &response.step {
            Some(login_response::Step::Final(answer)) => answer.clone(),
            other => panic!("no answer: {other:?}"),
        }
    }

    fn proof_of(request: &LoginRequest) -> Vec<u8> {
        match &request.step {
            Some(login_request::Step::Final(answer)) => answer.proof.clone(),
            other => panic!("no proof: {other:?}"),
        }
    }

    fn proof(bytes: Vec<u8>) -> LoginRequest {
        LoginRequest {
            step: Some(login_request::Step::Final(wire::ClientFinal {
                proof: bytes,
            })),
        }
    }

    fn answer(it: wire::ServerFinal) -> LoginResponse {
        LoginResponse {
            step: Some(login_response::Step::Final(it)),
        }
    }

    fn challenge(bytes: Vec<u8>) -> LoginResponse {
        LoginResponse {
            step: Some(login_response::Step::First(bytes)),
        }
    }

    fn whole(text: &str, mechanism: Mechanism) -> (Vec<u8>, Vec<u8>, Vec<u8>) {
        let (client, server, response) = begin(&verifier(text, mechanism));
        let (client, request) = prove(client, text, &response);
        let bytes: Vec<u8> = (0..32).collect();
        let token = Token::from_bytes(&bytes).expect("32 bytes");
        let last = server.verify(&request).expect("proven").grant(&token, HOUR);
        let Granted {
            token: got,
            expires,
        } = client.finish(&last).expect("granted");
        assert_eq!(got.expose(), token.expose());
        assert_eq!(expires, HOUR);
        let challenge = first_of(&response).to_vec();
        (challenge, proof_of(&request), final_of(&last).signature)
    }

    /// The expected bytes were computed with the `hmac`, `hashlib` and `cryptography` modules of Python.
    #[test]
    fn every_message_is_what_another_implementation_computes() {
        let (challenge, proof, signature) = whole(GENERATED, Mechanism::Hkdf);
        assert_eq!(
            hex(&challenge),
            "0a30636363636363636363636363636363636363636363636363737373737373737373737373737373737373737373737373\
             1210000102030405060708090a0b0c0d0e0f1801"
        );
        assert_eq!(
            hex(&proof),
            "1982819fbaa11962ce6509f47008161c72231a27f9bad8cb9f19bd910cfece7c"
        );
        assert_eq!(
            hex(&signature),
            "b3446197e45d43689f1f83a37dcd9a5814ff44b90609e655671209ea1682532c"
        );
        let argon2id = Mechanism::Argon2id {
            memory_kib: 19 << 10,
            iterations: 2,
            parallelism: 1,
        };
        let (challenge, proof, signature) = whole("correct horse", argon2id);
        assert!(hex(&challenge).ends_with("22080880980110021801"));
        assert_eq!(
            hex(&proof),
            "9d42111e20989a6b5e957333f854624d6d38eb4c1a8cbdc348bb8f666f3e0e3e"
        );
        assert_eq!(
            hex(&signature),
            "0ca73385fbca886f2218a1e735fced2b5f1a8c664c873a6648417e8593d8ad8b"
        );
    }

    #[test]
    fn the_server_refuses_another_key_and_every_changed_proof() {
        let keeper = verifier(GENERATED, Mechanism::Hkdf);
        let (client, server, response) = begin(&keeper);
        let other = AuthKey::generate();
        let (_, request) =
            (client.challenge(&other, &KeyCache::new(), &response)).expect("a proof");
        assert_eq!(server.verify(&request).err(), Some(LoginError::Refused));

        let (client, _, response) = begin(&keeper);
        let right = proof_of(&prove(client, GENERATED, &response).1);
        for bit in 0..256 {
            let mut wrong = right.clone();
            wrong[bit / 8] ^= 1 << (bit % 8);
            let (_, server, _) = begin(&keeper);
            assert_eq!(
                server.verify(&proof(wrong)).err(),
                Some(LoginError::Refused)
            );
        }
        let (_, server, _) = begin(&keeper);
        assert!(server.verify(&proof(right)).is_ok());
    }

    #[test]
    fn a_proof_is_worth_nothing_in_another_handshake() {
        let keeper = verifier(GENERATED, Mechanism::Hkdf);
        let (client, _, response) = begin(&keeper);
        let (_, request) = prove(client, GENERATED, &response);
        let (_, first) = ClientLogin::with_nonce("default", [b'c'; 24]);
        let (server, _) = ServerLogin::new(&first, |_| keeper.clone()).expect("a challenge");
        assert_eq!(server.verify(&request).err(), Some(LoginError::Refused));
    }

    #[test]
    fn a_decoy_refuses_with_the_same_error() {
        let real = verifier(GENERATED, Mechanism::Hkdf);
        let (client, server, response) = begin(&real.decoy("default"));
        let (_, request) = prove(client, GENERATED, &response);
        assert_eq!(server.verify(&request).err(), Some(LoginError::Refused));
    }

    #[test]
    fn the_client_refuses_a_server_without_the_key() {
        let keeper = verifier(GENERATED, Mechanism::Hkdf);
        let finish = |change: &dyn Fn(&mut wire::ServerFinal)| {
            let (client, server, response) = begin(&keeper);
            let (client, request) = prove(client, GENERATED, &response);
            let proven = server.verify(&request).expect("proven");
            let mut last = final_of(&proven.grant(&Token::random(), HOUR));
            change(&mut last);
            client.finish(&answer(last)).err()
        };
        assert_eq!(finish(&|_| ()), None);
        let (client, _, response) = begin(&keeper);
        let own_proof = proof_of(&prove(client, GENERATED, &response).1);
        let changes: [&dyn Fn(&mut wire::ServerFinal); 7] = [
            &|it| it.signature[0] ^= 1,
            &|it| it.signature.clear(),
            &|it| it.signature.truncate(31),
            &|it| it.token[31] ^= 0x80,
            &|it| it.token.clear(),
            &|it| it.expires_ms += 1,
            // Reflection: what the client itself proved with is no proof of the server.
            &|it| it.signature = own_proof.clone(),
        ];
        for change in changes {
            assert_eq!(finish(change), Some(LoginError::ServerUnproven));
        }
    }

    #[test]
    fn the_clients_own_message_is_no_challenge() {
        let (client, request) = ClientLogin::new("default");
        let Some(login_request::Step::First(first)) = request.step else {
            panic!("no first message");
        };
        let reflected = client.challenge(&key(GENERATED), &KeyCache::new(), &challenge(first));
        assert!(matches!(reflected.err(), Some(LoginError::Malformed(_))));
    }

    #[test]
    fn a_changed_challenge_is_noticed_by_the_server_or_refused_by_the_client() {
        let keeper = verifier(GENERATED, Mechanism::Hkdf);
        let length = first_of(&begin(&keeper).2).len();
        let mut reached_the_server = 0;
        for bit in 0..length * 8 {
            let (client, server, response) = begin(&keeper);
            let mut changed = first_of(&response).to_vec();
            changed[bit / 8] ^= 1 << (bit % 8);
            let proven = client.challenge(&key(GENERATED), &KeyCache::new(), &challenge(changed));
            if let Ok((_, request)) = proven {
                reached_the_server += 1;
                assert_eq!(
                    server.verify(&request).err(),
                    Some(LoginError::Refused),
                    "bit {bit}"
                );
            }
        }
        // The server's nonce and the salt at least are for it to notice.
        assert!(reached_the_server >= 8 * (24 + 16));
    }

    #[test]
    fn fields_that_one_side_does_not_know_are_covered_too() {
        let keeper = verifier(GENERATED, Mechanism::Hkdf);
        let (client, server, response) = begin(&keeper);
        // Field 15, a varint: an addition of a later version that somebody slips in on the way.
        let added = [first_of(&response), &[0x78, 0x01]].concat();
        let (_, request) = prove(client, GENERATED, &challenge(added));
        assert_eq!(server.verify(&request).err(), Some(LoginError::Refused));
    }

    #[test]
    fn a_weaker_mechanism_is_refused_before_anything_is_proven() {
        let (client, _, response) = begin(&verifier(GENERATED, Mechanism::Hkdf));
        let refused = client.challenge(&key("secret"), &KeyCache::new(), &response);
        assert_eq!(refused.err(), Some(LoginError::WeakMechanism));
        let cheap = Mechanism::Argon2id {
            memory_kib: 1024,
            iterations: 1,
            parallelism: 1,
        };
        let (client, _, response) = begin(&verifier(GENERATED, Mechanism::Hkdf));
        let mut first = wire::ServerFirst::decode(first_of(&response)).expect("a challenge");
        first.mechanism = Some(cheap.into());
        let refused = client.challenge(
            &key("secret"),
            &KeyCache::new(),
            &challenge(first.encode_to_vec()),
        );
        assert!(matches!(refused.err(), Some(LoginError::Parameters { .. })));
    }

    #[test]
    fn what_is_no_step_of_a_login_is_refused() {
        let decoy = || verifier(GENERATED, Mechanism::Hkdf);
        let first = |name: &str, nonce: &[u8]| LoginRequest {
            step: Some(login_request::Step::First(
                wire::ClientFirst {
                    key_name: name.to_owned(),
                    nonce: nonce.to_vec(),
                }
                .encode_to_vec(),
            )),
        };
        let garbage = LoginRequest {
            step: Some(login_request::Step::First(vec![0xff; 40])),
        };
        for request in [
            LoginRequest::default(),
            proof(vec![0; 32]),
            garbage,
            first("default", &[0; 23]),
            first("default", &[0; 25]),
            first(&"n".repeat(256), &[0; 24]),
        ] {
            let refused = ServerLogin::new(&request, |_| decoy()).err();
            assert!(
                matches!(refused, Some(LoginError::Malformed(_))),
                "{request:?}"
            );
        }
        for request in [
            LoginRequest::default(),
            first("default", &[0; 24]),
            proof(Vec::new()),
            proof(vec![0; 33]),
        ] {
            let (_, server, _) = begin(&decoy());
            let refused = server.verify(&request).err();
            assert!(
                matches!(refused, Some(LoginError::Malformed(_))),
                "{request:?}"
            );
        }
    }

    #[test]
    fn debug_shows_neither_proof_nor_token() {
        let shown = format!(
            "{:?} {:?}",
            proof(vec![171; 32]),
            answer(wire::ServerFinal {
                signature: vec![171; 32],
                token: vec![171; 32],
                expires_ms: 0,
            })
        );
        assert!(!shown.contains("171"), "{shown}");
    }
}
