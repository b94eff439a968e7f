//! The protobuf form of a value, read and written without a generated twin in between.
//!
//! The numbers are those of `message Value` in `commonhold.proto`; a test compares the bytes with what the generated
//! descriptor makes of them. Nesting is bounded by prost's recursion limit here and by `DEPTH_MAX` at admission.

use super::elements::{self, Pairs};
use super::{CompactString, Opaque, Reference, Value};
use crate::Oid;
use bytes::{Buf, BufMut, Bytes};
use num_bigint::BigInt;
use prost::encoding::{self, DecodeContext, WireType};
use prost::{DecodeError, Message};

const NULL: u32 = 1;
pub(super) const BOOL: u32 = 2;
pub(super) const INT: u32 = 3;
const BIG_INT: u32 = 4;
pub(super) const FLOAT: u32 = 5;
pub(super) const TEXT: u32 = 6;
const BYTES: u32 = 7;
pub(super) const LIST: u32 = 8;
pub(super) const TUPLE: u32 = 9;
pub(super) const DICT: u32 = 10;
pub(super) const SET: u32 = 11;
pub(super) const FROZENSET: u32 = 12;
const REFERENCE: u32 = 13;
const OPAQUE: u32 = 14;

/// Shorter bytes are copied out of the buffer that they were read from.
const COPY_BELOW: usize = 16 << 10;

/// What a field below 16 begins with.
pub(super) const fn key(tag: u32, wire_type: WireType) -> u8 {
    tag.to_le_bytes()[0] << 3 | wire_type as u8
}

fn items_len(tag: u32, items: &[Value]) -> usize {
    let len = encoding::message::encoded_len_repeated(1, items);
    encoding::key_len(tag) + encoding::encoded_len_varint(len as u64) + len
}

fn encode_items(tag: u32, items: &[Value], buf: &mut impl BufMut) {
    encoding::encode_key(tag, WireType::LengthDelimited, buf);
    encoding::encode_varint(
        encoding::message::encoded_len_repeated(1, items) as u64,
        buf,
    );
    encoding::message::encode_repeated(1, items, buf);
}

fn pairs_inner_len(pairs: &[(Value, Value)]) -> usize {
    pairs
        .iter()
        .map(|(k, v)| encoding::message::encoded_len(1, k) + encoding::message::encoded_len(1, v))
        .sum()
}

fn merge_items(
    wire_type: WireType,
    buf: &mut impl Buf,
    ctx: DecodeContext,
) -> Result<Vec<Value>, DecodeError> {
    elements::merge(wire_type, buf, ctx)
}

fn merge_pairs(
    wire_type: WireType,
    buf: &mut impl Buf,
    ctx: DecodeContext,
) -> Result<Vec<(Value, Value)>, DecodeError> {
    let pairs: Pairs = elements::merge(wire_type, buf, ctx)?;
    match pairs.key {
        None => Ok(pairs.whole),
        Some(_) => Err(invalid("a dict has a key without a value")),
    }
}

fn text_len(text: &str) -> usize {
    encoding::key_len(TEXT) + encoding::encoded_len_varint(text.len() as u64) + text.len()
}

fn encode_text(text: &str, buf: &mut impl BufMut) {
    encoding::encode_key(TEXT, WireType::LengthDelimited, buf);
    encoding::encode_varint(text.len() as u64, buf);
    buf.put_slice(text.as_bytes());
}

fn merge_text(wire_type: WireType, buf: &mut impl Buf) -> Result<CompactString, DecodeError> {
    encoding::wire_type::check_wire_type(WireType::LengthDelimited, wire_type)?;
    let length = usize::try_from(encoding::decode_varint(buf)?).unwrap_or(usize::MAX);
    if length > buf.remaining() {
        return Err(invalid("a text ends before its length"));
    }
    let text = match buf.chunk().get(..length) {
        Some(bytes) => {
            let text = CompactString::from_utf8(bytes);
            buf.advance(length);
            text
        }
        None => CompactString::from_utf8(buf.copy_to_bytes(length)),
    };
    text.map_err(|_| invalid("a text is not valid UTF-8"))
}

/// A short value must not keep the whole frame that it came in.
fn detached(value: Bytes) -> Bytes {
    if value.len() < COPY_BELOW {
        Bytes::copy_from_slice(&value)
    } else {
        value
    }
}

/// prost keeps its constructor to itself; a failed merge of a known-bad field is its documented stand-in.
pub(crate) fn invalid(description: &'static str) -> DecodeError {
    #[expect(
        deprecated,
        reason = "the only way to make a DecodeError outside prost"
    )]
    DecodeError::new(description)
}

