// Over 500 lines: one promise, looked at from all sides.
//! Anonymous objects: they live as long as somebody refers to them, and no longer.

use super::super::Origin;
use super::super::caller::Unary;
use super::exactly_once::lose_the_reply;
use super::harness::{Moment, World, kept, named, opened, plain};
use super::identity::{delete, server};
use super::pointers::{
    check_counts, create, dict, exists, get, let_go, make, pointed, pointer, set,
};
use commonhold_proto::{
    Call, Code, Durability, Oid, Opaque, OpenOptions, Owner, Received, Reference, Row, Target,
    Value,
};
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

/// How to put a value into an object.
type Put = fn(Value) -> Call;

fn check(world: &World) {
    if let Err(wrong) = check_counts(&world.engine) {
        panic!("{wrong}");
    }
}

#[test]
fn an_anonymous_object_lives_while_its_session_holds_it() {
    let mut world = World::new();
    let mut peer = world.peer("a");
    let oid = make(&mut world, &mut peer, "memory");
    let target = Target::Oid(oid);
    peer.ask(
        &mut world,
        &target,
        Call::new("set", ["k".into(), 1.into()]),
    )
    .expect("it is there");
    assert_eq!(peer.get(&mut world, &target, "len"), 1.into());
    let listed = peer.get(&mut world, &server(), "ls");
    assert_eq!(
        listed,
        Value::List(vec![]),
        "it has no name to be listed by"
    );
    check(&world);
    assert_eq!(let_go(&mut world, &mut peer, oid), Ok(1.into()));
    assert!(!exists(&world, oid));
    let gone = peer.ask(&mut world, &target, plain("len"));
    assert_eq!(gone.expect_err("gone").code, Code::ObjectGone);
    assert_eq!(let_go(&mut world, &mut peer, oid), Ok(0.into()));
    check(&world);
}

#[test]
fn an_object_without_a_name_is_made_by_open_alone() {
    let mut world = World::new();
    let mut peer = world.peer("a");
    let refused = peer.ask(&mut world, &dict(""), plain("clear"));
    let refusal = refused.expect_err("no name");
    assert_eq!(refusal.code, Code::BadArguments);
    assert!(refusal.message.contains("$server"), "{}", refusal.message);
    let absent = create("dict", "memory").with("exists", true);
    let refused = peer.ask(&mut world, &server(), absent);
    assert_eq!(refused.expect_err("new").code, Code::BadArguments);
    let sized = Call::new("open", ["semaphore".into(), "".into()])
        .with("options", Value::Dict(vec![("permits".into(), 2.into())]));
    let made = peer.ask(&mut world, &server(), sized).expect("made");
    let cell = world
        .engine
        .registry
        .cell(pointed(&made))
        .expect("it is there");
    assert_eq!(cell.durability, Durability::Memory, "the default");
    check(&world);
}

/// Scenario 7.1.
#[test]
fn a_durable_container_refuses_an_element_in_memory() {
    let mut world = World::new();
    let mut peer = world.peer("a");
    let element = make(&mut world, &mut peer, "memory");
    for durability in [Durability::Durable, Durability::Relaxed] {
        let container = kept("dict", durability.name(), durability);
        let refused = peer.ask(&mut world, &container, set("k", element));
        let refusal = refused.expect_err("it would dangle");
        assert_eq!(refusal.code, Code::MixedDurability);
        let cure = format!("create the dict with durability \"{}\"", durability.name());
        assert!(refusal.message.contains(&cure), "{}", refusal.message);
        assert_eq!(peer.get(&mut world, &container, "len"), 0.into());
    }
    let relaxed = make(&mut world, &mut peer, "relaxed");
    peer.ask(
        &mut world,
        &kept("dict", "relaxed", Durability::Relaxed),
        set("k", relaxed),
    )
    .expect("it lasts as long");
    let refused = peer.ask(&mut world, &dict("durable"), set("k", relaxed));
    assert_eq!(refused.expect_err("less").code, Code::MixedDurability);
    // A name does not help: what it names would be lost as well.
    let fleeting = kept("counter", "fleeting", Durability::Memory);
    peer.ask(&mut world, &fleeting, plain("increment"))
        .expect("made");
    let by_name = |oid: Oid| {
        let reference = Reference {
            kind: "counter".into(),
            name: "fleeting".into(),
            oid,
        };
        Call::new("set", ["k".into(), Value::Reference(reference.into())])
    };
    for oid in [world.cell("fleeting").oid, Oid(0)] {
        let refused = peer.ask(&mut world, &dict("durable"), by_name(oid));
        assert_eq!(refused.expect_err("less").code, Code::MixedDurability);
    }
    let memory = kept("dict", "memory", Durability::Memory);
    peer.ask(&mut world, &memory, set("k", element))
        .expect("alike");
    peer.ask(&mut world, &memory, by_name(Oid(0)))
        .expect("alike");
    check(&world);
}

