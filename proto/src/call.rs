//! Calls and replies, and the way between them and their wire forms.

use crate::count::{CALL_VALUES_MAX, holds_too_much};
use crate::value::append;
use crate::wire::{self, call, reply};
use crate::{Code, Oid, Owner, Refusal, Revision, Value};
use bytes::Bytes;
use prost::{DecodeError, Message as _};
use std::time::Duration;

// The numbers of `message Call` in `commonhold.proto` that are written by hand.
const ARGUMENTS: u32 = 5;
const NAMED: u32 = 6;

/// How much longer than the largest value an encoded call may be: its object, its method, its other arguments.
pub const CALL_OVERHEAD_MAX: usize = 1 << 20;

/// The longest encoded call, in parts or not, at a server whose largest value is so long. Clients send none that is
/// longer, and servers take none.
pub const fn call_bytes_max(value_bytes_max: usize) -> usize {
    value_bytes_max.saturating_add(CALL_OVERHEAD_MAX)
}

/// What happens to an object's changes when the server ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Durability {
    /// On disk before the reply.
    Durable,
    /// In the log, but replies do not wait for the disk: a crash takes back the newest changes, and nothing else.
    Relaxed,
    /// Gone with the server.
    Memory,
}

impl Durability {
    /// Its name, as commands and messages write it.
    pub const fn name(self) -> &'static str {
        match self {
            Durability::Durable => "durable",
            Durability::Relaxed => "relaxed",
            Durability::Memory => "memory",
        }
    }

    /// The durability of this name.
    pub fn from_name(name: &str) -> Option<Durability> {
        [Durability::Durable, Durability::Relaxed, Durability::Memory]
            .into_iter()
            .find(|d| d.name() == name)
    }

    /// Its wire number.
    pub const fn to_wire(self) -> i32 {
        match self {
            Durability::Durable => wire::Durability::Durable as i32,
            Durability::Relaxed => wire::Durability::Relaxed as i32,
            Durability::Memory => wire::Durability::Memory as i32,
        }
    }

    /// The durability with this wire number; `None` where it is unspecified or unknown.
    pub fn from_wire(number: i32) -> Option<Durability> {
        match wire::Durability::try_from(number).ok()? {
            wire::Durability::Unspecified => None,
            wire::Durability::Durable => Some(Durability::Durable),
            wire::Durability::Relaxed => Some(Durability::Relaxed),
            wire::Durability::Memory => Some(Durability::Memory),
        }
    }
}

/// What a caller asks of an object that it opens by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OpenOptions {
    /// Absent: whatever the object has, or the server's default where it is created.
    pub durability: Option<Durability>,
    /// `Some(true)`: it must exist; `Some(false)`: it must not.
    pub exists: Option<bool>,
    /// The kind's own creation options.
    pub options: Vec<(String, Value)>,
}

/// Opens an object by its name.
#[derive(Clone, Debug, PartialEq)]
pub struct Open {
    /// The kind that the caller takes it for.
    pub kind: String,
    /// The name.
    pub name: String,
    /// Options of its creation, compared with the object's own where it exists.
    pub options: OpenOptions,
}

/// Which object a call is for.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// One that an earlier reply named.
    Oid(Oid),
    /// One by name; boxed, because calls by identity are the many.
    Open(Box<Open>),
}

impl Target {
    fn into_wire(self) -> call::Target {
        match self {
            Target::Oid(oid) => call::Target::Oid(oid.0),
            Target::Open(open) => call::Target::Open(open.into_wire()),
        }
    }
}

/// One method, with its arguments.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Call {
    /// The method's name.
    pub method: String,
    /// Positional arguments.
    pub arguments: Vec<Value>,
    /// Named arguments.
    pub named: Vec<(String, Value)>,
}

/// A grant of a lock, named with a write: the write is refused once the lock is held by another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fence {
    /// The lock.
    pub lock: Oid,
    /// The token that it was granted with.
    pub token: Revision,
}

