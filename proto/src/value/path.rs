//! Paths into a value: a list of keys and indexes, as Python would write them in brackets one after the other.
//!
//! A step into a dict is a key, compared as keys are; a step into a list or a tuple is an index, negative ones from the
//! end. What edits in place makes the whole new value, because that is what a row holds: so the value may be no larger
//! than [`EDIT_BYTES_MAX`].

use super::number::{self, NumberError};
use super::{DEPTH_MAX, KeyBuffer, KeyError, Value};
use crate::{Code, Refusal};
use prost::Message as _;

/// The largest value, in bytes of its stored form, that is edited in place.
pub const EDIT_BYTES_MAX: usize = 64 << 10;

/// Why a path leads nowhere.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// The dict lacks this key; written for people.
    #[error("no key {0}")]
    NoKey(String),
    /// The list or tuple has no such place; written for people.
    #[error("no index {index} in a {container} of {length}")]
    NoIndex {
        /// The index.
        index: String,
        /// `list` or `tuple`.
        container: &'static str,
        /// How many items there are.
        length: usize,
    },
    /// An index must be an int.
    #[error("an index of a {container} must be an int, not {index}")]
    NotAnIndex {
        /// `list` or `tuple`.
        container: &'static str,
        /// The type of what was given.
        index: &'static str,
    },
    /// Only dicts, lists and tuples have places.
    #[error("a path cannot go into {}", article(.0))]
    NoContainer(&'static str),
    /// Tuples do not change.
    #[error("a tuple cannot be changed")]
    Immutable,
    /// No step: nothing to delete.
    #[error("the path is empty")]
    Empty,
    /// The step cannot be a key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Nothing can be added there.
    #[error(transparent)]
    Number(#[from] NumberError),
    /// Editing it in place would write all of it at each step.
    #[error(
        "a value above {} KiB cannot be edited in place: make it an object of its own",
        EDIT_BYTES_MAX >> 10
    )]
    TooLarge,
    /// It would be nested deeper than any value may be.
    #[error(
        "the value would be nested deeper than {DEPTH_MAX} levels: make what is in it an object of its own"
    )]
    TooDeep,
}

impl From<PathError> for Refusal {
    fn from(error: PathError) -> Refusal {
        let code = match &error {
            PathError::NoKey(_) | PathError::NoIndex { .. } => Code::NotFound,
            PathError::NotAnIndex { .. } | PathError::NoContainer(_) | PathError::Immutable => {
                Code::WrongType
            }
            PathError::Empty => Code::BadArguments,
            PathError::TooLarge | PathError::TooDeep => Code::ValueTooLarge,
            PathError::Key(error) => return (*error).into(),
            PathError::Number(error) => return (*error).into(),
        };
        Refusal::new(code, error.to_string())
    }
}

impl PathError {
    /// Does only the last place that was looked for lack?
    pub const fn is_absence(&self) -> bool {
        matches!(self, PathError::NoKey(_) | PathError::NoIndex { .. })
    }
}

/// That a dict lacks this key.
pub fn no_key(key: &Value) -> PathError {
    PathError::NoKey(key.repr().to_string())
}

/// What is at the path. An empty path is the value itself.
pub fn get<'a>(value: &'a Value, path: &[Value]) -> Result<&'a Value, PathError> {
    path.iter().try_fold(value, |value, step| match value {
        Value::Dict(pairs) => match find(pairs, step)? {
            Some(at) => Ok(&pairs[at].1),
            None => Err(no_key(step)),
        },
        Value::List(items) | Value::Tuple(items) => {
            Ok(&items[index(value.type_name(), items.len(), step)?])
        }
        _ => Err(PathError::NoContainer(value.type_name())),
    })
}

/// The whole value with `new` at the path: in place of what is there, or as a dict's new last entry. An empty path is
/// the value itself.
pub fn set(value: &Value, path: &[Value], new: Value) -> Result<Value, PathError> {
    edit(value, path, |place| match place {
        Place::There(there) => {
            *there = new;
            Ok(())
        }
        Place::Absent(pairs, key) => {
            pairs.push((key.clone(), new));
            Ok(())
        }
    })
    .map(|(whole, ())| whole)
}