#[test]
fn what_does_not_exist_cannot_be_stored() {
    let mut world = World::new();
    let mut peer = world.peer("a");
    let oid = make(&mut world, &mut peer, "durable");
    peer.ask(&mut world, &dict("d"), set("k", oid))
        .expect("there");
    for gone in [Oid(oid.0 + 1_000_000), Oid(1), Oid(0)] {
        let refused = peer.ask(&mut world, &dict("d"), set("other", gone));
        assert_eq!(refused.expect_err("gone").code, Code::ObjectGone);
    }
    // All or nothing.
    let many = Value::Dict(vec![
        ("x".into(), pointer("dict", oid)),
        ("y".into(), pointer("dict", Oid(oid.0 + 1_000_000))),
    ]);
    let refused = peer.ask(&mut world, &dict("d"), Call::new("update", [many]));
    assert_eq!(refused.expect_err("gone").code, Code::ObjectGone);
    assert_eq!(peer.get(&mut world, &dict("d"), "len"), 1.into());
    check(&world);
}

#[test]
fn every_kind_that_has_values_holds_what_they_refer_to() {
    let mut world = World::new();
    let mut peer = world.peer("a");
    let opaque = |oid| {
        Value::Opaque(Box::new(Opaque {
            codec: "pickle".into(),
            bytes: bytes::Bytes::from_static(b"..."),
            references: vec![Reference {
                kind: "dict".into(),
                name: String::new(),
                oid,
            }],
        }))
    };
    let puts: [(&str, Put, Call); 7] = [
        (
            "dict",
            |value| Call::new("set", ["k".into(), value]),
            plain("clear"),
        ),
        (
            "dict",
            |value| Call::new("set", [Value::Tuple(vec![1.into(), value]), 2.into()]),
            plain("popitem"),
        ),
        ("list", |value| Call::new("append", [value]), plain("pop")),
        ("list", |value| Call::new("append", [value]), plain("clear")),
        ("set", |value| Call::new("add", [value]), plain("clear")),
        (
            "namespace",
            |value| Call::new("set", ["k".into(), value]),
            Call::new("set", ["k".into(), 1.into()]),
        ),
        (
            "value",
            |value| Call::new("set", [value]),
            Call::new("set", [1.into()]),
        ),
    ];
    for (kind, put, take) in puts {
        for hidden in [false, true] {
            let oid = make(&mut world, &mut peer, "durable");
            let value = if hidden {
                opaque(oid)
            } else {
                pointer("dict", oid)
            };
            let stored = peer.ask(&mut world, &named(kind, kind), put(value));
            if hidden && matches!(kind, "set" | "dict") && stored.is_err() {
                // What is opaque is no key.
                let_go(&mut world, &mut peer, oid).expect("held");
                continue;
            }
            stored.expect("it is stored");
            let_go(&mut world, &mut peer, oid).expect("held");
            assert!(exists(&world, oid), "{kind} holds it");
            check(&world);
            let container = world.cell(kind);
            peer.ask(&mut world, &named(kind, kind), take.clone())
                .expect("taken");
            peer.acknowledge(&world);
            let _ = let_go(&mut world, &mut peer, oid);
            assert!(!exists(&world, oid), "{kind} held it last");
            assert!(container.state.lock().edges.is_empty());
            check(&world);
        }
    }
}

