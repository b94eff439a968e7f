//! Queues under what happens to clients and servers: lines, deaths, leases, crashes.

use super::harness::{World, named, opened, plain};
use super::peer::Peer;
use crate::session::CREDITS;
use commonhold_proto::{Call, Code, OpenOptions, Refusal, Target, Value};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const NOW: Option<Duration> = Some(Duration::ZERO);

pub(super) fn jobs() -> Target {
    named("queue", "jobs")
}

/// A queue with this option.
fn with(option: &str, value: i64) -> Target {
    let options = OpenOptions {
        options: vec![(option.to_owned(), value.into())],
        ..OpenOptions::default()
    };
    opened("queue", "jobs", options)
}

pub(super) fn put(item: impl Into<Value>) -> Call {
    Call::new("put", [item.into()])
}

fn take(lease: i64) -> Call {
    Call::new("take", [lease.into()])
}

fn ack(receipt: &Value) -> Call {
    Call::new("ack", [receipt.clone()])
}

/// Value, receipt and deliveries of what was taken.
#[track_caller]
fn parts(taken: Result<Value, Refusal>) -> [Value; 3] {
    let Ok(Value::Dict(fields)) = taken else {
        panic!("{taken:?} is nothing that was taken");
    };
    let values = fields.into_iter().map(|(_, value)| value);
    let values: Vec<Value> = values.collect();
    values.try_into().expect("it has three fields")
}

/// Begins a call that must wait: its number.
#[track_caller]
fn waits(world: &mut World, peer: &mut Peer, target: &Target, call: Call) -> u64 {
    let sequence = peer.call(world, target, call);
    world.settle();
    peer.receive(world);
    assert_eq!(peer.reply(sequence), None, "it waits");
    sequence
}

#[track_caller]
fn dies(world: &World, peer: &Peer) {
    let session = world.engine.session(peer.session).expect("known");
    world.engine.died(&session);
}

/// Each gives its credit back when it begins to wait.
#[test]
fn getters_that_wait_do_not_keep_the_putters_call_away() {
    let mut world = World::new();
    let mut peer = world.peer("peer");
    let getters: Vec<u64> = (0..2 * CREDITS)
        .map(|_| {
            let getter = peer.call(&world, &jobs(), plain("get"));
            peer.receive(&world);
            getter
        })
        .collect();
    peer.ask(&mut world, &jobs(), put("a"))
        .expect("there is room");
    assert_eq!(peer.result(getters[0]), Ok("a".into()));
    assert_eq!(peer.reply(getters[1]), None);
}

#[test]
fn a_get_that_may_not_wait_is_refused_at_once_although_others_wait() {
    let mut world = World::new();
    let (mut first, mut second) = (world.peer("first"), world.peer("second"));
    let getter = waits(&mut world, &mut first, &jobs(), plain("get"));
    for method in ["get", "take"] {
        let soon = second.call_within(&world, &jobs(), plain(method), NOW);
        let unblocked = plain(method).with("blocking", false);
        let unblocked = second.call(&world, &jobs(), unblocked);
        let wrong = second.call(&world, &jobs(), plain(method).with("blocking", 3));
        world.settle();
        second.receive(&world);
        let code = |sequence| second.result(sequence).expect_err("refused").code;
        assert_eq!(code(soon), Code::Empty);
        assert_eq!(code(unblocked), Code::Empty);
        assert_eq!(code(wrong), Code::BadArguments);
    }
    second
        .ask(&mut world, &jobs(), put(1))
        .expect("there is room");
    first.receive(&world);
    assert_eq!(first.result(getter), Ok(1.into()));
}

/// The lease begins when the item is handed out, not when it was asked for.
#[test]
fn a_take_that_waited_for_long_is_not_granted_already_expired() {
    let mut world = World::new();
    let (mut taker, mut putter) = (world.peer("taker"), world.peer("putter"));
    let taken = waits(&mut world, &mut taker, &jobs(), take(2));
    world.advance(1_000 * SECOND);
    putter
        .ask(&mut world, &jobs(), put("a"))
        .expect("there is room");
    taker.receive(&world);
    let [_, receipt, _] = parts(taker.result(taken));
    world.advance(SECOND);
    assert_eq!(putter.get(&mut world, &jobs(), "len"), 0.into());
    taker
        .ask(
            &mut world,
            &jobs(),
            Call::new("extend", [receipt.clone(), 5.into()]),
        )
        .expect("it is taken");
    world.advance(4 * SECOND);
    assert_eq!(putter.get(&mut world, &jobs(), "len"), 0.into());
    world.advance(2 * SECOND);
    assert_eq!(putter.get(&mut world, &jobs(), "len"), 1.into());
    let refusal = taker.ask(&mut world, &jobs(), ack(&receipt));
    assert_eq!(refusal.expect_err("too late").code, Code::LockLost);
}

