//! Calls that wait: lines, who is asked again, deadlines, cancels, and that each ends once.

use super::super::caller::{Origin, Unary};
use super::super::waiting::ANY_MAX;
use super::harness::{World, barrier, kept, named, plain};
use super::identity::server;
use super::locks::field;
use super::peer::Peer;
use commonhold_proto::{Call, Code, Durability, Owner, Received, Target, Value};
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

/// A holds the lock; the others wait for it in this order.
fn line(world: &mut World, lock: &Target, waiting: usize) -> Vec<Peer> {
    let mut peers: Vec<Peer> = (0..=waiting).map(|_| world.peer("p")).collect();
    peers[0]
        .ask(world, lock, plain("acquire"))
        .expect("it is free");
    for peer in &mut peers[1..] {
        peer.call(world, lock, plain("acquire"));
        peer.receive(world);
        assert_eq!(peer.parked.len(), 1);
    }
    peers
}

fn has_lock(peer: &mut Peer, world: &mut World) -> bool {
    world.settle();
    peer.receive(world);
    peer.unanswered.is_empty()
}

#[test]
fn a_line_is_served_in_order() {
    let mut world = World::new();
    let lock = named("hold", "lock");
    let mut peers = line(&mut world, &lock, 4);
    for turn in 0..4 {
        peers[turn].get(&mut world, &lock, "release");
        for (at, peer) in peers.iter_mut().enumerate() {
            assert_eq!(has_lock(peer, &mut world), at <= turn + 1, "turn {turn}");
        }
    }
}

/// Its owner takes a lock again while others wait: behind them it would wait for itself.
#[test]
fn reentry_is_answered_at_once() {
    let mut world = World::new();
    let lock = named("hold", "lock");
    let mut peers = line(&mut world, &lock, 2);
    let token = peers[0].get(&mut world, &lock, "acquire");
    peers[0].get(&mut world, &lock, "release");
    assert!(!has_lock(&mut peers[1], &mut world));
    let holder = peers[0].get(&mut world, &lock, "holder");
    assert!(matches!(holder, Value::Tuple(fields) if fields[2] == token));
    // Another thread of the same client is another owner.
    peers[0].thread(7);
    let soon = Some(Duration::ZERO);
    let refused = peers[0].call_within(&world, &lock, plain("acquire"), soon);
    peers[0].receive(&world);
    assert_eq!(peers[0].result(refused), Ok(false.into()));
}

/// What may not wait and what is wrong is answered at once, however long the line.
#[test]
fn what_may_not_wait_and_bad_arguments_do_not_stand_in_line() {
    let mut world = World::new();
    let lock = named("hold", "lock");
    let mut peers = line(&mut world, &lock, 1);
    let mut peer = world.peer("late");
    let now = Some(Duration::ZERO);
    let refused = peer.call_within(&world, &lock, plain("acquire"), now);
    let wrong = peer.call(&world, &lock, Call::new("acquire", [3.into()]));
    let unknown = peer.call(&world, &lock, plain("acquire").with("colour", 1));
    peer.receive(&world);
    assert_eq!(peer.result(refused), Ok(false.into()));
    for sequence in [wrong, unknown] {
        assert_eq!(
            peer.result(sequence).expect_err("wrong").code,
            Code::BadArguments
        );
    }
    // A lock that is free at this moment, but not for one who just came.
    let basket = named("basket", "work");
    peers[0].get(&mut world, &basket, "len");
    let waits = peers[0].call(&world, &basket, plain("get"));
    world.settle();
    let empty = peer.call_within(&world, &basket, plain("get"), now);
    peer.receive(&world);
    assert_eq!(peer.result(empty).expect_err("empty").code, Code::Empty);
    assert_eq!(peers[0].reply(waits), None);
}

