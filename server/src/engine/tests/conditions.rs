//! Conditions under what happens to clients and servers.

use super::harness::{World, named, opened, plain, rows};
use super::identity::{delete, server};
use super::locks::{SECOND, acquire, code, die, fence, field, told, waiter, with};
use super::peer::Peer;
use super::pointers::{check_counts, create, exists, let_go, pointed, pointer};
use commonhold_proto::{Call, Code, Durability, OpenOptions, Row, RowKey, Target, Value};
use std::time::Duration;

/// 1.1 and 3.4: a wait that gave the lock up goes on where it was, and no notification is spent on a ghost of it.
#[test]
fn a_wait_for_a_condition_goes_on_over_a_restart() {
    let mut world = World::new();
    let target = named("condition", "news");
    let (mut first, mut second, mut notifier) = (
        world.peer("first"),
        world.peer("second"),
        world.peer("notifier"),
    );
    acquire(&mut world, &mut first, &target);
    let waits = waiter(&mut world, &mut first, &target, plain("wait"));
    world.crash();
    for peer in [&mut first, &mut second, &mut notifier] {
        peer.connect(&world);
    }
    acquire(&mut world, &mut second, &target);
    let behind = waiter(&mut world, &mut second, &target, plain("wait"));
    acquire(&mut world, &mut notifier, &target);
    assert_eq!(notifier.get(&mut world, &target, "notify"), 1.into());
    notifier.get(&mut world, &target, "release");
    let woken = told(&mut world, &mut first, waits);
    assert_eq!(field(&woken, "notified"), true.into());
    second.receive(&world);
    assert_eq!(second.reply(behind), None);
    first.get(&mut world, &target, "release");
    assert_eq!(second.reply(behind), None, "it was not notified");
}

/// 3.12: whoever waits for too long takes the lock again, and a notification that came before counts.
#[test]
fn a_late_wait_for_a_condition_takes_its_lock_again() {
    let mut world = World::new();
    let target = named("condition", "news");
    let (mut late, mut holder) = (world.peer("late"), world.peer("holder"));
    acquire(&mut world, &mut late, &target);
    let waits = late.call_within(&world, &target, plain("wait"), Some(SECOND));
    acquire(&mut world, &mut holder, &target);
    world.advance(2 * SECOND);
    world.settle();
    late.receive(&world);
    assert_eq!(late.reply(waits), None, "somebody holds the lock");
    assert_eq!(holder.get(&mut world, &target, "notify"), 0.into());
    holder.get(&mut world, &target, "release");
    let woken = told(&mut world, &mut late, waits);
    assert_eq!(field(&woken, "notified"), false.into());
    let at_once = plain("acquire").with("blocking", false);
    assert_eq!(
        code(holder.ask(&mut world, &target, at_once)),
        Code::WouldBlock
    );
    // A wait without time gives nothing up that others could take.
    let hasty = late.call_within(&world, &target, plain("wait"), Some(Duration::ZERO));
    let woken = told(&mut world, &mut late, hasty);
    assert_eq!(field(&woken, "notified"), false.into());
}

/// 3.4: several conditions share one lock, and each wakes its own.
#[test]
fn conditions_share_a_lock() {
    let mut world = World::new();
    let mutex = named("rlock", "mutex");
    let not_empty = with("condition", "not_empty", &[("lock", "mutex".into())]);
    let not_full = with("condition", "not_full", &[("lock", "mutex".into())]);
    let (mut getter, mut putter, mut third) = (
        world.peer("getter"),
        world.peer("putter"),
        world.peer("third"),
    );
    acquire(&mut world, &mut getter, &mutex);
    let waits = waiter(&mut world, &mut getter, &not_empty, plain("wait"));
    // Through a condition it is the lock that is acquired.
    acquire(&mut world, &mut putter, &not_full);
    let blocked = waiter(&mut world, &mut putter, &not_full, plain("wait"));
    acquire(&mut world, &mut third, &mutex);
    assert_eq!(third.get(&mut world, &not_empty, "waiting"), 1.into());
    assert_eq!(third.get(&mut world, &not_empty, "notify_all"), 1.into());
    third.get(&mut world, &mutex, "release");
    told(&mut world, &mut getter, waits);
    putter.receive(&world);
    assert_eq!(
        putter.reply(blocked),
        None,
        "its condition was not notified"
    );
    // Who holds the condition holds the lock.
    let server = named("server", "$server");
    let who = third.ask(&mut world, &server, Call::new("who", ["not_full".into()]));
    assert_eq!(field(&who.expect("it exists"), "name"), "mutex".into());
    // A condition that is deleted lets those who wait for it go.
    let delete = Call::new("delete", ["not_full".into()]);
    third.ask(&mut world, &server, delete).expect("it exists");
    putter.receive(&world);
    assert_eq!(code(putter.result(blocked)), Code::LockLost);
    world.crash();
    third.connect(&world);
    assert_eq!(third.get(&mut world, &not_empty, "waiting"), 0.into());
}

