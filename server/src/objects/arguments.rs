//! What a kind says of itself once, and calls checked against it.
//!
//! A method's table entry is the one place that names its parameters. Authorization, `Describe`, the command's help and
//! generic proxies read it, and every call is bound to it before the kind sees the call.

use super::Object;
use commonhold_proto::{Call, Code, Oid, Refusal, Value};
use smallvec::SmallVec;
use std::time::Duration;

/// The longest time that an argument may give, in seconds: a century.
const SECONDS_MAX: u64 = 3_153_600_000;

/// The internal method of a kind that undoes a finished call. It takes `memo` and `reply`, what the call left for it and
/// what it had answered, and refuses if that cannot be undone any more.
pub const UNDO: &str = "undo";

/// A kind of objects.
#[derive(Debug)]
pub struct Kind {
    /// Its name, on the wire and everywhere.
    pub name: &'static str,
    /// One line for people.
    pub doc: &'static str,
    /// Creation options.
    pub options: &'static [Parameter],
    /// What can be called.
    pub methods: &'static [Method],
    /// Makes an empty object. Refuses options that make no sense.
    pub create: fn(&Options) -> Result<Box<dyn Object>, Refusal>,
}

/// One method of a kind.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "a table of independent properties"
)]
pub struct Method {
    /// Its name.
    pub name: &'static str,
    /// One line for people.
    pub doc: &'static str,
    /// In the order of positional arguments.
    pub parameters: &'static [Parameter],
    /// What a caller must be allowed to do. A method that reads never changes a row.
    pub access: Access,
    /// Calls of methods of one line wait in the order in which they came, and only the first is retried.
    pub line: Option<&'static str>,
    /// It can answer "wait".
    pub waits: bool,
    /// It only takes away: it goes on where a full disk refuses what adds.
    pub shrinking: bool,
    /// Its arguments that are dicts or sets are taken apart: of a key that one of them has twice the last value counts.
    pub merging: bool,
    /// It may take long and is run apart from the connections.
    pub slow: bool,
    /// A finished call can be undone if its caller has not consumed the reply.
    pub undo: bool,
    /// A continuation: only a waiting call may come to it, never a client.
    pub internal: bool,
}

/// What a method does to the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reads.
    Read,
    /// May change rows.
    Write,
}

/// One parameter of a method, or one creation option of a kind.
#[derive(Debug)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// One line for people: type, unit, default.
    pub doc: &'static str,
    /// Must it be given?
    pub required: bool,
}

impl Parameter {
    /// One that must be given.
    pub const fn required(name: &'static str, doc: &'static str) -> Parameter {
        Parameter {
            name,
            doc,
            required: true,
        }
    }

    /// One that may be left out.
    pub const fn optional(name: &'static str, doc: &'static str) -> Parameter {
        Parameter {
            name,
            doc,
            required: false,
        }
    }
}

impl Method {
    const fn new(
        name: &'static str,
        doc: &'static str,
        parameters: &'static [Parameter],
        access: Access,
    ) -> Method {
        Method {
            name,
            doc,
            parameters,
            access,
            line: None,
            waits: false,
            shrinking: false,
            merging: false,
            slow: false,
            undo: false,
            internal: false,
        }
    }

    /// A method that reads.
    pub const fn read(
        name: &'static str,
        doc: &'static str,
        parameters: &'static [Parameter],
    ) -> Method {
        Method::new(name, doc, parameters, Access::Read)
    }

    /// A method that may change rows.
    pub const fn write(
        name: &'static str,
        doc: &'static str,
        parameters: &'static [Parameter],
    ) -> Method {
        Method::new(name, doc, parameters, Access::Write)
    }

    /// A continuation of a waiting call.
    pub const fn internal(
        name: &'static str,
        doc: &'static str,
        parameters: &'static [Parameter],
    ) -> Method {
        let mut method = Method::new(name, doc, parameters, Access::Write);
        method.internal = true;
        method
    }

    /// Its calls wait in this line.
    #[must_use]
    pub const fn in_line(mut self, line: &'static str) -> Method {
        self.line = Some(line);
        self.waits = true;
        self
    }

    /// It can answer "wait".
    #[must_use]
    pub const fn waiting(mut self) -> Method {
        self.waits = true;
        self
    }

    /// It only takes away.
    #[must_use]
    pub const fn shrinking(mut self) -> Method {
        self.shrinking = true;
        self
    }