/// Scenario 7.2: the reply that brings the only reference is lost.
#[test]
fn a_reference_whose_reply_was_lost_is_there_after_the_resume() {
    for durability in ["memory", "durable"] {
        let mut world = World::new();
        let mut peer = world.peer("a");
        let call = peer.call(&world, &server(), create("dict", durability));
        if durability == "durable" {
            lose_the_reply(&mut world, &mut peer);
        } else {
            peer.disconnect(&world);
            world.advance(Duration::from_mins(1));
            peer.connect(&world);
            world.settle();
            peer.receive(&world);
        }
        let oid = pointed(&peer.result(call).expect("made"));
        assert!(exists(&world, oid));
        // A pop: the container refers to it no more when the reply is lost.
        let container = kept(
            "dict",
            "d",
            Durability::from_name(durability).expect("known"),
        );
        peer.ask(&mut world, &container, set("k", oid))
            .expect("stored");
        let_go(&mut world, &mut peer, oid).expect("held");
        let call = peer.call(&world, &container, Call::new("pop", ["k".into()]));
        world.settle();
        peer.disconnect(&world);
        world.advance(Duration::from_mins(1));
        assert!(exists(&world, oid), "the remembered reply refers to it");
        if durability == "durable" {
            world.crash();
        }
        peer.connect(&world);
        world.settle();
        peer.receive(&world);
        assert_eq!(pointed(&peer.result(call).expect("popped")), oid);
        assert_eq!(peer.get(&mut world, &Target::Oid(oid), "len"), 0.into());
        check(&world);
        let_go(&mut world, &mut peer, oid).expect("held");
        assert!(!exists(&world, oid));
    }
}

/// Scenario 7.2: a drop crosses a reply that brings the object again.
#[test]
fn a_drop_does_not_take_back_what_a_reply_on_its_way_brings() {
    let mut world = World::new();
    let mut peer = world.peer("a");
    let oid = make(&mut world, &mut peer, "durable");
    peer.ask(&mut world, &dict("d"), set("k", oid))
        .expect("stored");
    peer.acknowledge(&world);
    let pop = peer.call(&world, &dict("d"), Call::new("pop", ["k".into()]));
    let drop = Call::new("drop", [Value::List(vec![oid.0.into()])]);
    peer.call(&world, &server(), drop.clone());
    world.settle();
    peer.receive(&world);
    assert!(exists(&world, oid));
    assert_eq!(pointed(&peer.result(pop).expect("popped")), oid);
    // The client may name a reply that it has and did not acknowledge yet.
    let lane_and_number = Value::Tuple(vec![0.into(), pop.into()]);
    let named = drop.with("replies", Value::List(vec![lane_and_number]));
    assert_eq!(peer.ask(&mut world, &server(), named), Ok(1.into()));
    assert!(!exists(&world, oid));
    check(&world);
}

/// A drop whose reply was lost is sent again after the object came anew: it is remembered, and takes nothing.
#[test]
fn a_drop_that_is_sent_again_takes_nothing_more() {
    for durability in ["memory", "durable"] {
        let mut world = World::new();
        let mut peer = world.peer("a");
        let oid = make(&mut world, &mut peer, durability);
        let container = kept(
            "dict",
            "d",
            Durability::from_name(durability).expect("known"),
        );
        peer.ask(&mut world, &container, set("k", oid))
            .expect("stored");
        peer.acknowledge(&world);
        let drop = Call::new("drop", [Value::List(vec![oid.0.into()])]);
        let dropped = peer.call(&world, &server(), drop.clone());
        world.settle();
        peer.receive(&world);
        peer.ask(&mut world, &container, get("k")).expect("again");
        let first = peer.answered.remove(&dropped).expect("it came");
        peer.acknowledge(&world);
        peer.note_again(dropped, &server(), drop);
        peer.disconnect(&world);
        peer.connect(&world);
        world.settle();
        peer.receive(&world);
        assert_eq!(peer.result(dropped), first.result);
        peer.ask(&mut world, &container, plain("clear"))
            .expect("cleared");
        assert!(exists(&world, oid), "the read after the drop brought it");
        check(&world);
    }
}

/// The same where the drop left the object to a reply on its way, which came meanwhile.
#[test]
fn a_drop_that_took_nothing_takes_nothing_when_it_is_sent_again() {
    let mut world = World::new();
    let mut peer = world.peer("a");
    let oid = make(&mut world, &mut peer, "memory");
    let container = kept("dict", "d", Durability::Memory);
    peer.ask(&mut world, &container, set("k", oid))
        .expect("stored");
    peer.acknowledge(&world);
    let read = peer.call(&world, &container, get("k"));
    let drop = Call::new("drop", [Value::List(vec![oid.0.into()])]);
    let dropped = peer.call(&world, &server(), drop.clone());
    world.settle();
    peer.receive(&world);
    let first = peer.answered.remove(&dropped).expect("it came");
    assert_eq!(first.result, Ok(0.into()));
    assert_eq!(pointed(&peer.result(read).expect("read")), oid);
    peer.acknowledge(&world);
    peer.note_again(dropped, &server(), drop);
    peer.disconnect(&world);
    peer.connect(&world);
    world.settle();
    peer.receive(&world);
    assert_eq!(peer.result(dropped), first.result);
    peer.ask(&mut world, &container, plain("clear"))
        .expect("cleared");
    assert!(exists(&world, oid), "the read brought it");
    check(&world);
}

