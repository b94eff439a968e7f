//! Fences of calls that make or delete objects: a call that is refused leaves everything as it was.

use super::harness::{World, named, opened, plain};
use super::identity::{delete, server};
use super::locks::{acquire, code, fence, lock, with};
use super::peer::Peer;
use commonhold_proto::{Call, Code, Durability, OpenOptions, ServerTime, Target, Value};

const DURABILITIES: [Durability; 3] =
    [Durability::Durable, Durability::Relaxed, Durability::Memory];

fn set() -> Call {
    Call::new("set", ["x".into(), 1.into()])
}

/// A peer whose fence is over, and the one that has the lock now; each names its fence.
fn stale_and_next(world: &mut World) -> (Peer, Peer) {
    let (mut stale, mut next) = (world.peer("stale"), world.peer("next"));
    let first = acquire(world, &mut stale, &lock());
    next.get(world, &lock(), "force_release");
    let second = acquire(world, &mut next, &lock());
    stale.fence(Some(fence(world, "gpu", first)));
    next.fence(Some(fence(world, "gpu", second)));
    (stale, next)
}

fn is_there(world: &World, name: &str) -> bool {
    world.engine.registry.named(name).is_some()
}

fn guarded(durability: Durability) -> Target {
    let options = OpenOptions {
        durability: Some(durability),
        options: vec![("guard".to_owned(), "gpu".into())],
        ..OpenOptions::default()
    };
    opened("dict", "data", options)
}

#[test]
fn what_a_lock_guards_is_deleted_by_its_holder_alone() {
    for durability in DURABILITIES {
        let mut world = World::new();
        let (mut stale, mut next) = stale_and_next(&mut world);
        let mut other = world.peer("other");
        let data = guarded(durability);
        next.ask(&mut world, &data, set()).expect("it has the lock");
        let refused = stale.ask(&mut world, &server(), delete("data"));
        assert_eq!(code(refused), Code::FencedOut);
        let refused = other.ask(&mut world, &server(), delete("data"));
        let refused = refused.expect_err("it names no fence");
        assert_eq!(refused.code, Code::FencedOut);
        assert!(refused.message.contains("or with force"), "{refused}");
        next.get(&mut world, &data, "len");
        next.ask(&mut world, &server(), delete("data"))
            .expect("it has the lock");
        assert!(!is_there(&world, "data"));
    }
}

#[test]
fn an_administrator_deletes_what_a_lock_guards_by_force() {
    let mut world = World::new();
    let (mut stale, mut next) = stale_and_next(&mut world);
    let mut other = world.peer("other");
    next.ask(&mut world, &guarded(Durability::Durable), set())
        .expect("it has the lock");
    let by_force = || delete("data").with("force", true);
    // A fence that is named is meant.
    let refused = stale.ask(&mut world, &server(), by_force());
    assert_eq!(code(refused), Code::FencedOut);
    other
        .ask(&mut world, &server(), by_force())
        .expect("it is meant");
    assert!(!is_there(&world, "data"));
    let refused = other.ask(&mut world, &server(), delete("gpu").with("force", 1));
    assert_eq!(code(refused), Code::BadArguments);
}

/// What nothing guards is deleted by anyone, but a fence that is named must hold.
#[test]
fn a_fenced_deletion_is_carried_out_only_while_the_grant_holds() {
    let mut world = World::new();
    let (mut stale, mut next) = stale_and_next(&mut world);
    let mut other = world.peer("other");
    for name in ["a", "b"] {
        other
            .ask(&mut world, &named("dict", name), set())
            .expect("made");
    }
    let refused = stale.ask(&mut world, &server(), delete("a"));
    assert_eq!(code(refused), Code::FencedOut);
    assert!(is_there(&world, "a"));
    next.ask(&mut world, &server(), delete("a"))
        .expect("it has the lock");
    other
        .ask(&mut world, &server(), delete("b"))
        .expect("it is not guarded");
    // The lock itself, by whoever holds it.
    let refused = stale.ask(&mut world, &server(), delete("gpu"));
    assert_eq!(code(refused), Code::FencedOut);
    next.ask(&mut world, &server(), delete("gpu"))
        .expect("it has the lock");
    assert!(!is_there(&world, "gpu"));
    let refused = next.ask(&mut world, &server(), plain("ping"));
    assert_eq!(code(refused), Code::FencedOut, "its lock is gone");
}

