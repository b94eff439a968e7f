//! What a client holds ends with it: deaths, goodbyes, silence, and rows that end at a time.

use super::super::caller::Origin;
use super::harness::{World, barrier, kept, named, plain};
use super::identity::{delete, server};
use super::peer::Peer;
use crate::session::Liveness;
use commonhold_proto::{Call, Code, Durability, Target, Value};
use std::sync::Arc;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn lock() -> Target {
    named("hold", "lock")
}

fn is_held(world: &mut World) -> bool {
    let mut looker = world.peer("looker");
    looker.get(world, &lock(), "holder") != Value::Null
}

fn holder(world: &mut World) -> Peer {
    let mut peer = world.peer("holder");
    let call = Call::new("acquire", ["my note".into()]);
    peer.ask(world, &lock(), call).expect("it is free");
    peer
}

/// A broken connection starts the grace; when it is over the next in line has the lock and finds the note of the dead.
#[test]
fn a_lock_of_the_dead_goes_to_the_next_in_line() {
    let mut world = World::new();
    let mut peer = holder(&mut world);
    let mut next = world.peer("next");
    next.call(&world, &lock(), plain("acquire"));
    peer.disconnect(&world);
    world.advance(Duration::from_millis(1_900));
    world.settle();
    next.receive(&world);
    assert_eq!(next.reply(1), None, "the grace is not over");
    world.advance(Duration::from_millis(200));
    world.settle();
    next.receive(&world);
    assert!(next.result(1).is_ok());
    assert_eq!(next.get(&mut world, &lock(), "died"), "my note".into());
    // It holds over a restart, for a full term at least.
    world.crash();
    assert!(is_held(&mut world));
}

/// A client that comes back within the grace has lost nothing.
#[test]
fn who_is_back_within_the_grace_still_holds() {
    let mut world = World::new();
    let mut peer = holder(&mut world);
    for _ in 0..5 {
        peer.disconnect(&world);
        world.advance(SECOND);
        peer.connect(&world);
        world.advance(30 * SECOND);
    }
    assert!(!peer.lease_lost);
    peer.get(&mut world, &lock(), "release");
}

/// The operating system says that the process is dead: there is nothing to wait for, whatever sockets its children hold.
#[test]
fn a_dead_process_holds_nothing_any_more() {
    let mut world = World::new();
    let peer = holder(&mut world);
    let session = world.engine.session(peer.session).expect("known");
    world.engine.died(&session);
    assert!(peer.is_fenced());
    assert!(peer.lane().decoder(peer.incarnation()).is_none());
    assert!(!is_held(&mut world));
}

/// Several lanes: the session is absent when the last of them is gone.
#[test]
fn a_session_lives_as_long_as_one_of_its_lanes() {
    let mut world = World::new();
    let mut peer = holder(&mut world);
    let mut second = peer.another_lane(&world, 1);
    peer.disconnect(&world);
    world.advance(60 * SECOND);
    assert!(is_held(&mut world));
    second.disconnect(&world);
    world.advance(3 * SECOND);
    assert!(!is_held(&mut world));
    second.connect(&world);
    assert!(second.lease_lost);
}

/// A clean end says goodbye, and what is held does as its kind says then; the session is forgotten, here and on the disk.
#[test]
fn goodbye_is_not_death() {
    let mut world = World::new();
    let peer = holder(&mut world);
    let session = world.engine.session(peer.session).expect("known");
    let gate = world.engine.goodbye(&session);
    assert!(!world.engine.gate.is_open(gate));
    world.settle();
    assert!(world.engine.gate.is_open(gate));
    assert!(is_held(&mut world));
    assert!(world.engine.session(peer.session).is_none());
    world.crash();
    assert!(world.engine.session(peer.session).is_none());
    world.advance(60 * SECOND);
    assert!(is_held(&mut world));
}

/// A heartbeat session that says nothing for a term is dead, connected or not; any frame is a sign of life.
#[test]
fn silence_ends_a_heartbeat_session() {
    let mut world = World::new();
    let mut peer = world.peer_that("heart", Liveness::Heartbeat);
    peer.ask(&mut world, &lock(), plain("acquire"))
        .expect("free");
    let session = world.engine.session(peer.session).expect("known");
    for _ in 0..10 {
        world.advance(9 * SECOND);
        world.engine.heard(&session, peer.connection(), 0);
    }
    assert!(is_held(&mut world));
    world.advance(9 * SECOND);
    assert!(is_held(&mut world));
    world.advance(2 * SECOND);
    assert!(!is_held(&mut world));
    assert!(peer.is_fenced());
}

