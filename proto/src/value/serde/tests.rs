//! Rust types and the values that they become.

use super::{ConvertError, from_value, to_value};
use crate::value::DEPTH_MAX;
use crate::{Oid, Opaque, Reference, Value};
use ::serde::{Deserialize, Serialize, de::DeserializeOwned};
use num_bigint::BigInt;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Debug;

#[track_caller]
fn check<T>(it: T, value: Value)
where
    T: Serialize + DeserializeOwned + PartialEq + Debug,
{
    assert_eq!(to_value(&it), Ok(value.clone()));
    assert_eq!(from_value(value), Ok(it));
}

fn dict(pairs: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
    Value::Dict(pairs.into_iter().map(|(k, v)| (k.into(), v)).collect())
}

fn list(items: &[i64]) -> Vec<Value> {
    items.iter().copied().map(Value::Int).collect()
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Job {
    id: u64,
    #[serde(default)]
    tries: u8,
    note: Option<String>,
    shape: Shape,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    Point,
    Circle(f64),
    Line(i64, i64),
    Box { wide: i64, high: i64 },
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Unit;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Metres(f64);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Pair(i64, bool);

#[test]
fn scalars_are_themselves() {
    check(true, true.into());
    check(-1i8, (-1).into());
    check(i64::MIN, i64::MIN.into());
    check(u64::MAX, u64::MAX.into());
    check(i128::MIN, Value::from_big_int(i128::MIN.into()));
    check(u128::MAX, Value::from_big_int(u128::MAX.into()));
    check(7i128, 7.into());
    check(7u128, 7.into());
    check(1u128 << 64, Value::from_big_int(BigInt::from(1) << 64));
    check(1i128 << 63, Value::from_big_int(BigInt::from(1) << 63));
    check(1.5f32, 1.5.into());
    check(1.0f64, 1.0.into());
    check('é', "é".into());
    check(String::from("text"), "text".into());
    check((), Value::Null);
    check(None::<i64>, Value::Null);
    check(Some(3i64), 3.into());
    check(Unit, Value::Null);
    check(Metres(2.5), 2.5.into());
}

#[test]
fn containers_are_lists_tuples_and_dicts() {
    check(vec![1i64, 2], Value::List(list(&[1, 2])));
    check(BTreeSet::from([1i64, 2]), Value::List(list(&[1, 2])));
    check((1i64, 2i64), Value::Tuple(list(&[1, 2])));
    check([1i64, 2], Value::Tuple(list(&[1, 2])));
    check(Pair(1, true), Value::Tuple(vec![1.into(), true.into()]));
    check(
        HashMap::from([("a".to_owned(), 1i64)]),
        dict([("a", 1.into())]),
    );
    check(
        BTreeMap::from([((1i64, 2i64), 3.0f64)]),
        Value::Dict(vec![(Value::Tuple(list(&[1, 2])), 3.0.into())]),
    );
    check(
        BTreeMap::from([(true, vec![Some(1u8), None])]),
        Value::Dict(vec![(
            true.into(),
            Value::List(vec![1.into(), Value::Null]),
        )]),
    );
}

#[test]
fn structs_and_variants_are_dicts() {
    let job = |shape| Job {
        id: 1,
        tries: 2,
        note: None,
        shape,
    };
    let value = |shape| {
        dict([
            ("id", 1.into()),
            ("tries", 2.into()),
            ("note", Value::Null),
            ("shape", shape),
        ])
    };
    check(job(Shape::Point), value("Point".into()));
    check(
        job(Shape::Circle(1.0)),
        value(dict([("Circle", 1.0.into())])),
    );
    check(
        job(Shape::Line(1, 2)),
        value(dict([("Line", Value::Tuple(list(&[1, 2])))])),
    );
    check(
        job(Shape::Box { wide: 1, high: 2 }),
        value(dict([(
            "Box",
            dict([("wide", 1.into()), ("high", 2.into())]),
        )])),
    );
    let sparse = dict([
        ("shape", "Point".into()),
        ("more", 5.into()),
        ("id", 1.into()),
    ]);
    assert_eq!(
        from_value(sparse),
        Ok(Job {
            id: 1,
            tries: 0,
            note: None,
            shape: Shape::Point
        })
    );
}

#[test]
fn reading_is_generous_between_like_things() {
    for items in [Value::List, Value::Tuple, Value::Set, Value::Frozenset] {
        assert_eq!(from_value(items(list(&[1, 2]))), Ok(vec![1i64, 2]));
        assert_eq!(from_value(items(list(&[1, 2]))), Ok((1i64, 2u8)));
    }
    assert_eq!(
        from_value(Value::Bytes((&b"ab"[..]).into())),
        Ok(vec![97u8, 98])
    );
    assert_eq!(from_value(3.into()), Ok(3.0f64));
    let large = Value::from_big_int(BigInt::from(1) << 100);
    assert_eq!(from_value(large), Ok(2f64.powi(100)));
}

#[test]
fn what_does_not_fit_is_refused_with_a_reason() {
    #[track_caller]
    fn refused<T: DeserializeOwned + Debug>(value: Value, message: &str) {
        let error = from_value::<T>(value).expect_err(message).to_string();
        assert!(error.contains(message), "{error}");
    }
    refused::<u8>(256.into(), "invalid value: integer `256`, expected u8");
    refused::<u64>((-1).into(), "integer `-1`, expected u64");
    refused::<i64>(1.0.into(), "expected i64");
    refused::<i64>(u64::MAX.into(), "expected i64");
    refused::<String>(1.into(), "invalid type: integer `1`, expected a string");
    refused::<(i64, i64)>(Value::List(list(&[1, 2, 3])), "invalid length 3");
    refused::<Shape>("Square".into(), "unknown variant `Square`");
    refused::<Shape>(3.into(), "3 is no Shape");
    refused::<Shape>(
        dict([("Point", 1.into())]),
        "1 is given to a variant without content",
    );
    refused::<Job>(dict([("id", 1.into())]), "missing field `shape`");
    refused::<u128>(
        Value::from_big_int(BigInt::from(1) << 200),
        "an integer of 201 bits",
    );
    let reference = Reference {
        kind: "dict".into(),
        name: "hits".into(),
        oid: Oid(1),
    };
    refused::<String>(
        Value::Reference(reference.into()),
        r#"<dict "hits"> can only be read as a Value"#,
    );
}

#[test]
fn values_pass_through_unchanged() {
    let reference = Reference {
        kind: "dict".into(),
        name: "hits".into(),
        oid: Oid(1),
    };
    let value = Value::List(vec![
        Value::Null,
        1.0.into(),
        Value::from_big_int(BigInt::from(-1) << 9000),
        Value::Bytes((&b"ab"[..]).into()),
        Value::Tuple(vec![Value::Set(vec![
            1.into(),
            Value::Frozenset(vec!["a".into()]),
        ])]),
        Value::Dict(vec![(
            Value::Tuple(list(&[1])),
            Value::Reference(reference.clone().into()),
        )]),
        Value::Opaque(Box::new(Opaque {
            codec: "pickle".into(),
            bytes: (&[1, 2][..]).into(),
            references: vec![reference],
        })),
    ]);
    check(value.clone(), value.clone());
    check(Some(value.clone()), value.clone());
    check(
        HashMap::from([("a".to_owned(), (value.clone(), 1i64))]),
        dict([("a", Value::Tuple(vec![value, 1.into()]))]),
    );
}

#[test]
fn json_passes_through_with_its_numbers() {
    let text = r#"{"a":[1,-2.5,18446744073709551615,null,1.0],"b":{"c":"d"}}"#;
    let json: serde_json::Value = serde_json::from_str(text).expect("JSON");
    let value = to_value(&json).expect("a value");
    assert_eq!(value, Value::from_json(&json).expect("a value"));
    let back: serde_json::Value = from_value(value.clone()).expect("JSON");
    assert_eq!(back.to_string(), text);
    // And serde_json reads values by itself.
    assert_eq!(serde_json::from_str::<Value>(text).expect("a value"), value);
}

#[test]
fn nesting_is_bounded() {
    #[derive(Serialize)]
    struct Chain(Option<Box<(Chain,)>>);
    let chain =
        |levels: usize| (1..levels).fold(Chain(None), |inner, _| Chain(Some(Box::new((inner,)))));
    let deepest = to_value(&chain(DEPTH_MAX)).expect("just deep enough");
    assert!(!deepest.is_too_large());
    let message = "nested deeper than 32 levels";
    assert_eq!(
        to_value(&chain(DEPTH_MAX + 1)),
        Err(ConvertError(message.into()))
    );
}
