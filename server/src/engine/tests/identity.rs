//! Who outlives what: sessions their leases, objects their names, and the log both.

use super::exactly_once::lose_the_reply;
use super::harness::{World, barrier, kept, named, opened, plain};
use commonhold_proto::{Call, Code, Durability, Oid, OpenOptions, Target, Value};
use std::time::Duration;

/// A client is stopped for 15 s with one call unanswered. Its lease ends, its session does not: the reply is remembered,
/// and it is told that what it held is gone.
#[test]
fn a_session_outlives_its_lease() {
    let mut world = World::new();
    let mut peer = world.peer("a");
    let (hits, lock) = (named("counter", "hits"), named("hold", "lock"));
    peer.ask(&mut world, &lock, plain("acquire"))
        .expect("it is free");
    let unanswered = peer.call(&world, &hits, plain("increment"));
    world.settle();
    peer.disconnect(&world);
    world.advance(Duration::from_secs(15));
    peer.connect(&world);
    assert!(peer.lease_lost);
    world.settle();
    peer.receive(&world);
    assert_eq!(peer.result(unanswered), Ok(1.into()));
    assert_eq!(peer.get(&mut world, &lock, "holder"), Value::Null);
    assert_eq!(peer.get(&mut world, &hits, "get"), 1.into());
}

/// A session is kept for an hour after its last lane. Later it is unknown, and an unknown session is never a new one.
#[test]
fn a_session_is_forgotten_after_its_memory() {
    let mut world = World::new();
    let mut peer = world.peer("a");
    world.settle();
    peer.disconnect(&world);
    world.advance(Duration::from_secs(3590));
    assert!(world.engine.session(peer.session).is_some());
    world.advance(Duration::from_secs(11));
    assert!(world.engine.session(peer.session).is_none());
    world.settle();
    world.crash();
    assert!(world.engine.session(peer.session).is_none());
}

/// A client that opens a session and dies before it takes a lane leaves nothing behind for ever.
#[test]
fn a_session_that_never_had_a_lane_is_forgotten_too() {
    let world = World::new();
    let id = world.open_session();
    world.advance(Duration::from_secs(3601));
    assert!(world.engine.session(id).is_none());
}

/// A restarted server knows a session whose opening is durable, and no other.
#[test]
fn opening_a_session_is_a_change() {
    let mut world = World::new();
    let first = world.peer("a");
    world.settle();
    let second = world.peer("b");
    world.crash();
    assert!(world.engine.session(first.session).is_some());
    assert!(world.engine.session(second.session).is_none());
}

/// A lock in memory, a restart, a stranger makes a lock of that name: the old handle is told that its object is gone.
#[test]
fn an_object_in_memory_is_gone_after_a_restart_even_if_its_name_is_back() {
    let mut world = World::new();
    let (mut a, mut b) = (world.peer("a"), world.peer("b"));
    let lock = kept("hold", "lock", Durability::Memory);
    a.ask(&mut world, &lock, plain("acquire"))
        .expect("it is free");
    let handle = Target::Oid(world.cell("lock").oid);
    let hits = kept("counter", "hits", Durability::Memory);
    a.ask(&mut world, &hits, plain("increment"))
        .expect("it counts");
    let counter = Target::Oid(world.cell("hits").oid);
    a.call(&world, &counter, plain("increment"));
    world.settle();
    world.crash();
    b.connect(&world);
    b.ask(&mut world, &lock, plain("acquire"))
        .expect("it is free");
    a.connect(&world);
    a.receive(&world);
    assert_eq!(a.result(3).expect_err("gone").code, Code::ObjectGone);
    let refusal = a.ask(&mut world, &handle, plain("release"));
    assert_eq!(refusal.expect_err("gone").code, Code::ObjectGone);
    assert_ne!(Target::Oid(world.cell("lock").oid), handle);
}

/// Deleting an object refuses who waits for it, and a new object of the name is another one.
#[test]
fn deleting_an_object_refuses_who_waits_for_it() {
    let mut world = World::new();
    let (mut a, mut b) = (world.peer("a"), world.peer("b"));
    let lock = named("hold", "lock");
    a.ask(&mut world, &lock, plain("acquire"))
        .expect("it is free");
    let oid = world.cell("lock").oid;
    let waiting = b.call(&world, &lock, plain("acquire"));
    a.ask(&mut world, &server(), delete("lock"))
        .expect("it is there");
    b.receive(&world);
    assert_eq!(b.result(waiting).expect_err("gone").code, Code::ObjectGone);
    b.ask(&mut world, &lock, plain("acquire"))
        .expect("it is a new one");
    assert!(world.cell("lock").oid > oid);
    let gone = a.ask(&mut world, &Target::Oid(oid), plain("holder"));
    assert_eq!(gone.expect_err("gone").code, Code::ObjectGone);
    assert!(world.engine.registry.cell(Oid(oid.0)).is_none());
}

