//! What lists, dicts and the like hold, read from their protobuf form: `message Values`.

use super::wire::{BOOL, FLOAT, INT, TEXT, key};
use super::{CompactString, Value};
use bytes::{Buf, BufMut};
use prost::encoding::{self, DecodeContext, WireType};
use prost::{DecodeError, Message};
use std::fmt::Debug;

/// What takes elements in their order.
pub(super) trait Take: Debug + Default + Send + Sync {
    /// Takes the next one.
    fn take(&mut self, element: Value);
    /// All that were taken.
    fn taken(&self) -> impl Iterator<Item = &Value>;
}

impl Take for Vec<Value> {
    fn take(&mut self, element: Value) {
        self.push(element);
    }

    fn taken(&self) -> impl Iterator<Item = &Value> {
        self.iter()
    }
}

/// Elements that are keys and values by turns.
#[derive(Debug, Default)]
pub(super) struct Pairs {
    pub(super) whole: Vec<(Value, Value)>,
    /// The key whose value comes next.
    pub(super) key: Option<Value>,
}

impl Take for Pairs {
    fn take(&mut self, element: Value) {
        match self.key.take() {
            None => self.key = Some(element),
            Some(key) => self.whole.push((key, element)),
        }
    }

    fn taken(&self) -> impl Iterator<Item = &Value> {
        let whole = self.whole.iter().flat_map(|(key, value)| [key, value]);
        whole.chain(&self.key)
    }
}

/// Reads a field that is a `message Values`.
pub(super) fn merge<T: Take>(
    wire_type: WireType,
    buf: &mut impl Buf,
    ctx: DecodeContext,
) -> Result<T, DecodeError> {
    let mut elements = Elements {
        into: T::default(),
        behind: behind(buf),
    };
    encoding::message::merge(wire_type, &mut elements, buf, ctx)?;
    Ok(elements.into)
}

/// How many bytes of the buffer are left behind the message that it begins with, its length first, if it is as long as
/// that says.
fn behind(buf: &impl Buf) -> Option<usize> {
    let mut bytes = buf.chunk();
    let length = usize::try_from(encoding::decode_varint(&mut bytes).ok()?).ok()?;
    let read = buf.chunk().len() - bytes.len();
    (buf.remaining() - read).checked_sub(length)
}

/// `message Values`.
#[derive(Debug, Default)]
struct Elements<T> {
    into: T,
    /// How many bytes of the buffer are left when it has been read; `None` if that is not known.
    behind: Option<usize>,
}

impl<T: Take> Elements<T> {
    /// Reads the elements that come next, as long as they are [`small`]: the many of a large dict or list, without a look at
    /// the format's rules for each.
    fn read_small(&mut self, buf: &mut impl Buf) {
        const ELEMENT: u8 = key(1, WireType::LengthDelimited);

        let left = self
            .behind
            .and_then(|behind| buf.remaining().checked_sub(behind));
        let Some(left) = left else {
            return;
        };
        let chunk = buf.chunk();
        let bytes = &chunk[..left.min(chunk.len())];
        let mut at = 0;
        while let Some((&ELEMENT, rest)) = bytes[at..].split_first()
            && let Some((value, length)) = small(rest)
        {
            self.into.take(value);
            at += 1 + length;
        }
        buf.advance(at);
    }
}

impl<T: Take> Message for Elements<T> {
    fn encode_raw(&self, buf: &mut impl BufMut) {
        for element in self.into.taken() {
            encoding::message::encode(1, element, buf);
        }
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buf: &mut impl Buf,
        ctx: DecodeContext,
    ) -> Result<(), DecodeError> {
        if tag != 1 {
            return encoding::skip_field(wire_type, tag, buf, ctx);
        }
        let mut element = Value::Null;
        encoding::message::merge(wire_type, &mut element, buf, ctx)?;
        self.into.take(element);
        self.read_small(buf);
        Ok(())
    }

    fn encoded_len(&self) -> usize {
        let elements = self.into.taken();
        elements
            .map(|element| encoding::message::encoded_len(1, element))
            .sum()
    }

    fn clear(&mut self) {
        self.into = T::default();
    }
}

