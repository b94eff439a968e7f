//! From a socket to a lane: HTTP/2, login, hello and welcome.

use crate::channel::{Channel, ChannelError, Wire};
use crate::error::{Error, Happened};
use crate::net::Net;
use crate::options::Liveness;
use crate::session::{Membership, Seat, Session};
use crate::shared::SharedLane;
use commonhold_proto::login::{ClientLogin, KeyCache, LoginError, Token};
use commonhold_proto::{Fence, PROTOCOL_MAJOR, PROTOCOL_MINOR, Revision, wire};
use std::io;
use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The product, as the first frame names it.
const PRODUCT: &str = concat!("commonhold client ", env!("CARGO_PKG_VERSION"));

// The gRPC status codes that mean something here.
const NOT_FOUND: u32 = 5;
const PERMISSION_DENIED: u32 = 7;
const UNAUTHENTICATED: u32 = 16;

/// A lane's connection.
pub(crate) struct Established<IO> {
    pub(crate) wire: Wire<IO>,
    pub(crate) channel: Channel,
    pub(crate) welcome: wire::Welcome,
}

/// Why there is none.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It may be there a little later.
    Again(Error),
    /// It will not.
    Final(Error),
}

/// Connects, logs in if there is no token, and joins the session, or opens one if there is none.
///
/// A session that the server does not know any more is given up here: the lane is told, and goes on in a new one.
pub(crate) async fn establish<N: Net>(
    net: &N,
    session: &Session,
    lane: &SharedLane,
    seat: &mut Option<Seat>,
) -> Result<Established<N::Stream>, Failure> {
    let stream = net.connect(&session.place).await.map_err(|error| {
        // A path that can never be a socket, or a name that is none, will not get better; all else may.
        match error.kind() {
            io::ErrorKind::InvalidInput => Failure::Final(session.unreachable(error)),
            _ => Failure::Again(session.unreachable(error)),
        }
    })?;
    let failed = |error: ChannelError| failure(session, &error);
    let mut wire = Wire::handshake(stream, session.authority())
        .await
        .map_err(failed)?;
    let mut member = session.membership.lock().await;
    // At most: the token is refused, then the session is unknown.
    for _ in 0..3 {
        let token = match &member.token {
            Some(token) => token.clone(),
            None => login(net, session, &mut wire).await?,
        };
        member.token = Some(token.clone());
        if seat.is_some_and(|seat| Some(seat.session) != member.session) {
            forget(session, lane, seat);
        }
        let hello = hello(session, lane, &mut member, *seat);
        let mut channel = wire.open("Session", Some(&token)).await.map_err(failed)?;
        let sent = Instant::now();
        match wire
            .exchange::<wire::ServerFrame>(&mut channel, &hello)
            .await
        {
            Ok(frame) => {
                let protocol = Failure::Again(session.lost("no welcome", Happened::No));
                let welcome = frame.welcome.ok_or(protocol)?;
                member.session = Some(welcome.session);
                *seat = Some(Seat {
                    session: welcome.session,
                    lane: welcome.lane,
                });
                if welcome.lease_lost {
                    session.lease_lost(Revision(welcome.lost_until));
                }
                // Its number is a revision: what was granted before was granted to another.
                session.grants.lose_until(Revision(welcome.session));
                for lost in &welcome.lost {
                    session.grants.lose(Fence::from_wire(*lost));
                }
                let grace = Duration::from_millis(welcome.grace_ms);
                session.grants.trust(sent, grace);
                return Ok(Established {
                    wire,
                    channel,
                    welcome,
                });
            }
            // The token is not known any more: neither is the session that it belonged to.
            Err(ChannelError::Status {
                code: UNAUTHENTICATED,
                ..
            }) => {
                let before = mem::take(&mut *member);
                if before.session.is_some() {
                    forget(session, lane, seat);
                    session.forgotten();
                }
            }
            Err(ChannelError::Status {
                code: NOT_FOUND | PERMISSION_DENIED,
                ..
            }) if member.session.is_some() => {
                member.session = None;
                member.next_lane = 0;
                forget(session, lane, seat);
                session.forgotten();
            }
            Err(error) => return Err(failed(error)),
        }
    }
    Err(Failure::Again(session.lost(
        "the server keeps forgetting the session",
        Happened::No,
    )))
}

