//! Values from and to the types of Rust programs, by way of serde.
//!
//! | in Rust | value |
//! |---|---|
//! | `bool`, integers, floats, `char`, text | as they are; integers of every size |
//! | `()`, `None`, unit structs | `None` |
//! | sequences, sets | a list |
//! | tuples, tuple structs | a tuple |
//! | maps, structs | a dict, in the order in which they are walked |
//! | bytes (`serde_bytes`) | bytes |
//! | a unit variant | its name |
//! | another variant | a dict of its name and its content |
//! | a newtype struct | what it holds |
//! | [`Value`] | itself |
//!
//! Reading is as generous as serde: a sequence is read from a list, tuple, set or frozenset, and one of numbers from bytes.

mod read;
mod whole;
mod write;

use super::Value;
use ::serde::{Serialize, de, de::DeserializeOwned, ser};
use std::fmt::Display;

/// Why a value and a Rust type do not fit each other.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConvertError(String);

impl ser::Error for ConvertError {
    fn custom<T: Display>(message: T) -> ConvertError {
        ConvertError(message.to_string())
    }
}

impl de::Error for ConvertError {
    fn custom<T: Display>(message: T) -> ConvertError {
        ConvertError(message.to_string())
    }
}

/// The value of anything that serde can write.
///
/// # Errors
/// If it is nested deeper than values may be, or refuses to be written.
pub fn to_value<T: Serialize + ?Sized>(it: &T) -> Result<Value, ConvertError> {
    it.serialize(write::Writer::new())
}

/// Anything that serde can read, from a value.
///
/// # Errors
/// If the value is not of that shape, or out of the type's range.
pub fn from_value<T: DeserializeOwned>(value: Value) -> Result<T, ConvertError> {
    T::deserialize(read::Reader(value))
}

/// The name under which `serde_json` passes a number's digits to other formats: its own convention among its types.
const JSON_NUMBER: &str = "$serde_json::private::Number";

#[cfg(test)]
mod tests;
