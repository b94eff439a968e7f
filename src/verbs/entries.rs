//! Reading and writing: `get set incr cas del keys`. With a key they mean a dict, without one a counter.

use super::Connection;
use super::input::{self, KeyType, ValueType};
use super::output::{Output, say};
use crate::failure::{Exit, Failure};
use clap::Args;
use commonhold::{Call, Value};
use serde_json::Value as Json;
use std::path::PathBuf;

/// Keys that one page of `keys` asks for.
const PAGE: u32 = 1000;

/// Print the value of a key of a dict; without a key the whole dict, or the number of a counter
#[derive(Debug, Args)]
pub(crate) struct Get {
    /// The object
    name: String,
    /// The key
    key: Option<String>,
    /// What to print if there is no such key, in place of failing
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    default: Option<String>,
    #[command(flatten)]
    keys: KeyType,
    #[command(flatten)]
    output: Output,
}

impl Get {
    pub(super) fn run(&self, connection: &Connection) -> Result<(), Failure> {
        let found = match &self.key {
            Some(key) => {
                let call = Call::new("get", [self.keys.parse(key)?]);
                connection.call("dict", &self.name, call)
            }
            None => connection.kind_of(&self.name).and_then(|kind| {
                let method = if kind == "dict" { "copy" } else { "get" };
                connection.call(&kind, &self.name, Call::new(method, []))
            }),
        };
        match (found, &self.default) {
            (Err(failure), Some(default)) if failure.is_not_found() => {
                self.output.print(&default.as_str().into())
            }
            (found, _) => self.output.print(&found?),
        }
    }
}

/// Set a key of a dict, or the number of a counter; creates the object if it is absent
#[derive(Debug, Args)]
#[command(
    override_usage = "commonhold set [OPTIONS] <NAME> <KEY> <VALUE>\n       commonhold set [OPTIONS] <NAME> <NUMBER>"
)]
pub(crate) struct Set {
    /// The object
    name: String,
    /// A key and a value for a dict; a number alone for a counter
    #[arg(required = true, num_args = 1..=2, allow_negative_numbers = true, value_name = "KEY VALUE")]
    rest: Vec<String>,
    #[command(flatten)]
    types: ValueType,
    /// The value is the bytes of a file, or of stdin for -; there is no VALUE then
    #[arg(long, value_name = "PATH", conflicts_with = "type")]
    file: Option<PathBuf>,
    #[command(flatten)]
    keys: KeyType,
}

impl Set {
    pub(super) fn run(
        &self,
        connect: impl FnOnce() -> Result<Connection, Failure>,
    ) -> Result<(), Failure> {
        let (kind, arguments) = match (&self.rest[..], &self.file) {
            ([key], Some(file)) => ("dict", vec![self.keys.parse(key)?, input::file(file)?]),
            ([_, _], Some(_)) => {
                return Err(Failure::usage(
                    "there is a value on the command line and one in --file",
                ));
            }
            ([key, value], None) => (
                "dict",
                vec![self.keys.parse(key)?, self.types.parse(value)?],
            ),
            ([value], None) => ("counter", vec![counter_value(&self.types, value)?]),
            _ => {
                return Err(Failure::usage(
                    "give a key and a value, or a number for a counter",
                ));
            }
        };
        connect()?
            .call(kind, &self.name, Call::new("set", arguments))
            .map(drop)
    }
}

/// A counter holds nothing but numbers, so no flag is needed.
fn counter_value(types: &ValueType, text: &str) -> Result<Value, Failure> {
    if types.is_given() {
        return types.parse(text);
    }
    input::number(text).map_err(|failure| {
        Failure::usage(format!(
            "{failure}: give a key and a value, or a number for a counter"
        ))
    })
}

/// Add to a number and print the new one: `incr NAME` is a counter, `incr NAME KEY` a key of a dict
#[derive(Debug, Args)]
pub(crate) struct Incr {
    /// The object; it is created if it is absent
    name: String,
    /// The key; a missing one starts at 0
    key: Option<String>,
    /// The number to add
    #[arg(
        long,
        value_name = "NUMBER",
        default_value = "1",
        allow_hyphen_values = true
    )]
    by: String,
    /// What a missing key starts at; none refuses a missing key
    #[arg(
        long,
        value_name = "NUMBER",
        allow_hyphen_values = true,
        requires = "key"
    )]
    default: Option<String>,
    /// Refuse a result below this
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    min: Option<String>,
    /// Refuse a result above this
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    max: Option<String>,
    /// Stop at --min and --max in place of refusing
    #[arg(long)]
    clamp: bool,
    #[command(flatten)]
    keys: KeyType,
    #[command(flatten)]
    output: Output,
}

impl Incr {
    pub(super) fn run(
        &self,
        connect: impl FnOnce() -> Result<Connection, Failure>,
    ) -> Result<(), Failure> {
        let (kind, mut call) = match &self.key {
            Some(key) => ("dict", Call::new("increment", [self.keys.parse(key)?])),
            None => ("counter", Call::new("increment", [])),
        };
        call = call.with("by", input::number(&self.by)?);
        if let Some(default) = &self.default {
            let start = if default == "none" {
                Value::Null
            } else {
                input::number(default)?
            };
            call = call.with("default", start);
        }
        for (name, bound) in [("min", &self.min), ("max", &self.max)] {
            if let Some(bound) = bound {
                call = call.with(name, input::number(bound)?);
            }
        }
        if self.clamp {
            call = call.with("clamp", true);
        }
        self.output.print(&connect()?.call(kind, &self.name, call)?)
    }
}

