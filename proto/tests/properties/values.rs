//! The forms of a value lose nothing.

use crate::arbitrary::{portable_value, value};
use commonhold_proto::Value;
use commonhold_proto::value::{from_value, to_value};
use proptest::prelude::*;

/// NaN equals nothing, so values are compared as they print.
fn shown(value: &Value) -> String {
    format!("{value:?}")
}

proptest! {
    #[test]
    fn json_and_back(value in portable_value()) {
        let json = value.to_json();
        let back = Value::from_json(&json)?;
        prop_assert_eq!(shown(&back), shown(&value));
        // The text of the JSON says as much as the tree does.
        let read: serde_json::Value = serde_json::from_str(&json.to_string())?;
        prop_assert_eq!(shown(&Value::from_json(&read)?), shown(&value));
    }

    #[test]
    fn json_of_strangers_is_read_or_refused(json in json()) {
        if let Ok(value) = Value::from_json(&json) {
            let again = Value::from_json(&value.to_json())?;
            prop_assert_eq!(shown(&again), shown(&value));
        }
    }

    #[test]
    fn serde_and_back(value in value()) {
        let written = to_value(&value)?;
        prop_assert_eq!(shown(&written), shown(&value));
        let read: Value = from_value(written)?;
        prop_assert_eq!(shown(&read), shown(&value));
        let wrapped: (Vec<Value>, Option<i64>) = from_value(to_value(&(vec![&value, &value], 1))?)?;
        prop_assert_eq!(shown(&wrapped.0[1]), shown(&value));
    }

    #[test]
    fn abbreviations_keep_their_length(value in value(), chars_max in 0usize..120) {
        let whole = value.to_string();
        let short = value.abbreviated(chars_max);
        prop_assert!(short.chars().count() <= chars_max);
        prop_assert!(whole == short || short.ends_with(&"..."[..chars_max.min(3)]));
        prop_assert!(!whole.chars().any(char::is_control));
    }
}

/// JSON with the keys that mean something in the wrong places.
fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(serde_json::Value::from),
        any::<i64>().prop_map(serde_json::Value::from),
        any::<f64>().prop_map(serde_json::Value::from),
        "(nan|inf|aGk=|pickle|[a-z]{0,3})".prop_map(serde_json::Value::from),
    ];
    leaf.prop_recursive(6, 40, 4, |inner| {
        let name = proptest::sample::select(vec![
            "a",
            "kind",
            "name",
            "oid",
            "codec",
            "bytes",
            "references",
            "$bytes",
            "$tuple",
            "$set",
            "$frozenset",
            "$dict",
            "$float",
            "$ref",
            "$opaque",
            "$new",
        ]);
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(serde_json::Value::from),
            proptest::collection::vec((name.prop_map(str::to_owned), inner), 0..4)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}
