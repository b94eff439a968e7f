//! Canonical key bytes: two values are one key exactly if Python would call them equal, and then their bytes are equal.
//!
//! The bytes are stored: they name the rows of dicts and sets, so an encoding never changes. Each is a tag, then for
//! everything but floats and references its length or count as a LEB128 number, then its content. An integral float
//! encodes as its integer, as does a truth value, so `1`, `1.0` and `True` are one key.

use super::{DEPTH_MAX, Value};
use crate::{Code, Refusal};
use bytes::Bytes;
use num_bigint::BigInt;
use num_traits::FromPrimitive as _;
use smallvec::SmallVec;

const NULL: u8 = 0;
const INT: u8 = 1;
const FLOAT: u8 = 2;
const TEXT: u8 = 3;
const BYTES: u8 = 4;
const TUPLE: u8 = 5;
const FROZENSET: u8 = 6;
const REFERENCE: u8 = 7;
const OPAQUE: u8 = 8;

/// Where key bytes are written: short keys need no allocation.
pub type KeyBuffer = SmallVec<[u8; 64]>;

/// Why a value cannot be a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum KeyError {
    /// It can change, as a list can.
    #[error("a {0} cannot be a key or a member: it can change")]
    Unhashable(&'static str),
    /// It is NaN, or holds it.
    #[error("NaN cannot be a key or a member: it equals nothing, not even itself")]
    NotANumber,
    /// It is nested deeper than any value may be.
    #[error("the key is nested deeper than {DEPTH_MAX} levels")]
    TooDeep,
}

impl From<KeyError> for Refusal {
    fn from(error: KeyError) -> Refusal {
        let code = match error {
            KeyError::Unhashable(_) | KeyError::NotANumber => Code::WrongType,
            KeyError::TooDeep => Code::ValueTooLarge,
        };
        Refusal::new(code, error.to_string())
    }
}

impl Value {
    /// The bytes that stand for this key.
    ///
    /// # Errors
    /// If the value cannot be a key: lists, dicts, sets and NaN cannot.
    pub fn canonical_key(&self) -> Result<Vec<u8>, KeyError> {
        let mut out = KeyBuffer::new();
        self.write_canonical_key(&mut out)?;
        Ok(out.into_vec())
    }

    /// Appends the bytes that stand for this key.
    ///
    /// # Errors
    /// If the value cannot be a key. What `out` holds then is of no use.
    pub fn write_canonical_key(&self, out: &mut KeyBuffer) -> Result<(), KeyError> {
        self.write_key(out, DEPTH_MAX)
    }

    /// The text, the bytes or the integer of 64 bits that these bytes stand for as a key, if they do for one. A float and a
    /// truth value have the bytes of the integer that they equal.
    pub fn of_canonical_key(key: &[u8]) -> Option<Value> {
        let (tag, rest) = key.split_first()?;
        let digits = rest.iter().position(|digit| *digit < 0x80)? + 1;
        let content = rest.get(digits..)?;
        let value = match *tag {
            TEXT => Value::from(std::str::from_utf8(content).ok()?),
            BYTES => Value::Bytes(Bytes::copy_from_slice(content)),
            INT => {
                let sign = if *content.first()? < 0x80 { 0 } else { 0xff };
                let mut number = [sign; 8];
                number
                    .get_mut(8_usize.checked_sub(content.len())?..)?
                    .copy_from_slice(content);
                Value::Int(i64::from_be_bytes(number))
            }
            _ => return None,
        };
        // Lengths and integers can be written longer than they are.
        let mut canonical = KeyBuffer::new();
        value.write_canonical_key(&mut canonical).ok()?;
        (canonical[..] == *key).then_some(value)
    }

    fn write_key(&self, out: &mut KeyBuffer, depth: usize) -> Result<(), KeyError> {
        if depth == 0 {
            return Err(KeyError::TooDeep);
        }
        match self {
            Value::Null => write_content(out, NULL, &[]),
            Value::Bool(value) => write_int(out, (*value).into()),
            Value::Int(number) => write_int(out, *number),
            Value::BigInt(number) => write_content(out, INT, &number.to_signed_bytes_be()),
            Value::Float(number) => write_float(out, *number)?,
            Value::Text(text) => write_content(out, TEXT, text.as_bytes()),
            Value::Bytes(bytes) => write_content(out, BYTES, bytes),
            Value::Tuple(items) => {
                out.push(TUPLE);
                write_length(out, items.len());
                for item in items {
                    item.write_key(out, depth - 1)?;
                }
            }
            Value::Frozenset(members) => {
                let members = member_keys(members, depth - 1)?;
                out.push(FROZENSET);
                write_length(out, members.len());
                for member in &members {
                    out.extend_from_slice(member);
                }
            }
            Value::Reference(reference) => {
                out.push(REFERENCE);
                out.extend_from_slice(&reference.oid.0.to_be_bytes());
            }
            Value::Opaque(opaque) => {
                write_content(out, OPAQUE, opaque.codec.as_bytes());
                write_length(out, opaque.bytes.len());
                out.extend_from_slice(&opaque.bytes);
            }
            Value::List(_) | Value::Dict(_) | Value::Set(_) => {
                return Err(KeyError::Unhashable(self.type_name()));
            }
        }
        Ok(())
    }
}

