//! [`Value`] itself as one of the types that serde reads and writes.
//!
//! What serde has no word for goes under names that only `write.rs` and `read.rs` know, so that a value that passes
//! through them comes out the same. Other formats get sets as sequences, and large integers, references and opaque
//! values as the bytes of their wire form.

use super::super::json;
use super::{JSON_NUMBER, Value};
use ::serde::de::{
    self, Deserialize, Deserializer, EnumAccess, MapAccess, SeqAccess, VariantAccess,
};
use ::serde::ser::{Serialize, SerializeMap as _, SerializeTuple as _, Serializer};
use bytes::Bytes;
use num_bigint::BigInt;
use prost::Message as _;
use std::fmt::{self, Formatter};

/// Asks [`super::read`] for a value with nothing lost.
pub(super) const VALUE: &str = "$commonhold::Value";
/// Marks a sequence as a set.
pub(super) const SET: &str = "$commonhold::set";
/// Marks a sequence as a frozenset.
pub(super) const FROZENSET: &str = "$commonhold::frozenset";
/// Marks a sequence as a tuple; only for reading, since serde can write tuples.
pub(super) const TUPLE: &str = "$commonhold::tuple";
/// Marks bytes as the wire form of a value.
pub(super) const WIRE: &str = "$commonhold::wire";

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Null => serializer.serialize_unit(),
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::Int(number) => serializer.serialize_i64(*number),
            Value::Float(number) => serializer.serialize_f64(*number),
            Value::Text(text) => serializer.serialize_str(text),
            Value::Bytes(bytes) => serializer.serialize_bytes(bytes),
            Value::List(items) => serializer.collect_seq(items),
            Value::Tuple(items) => {
                let mut tuple = serializer.serialize_tuple(items.len())?;
                items
                    .iter()
                    .try_for_each(|item| tuple.serialize_element(item))?;
                tuple.end()
            }
            Value::Dict(pairs) => {
                let mut map = serializer.serialize_map(Some(pairs.len()))?;
                pairs
                    .iter()
                    .try_for_each(|(key, value)| map.serialize_entry(key, value))?;
                map.end()
            }
            Value::Set(members) => serializer.serialize_newtype_struct(SET, members),
            Value::Frozenset(members) => serializer.serialize_newtype_struct(FROZENSET, members),
            Value::BigInt(_) | Value::Reference(_) | Value::Opaque(_) => {
                serializer.serialize_newtype_struct(WIRE, &Raw(self.encode_to_vec().into()))
            }
        }
    }
}

/// Bytes that serde takes for bytes, not for a sequence of numbers.
struct Raw(Bytes);

impl Serialize for Raw {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_newtype_struct(VALUE, ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> de::Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_i128<E>(self, number: i128) -> Result<Value, E> {
        Ok(Value::from_big_int(BigInt::from(number)))
    }

    fn visit_u128<E>(self, number: u128) -> Result<Value, E> {
        Ok(Value::from_big_int(BigInt::from(number)))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Value, E> {
        Ok(Value::Bytes(Bytes::copy_from_slice(bytes)))
    }

    fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Value, E> {
        Ok(Value::Bytes(bytes.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        // The hint may be a stranger's: it allocates nothing by itself.
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut pairs: Vec<(Value, Value)> = Vec::new();
        while let Some(pair) = map.next_entry()? {
            pairs.push(pair);
        }
        match pairs.as_slice() {
            [(Value::Text(key), Value::Text(digits))] if key == JSON_NUMBER => {
                json::parse_number(digits).map_err(de::Error::custom)
            }
            _ => Ok(Value::Dict(pairs)),
        }
    }

    /// What [`super::read`] has no plainer way to tell.
    fn visit_enum<A: EnumAccess<'de>>(self, marked: A) -> Result<Value, A::Error> {
        let (mark, content) = marked.variant::<String>()?;
        Ok(match mark.as_str() {
            TUPLE => Value::Tuple(content.newtype_variant()?),
            SET => Value::Set(content.newtype_variant()?),
            FROZENSET => Value::Frozenset(content.newtype_variant()?),
            WIRE => match content.newtype_variant()? {
                Value::Bytes(wire) => Value::decode(wire).map_err(de::Error::custom)?,
                other => return Err(de::Error::custom(format_args!("{other} is no wire form"))),
            },
            _ => {
                return Err(de::Error::custom(format_args!(
                    "a value has no variant {mark:?}"
                )));
            }
        })
    }
}
