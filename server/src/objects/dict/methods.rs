//! What can be called on a dict.

use super::super::increment::{BY, CLAMP, MAX, MIN};
use super::super::{Kind, Method, Options, Parameter};
use super::Dict;

/// The kind.
pub static KIND: Kind = Kind {
    name: "dict",
    doc: "Keys and values in insertion order, with Python's idea of equal keys.",
    options: &[],
    methods: &[
        Method::read(
            "get",
            "Returns the value of a key, or the default.",
            &[KEY, DEFAULT, PATH],
        ),
        Method::write("set", "Sets the value of a key.", &[KEY, VALUE, PATH]),
        Method::write("delete", "Deletes a key.", &[KEY, PATH]).shrinking(),
        Method::read("contains", "Tells whether a key is there.", &[KEY, PATH]),
        Method::read("len", "Returns the number of keys.", &[]),
        Method::write(
            "pop",
            "Deletes a key and returns its value, or the default.",
            &[KEY, DEFAULT, PATH],
        ),
        Method::write(
            "popitem",
            "Deletes the newest key and returns it with its value.",
            &[],
        ),
        Method::write(
            "setdefault",
            "Returns the value of a key, after setting it if the key is missing.",
            &[
                KEY,
                Parameter::optional("default", "value to set; default None"),
            ],
        ),
        Method::write(
            "increment",
            "Adds to the number of a key and returns the new one.",
            &[
                KEY,
                BY,
                Parameter::optional(
                    "default",
                    "number that a missing key starts at; None refuses a missing key; default 0",
                ),
                MIN,
                MAX,
                CLAMP,
                PATH,
            ],
        ),
        Method::write(
            "compare_and_set",
            "Sets the value of a key if it equals the expected one; returns whether it did.",
            &[
                KEY,
                Parameter::optional("expected", "value, NaN equals itself here; left out: the key must be missing"),
                VALUE,
                PATH,
            ],
        ),
        Method::write(
            "compare_and_delete",
            "Deletes a key if its value equals the expected one; returns whether it did.",
            &[KEY, Parameter::required("expected", "value; NaN equals itself here")],
        )
        .shrinking(),
        Method::write(
            "swap",
            "Sets the value of a key and returns the old one, or None.",
            &[KEY, VALUE],
        ),
        Method::write("update", "Sets many keys at once.", &[PAIRS]).merging(),
        Method::write("set_many", "Sets many keys at once.", &[PAIRS]).merging(),
        Method::read(
            "get_many",
            "Returns a dict of those of the keys that are there.",
            &[KEYS],
        ),
        Method::write(
            "delete_many",
            "Deletes keys and returns how many were there.",
            &[KEYS],
        )
        .shrinking(),
        Method::write("clear", "Deletes all keys.", &[]).shrinking(),
        Method::read("copy", "Returns all of it as a dict value.", &[]),
        Method::read("keys", "Returns a list of all keys.", &[]),
        Method::read("values", "Returns a list of all values.", &[]),
        Method::read("items", "Returns a list of all pairs.", &[]),
        Method::read(
            "scan",
            "Returns where to go on, or None at the end, and a list of pairs. A key that is there all the while is met \
             exactly once.",
            &[
                Parameter::optional("cursor", "where to go on; default None, the start"),
                Parameter::optional("limit", "the most pairs to return; default 1000"),
                Parameter::optional("only_keys", "bool: the keys alone, in place of pairs; default False"),
            ],
        ),
    ],
    create: |_: &Options| Ok(Box::new(Dict::default())),
};

const KEY: Parameter = Parameter::required("key", "the key: anything that is hashable in Python");
const VALUE: Parameter = Parameter::required("value", "value: the new one");
const DEFAULT: Parameter =
    Parameter::optional("default", "value to return if the key is missing");
const KEYS: Parameter = Parameter::required("keys", "list of keys");
const PAIRS: Parameter = Parameter::required(
    "pairs",
    "dict, or list of pairs of key and value; of a key given twice the last value counts",
);
const PATH: Parameter = Parameter::optional(
    "path",
    "list of keys and indexes: a place inside the key's value, which is meant instead",
);
