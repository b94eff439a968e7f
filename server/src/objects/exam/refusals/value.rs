//! What a value and a namespace refuse.

use super::*;

#[test]
fn only_numbers_are_increased() {
    let value = &mut bench("value", &[("initial", "s".into())]);
    let words = "a str is not a number";
    refused(value, plain("increment"), Code::WrongType, words);
    let one = &mut bench("value", &[("initial", 1.into())]);
    let words = "cannot add \"s\": it is not a number";
    refused(one, ask("increment", ["s".into()]), Code::WrongType, words);
}

#[test]
fn a_missing_attribute_is_named() {
    let namespace = &mut bench("namespace", &[]);
    for method in ["get", "delete", "increment"] {
        let words = "'Namespace' object has no attribute 'x'";
        refused(namespace, ask(method, ["x".into()]), Code::NotFound, words);
    }
}
