//! Calls that are sent again: after lost replies, broken connections and crashes.

use super::harness::{World, barrier, named};
use commonhold_proto::{Call, Code, Value};

fn increment() -> Call {
    Call::new("increment", [])
}

#[test]
fn a_reply_that_was_lost_is_remembered_with_its_value_and_revision() {
    let mut world = World::new();
    let mut peer = world.peer("a");
    let hits = named("counter", "hits");
    peer.call(&world, &hits, increment());
    world.settle();
    peer.disconnect(&world);
    peer.connect(&world);
    world.settle();
    peer.receive(&world);
    let reply = peer.reply(1).expect("it was answered").clone();
    assert_eq!(reply.result, Ok(1.into()));
    assert!(reply.remembered);
    assert_eq!(reply.revision, world.cell("hits").state.lock().last);
    assert_eq!(peer.get(&mut world, &hits, "get"), 1.into());
}

#[test]
fn a_barrier_resent_after_a_crash_is_not_told_all_here_early() {
    let mut world = World::new();
    let (mut a, mut b) = (world.peer("a"), world.peer("b"));
    let all = barrier("all", 3);
    a.call(&world, &all, Call::new("wait", []));
    b.call(&world, &all, Call::new("wait", []));
    world.settle();
    world.crash();
    a.connect(&world);
    world.settle();
    a.receive(&world);
    assert_eq!(a.reply(1), None, "two of three are here");
    assert_eq!(b.reply(1), None);
    b.connect(&world);
    let mut c = world.peer("c");
    assert_eq!(c.ask(&mut world, &all, Call::new("wait", [])), Ok(2.into()));
    a.receive(&world);
    b.receive(&world);
    assert_eq!((a.result(1), b.result(1)), (Ok(0.into()), Ok(1.into())));
    let _ = (Code::Stale, Value::Null);
}