/// A session of connections may be silent for as long as it is connected.
#[test]
fn silence_does_not_end_a_connection_session() {
    let mut world = World::new();
    let _peer = holder(&mut world);
    world.advance(3600 * SECOND);
    assert!(is_held(&mut world));
}

/// The server itself stood still: no client had a chance to speak, so each gets that time on top.
#[test]
fn a_pause_of_the_server_is_no_silence_of_its_clients() {
    let mut world = World::new();
    let mut peer = holder(&mut world);
    let mut other = world.peer("other");
    let second = named("hold", "second");
    other
        .ask(&mut world, &second, plain("acquire"))
        .expect("free");
    peer.disconnect(&world);
    world.advance(SECOND);
    other.disconnect(&world);
    // The first grace ends in a second, the other's in two.
    world.stall(30 * SECOND);
    assert!(is_held(&mut world));
    world.advance(Duration::from_millis(1_900));
    assert!(is_held(&mut world));
    peer.connect(&world);
    other.connect(&world);
    assert!(!peer.lease_lost && !other.lease_lost);
    peer.disconnect(&world);
    world.advance(3 * SECOND);
    assert!(!is_held(&mut world));
}

/// After a restart a lease gets a full new term, whatever was left of its grace.
#[test]
fn a_restart_gives_a_lease_a_new_term() {
    let mut world = World::new();
    let mut peer = holder(&mut world);
    peer.disconnect(&world);
    world.advance(SECOND);
    world.settle();
    world.crash();
    world.advance(9 * SECOND);
    assert!(is_held(&mut world));
    world.advance(2 * SECOND);
    assert!(!is_held(&mut world));
    peer.connect(&world);
    assert!(peer.lease_lost);
}

/// A call was decoded before its session's lease ended, and is executed after: a lock that it took then would be held by
/// the dead for ever.
#[test]
fn a_call_of_an_ended_lease_takes_nothing() {
    let mut world = World::new();
    let mut peer = world.peer("a");
    world.settle();
    let sequence = peer.note(&world, &lock(), plain("acquire"), None);
    let origin = Origin::Lane(Arc::clone(peer.connection()));
    let session = world.engine.session(peer.session).expect("known");
    world.engine.died(&session);
    world
        .engine
        .submit(&origin, peer.received(&world, sequence));
    assert!(!is_held(&mut world));
    // It comes back, and its call is as new.
    peer.connect(&world);
    assert!(peer.lease_lost);
    world.settle();
    peer.receive(&world);
    assert!(peer.result(sequence).is_ok());
    assert!(is_held(&mut world));
}

/// The lease ends between the check and the lending: the sweep misses the row, and whoever lent it sweeps again.
#[test]
fn a_row_that_was_lent_too_late_is_swept() {
    let mut world = World::new();
    let mut peer = world.peer("a");
    peer.get(&mut world, &lock(), "holder");
    let mut other = holder(&mut world);
    let cell = world.cell("lock");
    {
        // As the engine does it, with the end of the lease in the middle.
        let mut state = cell.state.lock();
        let lease = Arc::clone(&peer.connection().lease);
        lease.end();
        let row = commonhold_proto::Row::lent(
            commonhold_proto::RowKey::of("cond/x"),
            Value::Null,
            Some(peer.session),
        );
        world.engine.change(
            &cell,
            &mut state,
            Some(&lease),
            smallvec::smallvec![row],
            |_, _| None,
        );
        world.engine.let_go(state);
    }
    let rows = super::harness::rows(&cell);
    assert_eq!(rows.len(), 1, "{rows:?}");
    other.get(&mut world, &lock(), "release");
}

/// A call of a lease that has just ended still stands in a line. It is passed over, and nobody else's lease suffers.
#[test]
fn a_waiting_call_of_an_ended_lease_is_passed_over() {
    let mut world = World::new();
    let mut first = holder(&mut world);
    let mut dead = world.peer("dead");
    let mut next = world.peer("next");
    let second = named("hold", "second");
    first
        .ask(&mut world, &second, plain("acquire"))
        .expect("free");
    dead.call(&world, &lock(), plain("acquire"));
    next.call(&world, &lock(), plain("acquire"));
    // Its flag is set, and its lanes are not fenced yet.
    dead.connection().lease.end();
    first.get(&mut world, &lock(), "release");
    next.receive(&world);
    assert!(next.result(1).is_ok());
    assert!(!first.connection().lease.has_ended());
    assert!(!next.connection().lease.has_ended());
    first.get(&mut world, &second, "release");
}

