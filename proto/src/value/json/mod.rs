//! The JSON form of values: what the command reads and prints, and what exports hold.
//!
//! Plain JSON where that loses nothing, otherwise an object of one member whose key begins with `$`:
//!
//! | form | value |
//! |---|---|
//! | `{"$bytes": "aGk="}` | bytes, in base64 |
//! | `{"$tuple": []}` `{"$set": []}` `{"$frozenset": []}` | a tuple, a set, a frozenset |
//! | `{"$dict": [[1, "one"]]}` | a dict with keys that are not text or begin with `$` |
//! | `{"$float": "nan"}` | a float that JSON lacks: `nan`, `inf`, `-inf` |
//! | `{"$ref": {"kind": "dict", "name": "hits"}}` | another object; one without a name has `oid` in place of `name` |
//! | `{"$opaque": {"codec": "pickle", "bytes": "gAQ="}}` | a codec's bytes, with `references` if they mention objects |
//!
//! A number with a point or an exponent is a float, any other an integer, with all its digits.

use super::members::names;
use super::{DEPTH_MAX, INT_BYTES_MAX, Opaque, Reference, Value};
use crate::Oid;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use num_bigint::BigInt;
use serde_json::{Map, Number, Value as Json, json};
use std::collections::HashSet;
use std::fmt::Display;

/// Why JSON is no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{what}", if path.is_empty() { String::new() } else { format!("at {path}: ") })]
pub struct JsonError {
    /// Where in the JSON, as `.limits[3]`; empty for all of it.
    path: String,
    /// What is wrong there.
    what: String,
}

impl JsonError {
    fn new(what: impl Into<String>) -> JsonError {
        JsonError {
            path: String::new(),
            what: what.into(),
        }
    }

    /// The same error, seen from one step further out.
    fn inside(mut self, step: impl Display) -> JsonError {
        self.path = format!("{step}{}", self.path);
        self
    }
}

impl Value {
    /// The JSON form.
    ///
    /// It loses one thing: the identity of a referred object that has a name. The name is what another server, or this
    /// one after a restore, can find the object by.
    pub fn to_json(&self) -> Json {
        match self {
            Value::Null => Json::Null,
            Value::Bool(value) => Json::Bool(*value),
            Value::Int(number) => (*number).into(),
            Value::BigInt(number) => Json::Number(digits(&number.to_string())),
            Value::Float(number) => match Number::from_f64(*number) {
                Some(number) => Json::Number(number),
                None => json!({ "$float": non_finite_name(*number) }),
            },
            Value::Text(text) => Json::String(text.to_string()),
            Value::Bytes(bytes) => json!({ "$bytes": BASE64.encode(bytes) }),
            Value::List(items) => array(items),
            Value::Tuple(items) => tagged("$tuple", array(items)),
            Value::Set(items) => tagged("$set", array(items)),
            Value::Frozenset(items) => tagged("$frozenset", array(items)),
            Value::Dict(pairs) => dict(pairs),
            Value::Reference(reference) => tagged("$ref", reference.to_json()),
            Value::Opaque(opaque) => tagged("$opaque", opaque.to_json()),
        }
    }

    /// The value of a JSON form.
    ///
    /// # Errors
    /// If an object with a key that begins with `$` is none of the forms, if a dict or set has a member twice, and if
    /// the value is nested or an integer is larger than values may be.
    pub fn from_json(json: &Json) -> Result<Value, JsonError> {
        read(json, DEPTH_MAX)
    }
}

fn digits(digits: &str) -> Number {
    digits.parse().expect("an integer's digits are JSON")
}

fn non_finite_name(number: f64) -> &'static str {
    if number.is_nan() {
        "nan"
    } else if number > 0.0 {
        "inf"
    } else {
        "-inf"
    }
}

fn tagged(tag: &str, json: Json) -> Json {
    Json::Object(Map::from_iter([(tag.to_owned(), json)]))
}

fn array(items: &[Value]) -> Json {
    Json::Array(items.iter().map(Value::to_json).collect())
}

fn dict(pairs: &[(Value, Value)]) -> Json {
    let plain = pairs.iter().map(|(key, value)| match key {
        Value::Text(key) if !key.starts_with('$') => Some((key.to_string(), value.to_json())),
        _ => None,
    });
    let pair = |(key, value): &(Value, Value)| Json::Array(vec![key.to_json(), value.to_json()]);
    match plain.collect() {
        Some(object) => Json::Object(object),
        None => tagged("$dict", pairs.iter().map(pair).collect()),
    }
}

