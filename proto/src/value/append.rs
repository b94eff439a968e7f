//! The protobuf form of a value, written in one pass.
//!
//! The bytes are those of [`Message::encode`], which asks each value for its length once for every message around it: for a dict
//! of many pairs that takes longer than writing them.

use super::Value;
use super::wire::{DICT, FROZENSET, INT, LIST, SET, TEXT, TUPLE, key};
use prost::Message as _;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint};

impl Value {
    /// Appends the value as a field of a message.
    pub(crate) fn append_field(&self, tag: u32, out: &mut Vec<u8>) {
        const STRING: u8 = key(TEXT, WireType::LengthDelimited);
        const NUMBER: u8 = key(INT, WireType::Varint);
        // The many of a large dict or list are of a few bytes, whose length is known before they are written.
        match self {
            Value::Text(text) if tag < 16 && text.len() < 0x7e => {
                let length = text.len().to_le_bytes()[0];
                let field = key(tag, WireType::LengthDelimited);
                out.extend_from_slice(&[field, length + 2, STRING, length]);
                out.extend_from_slice(text.as_bytes());
            }
            Value::Int(number) if tag < 16 => {
                let field = key(tag, WireType::LengthDelimited);
                let mut bytes = [field, 1, NUMBER, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
                let mut rest = ((number << 1) ^ (number >> 63)).cast_unsigned();
                let mut length = 3;
                while rest >= 0x80 {
                    bytes[length] = rest.to_le_bytes()[0] | 0x80;
                    rest >>= 7;
                    length += 1;
                }
                bytes[length] = rest.to_le_bytes()[0];
                bytes[1] += (length - 2).to_le_bytes()[0];
                out.extend_from_slice(&bytes[..=length]);
            }
            _ => message(tag, out, |out| self.append(out)),
        }
    }

    fn append(&self, out: &mut Vec<u8>) {
        let items = |tag, items: &[Value], out: &mut Vec<u8>| {
            message(tag, out, |out| {
                items.iter().for_each(|item| item.append_field(1, out));
            });
        };
        match self {
            Value::List(list) => items(LIST, list, out),
            Value::Tuple(tuple) => items(TUPLE, tuple, out),
            Value::Set(members) => items(SET, members, out),
            Value::Frozenset(members) => items(FROZENSET, members, out),
            Value::Dict(pairs) => message(DICT, out, |out| {
                for (key, value) in pairs {
                    key.append_field(1, out);
                    value.append_field(1, out);
                }
            }),
            plain => plain.encode_raw(out),
        }
    }
}

/// Appends a message as a field; `write` appends what is in it.
pub(crate) fn message(tag: u32, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    encode_key(tag, WireType::LengthDelimited, out);
    // Most are so short that their length takes one byte; what is longer is moved once.
    let at = out.len();
    out.push(0);
    write(out);
    let length = out.len() - at - 1;
    let digits = encoded_len_varint(length as u64);
    if digits > 1 {
        let end = out.len();
        out.resize(end + digits - 1, 0);
        out.copy_within(at + 1..end, at + digits);
    }
    encode_varint(length as u64, &mut &mut out[at..at + digits]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::strategy;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_bytes_are_those_of_the_message(value in strategy::value(), long in 0..40_000_usize) {
            for value in [value.clone(), Value::List(vec![value, "x".repeat(long).into()])] {
                let (mut appended, mut encoded) = (vec![7], vec![7]);
                value.append_field(5, &mut appended);
                prost::encoding::message::encode(5, &value, &mut encoded);
                prop_assert_eq!(appended, encoded);
            }
        }
    }

    #[test]
    fn so_are_those_near_a_second_byte_of_length() {
        let texts = (120..132).map(|length| Value::from("x".repeat(length)));
        let numbers = [i64::MIN, i64::MAX, -65, -64, -1, 0, 63, 64].map(Value::Int);
        for value in texts.chain(numbers) {
            for tag in [1, 15, 16] {
                let (mut appended, mut encoded) = (Vec::new(), Vec::new());
                value.append_field(tag, &mut appended);
                prost::encoding::message::encode(tag, &value, &mut encoded);
                assert_eq!(appended, encoded);
            }
        }
    }
}
