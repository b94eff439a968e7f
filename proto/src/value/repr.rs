//! Values as messages write them: near Python's `repr`, text in double quotes, never long.

use super::Value;
use std::fmt::{self, Write};

/// The most characters that are written.
const CHARS_MAX: usize = 100;
/// Larger integers are described: writing out their digits takes quadratic time.
const INT_BITS_MAX: u64 = 512;

/// Displays a value for people.
#[derive(Clone, Copy, Debug)]
pub struct Repr<'a>(&'a Value);

impl Value {
    /// The value for a message, cut after 100 characters.
    pub fn repr(&self) -> Repr<'_> {
        Repr(self)
    }
}

impl fmt::Display for Repr<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut cut = Cut {
            f,
            left: CHARS_MAX,
            full: false,
        };
        match write_value(&mut cut, self.0) {
            // It ran full: everything that fits is written, and the rest stays unvisited.
            Err(fmt::Error) if cut.full => f.write_str("..."),
            other => other,
        }
    }
}

/// Lets so many characters through and then fails, so that a large value is not walked to its end.
struct Cut<'a, 'b> {
    f: &'a mut fmt::Formatter<'b>,
    left: usize,
    full: bool,
}

impl Write for Cut<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = text.char_indices().nth(self.left).map(|(at, _)| at);
        self.f.write_str(&text[..end.unwrap_or(text.len())])?;
        if end.is_some() {
            self.full = true;
            return Err(fmt::Error);
        }
        self.left -= text.chars().count();
        Ok(())
    }
}

fn write_value(out: &mut Cut<'_, '_>, value: &Value) -> fmt::Result {
    match value {
        Value::Null => out.write_str("None"),
        Value::Bool(true) => out.write_str("True"),
        Value::Bool(false) => out.write_str("False"),
        Value::Int(number) => write!(out, "{number}"),
        Value::BigInt(number) if number.bits() > INT_BITS_MAX => {
            write!(out, "<int of {} bits>", number.bits())
        }
        Value::BigInt(number) => write!(out, "{number}"),
        // Python's spelling: a point or an exponent tells it from an int, "nan" has no capitals.
        Value::Float(number) if number.is_nan() => out.write_str("nan"),
        Value::Float(number) => write!(out, "{number:?}"),
        Value::Text(text) => write_text(out, text),
        Value::Bytes(bytes) => {
            out.write_str("b\"")?;
            for byte in bytes {
                write!(out, "{}", byte.escape_ascii())?;
            }
            out.write_char('"')
        }
        Value::List(items) => write_items(out, "[", items, "]"),
        Value::Tuple(items) if items.len() == 1 => write_items(out, "(", items, ",)"),
        Value::Tuple(items) => write_items(out, "(", items, ")"),
        Value::Set(items) if items.is_empty() => out.write_str("set()"),
        Value::Set(items) => write_items(out, "{", items, "}"),
        Value::Frozenset(items) => write_items(out, "frozenset({", items, "})"),
        Value::Dict(pairs) => {
            out.write_char('{')?;
            for (at, (key, value)) in pairs.iter().enumerate() {
                out.write_str(if at == 0 { "" } else { ", " })?;
                write_value(out, key)?;
                out.write_str(": ")?;
                write_value(out, value)?;
            }
            out.write_char('}')
        }
        Value::Reference(reference) if reference.name.is_empty() => {
            write!(out, "<{} {}>", reference.kind, reference.oid)
        }
        Value::Reference(reference) => {
            write!(out, "<{} ", reference.kind)?;
            write_text(out, &reference.name)?;
            out.write_char('>')
        }
        Value::Opaque(opaque) => {
            write!(out, "<{} of {} bytes>", opaque.codec, opaque.bytes.len())
        }
    }
}

fn write_text(out: &mut Cut<'_, '_>, text: &str) -> fmt::Result {
    out.write_char('"')?;
    for character in text.chars() {
        match character {
            '\'' => out.write_char(character)?,
            _ => write!(out, "{}", character.escape_debug())?,
        }
    }
    out.write_char('"')
}

fn write_items(out: &mut Cut<'_, '_>, open: &str, items: &[Value], close: &str) -> fmt::Result {
    out.write_str(open)?;
    for (at, item) in items.iter().enumerate() {
        out.write_str(if at == 0 { "" } else { ", " })?;
        write_value(out, item)?;
    }
    out.write_str(close)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::strategy;
    use bytes::Bytes;
    use num_bigint::BigInt;
    use proptest::prelude::*;

    fn check(value: impl Into<Value>, text: &str) {
        assert_eq!(value.into().repr().to_string(), text);
    }

    #[test]
    fn values_read_as_in_python() {
        check("missing", r#""missing""#);
        check("it's \"x\"\n", r#""it's \"x\"\n""#);
        check(1, "1");
        check(1.0, "1.0");
        check(f64::NAN, "nan");
        check(true, "True");
        check(Value::Null, "None");
        check(Bytes::from_static(b"a\0"), r#"b"a\x00""#);
        check(Value::Tuple(vec![1.into()]), "(1,)");
        check(Value::List(vec![1.into(), "a".into()]), r#"[1, "a"]"#);
        check(Value::Dict(vec![(1.into(), 2.into())]), "{1: 2}");
        check(Value::Frozenset(vec![1.into()]), "frozenset({1})");
        check(BigInt::from(1) << 1000, "<int of 1001 bits>");
    }

    #[test]
    fn long_values_are_cut() {
        let text = Value::from("ä".repeat(1000)).repr().to_string();
        assert_eq!(text.chars().count(), CHARS_MAX + 3);
        assert!(text.ends_with("ä..."));
        check("a".repeat(98), &format!("\"{}\"", "a".repeat(98)));
    }

    proptest! {
        #[test]
        fn nothing_is_longer_than_promised(value in strategy::value()) {
            prop_assert!(value.repr().to_string().chars().count() <= CHARS_MAX + 3);
        }
    }
}