/// The value that some bytes begin with behind its length, and how many it takes, if it is of a few bytes and written as most
/// are. All others are read by the rules of the format.
fn small(bytes: &[u8]) -> Option<(Value, usize)> {
    const TRUTH: u8 = key(BOOL, WireType::Varint);
    const NUMBER: u8 = key(INT, WireType::Varint);
    const DOUBLE: u8 = key(FLOAT, WireType::SixtyFourBit);
    const STRING: u8 = key(TEXT, WireType::LengthDelimited);

    let (length, rest) = bytes.split_first()?;
    let length = usize::from(*length);
    if length >= 0x80 {
        return None;
    }
    let (key, mut content) = rest.get(..length)?.split_first()?;
    let value = match *key {
        NUMBER => {
            let number = encoding::decode_varint(&mut content).ok()?;
            let sign = (number & 1).cast_signed();
            content
                .is_empty()
                .then_some(Value::Int((number >> 1).cast_signed() ^ -sign))?
        }
        STRING => {
            let (length, text) = content.split_first()?;
            let text = (usize::from(*length) == text.len()).then_some(text)?;
            Value::Text(CompactString::from_utf8(text).ok()?)
        }
        DOUBLE => Value::Float(f64::from_le_bytes(content.try_into().ok()?)),
        TRUTH => match content {
            [truth @ 0..=1] => Value::Bool(*truth == 1),
            _ => return None,
        },
        _ => return None,
    };
    Some((value, 1 + length))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::strategy;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn read(mut bytes: impl Buf) -> Result<(Value, usize), DecodeError> {
        let (mut value, whole) = (Value::Null, bytes.remaining());
        let context = DecodeContext::default();
        encoding::message::merge(WireType::LengthDelimited, &mut value, &mut bytes, context)?;
        Ok((value, whole - bytes.remaining()))
    }

    proptest! {
        #[test]
        fn small_values_are_what_they_are_by_the_rules(
            value in strategy::value(),
            after in vec(any::<u8>(), 0..3),
            likely in vec(prop_oneof![0u8..12, 16u8..50, any::<u8>()], 0..12),
        ) {
            let mut encoded = value.encode_length_delimited_to_vec();
            encoded.extend(after);
            for bytes in [encoded, likely] {
                if let Some(told) = small(&bytes) {
                    prop_assert_eq!(format!("{:?}", read(&bytes[..])), format!("{:?}", Ok::<_, ()>(told)));
                }
            }
        }

        /// What comes behind a list looks like more of its elements, and any place may be where the buffer has a seam.
        #[test]
        fn elements_end_where_their_message_does(
            elements in vec(strategy::value(), 0..6),
            behind in vec(any::<i8>(), 0..3),
            seam in any::<prop::sample::Index>(),
        ) {
            let pairs = elements.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone()));
            for value in [Value::Dict(pairs.collect()), Value::List(elements.clone())] {
                let mut bytes = value.encode_length_delimited_to_vec();
                let whole = bytes.len();
                for number in &behind {
                    encoding::message::encode(1, &Value::Int((*number).into()), &mut bytes);
                }
                let (front, back) = bytes.split_at(seam.index(bytes.len() + 1));
                let expected = format!("{:?}", Ok::<_, ()>((value, whole)));
                prop_assert_eq!(format!("{:?}", read(&bytes[..])), expected.clone());
                prop_assert_eq!(format!("{:?}", read(front.chain(back))), expected);
                for end in 0..whole {
                    prop_assert!(read(&bytes[..end]).is_err());
                }
            }
        }
    }

    #[test]
    fn few_bytes_are_read_at_once() {
        for value in [
            Value::Int(i64::MIN),
            Value::Bool(true),
            Value::Float(0.5),
            "x".repeat(125).as_str().into(),
        ] {
            let encoded = value.encode_length_delimited_to_vec();
            assert_eq!(small(&encoded), Some((value, encoded.len())));
        }
        let cut = Value::Int(300).encode_length_delimited_to_vec();
        assert_eq!(small(&cut[..cut.len() - 1]), None);
        assert_eq!(small(&[4, 24, 2, 24, 4]), None, "the last of two counts");
        assert_eq!(small(&[3, 50, 1, 0xff]), None, "no text");
    }
}
