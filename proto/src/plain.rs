//! The many calls, read without the generality of the others: on an object that is known by its identity, with
//! arguments that are small ints or texts. Whatever else there is, or is wrong, is left to the reader of all calls.

use crate::Value;
use crate::wire::{Call, call};

/// Reads a call behind its length, at the beginning of `bytes`. Returns it with as many bytes as it took.
pub(crate) fn read(bytes: &[u8]) -> Option<(Call, usize)> {
    let mut rest = bytes;
    let mut body = span(&mut rest)?;
    let read = bytes.len() - rest.len();
    let mut call = Call::default();
    // Keys of one byte: the field's number and its wire type.
    while let Some((&key, after)) = body.split_first() {
        body = after;
        match key {
            0x08 => call.sequence = varint(&mut body)?,
            0x10 => call.target = Some(call::Target::Oid(varint(&mut body)?)),
            0x22 => str::from_utf8(span(&mut body)?)
                .ok()?
                .clone_into(&mut call.method),
            0x2a => call.arguments.push(value(span(&mut body)?)?),
            0x38 => call.timeout_ms = Some(varint(&mut body)?),
            0x40 => call.owner = varint(&mut body)?,
            _ => return None,
        }
    }
    Some((call, read))
}

fn value(bytes: &[u8]) -> Option<Value> {
    let (&key, mut rest) = bytes.split_first()?;
    let value = match key {
        0x18 => {
            let zigzag = varint(&mut rest)?;
            Value::Int((zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed())
        }
        0x32 => Value::Text(str::from_utf8(span(&mut rest)?).ok()?.to_owned()),
        _ => return None,
    };
    rest.is_empty().then_some(value)
}

/// Bytes behind their length.
fn span<'a>(from: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(varint(from)?).ok()?;
    let (span, rest) = from.split_at_checked(length)?;
    *from = rest;
    Some(span)
}

/// A number in at most nine bytes: longer ones are rare, and only the other reader knows what they mean.
fn varint(from: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for (at, byte) in from.iter().take(9).enumerate() {
        number |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            *from = &from[at + 1..];
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::strategy;
    use proptest::prelude::*;
    use prost::Message as _;

    fn behind_its_length(call: &Call) -> Vec<u8> {
        call.encode_length_delimited_to_vec()
    }

    /// What the reader of all calls makes of it.
    fn by_all_means(bytes: &[u8]) -> Option<(Call, usize)> {
        let mut rest = bytes;
        let call = Call::decode_length_delimited(&mut rest).ok()?;
        Some((call, bytes.len() - rest.len()))
    }

    fn plain() -> Call {
        Call {
            sequence: u64::from(u32::MAX) + 7,
            target: Some(call::Target::Oid(1 << 62)),
            method: "increment".to_owned(),
            arguments: vec![
                Value::Int(-3),
                Value::Text("größe".to_owned()),
                Value::Int(1 << 40),
            ],
            timeout_ms: Some(0),
            owner: 1,
            ..Call::default()
        }
    }

    #[test]
    fn a_plain_call_is_read() {
        for arguments in [vec![], plain().arguments, vec![Value::Int(0)]] {
            let call = Call {
                arguments,
                ..plain()
            };
            let mut bytes = behind_its_length(&call);
            let length = bytes.len();
            bytes.extend_from_slice(b"the next");
            assert_eq!(read(&bytes), Some((call, length)));
        }
    }

    #[test]
    fn what_is_not_plain_is_left_to_the_other() {
        let float = Call {
            arguments: vec![Value::Float(0.5)],
            ..plain()
        };
        let open = Call {
            target: Some(call::Target::Open(crate::wire::Open::default())),
            ..plain()
        };
        for call in [float, open] {
            assert_eq!(read(&behind_its_length(&call)), None);
        }
        // A number that ends above 64 bits, and a text that is none.
        assert_eq!(
            read(&[11, 8, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1]),
            None
        );
        assert_eq!(read(&[4, 0x22, 2, 0xc3, 0x28]), None);
    }

    proptest! {
        #[test]
        fn it_reads_what_the_other_reads(
            arguments in prop::collection::vec(strategy::value(), 0..3),
            sequence: u64,
            noise in prop::collection::vec(any::<u8>(), 0..40),
            at: prop::sample::Index,
        ) {
            let mut bytes = behind_its_length(&Call { sequence, arguments, ..plain() });
            let both = |bytes: &[u8]| {
                if let Some(call) = read(bytes) {
                    prop_assert_eq!(Some(call), by_all_means(bytes));
                }
                Ok(())
            };
            both(&bytes)?;
            both(&noise)?;
            let at = at.index(bytes.len());
            bytes.splice(at.., noise);
            both(&bytes)?;
        }
    }
}
