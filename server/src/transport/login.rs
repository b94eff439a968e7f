//! The Login stream, and who may call.

use super::connection::Peer;
use super::status::End;
use super::{Frames, Front};
use crate::auth::{self, ConnectionId, HandshakeId, LoginFailure};
use commonhold_proto::login::{Token, TokenHash};
use commonhold_proto::wire::{LoginRequest, LoginResponse};
use futures_util::stream::try_unfold;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use tonic::{Request, Status, Streaming};

/// The caller's token, if it is one that was given and is still good.
pub(super) fn authorize<T>(front: &Front, request: &Request<T>) -> Result<TokenHash, Status> {
    let field = request
        .metadata()
        .get("authorization")
        .ok_or(End::NotLoggedIn)?;
    let token = Token::from_authorization(field.as_encoded_bytes()).ok_or(End::NotLoggedIn)?;
    let hash = front
        .tokens
        .check(&token, front.engine.now())
        .ok_or(End::NotLoggedIn)?;
    super::peer(request)?.visitor.welcome();
    Ok(hash)
}

/// A login under way. Dropped, its handshake is over.
struct Login {
    front: Arc<Front>,
    peer: auth::Peer,
    incoming: Streaming<LoginRequest>,
    /// Every stream counts as a connection of its own: a handshake is worth nothing on another.
    connection: ConnectionId,
    step: Step,
}

#[derive(Clone, Copy)]
enum Step {
    First,
    Proof(HandshakeId),
    Over,
}

impl Drop for Login {
    fn drop(&mut self) {
        self.front.logins.disconnected(self.connection);
    }
}

/// Answers the two messages of a login.
pub(super) fn run(
    front: Arc<Front>,
    peer: &Peer,
    incoming: Streaming<LoginRequest>,
) -> Frames<LoginResponse> {
    let connection = ConnectionId(front.next_login());
    let peer = match (peer.uid, peer.address) {
        (Some(uid), _) => auth::Peer::User(uid),
        (None, Some(address)) => auth::Peer::address(address),
        (None, None) => auth::Peer::address(IpAddr::V4(Ipv4Addr::LOCALHOST)),
    };
    let login = Login {
        front,
        peer,
        incoming,
        connection,
        step: Step::First,
    };
    Box::pin(try_unfold(login, |mut login| async move {
        let answer = login.step().await?;
        Ok(answer.map(|response| (response, login)))
    }))
}

impl Login {
    async fn step(&mut self) -> Result<Option<LoginResponse>, Status> {
        if matches!(self.step, Step::Over) {
            return Ok(None);
        }
        let Some(request) = self.incoming.message().await? else {
            return Ok(None);
        };
        let now = self.front.engine.now();
        match self.step {
            Step::First => {
                let (id, response) = self
                    .front
                    .logins
                    .begin(self.connection, &request, now)
                    .map_err(|failure| ended(&failure))?;
                self.step = Step::Proof(id);
                Ok(Some(response))
            }
            Step::Proof(id) => {
                self.step = Step::Over;
                let Front { logins, tokens, .. } = &*self.front;
                let answer = logins.finish(self.connection, id, self.peer, &request, tokens, now);
                if !answer.delay.is_zero() {
                    tokio::time::sleep(answer.delay).await;
                }
                if let Err(failure) = &answer.result {
                    tracing::warn!(peer = ?self.peer, %failure, "a login failed");
                }
                answer.result.map(Some).map_err(|failure| ended(&failure))
            }
            Step::Over => Ok(None),
        }
    }
}

fn ended(failure: &LoginFailure) -> Status {
    match failure {
        LoginFailure::Refused => End::KeyRefused,
        LoginFailure::Malformed(what) => End::Malformed(what),
        LoginFailure::Expired => End::LoginExpired,
        LoginFailure::Busy => End::TooMuch("too many logins at once: try again in some seconds"),
    }
    .into()
}
