//! Fenced calls and guarded objects.

use super::harness::{World, named, plain};
use super::locks::{acquire, code, die, fence, lock, with};
use commonhold_proto::{Call, Code};

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
