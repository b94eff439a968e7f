//! Sessions that are not known any more hold nothing, whatever a crash or a race left of them.

use super::harness::{World, barrier, named, plain};
use commonhold_proto::{Code, LaneId, Row, Rows, SessionId, Value};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// A crash comes between the record that forgets a session and the one that takes back what was lent to it: the row
/// lapses, as of one who died, before anything is served.
#[test]
fn a_row_of_a_session_that_recovery_does_not_know_lapses() {
    let mut world = World::new();
    let mut peer = world.peer("a");
    let lock = named("hold", "lock");
    peer.get(&mut world, &lock, "acquire");
    let cell = world.cell("lock");
    let stranger = SessionId(9);
    let orphaned: Rows = super::harness::rows(&cell)
        .into_iter()
        .map(|row| match row {
            Row::Put { key, value, .. } => Row::lent(key, value, Some(stranger)),
            row => row,
        })
        .collect();
    let change = |world: &World, rows| {
        let mut state = cell.state.lock();
        world
            .engine
            .change(&cell, &mut state, None, rows, |_, _| None);
    };
    change(&world, orphaned);
    world.settle();
    for _ in 0..2 {
        world.crash();
        let mut looker = world.peer("looker");
        assert_eq!(looker.get(&mut world, &lock, "holder"), Value::Null);
    }
    let rows = super::harness::rows(&world.cell("lock"));
    assert_eq!(rows.len(), 1, "the note of the dead: {rows:?}");
}

/// The same at a barrier: the arrival of one who is not known any more breaks it for those who come.
#[test]
fn an_arrival_of_a_session_that_recovery_does_not_know_breaks_the_barrier() {
    let mut world = World::new();
    let mut peer = world.peer("a");
    let all = barrier("all", 2);
    peer.call(&world, &all, plain("wait"));
    let table = &world.engine.session_table;
    let key = super::super::table::number_key(peer.session.0);
    world.engine.change(
        table,
        &mut table.state.lock(),
        None,
        [Row::delete(key)].into_iter().collect(),
        |_, _| None,
    );
    world.settle();
    world.crash();
    assert!(world.engine.session(peer.session).is_none());
    let mut next = world.peer("next");
    let refusal = next.ask(&mut world, &all, plain("wait"));
    assert_eq!(refusal.expect_err("it broke").code, Code::Broken);
}

/// A client comes back while its session is being forgotten: what it would hold would never end.
#[test]
fn nobody_joins_a_session_that_was_forgotten() {
    for goodbye in [false, true] {
        let mut world = World::new();
        let mut peer = world.peer("a");
        peer.disconnect(&world);
        // As a connection does: it looks the session up, and takes the lane afterwards.
        let session = world.engine.session(peer.session).expect("it is known");
        if goodbye {
            world.engine.goodbye(&session);
        } else {
            world.advance(3601 * SECOND);
        }
        let refused = world.engine.join(&session, LaneId(0));
        let refusal = refused.map(|_| ()).expect_err("it was forgotten");
        assert_eq!(refusal.code, Code::SessionExpired);
        assert_eq!(session.presence.lock().connections, 0);
        world.settle();
    }
}
