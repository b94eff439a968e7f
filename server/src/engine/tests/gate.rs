//! No reply leaves before everything it saw is durable; what a crash takes back; what a full disk refuses.

use super::harness::{Moment, World, kept, named, plain, snapshot};
use super::identity::{delete, server};
use crate::store;
use commonhold_proto::{Call, Code, Durability, Revision, Target, Value};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Wake, Waker};
use std::time::Duration;

/// A write, a read and a refusal that saw a change all wait for it, on every lane.
#[test]
fn whoever_saw_a_change_waits_for_it() {
    let mut world = World::new();
    let (mut a, mut b) = (world.peer("a"), world.peer("b"));
    let hits = named("counter", "hits");
    world.settle();
    let write = a.call(&world, &hits, plain("increment"));
    let read = b.call(&world, &hits, plain("get"));
    let refused = b.call(&world, &hits, plain("increment").with("max", 0));
    assert!(a.receive(&world));
    assert!(b.receive(&world));
    assert!(a.answered.is_empty() && b.answered.is_empty());
    world.settle();
    assert!(!a.receive(&world));
    assert!(!b.receive(&world));
    assert_eq!(
        (a.result(write), b.result(read)),
        (Ok(1.into()), Ok(1.into()))
    );
    assert_eq!(
        b.result(refused).expect_err("1 is 1").code,
        Code::OutOfBounds
    );
}

/// Between append and answer there is nothing but the gate: held replies leave when the committer moves it.
#[test]
fn a_reply_is_held_until_the_append_has_returned() {
    let mut world = World::new();
    let mut peer = world.peer("a");
    peer.call(&world, &named("counter", "hits"), plain("increment"));
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (engine, hook) = (Arc::clone(&world.engine), Arc::clone(&seen));
    let lane = Arc::clone(peer.lane());
    *world.hook.lock() = Some(Box::new(move |moment| {
        let (frame, held) = lane.next_frame(engine.gate.durable(), Waker::noop());
        let replies = frame.map_or(0, |frame| frame.replies.len());
        hook.lock().push((moment, replies, held));
    }));
    world.settle();
    assert_eq!(
        *seen.lock(),
        [
            (Moment::BeforeAppend, 0, true),
            (Moment::AfterAppend, 0, true)
        ]
    );
    peer.receive(&world);
    assert_eq!(peer.result(1), Ok(1.into()));
}

/// A client deletes x; another reads "no such object" before the deletion is durable; crash; x is back. The reader was
/// told nothing.
#[test]
fn that_an_object_is_absent_waits_for_its_deletion() {
    let mut world = World::new();
    let (mut a, mut b) = (world.peer("a"), world.peer("b"));
    let hits = named("counter", "hits");
    a.ask(&mut world, &hits, plain("increment")).expect("made");
    let oid = Target::Oid(world.cell("hits").oid);
    a.call(&world, &server(), delete("hits"));
    let by_name = b.call(&world, &hits, plain("get"));
    let by_oid = b.call(&world, &oid, plain("get"));
    let listed = b.call(&world, &server(), plain("ls"));
    assert!(b.receive(&world));
    assert!(b.answered.is_empty());
    world.crash();
    b.connect(&world);
    b.receive(&world);
    assert_eq!(b.result(by_name), Ok(1.into()));
    assert_eq!(b.result(by_oid), Ok(1.into()));
    assert!(matches!(b.result(listed), Ok(Value::List(list)) if list.len() == 1));
}

/// Finding an object waits for its creation, not for whatever else the registry did.
#[test]
fn finding_an_object_waits_for_its_own_creation_only() {
    let mut world = World::new();
    let (mut a, mut b) = (world.peer("a"), world.peer("b"));
    let old = named("hold", "old");
    a.get(&mut world, &server(), "ping");
    a.ask(
        &mut world,
        &server(),
        Call::new("open", ["hold".into(), "old".into()]),
    )
    .expect("made");
    let open = |name: &str| Call::new("open", ["hold".into(), name.into()]);
    a.call(&world, &server(), open("new"));
    let new = b.call(&world, &named("hold", "new"), plain("holder"));
    let found = b.call(&world, &old, plain("holder"));
    b.receive(&world);
    assert_eq!(b.result(found), Ok(Value::Null));
    assert_eq!(b.reply(new), None);
    world.settle();
    b.receive(&world);
    assert_eq!(b.result(new), Ok(Value::Null));
}

/// Objects in memory answer at once, relaxed ones too.
#[test]
fn memory_and_relaxed_replies_do_not_wait() {
    for durability in [Durability::Memory, Durability::Relaxed] {
        let mut world = World::new();
        let mut peer = world.peer("a");
        world.settle();
        let hits = kept("counter", "hits", durability);
        peer.call(&world, &hits, plain("increment"));
        assert!(!peer.receive(&world));
        assert_eq!(peer.result(1), Ok(1.into()));
        assert_eq!(world.step(), durability == Durability::Relaxed);
    }
}

