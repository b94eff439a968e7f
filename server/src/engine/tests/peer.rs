//! A client as the protocol wants it: it keeps what is unanswered, sends it again with the same number when it resumes,
//! and acknowledges in ranges.

use super::super::caller::{Connection, Origin};
use super::harness::World;
use crate::session::{CREDITS, Credit, Lane};
use commonhold_proto::{
    Call, Fence, LaneId, Owner, Received, Refusal, Reply, SessionId, Target, Value, wire,
};
use prost::Message as _;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

/// One lane of one client.
pub(super) struct Peer {
    pub(super) session: SessionId,
    lane: LaneId,
    link: Option<Link>,
    next: u64,
    owner: Owner,
    fence: Option<Fence>,
    pub(super) unanswered: BTreeMap<u64, Sent>,
    /// Replies that came and are not acknowledged.
    pub(super) answered: BTreeMap<u64, Reply>,
    acknowledged: BTreeSet<u64>,
    /// Calls that the server said wait.
    pub(super) parked: BTreeSet<u64>,
    /// The newest sign of life that was answered.
    pub(super) beat: u64,
    /// What the welcome said.
    pub(super) lease_lost: bool,
    /// Grants that it was told it lost, in a frame.
    pub(super) lost: Vec<Fence>,
    /// The same, in the newest welcome.
    pub(super) welcomed_lost: Vec<Fence>,
    /// The newest replies in parts.
    parts: BTreeMap<u64, Vec<u8>>,
}

/// A connection.
struct Link {
    connection: Arc<Connection>,
    incarnation: u32,
    credits: u32,
    boot: u64,
}

/// A call that has no answer yet.
#[derive(Clone)]
pub(super) struct Sent {
    pub(super) target: Target,
    pub(super) call: Call,
    deadline: Option<Duration>,
    owner: Owner,
    fence: Option<Fence>,
}

impl Peer {
    pub(super) fn of(session: SessionId) -> Peer {
        Peer {
            session,
            lane: LaneId(0),
            link: None,
            next: 1,
            owner: Owner(0),
            fence: None,
            unanswered: BTreeMap::new(),
            answered: BTreeMap::new(),
            acknowledged: BTreeSet::new(),
            parked: BTreeSet::new(),
            beat: 0,
            lease_lost: false,
            lost: Vec::new(),
            welcomed_lost: Vec::new(),
            parts: BTreeMap::new(),
        }
    }

    /// Another lane of the same session, connected.
    pub(super) fn another_lane(&self, world: &World, lane: u32) -> Peer {
        let mut peer = Peer::of(self.session);
        peer.lane = LaneId(lane);
        peer.connect(world);
        peer
    }

    /// Names this grant with every call from now on.
    pub(super) fn fence(&mut self, fence: Option<Fence>) {
        self.fence = fence;
    }

    /// Calls from now on as this thread.
    pub(super) fn thread(&mut self, owner: u64) {
        self.owner = Owner(owner);
    }

    /// Opens a connection, acknowledges what it has and sends everything unanswered again.
    #[track_caller]
    pub(super) fn connect(&mut self, world: &World) {
        self.join(world);
        let again: Vec<_> = self.unanswered.keys().copied().collect();
        for sequence in again {
            self.send_again(world, sequence);
        }
    }

    /// Opens a connection and sends nothing.
    #[track_caller]
    pub(super) fn join(&mut self, world: &World) {
        let session = world
            .engine
            .session(self.session)
            .expect("the session is known");
        let before = self.link.take();
        let joined = world
            .engine
            .join(&session, self.lane)
            .expect("there is room for a lane");
        if let Some(before) = before.filter(|link| link.boot == world.boot) {
            world
                .engine
                .disconnected(&session, &before.connection.lane, before.incarnation);
        }
        self.lease_lost |= joined.lease_lost.is_some();
        self.welcomed_lost = joined.lost;
        self.parked.clear();
        self.parts.clear();
        self.link = Some(Link {
            connection: joined.connection,
            incarnation: joined.incarnation,
            credits: CREDITS,
            boot: world.boot,
        });
        let runs = self.runs();
        for (first, last) in runs {
            assert!(world.engine.acknowledge(self.connection(), first, last));
        }
    }

    fn runs(&self) -> Vec<(u64, u64)> {
        let mut runs: Vec<(u64, u64)> = Vec::new();
        for &number in &self.acknowledged {
            match runs.last_mut() {
                Some((_, last)) if *last + 1 == number => *last = number,
                _ => runs.push((number, number)),
            }
        }
        runs
    }

