//! A list against a plain model, and what its methods answer.

use super::super::{LOOKED_AT_MAX, OPERATION_ROWS_MAX};
use super::super::exam::{self, Bench};
use super::*;
use commonhold_proto::{Call, Value};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

fn list() -> Bench {
    Bench::new(&KIND, &[])
}

/// What a Python programmer expects, in the plainest way.
#[derive(Default)]
struct Model(Vec<Value>);

impl Model {
    fn len(&self) -> i64 {
        i64::try_from(self.0.len()).expect("it is small")
    }

    fn place(&self, index: i64) -> Result<usize, Code> {
        let place = if index < 0 { index + self.len() } else { index };
        let place = usize::try_from(place).map_err(|_| Code::NotFound)?;
        if place < self.0.len() { Ok(place) } else { Err(Code::NotFound) }
    }

    fn bound(&self, bound: i64) -> usize {
        let place = if bound < 0 { bound + self.len() } else { bound };
        usize::try_from(place.clamp(0, self.len())).expect("it is not negative")
    }

    /// The places of a slice: counted one step at a time.
    fn places(&self, start: &Value, stop: &Value, step: i64) -> Vec<usize> {
        let (len, backwards) = (self.len(), step < 0);
        let (low, high) = if backwards { (-1, len - 1) } else { (0, len) };
        let place = |bound: &Value, default: i64| match bound.as_int() {
            None => default,
            Some(bound) => (if bound < 0 { bound + len } else { bound }).clamp(low, high),
        };
        let (mut at, stop) = if backwards {
            (place(start, high), place(stop, low))
        } else {
            (place(start, low), place(stop, high))
        };
        let mut places = Vec::new();
        while (backwards && at > stop) || (!backwards && at < stop) {
            places.push(usize::try_from(at).expect("it is in the list"));
            at += step;
        }
        places
    }

    fn find(&self, value: &Value, from: usize, to: usize) -> Result<usize, Code> {
        let mut range = from..to.min(self.0.len());
        range.find(|at| self.0[*at].equals(value)).ok_or(Code::NotFound)
    }

    fn reorder(&mut self, order: &[Value], expected: &[Value]) -> bool {
        let front: Vec<Value> = self.0.iter().take(expected.len()).cloned().collect();
        let same = Value::List(front.clone()).equals(&Value::List(expected.to_vec()));
        if same {
            let place =
                |value: &Value| usize::try_from(value.as_int().expect("an int")).expect("a place");
            let moved = order.iter().map(|value| front[place(value)].clone());
            self.0.splice(..expected.len(), moved);
        }
        same
    }

