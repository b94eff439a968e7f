//! `lock`: held by one at a time, and freed when its holder dies. The core of `rlock` and `condition` too.
//!
//! Rows: `owner` -> `(owner, depth, token, since, note, lease)`, lent to the holder's session; `died` -> the note of a
//! holder that did not release, until the next holder was told; `w/<condition>/<ticket>` -> a caller that waits to be
//! notified, with what it gets back, lent to its session.
//!
//! **A condition is a line in its lock's object** ([`waits`]): `wait` gives the lock up and leaves a ticket in one change,
//! and whoever is notified goes to the end of the line of those who acquire. So a lock is a condition as well, and several
//! conditions share one lock without a protocol.
//!
//! **The token** of a grant is above that of every grant before it, also of those that a crash took back. It is a fence:
//! whoever holds the lock names it with a write, and the write is refused once the lock is held by another.

mod rows;
#[cfg(test)]
mod tests;
mod waits;

use super::terms::Terms;
use super::{
    Arguments, Decision, Holder, Kind, Lapse, Method, Next, Operation, Options, Parameter,
};
use commonhold_proto::{Code, Owner, Refusal, Revision, Row, RowKey, Rows, ServerTime, Value};
use smallvec::smallvec;
use std::collections::BTreeMap;
use std::time::Duration;
use waits::Ticket;

static OWNER: RowKey = RowKey::of("owner");
static DIED: RowKey = RowKey::of("died");

/// The kind.
pub static KIND: Kind = Kind {
    name: "lock",
    doc: "Held by one at a time, and freed when its holder dies.",
    options: OPTIONS,
    methods: METHODS,
    create: |options| Ok(Box::new(Lock::create(options, false)?)),
};

/// Creation options of `lock` and `rlock`.
pub(super) const OPTIONS: &[Parameter] = &[
    ON_CRASH,
    ON_EXIT,
    Parameter::optional(
        "owned",
        "bool: only the holder may release it; default True",
    ),
];

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

/// Methods of `lock`, `rlock` and `condition`.
pub(super) const METHODS: &[Method] = &[
    Method::write(
        "acquire",
        "Takes the lock, in the order in which callers came; returns a dict of token, previous_owner_died and previous_note.",
        &[
            Parameter::optional("blocking", "bool: may it wait? default True"),
            LEASE,
            NOTE,
        ],
    )
    .in_line(LINE),
    Method::write("release", "Gives the lock back.", &[TOKEN]).shrinking(),
    Method::write(
        "extend",
        "Lets the lock be held for so much longer from now, or without an end.",
        &[LEASE, TOKEN],
    ),
    Method::write(
        "note",
        "Leaves a note that others see while the lock is held, and the next holder if this one dies.",
        &[
            Parameter::required("text", "str: at most 1,024 bytes; None for none"),
            TOKEN,
        ],
    ),
    Method::write(
        "force_release",
        "Frees the lock whoever holds it; returns whether anybody did. The holder is told that it lost it.",
        &[],
    )
    .shrinking(),
    Method::read("locked", "Tells whether the lock is held.", &[]),
    Method::write(
        "wait",
        "Gives the lock up, waits to be notified and takes it again; returns a dict as acquire does, with notified.",
        &[CONDITION],
    )
    .waiting(),
    Method::write(
        "notify",
        "Wakes callers that wait, in the order in which they came; returns how many.",
        &[
            Parameter::optional("n", "int: at most so many; default 1"),
            CONDITION,
        ],
    ),
    Method::write(
        "notify_all",
        "Wakes all callers that wait; returns how many.",
        &[CONDITION],
    ),
    Method::read("waiting", "Returns how many wait to be notified.", &[CONDITION]),
    Method::write(
        "disband",
        "Ends the wait of all who wait to be notified: they are refused, without the lock.",
        &[CONDITION],
    )
    .shrinking(),
    Method::internal("awaken", "A caller that waits asks whether it was notified.", WAITED)
        .waiting(),
    Method::internal("late", "A caller has waited for too long to be notified.", WAITED)
        .in_line(LINE),
    Method::internal("regain", "A caller that waited takes the lock again.", WAITED).in_line(LINE),
];

