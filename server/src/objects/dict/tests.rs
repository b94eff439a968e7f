//! A dict against a plain model, and what its methods answer.

use super::super::OPERATION_ROWS_MAX;
use super::super::exam::{self, Bench};
use super::*;
use commonhold_proto::value::{number, strategy};
use commonhold_proto::{Call, SessionId};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

fn dict() -> Bench {
    Bench::new(&KIND, &[])
}

/// What a Python programmer expects, in the plainest way.
#[derive(Default)]
struct Model(Vec<(Value, Value)>);

impl Model {
    fn at(&self, key: &Value) -> Option<usize> {
        self.0.iter().position(|(k, _)| k.equals(key))
    }

    fn value(&self, key: &Value) -> Option<&Value> {
        self.at(key).map(|at| &self.0[at].1)
    }

    fn set(&mut self, key: &Value, value: &Value) {
        match self.at(key) {
            Some(at) => self.0[at].1 = value.clone(),
            None => self.0.push((key.clone(), value.clone())),
        }
    }

    fn remove(&mut self, key: &Value) -> Option<Value> {
        self.at(key).map(|at| self.0.remove(at).1)
    }

    fn run(&mut self, call: &Call) -> Result<Value, Code> {
        let all = |part: fn(&(Value, Value)) -> Value| self.0.iter().map(part).collect();
        Ok(match (call.method.as_str(), &call.arguments[..]) {
            ("get", [key]) => self.value(key).cloned().ok_or(Code::NotFound)?,
            ("get", [key, default]) => self.value(key).unwrap_or(default).clone(),
            ("set", [key, value]) => {
                self.set(key, value);
                Value::Null
            }
            ("delete", [key]) => self.remove(key).map(|_| Value::Null).ok_or(Code::NotFound)?,
            ("contains", [key]) => self.at(key).is_some().into(),
            ("len", []) => self.0.len().into(),
            ("pop", [key]) => self.remove(key).ok_or(Code::NotFound)?,
            ("pop", [key, default]) => self.remove(key).unwrap_or(default.clone()),
            ("popitem", []) => pair_value(self.0.pop().ok_or(Code::NotFound)?),
            ("setdefault", [key, default]) => {
                if self.at(key).is_none() {
                    self.set(key, default);
                }
                self.value(key).expect("it was set").clone()
            }
            ("increment", [key, by]) => {
                let old = self.value(key).unwrap_or(&Value::Int(0));
                let new = number::add(old, by).map_err(|error| Refusal::from(error).code)?;
                self.set(key, &new);
                new
            }
            ("compare_and_set", [key, expected, value]) => {
                let equal = self.value(key).is_some_and(|value| value.equals(expected));
                if equal {
                    self.set(key, value);
                }
                equal.into()
            }
            ("compare_and_delete", [key, expected]) => {
                let equal = self.value(key).is_some_and(|value| value.equals(expected));
                if equal {
                    self.remove(key);
                }
                equal.into()
            }
            ("swap", [key, value]) => {
                let old = self.value(key).cloned().unwrap_or_default();
                self.set(key, value);
                old
            }
            ("update" | "set_many", [Value::Dict(pairs)]) => {
                for (key, value) in pairs {
                    self.set(key, value);
                }
                Value::Null
            }
            ("get_many", [Value::List(keys)]) => {
                let mut found = Model::default();
                for key in keys {
                    if let Some(value) = self.value(key) {
                        found.set(key, value);
                    }
                }
                Value::Dict(found.0)
            }
            ("delete_many", [Value::List(keys)]) => {
                keys.iter().filter_map(|key| self.remove(key)).count().into()
            }
            ("clear", []) => {
                self.0.clear();
                Value::Null
            }
            ("copy", []) => Value::Dict(self.0.clone()),
            ("keys", []) => Value::List(all(|pair| pair.0.clone())),
            ("values", []) => Value::List(all(|pair| pair.1.clone())),
            ("items", []) => Value::List(all(|pair| pair_value(pair.clone()))),
            (method, arguments) => panic!("the model lacks {method} of {}", arguments.len()),
        })
    }
}