    /// It takes its arguments apart.
    #[must_use]
    pub const fn merging(mut self) -> Method {
        self.merging = true;
        self
    }

    /// It can be undone, by the kind's method [`UNDO`].
    #[must_use]
    pub const fn undoable(mut self) -> Method {
        self.undo = true;
        self
    }

    /// It may take long.
    #[must_use]
    pub const fn slow(mut self) -> Method {
        self.slow = true;
        self
    }

    /// Binds a call's arguments to the parameters.
    ///
    /// # Errors
    /// `BadArguments`, naming the method and the argument that is missing, unknown or given twice.
    pub fn bind(&'static self, call: Call) -> Result<Arguments, Refusal> {
        let bad = |what: String| Refusal::new(Code::BadArguments, format!("{}: {what}", self.name));
        if call.arguments.len() > self.parameters.len() {
            return Err(bad(format!(
                "takes at most {} arguments, not {}",
                self.parameters.len(),
                call.arguments.len()
            )));
        }
        let mut given = call.arguments.into_iter();
        let mut values: SmallVec<[Option<Value>; 4]> =
            self.parameters.iter().map(|_| given.next()).collect();
        for (name, value) in call.named {
            let Some(at) = self
                .parameters
                .iter()
                .position(|parameter| parameter.name == name)
            else {
                return Err(bad(format!("has no argument \"{name}\"")));
            };
            if values[at].replace(value).is_some() {
                return Err(bad(format!("the argument \"{name}\" is given twice")));
            }
        }
        match self
            .parameters
            .iter()
            .zip(&values)
            .find(|(parameter, value)| parameter.required && value.is_none())
        {
            Some((parameter, _)) => Err(bad(format!(
                "the argument \"{}\" is missing",
                parameter.name
            ))),
            None => Ok(Arguments {
                method: self,
                values,
            }),
        }
    }
}

impl Kind {
    /// The method of this name, continuations included.
    pub fn method(&self, name: &str) -> Option<&'static Method> {
        self.methods.iter().find(|method| method.name == name)
    }

    /// Binds a call to one of this kind's methods, continuations included.
    ///
    /// # Errors
    /// `NoMethod` and what [`Method::bind`] refuses.
    pub fn bind(&self, call: Call) -> Result<Arguments, Refusal> {
        match self.method(&call.method) {
            Some(method) => method.bind(call),
            None => Err(Refusal::new(
                Code::NoMethod,
                format!("a {} has no method \"{}\"", self.name, call.method),
            )),
        }
    }
}

/// A call bound to its method: one value or none for each parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct Arguments {
    /// The method.
    pub method: &'static Method,
    values: SmallVec<[Option<Value>; 4]>,
}

impl PartialEq for Method {
    /// Methods are compared by where they stand: each stands in one table.
    fn eq(&self, other: &Method) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Arguments {
    /// The method's name.
    pub fn method(&self) -> &'static str {
        self.method.name
    }

    /// Every argument that was given.
    pub fn values(&self) -> impl Iterator<Item = &Value> {
        self.values.iter().flatten()
    }

    /// The argument of this name, if it was given. A name that the table lacks was never given.
    pub fn get(&self, name: &str) -> Option<&Value> {
        let at = self
            .method
            .parameters
            .iter()
            .position(|parameter| parameter.name == name)?;
        self.values[at].as_ref()
    }

    /// The argument of this name.
    ///
    /// # Errors
    /// `BadArguments` if it was not given.
    pub fn value(&self, name: &str) -> Result<&Value, Refusal> {
        self.get(name).ok_or_else(|| self.bad(name, "is missing"))
    }

    /// An integer, or `default` where it was not given.
    ///
    /// # Errors
    /// `BadArguments` if it is something else.
    pub fn int_or(&self, name: &str, default: i64) -> Result<i64, Refusal> {
        match self.get(name) {
            None => Ok(default),
            Some(Value::Int(number)) => Ok(*number),
            Some(other) => Err(self.bad(
                name,
                &format!("must be an int of 64 bits, not {}", other.type_name()),
            )),
        }
    }

