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

type Expected = Result<Value, (Code, &'static str)>;

fn power(exponent: u32) -> Value {
    Value::from_big_int(BigInt::from(2).pow(exponent))
}

fn over(words: &'static str) -> Expected {
    Err((Code::OutOfBounds, words))
}

fn wrong(words: &'static str) -> Expected {
    Err((Code::WrongType, words))
}

/// What `CPython` 3.11 answers to `array.array(typecode, [value])[0]`.
fn makes(typecode: &str, value: impl Into<Value>, expected: Expected) {
    let is_text = matches!(typecode, "u" | "w");
    let zero: Value = if is_text { "a".into() } else { 0.into() };
    let bench = &mut array(typecode, [zero]);
    let set = Call::new("set", [0.into(), value.into()]);
    match expected {
        Ok(element) => {
            check(bench, set, Ok(Value::Null));
            check(bench, Call::new("get", [0.into()]), Ok(element));
        }
        refused => check(bench, set, refused),
    }
}

#[test]
fn short_integers_are_checked_as_in_python() {
    makes("b", 127, Ok(127.into()));
    makes("b", -128, Ok((-128).into()));
    makes("b", 300, over("signed char is greater than maximum"));
    makes("b", -129, over("signed char is less than minimum"));
    let short = "signed short integer is greater than maximum";
    makes("b", power(40), over(short));
    let long = "Python int too large to convert to C long";
    makes("b", power(63), over(long));
    makes("B", 255, Ok(255.into()));
    makes(
        "B",
        300,
        over("unsigned byte integer is greater than maximum"),
    );
    makes("B", -1, over("unsigned byte integer is less than minimum"));
    makes("h", power(40), over(short));
    makes("h", true, Ok(1.into()));
    makes("H", 65_535, Ok(65_535.into()));
    makes("H", 65_536, over("unsigned short is greater than maximum"));
    makes("H", -1, over("unsigned short is less than minimum"));
    makes(
        "H",
        power(40),
        over("signed integer is greater than maximum"),
    );
    let no_int = "'float' object cannot be interpreted as an integer";
    makes("i", 1.5, wrong(no_int));
    let no_int = "'str' object cannot be interpreted as an integer";
    makes("i", "x", wrong(no_int));
    let no_int = "'NoneType' object cannot be interpreted as an integer";
    makes("i", Value::Null, wrong(no_int));
}

#[test]
fn long_integers_are_checked_as_in_python() {
    let greatest = || Value::from_big_int(BigInt::from(u64::MAX));
    let negative = "can't convert negative value to unsigned int";
    let unsigned = "Python int too large to convert to C unsigned long";
    makes(
        "i",
        power(31),
        over("signed integer is greater than maximum"),
    );
    makes("i", i64::from(i32::MIN), Ok(i64::from(i32::MIN).into()));
    makes("I", i64::from(u32::MAX), Ok(i64::from(u32::MAX).into()));
    makes("I", power(32), over("unsigned int is greater than maximum"));
    makes("I", -1, over(negative));
    makes("I", power(70), over(unsigned));
    makes("l", i64::MIN, Ok(i64::MIN.into()));
    makes(
        "l",
        power(70),
        over("Python int too large to convert to C long"),
    );
    makes("L", greatest(), Ok(greatest()));
    makes("L", -1, over(negative));
    makes("L", power(64), over(unsigned));
    makes("q", i64::MAX, Ok(i64::MAX.into()));
    makes("q", power(63), over("int too big to convert"));
    makes("Q", power(63), Ok(power(63)));
    makes("Q", power(64), over("int too big to convert"));
    makes("Q", -1, over("can't convert negative int to unsigned"));
}

#[test]
fn floats_and_characters_are_made_as_in_python() {
    makes("f", 0.1, Ok(0.100_000_001_490_116_12.into()));
    makes("f", 1e300, Ok(f64::INFINITY.into()));
    makes("d", 3, Ok(3.0.into()));
    makes("d", true, Ok(1.0.into()));
    makes("d", power(2000), over("int too large to convert to float"));
    makes("d", "x", wrong("must be real number, not str"));
    makes("d", Value::Null, wrong("must be real number, not NoneType"));
    makes("u", "é", Ok("é".into()));
    makes("w", "\u{1F600}", Ok("\u{1F600}".into()));
    for no_character in ["xy".into(), "".into(), 1.into(), Value::Null] {
        makes(
            "u",
            no_character,
            wrong("array item must be unicode character"),
        );
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
    type Given<'a> = &'a [(&'a str, Value)];
    let cases: [(Given<'_>, Code, &str); 6] = [
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
