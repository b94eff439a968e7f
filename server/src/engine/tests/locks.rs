//! Locks under what happens to clients and servers: deaths, crashes, broken connections.

use super::harness::{World, named, opened, plain};
use super::peer::Peer;
use crate::session::Liveness;
use commonhold_proto::{
    Call, Code, Durability, Fence, OpenOptions, Refusal, Revision, Target, Value,
};
use std::time::Duration;

pub(super) const SECOND: Duration = Duration::from_secs(1);

pub(super) fn lock() -> Target {
    named("lock", "gpu")
}

pub(super) fn with(kind: &str, name: &str, options: &[(&str, Value)]) -> Target {
    let options = options
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()));
    let options = OpenOptions {
        options: options.collect(),
        ..OpenOptions::default()
    };
    opened(kind, name, options)
}

pub(super) fn field(reply: &Value, name: &str) -> Value {
    let Value::Dict(pairs) = reply else {
        panic!("a dict, not {reply:?}");
    };
    let found = pairs.iter().find(|(key, _)| key.as_text() == Some(name));
    found.expect("it has it").1.clone()
}

/// Acquires at once, and gives the token.
#[track_caller]
pub(super) fn acquire(world: &mut World, peer: &mut Peer, target: &Target) -> u64 {
    let granted = peer.ask(world, target, plain("acquire"));
    token(&granted.expect("it is free"))
}

pub(super) fn token(granted: &Value) -> u64 {
    let token = field(granted, "token").as_int().expect("a token");
    token.cast_unsigned()
}

/// The fence of a grant.
pub(super) fn fence(world: &World, name: &str, token: u64) -> Fence {
    Fence {
        lock: world.cell(name).oid,
        token: Revision(token),
    }
}

#[track_caller]
pub(super) fn code(result: Result<Value, Refusal>) -> Code {
    result.expect_err("it is refused").code
}

/// A peer waits: the number of its call.
#[track_caller]
pub(super) fn waiter(world: &mut World, peer: &mut Peer, target: &Target, call: Call) -> u64 {
    let sequence = peer.call(world, target, call);
    world.settle();
    peer.receive(world);
    assert_eq!(peer.reply(sequence), None, "it waits");
    sequence
}

#[track_caller]
pub(super) fn told(world: &mut World, peer: &mut Peer, sequence: u64) -> Value {
    world.settle();
    peer.receive(world);
    peer.result(sequence).expect("it is granted")
}

#[track_caller]
pub(super) fn die(world: &mut World, peer: &Peer) {
    let session = world.engine.session(peer.session).expect("known");
    world.engine.died(&session);
    world.settle();
}

/// 3.5: whoever holds it is not made to wait behind those who wait for it, nor is one who may not wait.
#[test]
fn an_rlock_is_entered_again_although_others_wait() {
    let mut world = World::new();
    let target = named("rlock", "gpu");
    let (mut holder, mut other, mut hasty) = (world.peer("a"), world.peer("b"), world.peer("c"));
    let first = acquire(&mut world, &mut holder, &target);
    let waits = waiter(&mut world, &mut other, &target, plain("acquire"));
    assert_eq!(acquire(&mut world, &mut holder, &target), first);
    let at_once = plain("acquire").with("blocking", false);
    assert_eq!(
        code(hasty.ask(&mut world, &target, at_once)),
        Code::WouldBlock
    );
    let bad = plain("acquire").with("note", 5);
    assert_eq!(
        code(hasty.ask(&mut world, &target, bad)),
        Code::BadArguments
    );
    holder.get(&mut world, &target, "release");
    other.receive(&world);
    assert_eq!(other.reply(waits), None, "one level is still held");
    holder.get(&mut world, &target, "release");
    told(&mut world, &mut other, waits);
}

/// 3.9: two threads of one client are two owners.
#[test]
fn threads_of_one_client_exclude_each_other() {
    let mut world = World::new();
    let target = named("rlock", "gpu");
    let mut peer = world.peer("peer");
    peer.thread(1);
    acquire(&mut world, &mut peer, &target);
    peer.thread(2);
    let at_once = plain("acquire").with("blocking", false);
    assert_eq!(
        code(peer.ask(&mut world, &target, at_once)),
        Code::WouldBlock
    );
    assert_eq!(
        code(peer.ask(&mut world, &target, plain("release"))),
        Code::NotOwner
    );
}