/// A crash takes back a suffix: a durable reply says that everything before it is durable, relaxed or not.
#[test]
fn a_durable_reply_makes_everything_before_it_durable() {
    let mut world = World::new();
    let mut peer = world.peer("a");
    let relaxed = kept("counter", "relaxed", Durability::Relaxed);
    let durable = named("counter", "durable");
    peer.call(&world, &relaxed, plain("increment"));
    peer.call(&world, &durable, plain("increment"));
    world.settle();
    peer.call(&world, &relaxed, plain("increment"));
    peer.call(&world, &durable, plain("increment"));
    peer.receive(&world);
    assert_eq!(
        (peer.result(2), peer.result(3)),
        (Ok(1.into()), Ok(2.into()))
    );
    world.crash();
    peer.connect(&world);
    world.settle();
    peer.receive(&world);
    assert_eq!(peer.get(&mut world, &relaxed, "get"), 1.into());
    assert_eq!(peer.get(&mut world, &durable, "get"), 2.into());
}

/// Whatever part of a batch reaches the disk, what comes back is a prefix of what was done.
#[test]
fn a_crash_in_an_append_keeps_a_prefix() {
    for kept_records in 0..8 {
        let mut world = World::new();
        let mut peer = world.peer("a");
        let room = named("trouble", "room");
        let hits = named("counter", "hits");
        world.settle();
        for _ in 0..5 {
            peer.call(&world, &hits, plain("increment"));
            let fill = Call::new("fill", [3.into(), 30_000.into()]);
            peer.call(&world, &room, fill);
        }
        world.crash_in_append(kept_records);
        let done = world.engine.registry.named("hits").is_some();
        peer.connect(&world);
        world.settle();
        peer.receive(&world);
        let remembered: Vec<bool> = peer.answered.values().map(|r| r.remembered).collect();
        assert!(remembered.is_sorted_by(|a, b| a >= b), "{remembered:?}");
        assert_eq!(remembered[0], done);
        assert_eq!(peer.get(&mut world, &hits, "get"), 5.into());
    }
}

/// The token of a lock in memory, handed out before a crash, is older than any that is handed out after it.
#[test]
fn no_revision_is_given_twice() {
    let mut world = World::new();
    let mut newest = Revision(0);
    for round in 0..5 {
        let mut peer = world.peer("a");
        for durability in [Durability::Memory, Durability::Relaxed, Durability::Durable] {
            let name = format!("{}{round}", durability.name());
            let lock = kept("hold", &name, durability);
            let token = peer
                .ask(&mut world, &lock, plain("acquire"))
                .expect("it is free");
            let token = Revision(token.as_int().expect("a number").cast_unsigned());
            let cell = world.cell(&name);
            assert!(token > newest, "{token} after {newest}");
            assert!(cell.state.lock().last > token);
            newest = cell.state.lock().last;
        }
        if round % 2 == 0 {
            peer.call(&world, &named("counter", "lost"), plain("increment"));
        }
        newest = newest.max(world.engine.log.newest());
        world.crash();
    }
}

/// A server that gave revisions and logged none of them does not give them again in its next life: a session that was
/// known already makes an object in memory, twice.
#[test]
fn a_life_that_logs_nothing_gives_no_revision_that_comes_again() {
    let mut world = World::new();
    let mut peer = world.peer("a");
    world.settle();
    let mut newest = world.engine.log.newest();
    for round in 0..3 {
        world.crash();
        peer.connect(&world);
        let lock = kept("hold", &format!("lock{round}"), Durability::Memory);
        let token = peer
            .ask(&mut world, &lock, plain("acquire"))
            .expect("it is free");
        let token = Revision(token.as_int().expect("a number").cast_unsigned());
        assert!(token > newest, "{token} after {newest}");
        newest = world.engine.log.newest();
    }
}

/// A server whose store keeps nothing begins its lives at different places.
#[test]
fn lives_that_find_nothing_begin_apart() {
    let begin = |wall_ms| super::super::log::Log::somewhere(wall_ms);
    assert_ne!(begin(1_000), begin(1_001));
    assert!(begin(u64::MAX).0 < 1 << 53);
}

/// On a full disk writing is refused when a call comes in, not when it is too late; reading, letting go and deleting go on.
#[test]
fn a_full_disk_refuses_what_adds() {
    let mut world = World::new();
    let mut peer = world.peer("a");
    let (hits, lock) = (named("counter", "hits"), named("hold", "lock"));
    peer.ask(&mut world, &hits, plain("increment"))
        .expect("room");
    peer.ask(&mut world, &lock, plain("acquire")).expect("room");
    world.engine.set_full(true);
    for target in [hits.clone(), named("counter", "new")] {
        let sequence = peer.call(&world, &target, plain("increment"));
        peer.receive(&world);
        assert_eq!(
            peer.result(sequence).expect_err("full").code,
            Code::StoreFull
        );
    }
    let open = Call::new("open", ["hold".into(), "new".into()]);
    let sequence = peer.call(&world, &server(), open);
    let read = peer.call(&world, &hits, plain("get"));
    let release = peer.call(&world, &lock, plain("release"));
    let memory = kept("counter", "memory", Durability::Memory);
    let memory = peer.call(&world, &memory, plain("increment"));
    let deleted = peer.call(&world, &server(), delete("hits"));
    world.settle();
    world.engine.set_full(true);
    peer.receive(&world);
    assert_eq!(
        peer.result(sequence).expect_err("full").code,
        Code::StoreFull
    );
    assert_eq!(peer.result(read), Ok(1.into()));
    assert_eq!(peer.result(release), Ok(Value::Null));
    assert_eq!(peer.result(memory), Ok(1.into()));
    assert_eq!(peer.result(deleted), Ok(Value::Null));
}

