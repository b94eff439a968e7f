//! `lock`: held by one at a time, and freed when its holder dies. The core of `rlock` and `condition` too.
//!
//! Rows: `owner` -> `(owner, depth, token, since, note, lease)`, lent to the holder's session; `died` -> what is known of a
//! holder that did not release, until the next holder was told ([`super::unreleased`]); `w/<condition>/<ticket>` -> a caller that waits to be
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

use super::hold::{
    Hold, LEASE, NOTE, ON_CRASH, ON_EXIT, Policy, TOKEN, granted, held_by_others, token_of,
};
use super::unreleased::{End, UNRELEASED, Unreleased};
use super::{Arguments, Decision, Kind, Lapse, Method, Next, Operation, Options, Parameter};
use commonhold_proto::{Code, Refusal, Row, RowKey, Rows, Value};
use smallvec::smallvec;
use std::collections::BTreeMap;
use waits::Ticket;

static OWNER: RowKey = RowKey::of("owner");

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

/// Methods of `lock`, `rlock` and `condition`.
pub(super) const METHODS: &[Method] = &[
    Method::write(
        "acquire",
        "Takes the lock, in the order in which callers came; returns a dict of token, lock (the oid that fences name), previous_end (None if the holder before gave it back, else died, expired or forced), previous_owner_died and previous_note.",
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
const CONDITION: Parameter = Parameter::optional(
    "condition",
    "int: the condition's oid, filled in by the condition; default the lock's own",
);
const WAITED: &[Parameter] = &[
    Parameter::required("condition", "int"),
    Parameter::required("ticket", "int"),
];

/// A lock: for one thread once, or for one as often as it likes.
#[derive(Debug)]
pub(super) struct Lock {
    is_reentrant: bool,
    is_owned: bool,
    policy: Policy,
    hold: Option<Hold>,
    unreleased: Option<Unreleased>,
    waits: BTreeMap<RowKey, Ticket>,
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
            unreleased: None,
            waits: BTreeMap::new(),
        })
    }

    fn acquire(
        &self,
        operation: &Operation,
        call: &Arguments,
        ahead: bool,
    ) -> Result<Decision, Refusal> {
        let wanted = Hold::of(operation, call)?;
        let blocking = call.bool_or("blocking", true)?;
        match &self.hold {
            None if !ahead => Ok(self.grant(operation, &wanted, &[])),
            Some(hold) if self.is_reentrant && hold.is_of(operation) => {
                let hold = hold.again()?;
                Ok(Decision::reply(granted(operation, hold.token, None)).with(hold.to_row()))
            }
            _ if !blocking || !operation.may_wait => Err(held_by_others(blocking)),
            _ => Ok(Decision::wait(OWNER.clone(), call.to_call())),
        }
    }

    /// Hands the lock over. `more` is added to the reply.
    fn grant(&self, operation: &Operation, hold: &Hold, more: &[(&str, Value)]) -> Decision {
        let mut pairs = granted(operation, hold.token, self.unreleased.as_ref());
        if let Value::Dict(pairs) = &mut pairs {
            pairs.extend(
                more.iter()
                    .map(|(name, value)| ((*name).into(), value.clone())),
            );
        }
        let mut decision = Decision::reply(pairs).with(hold.to_row());
        if self.unreleased.is_some() {
            decision.rows.push(Row::delete(UNRELEASED.clone()));
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
        let row = match hold.given_back() {
            Some(hold) => hold.to_row(),
            None => Row::delete(OWNER.clone()),
        };
        Ok(Decision::reply(Value::Null).with(row))
    }

    fn extend(&self, operation: &Operation, call: &Arguments) -> Result<Decision, Refusal> {
        let hold = self.held(operation, call, "extend")?;
        let row = hold.extended(operation, call)?.to_row();
        Ok(Decision::reply(Value::Null).with(row))
    }

    fn note(&self, operation: &Operation, call: &Arguments) -> Result<Decision, Refusal> {
        let row = self.held(operation, call, "note")?.noted(call)?.to_row();
        Ok(Decision::reply(Value::Null).with(row))
    }

    /// The rows that free the lock although its holder did not release it.
    fn abandon(hold: &Hold, end: End) -> Rows {
        smallvec![Row::delete(OWNER.clone()), Unreleased::row(hold, end)]
    }

    fn lapse_hold(&self, hold: &Hold, why: Lapse) -> Rows {
        if self.policy.keeps(why) {
            smallvec![hold.kept().to_row()]
        } else {
            match End::of(why) {
                Some(end) => Lock::abandon(hold, end),
                None => smallvec![Row::delete(OWNER.clone())],
            }
        }
    }

    fn force_release(&self) -> Decision {
        match &self.hold {
            Some(hold) => Decision {
                rows: Lock::abandon(hold, End::Forced),
                next: Next::Reply(true.into()),
            },
            None => Decision::reply(false),
        }
    }
}
