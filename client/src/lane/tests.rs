//! A lane against a model of a server, through random cuts.

use super::frame::PREFIX;
use super::*;
use commonhold_proto::{Call, Owner, Refusal, Target, Value};
use proptest::prelude::*;
use std::collections::BTreeSet;

const CREDITS: u32 = 4;

/// Executes calls, remembers outcomes, and panics wherever a lane breaks the protocol.
#[derive(Default)]
struct Model {
    executed: BTreeSet<u64>,
    /// Outcomes that are not acknowledged: the sum after the call.
    outcomes: BTreeMap<u64, i64>,
    acknowledged: BTreeSet<u64>,
    sum: i64,
    credits: u32,
    staged: BTreeMap<u64, Vec<u8>>,
    replies: VecDeque<wire::Reply>,
    goodbye: bool,
}

impl Model {
    fn connect(&mut self, acknowledged: &[wire::Range]) -> wire::Welcome {
        self.credits = CREDITS;
        self.staged.clear();
        self.replies.clear();
        self.acknowledge(acknowledged);
        wire::Welcome {
            credits: CREDITS,
            value_bytes_max: 1 << 20,
            ..wire::Welcome::default()
        }
    }

    fn acknowledge(&mut self, ranges: &[wire::Range]) {
        for number in ranges.iter().flat_map(|range| range.first..=range.last) {
            self.acknowledged.insert(number);
            self.outcomes.remove(&number);
        }
    }

