//! A queue as its users see it.

mod model;

use super::super::exam::Bench;
use super::super::{Lapse, Options};
use super::*;
use commonhold_proto::{Revision, Row, RowKey};
use proptest::collection::vec;
use proptest::prelude::*;

fn queue(options: &[(&str, Value)]) -> Bench {
    Bench::new(&KIND, options)
}

fn put(item: impl Into<Value>) -> Call {
    Call::new("put", [item.into()])
}

fn with(method: &str, argument: impl Into<Value>) -> Call {
    Call::new(method, [argument.into()])
}

fn plain(method: &str) -> Call {
    Call::new(method, [])
}

#[track_caller]
fn check(bench: &mut Bench, call: Call, expected: impl Into<Value>) {
    assert_eq!(bench.ask(call), Ok(expected.into()));
}

#[track_caller]
fn refused(bench: &mut Bench, call: Call, code: Code) -> String {
    let refusal = bench.ask(call).expect_err("it is refused");
    assert_eq!(refusal.code, code, "{refusal:?}");
    refusal.message
}

/// A session takes an item, and what it is told: value, receipt, deliveries.
#[track_caller]
fn take(bench: &mut Bench, session: u64) -> (Value, i64, i64) {
    let taken = bench.call(session, false, plain("take"));
    parts(&taken.expect("it may not wait").expect("there is one"))
}

#[track_caller]
fn parts(taken: &Value) -> (Value, i64, i64) {
    let field = |name: &str| {
        let Value::Dict(fields) = taken else {
            panic!("{taken:?} is no dict");
        };
        let field = fields.iter().find(|(key, _)| *key == Value::from(name));
        field.expect("the field is there").1.clone()
    };
    let number = |name| field(name).as_int().expect("a number");
    (field("value"), number("receipt"), number("deliveries"))
}

/// How many rows the last calls wrote.
fn rows_of(bench: &mut Bench, act: impl FnOnce(&mut Bench)) -> usize {
    let before = bench.log.len();
    act(bench);
    bench.log.len() - before
}

/// The row that lends what was taken under this receipt.
fn taken_key(bench: &Bench, receipt: i64) -> Option<RowKey> {
    let token = Revision(receipt.cast_unsigned());
    let keys = bench.log.iter().map(|row| row.key().clone());
    keys.into_iter()
        .find(|key| bench.object.token(key) == Some(token))
}

#[test]
fn costs_in_rows_are_what_is_said() {
    let bench = &mut queue(&[]);
    assert_eq!(rows_of(bench, |q| check(q, put("a"), Value::Null)), 1);
    assert_eq!(rows_of(bench, |q| check(q, put("b"), Value::Null)), 1);
    assert_eq!(rows_of(bench, |q| check(q, plain("get"), "a")), 2);
    let mut receipt = 0;
    assert_eq!(rows_of(bench, |q| receipt = take(q, 1).1), 1);
    let extend = Call::new("extend", [receipt.into(), 5.into()]);
    assert_eq!(rows_of(bench, |q| check(q, extend, Value::Null)), 1);
    assert_eq!(
        rows_of(bench, |q| check(q, with("nack", receipt), Value::Null)),
        2
    );
    receipt = take(bench, 1).1;
    assert_eq!(
        rows_of(bench, |q| check(q, with("ack", receipt), Value::Null)),
        3
    );
    check(bench, put("c"), Value::Null);
    receipt = take(bench, 1).1;
    assert_eq!(
        rows_of(bench, |q| check(q, with("ack", receipt), Value::Null)),
        2
    );
    assert_eq!(
        rows_of(bench, |q| check(q, plain("task_done"), Value::Null)),
        1
    );
}

/// Taking, giving back and dying write rows that know nothing of the value.
#[test]
fn a_value_is_written_once() {
    let bench = &mut queue(&[]);
    let large = "x".repeat(100_000);
    check(bench, put(large.as_str()), Value::Null);
    for deliveries in 1..4 {
        let (value, receipt, times) = take(bench, 1);
        assert_eq!((value, times), (large.as_str().into(), deliveries));
        check(bench, with("nack", receipt), Value::Null);
    }
    take(bench, 2);
    bench.end_lease(2, Lapse::Died);
    let size = |row: &Row| match row {
        Row::Put { value, .. } => value.size(),
        _ => 0,
    };
    assert!(bench.log.iter().skip(1).all(|row| size(row) < 500));
}

