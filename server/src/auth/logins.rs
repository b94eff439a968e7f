//! Handshakes under way: bounded, bound to their connection, each used once.

use super::throttle::{TooMany, after};
use super::{Keys, Peer, TOKEN_LIFE, Throttle, Tokens};
use commonhold_proto::ServerTime;
use commonhold_proto::login::{LoginError, Proven, ServerLogin};
use commonhold_proto::wire::{LoginRequest, LoginResponse};
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// Handshakes under way on the whole server.
pub const HANDSHAKES_MAX: usize = 4096;
/// Handshakes under way on one connection: one that opens thousands cannot keep the others out.
pub const HANDSHAKES_CONNECTION_MAX: usize = 8;
/// How long a client has for its proof.
const HANDSHAKE_LIFE: Duration = Duration::from_secs(10);

/// Names a connection of the transport. Never reused while a server runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConnectionId(pub u64);

/// Names a handshake. Later ones are higher.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HandshakeId(u64);

/// Why a login did not succeed, as the client is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoginFailure {
    /// The client does not know the key, or there is no key of this name. Trying again is of no use.
    #[error("the key was refused")]
    Refused,
    /// The client sent something that is no step of a login.
    #[error("{0}")]
    Malformed(&'static str),
    /// The handshake is not under way on this connection: it was used, or took longer than 10 s. A new one may succeed.
    #[error("the login took too long, or was finished already: begin again")]
    Expired,
    /// Too many logins are under way, or too many answers to this peer are held back. Trying later may succeed.
    #[error("too many logins at once: try again in some seconds")]
    Busy,
}

impl From<LoginError> for LoginFailure {
    fn from(error: LoginError) -> LoginFailure {
        match error {
            LoginError::Malformed(what) => LoginFailure::Malformed(what),
            // The others are a client's, and never arise here; a client is told nothing of them.
            LoginError::Refused
            | LoginError::ServerUnproven
            | LoginError::WeakMechanism
            | LoginError::Parameters { .. } => LoginFailure::Refused,
        }
    }
}

/// The answer to a proof, and when it may be sent.
#[derive(Debug)]
pub struct Answer {
    /// How long it must be held back, whatever it is. The connection waits, its thread does not.
    pub delay: Duration,
    /// What is sent then.
    pub result: Result<LoginResponse, LoginFailure>,
}

/// The logins of one server.
#[derive(Debug)]
pub struct Logins {
    keys: Keys,
    /// Guards handshakes and counts; held for some microseconds, and no other lock is taken under it.
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    /// In order of their beginning, which is that of their end.
    handshakes: BTreeMap<HandshakeId, Handshake>,
    /// How many of them each connection has; none of zero.
    connections: HashMap<ConnectionId, usize>,
    last: u64,
    throttle: Throttle,
}

#[derive(Debug)]
struct Handshake {
    connection: ConnectionId,
    expires: ServerTime,
    login: ServerLogin,
}

impl Logins {
    /// Logins with these keys.
    pub fn new(keys: Keys) -> Logins {
        Logins {
            keys,
            table: Mutex::default(),
        }
    }

    /// Takes a client's first message, and gives the challenge to send.
    pub fn begin(
        &self,
        connection: ConnectionId,
        request: &LoginRequest,
        now: ServerTime,
    ) -> Result<(HandshakeId, LoginResponse), LoginFailure> {
        let (login, response) = ServerLogin::new(request, |name| self.keys.get(name))?;
        let mut table = self.table.lock();
        table.expire(now);
        let here = table.connections.get(&connection).copied();
        if table.handshakes.len() >= HANDSHAKES_MAX
            || here.is_some_and(|here| here >= HANDSHAKES_CONNECTION_MAX)
        {
            return Err(LoginFailure::Busy);
        }
        table.last += 1;
        let id = HandshakeId(table.last);
        *table.connections.entry(connection).or_default() += 1;
        let handshake = Handshake {
            connection,
            expires: after(now, HANDSHAKE_LIFE),
            login,
        };
        table.handshakes.insert(id, handshake);
        Ok((id, response))
    }

    /// Checks a client's proof, and gives the answer with its token. Whatever comes of it, the handshake is over.
    pub fn finish(
        &self,
        connection: ConnectionId,
        id: HandshakeId,
        peer: Peer,
        request: &LoginRequest,
        tokens: &Tokens,
        now: ServerTime,
    ) -> Answer {
        let (delay, proven) = self.table.lock().prove(connection, id, peer, request, now);
        let grant = |proven: Proven| proven.grant(&tokens.issue(now), TOKEN_LIFE);
        Answer {
            delay,
            result: proven.map(grant),
        }
    }

