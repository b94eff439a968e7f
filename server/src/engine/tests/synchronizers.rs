//! Events, semaphores and latches under what happens to clients and servers: deaths, crashes, broken connections.

use super::harness::{World, named, plain, sized};
use super::peer::Peer;
use commonhold_proto::{Call, Target};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn event() -> Target {
    named("event", "event")
}

/// A peer waits: the number of its call.
#[track_caller]
fn waiter(world: &mut World, peer: &mut Peer, target: &Target, call: Call) -> u64 {
    let sequence = peer.call(world, target, call);
    world.settle();
    peer.receive(world);
    assert_eq!(peer.reply(sequence), None, "it waits");
    sequence
}

/// More than are granted in one hold of the lock.
#[test]
fn all_waiters_of_an_event_are_released_although_it_is_cleared_at_once() {
    let mut world = World::new();
    let mut setter = world.peer("setter");
    let mut waiters: Vec<Peer> = (0..600).map(|_| world.peer("waiter")).collect();
    for peer in &mut waiters {
        peer.call(&world, &event(), plain("wait"));
    }
    setter.call(&world, &event(), plain("set"));
    setter.call(&world, &event(), plain("clear"));
    world.settle();
    for peer in &mut waiters {
        peer.receive(&world);
        assert_eq!(peer.result(1), Ok(true.into()));
    }
    assert_eq!(setter.get(&mut world, &event(), "is_set"), false.into());
}

/// A wait that was withdrawn with its connection is a new one: it sees the flag as it is when it comes back.
#[test]
fn who_was_away_sees_the_event_as_it_is() {
    let mut world = World::new();
    let (mut setter, mut peer) = (world.peer("setter"), world.peer("peer"));
    let first = waiter(&mut world, &mut peer, &event(), plain("wait"));
    peer.disconnect(&world);
    setter.get(&mut world, &event(), "set");
    peer.connect(&world);
    world.settle();
    peer.receive(&world);
    assert_eq!(peer.result(first), Ok(true.into()));
    world.crash();
    setter.connect(&world);
    assert_eq!(setter.get(&mut world, &event(), "is_set"), true.into());
}

#[test]
fn a_wait_for_an_event_ends_with_false_when_its_time_is_over() {
    let mut world = World::new();
    let mut peer = world.peer("peer");
    let sequence = peer.call_within(&world, &event(), plain("wait"), Some(SECOND));
    world.advance(2 * SECOND);
    world.settle();
    peer.receive(&world);
    assert_eq!(peer.result(sequence), Ok(false.into()));
}

#[test]
fn the_permits_of_the_dead_go_to_the_next_in_line() {
    for kind in ["semaphore", "bounded_semaphore"] {
        let mut world = World::new();
        let target = sized(kind, "permits", 2);
        let (mut holder, mut next) = (world.peer("holder"), world.peer("next"));
        let both = Call::new("acquire", [2.into()]);
        assert_eq!(
            holder.ask(&mut world, &target, both.clone()),
            Ok(true.into())
        );
        // What it holds is known after a restart.
        world.crash();
        next.connect(&world);
        holder.connect(&world);
        let sequence = waiter(&mut world, &mut next, &target, both);
        let session = world.engine.session(holder.session).expect("known");
        world.engine.died(&session);
        world.settle();
        next.receive(&world);
        assert_eq!(next.result(sequence), Ok(true.into()));
        assert_eq!(next.get(&mut world, &target, "value"), 0.into());
        next.ask(&mut world, &target, Call::new("release", [2.into()]))
            .expect("it holds two");
        assert_eq!(next.get(&mut world, &target, "value"), 2.into());
    }
}

/// The rest of an acquisition of which somebody else gave a part back is still its holder's.
#[test]
fn a_lent_row_that_another_session_rewrites_stays_lent() {
    let mut world = World::new();
    let target = sized("semaphore", "permits", 3);
    let (mut holder, mut other) = (world.peer("holder"), world.peer("other"));
    let three = Call::new("acquire", [3.into()]);
    assert_eq!(holder.ask(&mut world, &target, three), Ok(true.into()));
    other.get(&mut world, &target, "release");
    assert_eq!(other.get(&mut world, &target, "value"), 1.into());
    let session = world.engine.session(holder.session).expect("known");
    world.engine.died(&session);
    assert_eq!(other.get(&mut world, &target, "value"), 3.into());
}

#[test]
fn a_line_goes_on_behind_one_whose_time_is_over() {
    let mut world = World::new();
    let target = sized("semaphore", "permits", 1);
    let (mut first, mut second) = (world.peer("first"), world.peer("second"));
    let two = Call::new("acquire", [2.into()]);
    let waits = first.call_within(&world, &target, two, Some(SECOND));
    let behind = waiter(&mut world, &mut second, &target, plain("acquire"));
    world.advance(2 * SECOND);
    world.settle();
    first.receive(&world);
    second.receive(&world);
    assert_eq!(first.result(waits), Ok(false.into()));
    assert_eq!(second.result(behind), Ok(true.into()));
}

/// The server dies after the change was durable and before its reply was read: the call is sent again.
#[test]
fn what_is_sent_again_is_counted_once() {
    let mut world = World::new();
    let mut peer = world.peer("peer");
    let semaphore = sized("semaphore", "permits", 5);
    let latch = sized("latch", "count", 5);
    let taken = peer.call(&world, &semaphore, plain("acquire"));
    let counted = peer.call(&world, &latch, plain("count_down"));
    world.settle();
    world.crash();
    peer.connect(&world);
    world.settle();
    peer.receive(&world);
    assert_eq!(peer.result(taken), Ok(true.into()));
    assert_eq!(peer.result(counted), Ok(4.into()));
    assert_eq!(peer.get(&mut world, &semaphore, "value"), 4.into());
    assert_eq!(peer.get(&mut world, &latch, "get"), 4.into());
}

#[test]
fn a_latch_opens_once_and_stays_open_over_a_restart() {
    let mut world = World::new();
    let target = sized("latch", "count", 2);
    let (mut peer, mut counter) = (world.peer("peer"), world.peer("counter"));
    let waits = waiter(&mut world, &mut peer, &target, plain("wait"));
    assert_eq!(counter.get(&mut world, &target, "count_down"), 1.into());
    world.crash();
    peer.connect(&world);
    counter.connect(&world);
    world.settle();
    peer.receive(&world);
    assert_eq!(peer.reply(waits), None, "one is left to count");
    assert_eq!(counter.get(&mut world, &target, "count_down"), 0.into());
    peer.receive(&world);
    assert_eq!(peer.result(waits), Ok(true.into()));
    world.checkpoint();
    world.crash();
    peer.connect(&world);
    assert_eq!(peer.get(&mut world, &target, "wait"), true.into());
}