/// An append that found no room is made again with the same bytes.
#[test]
fn an_append_that_may_be_tried_again_is() {
    let mut world = World::new();
    let mut peer = world.peer("a");
    let hits = named("counter", "hits");
    peer.call(&world, &hits, plain("increment"));
    world.disk.fail_next_write(store::Fault::Full);
    world.settle();
    peer.receive(&world);
    assert_eq!(peer.result(1), Ok(1.into()));
    let live = snapshot(&world.engine);
    assert_eq!(world.recovered(), live);
}

/// Notes whether too much waited for the store when a lane was woken.
struct Congested {
    engine: Arc<super::super::Engine>,
    saw: AtomicBool,
}

impl Wake for Congested {
    fn wake(self: Arc<Congested>) {
        self.saw
            .store(self.engine.is_congested(), Ordering::Relaxed);
    }
}

/// A lane that is read no further because too much waits for the store looks again when the gate moves: by then the bytes
/// are counted off, or it would sleep for ever.
#[test]
fn a_lane_that_waits_for_the_store_is_woken_when_there_is_room() {
    let mut world = World::new();
    let mut peer = world.peer("a");
    let room = named("trouble", "room");
    for _ in 0..40 {
        peer.call(
            &world,
            &room,
            Call::new("fill", [1.into(), (1 << 20).into()]),
        );
    }
    assert!(world.engine.is_congested());
    let waker = Arc::new(Congested {
        engine: Arc::clone(&world.engine),
        saw: AtomicBool::new(true),
    });
    world.engine.gate.register(&Waker::from(Arc::clone(&waker)));
    world.settle();
    assert!(!waker.saw.load(Ordering::Relaxed));
}

/// A call that waits or is held holds back none that came after it on its lane.
#[test]
fn replies_pass_each_other() {
    let mut world = World::new();
    let (mut a, mut b) = (world.peer("a"), world.peer("b"));
    let lock = named("hold", "lock");
    b.ask(&mut world, &lock, plain("acquire")).expect("free");
    let memory = kept("counter", "memory", Durability::Memory);
    let waits = a.call(&world, &lock, plain("acquire"));
    let held = a.call(&world, &named("counter", "hits"), plain("increment"));
    let quick = a.call(&world, &memory, plain("increment"));
    assert!(a.receive(&world));
    assert_eq!(a.result(quick), Ok(1.into()));
    assert_eq!((a.reply(held), a.reply(waits)), (None, None));
    assert!(a.parked.contains(&waits));
    world.settle();
    a.receive(&world);
    assert_eq!(a.result(held), Ok(1.into()));
    b.get(&mut world, &lock, "release");
    a.receive(&world);
    assert!(a.result(waits).is_ok());
}

/// A large reply travels in parts, and small ones pass between.
#[test]
fn a_large_reply_lets_small_ones_pass() {
    let mut world = World::new();
    let mut peer = world.peer("a");
    let (book, hits) = (named("dict", "book"), named("counter", "hits"));
    let large = Value::Bytes(vec![7; 1 << 20].into());
    let set = Call::new("set", ["large".into(), large.clone()]);
    peer.ask(&mut world, &book, set).expect("room");
    peer.call(&world, &book, Call::new("get", ["large".into()]));
    let lane = Arc::clone(peer.lane());
    let (first, _) = lane.next_frame(world.engine.gate.durable(), Waker::noop());
    assert_eq!(first.expect("a part").parts.len(), 1);
    peer.call(&world, &hits, plain("get"));
    let (second, _) = lane.next_frame(world.engine.gate.durable(), Waker::noop());
    let second = second.expect("a part and a reply");
    assert_eq!((second.parts.len(), second.replies.len()), (1, 1));
    peer.connect(&world);
    peer.receive(&world);
    assert_eq!(peer.result(2), Ok(large));
}

/// Server time is stored with every change: it goes back neither with the wall clock nor over a restart.
#[test]
fn server_time_never_goes_back() {
    let mut world = World::new();
    let mut peer = world.peer("a");
    let door = named("trouble", "door");
    peer.get(&mut world, &door, "open");
    world.advance(Duration::from_secs(100));
    let before = peer.get(&mut world, &door, "peek").as_int();
    peer.get(&mut world, &door, "open");
    world.time.set_wall_ms(5);
    world.crash();
    peer.connect(&world);
    let after = peer.get(&mut world, &door, "peek").as_int();
    assert!(after >= before, "{after:?} after {before:?}");
}