pub(super) fn server() -> Target {
    named("server", "$server")
}

pub(super) fn delete(name: &str) -> Call {
    Call::new("delete", [name.into()])
}

/// Empty durable objects, their kind, options and durability are there after a restart; a creation that no reply told of
/// may be gone.
#[test]
fn creating_an_object_is_a_change() {
    let mut world = World::new();
    let mut peer = world.peer("a");
    let open = Call::new("open", ["hold".into(), "empty".into()]);
    peer.ask(&mut world, &server(), open).expect("made");
    let open = Call::new("open", ["barrier".into(), "all".into()])
        .with("durability", "relaxed")
        .with("options", Value::Dict(vec![("parties".into(), 3.into())]));
    peer.ask(&mut world, &server(), open).expect("made");
    let oid = world.cell("empty").oid;
    peer.call(
        &world,
        &server(),
        Call::new("open", ["hold".into(), "late".into()]),
    );
    world.crash();
    assert_eq!(world.cell("empty").oid, oid);
    assert_eq!(world.cell("all").durability, Durability::Relaxed);
    assert!(world.engine.registry.named("late").is_none());
    peer.connect(&world);
    assert_eq!(
        peer.get(&mut world, &barrier("all", 3), "parties"),
        3.into()
    );
    let other = peer.ask(&mut world, &barrier("all", 4), plain("parties"));
    assert_eq!(other.expect_err("four").code, Code::Conflict);
    let other = peer.ask(&mut world, &named("counter", "empty"), plain("get"));
    assert_eq!(other.expect_err("a hold").code, Code::WrongKind);
}

/// "It must not exist" is answered by making it, once, and by a refusal ever after.
#[test]
fn a_call_that_must_make_its_object_makes_it_once() {
    let mut world = World::new();
    let mut peer = world.peer("a");
    let fresh = || {
        let options = OpenOptions {
            exists: Some(false),
            ..OpenOptions::default()
        };
        opened("counter", "fresh", options)
    };
    peer.call(&world, &fresh(), plain("increment"));
    lose_the_reply(&mut world, &mut peer);
    assert_eq!(peer.result(1), Ok(1.into()));
    let again = peer.ask(&mut world, &fresh(), plain("increment"));
    assert_eq!(again.expect_err("it is there").code, Code::Conflict);
}

/// What `$server` did is remembered like everything else, for objects of every durability.
#[test]
fn a_deletion_whose_reply_was_lost_does_not_delete_a_new_object_of_that_name() {
    for durability in [Durability::Durable, Durability::Relaxed, Durability::Memory] {
        let mut world = World::new();
        let (mut a, mut b) = (world.peer("a"), world.peer("b"));
        let hits = kept("counter", "hits", durability);
        b.ask(&mut world, &hits, plain("increment")).expect("made");
        a.call(&world, &server(), delete("hits"));
        world.settle();
        b.ask(&mut world, &hits, plain("increment"))
            .expect("made anew");
        lose_the_reply(&mut world, &mut a);
        assert_eq!(a.result(1), Ok(Value::Null), "{durability:?}");
        assert_eq!(b.get(&mut world, &hits, "get"), 1.into(), "{durability:?}");
    }
}

/// The remembered reply to an `open` is the reply.
#[test]
fn an_open_whose_reply_was_lost_gives_the_same_reference() {
    for durability in ["durable", "memory"] {
        let mut world = World::new();
        let mut peer = world.peer("a");
        let open = Call::new("open", ["counter".into(), "x".into()])
            .with("durability", durability)
            .with("exists", false);
        peer.call(&world, &server(), open.clone());
        world.settle();
        peer.receive(&world);
        let first = peer.reply(1).expect("it came").clone();
        peer.note_again(1, &server(), open);
        lose_the_reply(&mut world, &mut peer);
        let second = peer.reply(1).expect("it came again").clone();
        assert_eq!(first.result, second.result, "{durability}");
        assert_eq!(first.revision, second.revision, "{durability}");
        assert!(second.remembered);
    }
}
