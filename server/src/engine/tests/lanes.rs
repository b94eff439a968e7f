//! Credits, acknowledgements and limits of a lane.

use super::harness::{World, named, plain};
use crate::session::CREDITS;
use commonhold_proto::{Call, Code, Value};

/// One thread waits for an hour while another makes a million calls: what is acknowledged around it is forgotten.
#[test]
fn a_wait_of_an_hour_does_not_keep_the_outcomes_of_others() {
    let mut world = World::new();
    let mut peer = world.peer("a");
    let (hits, lock) = (named("counter", "hits"), named("hold", "lock"));
    world
        .peer("b")
        .ask(&mut world, &lock, plain("acquire"))
        .expect("it is free");
    peer.call(&world, &lock, plain("acquire"));
    for _ in 0..20 {
        for _ in 0..500 {
            peer.call(&world, &hits, plain("increment"));
        }
        world.settle();
        peer.receive(&world);
        assert_eq!(peer.answered.len(), 500);
        peer.acknowledge(&world);
        assert_eq!(peer.lane().outcomes().len(), 0);
    }
    assert_eq!(peer.get(&mut world, &hits, "get"), 10_000.into());
}

/// A number whose reply was acknowledged is never executed again.
#[test]
fn a_call_that_was_acknowledged_is_stale() {
    let mut world = World::new();
    let mut peer = world.peer("a");
    let hits = named("counter", "hits");
    peer.ask(&mut world, &hits, plain("increment"))
        .expect("it counts");
    peer.acknowledge(&world);
    peer.note_again(1, &hits, plain("increment"));
    peer.send_again(&world, 1);
    peer.receive(&world);
    assert_eq!(peer.result(1).expect_err("stale").code, Code::Stale);
    assert_eq!(peer.get(&mut world, &hits, "get"), 1.into());
}

/// At the bound of remembered outcomes no credit comes back, and nothing is forgotten; acknowledging opens the way.
#[test]
fn a_client_that_acknowledges_nothing_runs_out_of_credits_and_loses_nothing() {
    let mut world = World::new();
    let mut peer = world.peer("a");
    let hits = named("counter", "hits");
    let mut sent = 0;
    while peer.credits() > 0 {
        for _ in 0..peer.credits() {
            peer.call(&world, &hits, plain("increment"));
            sent += 1;
        }
        world.settle();
        peer.receive(&world);
        assert!(sent <= 4096 + i64::from(CREDITS), "the bound holds");
    }
    assert!(sent >= 4096);
    assert_eq!(peer.lane().outcomes().len(), peer.answered.len());
    peer.acknowledge(&world);
    peer.receive(&world);
    assert_eq!(peer.credits(), CREDITS);
    assert_eq!(peer.get(&mut world, &hits, "get"), sent.into());
}

/// As many calls wait as there are credits, and the one that they wait for can still be sent.
#[test]
fn a_call_that_waits_gives_its_credit_back() {
    let mut world = World::new();
    let mut peer = world.peer("a");
    let basket = named("basket", "work");
    peer.get(&mut world, &basket, "len");
    for _ in 0..CREDITS {
        peer.call(&world, &basket, plain("get"));
        peer.receive(&world);
    }
    assert_eq!(peer.parked.len(), CREDITS as usize);
    assert_eq!(peer.credits(), CREDITS);
    let items: Vec<Value> = (0..i64::from(CREDITS)).map(Value::from).collect();
    peer.ask(&mut world, &basket, Call::new("put", [Value::List(items)]))
        .expect("it is put");
    for (sequence, item) in (2..).zip(0..i64::from(CREDITS)) {
        assert_eq!(peer.result(sequence), Ok(item.into()), "call {sequence}");
    }
}

/// Waiting calls have a limit of their own, a session.
#[test]
fn more_than_ten_thousand_waits_of_a_session_are_refused() {
    let mut world = World::new();
    let mut peer = world.peer("a");
    let lock = named("hold", "lock");
    world
        .peer("b")
        .ask(&mut world, &lock, plain("acquire"))
        .expect("it is free");
    for _ in 0..10_000 {
        peer.call(&world, &lock, plain("acquire"));
        peer.receive(&world);
    }
    assert_eq!(peer.answered.len(), 0);
    let more = peer.call(&world, &lock, plain("acquire"));
    world.settle();
    peer.receive(&world);
    assert_eq!(
        peer.result(more).expect_err("refused").code,
        Code::TooManyWaiting
    );
    // Whoever goes away gives the room back.
    peer.cancel(&world, 1);
    let again = peer.call(&world, &lock, plain("acquire"));
    world.settle();
    peer.receive(&world);
    assert_eq!(peer.reply(again), None);
}
