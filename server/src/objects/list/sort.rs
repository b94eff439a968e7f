//! Sorting as Python does: stable, and refused where two values have no order.

use commonhold_proto::value::number;
use commonhold_proto::{Code, Refusal, Value};
use std::cmp::Ordering;

/// How Python's `<` orders two values. A refusal has the words of `a < b`.
pub(super) fn compare(a: &Value, b: &Value) -> Result<Ordering, Refusal> {
    match (a, b) {
        (Value::Text(a), Value::Text(b)) => Ok(a.cmp(b)),
        (Value::Bytes(a), Value::Bytes(b)) => Ok(a.cmp(b)),
        (Value::List(a), Value::List(b)) | (Value::Tuple(a), Value::Tuple(b)) => {
            match a.iter().zip(b).find(|(a, b)| !a.equals(b)) {
                Some((a, b)) => compare(a, b),
                None => Ok(a.len().cmp(&b.len())),
            }
        }
        _ => number::compare(a, b).ok_or_else(|| {
            let message = match (a, b) {
                (Value::Float(nan), _) | (_, Value::Float(nan)) if nan.is_nan() => {
                    "NaN has no order, so it cannot be sorted".to_owned()
                }
                _ => format!(
                    "'<' not supported between instances of '{}' and '{}'",
                    python_type(a),
                    python_type(b)
                ),
            };
            Refusal::new(Code::WrongType, message)
        }),
    }
}

/// As Python names the type.
fn python_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "NoneType",
        other => other.type_name(),
    }
}

/// Sorts; equal values keep their order, also if the greatest comes first.
///
/// The standard library's sort may panic where values have no order, so this is a merge sort of our own.
pub(super) fn sort<T: Clone>(
    items: &mut [T],
    value: &impl Fn(&T) -> &Value,
    reverse: bool,
) -> Result<(), Refusal> {
    if items.len() < 2 {
        return Ok(());
    }
    let middle = items.len() / 2;
    sort(&mut items[..middle], value, reverse)?;
    sort(&mut items[middle..], value, reverse)?;
    let (mut left, mut right) = (0, middle);
    let mut merged = Vec::with_capacity(items.len());
    while left < middle && right < items.len() {
        let (earlier, later) = (value(&items[left]), value(&items[right]));
        // Is the later one less? If the greatest comes first: the earlier one?
        let is_later_first = if reverse {
            compare(earlier, later)? == Ordering::Less
        } else {
            compare(later, earlier)? == Ordering::Less
        };
        let next = if is_later_first { &mut right } else { &mut left };
        merged.push(items[*next].clone());
        *next += 1;
    }
    merged.extend_from_slice(&items[left..middle]);
    merged.extend_from_slice(&items[right..]);
    items.clone_from_slice(&merged);
    Ok(())
}