/// That the grant is over is told once it is durable.
#[test]
fn a_deletion_that_is_refused_waits_for_what_it_saw() {
    let mut world = World::new();
    let (mut stale, mut next) = (world.peer("stale"), world.peer("next"));
    let held = acquire(&mut world, &mut stale, &lock());
    let data = named("dict", "data");
    stale.ask(&mut world, &data, set()).expect("made");
    stale.fence(Some(fence(&world, "gpu", held)));
    next.call(&world, &lock(), plain("force_release"));
    let refused = stale.call(&world, &server(), delete("data"));
    assert!(stale.receive(&world), "the reply is held for the store");
    assert_eq!(stale.reply(refused), None);
    world.settle();
    stale.receive(&world);
    assert_eq!(code(stale.result(refused)), Code::FencedOut);
}

#[test]
fn a_call_that_is_fenced_out_makes_nothing() {
    let mut world = World::new();
    let (mut stale, mut next) = stale_and_next(&mut world);
    let absent = named("dict", "absent");
    let fresh = opened(
        "dict",
        "absent",
        OpenOptions {
            exists: Some(false),
            ..OpenOptions::default()
        },
    );
    let open = |kind: &str| Call::new("open", [kind.into()]);
    let opens = [
        open("dict").with("name", "absent"),
        open("dict").with("name", "absent").with("exists", false),
        open("dict").with("durability", "durable"),
        open("dict"),
    ];
    for target in [&absent, &fresh] {
        for call in [set(), plain("len"), plain("clear")] {
            assert_eq!(
                code(stale.ask(&mut world, target, call)),
                Code::FencedOut,
                "neither made nor imagined"
            );
        }
    }
    for call in opens.clone() {
        let refused = stale.ask(&mut world, &server(), call);
        assert_eq!(code(refused), Code::FencedOut);
    }
    assert!(!is_there(&world, "absent"));
    assert_eq!(world.engine.registry.anonymous().len(), 0);
    // The one that has the lock is answered.
    assert_eq!(next.get(&mut world, &absent, "len"), 0.into());
    assert!(!is_there(&world, "absent"));
    next.ask(&mut world, &fresh, set()).expect("it is made");
    assert_eq!(next.get(&mut world, &absent, "len"), 1.into());
    for call in &opens[2..] {
        let made = next.ask(&mut world, &server(), call.clone());
        assert!(matches!(made, Ok(Value::Reference(_))), "{made:?}");
    }
    assert_eq!(world.engine.registry.anonymous().len(), 2);
}

/// The lock of the fence was deleted, or never was.
#[test]
fn a_fence_of_what_does_not_exist_makes_nothing() {
    let mut world = World::new();
    let mut peer = world.peer("peer");
    let held = acquire(&mut world, &mut peer, &lock());
    peer.fence(Some(fence(&world, "gpu", held)));
    let mut other = world.peer("other");
    other
        .ask(&mut world, &server(), delete("gpu"))
        .expect("it guards nothing");
    let refused = peer.ask(&mut world, &named("dict", "absent"), set());
    assert_eq!(code(refused), Code::FencedOut);
    assert!(!is_there(&world, "absent"));
}

#[test]
fn a_write_without_its_fence_does_not_make_what_would_be_guarded() {
    let mut world = World::new();
    let mut peer = world.peer("peer");
    acquire(&mut world, &mut peer, &lock());
    let data = with("dict", "data", &[("guard", "gpu".into())]);
    assert_eq!(code(peer.ask(&mut world, &data, set())), Code::FencedOut);
    assert!(!is_there(&world, "data"));
    assert_eq!(peer.get(&mut world, &data, "len"), 0.into());
}

/// A condition that shares a lock is made for its call, which is led to that lock, fenced as it is.
#[test]
fn a_fenced_call_makes_a_condition_and_is_led_to_its_lock() {
    let mut world = World::new();
    let (mut stale, mut next) = stale_and_next(&mut world);
    next.ask(&mut world, &named("rlock", "mutex"), plain("acquire"))
        .expect("free");
    let news = with("condition", "news", &[("lock", "mutex".into())]);
    let refused = stale.ask(&mut world, &news, plain("notify"));
    assert_eq!(code(refused), Code::FencedOut);
    assert!(!is_there(&world, "news"));
    assert_eq!(next.get(&mut world, &news, "notify"), 0.into());
    assert!(is_there(&world, "news"));
}

/// A call that waits for what is due to be done must not wait for what is gone.
#[test]
fn nothing_of_a_deleted_lock_falls_due() {
    let mut world = World::new();
    let mut peer = world.peer("a");
    let leased = plain("acquire").with("lease", 5);
    peer.ask(&mut world, &lock(), leased).expect("it is free");
    let cell = world.cell("gpu");
    let later = ServerTime(world.engine.clock.now().0 + 60_000_000_000);
    assert!(cell.state.lock().due(later).is_some());
    peer.ask(&mut world, &server(), delete("gpu"))
        .expect("nothing is guarded");
    assert!(cell.state.lock().due(later).is_none());
}
