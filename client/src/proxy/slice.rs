//! Slices of lists and arrays, as Python reads them.

use crate::error::Result;
use commonhold_proto::{Call, Value};
use std::ops::{Range, RangeFrom, RangeFull, RangeTo};

/// Which items: a range such as `1..3` or `..-1`, and how far they are apart. `(1, -1)` is from 1 to the last but one: as a
/// range, clippy would take it for a mistake.
///
/// Negative bounds count from the end, and bounds beyond an end are moved to it, as in Python.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slice {
    start: Option<i64>,
    stop: Option<i64>,
    step: Option<i64>,
}

impl Slice {
    /// All items.
    pub const fn all() -> Slice {
        Slice {
            start: None,
            stop: None,
            step: None,
        }
    }

    /// Only items that stand so far apart, from the first of the range; backwards if negative. 0 is refused.
    #[must_use]
    pub const fn step(mut self, step: i64) -> Slice {
        self.step = Some(step);
        self
    }

    /// The call with the slice's bounds.
    pub(super) fn of(self, call: Result<Call>) -> Result<Call> {
        let bounds = [
            ("start", self.start),
            ("stop", self.stop),
            ("step", self.step),
        ];
        call.map(|call| {
            let given = bounds
                .into_iter()
                .filter_map(|(name, bound)| Some((name, bound?)));
            given.fold(call, |call, (name, bound)| {
                call.with(name, Value::Int(bound))
            })
        })
    }
}

impl From<Range<i64>> for Slice {
    fn from(range: Range<i64>) -> Slice {
        Slice {
            start: Some(range.start),
            stop: Some(range.end),
            step: None,
        }
    }
}

impl From<(i64, i64)> for Slice {
    fn from((start, stop): (i64, i64)) -> Slice {
        Slice::from(start..stop)
    }
}

impl From<RangeFrom<i64>> for Slice {
    fn from(range: RangeFrom<i64>) -> Slice {
        Slice {
            start: Some(range.start),
            ..Slice::all()
        }
    }
}

impl From<RangeTo<i64>> for Slice {
    fn from(range: RangeTo<i64>) -> Slice {
        Slice {
            stop: Some(range.end),
            ..Slice::all()
        }
    }
}

impl From<RangeFull> for Slice {
    fn from(_: RangeFull) -> Slice {
        Slice::all()
    }
}
