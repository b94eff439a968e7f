//! Strategies for the core types.

use bytes::Bytes;
use commonhold_proto::{
    Call, Change, Code, Durability, LaneId, Oid, Opaque, Open, OpenOptions, OperationId, Outcome,
    OutcomeState, Part, Reference, Refusal, Reply, Revision, Row, RowKey, ServerTime, SessionId,
    Target, Ticket, Undo, Value,
};
use num_bigint::BigInt;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use prost::Message as _;
use std::collections::HashSet;

/// Any value: of every type, with NaN and integers around the edge of 64 bits; keys and members are distinct.
pub(crate) fn value() -> BoxedStrategy<Value> {
    let named = (text(), any::<u64>()).prop_map(|(name, oid)| refer(format!("n{name}"), oid));
    value_with(prop_oneof![named, anonymous()].boxed())
}

/// As [`value`], but what a reference names is all that it knows.
pub(crate) fn portable_value() -> BoxedStrategy<Value> {
    let named = text().prop_map(|name| refer(format!("n{name}"), 0));
    value_with(prop_oneof![named, anonymous()].boxed())
}

fn anonymous() -> impl Strategy<Value = Reference> {
    (1..=u64::MAX).prop_map(|oid| refer(String::new(), oid))
}

fn refer(name: String, oid: u64) -> Reference {
    Reference {
        kind: "dict".into(),
        name,
        oid: Oid(oid),
    }
}

fn value_with(references: BoxedStrategy<Reference>) -> BoxedStrategy<Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        integer(),
        proptest::num::f64::ANY.prop_map(Value::Float),
        (-2i8..3).prop_map(|whole| Value::Float(whole.into())),
        text().prop_map(Value::from),
        bytes().prop_map(Value::Bytes),
        references
            .clone()
            .prop_map(|reference| Value::Reference(reference.into())),
        (text(), bytes(), vec(references, 0..3)).prop_map(|(codec, bytes, references)| {
            Value::Opaque(Box::new(Opaque {
                codec,
                bytes,
                references,
            }))
        }),
    ];
    scalar
        .prop_recursive(5, 40, 5, |inner| {
            prop_oneof![
                vec(inner.clone(), 0..5).prop_map(Value::List),
                vec(inner.clone(), 0..5).prop_map(Value::Tuple),
                vec((key(), inner.clone()), 0..5).prop_map(|pairs| Value::Dict(distinct(pairs))),
                vec((text(), inner), 0..5).prop_map(|pairs| {
                    let pairs = pairs.into_iter().map(|(key, value)| (key.into(), value));
                    Value::Dict(distinct(pairs.collect()))
                }),
                members().prop_map(Value::Set),
                members().prop_map(Value::Frozenset),
            ]
        })
        .boxed()
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), "\\$?[ab]{0,2}"]
}

fn bytes() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..20).prop_map(Bytes::from)
}

fn integer() -> impl Strategy<Value = Value> {
    prop_oneof![
        (-300i64..300).prop_map(Value::Int),
        any::<i64>().prop_map(Value::Int),
        any::<i128>().prop_map(|number| Value::from_big_int(number.into())),
        (62u32..66, -2i8..3, any::<bool>()).prop_map(|(power, offset, negative)| {
            let edge = BigInt::from(2).pow(power) + offset;
            Value::from_big_int(if negative { -edge } else { edge })
        }),
        vec(any::<u8>(), 0..200)
            .prop_map(|bytes| Value::from_big_int(BigInt::from_signed_bytes_le(&bytes))),
    ]
}

/// Keys of which no two are equal without being the same: no truth values, no whole floats.
fn key() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        integer(),
        (-9i8..9).prop_map(|number| Value::Float(f64::from(number) + 0.5)),
        text().prop_map(Value::from),
        bytes().prop_map(Value::Bytes),
    ];
    scalar.prop_recursive(2, 6, 3, |inner| vec(inner, 0..3).prop_map(Value::Tuple))
}

fn members() -> impl Strategy<Value = Vec<Value>> {
    vec(key(), 0..5).prop_map(|members| {
        let members = members.into_iter().map(|member| (member, ())).collect();
        distinct(members)
            .into_iter()
            .map(|(member, ())| member)
            .collect()
    })
}

fn distinct<T>(mut pairs: Vec<(Value, T)>) -> Vec<(Value, T)> {
    let mut seen = HashSet::new();
    pairs.retain(|(key, _)| seen.insert(key.encode_to_vec()));
    pairs
}

