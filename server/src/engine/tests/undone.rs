//! Cancels of calls that are done: what they did is undone, once, if their kind can.

use super::harness::{World, kept, named, plain};
use super::peer::Peer;
use super::queues::{jobs, put};
use commonhold_proto::{Call, Code, Durability, Refusal, Target, Value};
use std::time::Duration;

/// A queue with these items.
#[track_caller]
fn filled(world: &mut World, target: &Target, items: i64) -> Peer {
    let mut peer = world.peer("peer");
    for item in 0..items {
        peer.ask(world, target, put(item)).expect("there is room");
    }
    peer
}

#[track_caller]
fn is_cancelled(answer: Result<Value, Refusal>) {
    assert_eq!(answer.expect_err("undone").code, Code::Cancelled);
}

#[track_caller]
fn check_items(world: &mut World, peer: &mut Peer, target: &Target, items: &[i64]) {
    let peek = Call::new("peek", [100.into()]);
    let items = items.iter().map(|item| (*item).into()).collect();
    assert_eq!(peer.ask(world, target, peek), Ok(Value::List(items)));
    let unfinished = peer.get(world, target, "unfinished");
    assert_eq!(unfinished, peer.get(world, target, "len"));
}

#[test]
fn what_was_got_and_not_consumed_is_at_its_place_again() {
    for durability in [Durability::Durable, Durability::Relaxed, Durability::Memory] {
        for call in [
            plain("get"),
            Call::new("get_many", [1.into()]),
            Call::new("get_many", [2.into()]),
            plain("take"),
        ] {
            let mut world = World::new();
            let target = kept("queue", "jobs", durability);
            let mut peer = filled(&mut world, &target, 3);
            let got = peer.call(&world, &target, call.clone());
            world.settle();
            peer.receive(&world);
            peer.result(got).expect("there are some");
            peer.cancel(&world, got);
            world.settle();
            peer.receive(&world);
            check_items(&mut world, &mut peer, &target, &[0, 1, 2]);
            // Sent again it is what it is now.
            peer.note_again(got, &target, call);
            peer.send_again(&world, got);
            world.settle();
            peer.receive(&world);
            is_cancelled(peer.result(got));
            check_items(&mut world, &mut peer, &target, &[0, 1, 2]);
        }
    }
}

/// A reply that waits for the store has not left: its client is told what is true.
#[test]
fn a_reply_that_has_not_left_is_replaced() {
    let mut world = World::new();
    let mut peer = filled(&mut world, &jobs(), 2);
    let got = peer.call(&world, &jobs(), plain("get"));
    let credits = peer.credits();
    peer.cancel(&world, got);
    world.settle();
    peer.receive(&world);
    is_cancelled(peer.result(got));
    check_items(&mut world, &mut peer, &jobs(), &[0, 1]);
    assert!(peer.credits() <= credits + 3, "no credit comes back twice");
}

#[test]
fn it_is_undone_once() {
    let mut world = World::new();
    let mut peer = filled(&mut world, &jobs(), 2);
    let mut other = world.peer("other");
    let got = peer.call(&world, &jobs(), plain("get"));
    world.settle();
    peer.receive(&world);
    peer.cancel(&world, got);
    // Somebody else has it now: the second cancel leaves it there.
    assert_eq!(other.get(&mut world, &jobs(), "get"), 0.into());
    peer.cancel(&world, got);
    world.settle();
    assert_eq!(other.get(&mut world, &jobs(), "len"), 1.into());
    world.crash();
    peer.join(&world);
    other.connect(&world);
    peer.cancel(&world, got);
    world.settle();
    assert_eq!(other.get(&mut world, &jobs(), "len"), 1.into());
    peer.note_again(got, &jobs(), plain("get"));
    peer.send_again(&world, got);
    world.settle();
    peer.receive(&world);
    is_cancelled(peer.result(got));
}

