//! Arbitrary values for property tests, dense where bugs live: equal numbers of different types, edges of 64 bits, shared
//! keys, NaN.

use super::{Opaque, Reference, Value};
use crate::Oid;
use bytes::Bytes;
use num_bigint::BigInt;
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::HashSet;

/// Numbers: bool, int, large int, float; without NaN.
pub fn number() -> BoxedStrategy<Value> {
    prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        (-3i64..4).prop_map(Value::Int),
        (-3i8..4).prop_map(|n| Value::Float(f64::from(n))),
        any::<i64>().prop_map(Value::Int),
        any::<f64>()
            .prop_filter("NaN is no number", |n| !n.is_nan())
            .prop_map(Value::Float),
        (
            prop_oneof![Just(53u32), Just(62), Just(63), Just(64), Just(300)],
            -2i8..3,
            any::<bool>()
        )
            .prop_map(|(power, offset, float)| edge(power, offset, float)),
        Just(Value::Float(f64::INFINITY)),
        Just(Value::Float(f64::NEG_INFINITY)),
        Just(Value::Float(-0.0)),
    ]
    .boxed()
}

/// A number near a power of two.
fn edge(power: u32, offset: i8, float: bool) -> Value {
    if float {
        let base = 2f64.powi(power.cast_signed());
        Value::Float(base + f64::from(offset))
    } else {
        Value::from_big_int(BigInt::from(2).pow(power) + offset)
    }
}

fn scalar() -> BoxedStrategy<Value> {
    prop_oneof![
        4 => number(),
        1 => Just(Value::Null),
        3 => "[ab]{0,2}".prop_map(Value::from),
        1 => any::<String>().prop_map(Value::from),
        1 => vec(0u8..3, 0..3).prop_map(|bytes| Value::Bytes(Bytes::from(bytes))),
        1 => reference().prop_map(|reference| Value::Reference(reference.into())),
        1 => ("[pq]", vec(0u8..3, 0..3), vec(reference(), 0..2)).prop_map(
            |(codec, bytes, references)| {
                Value::Opaque(Box::new(Opaque { codec, bytes: bytes.into(), references }))
            }
        ),
    ]
    .boxed()
}

fn reference() -> impl Strategy<Value = Reference> {
    ("[xy]", 1u64..4).prop_map(|(name, oid)| Reference {
        kind: "dict".into(),
        name,
        oid: Oid(oid),
    })
}

/// Values that can be keys.
pub fn key() -> BoxedStrategy<Value> {
    scalar()
        .prop_recursive(3, 12, 3, |inner| {
            prop_oneof![
                vec(inner.clone(), 0..3).prop_map(Value::Tuple),
                vec(inner, 0..3).prop_map(|members| Value::Frozenset(distinct(members))),
            ]
        })
        .boxed()
}

/// Values of every type, nested a little; well formed, but NaN may stand anywhere but in keys.
pub fn value() -> BoxedStrategy<Value> {
    prop_oneof![
        9 => scalar(),
        1 => Just(Value::Float(f64::NAN)),
    ]
    .prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            2 => vec(inner.clone(), 0..4).prop_map(Value::List),
            1 => vec(inner.clone(), 0..4).prop_map(Value::Tuple),
            2 => vec((key(), inner), 0..4).prop_map(|pairs| Value::Dict(distinct_keys(pairs))),
            1 => vec(key(), 0..4).prop_map(|members| Value::Set(distinct(members))),
            1 => vec(key(), 0..4).prop_map(|members| Value::Frozenset(distinct(members))),
        ]
    })
    .boxed()
}

fn distinct(mut members: Vec<Value>) -> Vec<Value> {
    let mut seen = HashSet::new();
    members.retain(|member| seen.insert(member.canonical_key()));
    members
}

fn distinct_keys(mut pairs: Vec<(Value, Value)>) -> Vec<(Value, Value)> {
    let mut seen = HashSet::new();
    pairs.retain(|(key, _)| seen.insert(key.canonical_key()));
    pairs
}
