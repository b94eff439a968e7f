//! What a client got in a reply that never left, when the client does not come back.

use super::harness::{World, kept, plain};
use super::locks::die;
use super::peer::Peer;
use super::queues::{jobs, put};
use commonhold_proto::{Call, Code, Durability, Target, Value};

const DURABILITIES: [Durability; 3] =
    [Durability::Durable, Durability::Relaxed, Durability::Memory];

/// A queue with one item, somebody who looks, and somebody who gets it in a reply that has not left.
fn got(world: &mut World, target: &Target) -> (Peer, Peer, u64) {
    let (mut other, mut getter) = (world.peer("other"), world.peer("getter"));
    other.ask(world, target, put(0)).expect("there is room");
    let got = getter.call(world, target, plain("get"));
    world.settle();
    (other, getter, got)
}

#[track_caller]
fn check_items(world: &mut World, peer: &mut Peer, target: &Target, items: &[i64]) {
    let peek = Call::new("peek", [100.into()]);
    // What was got and not undone is not done either.
    let unfinished = items.len().max(1);
    let items = items.iter().map(|item| (*item).into()).collect();
    assert_eq!(peer.ask(world, target, peek), Ok(Value::List(items)));
    assert_eq!(peer.get(world, target, "unfinished"), unfinished.into());
}

#[test]
fn what_a_dead_client_never_saw_is_at_its_place_again() {
    for durability in DURABILITIES {
        let target = kept("queue", "jobs", durability);
        // Its process dies, before and after its connection is seen to be gone.
        for disconnects in [false, true] {
            let mut world = World::new();
            let (mut other, mut getter, _) = got(&mut world, &target);
            other.ask(&mut world, &target, put(1)).expect("room");
            if disconnects {
                getter.disconnect(&world);
            }
            die(&mut world, &getter);
            check_items(&mut world, &mut other, &target, &[0, 1]);
            if durability != Durability::Memory {
                world.crash();
                other.connect(&world);
                check_items(&mut world, &mut other, &target, &[0, 1]);
            }
        }
    }
}

#[test]
fn it_goes_to_the_next_in_line() {
    let mut world = World::new();
    let (mut other, getter, _) = got(&mut world, &jobs());
    let waits = other.call(&world, &jobs(), plain("get"));
    die(&mut world, &getter);
    other.receive(&world);
    assert_eq!(other.result(waits), Ok(0.into()));
}

/// It waits for the store when its client dies.
#[test]
fn a_reply_that_waits_for_the_store_has_not_left() {
    let mut world = World::new();
    let (mut other, mut getter) = (world.peer("other"), world.peer("getter"));
    other.ask(&mut world, &jobs(), put(0)).expect("room");
    getter.call(&world, &jobs(), plain("get"));
    assert!(getter.receive(&world), "the reply is held");
    die(&mut world, &getter);
    check_items(&mut world, &mut other, &jobs(), &[0]);
}

#[test]
fn what_left_is_not_undone() {
    let mut world = World::new();
    let (mut other, mut getter, got) = got(&mut world, &jobs());
    getter.receive(&world);
    assert_eq!(getter.result(got), Ok(0.into()));
    die(&mut world, &getter);
    check_items(&mut world, &mut other, &jobs(), &[]);
}

/// A client that may come back is told what it got, and only when it is forgotten somebody else gets it.
#[test]
fn who_may_come_back_keeps_what_it_got_until_it_is_forgotten() {
    let mut world = World::new();
    let (mut other, mut getter, got) = got(&mut world, &jobs());
    getter.disconnect(&world);
    world.advance(world.engine.limits.session_memory / 2);
    world.settle();
    check_items(&mut world, &mut other, &jobs(), &[]);
    // It is back, and breaks off again before the reply leaves.
    getter.connect(&world);
    getter.disconnect(&world);
    world.advance(world.engine.limits.session_memory / 2);
    world.settle();
    getter.connect(&world);
    getter.receive(&world);
    assert_eq!(getter.result(got), Ok(0.into()));
    getter.disconnect(&world);
    world.advance(2 * world.engine.limits.session_memory);
    world.settle();
    other.connect(&world);
    check_items(&mut world, &mut other, &jobs(), &[]);
}

#[test]
fn what_nobody_fetched_comes_back_when_its_client_is_forgotten() {
    for durability in DURABILITIES {
        let target = kept("queue", "jobs", durability);
        let mut world = World::new();
        let (mut other, mut getter, _) = got(&mut world, &target);
        getter.disconnect(&world);
        world.advance(2 * world.engine.limits.session_memory);
        world.settle();
        assert!(world.engine.session(getter.session).is_none());
        check_items(&mut world, &mut other, &target, &[0]);
        world.settle();
        if durability != Durability::Memory {
            world.crash();
            other.connect(&world);
            check_items(&mut world, &mut other, &target, &[0]);
        }
    }
}

/// A client says goodbye on one lane, and never fetched what it got on another.
#[test]
fn what_a_client_left_behind_comes_back_at_its_goodbye() {
    let mut world = World::new();
    let (mut other, mut getter, _) = got(&mut world, &jobs());
    let _second = getter.another_lane(&world, 1);
    getter.disconnect(&world);
    let session = world.engine.session(getter.session).expect("known");
    world.engine.goodbye(&session);
    check_items(&mut world, &mut other, &jobs(), &[0]);
}

/// Whoever undoes it makes that its outcome: should the client be alive after all, it is told so.
#[test]
fn a_client_that_was_taken_for_dead_is_told() {
    let mut world = World::new();
    let (mut other, mut getter, got) = got(&mut world, &jobs());
    die(&mut world, &getter);
    getter.connect(&world);
    world.settle();
    getter.receive(&world);
    let refusal = getter.result(got).expect_err("it was undone");
    assert_eq!(refusal.code, Code::Cancelled);
    check_items(&mut world, &mut other, &jobs(), &[0]);
}

/// After a restart nobody knows whether a reply left: it counts as one that did.
#[test]
fn after_a_restart_nothing_is_undone() {
    let mut world = World::new();
    let (mut other, getter, _) = got(&mut world, &jobs());
    world.crash();
    other.connect(&world);
    die(&mut world, &getter);
    check_items(&mut world, &mut other, &jobs(), &[]);
}

/// A large reply travels in parts: as long as one is missing, nobody can have looked at it.
#[test]
fn a_reply_that_left_in_part_has_not_left() {
    let mut world = World::new();
    let (mut other, mut getter) = (world.peer("other"), world.peer("getter"));
    let large = Value::Bytes(vec![7; 1 << 20].into());
    let put = Call::new("put", [large.clone()]);
    other.ask(&mut world, &jobs(), put).expect("there is room");
    getter.call(&world, &jobs(), plain("get"));
    world.settle();
    assert!(getter.receive_frame(&world), "a part of it came");
    die(&mut world, &getter);
    let peek = Call::new("peek", [1.into()]);
    let left = other.ask(&mut world, &jobs(), peek);
    assert_eq!(left, Ok(Value::List(vec![large])));
}
