//! An array against a list, which is tested against a plain model, and against what `CPython`'s `array.array` answers.

use super::super::exam::Bench;
use super::super::list;
use super::*;
use commonhold_proto::Call;
use num_bigint::BigInt;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

fn array(typecode: &str, values: impl IntoIterator<Item = Value>) -> Bench {
    let values = Value::List(values.into_iter().collect());
    Bench::new(&KIND, &[("typecode", typecode.into()), ("values", values)])
}

fn ints(values: impl IntoIterator<Item = i64>) -> Value {
    Value::List(values.into_iter().map(Value::Int).collect())
}

#[track_caller]
fn check(bench: &mut Bench, call: Call, expected: Result<Value, (Code, &str)>) {
    let reply = bench.ask(call).map_err(|r| (r.code, r.message));
    let expected = expected.map_err(|(code, message)| (code, message.to_owned()));
    assert_eq!(reply, expected);
}

/// What `CPython` 3.11 answers to `array.array(typecode, [value])[0]`.
#[test]
fn elements_are_made_as_in_python() {
    const OVERFLOW: Code = Code::OutOfBounds;
    let power = |exponent: u32| Value::from_big_int(BigInt::from(2).pow(exponent));
    let to_long = Err((OVERFLOW, "Python int too large to convert to C long"));
    let to_unsigned = Err((
        OVERFLOW,
        "Python int too large to convert to C unsigned long",
    ));
    let negative = Err((OVERFLOW, "can't convert negative value to unsigned int"));
    let too_big = Err((OVERFLOW, "int too big to convert"));
    let no_int = |name| (Code::WrongType, name);
    let cases: Vec<(&str, Value, Result<Value, (Code, &str)>)> = vec![
        ("b", 127.into(), Ok(127.into())),
        ("b", (-128).into(), Ok((-128).into())),
        (
            "b",
            300.into(),
            Err((OVERFLOW, "signed char is greater than maximum")),
        ),
        (
            "b",
            (-129).into(),
            Err((OVERFLOW, "signed char is less than minimum")),
        ),
        (
            "b",
            power(40),
            Err((OVERFLOW, "signed short integer is greater than maximum")),
        ),
        ("b", power(63), to_long.clone()),
        ("B", 255.into(), Ok(255.into())),
        (
            "B",
            300.into(),
            Err((OVERFLOW, "unsigned byte integer is greater than maximum")),
        ),
        (
            "B",
            (-1).into(),
            Err((OVERFLOW, "unsigned byte integer is less than minimum")),
        ),
        (
            "h",
            power(40),
            Err((OVERFLOW, "signed short integer is greater than maximum")),
        ),
        ("h", true.into(), Ok(1.into())),
        ("H", 65_535.into(), Ok(65_535.into())),
        (
            "H",
            65_536.into(),
            Err((OVERFLOW, "unsigned short is greater than maximum")),
        ),
        (
            "H",
            (-1).into(),
            Err((OVERFLOW, "unsigned short is less than minimum")),
        ),
        (
            "H",
            power(40),
            Err((OVERFLOW, "signed integer is greater than maximum")),
        ),
        (
            "i",
            power(31),
            Err((OVERFLOW, "signed integer is greater than maximum")),
        ),
        ("i", (-(1i64 << 31)).into(), Ok((-(1i64 << 31)).into())),
        (
            "i",
            1.5.into(),
            Err(no_int("'float' object cannot be interpreted as an integer")),
        ),
        (
            "i",
            "x".into(),
            Err(no_int("'str' object cannot be interpreted as an integer")),
        ),
        (
            "i",
            Value::Null,
            Err(no_int(
                "'NoneType' object cannot be interpreted as an integer",
            )),
        ),
        (
            "I",
            ((1i64 << 32) - 1).into(),
            Ok(((1i64 << 32) - 1).into()),
        ),
        (
            "I",
            power(32),
            Err((OVERFLOW, "unsigned int is greater than maximum")),
        ),
        ("I", (-1).into(), negative.clone()),
        ("I", power(70), to_unsigned.clone()),
        ("l", i64::MIN.into(), Ok(i64::MIN.into())),
        ("l", power(70), to_long),
        (
            "L",
            Value::from_big_int(BigInt::from(u64::MAX)),
            Ok(Value::from_big_int(BigInt::from(u64::MAX))),
        ),
        ("L", (-1).into(), negative),
        ("L", power(64), to_unsigned),
        ("q", power(63), too_big.clone()),
        ("Q", power(63), Ok(power(63))),
        ("Q", power(64), too_big),
        (
            "Q",
            (-1).into(),
            Err((OVERFLOW, "can't convert negative int to unsigned")),
        ),
        ("f", 0.1.into(), Ok(0.100_000_001_490_116_12.into())),
        ("f", 1e300.into(), Ok(f64::INFINITY.into())),
        ("d", 3.into(), Ok(3.0.into())),
        ("d", true.into(), Ok(1.0.into())),
        (
            "d",
            power(2000),
            Err((OVERFLOW, "int too large to convert to float")),
        ),
        (
            "d",
            "x".into(),
            Err((Code::WrongType, "must be real number, not str")),
        ),
        (
            "d",
            Value::Null,
            Err((Code::WrongType, "must be real number, not NoneType")),
        ),
        ("u", "é".into(), Ok("é".into())),
        ("w", "\u{1F600}".into(), Ok("\u{1F600}".into())),
        (
            "u",
            "xy".into(),
            Err((Code::WrongType, "array item must be unicode character")),
        ),
        (
            "u",
            "".into(),
            Err((Code::WrongType, "array item must be unicode character")),
        ),
        (
            "u",
            1.into(),
            Err((Code::WrongType, "array item must be unicode character")),
        ),
    ];
    for (typecode, value, expected) in cases {
        let zero = if matches!(typecode, "u" | "w") {
            "a".into()
        } else {
            0.into()
        };
        let bench = &mut array(typecode, [zero]);
        let set = Call::new("set", [0.into(), value]);
        match expected {
            Ok(element) => {
                check(bench, set, Ok(Value::Null));
                check(bench, Call::new("get", [0.into()]), Ok(element));
            }
            refused => check(bench, set, refused),
        }
    }
}

