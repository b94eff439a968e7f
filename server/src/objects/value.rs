//! `value`: one value of any type.
//!
//! Its only row is `""` -> value. A value that was never written has none and reads as it was created.

use super::increment::{BY, CLAMP, Increment, MAX, MIN};
use super::single::Single;
use super::{
    Arguments, Cursor, Decision, Kind, Method, Object, Operation, Parameter, RowLimit,
};
use commonhold_proto::{Code, Refusal, Row, RowKey, Value};

/// The kind.
pub static KIND: Kind = Kind {
    name: "value",
    doc: "One value of any type, changed atomically.",
    options: &[Parameter::optional(
        "initial",
        "value to start with; default None",
    )],
    methods: &[
        Method::read("get", "Returns the value.", &[]),
        Method::write("set", "Replaces the value.", &[VALUE]),
        Method::write(
            "increment",
            "Adds to the value, which must be a number, and returns the new one.",
            &[BY, MIN, MAX, CLAMP],
        ),
        Method::write(
            "compare_and_set",
            "Replaces the value if it equals the expected one; returns whether it did.",
            &[EXPECTED, VALUE],
        ),
        Method::write("swap", "Replaces the value and returns the old one.", &[VALUE]),
    ],
    create: |options| {
        Ok(Box::new(Shared {
            initial: options.get("initial").cloned().unwrap_or_default(),
            row: Single::default(),
        }))
    },
};

const VALUE: Parameter = Parameter::required("value", "value: the new one");
const EXPECTED: Parameter = Parameter::required("expected", "what the value must equal; NaN equals itself here");

/// One value.
#[derive(Debug)]
struct Shared {
    initial: Value,
    row: Single,
}

impl Object for Shared {
    fn decide(
        &self,
        _operation: &Operation,
        call: &Arguments,
        _ahead: bool,
    ) -> Result<Decision, Refusal> {
        let old = self.row.value().unwrap_or(&self.initial);
        let new = || Ok::<_, Refusal>(Single::put(call.value("value")?.clone()));
        match call.method() {
            "get" => Ok(Decision::reply(old.clone())),
            "set" => Ok(Decision::reply(Value::Null).with(new()?)),
            "increment" => {
                let value = Increment::of(call)?.of_number(old)?;
                Ok(Decision::reply(value.clone()).with(self.row.keep(value)))
            }
            "compare_and_set" if !old.is_or_equals(call.value("expected")?) => {
                Ok(Decision::reply(false))
            }
            "compare_and_set" => Ok(Decision::reply(true).with(new()?)),
            "swap" => Ok(Decision::reply(old.clone()).with(new()?)),
            other => Err(Refusal::new(Code::NoMethod, other)),
        }
    }

    fn apply(&mut self, row: &Row) {
        self.row.apply(row, |_| true);
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

    fn get() -> Call {
        Call::new("get", [])
    }

    #[test]
    fn a_value_starts_as_it_was_created() {
        check(&mut Bench::new(&KIND, &[]), get(), Ok(Value::Null));
        let bench = &mut Bench::new(&KIND, &[("initial", "x".into())]);
        check(bench, get(), Ok("x".into()));
        check(bench, Call::new("swap", [Value::Null]), Ok("x".into()));
        check(bench, get(), Ok(Value::Null));
    }

    #[test]
    fn only_a_number_is_incremented() {
        let bench = &mut Bench::new(&KIND, &[]);
        let increment = || Call::new("increment", []);
        let refused = |text| Err((Code::WrongType, text));
        check(bench, increment(), refused("a None is not a number"));
        check(bench, Call::new("set", ["1".into()]), Ok(Value::Null));
        check(bench, increment(), refused("a str is not a number"));
        check(bench, Call::new("set", [0.5.into()]), Ok(Value::Null));
        check(bench, increment(), Ok(1.5.into()));
        check(
            bench,
            increment().with("max", 2),
            Err((Code::OutOfBounds, "2.5 would be above max 2")),
        );
        check(bench, get(), Ok(1.5.into()));
    }

    #[test]
    fn a_value_is_compared_as_in_python() {
        let bench = &mut Bench::new(&KIND, &[("initial", 1.into())]);
        let try_set = |expected: Value, new: i64| {
            Call::new("compare_and_set", [expected, new.into()])
        };
        check(bench, try_set(Value::Null, 2), Ok(false.into()));
        check(bench, try_set(true.into(), 2), Ok(true.into()));
        check(bench, try_set(f64::NAN.into(), 3), Ok(false.into()));
        check(bench, get(), Ok(2.into()));
    }

    proptest! {
        #[test]
        fn what_is_set_is_got(values in prop::collection::vec(strategy::value(), 1..5)) {
            let mut bench = Bench::new(&KIND, &[]);
            let mut old = Value::Null;
            for value in values {
                let swapped = bench.ask(Call::new("swap", [value.clone()]));
                prop_assert_eq!(format!("{swapped:?}"), format!("{:?}", Ok::<_, ()>(&old)));
                old = value;
            }
            let got = bench.ask(get());
            prop_assert_eq!(format!("{got:?}"), format!("{:?}", Ok::<_, ()>(&old)));
        }
    }
}