/// The whole value without what is at the path, and what was there.
pub fn remove(value: &Value, path: &[Value]) -> Result<(Value, Value), PathError> {
    let (last, parents) = path.split_last().ok_or(PathError::Empty)?;
    edit(value, parents, |place| {
        let Place::There(container) = place else {
            return Err(no_key(parents.last().unwrap_or(last)));
        };
        match container {
            Value::Dict(pairs) => match find(pairs, last)? {
                Some(at) => Ok(pairs.remove(at).1),
                None => Err(no_key(last)),
            },
            Value::List(items) => Ok(items.remove(index("list", items.len(), last)?)),
            Value::Tuple(_) => Err(PathError::Immutable),
            other => Err(PathError::NoContainer(other.type_name())),
        }
    })
}

/// The whole value with the number at the path raised by `by`, and the number's new value. Where the last step is a key
/// that its dict lacks, the number starts at `default`, if there is one. `bound` sees the sum and may replace or refuse
/// it.
pub fn increment<E: From<PathError>>(
    value: &Value,
    path: &[Value],
    by: &Value,
    default: Option<&Value>,
    bound: impl FnOnce(Value) -> Result<Value, E>,
) -> Result<(Value, Value), E> {
    let sum = |old: &Value| number::add(old, by).map_err(|e| E::from(e.into()));
    edit(value, path, |place| match place {
        Place::There(there) => {
            *there = bound(sum(there)?)?;
            Ok(there.clone())
        }
        Place::Absent(pairs, key) => {
            let old = default.ok_or_else(|| E::from(no_key(key)))?;
            let new = bound(sum(old)?)?;
            pairs.push((key.clone(), new.clone()));
            Ok(new)
        }
    })
}

/// Where the last step of a path leads.
enum Place<'a> {
    There(&'a mut Value),
    /// A dict that lacks the key.
    Absent(&'a mut Vec<(Value, Value)>, &'a Value),
}