/// The key bytes of a set's members, sorted, each once.
pub(super) fn member_keys(members: &[Value], depth: usize) -> Result<Vec<KeyBuffer>, KeyError> {
    let mut keys = members
        .iter()
        .map(|member| {
            let mut key = KeyBuffer::new();
            member.write_key(&mut key, depth)?;
            Ok(key)
        })
        .collect::<Result<Vec<_>, _>>()?;
    keys.sort_unstable();
    keys.dedup();
    Ok(keys)
}

fn write_content(out: &mut KeyBuffer, tag: u8, content: &[u8]) {
    out.push(tag);
    write_length(out, content.len());
    out.extend_from_slice(content);
}

fn write_length(out: &mut KeyBuffer, mut length: usize) {
    while length >= 0x80 {
        out.push(length.to_le_bytes()[0] | 0x80);
        length >>= 7;
    }
    out.push(length.to_le_bytes()[0]);
}

/// The shortest two's complement, most significant byte first.
fn write_int(out: &mut KeyBuffer, number: i64) {
    // Bits beyond the sign bit and its copies, and one for the sign.
    let bits = 65 - (number ^ (number >> 63)).leading_zeros() as usize;
    write_content(out, INT, &number.to_be_bytes()[8 - bits.div_ceil(8)..]);
}

fn write_float(out: &mut KeyBuffer, number: f64) -> Result<(), KeyError> {
    if number.is_nan() {
        return Err(KeyError::NotANumber);
    }
    if let Some(integer) = exact_int(number) {
        write_int(out, integer);
    } else if number.is_finite() && number.fract() == 0.0 {
        let integer = BigInt::from_f64(number).expect("a finite float has an integer part");
        write_content(out, INT, &integer.to_signed_bytes_be());
    } else {
        out.push(FLOAT);
        out.extend_from_slice(&number.to_bits().to_be_bytes());
    }
    Ok(())
}