    /// A connection is gone, and its handshakes with it.
    pub fn disconnected(&self, connection: ConnectionId) {
        let mut table = self.table.lock();
        if table.connections.remove(&connection).is_some() {
            (table.handshakes).retain(|_, handshake| handshake.connection != connection);
        }
    }
}

impl Table {
    fn prove(
        &mut self,
        connection: ConnectionId,
        id: HandshakeId,
        peer: Peer,
        request: &LoginRequest,
        now: ServerTime,
    ) -> (Duration, Result<Proven, LoginFailure>) {
        self.expire(now);
        let Some(login) = self.take(connection, id) else {
            return (Duration::ZERO, Err(LoginFailure::Expired));
        };
        let delay = match self.throttle.admit(peer, now) {
            Ok(delay) => delay,
            // The proof is not looked at: a refusal in this place says nothing about it.
            Err(TooMany) => return (Duration::ZERO, Err(LoginFailure::Busy)),
        };
        let proven = login.verify(request);
        if proven.is_err() {
            self.throttle.failed(peer, now);
        }
        (delay, proven.map_err(LoginFailure::from))
    }

    fn take(&mut self, connection: ConnectionId, id: HandshakeId) -> Option<ServerLogin> {
        if self.handshakes.get(&id)?.connection != connection {
            return None;
        }
        let handshake = self.handshakes.remove(&id)?;
        self.uncount(connection);
        Some(handshake.login)
    }

    fn expire(&mut self, now: ServerTime) {
        while let Some(first) = self.handshakes.first_entry()
            && first.get().expires <= now
        {
            let connection = first.remove().connection;
            self.uncount(connection);
        }
    }

