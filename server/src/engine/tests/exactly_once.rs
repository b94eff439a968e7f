// Over 500 lines: one story, a call that is sent again, in all the moments at which it can be cut.
//! Calls that are sent again: after lost replies, broken connections and crashes.

use super::harness::{World, barrier, kept, named, opened, plain};
use super::peer::Peer;
use crate::session::CREDITS;
use commonhold_proto::{Call, Code, Durability, Oid, OpenOptions, Target, Value};
use std::time::Duration;

fn increment() -> Call {
    plain("increment")
}

/// The reply to the newest call is lost with its connection, and the call is sent again.
#[track_caller]
fn lose_the_reply(world: &mut World, peer: &mut Peer) {
    world.settle();
    peer.disconnect(world);
    peer.connect(world);
    world.settle();
    peer.receive(world);
}

/// A reply that never arrived is given again, the same, and nothing is done twice.
#[test]
fn a_reply_that_was_lost_is_remembered_with_its_value_and_revision() {
    let mut world = World::new();
    let mut peer = world.peer("a");
    let hits = named("counter", "hits");
    peer.call(&world, &hits, increment());
    lose_the_reply(&mut world, &mut peer);
    let reply = peer.reply(1).expect("it was answered").clone();
    assert_eq!(reply.result, Ok(1.into()));
    assert!(reply.remembered);
    assert_eq!(reply.revision, world.cell("hits").state.lock().last);
    assert_eq!(reply.oid, Some(world.cell("hits").oid));
    assert_eq!(peer.get(&mut world, &hits, "get"), 1.into());
}

/// The same over a crash, where the outcome comes from the log.
#[test]
fn a_durable_reply_that_was_lost_in_a_crash_is_remembered() {
    let mut world = World::new();
    let mut peer = world.peer("a");
    let hits = named("counter", "hits");
    peer.call(&world, &hits, increment());
    world.settle();
    world.crash();
    peer.connect(&world);
    peer.receive(&world);
    let reply = peer.reply(1).expect("it was answered").clone();
    assert_eq!((reply.result, reply.remembered), (Ok(1.into()), true));
    assert_eq!(peer.get(&mut world, &hits, "get"), 1.into());
}

/// Executed and not durable: the change and its outcome are both gone, so the call executes once.
#[test]
fn a_change_that_never_reached_the_disk_is_made_when_it_is_sent_again() {
    let mut world = World::new();
    let mut peer = world.peer("a");
    let hits = named("counter", "hits");
    world.settle();
    peer.call(&world, &hits, increment());
    assert!(peer.receive(&world), "the reply is held");
    assert_eq!(peer.reply(1), None);
    world.crash_in_append(0);
    peer.connect(&world);
    world.settle();
    peer.receive(&world);
    assert!(!peer.reply(1).expect("it was answered").remembered);
    assert_eq!(peer.get(&mut world, &hits, "get"), 1.into());
}

/// Relaxed: what was answered may be gone, but is never doubled; what reached the disk is remembered.
#[test]
fn a_relaxed_change_shares_its_fate_with_its_outcome() {
    for committed in [false, true] {
        let mut world = World::new();
        let mut peer = world.peer("a");
        let hits = kept("counter", "hits", Durability::Relaxed);
        peer.ask(&mut world, &hits, plain("increment"))
            .expect("it counts");
        peer.acknowledge(&world);
        peer.call(&world, &hits, increment());
        if committed {
            world.settle();
        }
        world.crash();
        peer.connect(&world);
        world.settle();
        peer.receive(&world);
        let reply = peer.reply(2).expect("it was answered").clone();
        assert_eq!((reply.result, reply.remembered), (Ok(2.into()), committed));
        assert_eq!(peer.get(&mut world, &hits, "get"), 2.into());
    }
}