#[test]
fn what_a_dead_consumer_took_comes_back_to_its_place_until_it_is_a_dead_letter() {
    let mut world = World::new();
    let target = with("dead_after", 2);
    let mut putter = world.peer("putter");
    for item in 0..3 {
        putter
            .ask(&mut world, &target, put(item))
            .expect("there is room");
    }
    for delivery in 1..=2 {
        let mut consumer = world.peer("consumer");
        let taken = consumer.ask(&mut world, &target, plain("take"));
        let [value, _, deliveries] = parts(taken);
        assert_eq!((value, deliveries), (0.into(), delivery.into()));
        dies(&world, &consumer);
    }
    let one = Value::List(vec![1.into()]);
    assert_eq!(putter.get(&mut world, &target, "peek"), one);
    assert_eq!(putter.get(&mut world, &target, "unfinished"), 2.into());
    world.crash();
    putter.connect(&world);
    let letters = putter.get(&mut world, &target, "dead");
    let Value::List(letters) = letters else {
        panic!("{letters:?} is no list");
    };
    assert_eq!(letters.len(), 1);
    let [_, value, deliveries] = parts(Ok(letters[0].clone()));
    assert_eq!((value, deliveries), (0.into(), 2.into()));
    assert_eq!(putter.get(&mut world, &target, "redrive"), 1.into());
    let [value, _, deliveries] = parts(putter.ask(&mut world, &target, plain("take")));
    assert_eq!((value, deliveries), (0.into(), 1.into()));
}

/// Whoever waits for an item gets the one that a dead consumer had.
#[test]
fn what_a_dead_consumer_took_goes_to_the_next_in_line() {
    let mut world = World::new();
    let (mut consumer, mut next) = (world.peer("consumer"), world.peer("next"));
    consumer
        .ask(&mut world, &jobs(), put("a"))
        .expect("there is room");
    consumer
        .ask(&mut world, &jobs(), plain("take"))
        .expect("there is one");
    let taken = waits(&mut world, &mut next, &jobs(), plain("take"));
    dies(&world, &consumer);
    world.settle();
    next.receive(&world);
    let [value, _, deliveries] = parts(next.result(taken));
    assert_eq!((value, deliveries), ("a".into(), 2.into()));
}

#[test]
fn a_restart_forgets_no_item_no_lease_and_no_count() {
    for checkpoint in [false, true] {
        let mut world = World::new();
        let (mut peer, mut other) = (world.peer("peer"), world.peer("other"));
        for item in 0..5 {
            peer.ask(&mut world, &jobs(), put(item)).expect("room");
        }
        peer.get(&mut world, &jobs(), "get");
        let [_, kept, _] = parts(peer.ask(&mut world, &jobs(), plain("take")));
        let [_, brief, _] = parts(peer.ask(&mut world, &jobs(), take(5)));
        world.advance(2 * SECOND);
        if checkpoint {
            world.checkpoint();
        }
        world.crash();
        peer.connect(&world);
        other.connect(&world);
        let ready = Value::List(vec![3.into(), 4.into()]);
        let peek = Call::new("peek", [9.into()]);
        assert_eq!(other.ask(&mut world, &jobs(), peek.clone()), Ok(ready));
        assert_eq!(other.get(&mut world, &jobs(), "unfinished"), 5.into());
        world.advance(2 * SECOND);
        assert_eq!(other.get(&mut world, &jobs(), "len"), 2.into());
        world.advance(2 * SECOND);
        let ready = Value::List(vec![2.into(), 3.into(), 4.into()]);
        assert_eq!(other.ask(&mut world, &jobs(), peek), Ok(ready));
        let late = peer.ask(&mut world, &jobs(), ack(&brief));
        assert_eq!(late.expect_err("its lease ended").code, Code::LockLost);
        assert_eq!(peer.ask(&mut world, &jobs(), ack(&kept)), Ok(Value::Null));
        assert_eq!(other.get(&mut world, &jobs(), "unfinished"), 4.into());
    }
}

/// A receipt of a life that a crash took back is given to nobody else.
#[test]
fn receipts_are_never_given_twice() {
    let mut world = World::new();
    let mut peer = world.peer("peer");
    peer.ask(&mut world, &jobs(), put("a")).expect("room");
    let lost = peer.call(&world, &jobs(), plain("take"));
    let lost_receipt = world.engine.log.newest();
    world.crash();
    peer.connect(&world);
    world.settle();
    peer.receive(&world);
    let [_, receipt, deliveries] = parts(peer.result(lost));
    assert_eq!(deliveries, 1.into());
    assert!(receipt.as_int() > Some(lost_receipt.0.cast_signed()));
}