fn call() -> BoxedStrategy<Call> {
    let (key, keys) = (exam::key, || vec(exam::key(), 0..5).prop_map(Value::List));
    let value = || prop_oneof![(0i64..4).prop_map(Value::Int), strategy::number(), strategy::value()];
    // The wire does not promise that keys are distinct.
    let pairs = vec((key(), value()), 0..5).prop_map(Value::Dict);
    let one = select(vec!["get", "delete", "contains", "pop"]);
    let two = select(vec!["get", "set", "pop", "setdefault", "compare_and_delete", "swap"]);
    prop_oneof![
        4 => (one, key()).prop_map(|(method, key)| Call::new(method, [key])),
        8 => (two, key(), value()).prop_map(|(method, key, value)| Call::new(method, [key, value])),
        2 => (key(), strategy::number()).prop_map(|(key, by)| Call::new("increment", [key, by])),
        2 => (key(), value(), value())
            .prop_map(|(key, old, new)| Call::new("compare_and_set", [key, old, new])),
        2 => (select(vec!["update", "set_many"]), pairs)
            .prop_map(|(method, pairs)| Call::new(method, [pairs])),
        2 => (select(vec!["get_many", "delete_many"]), keys())
            .prop_map(|(method, keys)| Call::new(method, [keys])),
        3 => select(vec!["len", "popitem", "copy", "keys", "values", "items"])
            .prop_map(|method| Call::new(method, [])),
        1 => Just(Call::new("clear", [])),
    ]
    .boxed()
}

proptest! {
    #[test]
    fn a_dict_is_pythons(calls in vec(call(), 0..80)) {
        let (mut dict, mut model) = (dict(), Model::default());
        for call in calls {
            let reply = dict.ask(call.clone()).map_err(|refusal| refusal.code);
            prop_assert_eq!(format!("{reply:?}"), format!("{:?}", model.run(&call)), "{:?}", call);
            let copy = dict.ask(Call::new("copy", [])).expect("it is small");
            prop_assert_eq!(format!("{copy:?}"), format!("{:?}", Value::Dict(model.0.clone())));
        }
    }

    /// Whatever happens between the pages, a key that is there all the while is met once.
    #[test]
    fn a_scan_meets_what_stays_once(
        calls in vec(call(), 0..40), limit in 1i64..4, stays in vec(100i64..120, 1..8), only_keys in any::<bool>(),
    ) {
        let mut dict = dict();
        for key in &stays {
            dict.ask(Call::new("set", [(*key).into(), 0.into()])).expect("it can be set");
        }
        let (mut cursor, mut met) = (Value::Null, Vec::new());
        let mut calls = calls.into_iter();
        loop {
            let page = dict.ask(Call::new("scan", [cursor, limit.into(), only_keys.into()])).expect("a page");
            let Value::Tuple(mut page) = page else { panic!("no page: {page:?}") };
            let Some(Value::List(found)) = page.pop() else { panic!("no list") };
            prop_assert!(found.len() <= usize::try_from(limit).expect("it is small"));
            for found in found {
                let key = match found {
                    Value::Tuple(mut pair) if !only_keys => pair.remove(0),
                    key => key,
                };
                met.extend(key.as_int().filter(|key| stays.contains(key)));
            }
            cursor = page.remove(0);
            if cursor == Value::Null {
                break;
            }
            // What takes everything away leaves nothing to meet.
            if let Some(call) = calls.find(|call| !["clear", "popitem"].contains(&&*call.method)) {
                drop(dict.ask(call));
            }
        }
        let mut once = Vec::new();
        for key in stays {
            if !once.contains(&key) {
                once.push(key);
            }
        }
        prop_assert_eq!(met, once);
    }
}

#[track_caller]
fn check(dict: &mut Bench, call: Call, expected: &str) {
    let text = match dict.ask(call) {
        Ok(value) => value.repr().to_string(),
        Err(refusal) => format!("{}: {refusal}", refusal.code.name()),
    };
    assert_eq!(text, expected);
}

fn ask(method: &str, arguments: impl Into<Vec<Value>>) -> Call {
    Call::new(method, arguments)
}