/// A barrier of three: A and B arrive, the server is killed, A sends its wait again. It must not count as the third.
#[test]
fn a_barrier_resent_after_a_crash_is_not_told_all_here_early() {
    let mut world = World::new();
    let (mut a, mut b) = (world.peer("a"), world.peer("b"));
    let all = barrier("all", 3);
    a.call(&world, &all, plain("wait"));
    b.call(&world, &all, plain("wait"));
    world.settle();
    world.crash();
    a.connect(&world);
    world.settle();
    a.receive(&world);
    assert_eq!(a.reply(1), None, "two of three are here");
    b.connect(&world);
    let mut c = world.peer("c");
    assert_eq!(c.ask(&mut world, &all, plain("wait")), Ok(2.into()));
    a.receive(&world);
    b.receive(&world);
    assert_eq!((a.result(1), b.result(1)), (Ok(0.into()), Ok(1.into())));
}

/// The same after a broken connection, and again, and with a checkpoint in between that trims the log.
#[test]
fn a_barrier_resent_any_number_of_times_arrives_once() {
    let mut world = World::new();
    let (mut a, mut b) = (world.peer("a"), world.peer("b"));
    let all = barrier("all", 3);
    a.call(&world, &all, plain("wait"));
    for round in 0..4 {
        a.disconnect(&world);
        a.connect(&world);
        a.connect(&world);
        if round == 1 {
            world.checkpoint();
        }
        if round == 2 {
            world.settle();
            world.crash();
            a.connect(&world);
        }
    }
    b.connect(&world);
    assert_eq!(b.get(&mut world, &all, "n_waiting"), 1.into());
    a.receive(&world);
    assert_eq!(a.reply(1), None);
}

/// A condition: A's wait let the lock go and took a ticket. Sent again after a crash it goes on waiting with that ticket,
/// and a notify reaches it and not its ghost.
#[test]
fn a_condition_resent_after_a_crash_keeps_its_ticket() {
    let mut world = World::new();
    let (mut a, mut b) = (world.peer("a"), world.peer("b"));
    let lock = named("hold", "lock");
    a.ask(&mut world, &lock, plain("acquire"))
        .expect("it is free");
    let waiting = a.call(&world, &lock, plain("wait"));
    world.settle();
    world.crash();
    a.connect(&world);
    b.connect(&world);
    b.ask(&mut world, &lock, plain("acquire"))
        .expect("it is free");
    assert_eq!(b.get(&mut world, &lock, "notify"), 1.into());
    a.receive(&world);
    assert_eq!(a.reply(waiting), None, "b still has the lock");
    assert_eq!(b.get(&mut world, &lock, "notify"), 0.into());
    b.get(&mut world, &lock, "release");
    a.receive(&world);
    assert_eq!(a.result(waiting), Ok(true.into()));
    a.get(&mut world, &lock, "release");
}

/// A frame that still sits in the buffer of a connection that was replaced is not executed.
#[test]
fn a_frame_of_an_older_incarnation_is_dropped() {
    let mut world = World::new();
    let mut peer = world.peer("a");
    let hits = named("counter", "hits");
    let (lane, old) = (std::sync::Arc::clone(peer.lane()), peer.incarnation());
    peer.note(&world, &hits, increment(), None);
    peer.connect(&world);
    assert!(lane.decoder(old).is_none());
    assert!(!lane.is_current(old));
    world.settle();
    peer.receive(&world);
    assert_eq!(peer.result(1), Ok(1.into()));
}

/// Two processes that share a session by mistake are noticed: the same number with another call.
#[test]
fn another_call_under_the_same_number_is_refused() {
    let mut world = World::new();
    let mut peer = world.peer("a");
    let hits = named("counter", "hits");
    peer.call(&world, &hits, increment());
    world.settle();
    peer.change(1, increment().with("by", 2));
    peer.disconnect(&world);
    peer.connect(&world);
    peer.receive(&world);
    assert_eq!(peer.result(1).expect_err("reused").code, Code::IdReused);
    assert_eq!(peer.get(&mut world, &hits, "get"), 1.into());
}

