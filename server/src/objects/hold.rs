//! A hold, as `lock`, `rlock`, `condition` and `rwlock` have it: what is known of whoever holds a lock, and what becomes of it when its client ends.

use super::terms::Terms;
use super::unreleased::{End, Unreleased};
use super::{Arguments, Holder, Lapse, Operation, Options, Parameter};
use commonhold_proto::{Code, Owner, Refusal, Revision, ServerTime, Value};
use std::time::Duration;

/// The longest note, in bytes.
pub(crate) const NOTE_BYTES_MAX: usize = 1024;

/// What becomes of what a dead client held.
pub(super) const ON_CRASH: Parameter = Parameter::optional(
    "on_crash",
    "release or keep: what becomes of it when its holder dies; default release",
);
/// What becomes of what a client holds that ends cleanly.
pub(super) const ON_EXIT: Parameter = Parameter::optional(
    "on_exit",
    "release or keep: what becomes of it when its holder ends cleanly; default release",
);

/// How long a lock may be held.
pub(super) const LEASE: Parameter = Parameter::optional(
    "lease",
    "seconds: how long it may be held; default as long as its client lives",
);
/// What a holder says of itself.
pub(super) const NOTE: Parameter = Parameter::optional("note", "str: as by note");
/// The token of a grant.
pub(super) const TOKEN: Parameter = Parameter::optional(
    "token",
    "int: of which grant; default the one that the caller's thread or task holds",
);
/// Who holds a lock, and how.
#[derive(Clone, Debug)]
pub(super) struct Hold {
    pub(super) owner: i64,
    pub(super) depth: i64,
    pub(super) token: Revision,
    pub(super) since: ServerTime,
    pub(super) note: Option<String>,
    /// For how long it was asked, in milliseconds.
    pub(super) lease_ms: Option<i64>,
    pub(super) terms: Terms,
}

impl Hold {
    /// A new one, with the `lease` and the `note` that the call asks for.
    pub(super) fn of(operation: &Operation, call: &Arguments) -> Result<Hold, Refusal> {
        let lease_ms = call.seconds("lease")?.map(millis);
        if operation.session.is_none() && lease_ms.is_none() {
            return Err(endless());
        }
        Ok(Hold {
            owner: owner(operation),
            depth: 1,
            token: operation.next,
            since: operation.at,
            note: note_of(call, "note")?,
            lease_ms,
            terms: Terms::of(operation.session, expiry(operation.at, lease_ms)),
        })
    }

    /// Is it the caller's? Callers without a session cannot be told apart: they name the token.
    pub(super) fn is_of(&self, operation: &Operation) -> bool {
        operation.session.is_some()
            && self.terms.lent() == operation.session
            && self.owner == owner(operation)
    }

    /// Taken once more by its holder.
    pub(super) fn again(&self) -> Result<Hold, Refusal> {
        let Some(depth) = self.depth.checked_add(1) else {
            let message = "the lock was acquired too often";
            return Err(Refusal::new(Code::OutOfBounds, message));
        };
        Ok(Hold {
            depth,
            ..self.clone()
        })
    }

    /// Given back once; `None` if that was all.
    pub(super) fn given_back(&self) -> Option<Hold> {
        (self.depth > 1).then(|| Hold {
            depth: self.depth - 1,
            ..self.clone()
        })
    }

    /// Held for the `lease` of the call from now on.
    pub(super) fn extended(
        &self,
        operation: &Operation,
        call: &Arguments,
    ) -> Result<Hold, Refusal> {
        let lease_ms = call.seconds("lease")?.map(millis);
        if self.terms.lent().is_none() && lease_ms.is_none() {
            return Err(endless());
        }
        Ok(Hold {
            lease_ms,
            terms: Terms::of(self.terms.lent(), expiry(operation.at, lease_ms)),
            ..self.clone()
        })
    }

    /// With the note `text` of the call.
    pub(super) fn noted(&self, call: &Arguments) -> Result<Hold, Refusal> {
        Ok(Hold {
            note: note_of(call, "text")?,
            ..self.clone()
        })
    }

    /// Held by nobody that is still there.
    pub(super) fn kept(&self) -> Hold {
        Hold {
            terms: Terms::of(None, self.terms.expires()),
            ..self.clone()
        }
    }

    /// Its note as a value.
    pub(super) fn note_value(&self) -> Value {
        self.note.as_deref().map_or(Value::Null, Value::from)
    }

    /// For people.
    pub(super) fn to_holder(&self, part: Option<&str>) -> Holder {
        Holder {
            session: self.terms.lent(),
            owner: Owner(self.owner.cast_unsigned()),
            since: self.since,
            token: Some(self.token),
            note: self.note.clone(),
            part: part.map(str::to_owned),
        }
    }

    /// As a row has it: `(owner, depth, token, since, note, lease)`.
    pub(super) fn to_value(&self) -> Value {
        Value::Tuple(vec![
            self.owner.into(),
            self.depth.into(),
            self.token.0.into(),
            self.since.0.into(),
            self.note_value(),
            self.lease_ms.map_or(Value::Null, Value::from),
        ])
    }