    fn receive(&mut self, bytes: &[u8]) {
        let frame = wire::ClientFrame::decode(&bytes[PREFIX..]).expect("a frame");
        assert!(!self.goodbye, "nothing follows a goodbye");
        self.acknowledge(&frame.acknowledged);
        frame.calls.into_iter().for_each(|call| self.call(call));
        for part in frame.parts {
            let staged = self.staged.entry(part.sequence).or_default();
            staged.extend(part.data);
            if part.last {
                let whole = self.staged.remove(&part.sequence).expect("it is there");
                self.call(wire::Call::decode(&whole[..]).expect("a call"));
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

    fn call(&mut self, call: wire::Call) {
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
            self.outcomes.insert(sequence, self.sum);
            self.sum
        });
        let size = call.arguments[0].as_int().expect("the size of the reply");
        let padding = Value::Bytes(vec![0; usize::try_from(size).expect("small")].into());
        self.replies.push_back(wire::Reply {
            sequence,
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
struct World {
    lane: Lane,
    model: Model,
    to_server: VecDeque<Bytes>,
    to_client: VecDeque<wire::ServerFrame>,
    now: Instant,
    waiting: BTreeSet<u64>,
    taken: BTreeMap<u64, i64>,
}

#[derive(Clone, Debug)]
enum Step {
    Submit {
        size: usize,
        reply: u32,
    },
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

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0usize..20, prop_oneof![Just(0u32), Just(300)])
            .prop_map(|(size, reply)| Step::Submit { size, reply }),
        1 => Just(Step::Submit { size: 300 << 10, reply: 0 }),
        6 => Just(Step::ClientSends),
        6 => Just(Step::ServerReceives),
        6 => (1usize..4).prop_map(Step::ServerSends),
        6 => Just(Step::ClientReceives),
        4 => (0usize..4).prop_map(Step::Take),
        1 => (0usize..4).prop_map(Step::Abandon),
        1 => Just(Step::AcknowledgeNow),
        1 => (0usize..3, 0usize..3).prop_map(|(to_server, to_client)| Step::Cut { to_server, to_client }),
    ]
}

fn submission(size: usize, reply: u32) -> Submission {
    let arguments = vec![reply.into(), Value::Bytes(vec![1; size].into())];
    let call = Call::new("increment", arguments);
    let body = call.into_wire(0, Target::Oid(commonhold_proto::Oid(1)), None, Owner(0));
    Submission {
        body: body.encode_to_vec().into(),
        timeout: None,
        repeatable: false,
    }
}

impl World {
    fn new() -> World {
        let mut world = World {
            lane: Lane::default(),
            model: Model::default(),
            to_server: VecDeque::new(),
            to_client: VecDeque::new(),
            now: Instant::now(),
            waiting: BTreeSet::new(),
            taken: BTreeMap::new(),
        };
        let welcome = world.model.connect(&[]);
        world.lane.connected(&welcome);
        world
    }

    fn submit(&mut self, size: usize, reply: u32) -> u64 {
        let sequence = self.lane.submit(submission(size, reply), self.now);
        self.waiting.insert(sequence);
        sequence
    }

    fn step(&mut self, step: Step) {
        match step {
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

    fn take(&mut self, sequence: u64) -> bool {
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

    fn poll(&mut self, sequence: u64) -> Poll<Result<Reply>> {
        self.lane
            .poll_take(sequence, &mut Context::from_waker(Waker::noop()))
    }

    fn cut(&mut self, to_server: usize, to_client: usize) {
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
    fn settle(&mut self) {
        for _ in 0..10_000 {
            self.lane.acknowledge_now();
            let frame = self.lane.next_frame(self.now);
            let quiet =
                frame.is_none() && self.model.replies.is_empty() && self.to_server.is_empty();
            self.to_server.extend(frame);
            self.step(Step::ServerReceives);
            self.step(Step::ServerSends(3));
            self.step(Step::ClientReceives);
            let done: Vec<u64> = self.waiting.iter().copied().collect();
            let taken = done
                .into_iter()
                .filter(|sequence| self.take(*sequence))
                .count();
            if quiet && taken == 0 && self.to_client.is_empty() {
                return;
            }
        }
        panic!("it never comes to rest");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn every_call_happens_once_through_all_cuts(steps in prop::collection::vec(step(), 0..120)) {
        let mut world = World::new();
        steps.into_iter().for_each(|step| world.step(step));
        world.settle();
        prop_assert!(world.waiting.is_empty(), "unanswered: {:?}", world.waiting);
        // Each got the reply of its own call: sums are those of the model, and no two are the same.
        let sums: BTreeSet<i64> = world.taken.values().copied().collect();
        prop_assert_eq!(sums.len(), world.taken.len());
        prop_assert!(world.taken.keys().all(|sequence| world.model.executed.contains(sequence)));
        prop_assert!(world.model.outcomes.is_empty(), "never acknowledged: {:?}", world.model.outcomes);
        prop_assert!(world.lane.calls.is_empty());
        // Nothing is left that keeps a goodbye back.
        world.lane.say_goodbye();
        world.settle();
        prop_assert!(world.model.goodbye);
    }
}

fn error() -> Error {
    Error::Closed
}

fn unknown() -> Error {
    Error::Interrupted {
        happened: Happened::Unknown,
    }
}

#[test]
fn credits_bound_what_is_sent_and_the_rest_waits_in_order() {
    let mut world = World::new();
    (0..10).for_each(|_| {
        world.submit(0, 0);
    });
    world.step(Step::ClientSends);
    world.step(Step::ServerReceives);
    assert_eq!(world.model.executed, (1..=4).collect());
    assert_eq!(world.lane.next_frame(world.now), None);
    world.step(Step::ServerSends(2));
    world.step(Step::ClientReceives);
    world.step(Step::ClientSends);
    world.step(Step::ServerReceives);
    assert_eq!(world.model.executed, (1..=6).collect());
}

#[test]
fn calls_of_one_moment_share_a_frame_and_large_ones_let_small_ones_pass() {
    let mut world = World::new();
    let large = world.submit(300 << 10, 0);
    let small = world.submit(0, 0);
    let frame = world.lane.next_frame(world.now).expect("a frame");
    let frame = wire::ClientFrame::decode(&frame[PREFIX..]).expect("a frame");
    assert_eq!(
        frame
            .calls
            .iter()
            .map(|call| call.sequence)
            .collect::<Vec<_>>(),
        [small]
    );
    assert_eq!(frame.parts[0].sequence, large);
    assert!(!frame.parts[0].last);
}

#[test]
fn acknowledgements_ride_along_or_go_alone_when_they_are_many() {
    let mut world = World::new();
    for _ in 0..300 {
        let sequence = world.submit(0, 0);
        world.step(Step::ClientSends);
        world.step(Step::ServerReceives);
        world.step(Step::ServerSends(1));
        world.step(Step::ClientReceives);
        assert!(world.take(sequence));
    }
    assert_eq!(
        world.model.outcomes.len(),
        1,
        "each call carried what was owed"
    );
    assert!(world.lane.owes_acknowledgements());
    assert_eq!(
        world.lane.next_frame(world.now),
        None,
        "one is not worth a frame"
    );
    world.lane.acknowledge_now();
    world.step(Step::ClientSends);
    world.step(Step::ServerReceives);
    assert!(world.model.outcomes.is_empty());
}

#[test]
fn a_call_sent_again_has_only_the_time_that_remains() {
    let mut world = World::new();
    let timeout = Some(Duration::from_secs(10));
    let waits = Submission {
        timeout,
        ..submission(0, 0)
    };
    world.lane.submit(waits, world.now);
    let sent = |world: &mut World, after: u64| {
        let frame = world
            .lane
            .next_frame(world.now + Duration::from_secs(after))
            .expect("a frame");
        wire::ClientFrame::decode(&frame[PREFIX..])
            .expect("a frame")
            .calls[0]
            .clone()
    };
    let first = sent(&mut world, 0);
    assert_eq!(first.timeout_ms, Some(10_000));
    world.cut(9, 9);
    let again = sent(&mut world, 4);
    assert_eq!(
        again,
        wire::Call {
            timeout_ms: Some(6000),
            ..first
        }
    );
    world.cut(9, 9);
    assert_eq!(sent(&mut world, 11).timeout_ms, Some(0));
}

#[test]
fn a_forgotten_session_makes_sent_writes_unknown_and_nothing_else() {
    let mut world = World::new();
    let write = world.submit(0, 0);
    let read = world.lane.submit(
        Submission {
            repeatable: true,
            ..submission(0, 0)
        },
        world.now,
    );
    world.step(Step::ClientSends);
    world.to_server.clear();
    let never_sent = world.submit(0, 0);
    world.lane.disconnected();
    world.lane.forget_session(&unknown());
    let Poll::Ready(Err(lost)) = world.poll(write) else {
        panic!("it cannot be known");
    };
    assert_eq!(lost.happened(), Happened::Unknown);
    world.model = Model::default();
    let welcome = world.model.connect(&[]);
    world.lane.connected(&welcome);
    world.waiting = [read, never_sent].into();
    world.settle();
    assert_eq!(world.model.executed, [read, never_sent].into());
    assert_eq!(
        world.model.acknowledged,
        (1..=never_sent).collect(),
        "no gap is left"
    );
}

#[test]
fn what_was_never_sent_did_not_happen() {
    let mut world = World::new();
    let sent = world.submit(0, 0);
    world.step(Step::ClientSends);
    let never_sent = world.submit(0, 0);
    world.lane.disconnected();
    world.lane.fail(&error(), &unknown());
    assert!(matches!(
        world.poll(sent),
        Poll::Ready(Err(Error::Interrupted { .. }))
    ));
    assert!(matches!(
        world.poll(never_sent),
        Poll::Ready(Err(Error::Closed))
    ));
}

#[test]
fn a_call_whose_time_is_over_does_not_wait_for_a_connection() {
    let mut world = World::new();
    let timeout = Some(Duration::from_secs(1));
    let short = world.lane.submit(
        Submission {
            timeout,
            ..submission(0, 0)
        },
        world.now,
    );
    let long = world.submit(0, 0);
    world.lane.disconnected();
    let (slack, second) = (Duration::from_secs(2), Duration::from_secs(1));
    let due = world.lane.expire(world.now, slack, &error(), &unknown());
    assert_eq!(due, Some(world.now + 3 * second));
    assert_eq!(
        world
            .lane
            .expire(world.now + 3 * second, slack, &error(), &unknown()),
        None
    );
    assert!(matches!(world.poll(short), Poll::Ready(Err(Error::Closed))));
    assert!(world.poll(long).is_pending());
}

#[test]
fn replies_to_nobody_are_thrown_away() {
    let mut world = World::new();
    let sequence = world.submit(0, 0);
    let refusal = Refusal::new(commonhold_proto::Code::Full, "no");
    let reply = Reply {
        result: Err(refusal),
        revision: commonhold_proto::Revision(0),
        remembered: false,
        oid: None,
    };
    let frame = wire::ServerFrame {
        replies: vec![reply.clone().into_wire(sequence), reply.into_wire(99)],
        ..wire::ServerFrame::default()
    };
    world.lane.on_frame(frame).expect("no violation");
    assert!(
        world.poll(sequence).is_pending(),
        "it was never sent, so nobody can have answered it"
    );
}

#[test]
fn a_call_dropped_after_its_reply_came_is_cancelled_before_it_is_acknowledged() {
    let mut world = World::new();
    let sequence = world.submit(0, 0);
    for step in [
        Step::ClientSends,
        Step::ServerReceives,
        Step::ServerSends(1),
        Step::ClientReceives,
    ] {
        world.step(step);
    }
    assert_eq!(world.lane.abandon(sequence), Happened::Unknown);
    let frames: Vec<wire::ClientFrame> = std::iter::from_fn(|| world.lane.next_frame(world.now))
        .map(|frame| wire::ClientFrame::decode(&frame[PREFIX..]).expect("a frame"))
        .collect();
    assert_eq!(frames[0].cancel, [sequence]);
    assert!(frames[0].acknowledged.is_empty());
    assert_eq!(
        frames[1].acknowledged,
        [wire::Range {
            first: sequence,
            last: sequence
        }]
    );
    assert_eq!(frames.len(), 2);
}