/// Scenario 7.2: a proxy on its way between two processes.
#[test]
fn a_pin_bridges_a_proxy_in_flight() {
    let mut world = World::new();
    let (mut a, mut b) = (world.peer("a"), world.peer("b"));
    let oid = make(&mut world, &mut a, "memory");
    let pin = |seconds: i64| Call::new("pin", [oid.0.into(), seconds.into()]);
    for wrong in [0, 3_601] {
        let refused = a.ask(&mut world, &server(), pin(wrong));
        assert_eq!(refused.expect_err("too long").code, Code::BadArguments);
    }
    a.ask(&mut world, &server(), pin(60)).expect("there");
    a.ask(&mut world, &server(), pin(10)).expect("shorter");
    let_go(&mut world, &mut a, oid).expect("held");
    world.advance(Duration::from_secs(59));
    let holder = kept("dict", "h", Durability::Memory);
    b.ask(&mut world, &holder, set("k", oid)).expect("in time");
    world.advance(Duration::from_secs(2));
    assert!(exists(&world, oid));
    b.ask(&mut world, &holder, plain("clear")).expect("cleared");
    assert!(!exists(&world, oid));
    let refused = a.ask(&mut world, &server(), pin(60));
    assert_eq!(refused.expect_err("gone").code, Code::ObjectGone);
    check(&world);
}

#[test]
fn a_session_that_was_told_numbers_holds_what_is_there_of_them() {
    let mut world = World::new();
    let (mut a, mut b) = (world.peer("a"), world.peer("b"));
    let oid = make(&mut world, &mut a, "memory");
    let gone = make(&mut world, &mut a, "memory");
    let_go(&mut world, &mut a, gone).expect("held");
    let oids = || Value::List(vec![gone.0.into(), oid.0.into()]);
    let pin = Call::new("pin", [oids(), 60.into()]);
    a.ask(&mut world, &server(), pin).expect("one is there");
    let_go(&mut world, &mut a, oid).expect("held");
    let held = b.ask(&mut world, &server(), Call::new("hold", [oids()]));
    let Ok(Value::List(held)) = held else {
        panic!("{held:?}");
    };
    assert_eq!((&held[0], pointed(&held[1])), (&Value::Null, oid));
    world.advance(Duration::from_secs(61));
    assert!(exists(&world, oid), "the pin is over, the session holds it");
    let_go(&mut world, &mut b, oid).expect("held");
    assert!(!exists(&world, oid));
    check(&world);
}

#[test]
fn what_a_call_without_a_session_makes_or_gets_is_pinned() {
    let mut world = World::new();
    let ask = |world: &mut World, target: Target, call: Call| {
        let unary = Arc::<Unary>::default();
        let received = Received {
            sequence: 0,
            target,
            call,
            timeout: None,
            owner: Owner(0),
            fence: None,
            fingerprint: None,
        };
        world
            .engine
            .submit(&Origin::Unary(Arc::clone(&unary)), received);
        world.settle();
        let (reply, _) = unary.poll(Waker::noop()).expect("it is answered");
        reply.result
    };
    let made = ask(&mut world, server(), create("dict", "memory")).expect("made");
    let oid = pointed(&made);
    world.advance(Duration::from_secs(59));
    let holder = kept("dict", "h", Durability::Memory);
    ask(&mut world, holder.clone(), set("k", oid)).expect("stored");
    world.advance(Duration::from_secs(2));
    ask(&mut world, holder, Call::new("pop", ["k".into()])).expect("popped");
    world.advance(Duration::from_secs(59));
    assert!(exists(&world, oid));
    world.advance(Duration::from_secs(2));
    assert!(!exists(&world, oid));
    let drop = Call::new("drop", [Value::List(vec![])]);
    let refused = ask(&mut world, server(), drop);
    assert_eq!(refused.expect_err("no session").code, Code::BadArguments);
    check(&world);
}