impl Fence {
    /// Its wire form.
    pub const fn to_wire(self) -> wire::Fence {
        wire::Fence {
            lock: self.lock.0,
            token: self.token.0,
        }
    }

    /// The fence of a wire form.
    pub const fn from_wire(fence: wire::Fence) -> Fence {
        Fence {
            lock: Oid(fence.lock),
            token: Revision(fence.token),
        }
    }
}

/// The parts of a call's wire form, as [`Call::from_wire`] takes it apart.
#[derive(Clone, Debug, PartialEq)]
pub struct Received {
    /// The call's number in its lane.
    pub sequence: u64,
    /// The object.
    pub target: Target,
    /// Method and arguments.
    pub call: Call,
    /// How long it may wait; `None` is for ever.
    pub timeout: Option<Duration>,
    /// The thread or task that calls.
    pub owner: Owner,
    /// The grant without which the call is refused.
    pub fence: Option<Fence>,
    /// [`wire::Call::fingerprint`] of a call that came in parts; of others [`Call::fingerprint`] is as quick.
    pub fingerprint: Option<u64>,
}

impl Call {
    /// A call with positional arguments.
    pub fn new(method: impl Into<String>, arguments: impl Into<Vec<Value>>) -> Call {
        Call {
            method: method.into(),
            arguments: arguments.into(),
            named: Vec::new(),
        }
    }

    /// Adds a named argument.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<Value>) -> Call {
        self.named.push((name.into(), value.into()));
        self
    }

    /// The wire form, without a fence.
    pub fn into_wire(
        self,
        sequence: u64,
        target: Target,
        timeout: Option<Duration>,
        owner: Owner,
    ) -> wire::Call {
        wire::Call {
            sequence,
            target: Some(target.into_wire()),
            method: self.method,
            arguments: self.arguments,
            named: named_into_wire(self.named),
            timeout_ms: timeout
                .map(|t| u64::try_from(t.as_micros().div_ceil(1000)).unwrap_or(u64::MAX)),
            owner: owner.0,
            fence: None,
        }
    }

    /// The bytes of the wire form, without sequence and time-out.
    pub fn into_bytes(self, target: Target, owner: Owner, fence: Option<Fence>) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(64);
        let head = wire::Call {
            target: Some(target.into_wire()),
            method: self.method,
            ..wire::Call::default()
        };
        head.encode_raw(&mut bytes);
        for argument in &self.arguments {
            argument.append_field(ARGUMENTS, &mut bytes);
        }
        for (name, value) in &self.named {
            append::message(NAMED, &mut bytes, |bytes| {
                if !name.is_empty() {
                    prost::encoding::string::encode(1, name, bytes);
                }
                value.append_field(2, bytes);
            });
        }
        let tail = wire::Call {
            owner: owner.0,
            fence: fence.map(Fence::to_wire),
            ..wire::Call::default()
        };
        tail.encode_raw(&mut bytes);
        bytes
    }

    /// Takes a wire form apart.
    ///
    /// # Errors
    /// `BadArguments` if the target is missing or a named argument has no value.
    pub fn from_wire(wire: wire::Call) -> Result<Received, Refusal> {
        let target = match wire.target {
            Some(call::Target::Oid(oid)) => Target::Oid(Oid(oid)),
            Some(call::Target::Open(open)) => Target::Open(Box::new(Open::from_wire(open)?)),
            None => return Err(Refusal::new(Code::BadArguments, "the call names no object")),
        };
        Ok(Received {
            sequence: wire.sequence,
            target,
            call: Call {
                method: wire.method,
                arguments: wire.arguments,
                named: if wire.named.is_empty() {
                    Vec::new()
                } else {
                    named_from_wire(wire.named)?
                },
            },
            timeout: wire.timeout_ms.map(Duration::from_millis),
            owner: Owner(wire.owner),
            fence: wire.fence.map(Fence::from_wire),
            fingerprint: None,
        })
    }
}