/// Reads, refusals and waits that timed out are executed anew: nothing is logged and nothing remembered for them.
#[test]
fn what_changed_nothing_has_no_outcome() {
    let mut world = World::new();
    let mut peer = world.peer("a");
    let (hits, lock) = (named("counter", "hits"), named("hold", "lock"));
    peer.ask(&mut world, &hits, increment()).expect("it counts");
    let mut other = world.peer("b");
    other
        .ask(&mut world, &lock, plain("acquire"))
        .expect("it is free");
    peer.acknowledge(&world);
    world.settle();
    let newest = world.engine.log.newest();
    peer.call(&world, &hits, plain("get"));
    peer.call(&world, &hits, increment().with("max", 0));
    peer.call(
        &world,
        &hits,
        plain("compare_and_set")
            .with("expected", 7)
            .with("value", 8),
    );
    let soon = Some(Duration::from_secs(1));
    peer.call_within(&world, &lock, plain("acquire"), soon);
    let door = named("trouble", "door");
    let late = plain("peek").with("late", true);
    peer.ask(&mut world, &door, plain("shut")).expect("made");
    peer.acknowledge(&world);
    let newest_of_door = world.cell("door").state.lock().last;
    peer.call_within(&world, &door, late, soon);
    world.advance(Duration::from_secs(2));
    world.settle();
    peer.receive(&world);
    assert!(peer.unanswered.is_empty());
    assert_eq!(peer.lane().outcomes(), []);
    assert!(world.cell("hits").state.lock().last < newest);
    assert_eq!(world.cell("door").state.lock().last, newest_of_door);
}

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
            peer.call(&world, &hits, increment());
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
    peer.ask(&mut world, &hits, increment()).expect("it counts");
    peer.acknowledge(&world);
    peer.note_again(1, &hits, increment());
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
            peer.call(&world, &hits, increment());
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

/// A client is stopped for 15 s with one call unanswered. Its lease ends, its session does not: the reply is remembered,
/// and it is told that what it held is gone.
#[test]
fn a_session_outlives_its_lease() {
    let mut world = World::new();
    let mut peer = world.peer("a");
    let (hits, lock) = (named("counter", "hits"), named("hold", "lock"));
    peer.ask(&mut world, &lock, plain("acquire"))
        .expect("it is free");
    let unanswered = peer.call(&world, &hits, increment());
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
    a.ask(&mut world, &hits, increment()).expect("it counts");
    let counter = Target::Oid(world.cell("hits").oid);
    a.call(&world, &counter, increment());
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
    peer.call(&world, &fresh(), increment());
    lose_the_reply(&mut world, &mut peer);
    assert_eq!(peer.result(1), Ok(1.into()));
    let again = peer.ask(&mut world, &fresh(), increment());
    assert_eq!(again.expect_err("it is there").code, Code::Conflict);
}