#[test]
fn indexes_and_slices_out_of_range_are_refused_in_pythons_words() {
    let bench = &mut array("i", (1..4).map(Value::Int));
    let out = |words| Err((Code::NotFound, words));
    check(
        bench,
        Call::new("get", [3.into()]),
        out("array index out of range"),
    );
    check(bench, Call::new("get", [(-3).into()]), Ok(1.into()));
    check(
        bench,
        Call::new("get", [(-4).into()]),
        out("array index out of range"),
    );
    let set = Call::new("set", [3.into(), 1.into()]);
    check(bench, set, out("array assignment index out of range"));
    check(
        bench,
        Call::new("index", [9.into()]),
        out("array.index(x): x not in array"),
    );
    check(bench, Call::new("index", [2.0.into()]), Ok(1.into()));
    check(bench, Call::new("count", [1.0.into()]), Ok(1.into()));
    let short = Call::new("set_slice", [ints([1])]).with("step", 2);
    let message = "attempt to assign array of size 1 to extended slice of size 2";
    check(bench, short, Err((Code::BadArguments, message)));
    check(bench, Call::new("copy", []), Ok(ints(1..4)));
    check(bench, Call::new("typecode", []), Ok("i".into()));
}

#[test]
fn an_array_of_zeros_takes_no_room_until_it_is_written() {
    let size = i64::from(u32::MAX);
    let mut bench = Bench::new(&KIND, &[("typecode", "d".into()), ("size", size.into())]);
    check(&mut bench, Call::new("len", []), Ok(size.into()));
    assert_eq!(bench.object.bytes(), 0);
    check(&mut bench, Call::new("get", [(-1).into()]), Ok(0.0.into()));
    check(
        &mut bench,
        Call::new("set", [(-1).into(), 2.into()]),
        Ok(Value::Null),
    );
    assert_eq!(bench.object.bytes(), ROW_BYTES);
    let last = Call::new("get_slice", [(-2).into()]);
    check(
        &mut bench,
        last,
        Ok(Value::List(vec![0.0.into(), 2.0.into()])),
    );
    assert_eq!(
        bench.ask(Call::new("copy", [])).map_err(|r| r.code),
        Err(Code::TooLarge)
    );
    let longer = Call::new("set_slice", [ints([1, 2]), size.into()]);
    assert_eq!(bench.ask(longer).map_err(|r| r.code), Err(Code::TooLarge));
}

