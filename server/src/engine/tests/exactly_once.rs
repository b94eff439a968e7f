// Over 500 lines: one story, a call that is sent again, in all the moments at which it can be cut.
//! Calls that are sent again: after lost replies, broken connections and crashes.

use super::harness::{World, barrier, kept, named, plain};
use super::identity::{delete, server};
use super::peer::Peer;
use crate::session::Admission;
use commonhold_proto::{Call, Code, Durability};
use std::time::Duration;

fn increment() -> Call {
    plain("increment")
}

/// The reply to the newest call is lost with its connection, and the call is sent again.
#[track_caller]
pub(super) fn lose_the_reply(world: &mut World, peer: &mut Peer) {
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

/// Nobody waits for it any more, and its connection was broken when that was decided: the arrival must not be counted.
#[test]
fn a_wait_that_was_given_up_on_a_broken_connection_leaves_no_arrival() {
    for acknowledged in [false, true] {
        let mut world = World::new();
        let (mut a, mut b) = (world.peer("a"), world.peer("b"));
        let all = barrier("all", 3);
        let sequence = a.call(&world, &all, plain("wait"));
        world.settle();
        assert_eq!(b.get(&mut world, &all, "n_waiting"), 1.into());
        a.disconnect(&world);
        a.join(&world);
        if acknowledged {
            assert!(world.engine.acknowledge(a.connection(), sequence, sequence));
        } else {
            a.cancel(&world, sequence);
        }
        world.settle();
        assert_eq!(b.get(&mut world, &all, "n_waiting"), 0.into());
        assert_eq!(b.get(&mut world, &all, "broken"), true.into());
    }
}

/// The same after a broken connection, and again, and with a checkpoint in between that trims the log.
#[test]
fn a_call_resent_any_number_of_times_runs_once() {
    let mut world = World::new();
    let mut peer = world.peer("a");
    let door = named("trouble", "door");
    peer.call(&world, &door, plain("linger"));
    for round in 0..4 {
        peer.disconnect(&world);
        peer.connect(&world);
        peer.connect(&world);
        if round == 1 {
            world.checkpoint();
        }
        if round == 2 {
            world.settle();
            world.crash();
            peer.connect(&world);
        }
    }
    assert_eq!(peer.get(&mut world, &door, "count"), 1.into());
    assert_eq!(peer.reply(1), None);
}

/// It goes on at this very moment, and a checkpoint is taken that trims what the log said of it; then the server dies.
#[test]
fn a_call_that_is_just_going_on_is_in_the_checkpoint() {
    let mut world = World::new();
    let mut peer = world.peer("a");
    let door = named("trouble", "door");
    peer.call(&world, &door, plain("linger"));
    world.settle();
    world.crash();
    peer.join(&world);
    // As far as a second thread may see it come.
    let fingerprint = plain("linger").fingerprint(&door);
    let admission = peer.lane().admit(1, fingerprint);
    assert!(matches!(admission, Admission::Resume(_)));
    world.checkpoint();
    world.crash();
    peer.connect(&world);
    assert_eq!(peer.get(&mut world, &door, "count"), 1.into());
    assert_eq!(peer.reply(1), None);
}

/// Its connection breaks while somebody asks it again: it does not wait for a connection that never comes, and goes on
/// from there when it is sent again.
#[test]
fn a_call_that_is_asked_while_its_connection_breaks_does_not_wait_on() {
    let mut world = World::new();
    let mut peer = world.peer("a");
    let door = named("trouble", "door");
    peer.call(&world, &door, plain("linger"));
    let lane = std::sync::Arc::clone(peer.lane());
    let parked = lane.parked(1).expect("it waits");
    let (_, outcome) = lane.outcomes().pop().expect("it changed a row");
    assert!(parked.claim());
    peer.disconnect(&world);
    assert!(!lane.park(1, parked, Some(outcome)));
    assert!(lane.parked(1).is_none());
    peer.connect(&world);
    assert_eq!(peer.get(&mut world, &door, "count"), 1.into());
    peer.get(&mut world, &door, "open");
    assert_eq!(peer.result(1), Ok(1.into()));
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