/// The lease's end takes what was lent; what is held goes with the session.
#[test]
fn a_session_that_ends_holds_nothing_more() {
    for clean in [true, false] {
        let mut world = World::new();
        let mut peer = world.peer("a");
        let oids = ["memory", "durable"].map(|durability| make(&mut world, &mut peer, durability));
        let session = world.engine.session(peer.session).expect("it is known");
        peer.disconnect(&world);
        if clean {
            world.engine.goodbye(&session);
        } else {
            world.advance(Duration::from_secs(15));
            assert!(
                oids.iter().all(|oid| exists(&world, *oid)),
                "its lease ended"
            );
            world.advance(Duration::from_hours(1));
        }
        assert!(!oids.iter().any(|oid| exists(&world, *oid)));
        check(&world);
        world.settle();
        world.crash();
        assert!(!oids.iter().any(|oid| exists(&world, *oid)));
        assert!(super::harness::rows(&world.engine.holdings_table).is_empty());
    }
}

/// The process is dead for good, so nothing waits for its session to be forgotten.
#[test]
fn a_dead_process_holds_no_objects_any_more() {
    let mut world = World::new();
    let mut peer = world.peer("a");
    let oids = ["memory", "durable"].map(|durability| make(&mut world, &mut peer, durability));
    let session = world.engine.session(peer.session).expect("it is known");
    world.engine.died(&session);
    assert!(world.engine.session(peer.session).is_some());
    assert!(!oids.iter().any(|oid| exists(&world, *oid)));
    check(&world);
    world.settle();
    world.crash();
    assert!(!oids.iter().any(|oid| exists(&world, *oid)));
    assert!(super::harness::rows(&world.engine.holdings_table).is_empty());
}

#[test]
fn a_restarted_server_keeps_what_sessions_and_rows_hold() {
    for checkpoint in [false, true] {
        let mut world = World::new();
        let mut peer = world.peer("a");
        let [held, stored, child, neither] =
            [(); 4].map(|()| make(&mut world, &mut peer, "durable"));
        peer.ask(&mut world, &dict("d"), set("k", stored))
            .expect("stored");
        peer.ask(&mut world, &Target::Oid(stored), set("k", child))
            .expect("stored");
        let_go(&mut world, &mut peer, stored).expect("held");
        let_go(&mut world, &mut peer, child).expect("held");
        let pin = Call::new("pin", [neither.0.into(), 1.into()]);
        peer.ask(&mut world, &server(), pin).expect("pinned");
        let_go(&mut world, &mut peer, neither).expect("held");
        if checkpoint {
            world.checkpoint();
        }
        world.crash();
        check(&world);
        assert!(exists(&world, neither), "somebody may have pinned it");
        world.advance(Duration::from_secs(61));
        assert!(!exists(&world, neither));
        assert!([held, stored, child].iter().all(|oid| exists(&world, *oid)));
        peer.connect(&world);
        peer.ask(&mut world, &dict("d"), plain("clear"))
            .expect("cleared");
        assert!(!exists(&world, stored) && !exists(&world, child));
        let_go(&mut world, &mut peer, held).expect("held");
        assert!(!exists(&world, held));
        check(&world);
    }
}

/// The reply that brings a durable object waits until the session's holding is durable.
#[test]
fn a_reply_waits_for_what_the_session_holds() {
    let mut world = World::new();
    let (mut a, mut b) = (world.peer("a"), world.peer("b"));
    let oid = make(&mut world, &mut a, "durable");
    let memory = kept("dict", "m", Durability::Memory);
    a.ask(&mut world, &memory, set("k", oid)).expect("stored");
    world.settle();
    let read = b.call(&world, &memory, get("k"));
    assert!(b.receive(&world), "the reply is held");
    assert!(b.reply(read).is_none());
    world.settle();
    b.receive(&world);
    b.result(read).expect("it is there");
}

/// The call waits with the only reference in its arguments; granted, the object is stored, and gone with a call that is
/// withdrawn.
#[test]
fn a_call_that_waits_holds_its_arguments() {
    for granted in [true, false] {
        let mut world = World::new();
        let (mut a, mut b) = (world.peer("a"), world.peer("b"));
        let oid = make(&mut world, &mut a, "durable");
        let slot = named("slot", "slot");
        a.ask(&mut world, &slot, Call::new("put", [1.into()]))
            .expect("free");
        let waiting = a.call(&world, &slot, Call::new("put", [pointer("dict", oid)]));
        let_go(&mut world, &mut a, oid).expect("held");
        assert!(exists(&world, oid), "the call that waits holds it");
        if granted {
            b.ask(&mut world, &slot, plain("take")).expect("taken");
            world.settle();
            a.receive(&world);
            a.result(waiting).expect("put");
            assert!(exists(&world, oid), "its row holds it");
            let taken = b.ask(&mut world, &slot, plain("take")).expect("taken");
            assert_eq!(pointed(&taken), oid);
            let_go(&mut world, &mut b, oid).expect("held");
        } else {
            a.cancel(&world, waiting);
        }
        assert!(!exists(&world, oid));
        check(&world);
    }
}

