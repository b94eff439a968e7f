//! What can be called on a list.

use super::super::increment::{BY, CLAMP, MAX, MIN};
use super::super::{Kind, Method, Options, Parameter};
use super::List;

/// The kind.
pub static KIND: Kind = Kind {
    name: "list",
    doc: "Values by index, with all of Python's slices.",
    options: &[],
    methods: &[
        Method::read("get", "Returns the value at an index.", &[INDEX]),
        Method::write("set", "Replaces the value at an index.", &[INDEX, VALUE]),
        Method::write("delete", "Deletes the value at an index.", &[INDEX]).shrinking(),
        Method::write(
            "increment",
            "Adds to the value at an index, which must be a number, and returns the new one.",
            &[INDEX, BY, MIN, MAX, CLAMP],
        ),
        Method::write(
            "compare_and_set",
            "Replaces the value at an index if it equals the expected one; returns whether it did.",
            &[INDEX, Parameter::required("expected", "what the value must equal; NaN equals itself here"), VALUE],
        ),
        Method::read("get_slice", "Returns a list of the values of a slice.", &[START, STOP, STEP]),
        Method::write(
            "set_slice",
            "Replaces the values of a slice; with a step other than 1 by as many.",
            &[VALUES, START, STOP, STEP],
        ),
        Method::write("delete_slice", "Deletes the values of a slice.", &[START, STOP, STEP])
            .shrinking(),
        Method::write("append", "Adds a value at the end.", &[VALUE]),
        Method::write("extend", "Adds values at the end.", &[VALUES]),
        Method::write(
            "insert",
            "Adds a value before an index.",
            &[
                Parameter::required("index", "int: from the end if negative; moved into the list if beyond"),
                VALUE,
            ],
        ),
        Method::write(
            "pop",
            "Deletes the value at an index and returns it.",
            &[Parameter::optional("index", "int: from the end if negative; default -1, the last")],
        ),
        Method::write("remove", "Deletes the first value that equals this one.", &[VALUE])
            .shrinking(),
        Method::read(
            "index",
            "Returns the index of the first value that equals this one, within a range.",
            &[VALUE, START, STOP],
        ),
        Method::read("count", "Returns how many values equal this one.", &[VALUE]),
        Method::read("contains", "Tells whether a value equals this one.", &[VALUE]),
        Method::read("len", "Returns the number of values.", &[]),
        Method::write("reverse", "Reverses the order; it writes every value.", &[]),
        Method::write(
            "sort",
            "Sorts, equal values in the order in which they are; it writes every value. Values that have no order are \
             refused.",
            &[Parameter::optional("reverse", "bool: the greatest first; default False")],
        ),
        Method::write(
            "reorder",
            "Puts the values at the front into another order if they equal the expected ones, and returns whether they \
             did. What is behind them stays. Who sorts by a key of its own reads, sorts, and asks for this.",
            &[
                Parameter::required("order", "list of ints: which of the expected values comes first, second and so on"),
                Parameter::required("expected", "list of what the values must equal; NaN equals itself here"),
            ],
        ),
        Method::write("clear", "Deletes all values.", &[]).shrinking(),
        Method::read("copy", "Returns all of it as a list value.", &[]),
        Method::read(
            "scan",
            "Returns where to go on, or None at the end, and a list of values. A value that stays in its place is met \
             exactly once, unless so many are inserted beside it meanwhile that it is written anew.",
            &[
                Parameter::optional("cursor", "where to go on; default None, the start"),
                Parameter::optional("limit", "the most values to return; default 1000"),
            ],
        ),
    ],
    create: |_: &Options| Ok(Box::new(List::default())),
};

const INDEX: Parameter = Parameter::required("index", "int: from the end if negative");
const VALUE: Parameter = Parameter::required("value", "value");
const VALUES: Parameter =
    Parameter::required("values", "list, tuple, set or frozenset of values, or a dict of which the keys count");
const START: Parameter = Parameter::optional("start", "int: the first index; default None, the start");
const STOP: Parameter = Parameter::optional("stop", "int: the index after the last; default None, the end");
const STEP: Parameter = Parameter::optional("step", "int: how far apart, backwards if negative; default 1");
