//! `counter`: one number, from 0.
//!
//! Its only row is `""` -> number. A counter that was never written has none and reads 0.

use super::increment::{BY, CLAMP, Increment, MAX, MIN};
use super::single::Single;
use super::{
    Arguments, Cursor, Decision, Kind, Method, Object, Operation, Options, Parameter, RowLimit,
};
use commonhold_proto::value::number;
use commonhold_proto::{Code, Refusal, Row, RowKey, Value};

/// The kind.
pub static KIND: Kind = Kind {
    name: "counter",
    doc: "One number, changed atomically.",
    options: &[],
    methods: &[
        Method::read("get", "Returns the number.", &[]),
        Method::write("set", "Replaces the number.", &[VALUE]),
        Method::write(
            "increment",
            "Adds to the number and returns the new one.",
            &[BY, MIN, MAX, CLAMP],
        ),
        Method::write(
            "compare_and_set",
            "Replaces the number if it equals the expected value; returns whether it did.",
            &[EXPECTED, VALUE],
        ),
        Method::write("swap", "Replaces the number and returns the old one.", &[VALUE]),
    ],
    create: |_: &Options| Ok(Box::new(Counter::default())),
};

const VALUE: Parameter = Parameter::required("value", "number: the new one");
const EXPECTED: Parameter = Parameter::required("expected", "what the number must equal; NaN equals itself here");

static ZERO: Value = Value::Int(0);

/// One number.
#[derive(Debug, Default)]
struct Counter {
    row: Single,
}

impl Counter {
    fn value(&self) -> &Value {
        self.row.value().unwrap_or(&ZERO)
    }
}

impl Object for Counter {
    fn decide(
        &self,
        _operation: &Operation,
        call: &Arguments,
        _ahead: bool,
    ) -> Result<Decision, Refusal> {
        let old = self.value();
        match call.method() {
            "get" => Ok(Decision::reply(old.clone())),
            "set" => Ok(Decision::reply(Value::Null).with(Single::put(new(call)?))),
            "increment" => {
                let value = Increment::of(call)?.of_number(old)?;
                Ok(Decision::reply(value.clone()).with(self.row.keep(value)))
            }
            "compare_and_set" => {
                let value = new(call)?;
                if !old.is_or_equals(call.value("expected")?) {
                    return Ok(Decision::reply(false));
                }
                Ok(Decision::reply(true).with(Single::put(value)))
            }
            "swap" => Ok(Decision::reply(old.clone()).with(Single::put(new(call)?))),
            other => Err(Refusal::new(Code::NoMethod, other)),
        }
    }

    fn apply(&mut self, row: &Row) {
        self.row.apply(row, number::is_number);
    }

    fn row(&self, key: &RowKey) -> Option<Row> {
        self.row.row(key)
    }

    fn rows(&self, after: Option<&Cursor>, limit: RowLimit) -> (Vec<Row>, Option<Cursor>) {
        self.row.rows(after, limit)
    }

    fn entries(&self) -> u64 {
        1
    }

    fn bytes(&self) -> u64 {
        self.row.bytes()
    }
}

fn new(call: &Arguments) -> Result<Value, Refusal> {
    let value = call.value("value")?;
    if number::is_number(value) {
        Ok(value.clone())
    } else {
        Err(Refusal::new(
            Code::WrongType,
            format!("a counter holds a number, not {}", value.repr()),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::super::exam::Bench;
    use super::*;
    use commonhold_proto::Call;
    use commonhold_proto::value::strategy;
    use proptest::prelude::*;

    #[track_caller]
    fn check(bench: &mut Bench, call: Call, expected: Result<Value, (Code, &str)>) {
        let reply = bench.ask(call).map_err(|r| (r.code, r.message));
        assert_eq!(reply, expected.map_err(|(code, message)| (code, message.into())));
    }

    #[test]
    fn a_counter_counts_within_bounds() {
        let counter = &mut Bench::new(&KIND, &[]);
        let increment = || Call::new("increment", []);
        check(counter, Call::new("get", []), Ok(0.into()));
        check(counter, increment(), Ok(1.into()));
        check(counter, increment().with("by", 2), Ok(3.into()));
        check(
            counter,
            increment().with("max", 3),
            Err((Code::OutOfBounds, "4 would be above max 3")),
        );
        check(
            counter,
            increment().with("by", -4).with("min", 0),
            Err((Code::OutOfBounds, "-1 would be below min 0")),
        );
        check(
            counter,
            increment().with("by", 9).with("max", 3.5).with("clamp", true),
            Ok(3.5.into()),
        );
        check(
            counter,
            increment().with("min", 2).with("max", 1),
            Err((Code::BadArguments, "increment: the argument \"min\" is above \"max\"")),
        );
        check(
            counter,
            increment().with("by", "x"),
            Err((Code::WrongType, "cannot add \"x\": it is not a number")),
        );
        check(
            counter,
            increment().with("by", f64::NAN).with("max", 1),
            Err((Code::OutOfBounds, "the result would be NaN, which is within no bounds")),
        );
        check(counter, Call::new("get", []), Ok(3.5.into()));
    }

    #[test]
    fn a_counter_holds_only_numbers() {
        let counter = &mut Bench::new(&KIND, &[]);
        for method in ["set", "swap"] {
            check(
                counter,
                Call::new(method, [Value::Null]),
                Err((Code::WrongType, "a counter holds a number, not None")),
            );
        }
        check(counter, Call::new("set", [true.into()]), Ok(Value::Null));
        check(counter, Call::new("swap", [5.into()]), Ok(true.into()));
        check(
            counter,
            Call::new("compare_and_set", ["5".into(), 6.into()]),
            Ok(false.into()),
        );
        check(
            counter,
            Call::new("compare_and_set", [5.0.into(), 6.into()]),
            Ok(true.into()),
        );
        check(counter, Call::new("get", []), Ok(6.into()));
    }

    proptest! {
        #[test]
        fn increments_add_up(numbers in prop::collection::vec(any::<i64>(), 0..20)) {
            let mut counter = Bench::new(&KIND, &[]);
            let mut sum = 0i128;
            for number in numbers {
                sum += i128::from(number);
                let reply = counter.ask(Call::new("increment", [number.into()]));
                prop_assert_eq!(reply, Ok(Value::from_big_int(sum.into())));
            }
        }

        #[test]
        fn what_is_set_is_got(number in strategy::number()) {
            let mut counter = Bench::new(&KIND, &[]);
            prop_assert_eq!(counter.ask(Call::new("set", [number.clone()])), Ok(Value::Null));
            prop_assert_eq!(counter.ask(Call::new("get", [])), Ok(number));
        }
    }
}
