//! Checkpoints that are read while traffic goes on, changes that are larger than a segment, and recovery from all of it.

use super::super::faults::Fault;
use super::harness::{Moment, World, barrier, named, plain, snapshot};
use super::identity::{delete, server};
use super::peer::Peer;
use commonhold_proto::{Call, Value};
use parking_lot::Mutex;
use std::sync::Arc;

fn fill(rows: i64, bytes: i64) -> Call {
    Call::new("fill", [rows.into(), bytes.into()])
}

/// What is on the disk is what is in memory.
#[track_caller]
fn check(world: &mut World) {
    world.settle();
    let live = snapshot(&world.engine);
    assert_eq!(world.recovered(), live);
}

/// Calls that change several objects a little, in turn.
fn bustle(world: &World, peer: &mut Peer, turn: i64) {
    for name in ["a", "b", "c"] {
        peer.call(world, &named("counter", name), plain("increment"));
        let set = Call::new("set", [(turn % 17).into(), turn.into()]);
        peer.call(world, &named("dict", name.repeat(2).as_str()), set);
    }
    let room = named("trouble", "room");
    peer.call(
        world,
        &room,
        if turn % 3 == 0 {
            plain("clear")
        } else {
            fill(turn % 40, 3_000)
        },
    );
    if turn % 5 == 0 {
        peer.call(world, &server(), delete("bb"));
        peer.call(
            world,
            &named("hold", &format!("new{turn}")),
            plain("acquire"),
        );
    }
}

#[test]
fn what_was_logged_is_what_is_recovered() {
    let mut world = World::new();
    let mut peer = world.peer("a");
    for turn in 0..12 {
        bustle(&world, &mut peer, turn);
        peer.receive(&world);
        peer.acknowledge(&world);
    }
    check(&mut world);
}

/// Traffic between any two pages of a scan; a crash after any step of it.
#[test]
fn a_checkpoint_under_traffic_is_right_whenever_the_server_dies() {
    for steps in 0..40 {
        let mut world = World::new();
        let mut peer = world.peer("a");
        for turn in 1..4 {
            bustle(&world, &mut peer, turn);
            world.settle();
        }
        world.checkpoint();
        world.committer.begin_checkpoint();
        for turn in 0..steps {
            bustle(&world, &mut peer, turn + 4);
            world.step();
            peer.receive(&world);
            peer.acknowledge(&world);
            if !world.committer.is_checkpointing() {
                world.committer.begin_checkpoint();
            }
        }
        check(&mut world);
        peer.connect(&world);
        world.settle();
        peer.receive(&world);
        assert!(peer.unanswered.is_empty());
    }
}

/// Objects are created and deleted while the scan is under way, before and after their pages were read.
#[test]
fn objects_come_and_go_during_a_scan() {
    for when in 0..12 {
        let mut world = World::new();
        let mut peer = world.peer("a");
        for name in ["one", "two", "three"] {
            peer.call(&world, &named("trouble", name), fill(20, 5_000));
        }
        world.settle();
        world.committer.begin_checkpoint();
        for step in 0..12 {
            if step == when {
                peer.call(&world, &server(), delete("two"));
                peer.call(&world, &named("trouble", "two"), fill(1, 10));
                peer.call(&world, &named("trouble", "four"), fill(1, 10));
                peer.call(&world, &server(), delete("three"));
            }
            world.step();
        }
        assert!(!world.committer.is_checkpointing());
        check(&mut world);
        assert!(world.engine.registry.named("three").is_none());
    }
}

/// A checkpoint of a server that has just started and changed nothing, twice, and one of an empty server.
#[test]
fn a_server_that_has_just_started_can_take_a_checkpoint() {
    let mut world = World::new();
    world.checkpoint();
    world.crash();
    world.checkpoint();
    let mut peer = world.peer("a");
    peer.ask(&mut world, &named("counter", "hits"), plain("increment"))
        .expect("room");
    for _ in 0..3 {
        world.crash();
        world.checkpoint();
        world.checkpoint();
    }
    // Revisions pass that are not in the log.
    peer.connect(&world);
    let memory = super::harness::kept("counter", "m", commonhold_proto::Durability::Memory);
    for _ in 0..10 {
        peer.ask(&mut world, &memory, plain("increment"))
            .expect("room");
    }
    world.checkpoint();
    peer.ask(&mut world, &named("counter", "hits"), plain("increment"))
        .expect("room");
    check(&mut world);
}