/// A call goes on after a broken connection just as its lease ends: it is dropped, and goes on from there the next time.
#[test]
fn a_call_that_goes_on_under_an_ended_lease_does_not_begin_anew() {
    let mut world = World::new();
    let mut peer = world.peer("a");
    let door = named("trouble", "door");
    peer.call(&world, &door, plain("linger"));
    world.settle();
    world.crash();
    peer.join(&world);
    peer.connection().lease.end();
    peer.send_again(&world, 1);
    world.checkpoint();
    world.crash();
    peer.connect(&world);
    assert_eq!(peer.get(&mut world, &door, "count"), 1.into());
}

/// It is told that its lease was lost until it has shown that it knows, over lost welcomes and restarts.
#[test]
fn that_a_lease_was_lost_is_told_until_it_is_heard() {
    for restart in [false, true] {
        let mut world = World::new();
        let mut peer = holder(&mut world);
        peer.disconnect(&world);
        world.advance(3 * SECOND);
        world.settle();
        for _ in 0..3 {
            if restart {
                world.crash();
            }
            peer.lease_lost = false;
            peer.join(&world);
            assert!(peer.lease_lost, "the welcome was lost on its way");
            peer.disconnect(&world);
        }
        peer.connect(&world);
        peer.get(&mut world, &lock(), "holder");
        peer.acknowledge(&world);
        if restart {
            world.crash();
        }
        peer.lease_lost = false;
        peer.connect(&world);
        assert!(!peer.lease_lost, "it has called since");
    }
}

/// A party dies at a barrier: the others are told that it broke, and wait no longer.
#[test]
fn a_dead_party_breaks_its_barrier() {
    let mut world = World::new();
    let (mut a, mut b) = (world.peer("a"), world.peer("b"));
    let all = barrier("all", 3);
    a.call(&world, &all, plain("wait"));
    b.call(&world, &all, plain("wait"));
    b.disconnect(&world);
    world.advance(3 * SECOND);
    world.settle();
    a.receive(&world);
    assert_eq!(a.result(1).expect_err("broken").code, Code::Broken);
    b.connect(&world);
    world.settle();
    b.receive(&world);
    assert_eq!(b.result(1).expect_err("broken").code, Code::Broken);
}

/// A lease with rows in many objects, of all durabilities, some of them deleted meanwhile: all of it ends.
#[test]
fn a_lease_ends_in_all_objects() {
    let mut world = World::new();
    let mut peer = world.peer("a");
    for number in 0..50 {
        let durability = [Durability::Durable, Durability::Relaxed, Durability::Memory][number % 3];
        let target = kept("hold", &format!("lock{number}"), durability);
        peer.ask(&mut world, &target, plain("acquire"))
            .expect("free");
        peer.acknowledge(&world);
    }
    for number in 0..10 {
        let call = delete(&format!("lock{number}"));
        peer.ask(&mut world, &server(), call).expect("there");
    }
    peer.disconnect(&world);
    world.advance(3 * SECOND);
    for number in 10..50 {
        let cell = world.cell(&format!("lock{number}"));
        let rows = super::harness::rows(&cell);
        assert_eq!(rows.len(), 1, "it died: {rows:?}");
    }
    world.settle();
    world.crash();
    assert!(world.engine.registry.named("lock5").is_none());
}

/// A sweep that a crash interrupted: what lapsed is gone, what did not ends with the next term.
#[test]
fn an_interrupted_sweep_is_finished_after_the_restart() {
    for kept_records in 0..3 {
        let mut world = World::new();
        let mut peer = world.peer("a");
        let names: Vec<String> = (0..4).map(|number| format!("lock{number}")).collect();
        let note = "x".repeat(40_000);
        for name in &names {
            let call = Call::new("acquire", [note.as_str().into()]);
            peer.ask(&mut world, &named("hold", name), call)
                .expect("free");
        }
        peer.acknowledge(&world);
        peer.disconnect(&world);
        world.advance(3 * SECOND);
        world.crash_in_append(kept_records);
        world.advance(11 * SECOND);
        for name in &names {
            let rows = super::harness::rows(&world.cell(name));
            assert_eq!(rows.len(), 1, "{rows:?}");
        }
        peer.connect(&world);
        assert!(peer.lease_lost);
    }
}