/// The lane has no place in a session that the server does not know any more.
fn forget(session: &Session, lane: &SharedLane, seat: &mut Option<Seat>) {
    if seat.take().is_some() {
        lane.forget_session(&session.lost(
            "the server does not know the session any more",
            Happened::Unknown,
        ));
    }
}

fn hello(
    session: &Session,
    lane: &SharedLane,
    member: &mut Membership,
    seat: Option<Seat>,
) -> wire::ClientFrame {
    let resume = match (seat, member.session) {
        (Some(seat), _) => Some(wire::Resume {
            session: seat.session,
            lane: seat.lane,
            acknowledged: lane.acknowledged(),
        }),
        (None, Some(session)) => Some(wire::Resume {
            session,
            lane: member.next_lane,
            acknowledged: Vec::new(),
        }),
        (None, None) => None,
    };
    if seat.is_none() {
        member.next_lane += 1;
    }
    let liveness = match session.liveness {
        Liveness::Connection => wire::Liveness::Connection,
        Liveness::Heartbeat => wire::Liveness::Heartbeat,
    };
    wire::ClientFrame {
        hello: Some(wire::Hello {
            version: Some(wire::Version {
                protocol_major: PROTOCOL_MAJOR,
                protocol_minor: PROTOCOL_MINOR,
                product: PRODUCT.to_owned(),
                features: Vec::new(),
            }),
            resume,
            liveness: liveness.into(),
            identity: Some(session.identity.clone()),
        }),
        ..wire::ClientFrame::default()
    }
}

/// Proves knowledge of the key and has the server prove it.
async fn login<N: Net>(
    net: &N,
    session: &Session,
    wire: &mut Wire<N::Stream>,
) -> Result<Token, Failure> {
    let failed = |error: ChannelError| match error {
        ChannelError::Status {
            code: UNAUTHENTICATED | PERMISSION_DENIED,
            ..
        } => Failure::Final(refused(session)),
        error => failure(session, &error),
    };
    let mut channel = wire.open("Login", None).await.map_err(failed)?;
    let (login, first) = ClientLogin::new(&session.key_name);
    let challenge: wire::LoginResponse =
        wire.exchange(&mut channel, &first).await.map_err(failed)?;
    // A chosen key takes up to seconds to stretch the first time.
    let key = session.key.clone();
    let proven = net
        .compute(move || login.challenge(&key, KeyCache::process(), &challenge))
        .await;
    let (proof, last) = proven.map_err(|error| unproven(session, &error))?;
    let answer: wire::LoginResponse = wire.exchange(&mut channel, &last).await.map_err(failed)?;
    let granted = proof
        .finish(&answer)
        .map_err(|error| unproven(session, &error))?;
    Ok(granted.token)
}

fn unproven(session: &Session, error: &LoginError) -> Failure {
    Failure::Final(match error {
        LoginError::Refused | LoginError::ServerUnproven => refused(session),
        error => session.incompatible(error.to_string()),
    })
}

fn refused(session: &Session) -> Error {
    Error::Authentication {
        place: session.place.clone(),
        key: session.key_source.clone(),
    }
}

fn failure(session: &Session, error: &ChannelError) -> Failure {
    if error.is_misread() {
        return Failure::Final(session.incompatible(error.to_string()));
    }
    Failure::Again(Error::Unreachable {
        place: session.place.clone(),
        source: Arc::new(io::Error::new(
            io::ErrorKind::ConnectionAborted,
            error.to_string(),
        )),
    })
}
