//! The types of an array's elements: `array.array`'s, with its ranges and its words.

use commonhold_proto::{Code, Refusal, Value};
use num_bigint::Sign;
use num_traits::ToPrimitive as _;

/// A type of elements. In memory each element is 64 bits.
#[derive(Debug)]
pub(super) struct Typecode {
    code: char,
    form: Form,
}

#[derive(Debug)]
enum Form {
    /// An integer that passes these checks, in order.
    Int(&'static [Range]),
    /// C's `float`: a number is rounded to it.
    Single,
    /// C's `double`.
    Double,
    /// A text of one character.
    Character,
}

/// A range, and what is said of numbers below and above it.
#[derive(Debug)]
struct Range {
    min: i128,
    max: i128,
    below: &'static str,
    above: &'static str,
}

/// The least and the greatest number of a C type.
macro_rules! bounds {
    ($type:ty) => {
        (<$type>::MIN as i128, <$type>::MAX as i128)
    };
}

const fn of((min, max): (i128, i128), below: &'static str, above: &'static str) -> Range {
    Range {
        min,
        max,
        below,
        above,
    }
}

const LONG: Range = {
    let words = "Python int too large to convert to C long";
    of(bounds!(i64), words, words)
};
const SHORT: Range = of(
    bounds!(i16),
    "signed short integer is less than minimum",
    "signed short integer is greater than maximum",
);
const INT: Range = of(
    bounds!(i32),
    "signed integer is less than minimum",
    "signed integer is greater than maximum",
);
const UNSIGNED_LONG: Range = of(
    bounds!(u64),
    "can't convert negative value to unsigned int",
    "Python int too large to convert to C unsigned long",
);

/// Every type, `w` as in newer Pythons.
static TYPECODES: &[Typecode] = &[
    int(
        'b',
        &[
            LONG,
            SHORT,
            of(
                bounds!(i8),
                "signed char is less than minimum",
                "signed char is greater than maximum",
            ),
        ],
    ),
    int(
        'B',
        &[
            LONG,
            of(
                bounds!(u8),
                "unsigned byte integer is less than minimum",
                "unsigned byte integer is greater than maximum",
            ),
        ],
    ),
    int('h', &[LONG, SHORT]),
    int(
        'H',
        &[
            LONG,
            INT,
            of(
                bounds!(u16),
                "unsigned short is less than minimum",
                "unsigned short is greater than maximum",
            ),
        ],
    ),
    int('i', &[LONG, INT]),
    int(
        'I',
        &[
            UNSIGNED_LONG,
            of(
                bounds!(u32),
                "unsigned int is less than minimum",
                "unsigned int is greater than maximum",
            ),
        ],
    ),
    int('l', &[LONG]),
    int('L', &[UNSIGNED_LONG]),
    int(
        'q',
        &[of(
            bounds!(i64),
            "int too big to convert",
            "int too big to convert",
        )],
    ),
    int(
        'Q',
        &[of(
            bounds!(u64),
            "can't convert negative int to unsigned",
            "int too big to convert",
        )],
    ),
    Typecode {
        code: 'f',
        form: Form::Single,
    },
    Typecode {
        code: 'd',
        form: Form::Double,
    },
    Typecode {
        code: 'u',
        form: Form::Character,
    },
    Typecode {
        code: 'w',
        form: Form::Character,
    },
];

const fn int(code: char, ranges: &'static [Range]) -> Typecode {
    Typecode {
        code,
        form: Form::Int(ranges),
    }
}

impl Typecode {
    /// The type of this code.
    pub(super) fn find(code: &str) -> Option<&'static Typecode> {
        let mut codes = TYPECODES.iter();
        codes.find(|typecode| code.len() == 1 && code.starts_with(typecode.code))
    }

    pub(super) const fn code(&self) -> char {
        self.code
    }