/// The same with a call that changed rows before it waited: its outcome goes on over broken connections and restarts.
#[test]
fn a_call_that_goes_on_later_holds_its_arguments() {
    for crash in [false, true] {
        let mut world = World::new();
        let (mut a, mut b) = (world.peer("a"), world.peer("b"));
        let oid = make(&mut world, &mut a, "durable");
        let slot = named("slot", "slot");
        a.ask(&mut world, &slot, Call::new("put", [1.into()]))
            .expect("free");
        let waiting = a.call(&world, &slot, Call::new("offer", [pointer("dict", oid)]));
        let_go(&mut world, &mut a, oid).expect("held");
        a.disconnect(&world);
        world.settle();
        if crash {
            world.crash();
            world.advance(Duration::from_secs(61));
            b.connect(&world);
        }
        assert!(exists(&world, oid), "the call is to go on");
        b.ask(&mut world, &slot, plain("take")).expect("taken");
        a.connect(&world);
        world.settle();
        a.receive(&world);
        a.result(waiting).expect("put");
        a.acknowledge(&world);
        let taken = b.ask(&mut world, &slot, plain("take")).expect("taken");
        assert_eq!(pointed(&taken), oid);
        let_go(&mut world, &mut b, oid).expect("held");
        check(&world);
        if crash {
            // Rows do not tell that the client had dropped it already.
            let_go(&mut world, &mut a, oid).expect("held");
        }
        assert!(!exists(&world, oid));
    }
}

#[test]
fn whoever_waits_for_an_object_that_is_freed_is_refused() {
    let mut world = World::new();
    let (mut a, mut b) = (world.peer("a"), world.peer("b"));
    let event = a.ask(&mut world, &server(), create("event", "memory"));
    let oid = pointed(&event.expect("made"));
    let waiting = b.call(&world, &Target::Oid(oid), plain("wait"));
    let_go(&mut world, &mut a, oid).expect("held");
    b.receive(&world);
    assert_eq!(b.result(waiting).expect_err("gone").code, Code::ObjectGone);
}

#[test]
fn deleting_a_container_frees_what_only_it_held() {
    let mut world = World::new();
    let mut peer = world.peer("a");
    let [first, second, other] = [(); 3].map(|()| make(&mut world, &mut peer, "durable"));
    peer.ask(&mut world, &dict("d"), set("k", first))
        .expect("stored");
    peer.ask(&mut world, &dict("e"), set("k", other))
        .expect("stored");
    peer.ask(&mut world, &dict("d"), set("o", other))
        .expect("stored");
    peer.ask(&mut world, &Target::Oid(first), set("k", second))
        .expect("stored");
    for oid in [first, second, other] {
        let_go(&mut world, &mut peer, oid).expect("held");
    }
    peer.ask(&mut world, &server(), delete("d")).expect("there");
    assert!(!exists(&world, first) && !exists(&world, second) && exists(&world, other));
    check(&world);
    let live = super::harness::snapshot(&world.engine);
    assert_eq!(live, world.recovered());
}