#[test]
fn messages_are_pythons() {
    let bench = &mut queue(&[("maxsize", 1.into())]);
    assert_eq!(
        refused(bench, plain("get"), Code::Empty),
        "the queue is empty"
    );
    check(bench, put(1), Value::Null);
    assert_eq!(refused(bench, put(2), Code::Full), "the queue is full");
    check(bench, plain("task_done"), Value::Null);
    let message = refused(bench, plain("task_done"), Code::OutOfBounds);
    assert_eq!(message, "task_done() called too many times");
}

/// `blocking=False`, a time-out of 0 and a wait that is over are refused alike.
#[test]
fn a_get_of_nothing_is_refused_empty_and_a_put_without_room_full() {
    let bench = &mut queue(&[("maxsize", 1.into())]);
    let unblocked = |call: Call| call.with("blocking", false);
    for call in [plain("get"), with("get_many", 2), plain("take")] {
        refused(bench, call.clone(), Code::Empty);
        let now = bench.call(1, true, unblocked(call.clone()));
        assert_eq!(now.expect("answered").expect_err("empty").code, Code::Empty);
        assert_eq!(bench.call(1, true, call), None);
        let number = bench.number();
        bench.deadline(number);
        let (told, answer) = bench.told.pop().expect("it is told");
        assert_eq!(told, number);
        assert_eq!(answer.expect_err("empty").code, Code::Empty);
    }
    check(bench, put(1), Value::Null);
    let many = with("put_many", Value::List(vec![2.into()]));
    for call in [put(2), many] {
        refused(bench, call.clone(), Code::Full);
        let now = bench.call(1, true, unblocked(call.clone()));
        assert_eq!(now.expect("answered").expect_err("full").code, Code::Full);
        assert_eq!(bench.call(1, true, call), None);
        let number = bench.number();
        bench.deadline(number);
        let (_, answer) = bench.told.pop().expect("it is told");
        assert_eq!(answer.expect_err("full").code, Code::Full);
    }
}

#[test]
fn what_never_fits_is_refused() {
    let bench = &mut queue(&[("maxsize", 2.into())]);
    let three = Value::List(vec![1.into(), 2.into(), 3.into()]);
    let message = refused(bench, with("put_many", three), Code::BadArguments);
    assert_eq!(
        message,
        "put_many: the argument \"items\" has 3 items, but there is never room for more than 2"
    );
    for bad in [Value::Int(0), Value::Int(-1), f64::NAN.into(), "1".into()] {
        let message = refused(bench, with("take", bad), Code::BadArguments);
        assert_eq!(
            message,
            "take: the argument \"lease\" must be a number of seconds above 0"
        );
    }
    let unled = bench.call_unary(false, plain("take"));
    assert_eq!(
        unled.expect("answered").expect_err("bad").code,
        Code::BadArguments
    );
}

#[test]
fn options_must_make_sense() {
    for (name, value) in [
        ("maxsize", Value::from("1")),
        ("lifo", 1.into()),
        ("dead_after", (-1).into()),
    ] {
        let given = [(name.to_owned(), value)];
        let options = Options::check(&KIND, &given).expect("it is known");
        let refusal = (KIND.create)(&options).err().expect("it makes no sense");
        assert_eq!(refusal.code, Code::BadArguments);
        assert!(refusal.message.contains(name), "{refusal:?}");
    }
    let unbounded = &mut queue(&[("maxsize", (-3).into())]);
    for item in 0..10 {
        check(unbounded, put(item), Value::Null);
    }
    check(unbounded, plain("full"), false);
}

