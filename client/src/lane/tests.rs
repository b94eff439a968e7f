//! What a lane promises, against a model of a server.

use super::frame::PREFIX;
use super::model::{Model, Step, VALUE_BYTES_MAX, World, error, step, submission, unknown};
use super::*;
use commonhold_proto::Refusal;
use proptest::prelude::*;
use std::collections::BTreeSet;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn every_call_happens_once_through_all_cuts(steps in prop::collection::vec(step(), 0..120)) {
        let mut world = World::new();
        for step in steps {
            world.step(step);
        }
        world.settle();
        prop_assert!(world.waiting.is_empty(), "unanswered: {:?}", world.waiting);
        // Each got the reply of its own call: sums are those of the model, and no two are the same.
        let sums: BTreeSet<i64> = world.taken.values().copied().collect();
        prop_assert_eq!(sums.len(), world.taken.len());
        prop_assert!(world.taken.keys().all(|sequence| world.model.executed.contains(sequence)));
        prop_assert!(world.model.outcomes.is_empty(), "never acknowledged: {:?}", world.model.outcomes);
        prop_assert!(world.lane.calls.is_empty());
        // Nothing is held of which nobody heard, and what nobody awaits was carried out.
        prop_assert_eq!(world.model.held, world.holding());
        prop_assert!(world.told.is_subset(&world.model.executed));
        // The server knows of every reply whether somebody looked at it.
        prop_assert!(world.model.consumed.is_disjoint(&world.withdrawn));
        prop_assert!(world.taken.keys().all(|sequence| world.model.consumed.contains(sequence)));
        // Nothing is left that keeps a goodbye back.
        world.lane.say_goodbye();
        world.settle();
        prop_assert!(world.model.goodbye);
    }
}

#[test]
fn what_was_sent_again_is_counted() {
    let mut world = World::new();
    // One is answered, of one the reply is lost, and one is lost on its way.
    for _ in 0..3 {
        world.submit(1, 0);
        world.step(Step::ClientSends);
    }
    world.step(Step::ServerReceives);
    world.step(Step::ServerSends(1));
    world.step(Step::ClientReceives);
    world.step(Step::ServerReceives);
    world.step(Step::ServerSends(1));
    world.cut(1, 1);
    world.settle();
    let expected = Stats {
        calls: 3,
        resent: 2,
        remembered: 1,
        reconnects: 1,
    };
    assert_eq!(world.lane.stats(), expected);
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

/// A call whose encoded form is so long.
fn call_of(bytes: usize) -> Submission {
    // The number takes two bytes, and lengths are as long from one to two MiB.
    let rest = submission(1 << 20, 0).body.len() + 2 - (1 << 20);
    submission(bytes - rest, 0)
}

#[test]
fn a_call_that_the_server_does_not_take_is_refused_before_it_is_sent() {
    let mut world = World::new();
    let limit = call_bytes_max(VALUE_BYTES_MAX);
    let largest = world.lane.submit(call_of(limit), world.now);
    let above = world.lane.submit(call_of(limit + 1), world.now);
    let Poll::Ready(Err(error)) = world.poll(above) else {
        panic!("it is refused");
    };
    assert_eq!(error.code(), Some(Code::ValueTooLarge), "{error}");
    assert_eq!(error.happened(), Happened::No);
    assert!(!error.is_retryable());
    world.settle();
    assert_eq!(world.model.executed, [largest].into());
    assert_eq!(world.model.longest, limit);
}

#[test]
fn a_call_from_before_the_welcome_is_measured_by_it() {
    let mut world = World::new();
    world.lane.disconnected();
    let limit = call_bytes_max(VALUE_BYTES_MAX);
    let above = world.lane.submit(call_of(limit + 1), world.now);
    assert!(world.poll(above).is_pending());
    world.lane.connected(&world.model.connect(&[]));
    let Poll::Ready(Err(error)) = world.poll(above) else {
        panic!("it is refused");
    };
    assert_eq!(error.code(), Some(Code::ValueTooLarge), "{error}");
    assert!(!world.lane.wants_connection());
}

#[test]
fn of_a_call_that_was_sent_to_a_server_with_a_higher_limit_nobody_knows_more() {
    let mut world = World::new();
    let sent = world
        .lane
        .submit(call_of(call_bytes_max(VALUE_BYTES_MAX)), world.now);
    world.step(Step::ClientSends);
    let lower = wire::Welcome {
        value_bytes_max: 1 << 10,
        ..world.model.connect(&[])
    };
    world.lane.connected(&lower);
    let Poll::Ready(Err(error)) = world.poll(sent) else {
        panic!("it ends");
    };
    assert_eq!(error.happened(), Happened::Unknown, "{error}");
    assert!(!error.is_retryable());
}
