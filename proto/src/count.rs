//! How much an encoded call would be in memory, counted before it is made.
//!
//! Two bytes on the wire are an empty value, which takes many times as many in memory: a call is bounded by its bytes
//! and by what it holds. The numbers are those of `commonhold.proto`.

use prost::DecodeError;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

/// Values, members, named arguments and references that one call may hold, however deep. No fewer than fit the largest
/// message, so that only calls in parts have to be counted.
pub const CALL_VALUES_MAX: usize = 4_000_000;

/// Deeper than any decoder goes: it fails there, after the same messages that were counted until then.
const DEPTH_MAX: usize = 128;

/// The fewest bytes that one of them takes.
const BYTES_MIN: usize = 2;

/// What may be nested, as far as something in it is repeated.
#[derive(Clone, Copy)]
enum Part {
    Call,
    Open,
    Named,
    Value,
    Values,
    Opaque,
    Reference,
}

impl Part {
    /// What a field holds, if it counts or something in it does.
    const fn field(self, tag: u32) -> Option<Part> {
        match (self, tag) {
            (Part::Call, 3) => Some(Part::Open),
            (Part::Call, 5) | (Part::Named, 2) | (Part::Values, 1) => Some(Part::Value),
            (Part::Call, 6) | (Part::Open, 5) => Some(Part::Named),
            (Part::Value, 8..=12) => Some(Part::Values),
            (Part::Value, 14) => Some(Part::Opaque),
            (Part::Opaque, 3) => Some(Part::Reference),
            _ => None,
        }
    }

    const fn counts(self) -> bool {
        matches!(self, Part::Value | Part::Named | Part::Reference)
    }
}

/// Does this encoded call hold more than [`CALL_VALUES_MAX`]? Nesting that no decoder follows is not looked into.
///
/// # Errors
/// If the bytes are no message.
pub(crate) fn holds_too_much(call: &[u8]) -> Result<bool, DecodeError> {
    if call.len() / BYTES_MIN <= CALL_VALUES_MAX {
        return Ok(false);
    }
    let mut left = CALL_VALUES_MAX;
    Ok(!fits(Part::Call, call, &mut left)?)
}

/// Takes what a message holds from what is left; false if that is not enough.
fn fits(call: Part, bytes: &[u8], left: &mut usize) -> Result<bool, DecodeError> {
    // Messages that are not finished, innermost last.
    let mut open = vec![(call, bytes)];
    while let Some((part, rest)) = open.last_mut() {
        if rest.is_empty() {
            open.pop();
            continue;
        }
        let (tag, wire_type) = decode_key(rest)?;
        let inner = part.field(tag);
        let (WireType::LengthDelimited, Some(inner)) = (wire_type, inner) else {
            skip_field(wire_type, tag, rest, DecodeContext::default())?;
            continue;
        };
        let length = usize::try_from(decode_varint(rest)?).unwrap_or(usize::MAX);
        let Some((message, after)) = rest.split_at_checked(length) else {
            // Cut off: whoever decodes it says so.
            return Ok(true);
        };
        *rest = after;
        if inner.counts() {
            match left.checked_sub(1) {
                Some(fewer) => *left = fewer,
                None => return Ok(false),
            }
        }
        if open.len() == DEPTH_MAX {
            return Ok(true);
        }
        open.push((inner, message));
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::strategy;
    use crate::{Call, Oid, Opaque, Owner, Reference, Target, Value};
    use proptest::prelude::*;
    use prost::Message as _;

    fn encoded(call: Call) -> Vec<u8> {
        call.into_wire(1, Target::Oid(Oid(9)), None, Owner(3))
            .encode_to_vec()
    }

    /// As the decoder makes them.
    fn held(value: &Value) -> usize {
        1 + match value {
            Value::List(items)
            | Value::Tuple(items)
            | Value::Set(items)
            | Value::Frozenset(items) => items.iter().map(held).sum(),
            Value::Dict(pairs) => pairs
                .iter()
                .map(|(key, value)| held(key) + held(value))
                .sum(),
            Value::Opaque(opaque) => opaque.references.len(),
            _ => 0,
        }
    }

    #[track_caller]
    fn check(call: Call, expected: usize) {
        let bytes = encoded(call);
        for (most, enough) in [(expected - 1, false), (expected, true)] {
            let found = fits(Part::Call, &bytes, &mut { most });
            assert_eq!(found.expect("a call"), enough, "{most} of {expected}");
        }
    }

    proptest! {
        #[test]
        fn what_is_counted_is_what_is_made(value in strategy::value()) {
            let expected = held(&value);
            check(Call::new("set", [value]), expected);
        }
    }

    #[test]
    fn whatever_repeats_is_counted() {
        let reference = Reference {
            kind: "dict".into(),
            name: "d".into(),
            oid: Oid(0),
        };
        let opaque = Opaque {
            codec: "c".into(),
            bytes: vec![1].into(),
            references: vec![reference; 5],
        };
        let opaque = Value::Opaque(Box::new(opaque));
        check(Call::new("m", vec![Value::Null; 3]), 3);
        check(
            Call::new("m", [1.into()]).with("a", 2).with("b", opaque),
            10,
        );
    }

    #[test]
    fn what_is_nested_beyond_measure_does_no_harm() {
        // From the inside, backwards: a value in values in a value, and so on.
        let mut backwards = Vec::new();
        for _ in 0..100_000 {
            for tag in [1_u8, 8] {
                let mut length = Vec::new();
                prost::encoding::encode_varint(backwards.len() as u64, &mut length);
                backwards.extend(length.iter().rev());
                backwards.push(tag << 3 | 2);
            }
        }
        backwards.reverse();
        let found = fits(Part::Value, &backwards, &mut { 10 });
        assert!(!found.expect("as far as it goes, a value"));
        let found = fits(Part::Value, &backwards, &mut { DEPTH_MAX });
        assert!(found.expect("as far as it goes, a value"));
        Value::decode(&*backwards).expect_err("nobody goes that far");
    }

    #[test]
    fn a_short_call_is_not_looked_at() {
        assert_eq!(holds_too_much(&[0xff; 100]).ok(), Some(false));
        // A list of empty values, which take two bytes each.
        let list = |items: usize| {
            let mut list = Vec::new();
            let inner: Vec<u8> = [0x0a, 0].repeat(items);
            prost::encoding::bytes::encode(8, &inner, &mut list);
            let mut call = Vec::new();
            prost::encoding::bytes::encode(5, &list, &mut call);
            call
        };
        assert_eq!(holds_too_much(&list(CALL_VALUES_MAX - 1)).ok(), Some(false));
        assert_eq!(holds_too_much(&list(CALL_VALUES_MAX)).ok(), Some(true));
    }
}
