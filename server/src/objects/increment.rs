//! The arguments of every `increment`, and what they make of a number.

use super::{Arguments, Parameter};
use commonhold_proto::value::number;
use commonhold_proto::{Code, Refusal, Value};
use std::cmp::Ordering;

pub(super) const BY: Parameter = Parameter::optional("by", "number to add; default 1");
pub(super) const MIN: Parameter =
    Parameter::optional("min", "number: a smaller result is refused; default none");
pub(super) const MAX: Parameter =
    Parameter::optional("max", "number: a larger result is refused; default none");
pub(super) const CLAMP: Parameter = Parameter::optional(
    "clamp",
    "bool: a result out of bounds becomes the bound; default False",
);

static ONE: Value = Value::Int(1);

/// How a number changes.
pub(super) struct Increment<'a> {
    by: &'a Value,
    min: Option<&'a Value>,
    max: Option<&'a Value>,
    clamp: bool,
}

impl<'a> Increment<'a> {
    /// Reads `by`, `min`, `max` and `clamp`.
    pub(super) fn of(call: &'a Arguments) -> Result<Increment<'a>, Refusal> {
        let by = call.get("by").unwrap_or(&ONE);
        if !number::is_number(by) {
            return Err(Refusal::new(
                Code::WrongType,
                format!("cannot add {}: it is not a number", by.repr()),
            ));
        }
        let bound = |name| match call.get(name) {
            None | Some(Value::Null) => Ok(None),
            // NaN compares with nothing, not even with itself.
            Some(bound) if number::compare(bound, bound).is_some() => Ok(Some(bound)),
            Some(_) => Err(call.bad(name, "must be a number")),
        };
        let (min, max) = (bound("min")?, bound("max")?);
        if let (Some(min), Some(max)) = (min, max)
            && number::compare(min, max) == Some(Ordering::Greater)
        {
            return Err(call.bad("min", "is above \"max\""));
        }
        let clamp = call.bool_or("clamp", false)?;
        Ok(Increment {
            by,
            min,
            max,
            clamp,
        })
    }

    pub(super) const fn by(&self) -> &'a Value {
        self.by
    }

    /// The sum with `old`, within the bounds.
    pub(super) fn of_number(&self, old: &Value) -> Result<Value, Refusal> {
        self.bound(number::add(old, self.by)?)
    }

    /// This result, or the bound that it passes, or `OutOfBounds`.
    pub(super) fn bound(&self, result: Value) -> Result<Value, Refusal> {
        let bounds = [
            (self.min, Ordering::Less, "below min"),
            (self.max, Ordering::Greater, "above max"),
        ];
        for (bound, beyond, words) in bounds {
            let Some(bound) = bound else { continue };
            match number::compare(&result, bound) {
                Some(order) if order != beyond => {}
                Some(_) if self.clamp => return Ok(bound.clone()),
                Some(_) => {
                    let message = format!("{} would be {words} {}", result.repr(), bound.repr());
                    return Err(Refusal::new(Code::OutOfBounds, message));
                }
                None => {
                    let message = "the result would be NaN, which is within no bounds";
                    return Err(Refusal::new(Code::OutOfBounds, message));
                }
            }
        }
        Ok(result)
    }
}