    /// Is it connected, as far as it knows, to the server that runs now?
    pub(super) fn is_connected(&self, world: &World) -> bool {
        self.link
            .as_ref()
            .is_some_and(|link| link.boot == world.boot)
    }

    /// Was its connection cut off by the server?
    pub(super) fn is_fenced(&self) -> bool {
        self.link
            .as_ref()
            .is_some_and(|link| !link.connection.lane.is_current(link.incarnation))
    }

    /// The connection breaks: replies on their way are lost.
    pub(super) fn disconnect(&mut self, world: &World) {
        let Some(link) = self.link.take().filter(|link| link.boot == world.boot) else {
            return;
        };
        if let Some(session) = world.engine.session(self.session) {
            world
                .engine
                .disconnected(&session, &link.connection.lane, link.incarnation);
        }
    }

    pub(super) fn connection(&self) -> &Arc<Connection> {
        &self.link.as_ref().expect("it is connected").connection
    }

    pub(super) fn lane(&self) -> &Arc<Lane> {
        &self.connection().lane
    }

    /// Sends a call that may wait for ever.
    #[track_caller]
    pub(super) fn call(&mut self, world: &World, target: &Target, call: Call) -> u64 {
        self.call_within(world, target, call, None)
    }

    /// Sends a call that may wait so long. Returns its number.
    #[track_caller]
    pub(super) fn call_within(
        &mut self,
        world: &World,
        target: &Target,
        call: Call,
        timeout: Option<Duration>,
    ) -> u64 {
        let sequence = self.note(world, target, call, timeout);
        self.send_again(world, sequence);
        sequence
    }

    /// Gives a call its number and does not send it: its frame is on the way.
    pub(super) fn note(
        &mut self,
        world: &World,
        target: &Target,
        call: Call,
        timeout: Option<Duration>,
    ) -> u64 {
        let sequence = self.next;
        self.next += 1;
        let sent = Sent {
            target: target.clone(),
            call,
            deadline: timeout.map(|timeout| world.engine.clock.monotonic() + timeout),
            owner: self.owner,
            fence: self.fence,
        };
        self.unanswered.insert(sequence, sent);
        sequence
    }

    /// Acts as if the reply to this call had never come.
    pub(super) fn note_again(&mut self, sequence: u64, target: &Target, call: Call) {
        self.answered.remove(&sequence);
        let sent = Sent {
            target: target.clone(),
            call,
            deadline: None,
            owner: self.owner,
            fence: self.fence,
        };
        self.unanswered.insert(sequence, sent);
    }

    /// The same, with so much time left.
    pub(super) fn note_again_within(
        &mut self,
        world: &World,
        sequence: u64,
        target: &Target,
        call: Call,
        timeout: Duration,
    ) {
        self.note_again(sequence, target, call);
        let sent = self
            .unanswered
            .get_mut(&sequence)
            .expect("it was just noted");
        sent.deadline = Some(world.engine.clock.monotonic() + timeout);
    }

    /// Makes another call of one that is unanswered.
    pub(super) fn change(&mut self, sequence: u64, call: Call) {
        self.unanswered
            .get_mut(&sequence)
            .expect("it is unanswered")
            .call = call;
    }

    pub(super) fn incarnation(&self) -> u32 {
        self.link.as_ref().expect("it is connected").incarnation
    }

    /// Sends a call with its number, its remaining time and whatever else it had.
    #[track_caller]
    pub(super) fn send_again(&mut self, world: &World, sequence: u64) {
        let received = self.received(world, sequence);
        let link = self.link.as_mut().expect("it is connected");
        assert!(link.credits > 0, "it has a credit to send with");
        link.credits -= 1;
        let Some(_executing) = link.connection.lane.decoder(link.incarnation) else {
            return;
        };
        assert_eq!(
            link.connection.lane.spend_credit(),
            Credit::Spent,
            "server and client count credits alike"
        );
        let origin = Origin::Lane(Arc::clone(&link.connection));
        world.engine.submit(&origin, received);
    }

    /// A call as it comes off the wire.
    pub(super) fn received(&self, world: &World, sequence: u64) -> Received {
        let sent = self.unanswered[&sequence].clone();
        let now = world.engine.clock.monotonic();
        Received {
            sequence,
            target: sent.target,
            call: sent.call,
            timeout: sent.deadline.map(|deadline| deadline.saturating_sub(now)),
            owner: sent.owner,
            fence: sent.fence,
            fingerprint: None,
        }
    }