#[test]
fn refusals_name_the_key() {
    let dict = &mut dict();
    check(dict, ask("get", ["missing".into()]), r#"NotFound: no key "missing""#);
    check(dict, ask("delete", [1.5.into()]), "NotFound: no key 1.5");
    check(dict, ask("popitem", []), "NotFound: popitem(): dictionary is empty");
    check(
        dict,
        ask("set", [Value::List(vec![]), 1.into()]),
        "WrongType: a list cannot be a key or a member: it can change",
    );
    check(
        dict,
        ask("get", [f64::NAN.into()]),
        "WrongType: NaN cannot be a key or a member: it equals nothing, not even itself",
    );
    check(
        dict,
        ask("update", [Value::List(vec![Value::Tuple(vec![1.into()])])]),
        r#"BadArguments: update: the argument "pairs" must hold pairs of a key and a value"#,
    );
    check(
        dict,
        ask("scan", ["x".into()]),
        r#"BadArguments: scan: the argument "cursor" must be bytes, not str"#,
    );
    check(
        dict,
        ask("scan", [Value::Null, 0.into()]),
        r#"BadArguments: scan: the argument "limit" must be from 1 to 100000"#,
    );
}

#[test]
fn the_first_key_stays() {
    let dict = &mut dict();
    check(dict, ask("increment", [1.into()]), "1");
    check(dict, ask("increment", [1.0.into()]), "2");
    check(dict, ask("set", [true.into(), "x".into()]), "None");
    check(dict, ask("items", []), r#"[(1, "x")]"#);
    let pairs = vec![
        Value::Tuple(vec![2.0.into(), "a".into()]),
        Value::List(vec![2.into(), "b".into()]),
    ];
    check(dict, ask("update", [Value::List(pairs)]), "None");
    check(dict, ask("items", []), r#"[(1, "x"), (2.0, "b")]"#);
    check(
        dict,
        ask("get_many", [Value::List(vec![2.into(), 3.into(), 2.0.into()])]),
        r#"{2: "b"}"#,
    );
}

#[test]
fn increments_start_and_stay_within_bounds() {
    let dict = &mut dict();
    let increment = || ask("increment", ["n".into()]);
    check(
        dict,
        increment().with("default", Value::Null),
        r#"NotFound: no key "n""#,
    );
    check(dict, increment().with("default", 10).with("max", 11), "11");
    check(
        dict,
        increment().with("max", 11),
        "OutOfBounds: 12 would be above max 11",
    );
    check(dict, increment().with("max", 11).with("clamp", true), "11");
    check(dict, increment().with("by", 0.5), "11.5");
    check(dict, ask("set", ["n".into(), "text".into()]), "None");
    check(dict, increment(), "WrongType: a str is not a number");
}

#[test]
fn a_swap_in_the_absence_of_a_value_is_told() {
    let dict = &mut dict();
    let cas = || ask("compare_and_set", []).with("key", "k").with("value", 1);
    check(dict, cas(), "True");
    check(dict, cas(), "False");
    check(dict, cas().with("expected", Value::Null), "False");
    check(dict, cas().with("expected", 1.0), "True");
    check(dict, ask("swap", ["k".into(), 2.into()]), "1");
    check(dict, ask("swap", ["j".into(), 2.into()]), "None");
}

#[test]
fn paths_reach_inside_a_value() {
    let dict = &mut dict();
    let inner = Value::Dict(vec![("list".into(), Value::List(vec![1.into(), 2.into()]))]);
    check(dict, ask("set", ["d".into(), inner]), "None");
    let path = |call: Call, steps: &[Value]| call.with("path", Value::List(steps.to_vec()));
    let get = |steps: &[Value]| path(ask("get", ["d".into()]), steps);
    let list = || Value::from("list");
    check(dict, get(&[]), r#"{"list": [1, 2]}"#);
    check(dict, get(&[list(), (-1).into()]), "2");
    check(dict, get(&[list(), 2.into()]), "NotFound: no index 2 in a list of 2");
    check(dict, get(&[list(), 2.into()]).with("default", 7), "7");
    check(
        dict,
        get(&[list(), 0.into(), 0.into()]).with("default", 7),
        "WrongType: a path cannot go into an int",
    );
    check(dict, path(ask("contains", ["d".into()]), &["x".into()]), "False");
    check(dict, path(ask("contains", ["d".into()]), &[list()]), "True");
    check(
        dict,
        path(ask("increment", ["d".into()]), &["n".into()]).with("default", 4),
        "5",
    );
    check(
        dict,
        path(ask("increment", ["d".into()]), &["n".into()]).with("max", 5),
        "OutOfBounds: 6 would be above max 5",
    );
    check(
        dict,
        path(ask("set", ["d".into(), 9.into()]), &[list(), 0.into()]),
        "None",
    );
    check(dict, path(ask("pop", ["d".into()]), &[list(), 0.into()]), "9");
    check(dict, path(ask("pop", ["d".into(), 3.into()]), &["x".into()]), "3");
    check(dict, path(ask("delete", ["d".into()]), &["n".into()]), "None");
    check(dict, get(&[]), r#"{"list": [2]}"#);
    let cas = |key: &str, steps: &[Value]| {
        path(ask("compare_and_set", []).with("key", key).with("value", 8), steps)
    };
    let first = [list(), 0.into()];
    check(dict, cas("d", &first).with("expected", 1), "False");
    check(dict, cas("d", &first), "False");
    check(dict, cas("d", &first).with("expected", 2), "True");
    check(dict, cas("d", &["m".into()]).with("expected", Value::Null), "False");
    check(dict, cas("d", &["m".into()]), "True");
    check(dict, get(&[]), r#"{"list": [8], "m": 8}"#);
    check(dict, cas("d", &["m".into(), 0.into()]), "WrongType: a path cannot go into an int");
    check(dict, cas("d", &[list(), 1.into()]), "NotFound: no index 1 in a list of 1");
    check(dict, cas("e", &first).with("expected", 1), "False");
    check(dict, cas("e", &first), r#"NotFound: no key "e""#);
    check(dict, path(ask("delete", ["d".into()]), &["m".into()]), "None");
    check(
        dict,
        path(ask("set", ["e".into(), 9.into()]), &[list()]),
        r#"NotFound: no key "e""#,
    );
    check(
        dict,
        get(&[]).with("path", 1),
        "BadArguments: get: the argument \"path\" is given twice",
    );
    let large = Value::List(vec!["x".repeat(path::EDIT_BYTES_MAX).into()]);
    check(dict, ask("set", ["d".into(), large]), "None");
    check(
        dict,
        path(ask("set", ["d".into(), 9.into()]), &[0.into()]),
        "ValueTooLarge: a value above 64 KiB cannot be edited in place: make it an object of its own",
    );
}

/// An increment leaves the time to live of a key, a plain set ends it.
#[test]
fn terms_stay_with_what_is_edited() {
    let dict = &mut dict();
    check(dict, ask("set", ["k".into(), 1.into()]), "None");
    let key: RowKey = Value::from("k").canonical_key().expect("a key").into();
    let Some(Row::Put { value, ticket, .. }) = dict.object.row(&key) else {
        panic!("it was set");
    };
    let lent = Some(SessionId(3));
    let expires = Some(commonhold_proto::ServerTime(5));
    dict.object.apply(&Row::Put { key: key.clone(), value, ticket, lent, expires });
    let terms = |dict: &Bench| match dict.object.row(&key) {
        Some(Row::Put { lent, expires, .. }) => (lent, expires),
        other => panic!("no row: {other:?}"),
    };
    check(dict, ask("increment", ["k".into()]), "2");
    assert_eq!(terms(dict), (lent, expires));
    check(dict, ask("set", ["k".into(), 1.into()]), "None");
    assert_eq!(terms(dict), (None, None));
}

/// Logs have rows that name their keys although the rows' own keys tell them.
#[test]
fn rows_that_name_their_keys_are_read() {
    let mut dict = dict();
    let key = |key: &Value| RowKey::from(key.canonical_key().expect("a key"));
    for (n, name) in ["b", "a"].into_iter().enumerate() {
        let name = Value::from(name);
        let parts = vec![7.into(), n.into(), name.clone(), n.into()];
        dict.object.apply(&Row::put(key(&name), Value::Tuple(parts)));
    }
    // It names another key than its own.
    let parts = vec![7.into(), 2.into(), "d".into(), 2.into()];
    dict.object.apply(&Row::put(key(&"c".into()), Value::Tuple(parts)));
    check(&mut dict, ask("items", []), r#"[("b", 0), ("a", 1)]"#);
    let told = Row::Put {
        key: key(&"a".into()),
        value: 1.into(),
        ticket: Some(Ticket { revision: 7, index: 1 }),
        lent: None,
        expires: None,
    };
    assert_eq!(dict.object.row(&key(&"a".into())), Some(told));
}

/// Whether keys come in the order of their rows, in another, twice or for the first time.
#[test]
fn of_a_key_given_twice_the_first_key_and_the_last_value_count() {
    let mut dict = dict();
    let update = |pairs: &[(Value, i64)]| {
        let pairs = pairs.iter().map(|(key, n)| Value::Tuple(vec![key.clone(), (*n).into()]));
        ask("update", [Value::List(pairs.collect())])
    };
    let [a, b, c, d] = ["a", "b", "c", "d"].map(Value::from);
    let pairs = [(a.clone(), 1), (b.clone(), 2), (a.clone(), 3), (1.into(), 4), (true.into(), 5)];
    check(&mut dict, update(&pairs), "None");
    check(&mut dict, ask("items", []), r#"[("a", 3), ("b", 2), (1, 5)]"#);
    let pairs = [(a.clone(), 6), (d.clone(), 7), (1.0.into(), 8), (b.clone(), 9), (c.clone(), 10)];
    let again = [(a, 11), (1.into(), 12), (d.clone(), 13), (c, 14), (d, 15)];
    check(&mut dict, update(&[&pairs[..], &again[..]].concat()), "None");
    check(
        &mut dict,
        ask("items", []),
        r#"[("a", 11), ("b", 9), (1, 12), ("d", 15), ("c", 14)]"#,
    );
}

#[test]
fn what_is_too_large_is_paged_or_refused() {
    let mut dict = dict();
    for n in 0..=OPERATION_ROWS_MAX as u64 {
        let key = Value::from(n);
        let bytes = key.canonical_key().expect("a key");
        let ticket = Ticket { revision: 1, index: n };
        dict.object.apply(&fresh(ticket, &bytes, &key, "x".repeat(100).into()));
    }
    for method in ["copy", "keys", "values", "items"] {
        check(
            &mut dict,
            ask(method, []),
            "TooLarge: 100001 entries are more than one call may handle, which is 100000: use scan",
        );
    }
    let keys: Vec<Value> = (0..=OPERATION_ROWS_MAX as u64).map(Value::from).collect();
    let pairs = keys.iter().map(|key| (key.clone(), Value::Null)).collect();
    for call in [
        ask("get_many", [Value::List(keys.clone())]),
        ask("delete_many", [Value::List(keys)]),
        ask("update", [Value::Dict(pairs)]),
    ] {
        let refusal = dict.ask(call).expect_err("it is too large");
        assert_eq!(refusal.code, Code::TooLarge);
    }
    // A page ends by its bytes as well.
    let page = dict.ask(ask("scan", [Value::Null, 50_000.into()]));
    let Ok(Value::Tuple(page)) = page else { panic!("no page: {page:?}") };
    let Value::List(pairs) = &page[1] else { panic!("no pairs") };
    assert!((1000..20_000).contains(&pairs.len()), "{}", pairs.len());
    assert_ne!(page[0], Value::Null);
    // The bytes of what it answers.
    let page = dict.ask(ask("scan", [Value::Null, 10_000.into(), true.into()]));
    let Ok(Value::Tuple(page)) = page else { panic!("no page: {page:?}") };
    let Value::List(keys) = &page[1] else { panic!("no keys") };
    assert_eq!((keys.len(), &keys[0]), (10_000, &0.into()));
}