/// Changes what is at the path in a copy of the value.
fn edit<T, E: From<PathError>>(
    value: &Value,
    path: &[Value],
    change: impl FnOnce(Place<'_>) -> Result<T, E>,
) -> Result<(Value, T), E> {
    if value.encoded_len() > EDIT_BYTES_MAX {
        return Err(PathError::TooLarge.into());
    }
    let mut whole = value.clone();
    let result = change(place(&mut whole, path)?)?;
    if whole.encoded_len() > EDIT_BYTES_MAX {
        return Err(PathError::TooLarge.into());
    }
    if whole.is_too_large() {
        return Err(PathError::TooDeep.into());
    }
    Ok((whole, result))
}

fn place<'a>(value: &'a mut Value, path: &'a [Value]) -> Result<Place<'a>, PathError> {
    let Some((step, rest)) = path.split_first() else {
        return Ok(Place::There(value));
    };
    match value {
        Value::Dict(pairs) => match find(pairs, step)? {
            Some(at) => place(&mut pairs[at].1, rest),
            None if rest.is_empty() => Ok(Place::Absent(pairs, step)),
            None => Err(no_key(step)),
        },
        Value::List(items) => {
            let at = index("list", items.len(), step)?;
            place(&mut items[at], rest)
        }
        // What a tuple holds may change, its places may not.
        Value::Tuple(items) => {
            let at = index("tuple", items.len(), step)?;
            if rest.is_empty() {
                return Err(PathError::Immutable);
            }
            place(&mut items[at], rest)
        }
        other => Err(PathError::NoContainer(other.type_name())),
    }
}

/// A type's name with its article; `None` has none.
fn article(type_name: &str) -> String {
    match type_name {
        "None" => "None".into(),
        "int" | "opaque" => format!("an {type_name}"),
        _ => format!("a {type_name}"),
    }
}

/// Where a dict has the key.
fn find(pairs: &[(Value, Value)], key: &Value) -> Result<Option<usize>, PathError> {
    let mut wanted = KeyBuffer::new();
    key.write_canonical_key(&mut wanted)?;
    let mut bytes = KeyBuffer::new();
    Ok(pairs.iter().position(|(key, _)| {
        bytes.clear();
        key.write_canonical_key(&mut bytes).is_ok() && bytes == wanted
    }))
}

/// The place that an index means.
fn index(container: &'static str, length: usize, step: &Value) -> Result<usize, PathError> {
    let signed = match step {
        Value::Int(index) => *index,
        Value::Bool(index) => (*index).into(),
        Value::BigInt(_) => i64::MAX,
        other => {
            return Err(PathError::NotAnIndex {
                container,
                index: other.type_name(),
            });
        }
    };
    let place = if signed < 0 {
        length.checked_add_signed(isize::try_from(signed).unwrap_or(isize::MIN))
    } else {
        usize::try_from(signed).ok()
    };
    place.filter(|at| *at < length).ok_or(PathError::NoIndex {
        index: step.repr().to_string(),
        container,
        length,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::strategy;
    use proptest::prelude::*;

    /// `{"a": [1, (2, [3])], True: 4}`
    fn sample() -> Value {
        let inner = Value::Tuple(vec![2.into(), Value::List(vec![3.into()])]);
        Value::Dict(vec![
            ("a".into(), Value::List(vec![1.into(), inner])),
            (true.into(), 4.into()),
        ])
    }

    #[track_caller]
    fn check<T: std::fmt::Display>(result: Result<T, PathError>, expected: &str) {
        let text = match result {
            Ok(value) => value.to_string(),
            Err(error) => error.to_string(),
        };
        assert_eq!(text, expected);
    }

    #[test]
    fn what_is_at_a_path() {
        let sample = sample();
        let at = |path: &[Value]| get(&sample, path).map(Value::repr);
        check(at(&[]), r#"{"a": [1, (2, [3])], True: 4}"#);
        check(at(&["a".into(), 0.into()]), "1");
        check(at(&["a".into(), (-1).into(), true.into()]), "[3]");
        check(at(&[1.0.into()]), "4");
        check(at(&["b".into()]), r#"no key "b""#);
        check(at(&["a".into(), 2.into()]), "no index 2 in a list of 2");
        check(at(&["a".into(), (-3).into()]), "no index -3 in a list of 2");
        check(
            at(&["a".into(), i64::MIN.into()]),
            "no index -9223372036854775808 in a list of 2",
        );
        check(
            at(&["a".into(), 0.0.into()]),
            "an index of a list must be an int, not float",
        );
        check(at(&[1.into(), 0.into()]), "a path cannot go into an int");
        check(
            at(&[Value::List(vec![])]),
            "a list cannot be a key or a member: it can change",
        );
    }

    #[test]
    fn no_edit_makes_a_value_that_no_call_could_bring() {
        let mut whole = Value::Dict(vec![]);
        let mut path: Vec<Value> = Vec::new();
        let refused = loop {
            path.push("next".into());
            match set(&whole, &path, Value::Dict(vec![])) {
                Ok(deeper) => whole = deeper,
                Err(error) => break error,
            }
        };
        // The innermost could hold nothing any more.
        assert_eq!((refused, path.len()), (PathError::TooDeep, DEPTH_MAX - 1));
        let read = Value::decode(&*whole.encode_to_vec()).expect("it is read as it was written");
        assert_eq!(read, whole);
        let inside = set(
            &whole,
            &path[..DEPTH_MAX - 2],
            Value::List(vec![whole.clone()]),
        );
        assert_eq!(inside, Err(PathError::TooDeep));
    }

    #[test]
    fn edits_make_the_whole_value() {
        let sample = sample();
        let set = |path: &[Value]| set(&sample, path, 9.into()).map(|v| v.repr().to_string());
        check(set(&[]), "9");
        check(set(&["a".into()]), r#"{"a": 9, True: 4}"#);
        check(set(&[1.into()]), r#"{"a": [1, (2, [3])], True: 9}"#);
        check(
            set(&["z".into()]),
            r#"{"a": [1, (2, [3])], True: 4, "z": 9}"#,
        );
        let deep = ["a".into(), 1.into(), 1.into(), 0.into()];
        check(set(&deep), r#"{"a": [1, (2, [9])], True: 4}"#);
        check(set(&deep[..3]), "a tuple cannot be changed");
        check(set(&["z".into(), 1.into()]), r#"no key "z""#);

        let remove = |path: &[Value]| {
            super::remove(&sample, path)
                .map(|(whole, was)| format!("{} {}", was.repr(), whole.repr()))
        };
        check(remove(&[]), "the path is empty");
        check(remove(&[1.into()]), r#"4 {"a": [1, (2, [3])]}"#);
        check(
            remove(&["a".into(), (-2).into()]),
            r#"1 {"a": [(2, [3])], True: 4}"#,
        );
        check(remove(&deep[..3]), "a tuple cannot be changed");
        check(remove(&["z".into()]), r#"no key "z""#);
        check(remove(&["z".into(), 1.into()]), r#"no key "z""#);
    }

    #[test]
    fn increments_add_and_may_start() {
        let sample = sample();
        let raise = |path: &[Value], default: Option<&Value>| {
            increment(&sample, path, &10.into(), default, Ok)
                .map(|(whole, new): (Value, Value)| format!("{} {}", new.repr(), whole.repr()))
        };
        check(
            raise(&[1.into()], None),
            r#"14 {"a": [1, (2, [3])], True: 14}"#,
        );
        check(raise(&["n".into()], None), r#"no key "n""#);
        check(
            raise(&["n".into()], Some(&5.into())),
            r#"15 {"a": [1, (2, [3])], True: 4, "n": 15}"#,
        );
        check(raise(&["a".into()], None), "a list is not a number");
    }

    #[test]
    fn large_values_are_not_edited() {
        let large = Value::List(vec!["a".repeat(EDIT_BYTES_MAX).into()]);
        assert_eq!(set(&large, &[0.into()], 1.into()), Err(PathError::TooLarge));
        assert_eq!(remove(&large, &[0.into()]), Err(PathError::TooLarge));
        let small = Value::List(vec![1.into()]);
        let text = Value::from("a".repeat(EDIT_BYTES_MAX));
        assert_eq!(set(&small, &[0.into()], text), Err(PathError::TooLarge));
    }

    /// Every path of a value that names a place which may be set.
    fn paths(value: &Value, path: &mut Vec<Value>, found: &mut Vec<Vec<Value>>) {
        let steps: Vec<(Value, &Value)> = match value {
            Value::Dict(pairs) => pairs.iter().map(|(k, v)| (k.clone(), v)).collect(),
            Value::List(items) => (0..).map(Value::Int).zip(items).collect(),
            _ => return,
        };
        for (step, inner) in steps {
            path.push(step);
            found.push(path.clone());
            paths(inner, path, found);
            path.pop();
        }
    }

    proptest! {
        #[test]
        fn what_is_set_is_got_and_removed(value in strategy::value(), new in strategy::number()) {
            let mut found = Vec::new();
            paths(&value, &mut Vec::new(), &mut found);
            for path in found {
                let whole = set(&value, &path, new.clone())?;
                prop_assert_eq!(get(&whole, &path)?, &new);
                let (rest, removed) = remove(&whole, &path)?;
                prop_assert_eq!(&removed, &new);
                prop_assert!(rest.size() < whole.size());
                // Putting the old one back restores all.
                let old = get(&value, &path)?.clone();
                let again = set(&whole, &path, old)?;
                prop_assert_eq!(format!("{again:?}"), format!("{value:?}"));
            }
        }

        #[test]
        fn no_path_breaks_anything(value in strategy::value(), path in prop::collection::vec(strategy::value(), 0..3)) {
            let found = get(&value, &path).is_ok();
            if let Ok((_, removed)) = remove(&value, &path) {
                prop_assert!(found);
                prop_assert_eq!(format!("{removed:?}"), format!("{:?}", get(&value, &path)?));
            }
            if set(&value, &path, Value::Null).is_err() {
                prop_assert!(increment(&value, &path, &1.into(), Some(&0.into()), Ok::<_, PathError>).is_err());
            }
        }
    }
}