/// Several are granted by one change, in the order of the line.
#[test]
fn one_put_of_many_items_serves_the_line_in_order() {
    let mut world = World::new();
    let basket = named("basket", "work");
    let mut peers: Vec<Peer> = (0..6).map(|_| world.peer("p")).collect();
    peers[0].get(&mut world, &basket, "len");
    let calls: Vec<u64> = peers
        .iter_mut()
        .map(|peer| peer.call(&world, &basket, plain("get")))
        .collect();
    let items: Vec<Value> = (0..4).map(Value::from).collect();
    let mut putter = world.peer("q");
    putter
        .ask(&mut world, &basket, Call::new("put", [Value::List(items)]))
        .expect("room");
    for (at, (peer, call)) in peers.iter_mut().zip(calls).enumerate() {
        peer.receive(&world);
        let expected = (at < 4).then(|| Ok(Value::from(at)));
        assert_eq!(peer.reply(call).map(|r| r.result.clone()), expected);
    }
}

/// The head of a line is asked, goes on waiting for another row, and is still the head.
#[test]
fn a_head_that_waits_for_something_else_stays_the_head() {
    let mut world = World::new();
    let room = named("trouble", "room");
    let (mut a, mut b, mut c) = (world.peer("a"), world.peer("b"), world.peer("c"));
    let stand = || Call::new("stand", ["first".into(), "then".into()]);
    let keep = |key: &str| Call::new("keep", [key.into()]);
    c.ask(&mut world, &room, keep("other")).expect("room");
    a.call(&world, &room, stand());
    b.call(&world, &room, stand());
    c.ask(&mut world, &room, keep("first")).expect("room");
    c.ask(&mut world, &room, keep("then")).expect("room");
    assert!(has_lock(&mut a, &mut world));
    assert!(!has_lock(&mut b, &mut world));
    c.ask(&mut world, &room, keep("then")).expect("room");
    assert!(has_lock(&mut b, &mut world));
}

/// Whoever leaves the line, by deadline, cancel, disconnect or death, lets the next one come up.
#[test]
fn a_head_that_leaves_lets_the_next_come_up() {
    for way in 0..5 {
        let mut world = World::new();
        let lock = named("hold", "lock");
        let mut peers = line(&mut world, &lock, 0);
        let (mut first, mut next) = (world.peer("first"), world.peer("next"));
        first.call_within(
            &world,
            &lock,
            plain("acquire"),
            Some(Duration::from_secs(5)),
        );
        next.call(&world, &lock, plain("acquire"));
        match way {
            0 => world.advance(Duration::from_secs(6)),
            1 => first.cancel(&world, 1),
            2 => first.disconnect(&world),
            3 => world
                .engine
                .died(&world.engine.session(first.session).expect("known")),
            _ => first.connect(&world),
        }
        peers[0].get(&mut world, &lock, "release");
        assert!(has_lock(&mut next, &mut world), "way {way}");
        if way < 2 {
            first.receive(&world);
            let code = first.result(1).expect_err("it left").code;
            assert_eq!(code, [Code::DeadlineExceeded, Code::Cancelled][way]);
        }
        // Nobody else stands in the line now, or just the one who came back.
        next.get(&mut world, &lock, "release");
        assert_eq!(has_lock(&mut first, &mut world), way < 2 || way == 4);
    }
}

/// The head waits for what is not there, the next for what is: whichever way the head leaves, the next is asked at once.
#[test]
fn who_comes_up_is_asked_at_once() {
    for way in 0..5 {
        let mut world = World::new();
        let room = named("trouble", "room");
        let (mut head, mut next) = (world.peer("head"), world.peer("next"));
        for key in ["here", "too"] {
            let keep = Call::new("keep", [key.into()]);
            next.ask(&mut world, &room, keep).expect("room");
        }
        let stand = |key: &str, then: &str| Call::new("stand", [key.into(), then.into()]);
        let timeout = Some(Duration::from_secs(5));
        head.call_within(&world, &room, stand("not", "here"), timeout);
        let waits = next.call(&world, &room, stand("here", "too"));
        world.settle();
        next.receive(&world);
        assert_eq!(next.reply(waits), None);
        match way {
            0 => world.advance(Duration::from_secs(6)),
            1 => head.cancel(&world, 1),
            2 => head.disconnect(&world),
            3 => head.connect(&world),
            _ => world
                .engine
                .died(&world.engine.session(head.session).expect("known")),
        }
        world.settle();
        next.receive(&world);
        assert_eq!(next.result(waits), Ok(Value::Null), "way {way}");
    }
}