    fn run(&mut self, call: &Call) -> Result<Value, Code> {
        match (call.method.as_str(), &call.arguments[..]) {
            ("get", [Value::Int(index)]) => return Ok(self.0[self.place(*index)?].clone()),
            ("set", [Value::Int(index), value]) => {
                let place = self.place(*index)?;
                self.0[place] = value.clone();
            }
            ("increment", [Value::Int(index), Value::Int(by)]) => {
                let place = self.place(*index)?;
                self.0[place] = match &self.0[place] {
                    Value::Int(number) => Value::Int(number + by),
                    Value::Bool(truth) => Value::Int(i64::from(*truth) + by),
                    Value::Float(number) => Value::Float(number + f64::from(i32::try_from(*by).expect("it is small"))),
                    _ => return Err(Code::WrongType),
                };
                return Ok(self.0[place].clone());
            }
            ("compare_and_set", [Value::Int(index), expected, value]) => {
                let place = self.place(*index)?;
                let same = self.0[place].equals(expected);
                if same {
                    self.0[place] = value.clone();
                }
                return Ok(same.into());
            }
            ("delete", [Value::Int(index)]) => drop(self.0.remove(self.place(*index)?)),
            ("get_slice", [start, stop, Value::Int(step)]) => {
                let places = self.places(start, stop, *step);
                return Ok(Value::List(places.into_iter().map(|at| self.0[at].clone()).collect()));
            }
            ("set_slice", [Value::List(values), start, stop, Value::Int(1)]) => {
                let places = self.places(start, stop, 1);
                let from = start.as_int().map_or(0, |start| self.bound(start));
                self.0.splice(from..from + places.len(), values.iter().cloned());
            }
            ("set_slice", [Value::List(values), start, stop, Value::Int(step)]) => {
                let places = self.places(start, stop, *step);
                if places.len() != values.len() {
                    return Err(Code::BadArguments);
                }
                for (at, value) in places.into_iter().zip(values) {
                    self.0[at] = value.clone();
                }
            }
            ("delete_slice", [start, stop, Value::Int(step)]) => {
                let mut places = self.places(start, stop, *step);
                places.sort_unstable();
                for at in places.into_iter().rev() {
                    self.0.remove(at);
                }
            }
            ("append", [value]) => self.0.push(value.clone()),
            ("extend", [Value::List(values)]) => self.0.extend(values.iter().cloned()),
            ("insert", [Value::Int(index), value]) => self.0.insert(self.bound(*index), value.clone()),
            ("pop", []) => return self.0.pop().ok_or(Code::NotFound),
            ("pop", [Value::Int(index)]) => return Ok(self.0.remove(self.place(*index)?)),
            ("remove", [value]) => drop(self.0.remove(self.find(value, 0, usize::MAX)?)),
            ("index", [value, Value::Int(start), Value::Int(stop)]) => {
                let found = self.find(value, self.bound(*start), self.bound(*stop));
                return found.map(Value::from);
            }
            ("count", [value]) => {
                return Ok(self.0.iter().filter(|other| other.equals(value)).count().into());
            }
            ("contains", [value]) => return Ok(self.find(value, 0, usize::MAX).is_ok().into()),
            ("len", []) => return Ok(self.0.len().into()),
            ("reverse", []) => self.0.reverse(),
            ("sort", [Value::Bool(reverse)]) => {
                // One value at a time to its place, and as in Python: reversed, sorted, reversed.
                let mut sorted: Vec<Value> = Vec::new();
                let mut values = self.0.clone();
                if *reverse {
                    values.reverse();
                }
                for value in values {
                    let mut at = sorted.len();
                    while at > 0 {
                        let order = sort::compare(&value, &sorted[at - 1]).map_err(|r| r.code)?;
                        if order.is_ge() {
                            break;
                        }
                        at -= 1;
                    }
                    sorted.insert(at, value);
                }
                if *reverse {
                    sorted.reverse();
                }
                self.0 = sorted;
            }
            ("reorder", [Value::List(order), Value::List(expected)]) => {
                return Ok(self.reorder(order, expected).into());
            }
            ("clear", []) => self.0.clear(),
            ("copy", []) => return Ok(Value::List(self.0.clone())),
            (method, _) => panic!("the model lacks {method}"),
        }
        Ok(Value::Null)
    }
}

fn call() -> BoxedStrategy<Call> {
    // Mostly numbers, so that they can often be sorted.
    let value = || prop_oneof![30 => (0i64..6).prop_map(Value::Int), 4 => Just(1.0.into()), 1 => exam::key()];
    let index = || (-9i64..9).prop_map(Value::Int);
    let bound = || prop_oneof![1 => Just(Value::Null), 4 => index()];
    let step = || select(vec![1i64, 1, 1, 2, 3, -1, -2, 20, -20]).prop_map(Value::Int);
    let values = || vec(value(), 0..6).prop_map(Value::List);
    let order = |count: i64| Just((0..count).map(Value::Int).collect::<Vec<_>>()).prop_shuffle().prop_map(Value::List);
    let reorder = (0i64..4).prop_flat_map(move |count| {
        let expected = vec((0i64..6).prop_map(Value::Int), usize::try_from(count).expect("it is small"));
        (order(count), expected.prop_map(Value::List))
    });
    prop_oneof![
        6 => (select(vec!["append", "append", "remove", "count", "contains"]), value())
            .prop_map(|(method, value)| Call::new(method, [value])),
        4 => (select(vec!["get", "delete", "pop"]), index()).prop_map(|(method, index)| Call::new(method, [index])),
        6 => (select(vec!["set", "insert", "insert"]), index(), value())
            .prop_map(|(method, index, value)| Call::new(method, [index, value])),
        3 => (index(), index()).prop_map(|(index, by)| Call::new("increment", [index, by])),
        3 => (index(), value(), value())
            .prop_map(|(index, expected, value)| Call::new("compare_and_set", [index, expected, value])),
        2 => (value(), index(), index()).prop_map(|(value, a, b)| Call::new("index", [value, a, b])),
        4 => (select(vec!["get_slice", "delete_slice"]), bound(), bound(), step())
            .prop_map(|(method, start, stop, step)| Call::new(method, [start, stop, step])),
        5 => (values(), bound(), bound(), step())
            .prop_map(|(values, start, stop, step)| Call::new("set_slice", [values, start, stop, step])),
        4 => values().prop_map(|values| Call::new("extend", [values])),
        4 => reorder.prop_map(|(order, expected)| Call::new("reorder", [order, expected])),
        2 => any::<bool>().prop_map(|reverse| Call::new("sort", [reverse.into()])),
        4 => select(vec!["pop", "len", "reverse", "copy"]).prop_map(|method| Call::new(method, [])),
        1 => Just(Call::new("clear", [])),
    ]
    .boxed()
}

