//! What a list refuses.

use super::*;

fn of(values: impl IntoIterator<Item = Value>) -> Bench {
    let mut bench = bench("list", &[]);
    done(&mut bench, 1, ask("extend", [list(values)]));
    bench
}

#[test]
fn an_index_out_of_range_is_not_read() {
    let one = &mut of([1.into()]);
    for index in [1, -2, i64::MAX, i64::MIN] {
        let get = ask("get", [index.into()]);
        refused(one, get, Code::NotFound, "list index out of range");
    }
}

#[test]
fn an_index_out_of_range_is_not_written() {
    let one = &mut of([1.into()]);
    let words = "list assignment index out of range";
    for index in [1, -2] {
        let set = ask("set", [index.into(), 5.into()]);
        refused(one, set, Code::NotFound, words);
        refused(one, ask("delete", [index.into()]), Code::NotFound, words);
    }
}

#[test]
fn nothing_is_popped_from_an_empty_list() {
    let empty = &mut of([]);
    refused(empty, plain("pop"), Code::NotFound, "pop from empty list");
    let third = ask("pop", [3.into()]);
    refused(empty, third, Code::NotFound, "pop from empty list");
}

#[test]
fn an_index_out_of_range_is_not_popped() {
    let one = &mut of([1.into()]);
    for index in [1, -2] {
        let pop = ask("pop", [index.into()]);
        refused(one, pop, Code::NotFound, "pop index out of range");
    }
}

#[test]
fn what_is_not_in_a_list_is_not_removed() {
    let words = "list.remove(x): x not in list";
    refused(
        &mut of([1.into()]),
        ask("remove", [77.into()]),
        Code::NotFound,
        words,
    );
}

#[test]
fn what_is_not_in_a_list_has_no_index() {
    let one = &mut of([77.into()]);
    refused(
        one,
        ask("index", [7.into()]),
        Code::NotFound,
        "7 is not in list",
    );
    let beyond = ask("index", [77.into(), 1.into()]);
    refused(one, beyond, Code::NotFound, "77 is not in list");
}

#[test]
fn values_without_an_order_are_not_sorted() {
    // What is compared first, and as which operand, is as in Python.
    let cases: [(&[Value], bool, &str, &str); 7] = [
        (&[1.into(), "a".into()], false, "str", "int"),
        (&[1.into(), "a".into()], true, "int", "str"),
        (&[Value::Null, 1.into()], false, "int", "NoneType"),
        (&[1.into(), 2.into(), "a".into()], false, "str", "int"),
        (&[list([1.into()]), list(["a".into()])], false, "str", "int"),
        (&[Value::Tuple(vec![]), list([])], false, "list", "tuple"),
        (
            &[Value::Dict(vec![]), Value::Dict(vec![])],
            false,
            "dict",
            "dict",
        ),
    ];
    for (values, reverse, a, b) in cases {
        let words = format!("'<' not supported between instances of '{a}' and '{b}'");
        let sort = plain("sort").with("reverse", reverse);
        refused(&mut of(values.to_vec()), sort, Code::WrongType, &words);
    }
}

#[test]
fn a_slice_with_a_step_is_replaced_by_as_many() {
    let words = "attempt to assign sequence of size 3 to extended slice of size 1";
    let set = ask("set_slice", [list((0..3).map(Value::Int))]).with("step", 2);
    refused(&mut of([1.into()]), set, Code::BadArguments, words);
}
