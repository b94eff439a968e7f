//! Values: what objects hold and calls carry.
//!
//! They are Python's types, because the pickiest clients are Python's: integers of any size, tuples beside lists, sets
//! that may be frozen. Everything else travels as [`Opaque`], which the server stores and never looks into.

pub(crate) mod append;
mod elements;
mod equal;
mod json;
mod key;
mod members;
pub mod number;
pub mod path;
mod references;
mod serde;
#[cfg(any(test, feature = "proptest"))]
pub mod strategy;
mod text;
pub(crate) mod wire;

pub use self::serde::{ConvertError, from_value, to_value};
pub use json::JsonError;
pub use key::{KeyBuffer, KeyError};
pub use number::NumberError;
pub use path::PathError;
pub use text::Repr;

use bytes::Bytes;
pub use compact_str::CompactString;
use num_bigint::BigInt;

/// The deepest nesting of a value: a scalar is 1, a list of scalars 2.
pub const DEPTH_MAX: usize = 32;
/// How many levels more a row or a reply may have.
const LEVELS_AROUND: usize = 4;
/// The largest integer, in bytes of its two's complement.
pub const INT_BYTES_MAX: usize = 64 << 10;

/// A value.
///
/// `==` compares the representation: `Int(1)` is not `Float(1.0)`. What Python would call equal is
/// told by [`Value::equals`].
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// Python's `None`.
    #[default]
    Null,
    /// A truth value.
    Bool(bool),
    /// An integer that fits 64 bits.
    Int(i64),
    /// An integer that does not: never one that would fit [`Value::Int`]. [`Value::from_big_int`] sees to it.
    BigInt(BigInt),
    /// A float, NaN and infinities included.
    Float(f64),
    /// Text.
    Text(CompactString),
    /// Bytes.
    Bytes(Bytes),
    /// A list.
    List(Vec<Value>),
    /// A tuple.
    Tuple(Vec<Value>),
    /// Pairs in insertion order; no two keys are equal.
    Dict(Vec<(Value, Value)>),
    /// Members in insertion order; no two are equal.
    Set(Vec<Value>),
    /// As a set, but may be a key.
    Frozenset(Vec<Value>),
    /// Another shared object.
    Reference(Box<Reference>),
    /// What a client's codec made.
    Opaque(Box<Opaque>),
}

/// Points to another shared object.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reference {
    /// The object's kind.
    pub kind: String,
    /// The object's name; empty if it is anonymous.
    pub name: String,
    /// The object's identity.
    pub oid: crate::Oid,
}

/// What only a client's codec understands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opaque {
    /// Names the codec, for instance `pickle`.
    pub codec: String,
    /// What the codec made.
    pub bytes: Bytes,
    /// The shared objects that the bytes mention.
    pub references: Vec<Reference>,
}

impl Value {
    /// The integer in its normal form: `Int` if it fits.
    pub fn from_big_int(number: BigInt) -> Value {
        match i64::try_from(&number) {
            Ok(small) => Value::Int(small),
            Err(_) => Value::BigInt(number),
        }
    }