/// Scenario 7.3: the reference is copied to A and deleted from B while the tracer is between the two.
#[test]
fn a_reference_that_moves_behind_the_tracer_is_not_collected() {
    for through_reply in [false, true] {
        let mut world = World::new();
        let mut peer = world.peer("a");
        let (a, b) = (
            kept("dict", "a", Durability::Memory),
            kept("dict", "b", Durability::Memory),
        );
        let [keep_a, keep_b, moved, child] =
            [(); 4].map(|()| make(&mut world, &mut peer, "memory"));
        peer.ask(&mut world, &a, set("k", keep_a)).expect("stored");
        peer.ask(&mut world, &b, set("k", keep_b)).expect("stored");
        peer.ask(&mut world, &b, set("m", moved)).expect("stored");
        peer.ask(&mut world, &Target::Oid(moved), set("k", child))
            .expect("stored");
        for oid in [keep_a, keep_b, moved, child] {
            let_go(&mut world, &mut peer, oid).expect("held");
        }
        // Whichever container the tracer reads first, the reference moves from the other to it.
        world.engine.begin_tracing();
        assert_eq!(world.engine.trace_page(), None);
        let reads_a_first = {
            let marked = |oid| world.engine.references.unmarked(&[oid].into()).is_empty();
            marked(keep_a)
        };
        let (from, to) = if reads_a_first { (&b, &a) } else { (&a, &b) };
        if !reads_a_first {
            // The moved one was read already where it is: it moves to and fro.
            peer.ask(&mut world, &a, set("m", moved)).expect("copied");
        }
        if through_reply {
            let popped = peer.ask(&mut world, from, Call::new("pop", ["m".into()]));
            let popped = popped.expect("it is there");
            peer.ask(&mut world, to, Call::new("set", ["m".into(), popped]))
                .expect("put");
            let_go(&mut world, &mut peer, moved).expect("held");
        } else {
            peer.ask(&mut world, to, set("m", moved)).expect("copied");
            let gone = Call::new("delete", ["m".into()]);
            peer.ask(&mut world, from, gone).expect("deleted");
        }
        let freed = std::iter::from_fn(|| Some(world.engine.trace_page()))
            .flatten()
            .next();
        assert_eq!(freed, Some(0));
        assert!(exists(&world, moved) && exists(&world, child));
        check(&world);
    }
}

#[test]
fn cycles_are_freed_by_the_tracer() {
    for durability in ["memory", "durable"] {
        let mut world = World::new();
        let mut peer = world.peer("a");
        let [alone, one, two, tail, anchored] =
            [(); 5].map(|()| make(&mut world, &mut peer, durability));
        let links = [
            (alone, alone),
            (one, two),
            (two, one),
            (two, tail),
            (anchored, anchored),
        ];
        for (at, (from, to)) in links.into_iter().enumerate() {
            let link = set(&at.to_string(), to);
            peer.ask(&mut world, &Target::Oid(from), link)
                .expect("linked");
        }
        let root = kept(
            "dict",
            "root",
            Durability::from_name(durability).expect("known"),
        );
        peer.ask(&mut world, &root, set("k", anchored))
            .expect("stored");
        for oid in [alone, one, two, tail, anchored] {
            let_go(&mut world, &mut peer, oid).expect("held");
            assert!(exists(&world, oid), "a row refers to it");
        }
        check(&world);
        assert_eq!(peer.get(&mut world, &server(), "collect"), 4.into());
        for oid in [alone, one, two, tail] {
            assert!(!exists(&world, oid));
        }
        assert!(exists(&world, anchored));
        check(&world);
        assert_eq!(peer.get(&mut world, &server(), "collect"), 0.into());
        world.settle();
        let live = super::harness::snapshot(&world.engine);
        assert_eq!(live, world.recovered());
    }
}

/// Two thousand objects that refer to themselves: nobody asks for the tracer.
#[test]
fn the_tracer_runs_by_itself_when_there_is_much() {
    let mut world = World::new();
    let mut peer = world.peer("a");
    let oids: Vec<Oid> = (0..1_200)
        .map(|_| {
            let oid = make(&mut world, &mut peer, "memory");
            peer.ask(&mut world, &Target::Oid(oid), set("me", oid))
                .expect("stored");
            let_go(&mut world, &mut peer, oid).expect("held");
            peer.acknowledge(&world);
            oid
        })
        .collect();
    assert!(oids.iter().all(|oid| exists(&world, *oid)));
    world.advance(Duration::from_secs(61));
    assert!(!oids.iter().any(|oid| exists(&world, *oid)));
    check(&world);
}

/// A crash between two batches at any place of the log: no row refers to what is not there.
#[test]
fn no_crash_leaves_a_row_that_refers_to_nothing() {
    for keep in 0..24 {
        let mut world = World::new();
        let mut peer = world.peer("a");
        for turn in 0..4 {
            let oid = make(&mut world, &mut peer, "durable");
            let key = (turn % 2).to_string();
            let call = peer.call(&world, &dict("d"), set(&key, oid));
            if turn * 6 >= keep {
                break;
            }
            world.settle();
            peer.receive(&world);
            peer.result(call).expect("stored");
            let _ = let_go(&mut world, &mut peer, oid);
            if keep % 6 == 5 {
                world.checkpoint();
            }
        }
        let pop = Call::new("pop", [(keep % 2).to_string().into()]);
        peer.call(&world, &dict("d"), pop);
        if keep % 3 == 0 {
            world.crash_in_append(keep % 4);
        } else {
            world.crash();
        }
        for cell in world.engine.registry.all() {
            for row in super::harness::rows(&cell) {
                if let Row::Put { value, .. } = &row {
                    let targets = super::super::edges::targets(value);
                    assert!(targets.iter().all(|oid| exists(&world, *oid)));
                }
            }
        }
        check(&world);
        peer.connect(&world);
        world.settle();
        peer.receive(&world);
        for reply in peer.answered.values() {
            if let Ok(value @ Value::Reference(_)) = &reply.result {
                assert!(exists(&world, pointed(value)), "a reply brought it");
            }
        }
    }
}