const LINE: &str = "acquire";
const LEASE: Parameter = Parameter::optional(
    "lease",
    "seconds: how long it may be held; default as long as its client lives",
);
const NOTE: Parameter = Parameter::optional("note", "str: as by note");
/// The token of a grant.
pub(super) const TOKEN: Parameter = Parameter::optional(
    "token",
    "int: of which grant; default the one that the caller's thread or task holds",
);
const CONDITION: Parameter = Parameter::optional(
    "condition",
    "int: the condition's oid, filled in by the condition; default the lock's own",
);
const WAITED: &[Parameter] = &[
    Parameter::required("condition", "int"),
    Parameter::required("ticket", "int"),
];

/// The longest note, in bytes.
pub(crate) const NOTE_BYTES_MAX: usize = 1024;

/// A lock: for one thread once, or for one as often as it likes.
#[derive(Debug)]
pub(super) struct Lock {
    is_reentrant: bool,
    is_owned: bool,
    policy: Policy,
    hold: Option<Hold>,
    /// The row `died`.
    died: Option<(Value, Terms)>,
    waits: BTreeMap<RowKey, Ticket>,
}

/// The row `owner`.
#[derive(Clone, Debug)]
struct Hold {
    owner: i64,
    depth: i64,
    token: Revision,
    since: ServerTime,
    note: Option<String>,
    /// For how long it was asked, in milliseconds.
    lease_ms: Option<i64>,
    terms: Terms,
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
                    format!("the option \"{name}\" must be release or keep, not {}", value.repr()),
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

impl Lock {
    pub(super) fn create(options: &Options, is_reentrant: bool) -> Result<Lock, Refusal> {
        let is_owned = match options.get("owned") {
            None => true,
            Some(Value::Bool(owned)) => *owned,
            Some(other) => {
                let message = format!("the option \"owned\" must be a bool, not {}", other.repr());
                return Err(Refusal::new(Code::BadArguments, message));
            }
        };
        Ok(Lock {
            is_reentrant,
            is_owned,
            policy: Policy::of(options)?,
            hold: None,
            died: None,
            waits: BTreeMap::new(),
        })
    }

    fn acquire(
        &self,
        operation: &Operation,
        call: &Arguments,
        ahead: bool,
    ) -> Result<Decision, Refusal> {
        let lease_ms = call.seconds("lease")?.map(millis);
        let note = note_of(call, "note")?;
        let blocking = call.bool_or("blocking", true)?;
        match &self.hold {
            None if !ahead => {
                let hold = Hold {
                    owner: owner(operation),
                    depth: 1,
                    token: operation.next,
                    since: operation.at,
                    note,
                    lease_ms,
                    terms: Terms::of(operation.session, expiry(operation.at, lease_ms)),
                };
                Ok(self.grant(hold, &[]))
            }
            Some(hold) if self.is_reentrant && hold.is_of(operation) => {
                let Some(depth) = hold.depth.checked_add(1) else {
                    let message = "the lock was acquired too often";
                    return Err(Refusal::new(Code::OutOfBounds, message));
                };
                let hold = Hold {
                    depth,
                    ..hold.clone()
                };
                let reply = granted(hold.token, None);
                Ok(Decision::reply(reply).with(hold.to_row()))
            }
            _ if !blocking || !operation.may_wait => {
                Err(Refusal::new(Code::WouldBlock, "the lock is held"))
            }
            _ => Ok(Decision::wait(OWNER.clone(), call.to_call())),
        }
    }

    /// Hands the lock over. `more` is added to the reply.
    fn grant(&self, hold: Hold, more: &[(&str, Value)]) -> Decision {
        let died = self.died.as_ref().map(|(note, _)| note);
        let mut pairs = granted(hold.token, died);
        if let Value::Dict(pairs) = &mut pairs {
            pairs.extend(more.iter().map(|(name, value)| ((*name).into(), value.clone())));
        }
        let mut decision = Decision::reply(pairs).with(hold.to_row());
        if self.died.is_some() {
            decision.rows.push(Row::delete(DIED.clone()));
        }
        decision
    }

