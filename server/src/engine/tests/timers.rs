//! How many timers a session sets, whatever its connections do.

use super::harness::{World, named, plain};
use super::locks::SECOND;
use crate::session::Liveness;
use commonhold_proto::Value;

const RECONNECTIONS: usize = 1_000;
/// Whether its lease is over, and whether it is to be forgotten.
const OF_A_SESSION: usize = 2;

#[test]
fn one_timer_watches_a_lease_however_often_its_session_reconnects() {
    for liveness in [Liveness::Heartbeat, Liveness::Connection] {
        let world = World::new();
        let mut peer = world.peer_that("restless", liveness);
        for _ in 0..RECONNECTIONS {
            peer.disconnect(&world);
            peer.connect(&world);
            // A new connection while the server believes in the one before.
            peer.connect(&world);
            let timers = world.engine.timers.len();
            assert!(timers <= OF_A_SESSION, "{timers} of {liveness:?}");
        }
    }
}

/// The timer that there is comes soon enough for whatever ends the lease: an absence, or a silence after it.
#[test]
fn the_timer_of_a_restless_session_ends_its_lease_in_time() {
    for silent in [true, false] {
        let mut world = World::new();
        let mut peer = world.peer_that("restless", Liveness::Heartbeat);
        let lock = named("hold", "lock");
        peer.ask(&mut world, &lock, plain("acquire")).expect("free");
        for _ in 0..10 {
            peer.disconnect(&world);
            world.advance(SECOND);
            peer.connect(&world);
            world.advance(SECOND);
        }
        // A second of the term has passed.
        let nearly = if silent {
            8 * SECOND + SECOND / 2
        } else {
            peer.disconnect(&world);
            SECOND + SECOND / 2
        };
        let mut looker = world.peer("looker");
        world.advance(nearly);
        let holder = looker.get(&mut world, &lock, "holder");
        assert_ne!(holder, Value::Null, "silent: {silent}");
        world.advance(SECOND);
        let holder = looker.get(&mut world, &lock, "holder");
        assert_eq!(holder, Value::Null, "silent: {silent}");
    }
}

#[test]
fn a_session_that_says_goodbye_leaves_no_timers() {
    let world = World::new();
    for _ in 0..10 {
        let peer = world.peer_that("brief", Liveness::Heartbeat);
        let session = world.engine.session(peer.session).expect("known");
        world.engine.goodbye(&session);
        let (lane, incarnation) = (peer.lane(), peer.incarnation());
        world.engine.disconnected(&session, lane, incarnation);
    }
    assert_eq!(world.engine.timers.len(), 0);
}