/// A call that waits is withdrawn when its connection breaks and joins the end of the line, with its remaining time.
#[test]
fn who_comes_back_stands_at_the_end_with_its_remaining_time() {
    let mut world = World::new();
    let lock = named("hold", "lock");
    let mut peers = line(&mut world, &lock, 1);
    let mut peer = world.peer("back");
    peer.call_within(
        &world,
        &lock,
        plain("acquire"),
        Some(Duration::from_secs(10)),
    );
    let mut last = world.peer("last");
    last.call(&world, &lock, plain("acquire"));
    world.advance(Duration::from_secs(6));
    peer.connect(&world);
    peers[0].get(&mut world, &lock, "release");
    assert!(has_lock(&mut peers[1], &mut world));
    peers[1].get(&mut world, &lock, "release");
    assert!(has_lock(&mut last, &mut world));
    world.advance(Duration::from_secs(3));
    assert!(!has_lock(&mut peer, &mut world));
    world.advance(Duration::from_secs(2));
    peer.receive(&world);
    assert_eq!(
        peer.result(1).expect_err("over").code,
        Code::DeadlineExceeded
    );
}

/// Time is stamped anew when a call is asked again: what it is granted does not begin in the past.
#[test]
fn a_call_that_waited_an_hour_is_decided_now() {
    let mut world = World::new();
    let (mut a, mut b) = (world.peer("a"), world.peer("b"));
    let door = named("trouble", "door");
    b.get(&mut world, &door, "shut");
    let asked = world.engine.clock.now().0;
    a.call(&world, &door, plain("peek"));
    world.advance(Duration::from_hours(1));
    b.get(&mut world, &door, "open");
    a.receive(&world);
    let at = a.result(1).expect("it is open").as_int().expect("a time");
    assert_eq!(at.cast_unsigned(), asked + 3_600_000);
}

/// Who waits for one row is not asked when others change; who waits for any change is one of few.
#[test]
fn waits_for_any_change_are_limited() {
    let mut world = World::new();
    let mut peer = world.peer("a");
    let door = named("trouble", "door");
    peer.get(&mut world, &door, "shut");
    for _ in 0..ANY_MAX {
        peer.call(&world, &door, plain("watch"));
        peer.receive(&world);
    }
    let more = peer.call(&world, &door, plain("watch"));
    let other = peer.call(&world, &door, plain("peek"));
    peer.receive(&world);
    assert_eq!(
        peer.result(more).expect_err("too many").code,
        Code::TooManyWaiting
    );
    assert_eq!(peer.reply(other), None);
    peer.cancel(&world, 2);
    peer.call(&world, &door, plain("watch"));
    peer.get(&mut world, &door, "shut");
    assert_eq!(peer.unanswered.len(), ANY_MAX + 1);
    peer.get(&mut world, &door, "open");
    assert!(peer.unanswered.is_empty());
}

/// More than one hold of the lock grants: everybody is answered all the same, each once.
#[test]
fn a_barrier_of_many_opens_for_all() {
    let mut world = World::new();
    let all = barrier("all", 1001);
    let mut peers: Vec<Peer> = (0..10).map(|_| world.peer("p")).collect();
    for _ in 0..100 {
        for peer in &mut peers {
            peer.call(&world, &all, plain("wait"));
            peer.receive(&world);
        }
    }
    let mut last = world.peer("last");
    assert_eq!(last.get(&mut world, &all, "wait"), 1000.into());
    let mut places: Vec<i64> = Vec::new();
    for peer in &mut peers {
        peer.receive(&world);
        assert!(peer.unanswered.is_empty());
        places.extend(
            peer.answered
                .values()
                .filter_map(|r| r.result.as_ref().ok()?.as_int()),
        );
    }
    places.sort_unstable();
    assert!(places.into_iter().eq(0..1000));
}

