//! A row lapses, and wakes so many that the cell's lock is let go: whatever comes meanwhile.

use super::super::caller::{Origin, Unary};
use super::harness::{World, named, plain};
use super::identity::{delete, server};
use super::kinds::ON_LAPSE;
use commonhold_proto::{Call, Code, Owner, Received, Target};
use parking_lot::Mutex;
use std::fs;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

/// More than are granted at a time, several times over.
const MANY: usize = 500;

/// While a row of the room lapses on this thread, another thread begins to delete the room.
fn delete_while_it_lapses(world: &World) -> Arc<Mutex<Option<thread::JoinHandle<()>>>> {
    let engine = Arc::clone(&world.engine);
    let deleting = Arc::new(Mutex::default());
    let started = Arc::clone(&deleting);
    ON_LAPSE.set(Some(Box::new(move || {
        let (deleter, (name, named)) = (Arc::clone(&engine), mpsc::channel());
        let thread = thread::spawn(move || {
            name.send(fs::read_link("/proc/thread-self"))
                .expect("somebody listens");
            let origin = Origin::Unary(Arc::new(Unary::default()));
            let received = Received {
                sequence: 0,
                target: server(),
                call: delete("room"),
                timeout: None,
                owner: Owner(0),
                fence: None,
                fingerprint: None,
            };
            deleter.submit(&origin, received);
        });
        let name = named.recv().expect("it begins").expect("Linux");
        // It has the table, and sleeps until it gets the cell.
        while !(engine.registry.table.state.is_locked() && sleeps(&name)) {
            thread::yield_now();
        }
        *started.lock() = Some(thread);
    })));
    deleting
}

pub(super) fn sleeps(thread: &Path) -> bool {
    let stat = fs::read_to_string(Path::new("/proc").join(thread).join("stat"));
    stat.is_ok_and(|stat| stat.contains(") S "))
}

/// Lets many wait for a row, which is due afterwards and lapses when the room is called next.
fn wait_for_a_row(world: &mut World, room: &Target) {
    let mut crowd = world.peer("crowd");
    let keep = Call::new("keep", ["key".into(), 5_000.into()]);
    crowd.ask(world, room, keep).expect("room");
    for _ in 0..MANY {
        crowd.call(world, room, Call::new("await", ["key".into()]));
        crowd.receive(world);
    }
    world.settle();
    world.time.advance(Duration::from_secs(6));
}

/// A change behind the deletion in the log would be of an object that recovery does not know.
#[test]
fn what_is_deleted_while_it_lapses_is_not_written_any_more() {
    let mut world = World::new();
    let mut peer = world.peer("late");
    let room = named("trouble", "room");
    wait_for_a_row(&mut world, &room);
    let deleting = delete_while_it_lapses(&world);
    let open = peer.call(&world, &room, plain("open"));
    let deleting = deleting.lock().take();
    deleting.expect("the row lapsed").join().expect("it ends");
    world.settle();
    peer.receive(&world);
    assert_eq!(peer.result(open).expect_err("gone").code, Code::ObjectGone);
    world.crash();
    assert!(world.engine.registry.named("room").is_none());
}

/// The same for a call that goes on after a restart.
#[test]
fn a_call_that_goes_on_is_not_written_either() {
    let mut world = World::new();
    let mut peer = world.peer("late");
    let room = named("trouble", "room");
    let lingering = peer.call(&world, &room, plain("linger"));
    world.settle();
    world.crash();
    peer.join(&world);
    let mut opener = world.peer("opener");
    opener.get(&mut world, &room, "open");
    wait_for_a_row(&mut world, &room);
    let deleting = delete_while_it_lapses(&world);
    peer.send_again(&world, lingering);
    let deleting = deleting.lock().take();
    deleting.expect("the row lapsed").join().expect("it ends");
    world.settle();
    peer.receive(&world);
    let refusal = peer.result(lingering).expect_err("gone");
    assert_eq!(refusal.code, Code::ObjectGone);
    world.crash();
    assert!(world.engine.registry.named("room").is_none());
}
