//! What one call may bring, and one change may write and answer.

use super::harness::{CHANGE_BYTES_MAX, World, kept, named};
use bytes::Bytes;
use commonhold_proto::{Call, Code, Durability, Value};

fn bytes(length: usize) -> Value {
    Value::Bytes(Bytes::from(vec![1; length]))
}

fn swap(length: usize) -> Call {
    Call::new("swap", ["k".into(), bytes(length)])
}

/// A swap logs the new value in a row, and the old one in the outcome that its caller gets when it asks again.
#[test]
fn a_change_that_the_store_does_not_take_is_refused_before_it_is_applied() {
    let mut world = World::new();
    let mut peer = world.peer("writer");
    let dict = named("dict", "d");
    let old = CHANGE_BYTES_MAX / 2;
    let set = Call::new("set", ["k".into(), bytes(old)]);
    peer.ask(&mut world, &dict, set)
        .expect("half is not too much");
    let before = world.cell("d").state.lock().last;
    // The largest value that can be swapped in, and one above.
    let (mut taken, mut refused) = (old - 1_000, old);
    while taken + 1 < refused {
        let length = taken.midpoint(refused);
        match peer.ask(&mut world, &dict, swap(length)) {
            Ok(value) => {
                assert_eq!(value, bytes(old));
                // Back again, by a delete and a set: each is small enough.
                let delete = Call::new("delete", ["k".into()]);
                peer.ask(&mut world, &dict, delete).expect("it is there");
                let set = Call::new("set", ["k".into(), bytes(old)]);
                peer.ask(&mut world, &dict, set).expect("it fits");
                taken = length;
            }
            Err(refusal) => {
                assert_eq!(refusal.code, Code::ValueTooLarge, "{refusal}");
                let limit = CHANGE_BYTES_MAX.to_string();
                assert!(refusal.message.contains(&limit), "{refusal}");
                refused = length;
            }
        }
        peer.acknowledge(&world);
    }
    assert!(taken > old - 1_000, "none was taken");
    let get = Call::new("get", ["k".into()]);
    assert_eq!(peer.ask(&mut world, &dict, get), Ok(bytes(old)));
    assert!(world.cell("d").state.lock().last > before);
    world.crash();
    assert_eq!(world.cell("d").state.lock().object.entries(), 1);
}

/// Only what is logged is measured by the log.
#[test]
fn what_is_not_logged_may_be_larger() {
    let mut world = World::new();
    let mut peer = world.peer("writer");
    let dict = kept("dict", "m", Durability::Memory);
    for _ in 0..2 {
        peer.ask(&mut world, &dict, swap(CHANGE_BYTES_MAX))
            .expect("it is in memory");
    }
}

/// Whoever reads such a dict could not tell which of two values its key has.
#[test]
fn a_dict_or_set_that_has_a_member_twice_is_refused() {
    let mut world = World::new();
    let mut peer = world.peer("writer");
    let dict = named("dict", "d");
    let members = || vec![Value::from(1), Value::from("x"), Value::from(true)];
    let pairs = members().into_iter().map(|key| (key, Value::Null));
    for value in [
        Value::Set(members()),
        Value::Frozenset(members()),
        Value::List(vec![Value::Dict(pairs.collect())]),
    ] {
        let set = Call::new("set", ["k".into(), value]);
        let refusal = peer.ask(&mut world, &dict, set).expect_err("1 is True");
        assert_eq!(refusal.code, Code::BadArguments);
        assert_eq!(refusal.message, "a dict or set has True twice");
    }
    let twice = |n: i64| Value::Dict(vec![("k".into(), 1.into()), ("k".into(), n.into())]);
    let nested = Call::new("update", [Value::Dict(vec![("a".into(), twice(2))])]);
    let refusal = peer
        .ask(&mut world, &dict, nested)
        .expect_err("it is not taken apart");
    assert_eq!(refusal.message, "a dict or set has \"k\" twice");
    assert!(world.engine.registry.named("d").is_none());
    // What is taken apart may.
    let update = Call::new("update", [twice(3)]);
    assert_eq!(peer.ask(&mut world, &dict, update), Ok(Value::Null));
    let get = Call::new("get", ["k".into()]);
    assert_eq!(peer.ask(&mut world, &dict, get), Ok(3.into()));
}