/// One value and one change that are larger than a segment and than a page.
#[test]
fn a_change_may_be_larger_than_a_segment() {
    let mut world = World::new();
    let mut peer = world.peer("a");
    let (book, room) = (named("dict", "book"), named("trouble", "room"));
    let large = Value::Bytes(vec![7; 300_000].into());
    let set = |key: &str| Call::new("set", [key.into(), large.clone()]);
    peer.call(&world, &book, set("one"));
    peer.call(&world, &room, fill(2_500, 100));
    peer.call(&world, &named("counter", "hits"), plain("increment"));
    peer.call(&world, &book, set("two"));
    check(&mut world);
    peer.connect(&world);
    world.checkpoint();
    check(&mut world);
    peer.connect(&world);
    assert_eq!(
        peer.ask(&mut world, &book, Call::new("get", ["two".into()])),
        Ok(large)
    );
}

/// A crash within the run of chunks of one change: all of it is gone, and nothing else.
#[test]
fn a_change_that_was_cut_short_is_gone_as_a_whole() {
    for kept_records in 0..7 {
        let mut world = World::new();
        let mut peer = world.peer("a");
        let (room, hits) = (named("trouble", "room"), named("counter", "hits"));
        peer.ask(&mut world, &room, fill(1, 10)).expect("room");
        peer.ask(&mut world, &hits, plain("increment"))
            .expect("room");
        peer.acknowledge(&world);
        peer.call(&world, &room, fill(300, 1_000));
        world.crash_in_append(kept_records);
        let entries = super::harness::rows(&world.cell("room")).len();
        assert!(entries == 1 || entries == 300, "{entries} rows");
        peer.connect(&world);
        world.settle();
        peer.receive(&world);
        assert_eq!(peer.reply(3).expect("answered").remembered, entries == 300);
        assert_eq!(peer.get(&mut world, &hits, "get"), 1.into());
        check(&mut world);
    }
}

/// Does a checkpoint that was published while more was being done hold after a crash?
pub(super) fn exam_of_publishing(mut world: World) -> Result<(), String> {
    let mut peer = world.peer("a");
    peer.call(&world, &named("counter", "hits"), plain("increment"));
    world.settle();
    world.committer.begin_checkpoint();
    // A call comes in while each batch is on its way to the disk.
    let peer = Arc::new(Mutex::new(peer));
    let (engine, origin) = (
        Arc::clone(&world.engine),
        super::super::caller::Origin::Lane(Arc::clone(peer.lock().connection())),
    );
    let received: Vec<_> = (0..20)
        .map(|_| {
            let mut peer = peer.lock();
            let hits = named("counter", "hits");
            let sequence = peer.note(&world, &hits, plain("increment"), None);
            peer.received(&world, sequence)
        })
        .collect();
    let mut received = received.into_iter();
    *world.hook.lock() = Some(Box::new(move |moment| {
        if moment == Moment::BeforeAppend
            && let Some(received) = received.next()
        {
            engine.submit(&origin, received);
        }
    }));
    peer.lock()
        .call(&world, &named("counter", "hits"), plain("increment"));
    while world.committer.is_checkpointing() {
        world
            .committer
            .step()
            .map_err(|error| format!("the store refuses: {error}"))?;
    }
    *world.hook.lock() = None;
    world.crash();
    Ok(())
}

/// A checkpoint counts only once the log has reached the end of its scan.
#[test]
fn a_checkpoint_is_published_when_the_log_has_reached_its_end() {
    exam_of_publishing(World::new()).expect("it waits for the log");
    exam_of_publishing(World::faulty(Fault::PublishEarly)).expect_err("it does not wait");
}

/// Calls that wait, and calls whose outcome is not acknowledged, while checkpoint follows checkpoint.
#[test]
fn waiting_calls_survive_checkpoints_and_crashes() {
    let mut world = World::new();
    let (mut a, mut b) = (world.peer("a"), world.peer("b"));
    let all = barrier("all", 3);
    a.call(&world, &all, plain("wait"));
    for _ in 0..3 {
        world.checkpoint();
        world.crash();
        a.connect(&world);
        b.connect(&world);
        assert_eq!(b.get(&mut world, &all, "n_waiting"), 1.into());
    }
}
