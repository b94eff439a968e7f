//! Values and keys as the command line gives them: text, unless a flag says otherwise.

use crate::failure::Failure;
use clap::Args;
use commonhold::Value;
use serde_json::Value as Json;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// What the values on the command line are.
#[derive(Debug, Default, Args)]
pub(super) struct ValueType {
    /// The value is an integer
    #[arg(long, group = "type")]
    pub(super) int: bool,
    /// The value is a float
    #[arg(long, group = "type")]
    pub(super) float: bool,
    /// The value is JSON: '{"cpu": 2}', '[1, 2]', 'null', '{"$bytes": "aGk="}'
    #[arg(long, group = "type")]
    pub(super) json: bool,
}

impl ValueType {
    /// The value of an argument.
    pub(super) fn parse(&self, text: &str) -> Result<Value, Failure> {
        if self.json {
            return json(text);
        }
        if !self.int && !self.float {
            return Ok(text.into());
        }
        let number = number(text)?;
        match number {
            Value::Int(_) | Value::BigInt(_) if self.int => Ok(number),
            _ if self.int => Err(Failure::usage(format!("{text:?} is no integer"))),
            Value::Float(_) => Ok(number),
            _ => Ok(text.parse().map_or(number, Value::Float)),
        }
    }

    /// Was a type given?
    pub(super) fn is_given(&self) -> bool {
        self.int || self.float || self.json
    }
}

/// What the keys on the command line are.
#[derive(Debug, Default, Args)]
pub(super) struct KeyType {
    /// Keys are JSON: 7, '{"$tuple": [1, 2]}'
    #[arg(long)]
    key_json: bool,
}

impl KeyType {
    /// The key of an argument.
    pub(super) fn parse(&self, text: &str) -> Result<Value, Failure> {
        if self.key_json {
            json(text)
        } else {
            Ok(text.into())
        }
    }
}

/// A value in its JSON form.
pub(super) fn json(text: &str) -> Result<Value, Failure> {
    let json: Json = serde_json::from_str(text)
        .map_err(|error| Failure::usage(format!("{text:?} is no JSON: {error}")))?;
    Value::from_json(&json)
        .map_err(|error| Failure::usage(format!("{text:?} is no value: {error}")))
}

/// An integer or a float.
pub(super) fn number(text: &str) -> Result<Value, Failure> {
    let found = serde_json::from_str::<Json>(text)
        .ok()
        .filter(Json::is_number);
    let found = found.and_then(|json| Value::from_json(&json).ok());
    // What JSON has no form for.
    let special = || match text {
        "nan" | "inf" | "-inf" => text.parse().ok().map(Value::Float),
        _ => None,
    };
    found
        .or_else(special)
        .ok_or_else(|| Failure::usage(format!("{text:?} is no number")))
}

/// The bytes of a file, or of stdin for `-`.
pub(super) fn file(path: &PathBuf) -> Result<Value, Failure> {
    let bytes = if path == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin()
            .lock()
            .read_to_end(&mut bytes)
            .map(|_| bytes)
    } else {
        fs::read(path)
    };
    let bytes = bytes
        .map_err(|error| Failure::usage(format!("cannot read {}: {error}", path.display())))?;
    Ok(Value::Bytes(bytes.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(kind: &str, text: &str, expected: impl Into<Option<Value>>) {
        let expected = expected.into();
        let types = ValueType {
            int: kind == "int",
            float: kind == "float",
            json: kind == "json",
        };
        let parsed = types.parse(text).ok();
        assert!(parsed == expected, "{kind} {text}: {parsed:?}");
    }

    #[test]
    fn values_are_text_unless_a_flag_says_otherwise() {
        check("", "3", Some("3".into()));
        check("int", "3", Some(3.into()));
        check("int", "-3", Some((-3).into()));
        check("int", "3.5", None);
        check("int", "three", None);
        check("float", "3", Some(Value::Float(3.0)));
        check("float", "-0.5", Some(Value::Float(-0.5)));
        check("float", "inf", Some(Value::Float(f64::INFINITY)));
        check(
            "json",
            "[1, \"a\"]",
            Some(Value::List(vec![1.into(), "a".into()])),
        );
        check("json", "{", None);
    }

    #[test]
    fn an_integer_keeps_all_its_digits() {
        let text = "123456789012345678901234567890";
        let value = number(text).expect("a number");
        assert_eq!(value.to_json().to_string(), text);
    }
}