/// The 64-bit integer that equals this float, if there is one.
pub(super) fn exact_int(number: f64) -> Option<i64> {
    // -2^63 is a float; 2^63 is the first one above the range.
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    #[expect(clippy::cast_possible_truncation, reason = "it is in range and whole")]
    ((-LIMIT..LIMIT).contains(&number) && number.fract() == 0.0).then_some(number as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::strategy;
    use crate::{Oid, Opaque, Reference};
    use proptest::prelude::*;

    #[track_caller]
    fn check(values: &[Value], bytes: &[u8]) {
        for value in values {
            assert_eq!(value.canonical_key().as_deref(), Ok(bytes), "{value:?}");
        }
    }

    #[test]
    fn stored_bytes_stay_as_they_are() {
        check(&[Value::Null], &[0, 0]);
        check(
            &[true.into(), 1.into(), 1.0.into(), BigInt::from(1).into()],
            &[1, 1, 1],
        );
        check(&[false.into(), 0.into(), (-0.0).into()], &[1, 1, 0]);
        check(&[Value::Int(-1), (-1.0).into()], &[1, 1, 0xff]);
        check(&[Value::Int(127)], &[1, 1, 0x7f]);
        check(&[Value::Int(128)], &[1, 2, 0, 0x80]);
        check(&[Value::Int(-128)], &[1, 1, 0x80]);
        check(&[Value::Int(-129)], &[1, 2, 0xff, 0x7f]);
        check(
            &[Value::Int(i64::MIN), (-9_223_372_036_854_775_808.0).into()],
            &[1, 8, 0x80, 0, 0, 0, 0, 0, 0, 0],
        );
        check(
            &[u64::MAX.into()],
            &[1, 9, 0, 255, 255, 255, 255, 255, 255, 255, 255],
        );
        check(&[0.5.into()], &[2, 0x3f, 0xe0, 0, 0, 0, 0, 0, 0]);
        check(&[f64::INFINITY.into()], &[2, 0x7f, 0xf0, 0, 0, 0, 0, 0, 0]);
        check(&["ab".into()], &[3, 2, b'a', b'b']);
        check(&[Bytes::from_static(b"ab").into()], &[4, 2, b'a', b'b']);
        check(
            &[Value::Tuple(vec![1.into(), "a".into()])],
            &[5, 2, 1, 1, 1, 3, 1, b'a'],
        );
        check(
            &[
                Value::Frozenset(vec![1.into(), 0.into()]),
                Value::Frozenset(vec![false.into(), 1.0.into()]),
            ],
            &[6, 2, 1, 1, 0, 1, 1, 1],
        );
        let reference = |name: &str| {
            Value::Reference(Box::new(Reference {
                kind: "dict".into(),
                name: name.into(),
                oid: Oid(5),
            }))
        };
        check(
            &[reference("a"), reference("b")],
            &[7, 0, 0, 0, 0, 0, 0, 0, 5],
        );
        let opaque = Opaque {
            codec: "p".into(),
            bytes: Bytes::from_static(b"xyz"),
            references: vec![],
        };
        check(
            &[Value::Opaque(Box::new(opaque))],
            &[8, 1, b'p', 3, b'x', b'y', b'z'],
        );
    }

    #[test]
    fn a_large_float_is_the_key_of_its_integer() {
        for float in [1e300, -1e300, 1e19, 2f64.powi(63), f64::MAX] {
            let integer = Value::from_big_int(BigInt::from_f64(float).expect("finite"));
            assert_eq!(Value::Float(float).canonical_key(), integer.canonical_key());
        }
    }

    #[test]
    fn a_key_is_read_only_as_it_is_written() {
        for key in [
            &[][..],
            &[TEXT],
            &[TEXT, 1],
            &[TEXT, 1, 0xff],
            &[TEXT, 0x80, 0],
            &[TEXT, 0x80],
            &[TEXT, 1, b'a', b'b'],
            &[INT, 0],
            &[INT, 2, 0, 1],
            &[INT, 9, 0, 255, 255, 255, 255, 255, 255, 255, 255],
            &[NULL, 0],
        ] {
            assert_eq!(Value::of_canonical_key(key), None, "{key:?}");
        }
        assert_eq!(Value::of_canonical_key(&[INT, 1, 0xff]), Some((-1).into()));
    }

    #[test]
    fn what_cannot_be_a_key_is_told() {
        for value in [
            Value::List(vec![]),
            Value::Dict(vec![]),
            Value::Set(vec![]),
            Value::Tuple(vec![Value::List(vec![])]),
        ] {
            let error = value.canonical_key().expect_err("not hashable");
            assert!(matches!(error, KeyError::Unhashable(_)), "{error}");
        }
        let nan = Value::Frozenset(vec![f64::NAN.into()]);
        assert_eq!(nan.canonical_key(), Err(KeyError::NotANumber));
        let deep = (0..DEPTH_MAX).fold(Value::Null, |inner, _| Value::Tuple(vec![inner]));
        assert_eq!(deep.canonical_key(), Err(KeyError::TooDeep));
        let Value::Tuple(just) = deep else {
            unreachable!()
        };
        assert!(just[0].canonical_key().is_ok());
    }

    proptest! {
        #[test]
        fn a_key_is_read_as_it_was_written(value in strategy::value(), garbage: Vec<u8>) {
            if let Ok(key) = value.canonical_key() {
                let read = Value::of_canonical_key(&key);
                match &value {
                    Value::Text(_) | Value::Int(_) | Value::Bytes(_) => {
                        prop_assert_eq!(read, Some(value));
                    }
                    _ => prop_assert!(read.is_none_or(|read| read.equals(&value))),
                }
            }
            if let Some(read) = Value::of_canonical_key(&garbage) {
                prop_assert_eq!(read.canonical_key(), Ok(garbage));
            }
        }

        #[test]
        fn keys_are_equal_exactly_if_the_values_are(a in strategy::key(), b in strategy::key()) {
            let (x, y) = (a.canonical_key()?, b.canonical_key()?);
            prop_assert_eq!(x == y, a.equals(&b));
            prop_assert_eq!(&x, &a.clone().canonical_key()?);
        }

        #[test]
        fn one_key_is_no_beginning_of_another(a in strategy::key(), b in strategy::key()) {
            let (x, y) = (a.canonical_key()?, b.canonical_key()?);
            prop_assert!(x == y || !x.starts_with(&y));
        }

        #[test]
        fn every_value_has_a_key_or_a_reason(a in strategy::value()) {
            if a.canonical_key().is_ok() {
                prop_assert!(a.equals(&a));
            }
        }
    }
}
