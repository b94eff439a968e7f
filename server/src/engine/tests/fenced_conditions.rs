//! Conditions that share a lock, made and deleted under a fence of another: a grant may end at any moment between.

use super::harness::{World, named, plain};
use super::identity::server;
use super::locks::{acquire, code, fence, lock, told, waiter, with};
use super::peer::Peer;
use commonhold_proto::{Call, Code, Fence, Target};
use std::thread;

fn mutex() -> Target {
    named("rlock", "mutex")
}

fn news() -> Target {
    with("condition", "news", &[("lock", "mutex".into())])
}

/// A peer with a fence of `gpu`, whose lock is younger than the one that conditions share.
fn holder(world: &mut World) -> (Peer, Fence) {
    let mut peer = world.peer("holder");
    acquire(world, &mut peer, &mutex());
    peer.get(world, &mutex(), "release");
    let held = acquire(world, &mut peer, &lock());
    let held = fence(world, "gpu", held);
    peer.fence(Some(held));
    (peer, held)
}

#[test]
fn a_deletion_that_is_fenced_out_ends_no_wait() {
    let mut world = World::new();
    let ((_, held), mut waits) = (holder(&mut world), world.peer("waits"));
    acquire(&mut world, &mut waits, &mutex());
    let wait = waiter(&mut world, &mut waits, &news(), plain("wait"));
    let mut other = world.peer("other");
    other.get(&mut world, &lock(), "force_release");
    let cell = world.cell("news");
    // As if the grant had ended after the fence was looked at for the first time.
    let refused = world.engine.delete(&cell, Some(held), None);
    let refused = refused.map(drop).expect_err("the grant is over");
    assert_eq!(refused.refusal.code, Code::FencedOut);
    world.settle();
    waits.receive(&world);
    assert_eq!(waits.reply(wait), None, "its condition is there");
    acquire(&mut world, &mut other, &mutex());
    assert_eq!(other.get(&mut world, &news(), "notify"), 1.into());
    other.get(&mut world, &mutex(), "release");
    told(&mut world, &mut waits, wait);
}

/// The holder of the fence's lock may delete, and whoever waits is told.
#[test]
fn a_fenced_deletion_ends_the_waits_of_its_condition() {
    for own in [false, true] {
        let mut world = World::new();
        let ((mut holder, _), mut waits) = (holder(&mut world), world.peer("waits"));
        acquire(&mut world, &mut waits, &mutex());
        let wait = waiter(&mut world, &mut waits, &news(), plain("wait"));
        if own {
            // Under a fence of the lock that the condition shares.
            let held = acquire(&mut world, &mut holder, &mutex());
            holder.fence(Some(fence(&world, "mutex", held)));
        }
        let delete = Call::new("delete", ["news".into()]);
        holder
            .ask(&mut world, &server(), delete)
            .expect("it has the lock");
        world.settle();
        waits.receive(&world);
        assert_eq!(code(waits.result(wait)), Code::LockLost, "own: {own}");
        assert!(world.engine.registry.named("news").is_none());
    }
}

#[test]
fn a_condition_is_not_made_for_a_call_whose_grant_ends_meanwhile() {
    let mut world = World::new();
    let ((mut stale, _), mut other) = (holder(&mut world), world.peer("other"));
    let shared = world.cell("mutex");
    let is_made = |world: &World| world.engine.registry.named("news").is_some();
    let sent = stale.note(&world, &news(), plain("notify"), None);
    let (origin, received) = (stale.origin(), stale.received(&world, sent));
    let (engine, state) = (&world.engine, shared.state.lock());
    thread::scope(|scope| {
        let calls = scope.spawn(move || engine.submit(&origin, received));
        // Its call waits for the lock that leads it; if it is made before, it is made soon.
        let mut turns = 0..100_000;
        while !is_made(&world) && turns.next().is_some() {
            thread::yield_now();
        }
        other.call(&world, &lock(), plain("force_release"));
        drop(state);
        calls.join().expect("it is refused");
    });
    world.settle();
    stale.receive(&world);
    assert_eq!(code(stale.result(sent)), Code::FencedOut);
    assert!(!is_made(&world), "whoever is refused leaves nothing behind");
}

#[test]
fn a_condition_is_not_made_for_a_call_whose_fence_is_of_its_own_lock() {
    let mut world = World::new();
    let mut peer = world.peer("peer");
    let held = acquire(&mut world, &mut peer, &mutex());
    peer.fence(Some(fence(&world, "mutex", held)));
    let refused = peer.ask(&mut world, &news(), plain("notify"));
    assert_eq!(code(refused), Code::BadArguments);
    assert!(world.engine.registry.named("news").is_none());
}