#[test]
fn the_line_is_served_in_order_past_those_who_left_it() {
    let mut world = World::new();
    let mut holder = world.peer("holder");
    acquire(&mut world, &mut holder, &lock());
    let mut peers: Vec<Peer> = ["first", "cancelled", "late", "dead", "last"]
        .iter()
        .map(|name| world.peer(name))
        .collect();
    let numbers: Vec<u64> = peers
        .iter_mut()
        .enumerate()
        .map(|(at, peer)| {
            let timeout = (at == 2).then_some(SECOND);
            peer.call_within(&world, &lock(), plain("acquire"), timeout)
        })
        .collect();
    world.settle();
    peers[1].cancel(&world, numbers[1]);
    world.advance(2 * SECOND);
    die(&mut world, &peers[3]);
    holder.get(&mut world, &lock(), "release");
    told(&mut world, &mut peers[0], numbers[0]);
    peers[0].get(&mut world, &lock(), "release");
    told(&mut world, &mut peers[4], numbers[4]);
    peers[1].receive(&world);
    peers[2].receive(&world);
    assert_eq!(code(peers[1].result(numbers[1])), Code::Cancelled);
    assert_eq!(code(peers[2].result(numbers[2])), Code::DeadlineExceeded);
}

#[test]
fn a_wait_in_vain_says_who_holds_it_and_how_many_stand_ahead() {
    let mut world = World::new();
    let (mut holder, mut ahead, mut late) = (
        world.peer("worker"),
        world.peer("ahead"),
        world.peer("late"),
    );
    acquire(&mut world, &mut holder, &lock());
    world.advance(41 * SECOND);
    waiter(&mut world, &mut ahead, &lock(), plain("acquire"));
    let waits = late.call_within(&world, &lock(), plain("acquire"), Some(5 * SECOND));
    world.advance(5 * SECOND);
    world.settle();
    late.receive(&world);
    let refusal = late.result(waits).expect_err("its time is over");
    assert_eq!(
        refusal.message,
        "timed out after 5.0 s waiting for lock \"gpu\", held by worker@ pid 0 for 46 s, 1 ahead"
    );
    let at_once = plain("acquire").with("blocking", false);
    let refusal = late.ask(&mut world, &lock(), at_once).expect_err("held");
    assert_eq!(
        refusal.message,
        "lock \"gpu\" is not free, held by worker@ pid 0 for 46 s"
    );
}

#[test]
fn who_tells_of_holders_and_of_those_who_wait() {
    let mut world = World::new();
    let (mut holder, mut other) = (world.peer("worker"), world.peer("other"));
    let held = acquire(&mut world, &mut holder, &lock());
    holder
        .ask(&mut world, &lock(), Call::new("note", ["step 1".into()]))
        .expect("it holds it");
    waiter(&mut world, &mut other, &lock(), plain("acquire"));
    world.advance(3 * SECOND);
    let server = named("server", "$server");
    let who = other.ask(&mut world, &server, Call::new("who", ["gpu".into()]));
    let who = who.expect("it exists");
    let Value::List(holders) = field(&who, "holders") else {
        panic!("a list");
    };
    assert_eq!(field(&holders[0], "client"), "worker".into());
    assert_eq!(field(&holders[0], "token"), held.into());
    assert_eq!(field(&holders[0], "note"), "step 1".into());
    assert_eq!(field(&holders[0], "since_ms"), 3000.into());
    let Value::List(waiting) = field(&who, "waiting") else {
        panic!("a list");
    };
    assert_eq!(waiting.len(), 1);
    assert_eq!(field(&waiting[0], "client"), "other".into());
    assert_eq!(field(&waiting[0], "method"), "acquire".into());
    assert_eq!(field(&waiting[0], "since_ms"), 3000.into());
}

/// The holder and what it left outlive a restart; so do the policies.
#[test]
fn what_is_held_survives_a_restart() {
    let mut world = World::new();
    let (mut holder, mut other) = (world.peer("holder"), world.peer("other"));
    let held = acquire(&mut world, &mut holder, &lock());
    let note = Call::new("note", ["half done".into()]);
    holder.ask(&mut world, &lock(), note).expect("it holds it");
    world.checkpoint();
    world.crash();
    holder.connect(&world);
    other.connect(&world);
    let waits = waiter(&mut world, &mut other, &lock(), plain("acquire"));
    die(&mut world, &holder);
    let granted = told(&mut world, &mut other, waits);
    assert_eq!(field(&granted, "previous_owner_died"), true.into());
    assert_eq!(field(&granted, "previous_note"), "half done".into());
    assert!(token(&granted) > held);
}

