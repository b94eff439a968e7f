//! Values as people see them: near Python's `repr`, text in double quotes.
//!
//! What is written is for eyes, not for reading back: `json.rs` has the form for that. Nothing that would move a
//! terminal's cursor or turn its writing direction is let through.

use super::{Reference, Value};
use std::fmt::{self, Display, Formatter, Write};

/// Larger integers are only described where space is bounded: writing their digits takes quadratic time.
const ABBREVIATED_BITS_MAX: u64 = 4096;

/// The most characters of [`Value::repr`].
const REPR_CHARS_MAX: usize = 100;

/// All of it, however long: [`Value::repr`] is for messages.
impl Display for Value {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Writer {
            out: f,
            ints: u64::MAX,
        }
        .value(self)
    }
}

/// Displays a value in at most 100 characters.
#[derive(Clone, Copy, Debug)]
pub struct Repr<'a>(&'a Value);

impl Display for Repr<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.abbreviated(REPR_CHARS_MAX))
    }
}

impl Value {
    /// The value for a message: [abbreviated](Value::abbreviated) to 100 characters.
    pub fn repr(&self) -> Repr<'_> {
        Repr(self)
    }

    /// The value in at most `chars_max` characters; a longer one is cut and ends in `...`.
    ///
    /// The rest of a longer value is not even visited.
    pub fn abbreviated(&self, chars_max: usize) -> String {
        let mut out = Bounded {
            text: String::new(),
            left: chars_max,
        };
        let written = Writer {
            out: &mut out,
            ints: ABBREVIATED_BITS_MAX,
        }
        .value(self);
        if written.is_err() {
            out.shorten(chars_max);
        }
        out.text
    }
}

/// Takes so many characters and then fails, so that the writing ends.
struct Bounded {
    text: String,
    left: usize,
}

impl Bounded {
    /// Makes room for the dots; where there is none, there are fewer dots.
    fn shorten(&mut self, chars_max: usize) {
        let dots = chars_max.min(3);
        let kept = self.text.char_indices().nth(chars_max - dots);
        self.text
            .truncate(kept.map_or(self.text.len(), |(at, _)| at));
        self.text.push_str(&"..."[..dots]);
    }
}

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for char in text.chars() {
            self.left = self.left.checked_sub(1).ok_or(fmt::Error)?;
            self.text.push(char);
        }
        Ok(())
    }
}

struct Writer<'a, W> {
    out: &'a mut W,
    /// Integers of more bits are described.
    ints: u64,
}

impl<W: Write> Writer<'_, W> {
    fn value(&mut self, value: &Value) -> fmt::Result {
        match value {
            Value::Null => self.out.write_str("None"),
            Value::Bool(true) => self.out.write_str("True"),
            Value::Bool(false) => self.out.write_str("False"),
            Value::Int(number) => write!(self.out, "{number}"),
            Value::BigInt(number) if number.bits() > self.ints => {
                write!(self.out, "<int of {} bits>", number.bits())
            }
            Value::BigInt(number) => write!(self.out, "{number}"),
            Value::Float(number) => self.float(*number),
            Value::Text(text) => self.text(text),
            Value::Bytes(bytes) => self.bytes(bytes),
            Value::List(items) => self.items("[", items, "]"),
            Value::Tuple(items) if items.len() == 1 => self.items("(", items, ",)"),
            Value::Tuple(items) => self.items("(", items, ")"),
            Value::Dict(pairs) => self.pairs(pairs),
            // `{}` is the empty dict.
            Value::Set(items) if items.is_empty() => self.out.write_str("set()"),
            Value::Set(items) => self.items("{", items, "}"),
            Value::Frozenset(items) if items.is_empty() => self.out.write_str("frozenset()"),
            Value::Frozenset(items) => self.items("frozenset({", items, "})"),
            Value::Reference(reference) => self.reference(reference),
            Value::Opaque(opaque) => {
                self.out.write_char('<')?;
                self.escaped(&opaque.codec)?;
                write!(self.out, " of {} bytes>", opaque.bytes.len())
            }
        }
    }

    /// As Python: always with a point or an exponent, the exponent with its sign and at least two digits.
    fn float(&mut self, number: f64) -> fmt::Result {
        if number.is_nan() {
            return self.out.write_str("nan");
        }
        let text = format!("{number:?}");
        match text.split_once('e') {
            Some((digits, exponent)) => {
                let (sign, exponent) = match exponent.strip_prefix('-') {
                    Some(exponent) => ('-', exponent),
                    None => ('+', exponent),
                };
                let digits = digits.strip_suffix(".0").unwrap_or(digits);
                write!(self.out, "{digits}e{sign}{exponent:0>2}")
            }
            None => self.out.write_str(&text),
        }
    }

    fn text(&mut self, text: &str) -> fmt::Result {
        self.out.write_char('"')?;
        self.escaped(text)?;
        self.out.write_char('"')
    }

    fn escaped(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|char| match char {
            '"' => self.out.write_str("\\\""),
            '\\' => self.out.write_str("\\\\"),
            '\n' => self.out.write_str("\\n"),
            '\r' => self.out.write_str("\\r"),
            '\t' => self.out.write_str("\\t"),
            _ if char.is_control() => write!(self.out, "\\x{:02x}", u32::from(char)),
            _ if is_invisible(char) => write!(self.out, "\\u{:04x}", u32::from(char)),
            _ => self.out.write_char(char),
        })
    }

    fn bytes(&mut self, bytes: &[u8]) -> fmt::Result {
        self.out.write_str("b\"")?;
        for byte in bytes {
            match byte {
                b'\'' => self.out.write_char('\'')?,
                _ => write!(self.out, "{}", byte.escape_ascii())?,
            }
        }
        self.out.write_char('"')
    }

    fn items(&mut self, open: &str, items: &[Value], close: &str) -> fmt::Result {
        self.out.write_str(open)?;
        for (at, item) in items.iter().enumerate() {
            self.out.write_str(if at == 0 { "" } else { ", " })?;
            self.value(item)?;
        }
        self.out.write_str(close)
    }

    fn pairs(&mut self, pairs: &[(Value, Value)]) -> fmt::Result {
        self.out.write_char('{')?;
        for (at, (key, value)) in pairs.iter().enumerate() {
            self.out.write_str(if at == 0 { "" } else { ", " })?;
            self.value(key)?;
            self.out.write_str(": ")?;
            self.value(value)?;
        }
        self.out.write_char('}')
    }

    fn reference(&mut self, reference: &Reference) -> fmt::Result {
        self.out.write_char('<')?;
        self.escaped(&reference.kind)?;
        if reference.name.is_empty() {
            write!(self.out, " #{}>", reference.oid)
        } else {
            self.out.write_char(' ')?;
            self.text(&reference.name)?;
            self.out.write_char('>')
        }
    }
}

