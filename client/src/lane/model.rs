//! A model of a server, and a lane before it in a world that cuts connections.

use super::frame::PREFIX;
use super::*;
use commonhold_proto::{Call, Oid, Owner, Target, Value};
use proptest::prelude::*;
use std::collections::BTreeSet;

const CREDITS: u32 = 4;
pub(super) const VALUE_BYTES_MAX: usize = 1 << 20;

/// Executes calls, remembers outcomes, and panics wherever a lane breaks the protocol.
#[derive(Default)]
pub(super) struct Model {
    pub(super) executed: BTreeSet<u64>,
    /// Outcomes that are not acknowledged: the sum after the call.
    pub(super) outcomes: BTreeMap<u64, i64>,
    pub(super) acknowledged: BTreeSet<u64>,
    /// Calls of which the client said that it does not want the reply.
    cancelled: BTreeSet<u64>,
    /// Calls whose outcomes were acknowledged without that: the client has what they returned.
    pub(super) consumed: BTreeSet<u64>,
    /// How much is held: calls of `hold` take one, those of `give` give one back.
    pub(super) held: i64,
    sum: i64,
    credits: u32,
    staged: BTreeMap<u64, Vec<u8>>,
    /// The length of the longest call in parts.
    pub(super) longest: usize,
    replies: VecDeque<wire::Reply>,
    pub(super) goodbye: bool,
}

impl Model {
    pub(super) fn connect(&mut self, acknowledged: &[wire::Range]) -> wire::Welcome {
        self.credits = CREDITS;
        self.staged.clear();
        self.replies.clear();
        self.acknowledge(acknowledged);
        wire::Welcome {
            credits: CREDITS,
            value_bytes_max: VALUE_BYTES_MAX as u64,
            ..wire::Welcome::default()
        }
    }

    fn acknowledge(&mut self, ranges: &[wire::Range]) {
        for number in ranges.iter().flat_map(|range| range.first..=range.last) {
            self.acknowledged.insert(number);
            if self.outcomes.remove(&number).is_some() && !self.cancelled.contains(&number) {
                self.consumed.insert(number);
            }
        }
    }

    fn receive(&mut self, bytes: &[u8]) {
        let frame = wire::ClientFrame::decode(&bytes[PREFIX..]).expect("a frame");
        assert!(!self.goodbye, "nothing follows a goodbye");
        self.acknowledge(&frame.acknowledged);
        self.cancelled.extend(&frame.cancel);
        for call in &frame.calls {
            self.call(call);
        }
        for part in frame.parts {
            let staged = self.staged.entry(part.sequence).or_default();
            staged.extend(part.data);
            self.longest = self.longest.max(staged.len());
            assert!(self.longest <= call_bytes_max(VALUE_BYTES_MAX), "too long");
            if part.last {
                let whole = self.staged.remove(&part.sequence).expect("it is there");
                self.call(&wire::Call::decode(&whole[..]).expect("a call"));
            }
        }
        if frame.goodbye {
            assert!(
                self.replies.is_empty() && self.staged.is_empty(),
                "nothing is unanswered"
            );
            self.goodbye = true;
        }
    }

    fn call(&mut self, call: &wire::Call) {
        assert!(self.credits > 0, "a call without a credit");
        self.credits -= 1;
        let sequence = call.sequence;
        assert!(
            !self.acknowledged.contains(&sequence),
            "{sequence} was acknowledged"
        );
        let remembered = self.outcomes.get(&sequence).copied();
        let sum = remembered.unwrap_or_else(|| {
            assert!(
                self.executed.insert(sequence),
                "{sequence} was executed already"
            );
            self.sum += 1;
            self.held += match call.method.as_str() {
                "hold" => 1,
                "give" => -1,
                _ => 0,
            };
            self.outcomes.insert(sequence, self.sum);
            self.sum
        });
        let size = call.arguments[0].as_int().expect("the size of the reply");
        let padding = Value::Bytes(vec![0; usize::try_from(size).expect("small")].into());
        self.replies.push_back(wire::Reply {
            sequence,
            remembered: remembered.is_some(),
            result: Some(wire::reply::Result::Value(Value::List(vec![
                sum.into(),
                padding,
            ]))),
            ..wire::Reply::default()
        });
    }

