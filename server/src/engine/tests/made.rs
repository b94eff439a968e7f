//! Calls for which an object was made, and callers that cannot be told apart.

use super::super::Origin;
use super::super::caller::Unary;
use super::exactly_once::lose_the_reply;
use super::harness::{World, named, plain};
use super::identity::{delete, server};
use super::locks::{SECOND, acquire, code, fence, lock, waiter, with};
use super::programs::fresh;
use commonhold_proto::{Call, Code, Owner, Received, Refusal, Target, Value};
use std::sync::Arc;
use std::task::Waker;

/// A call without a session, which is answered at once.
fn unary(world: &mut World, target: &Target, call: Call) -> Result<Value, Refusal> {
    let unary = Arc::<Unary>::default();
    let received = Received {
        sequence: 0,
        target: target.clone(),
        call,
        timeout: None,
        owner: Owner(0),
        fence: None,
        fingerprint: None,
    };
    let origin = Origin::Unary(Arc::clone(&unary));
    world.engine.submit(&origin, received);
    world.settle();
    let answer = unary.poll(Waker::noop());
    answer.expect("it is answered").0.result
}

#[test]
fn a_stale_fence_is_refused_again_where_the_object_was_made_for_the_call() {
    let mut world = World::new();
    let (mut stale, mut next) = (world.peer("stale"), world.peer("next"));
    let first = acquire(&mut world, &mut stale, &lock());
    stale.fence(Some(fence(&world, "gpu", first)));
    next.get(&mut world, &lock(), "force_release");
    acquire(&mut world, &mut next, &lock());
    let data = fresh("dict", "data", &[("guard", "gpu".into())]);
    let set = Call::new("set", ["x".into(), 1.into()]);
    let sent = stale.call(&world, &data, set);
    world.settle();
    lose_the_reply(&mut world, &mut stale);
    assert_eq!(code(stale.result(sent)), Code::FencedOut);
    assert_eq!(
        next.get(&mut world, &named("dict", "data"), "len"),
        0.into()
    );
}

#[test]
fn a_call_that_is_cancelled_writes_nothing_to_what_was_made_for_it() {
    let mut world = World::new();
    let (mut stale, mut next) = (world.peer("stale"), world.peer("next"));
    let first = acquire(&mut world, &mut stale, &lock());
    stale.fence(Some(fence(&world, "gpu", first)));
    next.get(&mut world, &lock(), "force_release");
    let set = Call::new("set", ["x".into(), 1.into()]);
    let sent = stale.call(&world, &fresh("dict", "data", &[]), set);
    world.settle();
    stale.disconnect(&world);
    stale.join(&world);
    stale.cancel(&world, sent);
    world.settle();
    assert_eq!(
        next.get(&mut world, &named("dict", "data"), "len"),
        0.into()
    );
}

#[test]
fn a_condition_that_was_made_for_a_call_leads_it_to_its_lock_after_a_restart() {
    let mut world = World::new();
    let (mut waits, mut holder) = (world.peer("waits"), world.peer("holder"));
    acquire(&mut world, &mut holder, &named("rlock", "mutex"));
    let shared = fresh("condition", "news", &[("lock", "mutex".into())]);
    let sent = waiter(&mut world, &mut waits, &shared, plain("acquire"));
    world.crash();
    waits.connect(&world);
    holder.connect(&world);
    world.settle();
    waits.receive(&world);
    assert_eq!(waits.reply(sent), None, "another holds the lock");
    holder.get(&mut world, &named("rlock", "mutex"), "release");
    waits.receive(&world);
    waits.result(sent).expect("it is free");
}

#[test]
fn a_call_that_waits_at_what_was_made_for_it_waits_on_after_a_cut() {
    let mut world = World::new();
    let mut peer = world.peer("peer");
    let sent = waiter(
        &mut world,
        &mut peer,
        &fresh("queue", "jobs", &[]),
        plain("get"),
    );
    peer.disconnect(&world);
    peer.connect(&world);
    world.settle();
    peer.receive(&world);
    assert_eq!(peer.reply(sent), None, "it waits again");
    let put = Call::new("put", [7.into()]);
    peer.ask(&mut world, &named("queue", "jobs"), put)
        .expect("there is room");
    assert_eq!(peer.result(sent), Ok(7.into()));
}

