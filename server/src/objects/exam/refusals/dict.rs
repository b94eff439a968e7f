//! What a dict refuses.

use super::*;

#[test]
fn a_missing_key_is_named() {
    let dict = &mut bench("dict", &[]);
    for method in ["get", "delete", "pop"] {
        refused(
            dict,
            ask(method, ["x".into()]),
            Code::NotFound,
            "no key \"x\"",
        );
        refused(
            dict,
            ask(method, [1.5.into()]),
            Code::NotFound,
            "no key 1.5",
        );
    }
    let strict = ask("increment", ["x".into()]).with("default", Value::Null);
    refused(dict, strict, Code::NotFound, "no key \"x\"");
}

#[test]
fn an_empty_dict_has_no_item_to_pop() {
    let words = "popitem(): dictionary is empty";
    refused(
        &mut bench("dict", &[]),
        plain("popitem"),
        Code::NotFound,
        words,
    );
}

#[test]
fn what_can_change_is_no_key() {
    let dict = &mut bench("dict", &[]);
    let keys = [
        ("list", list([])),
        ("dict", Value::Dict(Vec::new())),
        ("list", Value::Tuple(vec![list([])])),
    ];
    for (name, key) in keys {
        let words = format!("a {name} cannot be a key or a member: it can change");
        for method in ["get", "contains", "delete", "pop", "setdefault"] {
            refused(dict, ask(method, [key.clone()]), Code::WrongType, &words);
        }
        refused(
            dict,
            ask("set", [key.clone(), 1.into()]),
            Code::WrongType,
            &words,
        );
        let pair = Value::Tuple(vec![key.clone(), 1.into()]);
        refused(dict, ask("update", [list([pair])]), Code::WrongType, &words);
    }
}