impl Reference {
    fn to_json(&self) -> Json {
        if self.name.is_empty() {
            json!({ "kind": self.kind, "oid": self.oid.0 })
        } else {
            json!({ "kind": self.kind, "name": self.name })
        }
    }

    fn from_json(json: &Json) -> Result<Reference, JsonError> {
        let object = Fields::of(json, &["kind", "name", "oid"])?;
        let reference = Reference {
            kind: object.text("kind")?.to_owned(),
            name: object.optional_text("name")?.unwrap_or("").to_owned(),
            oid: Oid(match object.0.get("oid") {
                Some(oid) => oid
                    .as_u64()
                    .ok_or_else(|| JsonError::new("the oid is no identity").inside(".oid"))?,
                None => 0,
            }),
        };
        if reference.name.is_empty() == (reference.oid.0 == 0) {
            return Err(JsonError::new("a reference has a name or an oid"));
        }
        Ok(reference)
    }
}

impl Opaque {
    fn to_json(&self) -> Json {
        let mut json = json!({ "codec": self.codec, "bytes": BASE64.encode(&self.bytes) });
        if !self.references.is_empty() {
            json["references"] = self.references.iter().map(Reference::to_json).collect();
        }
        json
    }

    fn from_json(json: &Json) -> Result<Opaque, JsonError> {
        let object = Fields::of(json, &["codec", "bytes", "references"])?;
        let references = match object.0.get("references") {
            Some(references) => each(references, Reference::from_json)
                .map_err(|error| error.inside(".references"))?,
            None => Vec::new(),
        };
        Ok(Opaque {
            codec: object.text("codec")?.to_owned(),
            bytes: base64(object.text("bytes")?)
                .map_err(|error| error.inside(".bytes"))?
                .into(),
            references,
        })
    }
}

/// An object whose members are known.
struct Fields<'a>(&'a Map<String, Json>);

impl<'a> Fields<'a> {
    fn of(json: &'a Json, known: &[&str]) -> Result<Fields<'a>, JsonError> {
        let object = json
            .as_object()
            .ok_or_else(|| JsonError::new(format!("an object of {known:?} is wanted")))?;
        match object.keys().find(|key| !known.contains(&key.as_str())) {
            Some(key) => Err(JsonError::new(format!("{key:?} is none of {known:?}"))),
            None => Ok(Fields(object)),
        }
    }

    fn optional_text(&self, name: &str) -> Result<Option<&'a str>, JsonError> {
        self.0
            .get(name)
            .map(|json| text(json).map_err(|error| error.inside(format_args!(".{name}"))))
            .transpose()
    }

    fn text(&self, name: &str) -> Result<&'a str, JsonError> {
        self.optional_text(name)?
            .ok_or_else(|| JsonError::new(format!("{name:?} is missing")))
    }
}

fn read(json: &Json, depth: usize) -> Result<Value, JsonError> {
    Ok(match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => parse_number(number.as_str())?,
        Json::String(text) => text.as_str().into(),
        Json::Array(_) => Value::List(read_items(json, depth)?),
        Json::Object(object) => match object.iter().find(|(key, _)| key.starts_with('$')) {
            Some((tag, inner)) if object.len() == 1 => read_tagged(tag, inner, depth)
                .map_err(|error| error.inside(format_args!(".{tag}")))?,
            Some((tag, _)) => {
                return Err(JsonError::new(format!(
                    "{tag:?} beside other keys; a dict with such a key is {{\"$dict\": [[key, value]]}}"
                )));
            }
            None => {
                let depth = deeper(depth)?;
                let pairs = object.iter().map(|(key, value)| {
                    let value = read(value, depth)
                        .map_err(|error| error.inside(format_args!(".{}", key.escape_debug())))?;
                    Ok((key.as_str().into(), value))
                });
                Value::Dict(pairs.collect::<Result<_, _>>()?)
            }
        },
    })
}