/// Set a key, or a counter, only if it still is what you expect; exit code 1 if it is not
#[derive(Debug, Args)]
#[command(
    override_usage = "commonhold cas [OPTIONS] <NAME> <KEY> <EXPECTED> <VALUE>\n       \
        commonhold cas [OPTIONS] <NAME> <KEY> <VALUE> --missing\n       \
        commonhold cas [OPTIONS] <NAME> <EXPECTED> <VALUE>"
)]
pub(crate) struct Cas {
    /// The object
    name: String,
    /// A key, its expected value and its new one; for a counter two numbers
    #[arg(required = true, num_args = 2..=3, allow_negative_numbers = true, value_name = "KEY EXPECTED VALUE")]
    rest: Vec<String>,
    /// The key is expected to be missing: there is no EXPECTED then
    #[arg(long)]
    missing: bool,
    #[command(flatten)]
    types: ValueType,
    #[command(flatten)]
    keys: KeyType,
}

impl Cas {
    pub(super) fn run(
        &self,
        connect: impl FnOnce() -> Result<Connection, Failure>,
    ) -> Result<(), Failure> {
        let value = |text: &String| self.types.parse(text);
        let name = &self.name;
        let (kind, call, otherwise) = match (&self.rest[..], self.missing) {
            ([key, new], true) => {
                let call = Call::new("compare_and_set", [self.keys.parse(key)?]);
                (
                    "dict",
                    call.with("value", value(new)?),
                    format!("key {key:?} in dict {name:?} is not missing"),
                )
            }
            ([key, expected, new], false) => {
                let arguments = [self.keys.parse(key)?, value(expected)?, value(new)?];
                let otherwise = format!("key {key:?} in dict {name:?} is not {expected:?}");
                ("dict", Call::new("compare_and_set", arguments), otherwise)
            }
            ([expected, new], false) => {
                let number = |text: &String| counter_value(&self.types, text);
                let call = Call::new("compare_and_set", [number(expected)?, number(new)?]);
                (
                    "counter",
                    call,
                    format!("counter {name:?} is not {expected}"),
                )
            }
            _ => {
                return Err(Failure::usage(
                    "give KEY EXPECTED VALUE, or KEY VALUE --missing, or two numbers for a counter",
                ));
            }
        };
        match connect()?.call(kind, name, call)? {
            Value::Bool(true) => Ok(()),
            _ => Err(Failure::refused(otherwise)),
        }
    }
}

/// Delete keys of a dict; one that is missing is an error, of several the number of those that were there is printed
#[derive(Debug, Args)]
pub(crate) struct Del {
    /// The dict
    name: String,
    /// The keys
    #[arg(required = true)]
    key: Vec<String>,
    #[command(flatten)]
    keys: KeyType,
}

impl Del {
    pub(super) fn run(
        &self,
        connect: impl FnOnce() -> Result<Connection, Failure>,
    ) -> Result<(), Failure> {
        let keys: Vec<Value> = self
            .key
            .iter()
            .map(|key| self.keys.parse(key))
            .collect::<Result<_, _>>()?;
        if keys.len() == 1 {
            return connect()?
                .call("dict", &self.name, Call::new("delete", keys))
                .map(drop);
        }
        let call = Call::new("delete_many", [Value::List(keys)]);
        Output::default().print(&connect()?.call("dict", &self.name, call)?)
    }
}

/// Print the keys of a dict, one a line
#[derive(Debug, Args)]
pub(crate) struct Keys {
    /// The dict
    name: String,
    #[command(flatten)]
    output: Output,
}

impl Keys {
    pub(super) fn run(&self, connection: &Connection) -> Result<(), Failure> {
        let as_list = self.output.format != super::output::Format::Text;
        let (mut cursor, mut all) = (Value::Null, Vec::new());
        loop {
            let call = Call::new("scan", [cursor, PAGE.into()]);
            let page = connection.call("dict", &self.name, call)?;
            let (next, keys) = page_of(page).ok_or_else(|| {
                Failure::new(
                    Exit::ServerFailed,
                    "the server's page of keys makes no sense",
                )
            })?;
            if as_list {
                all.extend(keys.iter().map(Value::to_json));
            } else {
                keys.iter().try_for_each(|key| self.output.print(key))?;
            }
            if next == Value::Null {
                break;
            }
            cursor = next;
        }
        if as_list {
            say(format!("{}\n", Json::Array(all)).as_bytes())?;
        }
        Ok(())
    }
}

/// Where to go on, and the keys of a page of pairs.
fn page_of(page: Value) -> Option<(Value, Vec<Value>)> {
    let (Value::Tuple(parts) | Value::List(parts)) = page else {
        return None;
    };
    let [next, Value::List(pairs)] = <[Value; 2]>::try_from(parts).ok()? else {
        return None;
    };
    let key = |pair: Value| match pair {
        Value::Tuple(pair) => pair.into_iter().next(),
        _ => None,
    };
    Some((next, pairs.into_iter().map(key).collect::<Option<_>>()?))
}
