//! From Rust types to values.

use super::super::{DEPTH_MAX, json};
use super::{ConvertError, JSON_NUMBER, Value, whole};
use ::serde::ser::{self, Serialize, Serializer};
use bytes::Bytes;
use num_bigint::BigInt;
use prost::Message as _;

/// Makes a value of whatever describes itself to it.
#[derive(Clone, Copy)]
pub(super) struct Writer {
    /// How deep the value may still be.
    depth: usize,
}

impl Writer {
    pub(super) fn new() -> Writer {
        Writer { depth: DEPTH_MAX }
    }

    /// The writer of what is inside of a container.
    fn inner(self) -> Result<Writer, ConvertError> {
        if self.depth <= 1 {
            return Err(ConvertError(format!(
                "nested deeper than {DEPTH_MAX} levels"
            )));
        }
        Ok(Writer {
            depth: self.depth - 1,
        })
    }

    fn items(self, make: fn(Vec<Value>) -> Value, len: usize) -> Result<Items, ConvertError> {
        Ok(Items {
            inner: self.inner()?,
            list: Vec::with_capacity(len),
            make,
            variant: None,
        })
    }

    fn pairs(self, len: usize) -> Result<Pairs, ConvertError> {
        Ok(Pairs {
            inner: self.inner()?,
            dict: Vec::with_capacity(len),
            variant: None,
            is_number: false,
        })
    }
}

/// The value of a variant with content: a dict of the one name.
fn variant(name: &str, content: Value) -> Value {
    Value::Dict(vec![(name.into(), content)])
}

impl Serializer for Writer {
    type Ok = Value;
    type Error = ConvertError;
    type SerializeSeq = Items;
    type SerializeTuple = Items;
    type SerializeTupleStruct = Items;
    type SerializeTupleVariant = Items;
    type SerializeMap = Pairs;
    type SerializeStruct = Pairs;
    type SerializeStructVariant = Pairs;

    fn serialize_bool(self, value: bool) -> Result<Value, ConvertError> {
        Ok(value.into())
    }

    fn serialize_i8(self, number: i8) -> Result<Value, ConvertError> {
        self.serialize_i64(number.into())
    }

    fn serialize_i16(self, number: i16) -> Result<Value, ConvertError> {
        self.serialize_i64(number.into())
    }

    fn serialize_i32(self, number: i32) -> Result<Value, ConvertError> {
        self.serialize_i64(number.into())
    }

    fn serialize_i64(self, number: i64) -> Result<Value, ConvertError> {
        Ok(number.into())
    }

    fn serialize_i128(self, number: i128) -> Result<Value, ConvertError> {
        Ok(Value::from_big_int(BigInt::from(number)))
    }

    fn serialize_u8(self, number: u8) -> Result<Value, ConvertError> {
        self.serialize_i64(number.into())
    }

    fn serialize_u16(self, number: u16) -> Result<Value, ConvertError> {
        self.serialize_i64(number.into())
    }

    fn serialize_u32(self, number: u32) -> Result<Value, ConvertError> {
        self.serialize_i64(number.into())
    }

    fn serialize_u64(self, number: u64) -> Result<Value, ConvertError> {
        Ok(number.into())
    }

    fn serialize_u128(self, number: u128) -> Result<Value, ConvertError> {
        Ok(Value::from_big_int(BigInt::from(number)))
    }

    fn serialize_f32(self, number: f32) -> Result<Value, ConvertError> {
        self.serialize_f64(number.into())
    }

    fn serialize_f64(self, number: f64) -> Result<Value, ConvertError> {
        Ok(number.into())
    }

    fn serialize_char(self, char: char) -> Result<Value, ConvertError> {
        Ok((*char.encode_utf8(&mut [0; 4])).into())
    }