    /// The type's name, as messages write it: Python's.
    pub const fn type_name(&self) -> &'static str {
        match self {
            Value::Null => "None",
            Value::Bool(_) => "bool",
            Value::Int(_) | Value::BigInt(_) => "int",
            Value::Float(_) => "float",
            Value::Text(_) => "str",
            Value::Bytes(_) => "bytes",
            Value::List(_) => "list",
            Value::Tuple(_) => "tuple",
            Value::Dict(_) => "dict",
            Value::Set(_) => "set",
            Value::Frozenset(_) => "frozenset",
            Value::Reference(_) => "reference",
            Value::Opaque(_) => "opaque",
        }
    }

    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The integer, if it is one that fits 64 bits. A bool is not an integer here.
    pub const fn as_int(&self) -> Option<i64> {
        match self {
            Value::Int(number) => Some(*number),
            _ => None,
        }
    }

    /// Is this nested deeper than [`DEPTH_MAX`], or does it hold an integer above [`INT_BYTES_MAX`]?
    pub fn is_too_large(&self) -> bool {
        self.exceeds(DEPTH_MAX)
    }

    /// Could what decodes messages fail to read this, although it may have come in a call? What kinds put around the values of
    /// calls, in rows and in replies, is left room for.
    pub fn is_unreadable(&self) -> bool {
        self.exceeds(DEPTH_MAX + LEVELS_AROUND)
    }

    #[inline]
    fn exceeds(&self, depth: usize) -> bool {
        if self.is_small() {
            return depth == 0;
        }
        self.exceeds_within(depth)
    }

    /// Is it of a fixed size, or a text? Nearly all elements are, and are not looked into.
    #[inline]
    const fn is_small(&self) -> bool {
        matches!(
            self,
            Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Text(_)
        )
    }

    fn exceeds_within(&self, depth: usize) -> bool {
        match self {
            Value::BigInt(number) => number.bits() >= 8 * INT_BYTES_MAX as u64,
            Value::List(items)
            | Value::Tuple(items)
            | Value::Set(items)
            | Value::Frozenset(items) => {
                depth <= 1 || items.iter().any(|item| item.exceeds(depth - 1))
            }
            Value::Dict(pairs) => {
                depth <= 1
                    || pairs
                        .iter()
                        .any(|(key, value)| key.exceeds(depth - 1) || value.exceeds(depth - 1))
            }
            _ => depth == 0,
        }
    }

    /// How many bytes the wire form takes.
    pub fn encoded_size(&self) -> usize {
        prost::Message::encoded_len(self)
    }

    /// About how many bytes this takes in memory: what limits count.
    #[inline]
    pub fn size(&self) -> usize {
        size_of::<Value>()
            + match self {
                Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) => 0,
                Value::Text(text) => text.len(),
                _ => self.size_within(),
            }
    }

    fn size_within(&self) -> usize {
        match self {
            Value::BigInt(number) => usize::try_from(number.bits() / 8).unwrap_or(usize::MAX / 2),
            Value::Text(text) => text.len(),
            Value::Bytes(bytes) => bytes.len(),
            Value::List(items)
            | Value::Tuple(items)
            | Value::Set(items)
            | Value::Frozenset(items) => items.iter().map(Value::size).sum(),
            Value::Dict(pairs) => pairs
                .iter()
                .map(|(key, value)| key.size() + value.size())
                .sum(),
            Value::Reference(reference) => reference.size(),
            Value::Opaque(opaque) => {
                let references = opaque.references.iter();
                size_of::<Opaque>()
                    + opaque.codec.len()
                    + opaque.bytes.len()
                    + references
                        .map(|reference| size_of::<Reference>() + reference.size())
                        .sum::<usize>()
            }
            Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) => 0,
        }
    }
}

impl Reference {
    fn size(&self) -> usize {
        self.kind.len() + self.name.len()
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Value {
        Value::Bool(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Value {
        Value::Int(value)
    }
}

impl From<i32> for Value {
    fn from(value: i32) -> Value {
        Value::Int(value.into())
    }
}

impl From<u32> for Value {
    fn from(value: u32) -> Value {
        Value::Int(value.into())
    }
}

impl From<u64> for Value {
    fn from(value: u64) -> Value {
        i64::try_from(value).map_or_else(|_| Value::BigInt(value.into()), Value::Int)
    }
}

impl From<usize> for Value {
    fn from(value: usize) -> Value {
        (value as u64).into()
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Value {
        Value::Float(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Value {
        Value::Text(value.into())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Value {
        Value::Text(value.into())
    }
}

impl From<BigInt> for Value {
    fn from(value: BigInt) -> Value {
        Value::from_big_int(value)
    }
}

impl From<Bytes> for Value {
    fn from(value: Bytes) -> Value {
        Value::Bytes(value)
    }
}

impl From<Vec<Value>> for Value {
    fn from(value: Vec<Value>) -> Value {
        Value::List(value)
    }
}