/// A row that ends at a time does so by itself, and wakes who waits for it, whoever wrote it and however.
#[test]
fn a_row_lapses_without_being_touched() {
    let mut world = World::new();
    let (mut a, mut b) = (world.peer("a"), world.peer("b"));
    let room = named("trouble", "room");
    let keep = |key: &str, ms: i64| Call::new("keep", [key.into(), ms.into()]);
    a.ask(&mut world, &room, keep("late", 60_000))
        .expect("room");
    b.call(&world, &room, Call::new("await", ["late".into()]));
    a.ask(&mut world, &room, keep("soon", 5_000)).expect("room");
    b.call(&world, &room, Call::new("await", ["soon".into()]));
    a.ask(&mut world, &room, keep("late", 30_000))
        .expect("room");
    world.advance(6 * SECOND);
    world.settle();
    b.receive(&world);
    assert_eq!((b.reply(1), b.result(2)), (None, Ok(Value::Null)));
    world.advance(25 * SECOND);
    world.settle();
    b.receive(&world);
    assert_eq!(b.result(1), Ok(Value::Null));
}

/// The lock goes on when its time is over, to one who had waited long before it was given a time.
#[test]
fn a_lock_with_an_end_goes_on_by_itself() {
    let mut world = World::new();
    let (mut a, mut b, mut c) = (world.peer("a"), world.peer("b"), world.peer("c"));
    a.get(&mut world, &lock(), "acquire");
    b.call(&world, &lock(), plain("acquire").with("ms", 5_000));
    c.call(&world, &lock(), plain("acquire"));
    world.advance(60 * SECOND);
    a.get(&mut world, &lock(), "release");
    world.advance(4 * SECOND);
    world.settle();
    c.receive(&world);
    assert_eq!(c.reply(1), None);
    world.advance(2 * SECOND);
    world.settle();
    c.receive(&world);
    assert!(c.result(1).is_ok());
}

/// Calling an object with a row that ends does not set a timer each time.
#[test]
fn one_timer_is_set_for_an_object() {
    let mut world = World::new();
    let mut peer = world.peer("a");
    let room = named("trouble", "room");
    let keep = Call::new("keep", ["key".into(), 60_000.into()]);
    peer.ask(&mut world, &room, keep).expect("room");
    let before = world.engine.timers.len();
    for _ in 0..100 {
        peer.ask(&mut world, &room, Call::new("has", ["key".into()]))
            .expect("there");
    }
    assert_eq!(world.engine.timers.len(), before);
    for _ in 0..100 {
        peer.disconnect(&world);
        peer.connect(&world);
    }
    world.advance(3 * SECOND);
    assert!(world.engine.timers.len() <= before + 1);
}

/// What was due while nobody served lapses before anybody is served, as a change like any other.
#[test]
fn what_was_due_while_the_server_was_down_is_not_seen() {
    let mut world = World::new();
    let mut peer = world.peer("a");
    let room = named("trouble", "room");
    for (key, ms) in [("short", 5_000), ("long", 60_000)] {
        let keep = Call::new("keep", [key.into(), ms.into()]);
        peer.ask(&mut world, &room, keep).expect("room");
    }
    world.settle();
    world.disk.crash();
    world.time.advance(30 * SECOND);
    world.start_again();
    peer.connect(&world);
    let has = |key: &str| Call::new("has", [key.into()]);
    assert_eq!(peer.ask(&mut world, &room, has("short")), Ok(false.into()));
    assert_eq!(peer.ask(&mut world, &room, has("long")), Ok(true.into()));
    world.advance(31 * SECOND);
    assert_eq!(super::harness::rows(&world.cell("room")).len(), 0);
}

/// An expired row is never seen, however late its timer.
#[test]
fn an_expired_row_is_not_seen_before_its_timer_comes() {
    let mut world = World::new();
    let mut peer = world.peer("a");
    let room = named("trouble", "room");
    let keep = Call::new("keep", ["key".into(), 5_000.into()]);
    peer.ask(&mut world, &room, keep).expect("room");
    world.time.advance(6 * SECOND);
    let has = peer.call(&world, &room, Call::new("has", ["key".into()]));
    world.settle();
    peer.receive(&world);
    assert_eq!(peer.result(has), Ok(false.into()));
}
