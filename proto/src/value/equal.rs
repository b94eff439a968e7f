//! Equality as Python has it.

use super::key::{self, KeyBuffer};
use super::{DEPTH_MAX, Value, number};
use std::cmp::Ordering;
use std::collections::HashMap;

impl Value {
    /// Python's `x is y or x == y`, as its containers compare: equal, or written in the same bytes. So a value that holds NaN is
    /// the one that was read before.
    pub fn is_or_equals(&self, other: &Value) -> bool {
        let written = |value: &Value| prost::Message::encode_to_vec(value);
        self.equals(other)
            || (self.encoded_size() == other.encoded_size() && written(self) == written(other))
    }

    /// Python's `==`: `1 == 1.0 == True`, a list is no tuple, sets are compared by members and dicts without their order.
    ///
    /// NaN equals nothing, itself included, wherever it stands. References are equal if they name one object, opaque
    /// values if codec and bytes are. A set or dict with a member that cannot be one equals nothing.
    pub fn equals(&self, other: &Value) -> bool {
        match (self, other) {
            (Value::Null, Value::Null) => true,
            (Value::Text(a), Value::Text(b)) => a == b,
            (Value::Bytes(a), Value::Bytes(b)) => a == b,
            (Value::List(a), Value::List(b)) | (Value::Tuple(a), Value::Tuple(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.equals(b))
            }
            (Value::Set(a) | Value::Frozenset(a), Value::Set(b) | Value::Frozenset(b)) => {
                match (
                    key::member_keys(a, DEPTH_MAX),
                    key::member_keys(b, DEPTH_MAX),
                ) {
                    (Ok(a), Ok(b)) => a == b,
                    _ => false,
                }
            }
            (Value::Dict(a), Value::Dict(b)) => match (by_key(a), by_key(b)) {
                (Some(a), Some(b)) => {
                    a.len() == b.len()
                        && a.iter()
                            .all(|(key, value)| b.get(key).is_some_and(|other| value.equals(other)))
                }
                _ => false,
            },
            (Value::Reference(a), Value::Reference(b)) => a.oid == b.oid,
            (Value::Opaque(a), Value::Opaque(b)) => a.codec == b.codec && a.bytes == b.bytes,
            _ => number::compare(self, other) == Some(Ordering::Equal),
        }
    }
}

fn by_key(pairs: &[(Value, Value)]) -> Option<HashMap<KeyBuffer, &Value>> {
    pairs
        .iter()
        .map(|(key, value)| {
            let mut bytes = KeyBuffer::new();
            key.write_canonical_key(&mut bytes).ok()?;
            Some((bytes, value))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::strategy;
    use num_bigint::BigInt;
    use proptest::prelude::*;

    fn check(a: impl Into<Value>, b: impl Into<Value>, equal: bool) {
        let (a, b) = (a.into(), b.into());
        assert_eq!(a.equals(&b), equal, "{a:?} == {b:?}");
        assert_eq!(b.equals(&a), equal, "{b:?} == {a:?}");
    }

    #[test]
    fn what_was_read_before_is_the_one() {
        let nan = |n: i64| Value::List(vec![f64::NAN.into(), n.into()]);
        assert!(nan(1).is_or_equals(&nan(1)));
        assert!(!nan(1).is_or_equals(&nan(2)));
        assert!(Value::Int(1).is_or_equals(&true.into()));
        assert!(!Value::Float(f64::NAN).is_or_equals(&1.into()));
    }

    #[test]
    fn equality_is_pythons() {
        check(1, 1.0, true);
        check(1, true, true);
        check(0.0, -0.0, true);
        check(f64::NAN, f64::NAN, false);
        check((1i64 << 53) + 1, 9_007_199_254_740_992.0, false);
        check(u64::MAX, 18_446_744_073_709_551_616.0, false);
        check(1u64 << 63, 9_223_372_036_854_775_808.0, true);
        check("1", 1, false);
        check(Value::Null, false, false);
        let one = || vec![Value::Int(1)];
        check(Value::List(one()), Value::Tuple(one()), false);
        check(Value::Set(one()), Value::Frozenset(vec![true.into()]), true);
        check(Value::Set(one()), Value::List(one()), false);
        let dict = |pairs: &[(i64, f64)]| {
            let pairs = pairs.iter().map(|(k, v)| ((*k).into(), (*v).into()));
            Value::Dict(pairs.collect())
        };
        check(
            dict(&[(1, 2.0), (3, 4.0)]),
            dict(&[(3, 4.0), (1, 2.0)]),
            true,
        );
        check(dict(&[(1, 2.0)]), dict(&[(1, 3.0)]), false);
        check(dict(&[(1, f64::NAN)]), dict(&[(1, f64::NAN)]), false);
        check(
            BigInt::from(10).pow(300),
            BigInt::from(10).pow(300) + 1,
            false,
        );
    }

    proptest! {
        #[test]
        fn equality_is_symmetric(a in strategy::value(), b in strategy::value()) {
            prop_assert_eq!(a.equals(&b), b.equals(&a));
        }

        #[test]
        fn equality_is_transitive(a in strategy::number(), b in strategy::number(), c in strategy::number()) {
            if a.equals(&b) && b.equals(&c) {
                prop_assert!(a.equals(&c));
            }
        }
    }
}