#[test]
fn a_stale_receipt_is_for_nothing_although_the_item_is_taken_again() {
    let bench = &mut queue(&[]);
    check(bench, put("a"), Value::Null);
    let (_, stale, _) = take(bench, 1);
    bench.end_lease(1, Lapse::Died);
    let (_, receipt, deliveries) = take(bench, 2);
    assert!(receipt > stale);
    assert_eq!(deliveries, 2);
    for call in [
        with("ack", stale),
        with("nack", stale),
        Call::new("extend", [stale.into(), 1.into()]),
    ] {
        refused(bench, call, Code::LockLost);
    }
    check(bench, with("ack", receipt), Value::Null);
    refused(bench, with("ack", receipt), Code::LockLost);
    check(bench, plain("unfinished"), 0);
}

#[test]
fn all_who_wait_are_told_of_a_shutdown() {
    let bench = &mut queue(&[("maxsize", 1.into())]);
    for _ in 0..3 {
        assert_eq!(bench.call(1, true, plain("get")), None);
    }
    check(bench, plain("shutdown"), Value::Null);
    assert_eq!(bench.told.len(), 3);
    let bench = &mut queue(&[("maxsize", 1.into())]);
    check(bench, put(0), Value::Null);
    for item in 1..4 {
        assert_eq!(bench.call(1, true, put(item)), None);
    }
    assert_eq!(bench.call(1, true, plain("join")), None);
    check(bench, with("shutdown", true), Value::Null);
    let broken = |(_, answer): &(u64, Result<Value, Refusal>)| matches!(answer, Err(refusal) if refusal.code == Code::Broken);
    assert_eq!(bench.told.iter().filter(|told| broken(told)).count(), 3);
    // And the one that joins: what was ready is gone.
    assert_eq!(bench.told.len(), 4);
    refused(bench, put(5), Code::Broken);
    refused(bench, plain("get"), Code::Broken);
}

/// What is taken or dead stays, and everything between goes in few rows.
#[test]
fn clear_spares_what_is_taken_and_dead_letters() {
    let bench = &mut queue(&[("dead_after", 1.into())]);
    let items: Vec<Value> = (0..400).map(Value::from).collect();
    check(bench, with("put_many", Value::List(items)), Value::Null);
    let (value, receipt, _) = take(bench, 1);
    let (dying, death, _) = take(bench, 1);
    assert_eq!((value, dying), (0.into(), 1.into()));
    check(bench, with("nack", death), Value::Null);
    check(bench, plain("unfinished"), 399);
    let rows = rows_of(bench, |q| check(q, plain("clear"), Value::Null));
    assert!(rows < 300, "{rows}");
    check(bench, plain("len"), 0);
    check(bench, plain("unfinished"), 1);
    check(bench, with("ack", receipt), Value::Null);
    check(bench, plain("redrive"), 1);
    check(bench, plain("get"), 1);
    check(bench, plain("unfinished"), 1);
    check(bench, put("more"), Value::Null);
    assert_eq!(rows_of(bench, |q| check(q, plain("clear"), Value::Null)), 1);
}

#[test]
fn puts_that_wait_are_not_counted() {
    let bench = &mut queue(&[("maxsize", 1.into())]);
    check(bench, put(0), Value::Null);
    for item in 0..100 {
        assert_eq!(bench.call(1, true, put(item)), None);
    }
    check(bench, plain("len"), 1);
    check(bench, plain("unfinished"), 1);
    check(bench, plain("full"), true);
}

/// Every other item is taken, so no range goes as a whole: more rows than a call may write.
#[test]
fn a_clear_that_would_write_too_many_rows_is_refused() {
    let mut bench = queue(&[]);
    for index in 0..210_000u32 {
        let ticket = [&7u64.to_be_bytes()[..], &index.to_be_bytes()].concat();
        let key = |room: &[u8]| RowKey::from([room, &ticket].concat());
        bench.object.apply(&Row::put(key(b"i/"), index.into()));
        if index % 2 == 0 {
            let taken = [i64::from(index), 0, 1, 0].map(Value::Int);
            bench
                .object
                .apply(&Row::put(key(b"t/"), Value::Tuple(taken.into())));
        }
    }
    check(&mut bench, plain("len"), 105_000);
    refused(&mut bench, plain("clear"), Code::TooLarge);
    refused(&mut bench, with("shutdown", true), Code::TooLarge);
}