fn values(list: &mut Bench) -> Value {
    list.ask(Call::new("copy", [])).expect("it is small")
}

proptest! {
    #[test]
    fn a_list_is_pythons(calls in vec(call(), 0..80)) {
        let (mut list, mut model) = (list(), Model::default());
        for call in calls {
            let reply = list.ask(call.clone()).map_err(|refusal| refusal.code);
            prop_assert_eq!(format!("{reply:?}"), format!("{:?}", model.run(&call)), "{:?}", call);
            prop_assert_eq!(format!("{:?}", values(&mut list)), format!("{:?}", Value::List(model.0.clone())));
        }
    }

    /// Where there is no room at all between neighbours, or at the ends, values still come in order.
    #[test]
    fn a_crowded_list_is_pythons(
        crowd in vec(0u128..60, 0..60), at_end in any::<bool>(), calls in vec(call(), 0..12),
    ) {
        let (mut list, mut model) = (list(), Model::default());
        let mut crowd: Vec<u128> = crowd;
        crowd.sort_unstable();
        crowd.dedup();
        for (label, serial) in crowd.into_iter().zip(0i64..) {
            let label = if at_end { u128::MAX - 59 + label } else { label };
            list.object.apply(&Row::put(key(label), serial.into()));
            model.0.push(serial.into());
        }
        for call in calls {
            let reply = list.ask(call.clone()).map_err(|refusal| refusal.code);
            prop_assert_eq!(format!("{reply:?}"), format!("{:?}", model.run(&call)), "{:?}", call);
            prop_assert_eq!(format!("{:?}", values(&mut list)), format!("{:?}", Value::List(model.0.clone())));
        }
    }
}

#[track_caller]
fn check(list: &mut Bench, call: Call, expected: &str) {
    let text = match list.ask(call) {
        Ok(value) => value.repr().to_string(),
        Err(refusal) => format!("{}: {refusal}", refusal.code.name()),
    };
    assert_eq!(text, expected);
}

fn ask(method: &str, arguments: impl Into<Vec<Value>>) -> Call {
    Call::new(method, arguments)
}

fn ints(numbers: impl IntoIterator<Item = i64>) -> Value {
    Value::List(numbers.into_iter().map(Value::Int).collect())
}