impl Message for Value {
    fn encode_raw(&self, buf: &mut impl BufMut) {
        match self {
            Value::Null => encoding::bool::encode(NULL, &true, buf),
            Value::Bool(value) => encoding::bool::encode(BOOL, value, buf),
            Value::Int(value) => encoding::sint64::encode(INT, value, buf),
            Value::BigInt(value) => {
                encoding::bytes::encode(BIG_INT, &value.to_signed_bytes_le(), buf);
            }
            Value::Float(value) => encoding::double::encode(FLOAT, value, buf),
            Value::Text(value) => encode_text(value, buf),
            Value::Bytes(value) => encoding::bytes::encode(BYTES, value, buf),
            Value::List(items) => encode_items(LIST, items, buf),
            Value::Tuple(items) => encode_items(TUPLE, items, buf),
            Value::Dict(pairs) => {
                encoding::encode_key(DICT, WireType::LengthDelimited, buf);
                encoding::encode_varint(pairs_inner_len(pairs) as u64, buf);
                for (key, value) in pairs {
                    encoding::message::encode(1, key, buf);
                    encoding::message::encode(1, value, buf);
                }
            }
            Value::Set(items) => encode_items(SET, items, buf),
            Value::Frozenset(items) => encode_items(FROZENSET, items, buf),
            Value::Reference(value) => encoding::message::encode(REFERENCE, &value.to_wire(), buf),
            Value::Opaque(value) => encoding::message::encode(OPAQUE, &value.to_wire(), buf),
        }
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buf: &mut impl Buf,
        ctx: DecodeContext,
    ) -> Result<(), DecodeError> {
        *self = match tag {
            NULL => {
                encoding::bool::merge(wire_type, &mut false, buf, ctx)?;
                Value::Null
            }
            BOOL => {
                let mut value = false;
                encoding::bool::merge(wire_type, &mut value, buf, ctx)?;
                Value::Bool(value)
            }
            INT => {
                let mut value = 0;
                encoding::sint64::merge(wire_type, &mut value, buf, ctx)?;
                Value::Int(value)
            }
            BIG_INT => {
                let mut value = Bytes::new();
                encoding::bytes::merge(wire_type, &mut value, buf, ctx)?;
                if value.len() > super::INT_BYTES_MAX {
                    return Err(invalid("an int is larger than 64 KiB"));
                }
                Value::from_big_int(BigInt::from_signed_bytes_le(&value))
            }
            FLOAT => {
                let mut value = 0.0;
                encoding::double::merge(wire_type, &mut value, buf, ctx)?;
                Value::Float(value)
            }
            TEXT => Value::Text(merge_text(wire_type, buf)?),
            BYTES => {
                let mut value = Bytes::new();
                encoding::bytes::merge(wire_type, &mut value, buf, ctx)?;
                Value::Bytes(detached(value))
            }
            LIST => Value::List(merge_items(wire_type, buf, ctx)?),
            TUPLE => Value::Tuple(merge_items(wire_type, buf, ctx)?),
            DICT => Value::Dict(merge_pairs(wire_type, buf, ctx)?),
            SET => Value::Set(merge_items(wire_type, buf, ctx)?),
            FROZENSET => Value::Frozenset(merge_items(wire_type, buf, ctx)?),
            REFERENCE => {
                let mut value = crate::wire::Reference::default();
                encoding::message::merge(wire_type, &mut value, buf, ctx)?;
                Value::Reference(Box::new(value.into()))
            }
            OPAQUE => {
                let mut value = crate::wire::Opaque::default();
                encoding::message::merge(wire_type, &mut value, buf, ctx)?;
                Value::Opaque(Box::new(value.into()))
            }
            _ => return encoding::skip_field(wire_type, tag, buf, ctx),
        };
        Ok(())
    }

    fn encoded_len(&self) -> usize {
        match self {
            Value::Null => encoding::bool::encoded_len(NULL, &true),
            Value::Bool(value) => encoding::bool::encoded_len(BOOL, value),
            Value::Int(value) => encoding::sint64::encoded_len(INT, value),
            Value::BigInt(value) => {
                encoding::bytes::encoded_len(BIG_INT, &value.to_signed_bytes_le())
            }
            Value::Float(value) => encoding::double::encoded_len(FLOAT, value),
            Value::Text(value) => text_len(value),
            Value::Bytes(value) => encoding::bytes::encoded_len(BYTES, value),
            Value::List(items) => items_len(LIST, items),
            Value::Tuple(items) => items_len(TUPLE, items),
            Value::Dict(pairs) => {
                let len = pairs_inner_len(pairs);
                encoding::key_len(DICT) + encoding::encoded_len_varint(len as u64) + len
            }
            Value::Set(items) => items_len(SET, items),
            Value::Frozenset(items) => items_len(FROZENSET, items),
            Value::Reference(value) => encoding::message::encoded_len(REFERENCE, &value.to_wire()),
            Value::Opaque(value) => encoding::message::encoded_len(OPAQUE, &value.to_wire()),
        }
    }

    fn clear(&mut self) {
        *self = Value::Null;
    }
}

impl Reference {
    fn to_wire(&self) -> crate::wire::Reference {
        crate::wire::Reference {
            kind: self.kind.clone(),
            name: self.name.clone(),
            oid: self.oid.0,
        }
    }
}

impl From<crate::wire::Reference> for Reference {
    fn from(wire: crate::wire::Reference) -> Reference {
        Reference {
            kind: wire.kind,
            name: wire.name,
            oid: Oid(wire.oid),
        }
    }
}

impl Opaque {
    fn to_wire(&self) -> crate::wire::Opaque {
        crate::wire::Opaque {
            codec: self.codec.clone(),
            bytes: self.bytes.clone(),
            references: self.references.iter().map(Reference::to_wire).collect(),
        }
    }
}

impl From<crate::wire::Opaque> for Opaque {
    fn from(wire: crate::wire::Opaque) -> Opaque {
        Opaque {
            codec: wire.codec,
            bytes: detached(wire.bytes),
            references: wire.references.into_iter().map(Reference::from).collect(),
        }
    }
}
