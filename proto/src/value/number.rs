//! Arithmetic of numbers by Python's rules: a truth value counts as 0 or 1, integers never overflow, an integer beside a
//! float becomes one, and comparison never rounds.

use super::{INT_BYTES_MAX, Value, key};
use crate::{Code, Refusal};
use num_bigint::BigInt;
use num_traits::{FromPrimitive as _, ToPrimitive as _};
use std::cmp::Ordering;

/// Why there is no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// Not a number.
    #[error("a {0} is not a number")]
    NotANumber(&'static str),
    /// Python's `OverflowError`.
    #[error("an int is too large to become a float")]
    FloatOverflow,
    /// The integer would outgrow what a value may hold.
    #[error("the int would be larger than {} KiB", INT_BYTES_MAX >> 10)]
    IntTooLarge,
}

impl From<NumberError> for Refusal {
    fn from(error: NumberError) -> Refusal {
        let code = match error {
            NumberError::NotANumber(_) => Code::WrongType,
            NumberError::FloatOverflow => Code::OutOfBounds,
            NumberError::IntTooLarge => Code::ValueTooLarge,
        };
        Refusal::new(code, error.to_string())
    }
}

/// Is this a number: bool, int or float?
pub const fn is_number(value: &Value) -> bool {
    matches!(
        value,
        Value::Bool(_) | Value::Int(_) | Value::BigInt(_) | Value::Float(_)
    )
}

/// Python's `a + b` of two numbers.
///
/// # Errors
/// If one is no number, if an integer would have to become a float and is too large for it, or if the result would be an
/// integer above [`INT_BYTES_MAX`].
pub fn add(a: &Value, b: &Value) -> Result<Value, NumberError> {
    match (small(a), small(b)) {
        (Some(a), Some(b)) => Ok(match a.checked_add(b) {
            Some(sum) => Value::Int(sum),
            None => Value::BigInt(BigInt::from(a) + b),
        }),
        _ => match (a, b) {
            (Value::Float(a), b) => Ok(Value::Float(a + to_float(b)?)),
            (a, Value::Float(b)) => Ok(Value::Float(to_float(a)? + b)),
            (a, b) => {
                let sum = to_big(a)? + to_big(b)?;
                let sum = Value::from_big_int(sum);
                if sum.is_too_large() {
                    return Err(NumberError::IntTooLarge);
                }
                Ok(sum)
            }
        },
    }
}

/// How two numbers compare, exactly, whatever their types. `None` if one is NaN or no number.
pub fn compare(a: &Value, b: &Value) -> Option<Ordering> {
    match (small(a), small(b)) {
        (Some(a), Some(b)) => Some(a.cmp(&b)),
        (Some(a), None) => match b {
            Value::Float(b) => compare_int(a, *b),
            Value::BigInt(b) => Some(BigInt::from(a).cmp(b)),
            _ => None,
        },
        (None, Some(_)) => compare(b, a).map(Ordering::reverse),
        (None, None) => match (a, b) {
            (Value::Float(a), Value::Float(b)) => a.partial_cmp(b),
            (Value::BigInt(a), Value::BigInt(b)) => Some(a.cmp(b)),
            (Value::BigInt(a), Value::Float(b)) => compare_big(a, *b),
            (Value::Float(_), Value::BigInt(_)) => compare(b, a).map(Ordering::reverse),
            _ => None,
        },
    }
}

/// The number, if it is integral by type and fits 64 bits.
fn small(value: &Value) -> Option<i64> {
    match value {
        Value::Int(number) => Some(*number),
        Value::Bool(number) => Some((*number).into()),
        _ => None,
    }
}

fn to_float(value: &Value) -> Result<f64, NumberError> {
    match value {
        Value::Float(number) => Ok(*number),
        Value::BigInt(number) => number
            .to_f64()
            .filter(|number| number.is_finite())
            .ok_or(NumberError::FloatOverflow),
        #[expect(clippy::cast_precision_loss, reason = "Python rounds here as well")]
        _ => match small(value) {
            Some(number) => Ok(number as f64),
            None => Err(NumberError::NotANumber(value.type_name())),
        },
    }
}

fn to_big(value: &Value) -> Result<BigInt, NumberError> {
    match value {
        Value::BigInt(number) => Ok(number.clone()),
        _ => small(value)
            .map(BigInt::from)
            .ok_or(NumberError::NotANumber(value.type_name())),
    }
}

fn compare_int(a: i64, b: f64) -> Option<Ordering> {
    match key::exact_int(b.trunc()) {
        // Equal integral parts leave it to the fraction.
        Some(whole) => Some(a.cmp(&whole).then(0.0.partial_cmp(&b.fract())?)),
        // Beyond 64 bits the sign decides; NaN has no order.
        None => 0.0.partial_cmp(&b),
    }
}