/// A party that times out breaks the barrier for all, and its answer is remembered.
#[test]
fn a_deadline_may_change_rows() {
    let mut world = World::new();
    let (mut a, mut b) = (world.peer("a"), world.peer("b"));
    let all = barrier("all", 3);
    a.call(&world, &all, plain("wait"));
    b.call_within(&world, &all, plain("wait"), Some(Duration::from_secs(1)));
    world.advance(Duration::from_secs(2));
    world.settle();
    b.disconnect(&world);
    b.connect(&world);
    for peer in [&mut a, &mut b] {
        peer.receive(&world);
        assert_eq!(peer.result(1).expect_err("broken").code, Code::Broken);
    }
    assert!(b.reply(1).expect("it came").remembered);
    // One that may not wait at all breaks it at once.
    a.get(&mut world, &all, "reset");
    let now = Some(Duration::ZERO);
    let at_once = a.call_within(&world, &all, plain("wait"), now);
    world.settle();
    a.receive(&world);
    assert_eq!(a.result(at_once).expect_err("broken").code, Code::Broken);
    assert_eq!(a.get(&mut world, &all, "broken"), true.into());
}

/// A condition whose time runs out while another has the lock gives its ticket up, waits for the lock, and says False. A
/// notify that comes before is not lost.
#[test]
fn a_condition_that_times_out_takes_its_lock_back() {
    for notified in [false, true] {
        let mut world = World::new();
        let (mut a, mut b) = (world.peer("a"), world.peer("b"));
        let lock = named("hold", "lock");
        a.get(&mut world, &lock, "acquire");
        let soon = Some(Duration::from_secs(1));
        let waits = a.call_within(&world, &lock, plain("wait"), soon);
        b.get(&mut world, &lock, "acquire");
        if notified {
            assert_eq!(b.get(&mut world, &lock, "notify"), 1.into());
        }
        world.advance(Duration::from_secs(2));
        assert_eq!(b.get(&mut world, &lock, "notify"), 0.into());
        a.receive(&world);
        assert_eq!(a.reply(waits), None);
        // It came so far: a crash does not take it further back.
        world.settle();
        world.crash();
        a.connect(&world);
        b.connect(&world);
        b.get(&mut world, &lock, "release");
        a.receive(&world);
        assert_eq!(a.result(waits), Ok(notified.into()));
        a.get(&mut world, &lock, "release");
    }
}

/// A deadline and a grant that fall together: the first ends the call, the other does nothing.
#[test]
fn a_call_ends_once() {
    for deadline_first in [false, true] {
        let mut world = World::new();
        let lock = named("hold", "lock");
        let mut peers = line(&mut world, &lock, 0);
        let mut peer = world.peer("b");
        let soon = Duration::from_secs(1);
        peer.call_within(&world, &lock, plain("acquire"), Some(soon));
        let parked = peer.lane().parked(1).expect("it waits");
        if deadline_first {
            world.advance(soon);
        }
        peers[0].get(&mut world, &lock, "release");
        world.advance(soon);
        peer.cancel(&world, 1);
        world.engine.end_wait(&parked, true);
        assert!(!parked.claim());
        peer.receive(&world);
        assert_eq!(peer.result(1).is_err(), deadline_first);
        let holder = peers[0].get(&mut world, &lock, "holder");
        assert_eq!(holder == Value::Null, deadline_first);
    }
}