/// Any call.
pub(crate) fn call() -> impl Strategy<Value = Call> {
    (text(), vec(value(), 0..4), vec((text(), value()), 0..3)).prop_map(
        |(method, arguments, named)| Call {
            method,
            arguments,
            named,
        },
    )
}

/// Any target.
pub(crate) fn target() -> impl Strategy<Value = Target> {
    let durability = prop_oneof![
        Just(Durability::Durable),
        Just(Durability::Relaxed),
        Just(Durability::Memory),
    ];
    let options = (
        option::of(durability),
        any::<Option<bool>>(),
        vec((text(), value()), 0..3),
    );
    prop_oneof![
        any::<u64>().prop_map(|oid| Target::Oid(Oid(oid))),
        (text(), text(), options).prop_map(|(kind, name, (durability, exists, options))| {
            Target::Open(Box::new(Open {
                kind,
                name,
                options: OpenOptions {
                    durability,
                    exists,
                    options,
                },
            }))
        }),
    ]
}

/// Any reply.
pub(crate) fn reply() -> impl Strategy<Value = Reply> {
    let refusal = (proptest::sample::select(Code::ALL), text())
        .prop_map(|(code, message)| Refusal::new(code, message));
    (
        proptest::result::maybe_err(value(), refusal),
        any::<u64>(),
        any::<bool>(),
        option::of(1..=u64::MAX),
    )
        .prop_map(|(result, revision, remembered, oid)| Reply {
            result,
            revision: Revision(revision),
            remembered,
            oid: oid.map(Oid),
        })
}

fn row_key() -> impl Strategy<Value = RowKey> {
    bytes().prop_map(|key| RowKey::from(&key[..]))
}

/// Any row.
pub(crate) fn row() -> impl Strategy<Value = Row> {
    let number = || option::of(1..=u64::MAX);
    let ticket = option::of((any::<u64>(), any::<u64>()))
        .prop_map(|ticket| ticket.map(|(revision, index)| Ticket { revision, index }));
    prop_oneof![
        (row_key(), value(), ticket, number(), number()).prop_map(
            |(key, value, ticket, lent, expires)| {
                Row::Put {
                    key,
                    value,
                    ticket,
                    lent: lent.map(SessionId),
                    expires: expires.map(ServerTime),
                }
            }
        ),
        row_key().prop_map(|key| Row::Delete { key }),
        row_key().prop_map(|prefix| Row::DeletePrefix { prefix }),
    ]
}

/// Any outcome. Whether its reply is a remembered one is told when it is sent, not stored.
pub(crate) fn outcome() -> impl Strategy<Value = Outcome> {
    let done = reply().prop_map(|reply| {
        OutcomeState::Done(Reply {
            remembered: false,
            ..reply
        })
    });
    let waiting =
        (any::<u64>(), call(), option::of(call())).prop_map(|(oid, resume, on_deadline)| {
            OutcomeState::Waiting {
                oid: Oid(oid),
                resume: resume.into(),
                on_deadline: on_deadline.map(Box::new),
            }
        });
    let undo = (any::<u64>(), value()).prop_map(|(oid, memo)| {
        let oid = Oid(oid);
        Box::new(Undo { oid, memo })
    });
    let state = prop_oneof![done, waiting];
    (any::<u64>(), state, any::<u64>(), option::of(undo)).prop_map(
        |(fingerprint, state, acknowledged_below, undo)| Outcome {
            fingerprint,
            state,
            acknowledged_below,
            undo,
        },
    )
}

/// Any change.
pub(crate) fn change() -> impl Strategy<Value = Change> {
    let id = (any::<u64>(), any::<u32>(), any::<u64>()).prop_map(|(session, lane, sequence)| {
        OperationId {
            session: SessionId(session),
            lane: LaneId(lane),
            sequence,
        }
    });
    let part = (any::<u64>(), vec(row(), 0..4)).prop_map(|(oid, rows)| Part {
        oid: Oid(oid),
        rows: rows.into(),
    });
    (
        any::<u64>(),
        any::<u64>(),
        option::of((id, outcome())),
        vec(part, 0..4),
    )
        .prop_map(|(revision, at, operation, parts)| Change {
            revision: Revision(revision),
            at: ServerTime(at),
            operation,
            parts: parts.into(),
        })
}