/// What `$server` did is remembered like everything else, for objects of every durability.
#[test]
fn a_deletion_whose_reply_was_lost_does_not_delete_a_new_object_of_that_name() {
    for durability in [Durability::Durable, Durability::Relaxed, Durability::Memory] {
        let mut world = World::new();
        let (mut a, mut b) = (world.peer("a"), world.peer("b"));
        let hits = kept("counter", "hits", durability);
        b.ask(&mut world, &hits, increment()).expect("made");
        a.call(&world, &server(), delete("hits"));
        world.settle();
        b.ask(&mut world, &hits, increment()).expect("made anew");
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

/// An operation that changed rows and waited is over at its deadline, even if its kind says nothing about that: sent again
/// it gets the refusal, and does not begin anew.
#[test]
fn a_wait_that_changed_rows_and_timed_out_is_not_run_again() {
    for cancelled in [false, true] {
        let mut world = World::new();
        let mut peer = world.peer("a");
        let door = named("trouble", "door");
        let soon = Some(Duration::from_secs(1));
        peer.call_within(&world, &door, plain("linger"), soon);
        if cancelled {
            peer.cancel(&world, 1);
        } else {
            world.advance(Duration::from_secs(2));
        }
        lose_the_reply(&mut world, &mut peer);
        let code = if cancelled {
            Code::Cancelled
        } else {
            Code::DeadlineExceeded
        };
        assert_eq!(peer.result(1).expect_err("over").code, code);
        assert_eq!(peer.get(&mut world, &door, "count"), 1.into());
        world.settle();
        world.crash();
        peer.note_again(1, &door, plain("linger"));
        peer.connect(&world);
        world.settle();
        peer.receive(&world);
        assert_eq!(peer.result(1).expect_err("over").code, code);
        assert_eq!(peer.get(&mut world, &door, "count"), 1.into());
    }
}

/// It comes back with no time left: it is over, once and for all.
#[test]
fn a_wait_that_changed_rows_and_comes_back_without_time_is_over() {
    let mut world = World::new();
    let mut peer = world.peer("a");
    let door = named("trouble", "door");
    let soon = Some(Duration::from_secs(1));
    peer.call_within(&world, &door, plain("linger"), soon);
    world.settle();
    world.crash();
    world.time.advance(Duration::from_secs(2));
    for _ in 0..2 {
        peer.note_again_within(&world, 1, &door, plain("linger"), Duration::ZERO);
        peer.connect(&world);
        world.settle();
        peer.receive(&world);
        assert_eq!(
            peer.result(1).expect_err("over").code,
            Code::DeadlineExceeded
        );
        assert_eq!(peer.get(&mut world, &door, "count"), 1.into());
    }
}

/// A party waits at a barrier that is deleted, and its answer is lost. A new barrier of that name is not its own.
#[test]
fn a_wait_on_a_deleted_object_does_not_go_on_in_a_new_one() {
    for connected in [true, false] {
        let mut world = World::new();
        let (mut a, mut b) = (world.peer("a"), world.peer("b"));
        let all = barrier("all", 3);
        a.call(&world, &all, plain("wait"));
        world.settle();
        if !connected {
            a.disconnect(&world);
        }
        b.ask(&mut world, &server(), delete("all"))
            .expect("it is there");
        b.call(&world, &all, plain("wait"));
        for _ in 0..2 {
            a.disconnect(&world);
            a.connect(&world);
            assert_eq!(b.get(&mut world, &all, "n_waiting"), 1.into());
        }
        world.settle();
        a.receive(&world);
        assert_eq!(a.result(1).expect_err("gone").code, Code::ObjectGone);
        world.crash();
        a.note_again(1, &all, plain("wait"));
        a.connect(&world);
        a.receive(&world);
        assert_eq!(a.result(1).expect_err("gone").code, Code::ObjectGone);
        assert_eq!(a.get(&mut world, &all, "n_waiting"), 1.into());
    }
}

/// Outcomes are in checkpoints: the log that told of them is trimmed away.
#[test]
fn an_outcome_survives_the_trimming_of_the_log() {
    let mut world = World::new();
    let (mut a, mut b) = (world.peer("a"), world.peer("b"));
    let (hits, all) = (named("counter", "hits"), barrier("all", 2));
    a.call(&world, &hits, increment());
    b.call(&world, &all, plain("wait"));
    for _ in 0..3 {
        world.checkpoint();
    }
    world.crash();
    a.connect(&world);
    b.connect(&world);
    world.settle();
    a.receive(&world);
    assert_eq!(a.result(1), Ok(1.into()));
    assert!(a.reply(1).expect("it came").remembered);
    assert_eq!(a.ask(&mut world, &all, plain("wait")), Ok(1.into()));
    b.receive(&world);
    assert_eq!(b.result(1), Ok(0.into()));
}

/// A kind that panics while it decides has changed nothing: the call is refused, also when it is sent again.
#[test]
fn a_panic_in_decide_is_an_answer() {
    let mut world = World::new();
    let mut peer = world.peer("a");
    let door = named("trouble", "door");
    peer.get(&mut world, &door, "open");
    peer.call(&world, &door, plain("explode"));
    lose_the_reply(&mut world, &mut peer);
    assert_eq!(peer.result(2).expect_err("a panic").code, Code::Internal);
    assert_eq!(peer.get(&mut world, &door, "count"), 0.into());
    assert!(!world.engine.gate.is_broken());
}

/// A panic in apply leaves an object that nobody knows: nothing that looked at it leaves the server any more.
#[test]
fn a_panic_in_apply_poisons_the_server() {
    for durability in [Durability::Durable, Durability::Memory] {
        let mut world = World::new();
        let mut peer = world.peer("a");
        let door = kept("trouble", "door", durability);
        peer.get(&mut world, &door, "open");
        let corrupted = peer.call(&world, &door, plain("corrupt"));
        let after = peer.call(&world, &door, plain("count"));
        assert!(world.engine.gate.is_broken());
        peer.receive(&world);
        assert_eq!(peer.reply(corrupted), None);
        assert_eq!(peer.reply(after), None, "{durability:?}");
    }
}
