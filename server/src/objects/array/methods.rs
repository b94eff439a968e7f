//! What can be called on an array, and the options that make one.

use super::super::increment::{BY, CLAMP, MAX, MIN};
use super::super::paging::few_to_look_at;
use super::super::{Kind, Method, Options, Parameter};
use super::typecode::Typecode;
use super::{Array, Initial};
use commonhold_proto::{Code, Refusal, Value};

/// The kind.
pub static KIND: Kind = Kind {
    name: "array",
    doc: "Numbers, or characters, of one type, as Python's array.array.",
    options: &[
        Parameter::required(
            "typecode",
            "str: b B h H i I l L q Q f d as in Python's module array, or u or w for texts of one character",
        ),
        Parameter::optional("values", "list of the elements to start with"),
        Parameter::optional(
            "size",
            "int: how many zeros to start with, in place of values; default 0",
        ),
    ],
    methods: &[
        Method::read("get", "Returns the element at an index.", &[INDEX]),
        Method::write("set", "Replaces the element at an index.", &[INDEX, VALUE]),
        Method::read(
            "get_slice",
            "Returns a list of the elements of a slice.",
            &[START, STOP, STEP],
        ),
        Method::write(
            "set_slice",
            "Replaces the elements of a slice; with a step other than 1 by as many. Where the length changes, every \
             element after the slice is written.",
            &[
                Parameter::required("values", "list or tuple of elements"),
                START,
                STOP,
                STEP,
            ],
        ),
        Method::read("len", "Returns the number of elements.", &[]),
        Method::read("typecode", "Returns the type of the elements.", &[]),
        Method::read("copy", "Returns all of it as a list value.", &[]),
        Method::read(
            "index",
            "Returns the index of the first element that equals this value, within a range.",
            &[VALUE, START, STOP],
        ),
        Method::read(
            "count",
            "Returns how many elements equal this value.",
            &[VALUE],
        ),
        Method::read(
            "contains",
            "Tells whether an element equals this value.",
            &[VALUE],
        ),
        Method::write(
            "increment",
            "Adds to the element at an index and returns the new one; a result beyond the type is refused.",
            &[INDEX, BY, MIN, MAX, CLAMP],
        ),
        Method::write(
            "compare_and_set",
            "Replaces the element at an index if it equals the expected value; returns whether it did.",
            &[
                INDEX,
                Parameter::required("expected", "what the element must equal; NaN equals itself here"),
                VALUE,
            ],
        ),
    ],
    create: |options| Ok(Box::new(create(options)?)),
};

const INDEX: Parameter = Parameter::required("index", "int: from the end if negative");
const VALUE: Parameter = Parameter::required("value", "value: int, float or str, by the type");
const START: Parameter =
    Parameter::optional("start", "int: the first index; default None, the start");
const STOP: Parameter = Parameter::optional(
    "stop",
    "int: the index after the last; default None, the end",
);
const STEP: Parameter = Parameter::optional(
    "step",
    "int: how far apart, backwards if negative; default 1",
);

fn create(options: &Options) -> Result<Array, Refusal> {
    let bad = |message: String| Refusal::new(Code::BadArguments, message);
    let typecode = match options.get("typecode") {
        Some(Value::Text(code)) => Typecode::find(code),
        _ => None,
    };
    let Some(typecode) = typecode else {
        return Err(bad(
            "bad typecode (must be b, B, u, w, h, H, i, I, l, L, q, Q, f or d)".to_owned(),
        ));
    };
    let initial = match (options.get("values"), options.get("size")) {
        (Some(_), Some(_)) => {
            return Err(bad(
                "the options \"values\" and \"size\" exclude each other".to_owned(),
            ));
        }
        (Some(Value::List(values) | Value::Tuple(values)), None) => {
            // They become no rows.
            few_to_look_at(values.len())?;
            let elements: Result<Vec<u64>, Refusal> =
                values.iter().map(|value| typecode.element(value)).collect();
            Initial::Elements(elements?)
        }
        (Some(other), None) => {
            let what = other.type_name();
            return Err(bad(format!(
                "the option \"values\" must be a list, not {what}"
            )));
        }
        (None, Some(Value::Int(size))) => match u32::try_from(*size) {
            Ok(size) => Initial::Zeros(size),
            Err(_) if *size < 0 => {
                return Err(bad(format!("Array length must be >= 0, not {size}")));
            }
            Err(_) => {
                return Err(bad(format!(
                    "the option \"size\" must be at most {}",
                    u32::MAX
                )));
            }
        },
        (None, Some(other)) => {
            let what = other.type_name();
            return Err(bad(format!(
                "the option \"size\" must be an int, not {what}"
            )));
        }
        (None, None) => Initial::Zeros(0),
    };
    Ok(Array::new(typecode, initial))
}
