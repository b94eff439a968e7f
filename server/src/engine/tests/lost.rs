//! Grants that end although their holders did nothing, and what the holders are told of it, and for how long.

use super::harness::{World, kept, plain, rows};
use super::identity::{delete, server};
use super::locks::{SECOND, acquire, fence, lock, token};
use super::peer::Peer;
use commonhold_proto::{Durability, Fence, Revision, Row, Target};

/// A grant that ends, one way or another, while its holder does not listen.
const WAYS: [&str; 3] = ["force_release", "delete", "expiry"];

fn lose(world: &mut World, way: &str, durability: Durability) -> (Peer, Fence) {
    let (mut holder, mut other) = (world.peer("holder"), world.peer("other"));
    let target = kept("lock", "gpu", durability);
    let call = match way {
        "expiry" => plain("acquire").with("lease", 1),
        _ => plain("acquire"),
    };
    let granted = holder.ask(world, &target, call).expect("it is free");
    let lost = fence(world, "gpu", token(&granted));
    holder.acknowledge(world);
    holder.disconnect(world);
    match way {
        "force_release" => assert_eq!(other.get(world, &target, way), true.into()),
        "delete" => {
            let deleted = other.ask(world, &server(), delete("gpu"));
            deleted.expect("it is there");
        }
        _ => world.advance(SECOND + SECOND / 2),
    }
    world.settle();
    (holder, lost)
}

fn remembered(world: &World) -> Vec<Row> {
    rows(&world.engine.losses_table)
}

#[test]
fn a_loss_is_told_after_a_restart() {
    for way in WAYS {
        for durability in [Durability::Durable, Durability::Relaxed] {
            for checkpoint in [false, true] {
                let mut world = World::new();
                let (mut holder, lost) = lose(&mut world, way, durability);
                if checkpoint {
                    world.checkpoint();
                }
                world.crash();
                holder.connect(&world);
                assert_eq!(holder.welcomed_lost, [lost], "{way} {durability:?}");
                assert!(!holder.lease_lost, "it holds all else");
            }
        }
    }
}

/// A crash keeps both or neither: what was taken, and that its holder is to be told.
#[test]
fn no_crash_takes_a_grant_in_silence() {
    for kept_records in 0..3 {
        let mut world = World::new();
        let (mut holder, mut other) = (world.peer("holder"), world.peer("other"));
        let held = acquire(&mut world, &mut holder, &lock());
        holder.acknowledge(&world);
        let lost = fence(&world, "gpu", held);
        holder.disconnect(&world);
        other.call(&world, &lock(), plain("force_release"));
        world.crash_in_append(kept_records);
        holder.connect(&world);
        let cell = world.cell("gpu");
        let is_held = cell.state.lock().object.is_held_with(Revision(held));
        assert_eq!(is_held, !holder.welcomed_lost.contains(&lost));
    }
}

#[test]
fn a_loss_is_told_until_it_is_heard() {
    for durability in [Durability::Durable, Durability::Memory] {
        let mut world = World::new();
        let (mut holder, lost) = lose(&mut world, "force_release", durability);
        for _ in 0..3 {
            if durability == Durability::Durable {
                world.crash();
            }
            holder.connect(&world);
            assert_eq!(holder.welcomed_lost, [lost], "the welcome was lost");
            holder.disconnect(&world);
        }
        holder.connect(&world);
        // What is lost from now on is not in the welcome that it has heard.
        let target = kept("lock", "gpu", durability);
        let second = acquire(&mut world, &mut holder, &target);
        let mut other = world.peer("other");
        other.get(&mut world, &target, "force_release");
        holder.connect(&world);
        assert_eq!(holder.welcomed_lost, [fence(&world, "gpu", second)]);
        holder.get(&mut world, &server(), "ping");
        world.settle();
        assert_eq!(remembered(&world), []);
        world.crash();
        holder.connect(&world);
        assert_eq!(holder.welcomed_lost, []);
    }
}

/// What lapsed while nobody served is told as well.
#[test]
fn a_loss_while_the_server_was_down_is_told() {
    let mut world = World::new();
    let mut holder = world.peer("holder");
    let brief = plain("acquire").with("lease", 5);
    let granted = holder.ask(&mut world, &lock(), brief).expect("it is free");
    let lost = fence(&world, "gpu", token(&granted));
    holder.acknowledge(&world);
    world.disk.crash();
    world.time.advance(6 * SECOND);
    world.start_again();
    holder.connect(&world);
    assert_eq!(holder.welcomed_lost, [lost]);
}

#[test]
fn losses_are_forgotten_with_their_session() {
    let mut world = World::new();
    let (holder, _) = lose(&mut world, "force_release", Durability::Durable);
    assert_eq!(remembered(&world).len(), 1);
    let session = world.engine.session(holder.session).expect("known");
    world.engine.goodbye(&session);
    assert_eq!(remembered(&world), []);

    // A crash between the end of the session and that of its rows leaves rows of nobody.
    for kept_records in 0..4 {
        let mut world = World::new();
        let (holder, _) = lose(&mut world, "force_release", Durability::Durable);
        let session = world.engine.session(holder.session).expect("known");
        world.engine.goodbye(&session);
        world.crash_in_append(kept_records);
        let is_known = world.engine.session(holder.session).is_some();
        assert_eq!(remembered(&world).len(), usize::from(is_known));
    }
}

#[test]
fn no_more_losses_are_remembered_than_the_limit() {
    let mut world = World::new();
    let (mut holder, mut other) = (world.peer("holder"), world.peer("other"));
    let mut newest = 0;
    for _ in 0..1_030 {
        newest = acquire(&mut world, &mut holder, &lock());
        holder.acknowledge(&world);
        other.get(&mut world, &lock(), "force_release");
        other.acknowledge(&world);
    }
    assert_eq!(remembered(&world).len(), 1_024);
    world.crash();
    holder.connect(&world);
    assert_eq!(holder.welcomed_lost.len(), 1_024);
    assert_eq!(
        holder.welcomed_lost.last(),
        Some(&fence(&world, "gpu", newest))
    );
}

/// Of a lock in memory a restart leaves nothing: who comes back is told that it is gone.
#[test]
fn the_loss_of_what_is_in_memory_is_not_logged() {
    for way in WAYS {
        let mut world = World::new();
        let (mut holder, lost) = lose(&mut world, way, Durability::Memory);
        assert_eq!(remembered(&world), [], "{way}");
        holder.connect(&world);
        assert_eq!(holder.welcomed_lost, [lost], "{way}");
    }
}

/// What its holder gives back itself, or another thread of its client, is not lost.
#[test]
fn what_is_given_back_is_not_lost() {
    let mut world = World::new();
    let mut holder = world.peer("holder");
    let target: Target = lock();
    let held = acquire(&mut world, &mut holder, &target);
    let mut second = holder.another_lane(&world, 1);
    second.thread(2);
    let release = plain("release").with("token", held);
    second.ask(&mut world, &target, release).expect("held");
    assert_eq!(remembered(&world), []);
    holder.connect(&world);
    assert_eq!(holder.welcomed_lost, []);
}
