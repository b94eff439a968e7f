//! The Session stream: one lane of a session.
//!
//! Reading, executing and answering are one task: polled for a frame, the response stream first takes what has come in,
//! executes it, and then sends every reply that is ready in one frame. A client that does not read its replies is thus
//! not read from either, and of what was read from it no more is executed while many bytes wait for it.

use super::connection::Peer;
use super::death::Watch;
use super::status::End;
use super::{Front, UnderWay, version, vigil};
use crate::engine::{Engine, Joined, Origin};
use crate::session::{CREDITS, Credit, Identity, Lane, Liveness, Session};
use bytes::{Bytes, BytesMut};
use commonhold_proto::login::TokenHash;
use commonhold_proto::{
    Call, Code, LaneId, Received, Refusal, Revision, SessionId, call_bytes_max, wire,
};
use std::collections::{HashMap, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::vec;
use tokio_stream::Stream;
use tonic::{Status, Streaming};

/// Frames that are executed before replies are sent and others get their turn.
const FRAMES_A_TURN: usize = 16;
/// Bytes of calls in parts, a lane, if one call is not longer.
const STAGED_BYTES_MAX: usize = 64 << 20;
/// Bytes of calls in parts, a server.
const STAGED_BYTES_SERVER_MAX: usize = 512 << 20;

/// A lane with its connection. Dropped, the connection is gone.
struct Joint {
    front: Arc<Front>,
    session: Arc<Session>,
    _under_way: UnderWay,
    joined: Joined,
    /// Watches the client's process.
    _watch: Option<Watch>,
}

impl Joint {
    fn lane(&self) -> &Lane {
        &self.joined.connection.lane
    }
}

impl Drop for Joint {
    fn drop(&mut self) {
        self.front
            .engine
            .disconnected(&self.session, self.lane(), self.joined.incarnation);
    }
}

/// The frames to one client.
pub(crate) struct LaneStream {
    joint: Joint,
    incoming: Streaming<wire::ClientFrame>,
    origin: Origin,
    welcome: Option<wire::ServerFrame>,
    /// Calls that are still arriving in parts.
    staged: HashMap<u64, BytesMut>,
    staged_bytes: usize,
    /// Calls that came in one frame and are not begun: too many bytes of replies wait for their client.
    calls: vec::IntoIter<wire::Call>,
    /// The same of those that came in parts; they are begun after the others. They are made, and count as staged no
    /// longer, when they are begun: in memory they may be many times as large.
    in_parts: VecDeque<(u64, Bytes)>,
    goodbye: Goodbye,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Goodbye {
    No,
    /// Said, and answered once this is durable.
    Said(Revision),
    Answered,
}

/// Reads the hello and takes the lane.
pub(crate) async fn open(
    front: &Arc<Front>,
    peer: Peer,
    token: TokenHash,
    mut incoming: Streaming<wire::ClientFrame>,
) -> Result<LaneStream, Status> {
    let first = incoming.message().await?;
    let hello = first
        .and_then(|frame| frame.hello)
        .ok_or(End::Malformed("the first frame carries no hello"))?;
    let theirs = hello.version.unwrap_or_default();
    if theirs.protocol_major != commonhold_proto::PROTOCOL_MAJOR {
        return Err(End::OtherVersion {
            product: theirs.product,
            major: theirs.protocol_major,
        }
        .into());
    }
    if front.is_draining() {
        return Err(End::Draining.into());
    }
    let (session, lane) = match hello.resume {
        Some(resume) => {
            let session = front
                .engine
                .session(SessionId(resume.session))
                .ok_or(End::UnknownSession)?;
            if session.token != token {
                return Err(End::ForeignSession.into());
            }
            (session, resume)
        }
        None => (
            begin(front, hello.identity, hello.liveness, token)?,
            wire::Resume::default(),
        ),
    };
    let joined = front
        .engine
        .join(&session, LaneId(lane.lane))
        .map_err(|refusal| match refusal.code {
            Code::SessionExpired => End::UnknownSession,
            _ => End::Refused(refusal),
        })?;
    let watch = peer.pid.and_then(|pid| front.deaths.watch(pid, &session));
    let joint = Joint {
        front: Arc::clone(front),
        _under_way: UnderWay::begin(front),
        session,
        joined,
        _watch: watch,
    };
    for range in lane.acknowledged {
        if !front
            .engine
            .acknowledge(&joint.joined.connection, range.first, range.last)
        {
            return Err(End::TooMuch("too many runs of acknowledged replies").into());
        }
    }
    // Whoever is told of a session finds it again after a crash.
    if !front.engine.gate.wait_for(joint.joined.gate).await {
        return Err(End::Failed.into());
    }
    let limits = &front.engine.limits;
    let millis = |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let welcome = wire::Welcome {
        version: Some(version()),
        session: joint.session.id.0,
        lane: joint.lane().id.0,
        incarnation: joint.joined.incarnation,
        credits: CREDITS,
        grace_ms: millis(limits.grace),
        term_ms: millis(limits.term),
        lease_lost: joint.joined.lease_lost.is_some(),
        value_bytes_max: limits.value_bytes_max as u64,
        boot: front.boot,
        lost: joint
            .joined
            .lost
            .iter()
            .map(|lost| lost.to_wire())
            .collect(),
        lost_until: joint.joined.lease_lost.map_or(0, |until| until.0),
    };
    let origin = Origin::Lane(Arc::clone(&joint.joined.connection));
    Ok(LaneStream {
        joint,
        incoming,
        origin,
        welcome: Some(wire::ServerFrame {
            welcome: Some(welcome),
            ..wire::ServerFrame::default()
        }),
        staged: HashMap::new(),
        staged_bytes: 0,
        calls: Vec::new().into_iter(),
        in_parts: VecDeque::new(),
        goodbye: Goodbye::No,
    })
}

fn begin(
    front: &Front,
    identity: Option<wire::Identity>,
    liveness: i32,
    token: TokenHash,
) -> Result<Arc<Session>, End> {
    let mut identity = identity.unwrap_or_default();
    // People read these: what is longer than a line is cut.
    for text in [&mut identity.name, &mut identity.host] {
        text.retain(|c| !c.is_control());
        text.truncate(
            text.char_indices()
                .nth(100)
                .map_or(text.len(), |(at, _)| at),
        );
    }
    let identity = Identity {
        name: identity.name,
        host: identity.host,
        pid: identity.pid,
    };
    let liveness = match wire::Liveness::try_from(liveness) {
        Ok(wire::Liveness::Heartbeat) => Liveness::Heartbeat,
        _ => Liveness::Connection,
    };
    let (session, _) = front
        .engine
        .open_session(identity, liveness, token)
        .map_err(End::Refused)?;
    if !front.tokens.adopt(token) {
        front.engine.goodbye(&session);
        return Err(End::NotLoggedIn);
    }
    Ok(session)
}

impl LaneStream {
    /// Executes one frame: its calls as far as their replies have room.
    fn execute(&mut self, frame: wire::ClientFrame) -> Result<(), End> {
        let engine = &self.joint.front.engine;
        let connection = &self.joint.joined.connection;
        engine.heard(&self.joint.session, connection, frame.beat);
        for range in &frame.acknowledged {
            if !engine.acknowledge(connection, range.first, range.last) {
                return Err(End::TooMuch("too many runs of acknowledged replies"));
            }
        }
        // Cancels overtake calls: what they end may be what the calls would wait for.
        for sequence in &frame.cancel {
            engine.cancel(connection, *sequence);
        }
        // No frame is read while calls of the one before are not begun.
        self.calls = frame.calls.into_iter();
        for part in &frame.parts {
            self.stage(part)?;
        }
        self.execute_calls()?;
        if frame.goodbye && self.goodbye == Goodbye::No {
            if !(self.has_begun_all() && self.joint.lane().is_idle()) {
                return Err(End::Malformed(
                    "goodbye was said while calls were unanswered",
                ));
            }
            let gate = self.joint.front.engine.goodbye(&self.joint.session);
            self.goodbye = Goodbye::Said(gate);
        }
        Ok(())
    }

    /// Begins calls that have come, as long as there is room for their replies.
    fn execute_calls(&mut self) -> Result<(), End> {
        let lane = self.joint.lane();
        let executing = lane
            .decoder(self.joint.joined.incarnation)
            .ok_or(End::Replaced)?;
        while !self.has_begun_all() {
            match lane.spend_credit() {
                Credit::Spent => {}
                Credit::Later => break,
                Credit::None => {
                    let why = "more calls are under way than there were credits";
                    return Err(End::TooMuch(why));
                }
            }
            if let Some(call) = self.calls.next() {
                self.call(call.sequence, Call::from_wire(call))?;
            } else if let Some((sequence, whole)) = self.in_parts.pop_front() {
                let unstaged = whole.len();
                self.call(sequence, made(sequence, whole)?)?;
                // Not by the method: the lane is lent to the decoder.
                self.staged_bytes -= unstaged;
                self.joint
                    .front
                    .staged
                    .fetch_sub(unstaged, Ordering::AcqRel);
            }
        }
        drop(executing);
        Ok(())
    }

    /// Is every call that came begun?
    fn has_begun_all(&self) -> bool {
        self.calls.len() == 0 && self.in_parts.is_empty()
    }

    fn call(&self, sequence: u64, call: Result<Received, Refusal>) -> Result<(), End> {
        let engine = &self.joint.front.engine;
        let lane = self.joint.lane();
        if sequence == 0 {
            return Err(End::Malformed("calls are numbered from 1"));
        }
        match call {
            Ok(received) => engine.submit(&self.origin, received),
            Err(refusal) => {
                let reply = Engine::refused(refusal);
                lane.answer_again(sequence, reply, Revision(0), Revision(0));
            }
        }
        Ok(())
    }

    /// Takes a piece of a call; after the last one it has come.
    fn stage(&mut self, part: &wire::Part) -> Result<(), End> {
        let limits = &self.joint.front.engine.limits;
        if (part.data.is_empty() && !part.last) || self.staged.len() > CREDITS as usize {
            return Err(End::Malformed("parts without a call"));
        }
        let staged = self.staged.entry(part.sequence).or_default();
        let whole_max = call_bytes_max(limits.value_bytes_max);
        if staged.len() + part.data.len() > whole_max {
            return Err(End::TooMuch("a call in parts is larger than the limit"));
        }
        let all = self
            .joint
            .front
            .staged
            .fetch_add(part.data.len(), Ordering::AcqRel)
            + part.data.len();
        self.staged_bytes += part.data.len();
        if self.staged_bytes > whole_max.max(STAGED_BYTES_MAX)
            || all > whole_max.max(STAGED_BYTES_SERVER_MAX)
        {
            return Err(End::TooMuch(
                "too many bytes of calls are arriving in parts",
            ));
        }
        staged.extend_from_slice(&part.data);
        if part.last {
            let whole = self.staged.remove(&part.sequence).unwrap_or_default();
            self.in_parts.push_back((part.sequence, whole.freeze()));
        }
        Ok(())
    }

    /// Takes in what has come. True if there may be more at once.
    fn poll_incoming(&mut self, cx: &mut Context<'_>) -> Result<Incoming, End> {
        for _ in 0..FRAMES_A_TURN {
            let engine = &self.joint.front.engine;
            if engine.is_congested() {
                engine.gate.register(cx.waker());
                if engine.is_congested() {
                    return Ok(Incoming::Waits);
                }
            }
            if !self.has_begun_all() {
                self.execute_calls()?;
                if !self.has_begun_all() {
                    // Frames leave first, or the store lets them: either comes back here.
                    return Ok(Incoming::Waits);
                }
                continue;
            }
            match Pin::new(&mut self.incoming).poll_next(cx) {
                Poll::Ready(Some(Ok(frame))) => self.execute(frame)?,
                Poll::Ready(Some(Err(status))) => {
                    tracing::debug!(status = status.message(), "a lane broke");
                    return Ok(Incoming::Ended);
                }
                Poll::Ready(None) => return Ok(Incoming::Ended),
                Poll::Pending => return Ok(Incoming::Waits),
            }
        }
        cx.waker().wake_by_ref();
        Ok(Incoming::Waits)
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<wire::ServerFrame, End>>> {
        if let Some(welcome) = self.welcome.take() {
            return Poll::Ready(Some(Ok(welcome)));
        }
        if self.goodbye == Goodbye::Answered {
            return Poll::Ready(None);
        }
        let draining = self.joint.front.is_draining();
        if !draining {
            match self.poll_incoming(cx) {
                Ok(Incoming::Waits) => {}
                Ok(Incoming::Ended) => return Poll::Ready(None),
                Err(end) => return Poll::Ready(Some(Err(end))),
            }
        }
        let engine = Arc::clone(&self.joint.front.engine);
        loop {
            if engine.gate.is_broken() {
                return Poll::Ready(Some(Err(End::Failed)));
            }
            let durable = engine.gate.durable();
            if let Goodbye::Said(gate) = self.goodbye {
                if gate <= durable {
                    self.goodbye = Goodbye::Answered;
                    let frame = wire::ServerFrame {
                        goodbye: true,
                        ..wire::ServerFrame::default()
                    };
                    return Poll::Ready(Some(Ok(frame)));
                }
            } else if !self.joint.lane().is_current(self.joint.joined.incarnation) {
                return Poll::Ready(Some(Err(End::Replaced)));
            }
            let (frame, held) = self.joint.lane().next_frame(durable, cx.waker());
            if let Some(frame) = frame {
                return Poll::Ready(Some(Ok(frame)));
            }
            if !held && self.goodbye == Goodbye::No {
                return if draining {
                    Poll::Ready(Some(Err(End::Draining)))
                } else {
                    Poll::Pending
                };
            }
            engine.gate.register(cx.waker());
            if engine.gate.durable() == durable && !engine.gate.is_broken() {
                vigil::rest();
                return Poll::Pending;
            }
        }
    }
}

/// Makes a call that came in parts. Of one that holds too much to be made, only its number is known.
fn made(sequence: u64, whole: Bytes) -> Result<Result<Received, Refusal>, End> {
    let malformed = |_| End::Malformed("a call in parts is no call");
    let fingerprint = wire::Call::fingerprint(&whole).map_err(malformed)?;
    match wire::Call::from_bytes(whole).map_err(malformed)? {
        Ok(call) if call.sequence != sequence => {
            Err(End::Malformed("a call in parts has another number"))
        }
        Ok(call) => Ok(Call::from_wire(call).map(|received| Received {
            fingerprint: Some(fingerprint),
            ..received
        })),
        Err(refusal) => Ok(Err(refusal)),
    }
}

enum Incoming {
    Waits,
    Ended,
}

impl Stream for LaneStream {
    type Item = Result<wire::ServerFrame, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_frame(cx).map(|next| {
            next.map(|frame| {
                frame.map_err(|end| {
                    tracing::debug!(?end, "a lane ends");
                    end.into()
                })
            })
        })
    }
}

impl Drop for LaneStream {
    fn drop(&mut self) {
        let staged = &self.joint.front.staged;
        staged.fetch_sub(self.staged_bytes, Ordering::AcqRel);
    }
}