    /// A time in seconds, as an int or a float; `None` where it was not given or is null.
    ///
    /// # Errors
    /// `BadArguments` if it is something else, 0, negative, or a century and more.
    pub fn seconds(&self, name: &str) -> Result<Option<Duration>, Refusal> {
        let time = match self.get(name) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::Int(seconds)) => u64::try_from(*seconds).ok().map(Duration::from_secs),
            Some(Value::Float(seconds)) => Duration::try_from_secs_f64(*seconds).ok(),
            Some(other) => {
                let what = format!("must be seconds, not {}", other.type_name());
                return Err(self.bad(name, &what));
            }
        };
        match time {
            Some(time) if !time.is_zero() && time.as_secs() < SECONDS_MAX => Ok(Some(time)),
            _ => Err(self.bad(
                name,
                &format!("must be above 0 and below {SECONDS_MAX} seconds"),
            )),
        }
    }

    /// A truth value, or `default` where it was not given.
    ///
    /// # Errors
    /// `BadArguments` if it is something else.
    pub fn bool_or(&self, name: &str, default: bool) -> Result<bool, Refusal> {
        match self.get(name) {
            None => Ok(default),
            Some(Value::Bool(value)) => Ok(*value),
            Some(other) => {
                Err(self.bad(name, &format!("must be a bool, not {}", other.type_name())))
            }
        }
    }

    /// A text.
    ///
    /// # Errors
    /// `BadArguments` if it was not given or is something else.
    pub fn text(&self, name: &str) -> Result<&str, Refusal> {
        match self.value(name)? {
            Value::Text(text) => Ok(text),
            other => Err(self.bad(name, &format!("must be a str, not {}", other.type_name()))),
        }
    }

    /// The items of a list, tuple, set or frozenset.
    ///
    /// # Errors
    /// `BadArguments` if it was not given or is something else.
    pub fn items(&self, name: &str) -> Result<&[Value], Refusal> {
        match self.value(name)? {
            Value::List(items)
            | Value::Tuple(items)
            | Value::Set(items)
            | Value::Frozenset(items) => Ok(items),
            other => Err(self.bad(name, &format!("must be a list, not {}", other.type_name()))),
        }
    }

    /// `BadArguments` about one argument.
    pub fn bad(&self, name: &str, what: &str) -> Refusal {
        Refusal::new(
            Code::BadArguments,
            format!("{}: the argument \"{name}\" {what}", self.method.name),
        )
    }

    /// The call again, with every given argument named: what is stored of a call that waits.
    pub fn to_call(&self) -> Call {
        let given = self.method.parameters.iter().zip(&self.values);
        Call {
            method: self.method.name.into(),
            arguments: Vec::new(),
            named: given
                .filter_map(|(p, v)| Some((p.name.into(), v.clone()?)))
                .collect(),
        }
    }
}

/// A creation option of every kind.
pub const GUARD: Parameter = Parameter::optional(
    "guard",
    "a lock, rlock or rwlock, by name or reference: every write must carry a fence of it, and so must its deletion",
);

/// Creation options, checked against the kind's table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options(Vec<(String, Value)>);

impl Options {
    /// Checks options against the kind's table.
    ///
    /// # Errors
    /// `BadArguments` naming the option that is unknown or missing.
    pub fn check(kind: &Kind, given: &[(String, Value)]) -> Result<Options, Refusal> {
        for (name, _) in given {
            let known = kind.options.iter().chain([&GUARD]);
            if !known.into_iter().any(|option| option.name == name) {
                let message = format!("a {} has no option \"{name}\"", kind.name);
                return Err(Refusal::new(Code::BadArguments, message));
            }
        }
        Ok(Options(given.to_vec()))
    }

    /// The option of this name, if it was given.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0
            .iter()
            .find(|(given, _)| given == name)
            .map(|(_, value)| value)
    }

    /// Replaces an option that was given.
    pub(crate) fn set(&mut self, name: &str, value: Value) {
        self.0.retain(|(given, _)| given != name);
        self.0.push((name.to_owned(), value));
    }

    /// The lock without whose fence nobody writes.
    pub(crate) fn guard(&self) -> Option<Oid> {
        self.link(GUARD.name)
    }

    /// The lock that a condition shares.
    pub(crate) fn shared_lock(&self) -> Option<Oid> {
        self.link(super::condition::LOCK)
    }

    fn link(&self, name: &str) -> Option<Oid> {
        match self.get(name)? {
            Value::Reference(reference) => Some(reference.oid),
            _ => None,
        }
    }

    /// All that were given.
    pub fn given(&self) -> &[(String, Value)] {
        &self.0
    }
}