#[test]
fn the_line_is_served_in_order_past_those_who_left_it() {
    for method in ["get", "take"] {
        let mut world = World::new();
        let mut peers: Vec<Peer> = (0..6).map(|_| world.peer("p")).collect();
        let mut calls = Vec::new();
        for (at, peer) in peers.iter_mut().enumerate() {
            let timeout = (at == 2).then_some(SECOND);
            calls.push(peer.call_within(&world, &jobs(), plain(method), timeout));
            peer.receive(&world);
        }
        peers[1].cancel(&world, calls[1]);
        world.advance(2 * SECOND);
        dies(&world, &peers[3]);
        let mut putter = world.peer("putter");
        for item in 0..3 {
            putter.ask(&mut world, &jobs(), put(item)).expect("room");
        }
        for (item, at) in [0, 4, 5].into_iter().enumerate() {
            peers[at].receive(&world);
            let got = peers[at].result(calls[at]);
            match method {
                "get" => assert_eq!(got, Ok(item.into())),
                _ => assert_eq!(parts(got)[0], item.into()),
            }
        }
        for at in [1, 2] {
            peers[at].receive(&world);
            let refusal = peers[at].result(calls[at]).expect_err("it left");
            assert_eq!(refusal.code, Code::Empty);
        }
        assert_eq!(putter.get(&mut world, &jobs(), "len"), 0.into());
    }
}

/// Room is given in the order in which callers came, and a large put is not overtaken by small ones.
#[test]
fn puts_are_served_in_order() {
    let mut world = World::new();
    let target = with("maxsize", 2);
    let mut getter = world.peer("getter");
    for item in 0..2 {
        getter.ask(&mut world, &target, put(item)).expect("room");
    }
    let (mut large, mut small) = (world.peer("large"), world.peer("small"));
    let two = Value::List(vec![2.into(), 3.into()]);
    let two = waits(
        &mut world,
        &mut large,
        &target,
        Call::new("put_many", [two]),
    );
    let one = waits(&mut world, &mut small, &target, put(4));
    assert_eq!(getter.get(&mut world, &target, "get"), 0.into());
    small.receive(&world);
    assert_eq!(small.reply(one), None);
    for item in 1..5 {
        assert_eq!(getter.get(&mut world, &target, "get"), item.into());
    }
    large.receive(&world);
    small.receive(&world);
    assert_eq!(large.result(two), Ok(Value::Null));
    assert_eq!(small.result(one), Ok(Value::Null));
}

/// Among more than are granted in one hold of the lock.
#[test]
fn ten_thousand_puts_that_wait_are_no_items() {
    let mut world = World::new();
    let target = with("maxsize", 1);
    let (mut putter, mut other) = (world.peer("putter"), world.peer("other"));
    putter.ask(&mut world, &target, put(0)).expect("room");
    for item in 1..10_000 {
        putter.call(&world, &target, put(item));
        putter.receive(&world);
    }
    assert_eq!(putter.parked.len(), 9_999);
    assert_eq!(other.get(&mut world, &target, "len"), 1.into());
    for item in 0..600 {
        assert_eq!(other.get(&mut world, &target, "get"), item.into());
        assert_eq!(other.get(&mut world, &target, "len"), 1.into());
    }
    putter.disconnect(&world);
    assert_eq!(other.get(&mut world, &target, "get"), 600.into());
    assert_eq!(other.get(&mut world, &target, "len"), 0.into());
}

#[test]
fn all_who_join_go_on_when_the_last_item_is_done() {
    let mut world = World::new();
    let mut peer = world.peer("peer");
    peer.ask(&mut world, &jobs(), put("a")).expect("room");
    peer.ask(&mut world, &jobs(), put("b")).expect("room");
    let mut joiners: Vec<Peer> = (0..300).map(|_| world.peer("joiner")).collect();
    for joiner in &mut joiners {
        joiner.call(&world, &jobs(), plain("join"));
    }
    peer.get(&mut world, &jobs(), "get");
    peer.get(&mut world, &jobs(), "task_done");
    let [_, receipt, _] = parts(peer.ask(&mut world, &jobs(), plain("take")));
    joiners[0].receive(&world);
    assert_eq!(joiners[0].reply(1), None);
    peer.ask(&mut world, &jobs(), ack(&receipt)).expect("taken");
    for joiner in &mut joiners {
        joiner.receive(&world);
        assert_eq!(joiner.result(1), Ok(Value::Null));
    }
}
