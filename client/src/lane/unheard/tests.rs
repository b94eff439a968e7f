//! What becomes of calls that nobody waits for.

use crate::lane::frame::PREFIX;
use crate::lane::model::{Model, Step, World, error, hold, unknown};
use crate::lane::*;

#[test]
fn the_reply_of_an_abandoned_call_is_acknowledged_when_it_comes_last() {
    let mut world = World::new();
    let sequence = world.submit(0, 0);
    world.step(Step::ClientSends);
    world.step(Step::Abandon(0));
    for step in [
        Step::ServerReceives,
        Step::ClientSends,
        Step::ServerReceives,
        Step::ServerSends(1),
    ] {
        world.step(step);
    }
    world.settle();
    assert!(world.model.outcomes.is_empty());
    assert_eq!(world.model.acknowledged, [sequence].into());
}

/// Its cancel may be read before it is: only what is sent after the reply comes after the call.
#[test]
fn a_call_dropped_before_its_reply_came_is_cancelled_again_when_it_comes() {
    let mut world = World::new();
    let sequence = world.submit(0, 0);
    for step in [
        Step::ClientSends,
        Step::ServerReceives,
        Step::ServerSends(1),
    ] {
        world.step(step);
    }
    assert_eq!(world.lane.abandon(sequence), Happened::Unknown);
    let mut frames = Vec::new();
    for step in [None, Some(Step::ClientReceives)] {
        assert!(!world.lane.is_withdrawn(sequence));
        if let Some(step) = step {
            world.step(step);
            assert!(!world.lane.is_withdrawn(sequence), "it is cancelled again");
        }
        while let Some(frame) = world.lane.next_frame(world.now) {
            frames.push(wire::ClientFrame::decode(&frame[PREFIX..]).expect("a frame"));
        }
    }
    assert!(world.lane.is_withdrawn(sequence));
    let range = wire::Range {
        first: sequence,
        last: sequence,
    };
    let said = frames.iter();
    let said: Vec<_> = said
        .map(|frame| (&frame.cancel[..], &frame.acknowledged[..]))
        .collect();
    let none: [&[wire::Range]; 1] = [&[]];
    let cancel = [sequence];
    assert_eq!(
        said,
        [
            (&cancel[..], none[0]),
            (&cancel[..], none[0]),
            (&[], &[range])
        ]
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

/// A resume that only acknowledged it would say that its caller has the reply.
#[test]
fn a_cancel_that_was_lost_with_its_acknowledgement_is_said_again_before_it() {
    for lost in 1..=2 {
        let mut world = World::new();
        let sequence = world.submit(0, 0);
        for step in [
            Step::ClientSends,
            Step::ServerReceives,
            Step::ServerSends(1),
            Step::ClientReceives,
            Step::Abandon(0),
            Step::ClientSends,
            Step::ClientSends,
        ] {
            world.step(step);
        }
        assert_eq!(world.to_server.len(), 2, "the cancel, and the rest");
        world.cut(lost, 0);
        world.settle();
        assert_eq!(world.model.acknowledged, [sequence].into());
        assert!(world.model.consumed.is_empty(), "{lost} frames lost");
        // Once a later call is answered, nothing is left to be said.
        let later = world.submit(0, 0);
        world.settle();
        world.cut(0, 0);
        assert!(world.taken.contains_key(&later) && world.lane.retired.is_empty());
    }
}

#[test]
fn what_nobody_awaits_is_sent_before_the_goodbye() {
    let mut world = World::new();
    let told = world.tell();
    world.lane.abandon_all(&error(), &unknown());
    world.lane.say_goodbye();
    world.settle();
    assert_eq!(world.model.executed, [told].into());
    assert!(world.model.goodbye);
}

#[test]
fn what_nobody_awaits_is_not_cancelled_and_goes_on_after_a_cut() {
    let mut world = World::new();
    let told = world.tell();
    let frame = world.lane.next_frame(world.now).expect("a frame");
    let frame = wire::ClientFrame::decode(&frame[PREFIX..]).expect("a frame");
    assert_eq!(frame.calls[0].sequence, told);
    assert_eq!(world.lane.next_frame(world.now), None);
    world.cut(1, 0);
    world.settle();
    assert_eq!(world.model.executed, [told].into());
    assert_eq!(world.model.acknowledged, [told].into());
}

#[test]
fn what_gives_back_what_a_lost_session_held_is_not_sent_in_the_next_one() {
    let mut world = World::new();
    world.lane.disconnected();
    let told = world.tell();
    world.lane.forget_session(&unknown());
    world.model = Model::default();
    let welcome = world.model.connect(&[]);
    world.lane.connected(&welcome);
    world.settle();
    assert!(world.model.executed.is_empty());
    assert_eq!(world.model.acknowledged, [told].into());
}

#[test]
fn what_a_lost_session_granted_is_no_grant_in_the_next_one() {
    let mut world = World::new();
    let sequence = world.hold();
    for step in [
        Step::ClientSends,
        Step::ServerReceives,
        Step::ServerSends(1),
        Step::ClientReceives,
    ] {
        world.step(step);
    }
    world.lane.forget_session(&unknown());
    let polled = world
        .lane
        .poll_take(sequence, &mut Context::from_waker(Waker::noop()));
    assert!(matches!(polled, Poll::Ready(Err(_))), "{polled:?}");
}

#[test]
fn what_a_dropped_call_took_is_given_back_wherever_it_was() {
    // On its way, at the server, on its way back, and here but not taken; and with a cut after that.
    let way = [
        Step::ClientSends,
        Step::ServerReceives,
        Step::ServerSends(1),
        Step::ClientReceives,
    ];
    for reached in 0..=way.len() {
        for cut in [None, Some((0, 0)), Some((1, 1))] {
            let mut world = World::new();
            let sequence = world.hold();
            way[..reached].iter().for_each(|step| world.step(*step));
            let happened = world.lane.abandon(sequence);
            assert_eq!(happened == Happened::No, reached == 0);
            world.waiting.clear();
            if let Some((to_server, to_client)) = cut {
                world.cut(to_server, to_client);
            }
            world.settle();
            assert_eq!(world.model.held, 0, "{reached} {cut:?}");
            assert!(world.lane.calls.is_empty() && world.model.outcomes.is_empty());
        }
    }
}

#[test]
fn what_was_under_way_is_given_back_when_the_lane_closes() {
    let mut world = World::new();
    let sequence = world.hold();
    world.step(Step::ClientSends);
    world.lane.abandon_all(&error(), &unknown());
    assert!(matches!(
        world.poll(sequence),
        Poll::Ready(Err(Error::Interrupted { .. }))
    ));
    world.waiting.clear();
    world.lane.say_goodbye();
    world.settle();
    assert_eq!(world.model.executed.len(), 2);
    assert_eq!(world.model.held, 0);
    assert!(world.model.goodbye);
}

#[test]
fn a_dropped_call_that_is_asked_about_does_not_wait() {
    let mut world = World::new();
    let sequence = world.lane.submit(hold(), world.now);
    world.step(Step::ClientSends);
    world.cut(1, 0);
    world.lane.abandon(sequence);
    let frame = world.lane.next_frame(world.now).expect("a frame");
    let frame = wire::ClientFrame::decode(&frame[PREFIX..]).expect("a frame");
    assert_eq!(frame.calls[0].sequence, sequence);
    assert_eq!(frame.calls[0].timeout_ms, Some(0));
}