    /// A frame of so many replies; large ones in parts.
    fn send(&mut self, count: usize) -> Option<wire::ServerFrame> {
        let mut frame = wire::ServerFrame::default();
        for _ in 0..count {
            let Some(reply) = self.replies.pop_front() else {
                break;
            };
            frame.credits += 1;
            let sequence = reply.sequence;
            let bytes = Bytes::from(reply.encode_to_vec());
            if bytes.len() < 100 {
                frame.replies.push(reply);
                continue;
            }
            let half = bytes.len() / 2;
            for (data, last) in [(bytes.slice(..half), false), (bytes.slice(half..), true)] {
                frame.parts.push(wire::Part {
                    sequence,
                    data,
                    last,
                });
            }
        }
        self.credits += frame.credits;
        (frame != wire::ServerFrame::default()).then_some(frame)
    }
}

/// A client, a server, and what is on the way between them.
pub(super) struct World {
    pub(super) lane: Lane,
    pub(super) model: Model,
    pub(super) to_server: VecDeque<Bytes>,
    to_client: VecDeque<wire::ServerFrame>,
    pub(super) now: Instant,
    pub(super) waiting: BTreeSet<u64>,
    /// Calls whose callers are gone.
    pub(super) withdrawn: BTreeSet<u64>,
    /// Calls that take something which whoever hears of it keeps.
    holds: BTreeSet<u64>,
    /// Calls whose answers nobody awaits.
    pub(super) told: BTreeSet<u64>,
    pub(super) taken: BTreeMap<u64, i64>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    Submit {
        size: usize,
        reply: u32,
    },
    Hold,
    Tell,
    ClientSends,
    ServerReceives,
    ServerSends(usize),
    ClientReceives,
    Take(usize),
    Abandon(usize),
    AcknowledgeNow,
    /// The newest frames on the way are lost, and the rest arrives before the connection is seen to be gone.
    Cut {
        to_server: usize,
        to_client: usize,
    },
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0usize..20, prop_oneof![Just(0u32), Just(300)])
            .prop_map(|(size, reply)| Step::Submit { size, reply }),
        1 => Just(Step::Submit { size: 300 << 10, reply: 0 }),
        2 => Just(Step::Hold),
        1 => Just(Step::Tell),
        6 => Just(Step::ClientSends),
        6 => Just(Step::ServerReceives),
        6 => (1usize..4).prop_map(Step::ServerSends),
        6 => Just(Step::ClientReceives),
        4 => (0usize..4).prop_map(Step::Take),
        2 => (0usize..4).prop_map(Step::Abandon),
        1 => Just(Step::AcknowledgeNow),
        1 => (0usize..3, 0usize..3).prop_map(|(to_server, to_client)| Step::Cut { to_server, to_client }),
    ]
}

pub(super) fn submission(size: usize, reply: u32) -> Submission {
    let arguments = vec![reply.into(), Value::Bytes(vec![1; size].into())];
    Submission {
        body: body("increment", arguments),
        timeout: None,
        repeatable: false,
        unheard: Unheard::Withdraw,
    }
}

fn body(method: &str, arguments: Vec<Value>) -> Bytes {
    let call = Call::new(method, arguments);
    let call = call.into_wire(0, Target::Oid(Oid(1)), None, Owner(0));
    call.encode_to_vec().into()
}

/// A call that takes something, and that gives it back if nobody hears of it.
pub(super) fn hold() -> Submission {
    let give = |_: &Reply| Some(body("give", vec![0.into()]));
    Submission {
        body: body("hold", vec![0.into()]),
        unheard: Unheard::TakeBack(TakeBack::new(give)),
        ..submission(0, 0)
    }
}

impl World {
    pub(super) fn new() -> World {
        let mut world = World {
            lane: Lane::default(),
            model: Model::default(),
            to_server: VecDeque::new(),
            to_client: VecDeque::new(),
            now: Instant::now(),
            waiting: BTreeSet::new(),
            withdrawn: BTreeSet::new(),
            holds: BTreeSet::new(),
            told: BTreeSet::new(),
            taken: BTreeMap::new(),
        };
        let welcome = world.model.connect(&[]);
        world.lane.connected(&welcome);
        world
    }

    pub(super) fn submit(&mut self, size: usize, reply: u32) -> u64 {
        let sequence = self.lane.submit(submission(size, reply), self.now);
        self.waiting.insert(sequence);
        sequence
    }

    pub(super) fn hold(&mut self) -> u64 {
        let sequence = self.lane.submit(hold(), self.now);
        self.waiting.insert(sequence);
        self.holds.insert(sequence);
        sequence
    }

