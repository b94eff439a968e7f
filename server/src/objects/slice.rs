//! Indexes and slices as Python reads them.

use super::Arguments;
use commonhold_proto::{Refusal, Value};

/// An integer argument: `None` if it is left out or None. Beyond 64 bits it is as good as the largest.
pub(super) fn integer(call: &Arguments, name: &str) -> Result<Option<i64>, Refusal> {
    match call.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Int(number)) => Ok(Some(*number)),
        Some(Value::Bool(value)) => Ok(Some((*value).into())),
        Some(Value::BigInt(number)) => {
            let negative = number.sign() == num_bigint::Sign::Minus;
            Ok(Some(if negative { i64::MIN } else { i64::MAX }))
        }
        Some(other) => Err(no_integer(call, name, other)),
    }
}

/// That an argument is no integer.
pub(super) fn no_integer(call: &Arguments, name: &str, given: &Value) -> Refusal {
    let what = format!("must be an int, not {}", given.type_name());
    call.bad(name, &what)
}

/// The place of an index, if it is there; negative ones count from the end.
pub(super) fn place(index: i64, len: usize) -> Option<usize> {
    let place = if index < 0 {
        signed(len) + i128::from(index)
    } else {
        index.into()
    };
    usize::try_from(place).ok().filter(|place| *place < len)
}

/// The integer argument `index`, which must be given.
pub(super) fn index(call: &Arguments) -> Result<i64, Refusal> {
    integer(call, "index")?.ok_or_else(|| no_integer(call, "index", &Value::Null))
}

/// The bounds `start` and `stop` of a search.
pub(super) fn range(call: &Arguments, len: usize) -> Result<std::ops::Range<usize>, Refusal> {
    let (start, stop) = (integer(call, "start")?, integer(call, "stop")?);
    Ok(start.map_or(0, |start| bound(start, len))..stop.map_or(len, |stop| bound(stop, len)))
}

/// A bound that is moved into the sequence; negative ones count from the end.
pub(super) fn bound(bound: i64, len: usize) -> usize {
    let place = if bound < 0 {
        signed(len) + i128::from(bound)
    } else {
        bound.into()
    };
    usize::try_from(place.clamp(0, signed(len))).unwrap_or(len)
}

/// The items that a slice names: `count` of them, from `first`, `step` apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slice {
    pub(super) first: usize,
    pub(super) count: usize,
    step: i64,
}

impl Slice {
    /// Reads `start`, `stop` and `step`.
    pub(super) fn of(call: &Arguments, len: usize) -> Result<Slice, Refusal> {
        let step = integer(call, "step")?.unwrap_or(1);
        let (start, stop) = (integer(call, "start")?, integer(call, "stop")?);
        if step == 0 {
            return Err(call.bad("step", "cannot be zero"));
        }
        let (low, high) = if step > 0 {
            (0, signed(len))
        } else {
            (-1, signed(len) - 1)
        };
        let place = |bound: Option<i64>, default: i128| match bound {
            None => default,
            Some(bound) if bound < 0 => (signed(len) + i128::from(bound)).clamp(low, high),
            Some(bound) => i128::from(bound).clamp(low, high),
        };
        let (start, stop) = if step > 0 {
            (place(start, low), place(stop, high))
        } else {
            (place(start, high), place(stop, low))
        };
        let distance = if step > 0 { stop - start } else { start - stop };
        let stride = i128::from(step).abs();
        let count = if distance > 0 {
            (distance + stride - 1) / stride
        } else {
            0
        };
        Ok(Slice {
            first: usize::try_from(start).unwrap_or(0),
            count: usize::try_from(count).unwrap_or(0),
            step,
        })
    }

    /// Does it name a range whose length may change?
    pub(super) const fn is_plain(&self) -> bool {
        self.step == 1
    }

    /// The places, in the slice's order.
    pub(super) fn places(self) -> impl Iterator<Item = usize> {
        let (first, step) = (signed(self.first), i128::from(self.step));
        (0..self.count).map(move |nth| {
            usize::try_from(first + step * signed(nth)).expect("a slice stays within its sequence")
        })
    }
}

fn signed(len: usize) -> i128 {
    i128::try_from(len).expect("a length is far below 2^127")
}
