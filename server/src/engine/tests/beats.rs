//! Signs of life, and leases that end at the same moment.

use super::super::caller::Connection;
use super::harness::{World, named, plain};
use super::identity::server;
use super::locks::{SECOND, acquire, lock};
use crate::session::Liveness;
use commonhold_proto::LaneId;
use std::sync::Barrier;
use std::sync::atomic::AtomicBool;
use std::thread;

const TERM: u32 = 10;

/// The next tick finds that whoever said nothing since the beginning was silent for a term, and that it is not late.
fn to_the_end_of_the_term(world: &World) {
    world.advance((TERM - 1) * SECOND);
    world.time.advance(SECOND);
}

#[test]
fn a_sign_of_life_is_answered_while_the_lease_lasts() {
    let world = World::new();
    let mut peer = world.peer_that("heart", Liveness::Heartbeat);
    let session = world.engine.session(peer.session).expect("known");
    for beat in 1..10 {
        world.advance((TERM - 1) * SECOND);
        world.engine.heard(&session, peer.connection(), beat);
        peer.receive(&world);
        assert_eq!(peer.beat, beat);
    }
}

/// The lease has ended, and its lanes are not fenced yet: the loss of what it held is on its way into the log.
#[test]
fn no_sign_of_life_is_answered_once_the_lease_has_ended() {
    let mut world = World::new();
    let mut peer = world.peer_that("heart", Liveness::Heartbeat);
    acquire(&mut world, &mut peer, &lock());
    let session = world.engine.session(peer.session).expect("known");
    to_the_end_of_the_term(&world);
    let table = world.engine.session_table.state.lock();
    let is_fenced = thread::scope(|scope| {
        scope.spawn(|| world.engine.tick());
        while !peer.connection().lease.has_ended() {
            thread::yield_now();
        }
        let is_fenced = peer.is_fenced();
        world.engine.heard(&session, peer.connection(), 1);
        peer.receive(&world);
        // Before anything can fail: the other thread waits for it.
        drop(table);
        is_fenced
    });
    assert!(!is_fenced);
    assert_eq!(peer.beat, 0, "it would believe that it holds the lock");
    peer.connect(&world);
    assert!(peer.lease_lost);
}

/// Whether a client was silent for too long is decided, and its lease ended, in one step.
#[test]
fn a_sign_of_life_at_the_last_moment_is_answered_or_comes_too_late() {
    for round in 0..4_000 {
        let world = World::new();
        let mut peer = world.peer_that("heart", Liveness::Heartbeat);
        let session = world.engine.session(peer.session).expect("known");
        to_the_end_of_the_term(&world);
        let begin = Barrier::new(2);
        thread::scope(|scope| {
            scope.spawn(|| {
                begin.wait();
                world.engine.tick();
            });
            begin.wait();
            (0..round % 64).for_each(|_| std::hint::spin_loop());
            world.engine.heard(&session, peer.connection(), 1);
            peer.receive(&world);
        });
        let has_ended = peer.connection().lease.has_ended();
        assert_ne!(has_ended, peer.beat == 1, "round {round}");
    }
}

/// The same for a client that is back at the last moment: it still holds what it held, or its welcome says that it lost it.
#[test]
fn who_is_back_at_the_last_moment_holds_or_is_told() {
    for round in 0..2_000 {
        let mut world = World::new();
        let mut peer = world.peer("late");
        if round == 0 {
            peer.get(&mut world, &server(), "ping");
        }
        peer.disconnect(&world);
        world.time.advance(2 * SECOND);
        let begin = Barrier::new(2);
        thread::scope(|scope| {
            scope.spawn(|| {
                begin.wait();
                world.engine.tick();
            });
            begin.wait();
            (0..round % 64).for_each(|_| std::hint::spin_loop());
            peer.join(&world);
        });
        let has_ended = peer.connection().lease.has_ended();
        assert!(!has_ended, "round {round}: a welcome with a dead lease");
    }
}

/// The client hears of a loss before the loss is in the log, where it comes too late then: a restarted server would end
/// what the client was granted since.
#[test]
fn a_loss_that_was_heard_meanwhile_is_not_logged_any_more() {
    // Which of two threads is first is chance: the one that finds its lock free, nearly always.
    for round in 0..20 {
        let mut world = World::new();
        let mut peer = world.peer("holder");
        let hold = named("hold", "lock");
        peer.ask(&mut world, &hold, plain("acquire")).expect("free");
        peer.disconnect(&world);
        let session = world.engine.session(peer.session).expect("known");
        let table = world.engine.session_table.state.lock();
        thread::scope(|scope| {
            scope.spawn(|| world.engine.died(&session));
            while !session.presence.lock().lease_lost {
                thread::yield_now();
            }
            let welcomed = Connection {
                lane: session.lane(LaneId(0)).expect("the first"),
                lease: session.renew(),
                tells: AtomicBool::new(true),
                told_lease_lost: true,
                told_losses: 0,
            };
            drop(table);
            world.engine.heard_of_loss(&welcomed);
        });
        world.settle();
        world.crash();
        peer.connect(&world);
        assert!(!peer.lease_lost, "it was told again, in round {round}");
    }
}
