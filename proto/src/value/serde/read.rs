//! From values to Rust types.

use super::{ConvertError, Value, whole};
use ::serde::de::value::{MapDeserializer, SeqDeserializer};
use ::serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, VariantAccess, Visitor,
};
use ::serde::forward_to_deserialize_any;
use num_bigint::BigInt;
use num_traits::ToPrimitive as _;
use prost::Message as _;

/// Describes a value to whatever reads it.
pub(super) struct Reader(pub(super) Value);

impl IntoDeserializer<'_, ConvertError> for Reader {
    type Deserializer = Reader;

    fn into_deserializer(self) -> Reader {
        self
    }
}

impl<'de> Deserializer<'de> for Reader {
    type Error = ConvertError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ConvertError> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(value),
            Value::Int(number) => visitor.visit_i64(number),
            Value::BigInt(number) => visit_big_int(&number, visitor),
            Value::Float(number) => visitor.visit_f64(number),
            Value::Text(text) => visitor.visit_string(text.into()),
            Value::Bytes(bytes) => visitor.visit_byte_buf(bytes.into()),
            Value::List(items)
            | Value::Tuple(items)
            | Value::Set(items)
            | Value::Frozenset(items) => visit_items(items, visitor),
            Value::Dict(pairs) => visit_pairs(pairs, visitor),
            Value::Reference(_) | Value::Opaque(_) => Err(ConvertError(format!(
                "{} can only be read as a Value",
                self.0.abbreviated(60)
            ))),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ConvertError> {
        match self.0 {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ConvertError> {
        if name != whole::VALUE {
            return visitor.visit_newtype_struct(self);
        }
        match self.0 {
            Value::Tuple(items) => visit_marked(whole::TUPLE, Value::List(items), visitor),
            Value::Set(items) => visit_marked(whole::SET, Value::List(items), visitor),
            Value::Frozenset(items) => visit_marked(whole::FROZENSET, Value::List(items), visitor),
            Value::BigInt(_) | Value::Reference(_) | Value::Opaque(_) => {
                let wire = self.0.encode_to_vec();
                visit_marked(whole::WIRE, Value::Bytes(wire.into()), visitor)
            }
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ConvertError> {
        match &self.0 {
            // A dict of floats that another client put a large integer into.
            Value::BigInt(number) => match number.to_f64() {
                Some(float) if float.is_finite() => visitor.visit_f64(float),
                _ => Err(ConvertError("the integer is larger than any float".into())),
            },
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ConvertError> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ConvertError> {
        match self.0 {
            Value::Bytes(bytes) => {
                let mut bytes = SeqDeserializer::new(bytes.into_iter());
                let read = visitor.visit_seq(&mut bytes)?;
                bytes.end()?;
                Ok(read)
            }
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, ConvertError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, ConvertError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ConvertError> {
        match self.0 {
            Value::Text(variant) => visitor.visit_enum(variant.into_deserializer()),
            Value::Dict(mut pairs) if pairs.len() == 1 => {
                let (name, content) = pairs.remove(0);
                visitor.visit_enum(Variant { name, content })
            }
            other => Err(ConvertError(format!(
                "{} is no {name}: the name of a variant, or a dict of it and its content, is wanted",
                other.abbreviated(60)
            ))),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(
        self,
        visitor: V,
    ) -> Result<V::Value, ConvertError> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 char str string bytes byte_buf unit unit_struct map struct
        identifier
    }
}

fn visit_marked<'de, V: Visitor<'de>>(
    mark: &str,
    content: Value,
    visitor: V,
) -> Result<V::Value, ConvertError> {
    visitor.visit_enum(Variant {
        name: mark.into(),
        content,
    })
}

fn visit_big_int<'de, V: Visitor<'de>>(
    number: &BigInt,
    visitor: V,
) -> Result<V::Value, ConvertError> {
    if let Some(number) = number.to_u64() {
        visitor.visit_u64(number)
    } else if let Some(number) = number.to_i128() {
        visitor.visit_i128(number)
    } else if let Some(number) = number.to_u128() {
        visitor.visit_u128(number)
    } else {
        Err(ConvertError(format!(
            "an integer of {} bits can only be read as a Value",
            number.bits()
        )))
    }
}

fn visit_items<'de, V: Visitor<'de>>(
    items: Vec<Value>,
    visitor: V,
) -> Result<V::Value, ConvertError> {
    let mut items = SeqDeserializer::new(items.into_iter().map(Reader));
    let read = visitor.visit_seq(&mut items)?;
    items.end()?;
    Ok(read)
}

fn visit_pairs<'de, V: Visitor<'de>>(
    pairs: Vec<(Value, Value)>,
    visitor: V,
) -> Result<V::Value, ConvertError> {
    let mut pairs = MapDeserializer::new(
        pairs
            .into_iter()
            .map(|(key, value)| (Reader(key), Reader(value))),
    );
    let read = visitor.visit_map(&mut pairs)?;
    pairs.end()?;
    Ok(read)
}

/// A variant with content: of an enum, or a [`Value`] that serde has no word for, told by its mark.
struct Variant {
    name: Value,
    content: Value,
}

impl<'de> EnumAccess<'de> for Variant {
    type Error = ConvertError;
    type Variant = Content;

    fn variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<(S::Value, Content), ConvertError> {
        Ok((seed.deserialize(Reader(self.name))?, Content(self.content)))
    }
}

struct Content(Value);

impl<'de> VariantAccess<'de> for Content {
    type Error = ConvertError;

    fn unit_variant(self) -> Result<(), ConvertError> {
        match self.0 {
            Value::Null => Ok(()),
            other => Err(ConvertError(format!(
                "{} is given to a variant without content",
                other.abbreviated(60)
            ))),
        }
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<S::Value, ConvertError> {
        seed.deserialize(Reader(self.0))
    }

    fn tuple_variant<V: Visitor<'de>>(
        self,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, ConvertError> {
        Reader(self.0).deserialize_seq(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ConvertError> {
        Reader(self.0).deserialize_any(visitor)
    }
}