#[test]
fn a_condition_shares_no_lock_that_is_gone_before_it() {
    let mut world = World::new();
    let mut peer = world.peer("peer");
    let memory = opened(
        "lock",
        "fleeting",
        OpenOptions {
            durability: Some(Durability::Memory),
            ..OpenOptions::default()
        },
    );
    acquire(&mut world, &mut peer, &memory);
    let sharing = with("condition", "news", &[("lock", "fleeting".into())]);
    let refused = peer.ask(&mut world, &sharing, plain("acquire"));
    assert_eq!(code(refused), Code::MixedDurability);
    peer.ask(
        &mut world,
        &named("dict", "data"),
        Call::new("set", [1.into(), 1.into()]),
    )
    .expect("a dict");
    let wrong = with("condition", "news", &[("lock", "data".into())]);
    assert_eq!(
        code(peer.ask(&mut world, &wrong, plain("acquire"))),
        Code::WrongKind
    );
}

/// 4.1: a notified caller that dies passes its notification on; one that dies while it waits takes none.
#[test]
fn a_dead_waiter_takes_no_notification_with_it() {
    let mut world = World::new();
    let target = named("condition", "news");
    let mut peers: Vec<Peer> = (0..3).map(|_| world.peer("waiter")).collect();
    let mut notifier = world.peer("notifier");
    let mut waits = Vec::new();
    for peer in &mut peers {
        acquire(&mut world, peer, &target);
        waits.push(waiter(&mut world, peer, &target, plain("wait")));
    }
    die(&mut world, &peers[0]);
    acquire(&mut world, &mut notifier, &target);
    assert_eq!(notifier.get(&mut world, &target, "notify"), 1.into());
    die(&mut world, &peers[1]);
    notifier.get(&mut world, &target, "release");
    let woken = told(&mut world, &mut peers[2], waits[2]);
    assert_eq!(field(&woken, "notified"), true.into());
}

/// An anonymous lock lives while a condition shares it, or an object is guarded by it.
#[test]
fn what_options_refer_to_lives_as_long_as_their_object() {
    let mut world = World::new();
    let mut peer = world.peer("peer");
    let made = peer.ask(&mut world, &server(), create("rlock", "durable"));
    let lock = pointed(&made.expect("it is made"));
    let news = with("condition", "news", &[("lock", pointer("rlock", lock))]);
    acquire(&mut world, &mut peer, &news);
    let options = Value::Dict(vec![("guard".into(), pointer("rlock", lock))]);
    let data = Call::new("open", ["dict".into(), "data".into()]).with("options", options);
    peer.ask(&mut world, &server(), data).expect("it is made");
    peer.get(&mut world, &news, "release");
    let_go(&mut world, &mut peer, lock).expect("it was held");
    let check = |world: &World| {
        if let Err(wrong) = check_counts(&world.engine) {
            panic!("{wrong}");
        }
    };
    check(&world);
    assert!(exists(&world, lock), "two objects refer to it");
    world.checkpoint();
    world.crash();
    peer.connect(&world);
    check(&world);
    peer.ask(&mut world, &server(), delete("data").with("force", true))
        .expect("it is there");
    assert!(exists(&world, lock), "the condition refers to it");
    acquire(&mut world, &mut peer, &news);
    peer.ask(&mut world, &server(), delete("news"))
        .expect("it is there");
    check(&world);
    assert!(!exists(&world, lock));
    let gone = peer.ask(&mut world, &Target::Oid(lock), plain("locked"));
    assert_eq!(code(gone), Code::ObjectGone);
}

/// A guard keeps clients from writing, not the engine from telling those who wait for what is gone.
#[test]
fn a_condition_is_disbanded_also_if_its_lock_is_guarded() {
    let mut world = World::new();
    let mut peer = world.peer("peer");
    let token = acquire(&mut world, &mut peer, &named("lock", "gpu"));
    let guarded = with("rlock", "mutex", &[("guard", "gpu".into())]);
    peer.fence(Some(fence(&world, "gpu", token)));
    acquire(&mut world, &mut peer, &guarded);
    peer.fence(None);
    let shared = Value::Dict(vec![("lock".into(), "mutex".into())]);
    let open = Call::new("open", ["condition".into(), "news".into()]).with("options", shared);
    peer.ask(&mut world, &server(), open).expect("it is made");
    // Nobody waits for it by a call, since a fenced call does not wait: the ticket is one of another lock.
    let mut other = world.peer("other");
    let twin = named("condition", "twin");
    acquire(&mut world, &mut other, &twin);
    waiter(&mut world, &mut other, &twin, plain("wait"));
    let (twin, news) = (world.cell("twin"), world.cell("news"));
    let ticket = rows(&twin).pop().expect("it waits");
    let Row::Put { key, value, .. } = ticket else {
        panic!("a ticket, not {ticket:?}");
    };
    let mut ticket = key.to_vec();
    let at = "w/".len();
    ticket[at..at + 8].copy_from_slice(&news.oid.0.to_be_bytes());
    let row = Row::put(RowKey::from(ticket), value);
    world.cell("mutex").state.lock().object.apply(&row);
    let waiting = |world: &mut World, peer: &mut Peer| {
        let call = plain("waiting").with("condition", news.oid.0);
        peer.ask(world, &guarded, call).expect("it is a lock")
    };
    assert_eq!(waiting(&mut world, &mut peer), 1.into());
    peer.ask(&mut world, &server(), delete("news"))
        .expect("it is there");
    assert_eq!(waiting(&mut world, &mut peer), 0.into());
}