/// Characters that have no width, break lines or turn the direction of what follows them.
fn is_invisible(char: char) -> bool {
    matches!(char, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Oid, Opaque};
    use bytes::Bytes;
    use num_bigint::BigInt;

    #[track_caller]
    fn check(value: impl Into<Value>, text: &str) {
        assert_eq!(value.into().to_string(), text);
    }

    #[test]
    fn values_read_as_in_python() {
        check(Value::Null, "None");
        check(true, "True");
        check(-5, "-5");
        check(
            Value::from_big_int(BigInt::from(1) << 64),
            "18446744073709551616",
        );
        check(Bytes::from_static(b"a'\"\\\0\xff"), r#"b"a'\"\\\x00\xff""#);
        check(Value::List(vec![1.into(), "a".into()]), r#"[1, "a"]"#);
        check(Value::Tuple(vec![]), "()");
        check(Value::Tuple(vec![1.into()]), "(1,)");
        check(Value::Tuple(vec![1.into(), 2.into()]), "(1, 2)");
        check(Value::Set(vec![]), "set()");
        check(Value::Set(vec![1.into(), 2.into()]), "{1, 2}");
        check(Value::Frozenset(vec![]), "frozenset()");
        check(Value::Frozenset(vec![1.into()]), "frozenset({1})");
        check(Value::Dict(vec![]), "{}");
        check(
            Value::Dict(vec![("a".into(), 1.into()), (2.into(), Value::Null)]),
            r#"{"a": 1, 2: None}"#,
        );
    }

    #[test]
    fn floats_read_as_in_python() {
        for (number, text) in [
            (1.0, "1.0"),
            (-0.0, "-0.0"),
            (0.1, "0.1"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (1.5e-7, "1.5e-07"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16"),
            (1.25e300, "1.25e+300"),
            (f64::NAN, "nan"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            check(number, text);
        }
    }

    #[test]
    fn text_cannot_disturb_a_terminal() {
        check("it's \"a\" \\ b", r#""it's \"a\" \\ b""#);
        check("\r\n\t\x1b[2J\u{9b}", r#""\r\n\t\x1b[2J\x9b""#);
        check("\u{202e}x\u{2028}é漢", r#""\u202ex\u2028é漢""#);
    }

    #[test]
    fn objects_are_named() {
        let mut reference = Reference {
            kind: "dict".into(),
            name: "hits".into(),
            oid: Oid(7),
        };
        check(
            Value::Reference(reference.clone().into()),
            r#"<dict "hits">"#,
        );
        reference.name.clear();
        check(Value::Reference(reference.into()), "<dict #7>");
        let opaque = Opaque {
            codec: "pickle".into(),
            bytes: Bytes::from_static(b"abc"),
            references: vec![],
        };
        check(Value::Opaque(Box::new(opaque)), "<pickle of 3 bytes>");
    }

    #[test]
    fn abbreviated_is_whole_where_it_fits_and_never_longer_than_asked() {
        let value = Value::List(vec!["äöü".into(), 12345.into()]);
        let whole = value.to_string();
        let length = whole.chars().count();
        assert_eq!(value.abbreviated(length), whole);
        assert_eq!(value.abbreviated(length - 1), r#"["äöü", 12..."#);
        assert_eq!(value.abbreviated(2), "..");
        for chars_max in 0..length {
            assert_eq!(value.abbreviated(chars_max).chars().count(), chars_max);
        }
    }

    #[test]
    fn abbreviated_describes_large_integers() {
        let value = Value::from_big_int(BigInt::from(1) << 5000);
        assert_eq!(value.abbreviated(40), "<int of 5001 bits>");
        assert_eq!(value.repr().to_string(), "<int of 5001 bits>");
        assert_eq!(value.to_string().len(), 1506);
    }
}