#[test]
fn who_holds_items_is_told_in_the_order_in_which_they_came() {
    let bench = &mut queue(&[("lifo", true.into())]);
    for item in 0..3 {
        check(bench, put(item), Value::Null);
    }
    let taken: Vec<i64> = (1..4).map(|session| take(bench, session).1).collect();
    let holders = bench.object.holders(2);
    let tokens = |token: Option<Revision>| token.map(|token| token.0.cast_signed());
    let told: Vec<_> = holders.iter().map(|holder| tokens(holder.token)).collect();
    assert_eq!(told, [Some(taken[0]), Some(taken[1])]);
    assert_eq!(holders[0].session.map(|session| session.0), Some(1));
    assert_eq!(holders[0].part.as_deref(), Some("an item"));
    let key = taken_key(bench, taken[2]).expect("it is taken");
    assert_eq!(
        bench.object.token(&key).map(|t| t.0.cast_signed()),
        Some(taken[2])
    );
}

/// Rows of few tickets, in any order and of any form.
fn near_rows() -> impl Strategy<Value = Row> {
    let ticket = (1u64..3, 0u32..2).prop_map(|(revision, index)| {
        let mut bytes = revision.to_be_bytes().to_vec();
        bytes.extend(index.to_be_bytes());
        bytes
    });
    let key = (prop::sample::select(vec!["i/", "t/", "d/"]), ticket)
        .prop_map(|(room, ticket)| RowKey::from([room.as_bytes(), &ticket].concat()));
    let single = prop::sample::select(vec![RowKey::of("open"), RowKey::of("shut")]);
    let key = prop_oneof![8 => key, 1 => single].boxed();
    let number = || -2i64..4;
    let value = prop_oneof![
        3 => number().prop_map(Value::Int),
        1 => Just(Value::Bool(true)),
        4 => (number(), number(), number(), number())
            .prop_map(|(a, b, c, d)| Value::Tuple([a, b, c, d].map(Value::Int).into())),
    ];
    let prefix = (key.clone(), 0usize..15)
        .prop_map(|(key, length)| RowKey::from(key[..length.min(key.len())].to_vec()));
    prop_oneof![
        6 => (key.clone(), value).prop_map(|(key, value)| Row::put(key, value)),
        2 => key.prop_map(Row::delete),
        1 => prefix.prop_map(|prefix| Row::DeletePrefix { prefix }),
    ]
}

proptest! {
    /// The state is a function of the set of rows, whatever came before, and prefixes take exactly what begins so.
    #[test]
    fn rows_in_any_order_are_the_same_queue(rows in vec(near_rows(), 0..25)) {
        let mut bench = queue(&[("dead_after", 2.into())]);
        let mut kept = std::collections::BTreeMap::new();
        for row in &rows {
            bench.object.apply(row);
            match row {
                Row::Put { key, .. } => {
                    if bench.object.row(key).as_ref() == Some(row) {
                        kept.insert(key.clone(), row.clone());
                    }
                }
                _ => kept.retain(|key, _| !row.touches(key)),
            }
        }
        let mut copy = bench.fresh();
        kept.values().rev().for_each(|row| copy.apply(row));
        prop_assert_eq!(super::super::exam::snapshot(&*copy), bench.snapshot());
        let mut again = bench.fresh();
        kept.values().for_each(|row| again.apply(row));
        prop_assert_eq!(super::super::exam::snapshot(&*again), bench.snapshot());
        let expected: Vec<Row> = kept.into_values().collect();
        let limit = super::super::RowLimit { rows: usize::MAX, bytes: usize::MAX };
        prop_assert_eq!(bench.object.rows(None, limit).0, expected);
        for call in ["len", "unfinished", "get", "take", "clear", "get"] {
            drop(bench.call(1, false, plain(call)));
        }
    }
}
