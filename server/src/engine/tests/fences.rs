//! Fenced calls and guarded objects.

use super::harness::{World, named, plain};
use super::locks::{acquire, code, die, fence, lock, token, with};
use super::threads::{Client, Server};
use crate::store::MemoryDisk;
use commonhold_proto::{Call, Code, Fence, Revision};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// 4.5: a fence is valid only while the lock is held with its token, whether or not the next holder has written.
#[test]
fn a_superseded_holder_writes_nothing() {
    let mut world = World::new();
    let data = named("dict", "data");
    let (mut stale, mut next) = (world.peer("stale"), world.peer("next"));
    let set = |value: i64| Call::new("set", ["x".into(), value.into()]);
    let first = acquire(&mut world, &mut stale, &lock());
    stale.fence(Some(fence(&world, "gpu", first)));
    stale
        .ask(&mut world, &data, set(1))
        .expect("it holds the lock");
    die(&mut world, &stale);
    stale.connect(&world);
    assert_eq!(code(stale.ask(&mut world, &data, set(2))), Code::FencedOut);
    let second = acquire(&mut world, &mut next, &lock());
    let refusal = stale
        .ask(&mut world, &data, set(3))
        .expect_err("superseded");
    assert_eq!(refusal.code, Code::FencedOut);
    assert!(refusal.message.contains("held by next@"), "{refusal}");
    next.fence(Some(fence(&world, "gpu", second)));
    next.ask(&mut world, &data, set(4))
        .expect("it holds the lock");
    next.fence(None);
    let get = Call::new("get", ["x".into()]);
    assert_eq!(next.ask(&mut world, &data, get), Ok(4.into()));
}

#[test]
fn a_guarded_object_is_written_with_its_lock_alone() {
    let mut world = World::new();
    let data = with("dict", "data", &[("guard", "gpu".into())]);
    let (mut peer, mut other) = (world.peer("peer"), world.peer("other"));
    let set = || Call::new("set", ["x".into(), 1.into()]);
    assert_eq!(code(peer.ask(&mut world, &data, set())), Code::NotFound);
    let held = acquire(&mut world, &mut peer, &lock());
    assert_eq!(code(peer.ask(&mut world, &data, set())), Code::FencedOut);
    peer.fence(Some(fence(&world, "gpu", held)));
    peer.ask(&mut world, &data, set())
        .expect("it holds the lock");
    // Another lock is no help.
    let wrong = acquire(&mut world, &mut other, &named("lock", "other"));
    other.fence(Some(fence(&world, "other", wrong)));
    assert_eq!(code(other.ask(&mut world, &data, set())), Code::FencedOut);
    other.fence(None);
    let get = Call::new("get", ["x".into()]);
    assert_eq!(other.ask(&mut world, &data, get.clone()), Ok(1.into()));
    let delete = Call::new("delete", ["gpu".into()]);
    let server = named("server", "$server");
    assert_eq!(code(other.ask(&mut world, &server, delete)), Code::Conflict);
    world.crash();
    other.connect(&world);
    assert_eq!(code(other.ask(&mut world, &data, set())), Code::FencedOut);
    assert_eq!(other.ask(&mut world, &data, get), Ok(1.into()));
}

#[test]
fn a_fenced_call_never_waits() {
    let mut world = World::new();
    let mut peer = world.peer("peer");
    let held = acquire(&mut world, &mut peer, &lock());
    peer.fence(Some(fence(&world, "gpu", held)));
    let event = named("event", "event");
    let waits = peer.ask(&mut world, &event, plain("wait"));
    assert_eq!(waits, Ok(false.into()), "as if it had no time");
    let myself = peer.ask(&mut world, &lock(), plain("release"));
    assert_eq!(code(myself), Code::BadArguments);
}

/// 2.2: that a holder was superseded is said once that is durable.
#[test]
fn a_refusal_by_a_fence_waits_for_what_it_saw() {
    let mut world = World::new();
    let data = named("dict", "data");
    let (mut stale, mut next) = (world.peer("stale"), world.peer("next"));
    let first = acquire(&mut world, &mut stale, &lock());
    let set = || Call::new("set", ["x".into(), 1.into()]);
    stale
        .ask(&mut world, &data, set())
        .expect("it is not guarded");
    stale.fence(Some(fence(&world, "gpu", first)));
    next.call(&world, &lock(), plain("force_release"));
    let refused = stale.call(&world, &data, set());
    assert!(stale.receive(&world), "the reply is held for the store");
    assert_eq!(stale.reply(refused), None);
    world.settle();
    stale.receive(&world);
    assert_eq!(code(stale.result(refused)), Code::FencedOut);
}

/// 3.2: between the look at the lock and the write nobody gets the lock, whichever of the two objects is older; and no
/// two threads wait for each other's objects.
#[test]
fn no_stale_write_slips_in_between_threads() {
    const TURNS: usize = 300;
    let disk = MemoryDisk::default();
    let server = Server::start(&disk);
    let targets = [named("dict", "older"), named("dict", "younger")];
    let set = |token: u64| Call::new("set", ["token".into(), token.into()]);
    {
        let mut client = Client::connect(&server, server.session(), 0);
        for (at, target) in targets.iter().enumerate() {
            let made = client.call(target, set(0), None);
            client.finish(made).result.expect("it is made");
            if at == 0 {
                let held = client.call(&lock(), plain("acquire"), None);
                client.finish(held).result.expect("it is free");
            }
        }
    }
    let lock_oid = server.engine.registry.named("gpu").expect("it is made").oid;
    let done = AtomicBool::new(false);
    let written: Vec<(usize, u64, u64)> = thread::scope(|scope| {
        let (server, targets, done) = (&server, &targets, &done);
        let writers: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(move || {
                    let mut client = Client::connect(server, server.session(), 0);
                    let mut written = Vec::new();
                    for turn in 0..TURNS {
                        let patience = Some(Duration::from_secs(20));
                        let held = client.call(&lock(), plain("acquire"), patience);
                        let token = token(&client.finish(held).result.expect("it is freed"));
                        client.fence = Some(Fence {
                            lock: lock_oid,
                            token: Revision(token),
                        });
                        // Until it is freed by another.
                        for write in 0.. {
                            let at = (turn + write) % 2;
                            let written_at = client.call(&targets[at], set(token), None);
                            let reply = client.finish(written_at);
                            match reply.result {
                                Ok(_) => written.push((at, reply.revision.0, token)),
                                Err(refusal) => {
                                    assert_eq!(refusal.code, Code::FencedOut);
                                    break;
                                }
                            }
                        }
                        client.fence = None;
                    }
                    written
                })
            })
            .collect();
        let breaker = scope.spawn(move || {
            let mut client = Client::connect(server, server.session(), 0);
            while !done.load(Ordering::Relaxed) {
                let freed = client.call(&lock(), plain("force_release"), None);
                client.finish(freed).result.expect("anyone may");
            }
        });
        let written: Vec<_> = writers
            .into_iter()
            .flat_map(|writer| writer.join().expect("it is done"))
            .collect();
        done.store(true, Ordering::Relaxed);
        breaker.join().expect("it is done");
        written
    });
    server.stop();
    assert!(written.len() > TURNS, "{} writes", written.len());
    for at in 0..2 {
        let mut writes: Vec<(u64, u64)> = written
            .iter()
            .filter(|(target, ..)| *target == at)
            .map(|(_, revision, token)| (*revision, *token))
            .collect();
        writes.sort_unstable();
        assert!(
            writes.is_sorted_by_key(|(_, token)| *token),
            "a stale holder wrote after its successor"
        );
    }
}