/// A call without a session: it waits, and is withdrawn when its caller is gone.
#[test]
fn a_unary_call_waits_and_is_withdrawn() {
    let mut world = World::new();
    let lock = named("hold", "lock");
    let mut peers = line(&mut world, &lock, 0);
    let received = |method| Received {
        sequence: 0,
        target: lock.clone(),
        call: plain(method),
        timeout: None,
        owner: Owner(0),
        fence: None,
        fingerprint: None,
    };
    let calls: Vec<Arc<Unary>> = (0..2)
        .map(|_| {
            let unary = Arc::new(Unary::default());
            let origin = Origin::Unary(Arc::clone(&unary));
            world.engine.submit(&origin, received("acquire"));
            unary
        })
        .collect();
    assert!(calls[0].poll(Waker::noop()).is_none());
    let first = calls[0].parked().expect("it waits");
    world.engine.end_wait(&first, true);
    let (reply, _) = calls[0].poll(Waker::noop()).expect("it was withdrawn");
    assert_eq!(reply.result.expect_err("withdrawn").code, Code::Cancelled);
    peers[0].get(&mut world, &lock, "release");
    let (reply, gate) = calls[1].poll(Waker::noop()).expect("it has the lock");
    assert!(reply.result.is_ok());
    world.settle();
    assert!(world.engine.gate.is_open(gate));
    assert!(calls[1].parked().is_none());
}

/// However many are told who holds it, one is looked at; and all are counted.
#[test]
fn a_wait_in_vain_counts_all_who_hold_it() {
    let mut world = World::new();
    let (mut readers, mut writer) = (world.peer("readers"), world.peer("writer"));
    let files = kept("rwlock", "files", Durability::Memory);
    for thread in 0..1_500 {
        readers.thread(thread);
        readers
            .ask(&mut world, &files, plain("read"))
            .expect("readers share it");
        readers.acknowledge(&world);
    }
    for _ in 0..3 {
        writer.call(&world, &files, plain("write"));
    }
    let at_once = plain("write").with("blocking", false);
    let refused = writer.ask(&mut world, &files, at_once).expect_err("held");
    assert!(refused.message.ends_with(" and 1499 more"), "{refused:?}");
    let who = Call::new("who", ["files".into()]);
    let who = writer.ask(&mut world, &server(), who).expect("it exists");
    assert_eq!(field(&who, "holder_count"), 1_500.into());
    assert_eq!(field(&who, "waiting_count"), 3.into());
    let Value::List(holders) = field(&who, "holders") else {
        panic!("a list");
    };
    assert_eq!(holders.len(), 1_000);
    let tokens = holders.iter().map(|holder| field(holder, "token").as_int());
    assert!(tokens.is_sorted(), "in the order in which they came");
}

/// Behind a head that waits for ever: whoever is late counts who stands before it, not who has left.
#[test]
fn who_left_a_line_is_not_walked_over_again() {
    const LATE: u64 = 9_000;
    let mut world = World::new();
    let (mut holder, mut peer) = (world.peer("holder"), world.peer("late"));
    let lock = kept("lock", "gpu", Durability::Memory);
    holder.get(&mut world, &lock, "acquire");
    holder.call(&world, &lock, plain("acquire"));
    for thread in 0..LATE {
        peer.thread(thread);
        let within = Some(Duration::from_millis(1_000 + thread));
        peer.call_within(&world, &lock, plain("acquire"), within);
        peer.receive(&world);
    }
    let standing = |world: &World| world.cell("gpu").state.lock().waiting.standing();
    assert_eq!(standing(&world), 9_001);
    // In the order in which they came.
    world.advance(Duration::from_millis(1_000 + LATE / 2));
    let left = standing(&world);
    assert!(left <= 4_501 + 200, "{left} stand in line");
    world.advance(Duration::from_mins(1));
    let left = standing(&world);
    assert!(left <= 1 + 200, "{left} stand in line");
    world.settle();
    peer.receive(&world);
    let last = peer.result(LATE).expect_err("it is late");
    assert!(last.message.ends_with(", 1 ahead"), "{last:?}");
    let who = Call::new("who", ["gpu".into()]);
    let who = peer.ask(&mut world, &server(), who).expect("it exists");
    assert_eq!(field(&who, "waiting_count"), 1.into());
}
