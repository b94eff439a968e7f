//! `namespace`: attributes by name, as of Python's `multiprocessing.Namespace`.
//!
//! Rows: the attribute's name -> its value. Lists come in order of the names, as from Python's `dir`.

use super::increment::{BY, CLAMP, Increment, MAX, MIN};
use super::paging;
use super::terms::Terms;
use super::{
    Arguments, Cursor, Decision, Kind, Method, OPERATION_ROWS_MAX, Object, Operation, Options,
    Parameter, RowLimit,
};
use commonhold_proto::{Code, Refusal, Row, RowKey, Value};
use std::collections::BTreeMap;
use std::ops::Bound;

/// The kind.
pub static KIND: Kind = Kind {
    name: "namespace",
    doc: "Attributes by name.",
    options: &[],
    methods: &[
        Method::read(
            "get",
            "Returns an attribute, or the default.",
            &[
                NAME,
                Parameter::optional("default", "value to return if the attribute is missing"),
            ],
        ),
        Method::write("set", "Sets an attribute.", &[NAME, VALUE]),
        Method::write("delete", "Deletes an attribute.", &[NAME]).shrinking(),
        Method::read("keys", "Returns a list of all names, in their order.", &[]),
        Method::read(
            "items",
            "Returns a list of all pairs of name and value, in order of the names.",
            &[],
        ),
        Method::write(
            "increment",
            "Adds to the number of an attribute and returns the new one.",
            &[
                NAME,
                BY,
                Parameter::optional(
                    "default",
                    "number that a missing attribute starts at; default None, which refuses it",
                ),
                MIN,
                MAX,
                CLAMP,
            ],
        ),
        Method::write(
            "compare_and_set",
            "Sets an attribute if it equals the expected value; returns whether it did.",
            &[
                NAME,
                Parameter::optional("expected", "value, NaN equals itself here; left out: the attribute must be missing"),
                VALUE,
            ],
        ),
    ],
    create: |_: &Options| Ok(Box::new(Namespace::default())),
};

/// Characters of a name that are told when its attribute is missing.
const TOLD_CHARS: usize = 100;

const NAME: Parameter = Parameter::required("name", "str: the attribute's name");
const VALUE: Parameter = Parameter::required("value", "value: the new one");

/// Attributes by name.
#[derive(Debug, Default)]
struct Namespace {
    attributes: BTreeMap<RowKey, Attribute>,
    bytes: usize,
}

/// One attribute.
#[derive(Debug)]
struct Attribute {
    name: String,
    value: Value,
    terms: Terms,
}

impl Attribute {
    fn size(&self) -> usize {
        self.name.len() + self.value.size()
    }
}

impl Namespace {
    fn list(&self, part: impl Fn(&Attribute) -> Value) -> Result<Decision, Refusal> {
        let count = self.attributes.len();
        if count > OPERATION_ROWS_MAX {
            return Err(Refusal::new(
                Code::TooLarge,
                format!(
                    "{count} attributes are more than one call may handle, which is {OPERATION_ROWS_MAX}"
                ),
            ));
        }
        let parts = self.attributes.values().map(part).collect();
        Ok(Decision::reply(Value::List(parts)))
    }

    /// The row that gives an attribute another value and keeps its terms.
    fn keep(&self, key: RowKey, value: Value) -> Row {
        match self.attributes.get(&key) {
            Some(attribute) => attribute.terms.put(key, value),
            None => Row::put(key, value),
        }
    }

    fn remove(&mut self, key: &RowKey) {
        if let Some(attribute) = self.attributes.remove(key) {
            self.bytes -= attribute.size();
        }
    }
}

impl Object for Namespace {
    fn decide(
        &self,
        _operation: &Operation,
        call: &Arguments,
        _ahead: bool,
    ) -> Result<Decision, Refusal> {
        match call.method() {
            "keys" => return self.list(|attribute| attribute.name.as_str().into()),
            "items" => {
                return self.list(|attribute| {
                    let Attribute { name, value, .. } = attribute;
                    Value::Tuple(vec![name.as_str().into(), value.clone()])
                });
            }
            _ => {}
        }
        let name = call.text("name")?;
        let key = RowKey::from(name.as_bytes().to_vec());
        let old = self.attributes.get(&key).map(|attribute| &attribute.value);
        let missing = || {
            let name: String = name.chars().take(TOLD_CHARS).collect();
            let message = format!("'Namespace' object has no attribute '{name}'");
            Refusal::new(Code::NotFound, message)
        };
        let default = || call.get("default").filter(|value| **value != Value::Null);
        match call.method() {
            "get" => match old.or_else(|| call.get("default")) {
                Some(value) => Ok(Decision::reply(value.clone())),
                None => Err(missing()),
            },
            "set" => {
                let row = Row::put(key, call.value("value")?.clone());
                Ok(Decision::reply(Value::Null).with(row))
            }
            "delete" => {
                old.ok_or_else(missing)?;
                Ok(Decision::reply(Value::Null).with(Row::delete(key)))
            }
            "increment" => {
                let increment = Increment::of(call)?;
                let new = increment.of_number(old.or_else(default).ok_or_else(missing)?)?;
                Ok(Decision::reply(new.clone()).with(self.keep(key, new)))
            }
            "compare_and_set" => {
                let row = Row::put(key, call.value("value")?.clone());
                let is_expected = match (old, call.get("expected")) {
                    (Some(old), Some(expected)) => old.is_or_equals(expected),
                    (old, expected) => old.is_none() && expected.is_none(),
                };
                let decision = Decision::reply(is_expected);
                Ok(if is_expected { decision.with(row) } else { decision })
            }
            other => Err(Refusal::new(Code::NoMethod, other)),
        }
    }

