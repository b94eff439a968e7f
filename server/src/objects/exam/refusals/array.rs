//! What an array refuses.

use super::*;

fn ints() -> Bench {
    let values = list([1.into()]);
    bench("array", &[("typecode", "i".into()), ("values", values)])
}

#[test]
fn an_index_out_of_range_is_not_read_or_written() {
    let one = &mut ints();
    for index in [1, -2] {
        let get = ask("get", [index.into()]);
        refused(one, get, Code::NotFound, "array index out of range");
        let set = ask("set", [index.into(), 5.into()]);
        let words = "array assignment index out of range";
        refused(one, set, Code::NotFound, words);
    }
}

#[test]
fn a_number_out_of_range_is_not_stored() {
    let one = &mut ints();
    let large = ask("set", [0.into(), (1i64 << 40).into()]);
    let words = "signed integer is greater than maximum";
    refused(one, large, Code::OutOfBounds, words);
    let small = ask("set", [0.into(), (-1i64 << 40).into()]);
    let words = "signed integer is less than minimum";
    refused(one, small, Code::OutOfBounds, words);
}

#[test]
fn a_value_of_another_type_is_not_stored() {
    let one = &mut ints();
    for (name, value) in [
        ("str", "x".into()),
        ("float", 1.5.into()),
        ("NoneType", Value::Null),
    ] {
        let words = format!("'{name}' object cannot be interpreted as an integer");
        refused(one, ask("set", [0.into(), value]), Code::WrongType, &words);
    }
    let floats = &mut bench(
        "array",
        &[("typecode", "d".into()), ("values", list([1.into()]))],
    );
    let words = "must be real number, not str";
    refused(
        floats,
        ask("set", [0.into(), "x".into()]),
        Code::WrongType,
        words,
    );
}

#[test]
fn an_array_is_made_of_a_list_and_a_typecode() {
    let number = [("typecode", "i".into()), ("values", 5.into())];
    let words = "the option \"values\" must be a list, not int";
    not_created("array", &number, Code::BadArguments, words);
    let words = "bad typecode (must be b, B, u, w, h, H, i, I, l, L, q, Q, f or d)";
    not_created(
        "array",
        &[("typecode", "z".into())],
        Code::BadArguments,
        words,
    );
}