fn compare_big(a: &BigInt, b: f64) -> Option<Ordering> {
    match BigInt::from_f64(b.trunc()) {
        Some(whole) => Some(a.cmp(&whole).then(0.0.partial_cmp(&b.fract())?)),
        None => 0.0.partial_cmp(&b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::strategy;
    use proptest::prelude::*;

    fn check(a: impl Into<Value>, b: impl Into<Value>, sum: impl Into<Value>) {
        let (a, b) = (a.into(), b.into());
        assert_eq!(add(&a, &b), Ok(sum.into()), "{a:?} + {b:?}");
    }

    fn power(of_two: usize) -> BigInt {
        BigInt::from(1) << of_two
    }

    #[test]
    fn the_largest_int_is_read_as_it_was_written() {
        let most = 8 * INT_BYTES_MAX - 1;
        let largest = Value::from(power(most) - 1);
        let below = add(&largest, &Value::Int(-1)).expect("it is smaller");
        assert_eq!(add(&below, &Value::Int(1)), Ok(largest.clone()));
        let read = prost::Message::decode(&*prost::Message::encode_to_vec(&largest));
        assert_eq!(read, Ok(largest.clone()));
        assert_eq!(add(&largest, &Value::Int(1)), Err(NumberError::IntTooLarge));
        let smallest = Value::from(1 - power(most));
        assert_eq!(
            add(&smallest, &Value::Int(-1)),
            Err(NumberError::IntTooLarge)
        );
    }

    #[test]
    fn sums_are_pythons() {
        check(1, 2, 3);
        check(true, true, 2);
        check(false, 1.5, 1.5);
        check(1, 0.5, 1.5);
        check(i64::MAX, 1, power(63));
        check(power(63), -1, i64::MAX);
        check(i64::MIN, -1, -power(63) - 1);
        check(power(1023), 0.0, 2f64.powi(1023));
        check(f64::INFINITY, 1, f64::INFINITY);
        // Half to even: 2^53 + 1 has no float.
        check((1i64 << 53) + 1, 0.0, 2f64.powi(53));
        check(
            power(200) + power(147) + 1,
            0.0,
            2f64.powi(200) + 2f64.powi(148),
        );
    }

    #[test]
    fn what_has_no_sum_is_told() {
        let refused = |a: Value, b: Value, error| {
            assert_eq!(add(&a, &b), Err(error), "{a:?} + {b:?}");
            assert_eq!(add(&b, &a), Err(error), "{b:?} + {a:?}");
        };
        for number in [Value::Int(1), power(70).into(), Value::Float(1.0)] {
            refused("a".into(), number, NumberError::NotANumber("str"));
        }
        refused(power(1024).into(), 1.0.into(), NumberError::FloatOverflow);
        let largest: BigInt = power(8 * INT_BYTES_MAX) - 1;
        refused(largest.into(), 1.into(), NumberError::IntTooLarge);
    }

    #[test]
    fn comparison_is_exact() {
        let order = |a: Value, b: Value| compare(&a, &b);
        let two53 = 2f64.powi(53);
        assert_eq!(
            order(((1i64 << 53) + 1).into(), two53.into()),
            Some(Ordering::Greater)
        );
        assert_eq!(
            order(i64::MAX.into(), 2f64.powi(63).into()),
            Some(Ordering::Less)
        );
        assert_eq!(
            order(power(63).into(), 2f64.powi(63).into()),
            Some(Ordering::Equal)
        );
        assert_eq!(
            order(power(5000).into(), f64::INFINITY.into()),
            Some(Ordering::Less)
        );
        assert_eq!(
            order(power(5000).into(), f64::MAX.into()),
            Some(Ordering::Greater)
        );
        assert_eq!(order((-1).into(), (-1.5).into()), Some(Ordering::Greater));
        assert_eq!(order(1.into(), f64::NAN.into()), None);
        assert_eq!(order(power(70).into(), f64::NAN.into()), None);
        assert_eq!(order(1.into(), "1".into()), None);
    }

    proptest! {
        #[test]
        fn numbers_are_in_one_order(
            a in strategy::number(), b in strategy::number(), c in strategy::number(),
        ) {
            let order = |a, b| compare(a, b).expect("numbers without NaN have an order");
            prop_assert_eq!(order(&a, &b), order(&b, &a).reverse());
            if order(&a, &b).is_le() && order(&b, &c).is_le() {
                prop_assert!(order(&a, &c).is_le());
            }
        }

        #[test]
        fn sums_of_integers_are_exact(a in any::<i64>(), b in any::<i64>()) {
            let sum = i128::from(a) + i128::from(b);
            let expected = Value::from_big_int(sum.into());
            prop_assert_eq!(add(&a.into(), &b.into()), Ok(expected.clone()));
            prop_assert_eq!(add(&expected, &(-i128::from(b)).try_into().map_or_else(|_| Value::from_big_int((-i128::from(b)).into()), Value::Int)), Ok(a.into()));
        }

        #[test]
        fn addition_commutes(a in strategy::number(), b in strategy::number()) {
            match (add(&a, &b), add(&b, &a)) {
                (Ok(x), Ok(y)) => prop_assert_eq!(x.canonical_key().ok(), y.canonical_key().ok()),
                (x, y) => prop_assert_eq!(x, y),
            }
        }
    }
}