    fn apply(&mut self, row: &Row) {
        match row {
            Row::Put {
                key,
                value,
                lent,
                expires,
                ..
            } => {
                let Ok(name) = std::str::from_utf8(key) else {
                    return;
                };
                self.remove(key);
                let attribute = Attribute {
                    name: name.to_owned(),
                    value: value.clone(),
                    terms: Terms::of(*lent, *expires),
                };
                self.bytes += attribute.size();
                self.attributes.insert(key.clone(), attribute);
            }
            Row::Delete { key } => self.remove(key),
            Row::DeletePrefix { .. } => {
                self.attributes.retain(|key, _| !row.touches(key));
                self.bytes = self.attributes.values().map(Attribute::size).sum();
            }
        }
    }

    fn row(&self, key: &RowKey) -> Option<Row> {
        let Attribute { value, terms, .. } = self.attributes.get(key)?;
        Some(terms.put(key.clone(), value.clone()))
    }

    fn rows(&self, after: Option<&Cursor>, limit: RowLimit) -> (Vec<Row>, Option<Cursor>) {
        let start = match after {
            Some(cursor) => Bound::Excluded(RowKey::from(cursor.0.clone())),
            None => Bound::Unbounded,
        };
        let attributes = self.attributes.range((start, Bound::Unbounded));
        paging::rows(
            attributes.map(|(key, held)| held.terms.put(key.clone(), held.value.clone())),
            limit,
        )
    }

    fn entries(&self) -> u64 {
        self.attributes.len() as u64
    }

    fn bytes(&self) -> u64 {
        self.bytes as u64
    }
}

#[cfg(test)]
mod tests {
    use super::super::exam::Bench;
    use super::*;
    use commonhold_proto::Call;
    use proptest::prelude::*;

    #[track_caller]
    fn check(bench: &mut Bench, call: Call, expected: Result<Value, (Code, &str)>) {
        let reply = bench.ask(call).map_err(|r| (r.code, r.message));
        assert_eq!(reply, expected.map_err(|(code, message)| (code, message.into())));
    }

    fn named(method: &str, name: &str) -> Call {
        Call::new(method, [name.into()])
    }

    #[test]
    fn a_missing_attribute_is_not_found() {
        let bench = &mut Bench::new(&KIND, &[]);
        for method in ["get", "delete", "increment"] {
            check(
                bench,
                named(method, "x"),
                Err((Code::NotFound, "'Namespace' object has no attribute 'x'")),
            );
        }
        check(bench, named("get", "x").with("default", Value::Null), Ok(Value::Null));
        assert_eq!(bench.log, []);
    }

    #[test]
    fn names_are_texts() {
        let bench = &mut Bench::new(&KIND, &[]);
        check(
            bench,
            Call::new("get", [1.into()]),
            Err((
                Code::BadArguments,
                "get: the argument \"name\" must be a str, not int",
            )),
        );
        check(bench, named("set", "").with("value", 1), Ok(Value::Null));
        check(bench, named("get", ""), Ok(1.into()));
    }

    #[test]
    fn attributes_come_in_order_of_their_names() {
        let bench = &mut Bench::new(&KIND, &[]);
        for (name, value) in [("b", 1), ("_a", 2), ("a", 3), ("b", 4)] {
            check(bench, named("set", name).with("value", value), Ok(Value::Null));
        }
        let list = |values: Vec<Value>| Ok(Value::List(values));
        check(
            bench,
            Call::new("keys", []),
            list(vec!["_a".into(), "a".into(), "b".into()]),
        );
        check(bench, named("delete", "a"), Ok(Value::Null));
        let pair = |name: &str, value: i64| Value::Tuple(vec![name.into(), value.into()]);
        check(
            bench,
            Call::new("items", []),
            list(vec![pair("_a", 2), pair("b", 4)]),
        );
    }

    #[test]
    fn an_attribute_is_changed_atomically() {
        let bench = &mut Bench::new(&KIND, &[]);
        let try_set = || named("compare_and_set", "x").with("value", 5);
        check(bench, try_set().with("expected", Value::Null), Ok(false.into()));
        check(bench, try_set(), Ok(true.into()));
        check(bench, try_set(), Ok(false.into()));
        check(bench, try_set().with("expected", 5.0), Ok(true.into()));
        check(bench, named("increment", "x").with("by", 2), Ok(7.into()));
        check(
            bench,
            named("increment", "y").with("default", 1).with("max", 1),
            Err((Code::OutOfBounds, "2 would be above max 1")),
        );
        check(bench, named("increment", "y").with("default", 1), Ok(2.into()));
    }

    proptest! {
        #[test]
        fn a_namespace_is_a_map(
            steps in prop::collection::vec(("[a-c]{0,2}", prop::option::of(0i64..9)), 0..40),
        ) {
            let mut bench = Bench::new(&KIND, &[]);
            let mut model = BTreeMap::new();
            for (name, value) in steps {
                let (reply, was) = match value {
                    Some(value) => {
                        let reply = bench.ask(named("set", &name).with("value", value));
                        model.insert(name, value);
                        (reply, true)
                    }
                    None => {
                        let was = model.remove(&name).is_some();
                        (bench.ask(named("delete", &name)), was)
                    }
                };
                let expected = if was { Ok(Value::Null) } else { Err(Code::NotFound) };
                prop_assert_eq!(reply.map_err(|refusal| refusal.code), expected);
                let pairs = model.iter();
                let pairs = pairs.map(|(n, v)| Value::Tuple(vec![n.as_str().into(), (*v).into()]));
                let items = bench.ask(Call::new("items", []));
                prop_assert_eq!(items, Ok(Value::List(pairs.collect())));
            }
        }
    }
}