    pub(super) fn tell(&mut self) -> u64 {
        let told = Submission {
            unheard: Unheard::CarryOut,
            ..submission(0, 0)
        };
        let sequence = self.lane.submit(told, self.now);
        assert_eq!(self.lane.abandon(sequence), Happened::Unknown);
        self.told.insert(sequence);
        sequence
    }

    /// What the callers know that they hold.
    pub(super) fn holding(&self) -> i64 {
        let heard = self.taken.keys();
        let holds = heard.filter(|sequence| self.holds.contains(sequence));
        i64::try_from(holds.count()).expect("few")
    }

    pub(super) fn step(&mut self, step: Step) {
        match step {
            Step::Hold => {
                self.hold();
            }
            Step::Tell => {
                self.tell();
            }
            Step::Submit { size, reply } => {
                self.submit(size, reply);
            }
            Step::ClientSends => self.to_server.extend(self.lane.next_frame(self.now)),
            Step::ServerReceives => {
                if let Some(frame) = self.to_server.pop_front() {
                    self.model.receive(&frame);
                }
            }
            Step::ServerSends(count) => self.to_client.extend(self.model.send(count)),
            Step::ClientReceives => {
                if let Some(frame) = self.to_client.pop_front() {
                    self.lane
                        .on_frame(frame)
                        .expect("the model keeps to the protocol");
                }
            }
            Step::Take(at) => {
                if let Some(sequence) = self.waiting.iter().nth(at).copied() {
                    self.take(sequence);
                }
            }
            Step::Abandon(at) => {
                if let Some(sequence) = self.waiting.iter().nth(at).copied() {
                    self.waiting.remove(&sequence);
                    if !self.holds.contains(&sequence) {
                        self.withdrawn.insert(sequence);
                    }
                    self.lane.abandon(sequence);
                }
            }
            Step::AcknowledgeNow => self.lane.acknowledge_now(),
            Step::Cut {
                to_server,
                to_client,
            } => self.cut(to_server, to_client),
        }
    }

    pub(super) fn take(&mut self, sequence: u64) -> bool {
        let Poll::Ready(reply) = self.poll(sequence) else {
            return false;
        };
        let Ok(Value::List(items)) = reply.expect("answered").result else {
            panic!("a sum and padding");
        };
        self.waiting.remove(&sequence);
        self.taken
            .insert(sequence, items[0].as_int().expect("a sum"));
        true
    }

    pub(super) fn poll(&mut self, sequence: u64) -> Poll<Result<Reply>> {
        self.lane
            .poll_take(sequence, &mut Context::from_waker(Waker::noop()))
    }

    pub(super) fn cut(&mut self, to_server: usize, to_client: usize) {
        self.to_server
            .truncate(self.to_server.len().saturating_sub(to_server));
        self.to_client
            .truncate(self.to_client.len().saturating_sub(to_client));
        for frame in std::mem::take(&mut self.to_server) {
            self.model.receive(&frame);
        }
        for frame in std::mem::take(&mut self.to_client) {
            self.lane
                .on_frame(frame)
                .expect("the model keeps to the protocol");
        }
        self.lane.disconnected();
        assert_eq!(
            self.lane.next_frame(self.now),
            None,
            "nothing is sent without a connection"
        );
        let acknowledged = self.lane.acknowledged().to_vec();
        let welcome = self.model.connect(&acknowledged);
        self.lane.connected(&welcome);
    }

    /// Lets everything arrive.
    pub(super) fn settle(&mut self) {
        for _ in 0..10_000 {
            self.lane.acknowledge_now();
            let frame = self.lane.next_frame(self.now);
            // A reply that arrives now may still have to be acknowledged in the next round.
            let quiet = frame.is_none()
                && self.model.replies.is_empty()
                && self.to_server.is_empty()
                && self.to_client.is_empty();
            self.to_server.extend(frame);
            self.step(Step::ServerReceives);
            self.step(Step::ServerSends(3));
            self.step(Step::ClientReceives);
            let done: Vec<u64> = self.waiting.iter().copied().collect();
            let taken = done
                .into_iter()
                .filter(|sequence| self.take(*sequence))
                .count();
            if quiet && taken == 0 {
                return;
            }
        }
        panic!("it never comes to rest");
    }
}

/// What calls get that no connection carried.
pub(super) fn error() -> Error {
    Error::Closed
}

/// What calls get of which nobody knows.
pub(super) fn unknown() -> Error {
    Error::Interrupted {
        happened: Happened::Unknown,
    }
}