#[test]
fn refusals_name_the_index_or_the_value() {
    let list = &mut list();
    check(list, ask("pop", []), "NotFound: pop from empty list");
    check(list, ask("extend", [ints(0..3)]), "None");
    check(list, ask("get", [3.into()]), "NotFound: list index out of range");
    check(list, ask("pop", [(-4).into()]), "NotFound: pop index out of range");
    check(list, ask("remove", [77.into()]), "NotFound: list.remove(x): x not in list");
    check(list, ask("index", [0.into(), 1.into()]), "NotFound: 0 is not in list");
    check(list, ask("get", ["x".into()]), r#"BadArguments: get: the argument "index" must be an int, not str"#);
    check(list, ask("get", [true.into()]), "1");
    for method in ["get", "insert"] {
        let call = ask(method, [Value::Null]);
        let call = if method == "insert" { call.with("value", 1) } else { call };
        let told = format!(r#"BadArguments: {method}: the argument "index" must be an int, not None"#);
        check(list, call, &told);
    }
    let huge = num_bigint::BigInt::from(10).pow(30);
    check(list, ask("insert", [(-huge.clone()).into(), 9.into()]), "None");
    check(list, ask("get_slice", [Value::Null, huge.into()]), "[9, 0, 1, 2]");
    check(
        list,
        ask("get_slice", []).with("step", 0),
        r#"BadArguments: get_slice: the argument "step" cannot be zero"#,
    );
    check(
        list,
        ask("set_slice", [ints(0..3)]).with("step", 2),
        "BadArguments: attempt to assign sequence of size 3 to extended slice of size 2",
    );
    check(
        list,
        ask("scan", [Value::Bytes("x".into())]),
        r#"BadArguments: scan: the argument "cursor" is none that scan returned"#,
    );
}

#[test]
fn only_a_number_is_incremented_and_within_bounds() {
    let list = &mut list();
    check(list, ask("extend", [Value::List(vec![1.into(), "x".into(), f64::NAN.into()])]), "None");
    check(list, ask("increment", [(-3).into()]), "2");
    check(list, ask("increment", [0.into(), 0.5.into()]), "2.5");
    check(list, ask("increment", [0.into()]).with("max", 3), "OutOfBounds: 3.5 would be above max 3");
    check(list, ask("increment", [0.into()]).with("max", 3).with("clamp", true), "3");
    check(list, ask("increment", [1.into()]), "WrongType: a str is not a number");
    check(list, ask("increment", [3.into()]), "NotFound: list index out of range");
    let swap = |index: i64, expected: Value| ask("compare_and_set", [index.into(), expected, 7.into()]);
    check(list, swap(0, 3.0.into()), "True");
    check(list, swap(0, 3.into()), "False");
    check(list, swap(2, f64::NAN.into()), "True");
    check(list, swap(3, 7.into()), "NotFound: list assignment index out of range");
    check(list, ask("get_slice", [0.into(), 2.into()]), r#"[7, "x"]"#);
}

#[test]
fn a_sort_is_stable_and_refuses_what_has_no_order() {
    let list = &mut list();
    let mixed = || Value::List(vec![1.into(), 0.into(), 1.0.into(), true.into()]);
    check(list, ask("extend", [mixed()]), "None");
    check(list, ask("sort", []), "None");
    check(list, ask("copy", []), "[0, 1, 1.0, True]");
    check(list, ask("sort", [true.into()]), "None");
    check(list, ask("copy", []), "[1, 1.0, True, 0]");
    check(list, ask("append", ["x".into()]), "None");
    let sorted = list.ask(ask("sort", [])).expect_err("text and numbers have no order");
    assert_eq!(sorted.code, Code::WrongType);
    assert!(sorted.message.starts_with("'<' not supported"));
    check(list, ask("copy", []), r#"[1, 1.0, True, 0, "x"]"#);
    let tuples = vec![Value::Tuple(vec![1.into(), "b".into()]), Value::Tuple(vec![1.0.into(), "a".into()])];
    check(list, ask("set_slice", [Value::List(tuples)]), "None");
    check(list, ask("sort", []), "None");
    check(list, ask("copy", []), r#"[(1.0, "a"), (1, "b")]"#);
    let nan = Value::List(vec![f64::NAN.into(), 1.into()]);
    check(list, ask("set_slice", [nan]), "None");
    check(list, ask("sort", []), "WrongType: NaN has no order, so it cannot be sorted");
}

/// A change in the middle writes one row; reversing writes all.
#[test]
fn a_call_writes_a_row_for_each_change() {
    let list = &mut list();
    let mut rows = |call: Call| {
        let before = list.log.len();
        list.ask(call).expect("it is done");
        list.log.len() - before
    };
    assert_eq!(rows(ask("extend", [ints(0..100)])), 100);
    assert_eq!(rows(ask("append", [1.into()])), 1);
    assert_eq!(rows(ask("insert", [50.into(), 1.into()])), 1);
    assert_eq!(rows(ask("insert", [0.into(), 1.into()])), 1);
    assert_eq!(rows(ask("set", [50.into(), 1.into()])), 1);
    assert_eq!(rows(ask("delete", [50.into()])), 1);
    assert_eq!(rows(ask("set_slice", [ints(0..5), 10.into(), 13.into()])), 5);
    assert_eq!(rows(ask("reverse", [])), 104);
    assert_eq!(rows(ask("clear", [])), 1);
    assert_eq!(rows(ask("clear", [])), 0);
}

#[test]
fn the_front_is_reordered_if_it_is_as_expected() {
    let list = &mut list();
    check(list, ask("extend", [ints([30, 10, 20, 99])]), "None");
    check(list, ask("reorder", [ints([1, 2, 0]), ints([30, 10, 21])]), "False");
    check(list, ask("reorder", [ints([1, 2, 0, 3, 4]), ints([30, 10, 20, 99, 5])]), "False");
    check(list, ask("copy", []), "[30, 10, 20, 99]");
    check(list, ask("reorder", [ints([1, 2, 0]), ints([30, 10, 20])]), "True");
    check(list, ask("copy", []), "[10, 20, 30, 99]");
    check(list, ask("reorder", [ints([]), ints([])]), "True");
    let bad = "BadArguments: reorder: the argument \"order\" must name each of the expected values once";
    for order in [ints([0, 0]), ints([0]), ints([0, 2]), ints([0, -1]), ints([0, 1, 1]), Value::List(vec!["a".into(); 2])] {
        check(list, ask("reorder", [order, ints([10, 20])]), bad);
    }
    check(list, ask("copy", []), "[10, 20, 30, 99]");
}

/// Always at one spot, the worst that inserts can do.
#[test]
fn inserts_at_one_spot_write_few_rows() {
    let list = &mut List::default();
    let mut rows_written = 0;
    let ends = [0, u128::MAX].map(|label| Row::put(key(label), "end".into()));
    ends.iter().for_each(|row| list.apply(row));
    let inserts = 20_000i64;
    for serial in 0..inserts {
        let call = KIND.bind(Call::new("insert", [1.into(), serial.into()])).expect("it fits");
        let rows = list.insert(&call).expect("there is room").rows;
        rows_written += rows.len();
        rows.iter().for_each(|row| list.apply(row));
    }
    let numbers: Vec<i64> = list.items.after(None).filter_map(|item| item.value.as_int()).collect();
    assert!(numbers.into_iter().eq((0..inserts).rev()));
    assert!(rows_written < 10 * 20_000, "{rows_written} rows");
}

#[test]
fn a_scan_goes_on_where_it_was() {
    let list = &mut list();
    check(list, ask("extend", [ints(0..10)]), "None");
    let mut met = Vec::new();
    let mut cursor = Value::Null;
    loop {
        let page = list.ask(ask("scan", [cursor, 3.into()]));
        let Ok(Value::Tuple(page)) = page else { panic!("no page: {page:?}") };
        let Value::List(values) = &page[1] else { panic!("no values") };
        met.extend(values.iter().filter_map(Value::as_int));
        cursor = page[0].clone();
        if cursor == Value::Null {
            break;
        }
        check(list, ask("insert", [0.into(), 100.into()]), "None");
        check(list, ask("remove", [met.last().copied().expect("a page").into()]), "None");
    }
    assert!(met.into_iter().eq(0..10));
}

#[test]
fn what_is_too_large_is_paged_or_refused() {
    let mut list = list();
    let many = OPERATION_ROWS_MAX as u64;
    for n in 0..=many {
        list.object.apply(&Row::put(key(u128::from(n)), n.into()));
    }
    let whole = "TooLarge: 100001 entries are more than one call may handle, which is 100000: use scan";
    for method in ["copy", "reverse", "sort", "get_slice"] {
        check(&mut list, ask(method, []), whole);
    }
    check(&mut list, ask("delete_slice", [Value::Null, Value::Null, (-1).into()]), whole);
    check(&mut list, ask("contains", ["x".into()]), "False");
    check(&mut list, ask("contains", [7.into()]), "True");
    check(&mut list, ask("count", [7.into()]), "1");
    check(&mut list, ask("index", [many.into(), (-5).into()]), "100000");
    check(&mut list, ask("get", [(-1).into()]), "100000");
    check(&mut list, ask("reorder", [ints([1, 0]), ints([0, 1])]), "True");
    check(&mut list, ask("remove", [0.into()]), "None");
    check(&mut list, ask("get_slice", [0.into(), 2.into()]), "[1, 2]");
    for n in 0..=LOOKED_AT_MAX as u64 {
        list.object.apply(&Row::put(key(u128::from(n)), n.into()));
    }
    let looked = "TooLarge: 1000001 entries are more than one call may look at, which is 1000000: use scan";
    check(&mut list, ask("count", ["x".into()]), looked);
    check(&mut list, ask("contains", ["x".into()]), looked);
    check(&mut list, ask("contains", [7.into()]), "True");
    // All of them are one row to delete.
    check(&mut list, ask("delete_slice", []), "None");
    check(&mut list, ask("len", []), "0");
}