fn read_tagged(tag: &str, json: &Json, depth: usize) -> Result<Value, JsonError> {
    Ok(match tag {
        "$bytes" => Value::Bytes(base64(text(json)?)?.into()),
        "$tuple" => Value::Tuple(read_items(json, depth)?),
        "$set" => Value::Set(read_members(json, depth)?),
        "$frozenset" => Value::Frozenset(read_members(json, depth)?),
        "$dict" => Value::Dict(read_pairs(json, depth)?),
        "$float" => Value::Float(match text(json)? {
            "nan" => f64::NAN,
            "inf" => f64::INFINITY,
            "-inf" => f64::NEG_INFINITY,
            _ => return Err(JsonError::new("\"nan\", \"inf\" or \"-inf\" is wanted")),
        }),
        "$ref" => Value::Reference(Box::new(Reference::from_json(json)?)),
        "$opaque" => Value::Opaque(Box::new(Opaque::from_json(json)?)),
        _ => {
            return Err(JsonError::new(
                "no such form; a dict with such a key is {\"$dict\": [[key, value]]}",
            ));
        }
    })
}

/// The value of a JSON number.
pub(super) fn parse_number(text: &str) -> Result<Value, JsonError> {
    // Decimal digits carry 3.32 bits each.
    const DIGITS_MAX: usize = INT_BYTES_MAX * 8 * 1000 / 3321 + 1;
    let not_a_number = || JsonError::new(format!("{text:?} is no number"));
    if text.contains(['.', 'e', 'E']) {
        let float: f64 = text.parse().map_err(|_| not_a_number())?;
        return if float.is_finite() {
            Ok(Value::Float(float))
        } else {
            Err(JsonError::new("the number is larger than any float"))
        };
    }
    if let Ok(small) = text.parse() {
        return Ok(Value::Int(small));
    }
    // Parsing takes quadratic time: nothing absurd gets that far.
    if text.len() > DIGITS_MAX + 1 {
        return Err(too_large());
    }
    let number: BigInt = text.parse().map_err(|_| not_a_number())?;
    let value = Value::from_big_int(number);
    if value.is_too_large() {
        return Err(too_large());
    }
    Ok(value)
}

fn too_large() -> JsonError {
    JsonError::new(format!("the integer is larger than {INT_BYTES_MAX} bytes"))
}

/// The depth that is left inside one more container.
fn deeper(depth: usize) -> Result<usize, JsonError> {
    if depth <= 1 {
        return Err(JsonError::new(format!(
            "nested deeper than {DEPTH_MAX} levels"
        )));
    }
    Ok(depth - 1)
}

fn read_items(json: &Json, depth: usize) -> Result<Vec<Value>, JsonError> {
    let depth = deeper(depth)?;
    each(json, |item| read(item, depth))
}

fn read_members(json: &Json, depth: usize) -> Result<Vec<Value>, JsonError> {
    let members = read_items(json, depth)?;
    distinct(members.iter())?;
    Ok(members)
}

fn read_pairs(json: &Json, depth: usize) -> Result<Vec<(Value, Value)>, JsonError> {
    let depth = deeper(depth)?;
    let pairs = each(json, |pair| match pair.as_array().map(Vec::as_slice) {
        Some([key, value]) => Ok((
            read(key, depth).map_err(|error| error.inside("[0]"))?,
            read(value, depth).map_err(|error| error.inside("[1]"))?,
        )),
        _ => Err(JsonError::new("an array of a key and its value is wanted")),
    })?;
    distinct(pairs.iter().map(|(key, _)| key))?;
    Ok(pairs)
}

fn each<T>(json: &Json, read: impl Fn(&Json) -> Result<T, JsonError>) -> Result<Vec<T>, JsonError> {
    json.as_array()
        .ok_or_else(|| JsonError::new("an array is wanted"))?
        .iter()
        .enumerate()
        .map(|(at, item)| read(item).map_err(|error| error.inside(format_args!("[{at}]"))))
        .collect()
}

fn text(json: &Json) -> Result<&str, JsonError> {
    json.as_str()
        .ok_or_else(|| JsonError::new("a string is wanted"))
}

fn base64(text: &str) -> Result<Vec<u8>, JsonError> {
    BASE64
        .decode(text)
        .map_err(|error| JsonError::new(format!("no base64: {error}")))
}

/// Refuses what cannot be a key or a member, and the second of two equal ones.
fn distinct<'a>(members: impl Iterator<Item = &'a Value>) -> Result<(), JsonError> {
    let mut seen = HashSet::new();
    for (at, member) in members.enumerate() {
        let key = member.canonical_key();
        let what = match key.map(|key| seen.insert((key, names(member)))) {
            Ok(true) => continue,
            Ok(false) => format!("{} is there twice", member.repr()),
            Err(error) => error.to_string(),
        };
        return Err(JsonError::new(what).inside(format_args!("[{at}]")));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