#[test]
fn callers_without_a_session_exclude_each_other() {
    let mut world = World::new();
    for (kind, method) in [
        ("rlock", "acquire"),
        ("rwlock", "write"),
        ("lock", "acquire"),
    ] {
        let target = named(kind, kind);
        let taken = plain(method).with("lease", 60);
        unary(&mut world, &target, taken.clone()).expect("it is free");
        let second = taken.with("blocking", false);
        assert_eq!(code(unary(&mut world, &target, second)), Code::WouldBlock);
        // Nor is it held for ever.
        let token = world.cell(kind).state.lock().object.holders(1)[0].token;
        let token = token.expect("it has one").0;
        let endless = plain("extend").with("token", token);
        assert_eq!(
            code(unary(&mut world, &target, endless)),
            Code::BadArguments
        );
        unary(&mut world, &target, plain("release").with("token", token)).expect("it holds it");
    }
    let news = named("condition", "news");
    unary(&mut world, &news, plain("acquire").with("lease", 60)).expect("it is free");
    let refused = unary(&mut world, &news, plain("wait"));
    assert_eq!(code(refused), Code::NotOwner, "it names no token");
    world.advance(61 * SECOND);
}

#[test]
fn a_guarded_condition_asks_for_its_fence() {
    let mut world = World::new();
    let mut peer = world.peer("peer");
    acquire(&mut world, &mut peer, &lock());
    acquire(&mut world, &mut peer, &named("rlock", "mutex"));
    let options = [("lock", "mutex".into()), ("guard", "gpu".into())];
    let guarded = with("condition", "news", &options);
    let refused = peer.ask(&mut world, &guarded, plain("notify_all"));
    assert_eq!(code(refused), Code::FencedOut);
}

#[test]
fn who_holds_a_lock_that_is_deleted_is_told() {
    let mut world = World::new();
    let (mut holder, mut other) = (world.peer("holder"), world.peer("other"));
    let held = acquire(&mut world, &mut holder, &lock());
    let lost = fence(&world, "gpu", held);
    other
        .ask(&mut world, &server(), delete("gpu"))
        .expect("it is there");
    holder.receive(&world);
    assert_eq!(holder.lost, [lost]);
}

/// It has no outcome but that its object was made, which is no reason to answer it twice.
#[test]
fn a_call_that_was_refused_by_what_was_made_for_it_is_answered_once() {
    let mut world = World::new();
    let mut peer = world.peer("peer");
    for (at, lost) in [false, true].into_iter().enumerate() {
        let jobs = fresh("queue", &format!("jobs{at}"), &[]);
        let sent = peer.call_within(&world, &jobs, plain("get"), Some(SECOND));
        peer.receive(&world);
        world.advance(2 * SECOND);
        if lost {
            // Sent again, its time is over.
            lose_the_reply(&mut world, &mut peer);
        }
        // Cancelled when the answer is on its way, and acknowledged when it came.
        peer.cancel(&world, sent);
        world.settle();
        peer.receive(&world);
        assert_eq!(code(peer.result(sent)), Code::Empty);
        if lost {
            world.crash();
            peer.join(&world);
        }
        peer.acknowledge(&world);
        world.settle();
        assert!(!peer.receive(&world), "there is nothing more to say");
        assert!(peer.lane().is_idle() && peer.lane().outcomes().is_empty());
    }
    // One that broke off is answered when it is cancelled.
    let jobs = fresh("queue", "jobs", &[]);
    let sent = waiter(&mut world, &mut peer, &jobs, plain("get"));
    peer.disconnect(&world);
    peer.join(&world);
    peer.cancel(&world, sent);
    world.settle();
    peer.receive(&world);
    assert_eq!(code(peer.result(sent)), Code::Cancelled);
}