    /// The hold that a call is about: that of its token, else the caller's own.
    fn held(&self, operation: &Operation, call: &Arguments, doing: &str) -> Result<&Hold, Refusal> {
        let token = token_of(call)?;
        match (&self.hold, token) {
            (Some(hold), Some(token)) if hold.token == token => Ok(hold),
            (_, Some(token)) => Err(Refusal::new(
                Code::LockLost,
                format!("the grant with token {token} is over: the lock was lost, or released"),
            )),
            (Some(hold), None) if !self.is_owned || hold.is_of(operation) => Ok(hold),
            // In the words of Python's threading.
            (None, None) if !self.is_reentrant && doing == "release" => {
                Err(Refusal::new(Code::NotOwner, "release unlocked lock"))
            }
            _ => Err(Refusal::new(
                Code::NotOwner,
                format!("cannot {doing} un-acquired lock"),
            )),
        }
    }

    fn release(&self, operation: &Operation, call: &Arguments) -> Result<Decision, Refusal> {
        let hold = self.held(operation, call, "release")?;
        let row = if hold.depth > 1 {
            let hold = Hold {
                depth: hold.depth - 1,
                ..hold.clone()
            };
            hold.to_row()
        } else {
            Row::delete(OWNER.clone())
        };
        Ok(Decision::reply(Value::Null).with(row))
    }

    fn extend(&self, operation: &Operation, call: &Arguments) -> Result<Decision, Refusal> {
        let hold = self.held(operation, call, "extend")?;
        let lease_ms = call.seconds("lease")?.map(millis);
        let hold = Hold {
            lease_ms,
            terms: Terms::of(hold.terms.lent(), expiry(operation.at, lease_ms)),
            ..hold.clone()
        };
        Ok(Decision::reply(Value::Null).with(hold.to_row()))
    }

    fn note(&self, operation: &Operation, call: &Arguments) -> Result<Decision, Refusal> {
        let hold = Hold {
            note: note_of(call, "text")?,
            ..self.held(operation, call, "note")?.clone()
        };
        Ok(Decision::reply(Value::Null).with(hold.to_row()))
    }

    /// The rows that free the lock although its holder did not release it.
    fn abandon(&self, hold: &Hold) -> Rows {
        let note = hold.note.as_deref().map_or(Value::Null, Value::from);
        smallvec![
            Row::delete(OWNER.clone()),
            Row::put(DIED.clone(), note),
        ]
    }

    fn lapse_hold(&self, hold: &Hold, why: Lapse) -> Rows {
        if self.policy.keeps(why) {
            let hold = Hold {
                terms: Terms::of(None, hold.terms.expires()),
                ..hold.clone()
            };
            smallvec![hold.to_row()]
        } else if why == Lapse::Goodbye {
            smallvec![Row::delete(OWNER.clone())]
        } else {
            self.abandon(hold)
        }
    }

    fn force_release(&self) -> Decision {
        match &self.hold {
            Some(hold) => Decision {
                rows: self.abandon(hold),
                next: Next::Reply(true.into()),
            },
            None => Decision::reply(false),
        }
    }
}

impl Hold {
    fn is_of(&self, operation: &Operation) -> bool {
        self.terms.lent() == operation.session && self.owner == owner(operation)
    }

    fn to_holder(&self) -> Holder {
        Holder {
            session: self.terms.lent(),
            owner: Owner(self.owner.cast_unsigned()),
            since: self.since,
            token: Some(self.token),
            note: self.note.clone(),
            part: None,
        }
    }
}

/// What whoever acquired is told: its token, and whether the holder before it died, with the note that one left.
pub(super) fn granted(token: Revision, died: Option<&Value>) -> Value {
    Value::Dict(vec![
        ("token".into(), token.0.into()),
        ("previous_owner_died".into(), died.is_some().into()),
        ("previous_note".into(), died.cloned().unwrap_or(Value::Null)),
    ])
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
            format!("a note has at most {NOTE_BYTES_MAX} bytes, not {}", text.len()),
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