/// 2.3: a token that a crash took back is never given again.
#[test]
fn tokens_grow_over_a_crash_that_took_a_grant_back() {
    let mut world = World::new();
    let relaxed = opened(
        "lock",
        "gpu",
        OpenOptions {
            durability: Some(Durability::Relaxed),
            ..OpenOptions::default()
        },
    );
    let (mut peer, mut other) = (world.peer("peer"), world.peer("other"));
    acquire(&mut world, &mut peer, &relaxed);
    peer.get(&mut world, &relaxed, "release");
    world.settle();
    let taken = peer.call(&world, &relaxed, plain("acquire"));
    peer.receive(&world);
    let lost = token(&peer.result(taken).expect("it was free"));
    world.crash();
    other.connect(&world);
    assert!(acquire(&mut world, &mut other, &relaxed) > lost);
}

#[test]
fn who_loses_a_lock_is_told() {
    let mut world = World::new();
    let (mut holder, mut other) = (world.peer("holder"), world.peer("other"));
    // Somebody frees it.
    let first = acquire(&mut world, &mut holder, &lock());
    assert_eq!(other.get(&mut world, &lock(), "force_release"), true.into());
    holder.receive(&world);
    let lost = |token| fence(&world, "gpu", token);
    assert_eq!(holder.lost, [lost(first)]);
    // Its time runs out.
    let short = plain("acquire").with("lease", 2);
    let second = token(&holder.ask(&mut world, &lock(), short).expect("it is free"));
    world.advance(3 * SECOND);
    world.settle();
    holder.receive(&world);
    let lost = |token| fence(&world, "gpu", token);
    assert_eq!(holder.lost, [lost(first), lost(second)]);
    // What it gives back, or is given back with its token, is not lost by surprise if it does it itself.
    let third = acquire(&mut world, &mut holder, &lock());
    holder.get(&mut world, &lock(), "release");
    holder.receive(&world);
    assert!(!holder.lost.iter().any(|lost| lost.token == Revision(third)));
    // A connection that comes later is told by its welcome.
    holder.connect(&world);
    assert_eq!(holder.welcomed_lost, holder.lost);
}

#[test]
fn a_lock_is_held_for_as_long_as_was_asked_and_extended() {
    let mut world = World::new();
    let (mut holder, mut other) = (world.peer("holder"), world.peer("other"));
    let short = plain("acquire").with("lease", 2);
    holder.ask(&mut world, &lock(), short).expect("it is free");
    world.advance(SECOND);
    let extend = plain("extend").with("lease", 2.5);
    holder
        .ask(&mut world, &lock(), extend)
        .expect("it holds it");
    world.advance(2 * SECOND);
    let waits = waiter(&mut world, &mut other, &lock(), plain("acquire"));
    // The time that was left survives a restart.
    world.crash();
    other.connect(&world);
    world.advance(SECOND);
    let granted = told(&mut world, &mut other, waits);
    assert_eq!(field(&granted, "previous_end"), "expired".into());
}

#[test]
fn a_heartbeat_that_stops_loses_the_lock_at_the_term() {
    let mut world = World::new();
    let mut holder = world.peer_that("holder", Liveness::Heartbeat);
    let mut next = world.peer("next");
    let held = acquire(&mut world, &mut holder, &lock());
    let waits = waiter(&mut world, &mut next, &lock(), plain("acquire"));
    world.advance(9 * SECOND);
    next.receive(&world);
    assert_eq!(next.reply(waits), None, "the term is not over");
    world.advance(2 * SECOND);
    let granted = told(&mut world, &mut next, waits);
    assert!(token(&granted) > held);
    assert_eq!(field(&granted, "previous_owner_died"), true.into());
    holder.connect(&world);
    assert!(holder.lease_lost);
}

#[test]
fn what_is_to_be_kept_stays_over_death_and_restart() {
    let mut world = World::new();
    let kept = with("lock", "gpu", &[("on_crash", "keep".into())]);
    let (mut holder, mut other) = (world.peer("holder"), world.peer("other"));
    acquire(&mut world, &mut holder, &kept);
    die(&mut world, &holder);
    world.crash();
    other.connect(&world);
    let at_once = plain("acquire").with("blocking", false);
    let refusal = other.ask(&mut world, &kept, at_once).expect_err("kept");
    assert!(
        refusal.message.contains("held by a client that is gone"),
        "{refusal}"
    );
    assert_eq!(other.get(&mut world, &kept, "force_release"), true.into());
    acquire(&mut world, &mut other, &kept);
}