    /// Reads what [`Hold::to_value`] writes.
    pub(super) fn parse(value: &Value, terms: &Terms) -> Option<Hold> {
        let Value::Tuple(parts) = value else {
            return None;
        };
        let [
            Value::Int(owner),
            Value::Int(depth @ 1..),
            Value::Int(token @ 0..),
            Value::Int(since @ 0..),
            note,
            lease,
        ] = &parts[..]
        else {
            return None;
        };
        let (note, lease_ms) = parse_asked(note, lease)?;
        Some(Hold {
            owner: *owner,
            depth: *depth,
            token: Revision(token.cast_unsigned()),
            since: ServerTime(since.cast_unsigned()),
            note,
            lease_ms,
            terms: terms.clone(),
        })
    }

    /// About how many bytes it takes beside its fields of fixed size.
    pub(super) fn extra_bytes(&self) -> usize {
        self.note.as_ref().map_or(0, String::len)
    }
}

/// What becomes of a hold when its session ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Policy {
    keep_on_crash: bool,
    keep_on_exit: bool,
}

impl Policy {
    /// Reads `on_crash` and `on_exit`.
    pub(super) fn of(options: &Options) -> Result<Policy, Refusal> {
        let keeps = |name: &str| match options.get(name) {
            None => Ok(false),
            Some(value) => match value.as_text() {
                Some("release") => Ok(false),
                Some("keep") => Ok(true),
                _ => Err(Refusal::new(
                    Code::BadArguments,
                    format!(
                        "the option \"{name}\" must be release or keep, not {}",
                        value.repr()
                    ),
                )),
            },
        };
        Ok(Policy {
            keep_on_crash: keeps("on_crash")?,
            keep_on_exit: keeps("on_exit")?,
        })
    }

    /// Does a hold outlive its session?
    pub(super) fn keeps(self, why: Lapse) -> bool {
        match why {
            Lapse::Died => self.keep_on_crash,
            Lapse::Goodbye => self.keep_on_exit,
            Lapse::Expired => false,
        }
    }
}

/// What whoever acquired is told: of which lock, its token, and if the holder before it did not give it back, how that
/// one ended and the note it left.
pub(super) fn granted(
    operation: &Operation,
    token: Revision,
    before: Option<&Unreleased>,
) -> Value {
    let end = before.map(|before| before.end);
    let note = before.map(|before| before.note.clone());
    Value::Dict(vec![
        ("token".into(), token.0.into()),
        (
            "previous_owner_died".into(),
            (end == Some(End::Died)).into(),
        ),
        ("previous_note".into(), note.unwrap_or(Value::Null)),
        ("lock".into(), operation.oid.0.into()),
        (
            "previous_end".into(),
            end.map_or(Value::Null, |end| end.name().into()),
        ),
    ])
}

/// That nobody would see when it ends.
fn endless() -> Refusal {
    let message =
        "what no session holds must say how long it may be held: nobody would see its holder die";
    Refusal::new(Code::BadArguments, message)
}

/// That a lock cannot be had at once: the caller did not want to wait, or has no time left. The engine says who holds it.
pub(super) fn held_by_others(blocking: bool) -> Refusal {
    let code = if blocking {
        Code::DeadlineExceeded
    } else {
        Code::WouldBlock
    };
    Refusal::new(code, "the lock is held")
}

/// The argument `token`.
pub(super) fn token_of(call: &Arguments) -> Result<Option<Revision>, Refusal> {
    match call.get("token") {
        None | Some(Value::Null) => Ok(None),
        Some(_) => Ok(Some(Revision(call.int_or("token", 0)?.cast_unsigned()))),
    }
}

/// A note, or none.
pub(super) fn note_of(call: &Arguments, name: &str) -> Result<Option<String>, Refusal> {
    match call.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Text(text)) if text.len() > NOTE_BYTES_MAX => Err(Refusal::new(
            Code::ValueTooLarge,
            format!(
                "a note has at most {NOTE_BYTES_MAX} bytes, not {}",
                text.len()
            ),
        )),
        Some(_) => Ok(Some(call.text(name)?.to_owned())),
    }
}

/// When something that begins now ends.
pub(super) fn expiry(now: ServerTime, lease_ms: Option<i64>) -> Option<ServerTime> {
    lease_ms.map(|lease| ServerTime(now.0.saturating_add_signed(lease)))
}

/// A time as rows have it, rounded up to milliseconds.
pub(super) fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_micros().div_ceil(1000).max(1)).unwrap_or(i64::MAX)
}

/// The owner as rows have it.
pub(super) fn owner(operation: &Operation) -> i64 {
    operation.owner.0.cast_signed()
}

/// A note and a lease in a row: each absent, or a text and milliseconds.
pub(super) fn parse_asked(note: &Value, lease: &Value) -> Option<(Option<String>, Option<i64>)> {
    let note = match note {
        Value::Null => None,
        Value::Text(text) => Some(text.to_string()),
        _ => return None,
    };
    match lease {
        Value::Null => Some((note, None)),
        Value::Int(lease @ 1..) => Some((note, Some(*lease))),
        _ => None,
    }
}