#[test]
fn options_that_make_no_sense_are_refused() {
    let cases: [(&[(&str, Value)], Code, &str); 6] = [
        (
            &[("typecode", "z".into())],
            Code::BadArguments,
            "bad typecode (must be b, B, u, w, h, H, i, I, l, L, q, Q, f or d)",
        ),
        (
            &[("typecode", "ii".into())],
            Code::BadArguments,
            "bad typecode (must be b, B, u, w, h, H, i, I, l, L, q, Q, f or d)",
        ),
        (
            &[("typecode", "i".into()), ("size", (-1).into())],
            Code::BadArguments,
            "Array length must be >= 0, not -1",
        ),
        (
            &[
                ("typecode", "i".into()),
                ("size", 1.into()),
                ("values", ints([1])),
            ],
            Code::BadArguments,
            "the options \"values\" and \"size\" exclude each other",
        ),
        (
            &[("typecode", "i".into()), ("values", "x".into())],
            Code::BadArguments,
            "the option \"values\" must be a list, not str",
        ),
        (
            &[("typecode", "b".into()), ("values", ints([1, 200]))],
            Code::OutOfBounds,
            "signed char is greater than maximum",
        ),
    ];
    for (given, code, message) in cases {
        let given: Vec<_> = given
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect();
        let options = super::super::Options::check(&KIND, &given).expect("they are the kind's");
        let refusal = (KIND.create)(&options).err().expect("it is refused");
        assert_eq!((refusal.code, refusal.message.as_str()), (code, message));
    }
}

#[test]
fn an_increment_stays_within_the_type() {
    let bench = &mut array("b", [126.into()]);
    let increment = |by: Value| Call::new("increment", [0.into(), by]);
    check(bench, increment(1.into()), Ok(127.into()));
    let above = "signed char is greater than maximum";
    check(bench, increment(1.into()), Err((Code::OutOfBounds, above)));
    let float = "'float' object cannot be interpreted as an integer";
    check(bench, increment(0.5.into()), Err((Code::WrongType, float)));
    check(
        bench,
        increment(9.into()).with("max", 100).with("clamp", true),
        Ok(100.into()),
    );
    check(bench, Call::new("get", [0.into()]), Ok(100.into()));
    let bench = &mut array("f", [0.into()]);
    check(
        bench,
        increment(0.1.into()),
        Ok(0.100_000_001_490_116_12.into()),
    );
    let bench = &mut array("u", ["a".into()]);
    check(
        bench,
        increment(1.into()),
        Err((Code::WrongType, "a str is not a number")),
    );
}

#[test]
fn an_element_is_compared_and_set() {
    let bench = &mut array("d", [1.into()]);
    let try_set =
        |expected: Value, value: Value| Call::new("compare_and_set", [0.into(), expected, value]);
    check(bench, try_set(2.into(), 3.into()), Ok(false.into()));
    check(bench, try_set(true.into(), 3.into()), Ok(true.into()));
    let no_number = Err((Code::WrongType, "must be real number, not str"));
    check(bench, try_set(0.into(), "x".into()), no_number);
    check(bench, Call::new("get", [0.into()]), Ok(3.0.into()));
}

fn call() -> impl Strategy<Value = Call> {
    let index = || (-8i64..8).prop_map(Value::Int);
    let bound = || prop_oneof![Just(Value::Null), (-8i64..8).prop_map(Value::Int)];
    let number = || (0i64..4).prop_map(Value::Int);
    let step = || select(vec![-3i64, -2, -1, 1, 1, 1, 1, 2, 3]).prop_map(Value::Int);
    let values = || vec(0i64..4, 0..6).prop_map(ints);
    prop_oneof![
        1 => index().prop_map(|index| Call::new("get", [index])),
        1 => (index(), number()).prop_map(|(index, value)| Call::new("set", [index, value])),
        1 => (bound(), bound(), step())
            .prop_map(|(start, stop, step)| Call::new("get_slice", [start, stop, step])),
        4 => (values(), bound(), bound(), step()).prop_map(|(values, start, stop, step)| {
            Call::new("set_slice", [values, start, stop, step])
        }),
        1 => (number(), index(), index())
            .prop_map(|(value, start, stop)| Call::new("index", [value, start, stop])),
        1 => number().prop_map(|value| Call::new("count", [value])),
        1 => number().prop_map(|value| Call::new("contains", [value])),
        1 => Just(Call::new("len", [])),
        1 => Just(Call::new("copy", [])),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn an_array_does_as_a_list_of_the_same_numbers(
        values in vec(0i64..4, 0..12),
        typecode in select(vec!["b", "B", "h", "H", "i", "I", "l", "L", "q", "Q"]),
        calls in vec(call(), 0..40),
    ) {
        let mut tried = array(typecode, values.iter().copied().map(Value::Int));
        let mut model = Bench::new(&list::KIND, &[]);
        model.ask(Call::new("extend", [ints(values)])).expect("numbers");
        for call in calls {
            let expected = model.ask(call.clone()).map_err(|refusal| refusal.code);
            let reply = tried.ask(call.clone()).map_err(|refusal| refusal.code);
            prop_assert_eq!(reply, expected, "{:?}", call);
        }
        let all = || Call::new("copy", []);
        prop_assert_eq!(tried.ask(all()).map_err(|r| r.code), model.ask(all()).map_err(|r| r.code));
    }
}