#[test]
fn what_is_acknowledged_is_not_undone() {
    let mut world = World::new();
    let mut peer = filled(&mut world, &jobs(), 2);
    let got = peer.call(&world, &jobs(), plain("get"));
    world.settle();
    peer.receive(&world);
    peer.acknowledge(&world);
    peer.cancel(&world, got);
    world.settle();
    assert_eq!(peer.get(&mut world, &jobs(), "len"), 1.into());
}

/// The reply was lost with the server; what undoes the call was not, in the log or in a checkpoint.
#[test]
fn a_restart_between_changes_nothing() {
    for checkpoint in [false, true] {
        let mut world = World::new();
        let mut peer = filled(&mut world, &jobs(), 2);
        let got = peer.call(&world, &jobs(), plain("get"));
        world.settle();
        if checkpoint {
            world.checkpoint();
        }
        world.crash();
        peer.join(&world);
        peer.cancel(&world, got);
        world.settle();
        world.crash();
        peer.join(&world);
        peer.send_again(&world, got);
        world.settle();
        peer.receive(&world);
        is_cancelled(peer.result(got));
        check_items(&mut world, &mut peer, &jobs(), &[0, 1]);
    }
}

/// The server dies before the undo is durable: the cancel comes again, or the reply stays what it was.
#[test]
fn an_undo_that_a_crash_takes_back_is_as_if_it_never_was() {
    let mut world = World::new();
    let mut peer = filled(&mut world, &jobs(), 2);
    let got = peer.call(&world, &jobs(), plain("get"));
    world.settle();
    peer.cancel(&world, got);
    world.crash();
    peer.connect(&world);
    world.settle();
    peer.receive(&world);
    assert_eq!(peer.result(got), Ok(0.into()));
    check_items_left(&mut world, &mut peer, 1);
    peer.cancel(&world, got);
    check_items(&mut world, &mut peer, &jobs(), &[0, 1]);
}

#[track_caller]
fn check_items_left(world: &mut World, peer: &mut Peer, left: i64) {
    assert_eq!(peer.get(world, &jobs(), "len"), left.into());
}

/// What its kind cannot undo, or not any more, happened: the reply stays.
#[test]
fn what_cannot_be_undone_stays() {
    let mut world = World::new();
    let mut peer = world.peer("peer");
    let counted = peer.call(&world, &named("counter", "n"), plain("increment"));
    world.settle();
    peer.cancel(&world, counted);
    peer.receive(&world);
    assert_eq!(peer.result(counted), Ok(1.into()));
    assert_eq!(
        peer.get(&mut world, &named("counter", "n"), "get"),
        1.into()
    );

    let mut peer = filled(&mut world, &jobs(), 1);
    let brief = Call::new("take", [1.into()]);
    let taken = peer.call(&world, &jobs(), brief.clone());
    world.settle();
    peer.receive(&world);
    world.advance(Duration::from_secs(2));
    let before = peer.result(taken);
    peer.cancel(&world, taken);
    peer.note_again(taken, &jobs(), brief);
    peer.send_again(&world, taken);
    world.settle();
    peer.receive(&world);
    assert_eq!(peer.result(taken), before);
}

/// It goes to whoever waits, as any other item.
#[test]
fn what_comes_back_goes_to_the_next_in_line() {
    let mut world = World::new();
    let mut peer = filled(&mut world, &jobs(), 1);
    let mut next = world.peer("next");
    let got = peer.call(&world, &jobs(), plain("get"));
    let waits = next.call(&world, &jobs(), plain("get"));
    world.settle();
    next.receive(&world);
    assert_eq!(next.reply(waits), None);
    peer.cancel(&world, got);
    world.settle();
    next.receive(&world);
    assert_eq!(next.result(waits), Ok(0.into()));
}

/// It waited, was granted, and is cancelled before its client saw the reply.
#[test]
fn a_wait_that_was_granted_is_undone() {
    let mut world = World::new();
    let (mut getter, mut putter) = (world.peer("getter"), world.peer("putter"));
    let got = getter.call(&world, &jobs(), plain("get"));
    putter
        .ask(&mut world, &jobs(), put(0))
        .expect("there is room");
    getter.cancel(&world, got);
    check_items(&mut world, &mut putter, &jobs(), &[0]);
}