    fn serialize_str(self, text: &str) -> Result<Value, ConvertError> {
        Ok(text.into())
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<Value, ConvertError> {
        Ok(Value::Bytes(Bytes::copy_from_slice(bytes)))
    }

    fn serialize_none(self) -> Result<Value, ConvertError> {
        Ok(Value::Null)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, it: &T) -> Result<Value, ConvertError> {
        it.serialize(self)
    }

    fn serialize_unit(self) -> Result<Value, ConvertError> {
        Ok(Value::Null)
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<Value, ConvertError> {
        Ok(Value::Null)
    }

    fn serialize_unit_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
    ) -> Result<Value, ConvertError> {
        Ok(variant.into())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        it: &T,
    ) -> Result<Value, ConvertError> {
        let value = it.serialize(self)?;
        Ok(match (name, value) {
            (whole::SET, Value::List(members)) => Value::Set(members),
            (whole::FROZENSET, Value::List(members)) => Value::Frozenset(members),
            (whole::WIRE, Value::Bytes(wire)) => {
                Value::decode(wire).map_err(|error| ConvertError(error.to_string()))?
            }
            (_, value) => value,
        })
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        name: &'static str,
        it: &T,
    ) -> Result<Value, ConvertError> {
        Ok(variant(name, it.serialize(self.inner()?)?))
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<Items, ConvertError> {
        self.items(Value::List, len.unwrap_or(0))
    }

    fn serialize_tuple(self, len: usize) -> Result<Items, ConvertError> {
        self.items(Value::Tuple, len)
    }

    fn serialize_tuple_struct(
        self,
        _name: &'static str,
        len: usize,
    ) -> Result<Items, ConvertError> {
        self.items(Value::Tuple, len)
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Items, ConvertError> {
        let items = self.inner()?.items(Value::Tuple, len)?;
        Ok(Items {
            variant: Some(variant),
            ..items
        })
    }

    fn serialize_map(self, len: Option<usize>) -> Result<Pairs, ConvertError> {
        self.pairs(len.unwrap_or(0))
    }

    fn serialize_struct(self, name: &'static str, len: usize) -> Result<Pairs, ConvertError> {
        if name == JSON_NUMBER {
            // A scalar in disguise: it takes no depth.
            return Ok(Pairs {
                inner: self,
                dict: Vec::with_capacity(len),
                variant: None,
                is_number: true,
            });
        }
        self.pairs(len)
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Pairs, ConvertError> {
        let pairs = self.inner()?.pairs(len)?;
        Ok(Pairs {
            variant: Some(variant),
            ..pairs
        })
    }
}

/// A sequence or tuple that is being written.
pub(super) struct Items {
    inner: Writer,
    list: Vec<Value>,
    make: fn(Vec<Value>) -> Value,
    variant: Option<&'static str>,
}

impl Items {
    fn push<T: Serialize + ?Sized>(&mut self, it: &T) -> Result<(), ConvertError> {
        self.list.push(it.serialize(self.inner)?);
        Ok(())
    }

    fn finish(self) -> Value {
        let value = (self.make)(self.list);
        match self.variant {
            Some(name) => variant(name, value),
            None => value,
        }
    }
}

impl ser::SerializeSeq for Items {
    type Ok = Value;
    type Error = ConvertError;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, it: &T) -> Result<(), ConvertError> {
        self.push(it)
    }

    fn end(self) -> Result<Value, ConvertError> {
        Ok(self.finish())
    }
}

impl ser::SerializeTuple for Items {
    type Ok = Value;
    type Error = ConvertError;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, it: &T) -> Result<(), ConvertError> {
        self.push(it)
    }

    fn end(self) -> Result<Value, ConvertError> {
        Ok(self.finish())
    }
}

impl ser::SerializeTupleStruct for Items {
    type Ok = Value;
    type Error = ConvertError;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, it: &T) -> Result<(), ConvertError> {
        self.push(it)
    }

    fn end(self) -> Result<Value, ConvertError> {
        Ok(self.finish())
    }
}

impl ser::SerializeTupleVariant for Items {
    type Ok = Value;
    type Error = ConvertError;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, it: &T) -> Result<(), ConvertError> {
        self.push(it)
    }

    fn end(self) -> Result<Value, ConvertError> {
        Ok(self.finish())
    }
}

/// A map or struct that is being written.
pub(super) struct Pairs {
    inner: Writer,
    /// The last one's value is null until it is told.
    dict: Vec<(Value, Value)>,
    variant: Option<&'static str>,
    /// Is this `serde_json`'s way to pass a number on?
    is_number: bool,
}

impl Pairs {
    fn push<T: Serialize + ?Sized>(&mut self, name: &str, it: &T) -> Result<(), ConvertError> {
        self.dict.push((name.into(), it.serialize(self.inner)?));
        Ok(())
    }

    fn finish(self) -> Result<Value, ConvertError> {
        if self.is_number
            && let [(_, Value::Text(digits))] = self.dict.as_slice()
        {
            return json::parse_number(digits).map_err(|error| ConvertError(error.to_string()));
        }
        let value = Value::Dict(self.dict);
        Ok(match self.variant {
            Some(name) => variant(name, value),
            None => value,
        })
    }
}

impl ser::SerializeMap for Pairs {
    type Ok = Value;
    type Error = ConvertError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), ConvertError> {
        self.dict.push((key.serialize(self.inner)?, Value::Null));
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, it: &T) -> Result<(), ConvertError> {
        let (_, value) = self
            .dict
            .last_mut()
            .ok_or_else(|| ConvertError("a map tells a value before any key".into()))?;
        *value = it.serialize(self.inner)?;
        Ok(())
    }

    fn end(self) -> Result<Value, ConvertError> {
        self.finish()
    }
}

impl ser::SerializeStruct for Pairs {
    type Ok = Value;
    type Error = ConvertError;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        it: &T,
    ) -> Result<(), ConvertError> {
        self.push(name, it)
    }

    fn end(self) -> Result<Value, ConvertError> {
        self.finish()
    }
}

impl ser::SerializeStructVariant for Pairs {
    type Ok = Value;
    type Error = ConvertError;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        it: &T,
    ) -> Result<(), ConvertError> {
        self.push(name, it)
    }

    fn end(self) -> Result<Value, ConvertError> {
        self.finish()
    }
}