    /// Says that nobody waits for a call any more.
    pub(super) fn cancel(&self, world: &World, sequence: u64) {
        world.engine.cancel(self.connection(), sequence);
    }

    /// Takes every frame that is ready. True if replies are held back for the store.
    #[track_caller]
    pub(super) fn receive(&mut self, world: &World) -> bool {
        if !self.is_connected(world) {
            return false;
        }
        loop {
            let lane = Arc::clone(self.lane());
            let (frame, held) = lane.next_frame(world.engine.gate.durable(), Waker::noop());
            match frame {
                Some(frame) => self.take(frame),
                None => return held,
            }
        }
    }

    /// Takes one frame, if one is ready.
    #[track_caller]
    pub(super) fn receive_frame(&mut self, world: &World) -> bool {
        let lane = Arc::clone(self.lane());
        let (frame, _) = lane.next_frame(world.engine.gate.durable(), Waker::noop());
        let Some(frame) = frame else { return false };
        self.take(frame);
        true
    }

    #[track_caller]
    fn take(&mut self, frame: wire::ServerFrame) {
        let link = self.link.as_mut().expect("it is connected");
        link.credits += frame.credits;
        assert!(link.credits <= CREDITS, "no credit is given twice");
        self.parked.extend(frame.parked);
        self.beat = self.beat.max(frame.beat);
        self.lost
            .extend(frame.lost.into_iter().map(Fence::from_wire));
        for part in frame.parts {
            let whole = self.parts.entry(part.sequence).or_default();
            whole.extend_from_slice(&part.data);
            if part.last {
                let whole = self.parts.remove(&part.sequence).unwrap_or_default();
                let reply = wire::Reply::decode(whole.as_slice()).expect("the parts make a reply");
                self.keep(reply);
            }
        }
        for reply in frame.replies {
            self.keep(reply);
        }
    }

    #[track_caller]
    fn keep(&mut self, reply: wire::Reply) {
        let (sequence, reply) = Reply::from_wire(reply);
        assert!(
            self.unanswered.remove(&sequence).is_some(),
            "nobody waits for a reply to {sequence}: {reply:?}"
        );
        self.parked.remove(&sequence);
        self.answered.insert(sequence, reply);
    }

    /// The answer to a call, if it came. It is acknowledged with the next [`acknowledge`](Peer::acknowledge).
    pub(super) fn reply(&self, sequence: u64) -> Option<&Reply> {
        self.answered.get(&sequence)
    }

    /// What a call got.
    #[track_caller]
    pub(super) fn result(&self, sequence: u64) -> Result<Value, Refusal> {
        match self.answered.get(&sequence) {
            Some(reply) => reply.result.clone(),
            None => panic!("call {sequence} has no answer"),
        }
    }

    /// Tells the server which replies it has.
    pub(super) fn acknowledge(&mut self, world: &World) {
        let had: Vec<u64> = std::mem::take(&mut self.answered).into_keys().collect();
        self.acknowledged.extend(&had);
        if self.is_connected(world) {
            for (first, last) in self.runs() {
                assert!(world.engine.acknowledge(self.connection(), first, last));
            }
        }
    }

    /// The number of its next call.
    pub(super) fn next_sequence(&self) -> u64 {
        self.next
    }

    /// Where answers to its calls go.
    pub(super) fn origin(&self) -> Origin {
        Origin::Lane(Arc::clone(self.connection()))
    }

    /// Credits that it has, as it knows.
    pub(super) fn credits(&self) -> u32 {
        self.link.as_ref().map_or(0, |link| link.credits)
    }

    /// Calls, commits, and takes the answer, which must come at once.
    #[track_caller]
    pub(super) fn ask(
        &mut self,
        world: &mut World,
        target: &Target,
        call: Call,
    ) -> Result<Value, Refusal> {
        let sequence = self.call(world, target, call);
        world.settle();
        self.receive(world);
        self.result(sequence)
    }

    /// As [`Peer::ask`], with a call of a method without arguments that must succeed.
    #[track_caller]
    pub(super) fn get(&mut self, world: &mut World, target: &Target, method: &str) -> Value {
        match self.ask(world, target, Call::new(method, [])) {
            Ok(value) => value,
            Err(refusal) => panic!("{method} was refused: {refusal:?}"),
        }
    }
}