fn named_into_wire(named: Vec<(String, Value)>) -> Vec<wire::Named> {
    named
        .into_iter()
        .map(|(name, value)| wire::Named {
            name,
            value: Some(value),
        })
        .collect()
}

fn named_from_wire(named: Vec<wire::Named>) -> Result<Vec<(String, Value)>, Refusal> {
    named
        .into_iter()
        .map(|named| match named.value {
            Some(value) => Ok((named.name, value)),
            None => Err(Refusal::new(
                Code::BadArguments,
                format!("the argument \"{}\" has no value", named.name),
            )),
        })
        .collect()
}

impl Open {
    fn into_wire(self) -> wire::Open {
        wire::Open {
            kind: self.kind,
            name: self.name,
            durability: self.options.durability.map(Durability::to_wire),
            exists: self.options.exists,
            options: named_into_wire(self.options.options),
        }
    }

    fn from_wire(wire: wire::Open) -> Result<Open, Refusal> {
        Ok(Open {
            kind: wire.kind,
            name: wire.name,
            options: OpenOptions {
                durability: wire.durability.and_then(Durability::from_wire),
                exists: wire.exists,
                options: named_from_wire(wire.options)?,
            },
        })
    }
}

impl wire::Call {
    /// Reads the encoded form of a call that travelled in parts. The inner error is for its caller: it holds more values
    /// than one call may.
    pub fn from_bytes(bytes: Bytes) -> Result<Result<wire::Call, Refusal>, DecodeError> {
        if holds_too_much(&bytes)? {
            let message =
                format!("a call may hold {CALL_VALUES_MAX} values, those in others included");
            return Ok(Err(Refusal::new(Code::ValueTooLarge, message)));
        }
        wire::Call::decode(bytes).map(Ok)
    }
}

impl wire::Reply {
    /// The encoded form, for a reply that travels in parts.
    pub fn to_bytes(&self) -> Bytes {
        self.encode_to_vec().into()
    }
}

/// The answer to a call.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// What the method returned, or why it was refused.
    pub result: Result<Value, Refusal>,
    /// The object's newest revision when this was decided; 0 if no object was reached.
    pub revision: Revision,
    /// Is this the remembered reply to a call that was sent again?
    pub remembered: bool,
    /// The object that the call reached, if it was opened by name and exists.
    pub oid: Option<Oid>,
}

impl Reply {
    /// The wire form, without a fence.
    pub fn into_wire(self, sequence: u64) -> wire::Reply {
        wire::Reply {
            sequence,
            result: Some(match self.result {
                Ok(value) => reply::Result::Value(value),
                Err(refusal) => reply::Result::Refusal(wire::Refusal {
                    code: refusal.code as u32,
                    message: refusal.message,
                }),
            }),
            revision: self.revision.0,
            remembered: self.remembered,
            oid: self.oid.map_or(0, |oid| oid.0),
        }
    }

    /// Takes a wire form apart: the call's number and its reply. A refusal of a code that this version does not know
    /// reads as `Internal`, with the code in its message.
    pub fn from_wire(wire: wire::Reply) -> (u64, Reply) {
        let result = match wire.result {
            Some(reply::Result::Value(value)) => Ok(value),
            Some(reply::Result::Refusal(refusal)) => Err(match Code::from_number(refusal.code) {
                Some(code) => Refusal::new(code, refusal.message),
                None => Refusal::new(
                    Code::Internal,
                    format!("refusal {}: {}", refusal.code, refusal.message),
                ),
            }),
            None => Ok(Value::Null),
        };
        let reply = Reply {
            result,
            revision: Revision(wire.revision),
            remembered: wire.remembered,
            oid: (wire.oid != 0).then_some(Oid(wire.oid)),
        };
        (wire.sequence, reply)
    }
}