/// No hold of a lock is longer than a few batches, whatever is freed.
#[test]
fn a_container_of_a_hundred_thousand_is_deleted_a_few_at_a_time() {
    const COUNT: usize = 100_000;
    let mut world = World::new();
    let mut peer = world.peer("a");
    let root = kept("list", "root", Durability::Memory);
    let mut stored = 0;
    while stored < COUNT {
        let calls: Vec<u64> = (0..500)
            .map(|_| peer.call(&world, &server(), create("dict", "memory")))
            .collect();
        world.settle();
        peer.receive(&world);
        let oids: Vec<Oid> = calls
            .iter()
            .map(|call| pointed(&peer.result(*call).expect("made")))
            .collect();
        let pointers = oids.iter().map(|oid| pointer("dict", *oid)).collect();
        let call = Call::new("extend", [Value::List(pointers)]);
        peer.ask(&mut world, &root, call).expect("stored");
        peer.acknowledge(&world);
        let numbers = oids.iter().map(|oid| oid.0.into()).collect();
        let drop = Call::new("drop", [Value::List(numbers)]);
        assert_eq!(peer.ask(&mut world, &server(), drop), Ok(500.into()));
        stored += oids.len();
    }
    check(&world);
    let status = |world: &mut World, peer: &mut super::peer::Peer| {
        let Value::Dict(pairs) = peer.get(world, &server(), "status") else {
            panic!("a dict");
        };
        let found = pairs
            .into_iter()
            .find(|(key, _)| key.as_text() == Some("anonymous"));
        found.expect("it tells").1
    };
    assert_eq!(status(&mut world, &mut peer), COUNT.into());
    let sequence = peer.call(&world, &server(), delete("root"));
    peer.receive(&world);
    peer.result(sequence).expect("there");
    let left = world.engine.registry.anonymous().len();
    assert!(
        left > COUNT / 2,
        "the call freed a few and left {left} to the timekeeper"
    );
    world.advance(Duration::from_secs(1));
    assert_eq!(status(&mut world, &mut peer), 0.into());
    check(&world);
}

/// An option of opening by name, with a reference that nobody resolves: it only names an object.
#[test]
fn a_reference_that_only_names_an_object_needs_none() {
    let mut world = World::new();
    let mut peer = world.peer("a");
    let later = Value::Reference(Box::new(Reference {
        kind: "counter".into(),
        name: "later".into(),
        oid: Oid(0),
    }));
    let target = opened("dict", "d", OpenOptions::default());
    peer.ask(
        &mut world,
        &target,
        Call::new("set", ["k".into(), later.clone()]),
    )
    .expect("opened when it is followed");
    assert_eq!(peer.ask(&mut world, &target, get("k")), Ok(later));
    check(&world);
}

/// A call comes in the middle of a commit, between what frees an object and its log.
#[test]
fn freeing_while_the_committer_appends_recovers_alike() {
    let mut world = World::new();
    let mut peer = world.peer("a");
    let oid = make(&mut world, &mut peer, "durable");
    peer.ask(&mut world, &dict("d"), set("k", oid))
        .expect("stored");
    let_go(&mut world, &mut peer, oid).expect("held");
    let clear = peer.note(&world, &dict("d"), plain("clear"), None);
    let mut frame = Some((peer.origin(), peer.received(&world, clear)));
    let engine = Arc::clone(&world.engine);
    *world.hook.lock() = Some(Box::new(move |moment| {
        if moment == Moment::AfterAppend
            && let Some((origin, received)) = frame.take()
        {
            engine.submit(&origin, received);
        }
    }));
    peer.ask(
        &mut world,
        &dict("other"),
        Call::new("set", ["k".into(), 1.into()]),
    )
    .expect("set");
    *world.hook.lock() = None;
    world.settle();
    assert!(!exists(&world, oid));
    let live = super::harness::snapshot(&world.engine);
    assert_eq!(live, world.recovered());
}