    fn uncount(&mut self, connection: ConnectionId) {
        if let Some(count) = self.connections.get_mut(&connection) {
            *count -= 1;
            if *count == 0 {
                self.connections.remove(&connection);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use commonhold_proto::login::{AuthKey, ClientLogin, ClientProof, KeyCache, Mechanism};
    use commonhold_proto::wire::{self, login_response};

    const HERE: ConnectionId = ConnectionId(1);
    const PEER: Peer = Peer::User(1000);
    const START: ServerTime = ServerTime(1_000);

    struct Server {
        key: AuthKey,
        logins: Logins,
        tokens: Tokens,
        cache: KeyCache,
    }

    fn server() -> Server {
        let key = AuthKey::generate();
        Server {
            logins: Logins::new(Keys::new("default", &key).expect("accepted")),
            tokens: Tokens::new(),
            cache: KeyCache::new(),
            key,
        }
    }

    impl Server {
        fn begin(&self, name: &str, key: &AuthKey) -> (ClientProof, HandshakeId, LoginRequest) {
            let (client, first) = ClientLogin::new(name);
            let (id, response) = self.logins.begin(HERE, &first, START).expect("a challenge");
            let (client, proof) = client
                .challenge(key, &self.cache, &response)
                .expect("a proof");
            (client, id, proof)
        }

        fn finish(&self, id: HandshakeId, proof: &LoginRequest, now: ServerTime) -> Answer {
            self.logins.finish(HERE, id, PEER, proof, &self.tokens, now)
        }

        fn fail(&self, peer: Peer, now: ServerTime) -> Answer {
            let (_, first) = ClientLogin::new("default");
            let (id, _) = self.logins.begin(HERE, &first, now).expect("a challenge");
            let wrong = wire::login_request::Step::Final(wire::ClientFinal { proof: vec![0; 32] });
            let request = LoginRequest { step: Some(wrong) };
            self.logins
                .finish(HERE, id, peer, &request, &self.tokens, now)
        }
    }

    #[test]
    fn the_right_key_gets_a_token_that_is_good() {
        let server = server();
        let (client, id, proof) = server.begin("default", &server.key);
        let answer = server.finish(id, &proof, START);
        assert_eq!(answer.delay, Duration::ZERO);
        let granted = client
            .finish(&answer.result.expect("granted"))
            .expect("proven");
        assert_eq!(granted.expires, TOKEN_LIFE);
        assert!(server.tokens.check(&granted.token, START).is_some());
    }

    #[test]
    fn a_wrong_key_and_an_unknown_name_get_the_same_answer() {
        let server = server();
        for (name, key) in [
            ("default", &AuthKey::generate()),
            ("nobody", &server.key),
            ("", &server.key),
        ] {
            let (_, id, proof) = server.begin(name, key);
            let answer = server.finish(id, &proof, START);
            assert_eq!(answer.result, Err(LoginFailure::Refused), "{name}");
        }
    }

    #[test]
    fn a_challenge_for_an_unknown_name_looks_like_one_for_a_known_name() {
        let server = server();
        let challenge = |name: &str| {
            let (_, first) = ClientLogin::new(name);
            let (_, response) = server
                .logins
                .begin(HERE, &first, START)
                .expect("a challenge");
            match response.step {
                // Behind the nonces: salt and mechanism.
                Some(login_response::Step::First(bytes)) => bytes[50..].to_vec(),
                other => panic!("no challenge: {other:?}"),
            }
        };
        let (known, unknown) = (challenge("default"), challenge("nobody"));
        assert_eq!(challenge("default"), known);
        assert_eq!(challenge("nobody"), unknown);
        assert_ne!(known, unknown);
        let without_salt = |bytes: &[u8]| [&bytes[..2], &bytes[18..]].concat();
        assert_eq!(without_salt(&known), without_salt(&unknown));
        assert_eq!(without_salt(&known), [0x12, 16, 0x18, 1]);
    }

    #[test]
    fn several_keys_open_one_server() {
        let (one, other) = (AuthKey::generate(), AuthKey::generate());
        let mut server = server();
        let salt = commonhold_proto::login::Salt::random();
        let verifier = commonhold_proto::login::Verifier::new(&other, Mechanism::Hkdf, salt);
        let mut keys = Keys::new("one", &one).expect("accepted");
        keys.add("other", verifier.expect("accepted"));
        server.logins = Logins::new(keys);
        for (name, key, opens) in [
            ("one", &one, true),
            ("other", &other, true),
            ("one", &other, false),
            ("other", &one, false),
        ] {
            let (_, id, proof) = server.begin(name, key);
            assert_eq!(server.finish(id, &proof, START).result.is_ok(), opens);
        }
    }

    #[test]
    fn a_handshake_is_used_once_on_its_own_connection_and_in_time() {
        let server = server();
        let expired = Err(LoginFailure::Expired);
        let (_, id, proof) = server.begin("default", &server.key);
        let elsewhere =
            server
                .logins
                .finish(ConnectionId(2), id, PEER, &proof, &server.tokens, START);
        assert_eq!(elsewhere.result, expired);
        assert!(server.finish(id, &proof, ServerTime(10_999)).result.is_ok());
        assert_eq!(server.finish(id, &proof, START).result, expired);

        let (_, id, proof) = server.begin("default", &server.key);
        assert_eq!(
            server.finish(id, &proof, ServerTime(11_000)).result,
            expired
        );

        let (_, id, proof) = server.begin("default", &server.key);
        server.logins.disconnected(HERE);
        assert_eq!(server.finish(id, &proof, START).result, expired);
    }

    #[test]
    fn the_table_is_bounded_by_connection_and_in_all_and_frees_itself() {
        let server = server();
        let (_, first) = ClientLogin::new("default");
        let begin = |connection: usize, now: u64| {
            let connection = ConnectionId(connection as u64);
            server
                .logins
                .begin(connection, &first, ServerTime(now))
                .err()
        };
        for n in 0..HANDSHAKES_MAX {
            assert_eq!(begin(n / HANDSHAKES_CONNECTION_MAX, 0), None);
            if n == HANDSHAKES_CONNECTION_MAX - 1 {
                assert_eq!(begin(0, 0), Some(LoginFailure::Busy));
            }
        }
        assert_eq!(begin(HANDSHAKES_MAX, 9_999), Some(LoginFailure::Busy));
        assert_eq!(begin(HANDSHAKES_MAX, 10_000), None);
        let table = server.logins.table.lock();
        assert_eq!((table.handshakes.len(), table.connections.len()), (1, 1));
    }

    #[test]
    fn who_fails_often_waits_with_right_and_wrong_proofs_and_others_do_not() {
        let server = server();
        for _ in 0..10 {
            assert_eq!(server.fail(PEER, START).delay, Duration::ZERO);
        }
        let late = server.fail(PEER, START);
        assert_eq!(late.delay, Duration::from_secs(1));
        assert_eq!(late.result, Err(LoginFailure::Refused));
        let (_, id, proof) = server.begin("default", &server.key);
        let right = server.finish(id, &proof, START);
        assert_eq!(right.delay, Duration::from_secs(2));
        assert!(right.result.is_ok());
        assert_eq!(server.fail(Peer::User(1), START).delay, Duration::ZERO);
    }

    #[test]
    fn a_proof_among_too_many_is_not_looked_at() {
        let server = server();
        let busy = |answer: Answer| answer.result == Err(LoginFailure::Busy);
        let tries = (0..100).take_while(|_| !busy(server.fail(PEER, START)));
        assert_eq!(tries.count(), 26);
        let (_, id, proof) = server.begin("default", &server.key);
        assert!(busy(server.finish(id, &proof, START)));
    }
}