    /// The element that `array.array` makes of a value.
    ///
    /// # Errors
    /// `WrongType` and `OutOfBounds` where it raises `TypeError` and `OverflowError`.
    pub(super) fn element(&self, value: &Value) -> Result<u64, Refusal> {
        match self.form {
            Form::Int(ranges) => {
                let number = integer(value)?;
                for range in ranges {
                    let words = match number {
                        number if number < range.min => range.below,
                        number if number > range.max => range.above,
                        _ => continue,
                    };
                    return Err(Refusal::new(Code::OutOfBounds, words));
                }
                Ok(bits(number))
            }
            #[expect(
                clippy::cast_possible_truncation,
                reason = "C rounds here as well, and beyond its range to infinity"
            )]
            Form::Single => Ok(f64::from(float(value)? as f32).to_bits()),
            Form::Double => Ok(float(value)?.to_bits()),
            Form::Character => match character(value) {
                Some(character) => Ok(u64::from(character)),
                None => Err(Refusal::new(
                    Code::WrongType,
                    "array item must be unicode character",
                )),
            },
        }
    }

    /// The value of an element.
    pub(super) fn value(&self, element: u64) -> Value {
        match self.form {
            Form::Int(ranges) if ranges.iter().any(|range| range.min == 0) => {
                i64::try_from(element)
                    .map_or_else(|_| Value::from_big_int(element.into()), Value::Int)
            }
            Form::Int(_) => Value::Int(element.cast_signed()),
            Form::Single | Form::Double => Value::Float(f64::from_bits(element)),
            Form::Character => {
                let character = u32::try_from(element).ok().and_then(char::from_u32);
                character.unwrap_or_default().to_string().into()
            }
        }
    }

    /// The element of a row, if this type wrote it.
    pub(super) fn stored(&self, value: &Value) -> Option<u64> {
        let element = self.element(value).ok()?;
        let same = match (self.value(element), value) {
            (Value::Float(is), Value::Float(was)) => is.to_bits() == was.to_bits(),
            (Value::Int(is), Value::Int(was)) => is == *was,
            (Value::BigInt(is), Value::BigInt(was)) => is == *was,
            (Value::Text(is), Value::Text(was)) => is == *was,
            _ => false,
        };
        same.then_some(element)
    }
}

/// Beyond 128 bits it is as good as the greatest.
fn integer(value: &Value) -> Result<i128, Refusal> {
    match value {
        Value::Int(number) => Ok((*number).into()),
        Value::Bool(number) => Ok((*number).into()),
        Value::BigInt(number) => Ok(number.to_i128().unwrap_or(match number.sign() {
            Sign::Minus => i128::MIN,
            _ => i128::MAX,
        })),
        other => Err(Refusal::new(
            Code::WrongType,
            format!(
                "'{}' object cannot be interpreted as an integer",
                type_name(other)
            ),
        )),
    }
}

/// The 64 bits of a number that passed its checks.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "every checked range lies within 64 bits, and they are read back as they were written"
)]
const fn bits(number: i128) -> u64 {
    number as u64
}

fn float(value: &Value) -> Result<f64, Refusal> {
    #[expect(clippy::cast_precision_loss, reason = "Python rounds here as well")]
    match value {
        Value::Float(number) => Ok(*number),
        Value::Int(number) => Ok(*number as f64),
        Value::Bool(number) => Ok(f64::from(u8::from(*number))),
        Value::BigInt(number) => number
            .to_f64()
            .filter(|number| number.is_finite())
            .ok_or_else(|| Refusal::new(Code::OutOfBounds, "int too large to convert to float")),
        other => Err(Refusal::new(
            Code::WrongType,
            format!("must be real number, not {}", type_name(other)),
        )),
    }
}

fn character(value: &Value) -> Option<char> {
    let Value::Text(text) = value else {
        return None;
    };
    let mut characters = text.chars();
    characters.next().filter(|_| characters.next().is_none())
}

/// As Python's errors have it.
fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "NoneType",
        other => other.type_name(),
    }
}
