//! Objects that name a lock when they are made, while that lock is being deleted.

use super::super::caller::{Origin, Unary};
use super::harness::{World, named, plain};
use super::identity::{delete, server};
use super::lapsing::sleeps;
use super::locks::with;
use super::threads::{Client, Server};
use crate::store::MemoryDisk;
use commonhold_proto::{Call, Code, Owner, Received, Target, Value};
use std::fs;
use std::sync::{Arc, mpsc};
use std::task::Waker;
use std::thread;

/// What names the lock "gpu", one way or the other.
fn linked() -> [Target; 2] {
    [
        with("dict", "linked", &[("guard", "gpu".into())]),
        with("condition", "linked", &[("lock", "gpu".into())]),
    ]
}

/// The name was looked up, and then the lock was deleted.
#[test]
fn nothing_is_made_that_names_what_was_deleted_meanwhile() {
    for target in linked() {
        let mut world = World::new();
        let mut peer = world.peer("peer");
        peer.get(&mut world, &named("lock", "gpu"), "force_release");
        peer.ask(&mut world, &named("lock", "gpu"), plain("acquire"))
            .expect("free");
        let Target::Open(open) = &target else {
            panic!("it is opened by name");
        };
        let birth = world.engine.birth(open).expect("the lock is there");
        peer.ask(&mut world, &server(), delete("gpu"))
            .expect("nothing names it");
        let made = world.engine.create(&birth, None, None);
        let refused = made.map(|_| ()).map_err(|refused| refused.refusal.code);
        assert_eq!(refused, Err(Code::ObjectGone));
        assert!(world.engine.registry.named("linked").is_none());
    }
}

/// Whoever deletes the lock has looked, and waits for the registry: what it guards by then keeps it.
#[test]
fn a_lock_is_not_deleted_that_guards_something_by_now() {
    let mut world = World::new();
    let mut peer = world.peer("peer");
    peer.ask(&mut world, &named("lock", "gpu"), plain("acquire"))
        .expect("free");
    let [guarded, _] = linked();
    let Target::Open(open) = &guarded else {
        panic!("it is opened by name");
    };
    let birth = world.engine.birth(open).expect("the lock is there");
    let unary = Arc::new(Unary::default());
    let mut table = world.engine.registry.table.state.lock();
    thread::scope(|scope| {
        let (engine, (name, named)) = (&world.engine, mpsc::channel());
        let origin = Origin::Unary(Arc::clone(&unary));
        scope.spawn(move || {
            name.send(fs::read_link("/proc/thread-self"))
                .expect("somebody listens");
            let received = Received {
                sequence: 0,
                target: server(),
                call: delete("gpu"),
                timeout: None,
                owner: Owner(0),
                fence: None,
                fingerprint: None,
            };
            engine.submit(&origin, received);
        });
        let name = named.recv().expect("it begins").expect("Linux");
        while !sleeps(&name) {
            thread::yield_now();
        }
        let made = world.engine.make(&mut table, &birth, None);
        drop(table);
        made.expect("the lock is there");
    });
    world.settle();
    let answer = unary.poll(Waker::noop()).expect("it is answered").0;
    assert_eq!(answer.result.expect_err("it guards").code, Code::Conflict);
    assert!(world.engine.registry.named("gpu").is_some());
}

/// Threads make and delete locks and what they guard. There is never something guarded by what is gone.
#[test]
fn what_is_guarded_has_its_lock_whoever_deletes_it() {
    const TURNS: usize = 300;
    let disk = MemoryDisk::default();
    let host = Server::start(&disk);
    let ask = |client: &mut Client<'_>, target: &Target, call| {
        let sequence = client.call(target, call, None);
        client.finish(sequence).result
    };
    thread::scope(|scope| {
        let (host, ask) = (&host, &ask);
        let maker = scope.spawn(move || {
            let mut client = Client::connect(host, host.session(), 0);
            let mut made = 0;
            for _ in 0..TURNS {
                let lock = Call::new("open", ["lock".into(), "gpu".into()]);
                ask(&mut client, &server(), lock).expect("made, or there");
                let options = Value::Dict(vec![("guard".into(), "gpu".into())]);
                let open = Call::new("open", ["dict".into(), "linked".into()]);
                let open = open.with("options", options);
                if ask(&mut client, &server(), open).is_ok() {
                    made += 1;
                    // Nobody else deletes it.
                    let registry = &host.engine.registry;
                    let linked = registry.named("linked").expect("it was made");
                    let guard = linked.options.guard().expect("it names one");
                    assert!(registry.cell(guard).is_some(), "its lock is gone");
                    let by_force = delete("linked").with("force", true);
                    ask(&mut client, &server(), by_force).expect("there");
                }
            }
            made
        });
        let deleter = scope.spawn(move || {
            let mut client = Client::connect(host, host.session(), 0);
            for _ in 0..TURNS {
                // It is there or not, and guards something or not.
                let _ = ask(&mut client, &server(), delete("gpu"));
            }
        });
        deleter.join().expect("it ends");
        assert!(maker.join().expect("it ends") > 0);
    });
    host.stop();
}
