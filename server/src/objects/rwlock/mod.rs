//! `rwlock`: held by many readers or by one writer.
//!
//! Rows: for each holder `h/<session><owner>` -> `(writes, hold)`, the hold as a [`lock`](super::lock) has it, lent to its
//! session; `died` -> what is known of a writer that did not release, until the next writer was told
//! ([`super::unreleased`]).
//!
//! Readers and writers stand in one line, in the order in which they came, so that a writer waits for the readers before
//! it and for nobody who came later: neither side starves. Whoever holds it already is answered at once. A reader cannot
//! become a writer without giving up first, since two that tried would wait for each other; a writer may also read.

mod rows;
#[cfg(test)]
mod tests;

use super::hold::{
    Hold, LEASE, NOTE, ON_CRASH, ON_EXIT, Policy, TOKEN, granted, held_by_others, token_of,
};
use super::unreleased::{End, UNRELEASED, Unreleased};
use super::{Arguments, Decision, Kind, Lapse, Method, Next, Operation, Options, Parameter, Until};
use commonhold_proto::{Code, Refusal, Revision, Row, RowKey, Rows, Value};
use smallvec::smallvec;
use std::collections::{BTreeMap, BTreeSet};

static HOLDERS: RowKey = RowKey::of("h/");

/// The kind.
pub static KIND: Kind = Kind {
    name: "rwlock",
    doc: "Held by many readers or by one writer.",
    options: &[ON_CRASH, ON_EXIT],
    methods: &[
        Method::write(
            "read",
            "Takes the lock with other readers; returns a dict of token, lock (the oid that fences name), previous_end (None if the holder before gave it back, else died, expired or forced), previous_owner_died and previous_note.",
            ACQUIRE,
        )
        .in_line(LINE),
        Method::write(
            "write",
            "Takes the lock alone; returns a dict as read does.",
            ACQUIRE,
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
            "Leaves a note that others see while the lock is held, and the next holder if a writer dies.",
            &[
                Parameter::required("text", "str: at most 1,024 bytes; None for none"),
                TOKEN,
            ],
        ),
        Method::write(
            "force_release",
            "Frees the lock whoever holds it; returns how many did. They are told that they lost it.",
            &[],
        )
        .shrinking(),
        Method::read("readers", "Returns how many read.", &[]),
        Method::read("locked", "Tells whether anybody holds it.", &[]),
    ],
    create: |options| Ok(Box::new(ReadWriteLock::create(options)?)),
};

const LINE: &str = "acquire";
const ACQUIRE: &[Parameter] = &[
    Parameter::optional("blocking", "bool: may it wait? default True"),
    LEASE,
    NOTE,
];

/// A lock for many readers or one writer.
#[derive(Debug)]
struct ReadWriteLock {
    policy: Policy,
    holders: BTreeMap<RowKey, Held>,
    /// The same, in the order in which they came.
    by_token: BTreeSet<(Revision, RowKey)>,
    /// The key of the writer, if there is one.
    writer: Option<RowKey>,
    unreleased: Option<Unreleased>,
}

/// A row `h/<session><owner>`.
#[derive(Clone, Debug)]
struct Held {
    writes: bool,
    hold: Hold,
}

impl ReadWriteLock {
    fn create(options: &Options) -> Result<ReadWriteLock, Refusal> {
        Ok(ReadWriteLock {
            policy: Policy::of(options)?,
            holders: BTreeMap::new(),
            by_token: BTreeSet::new(),
            writer: None,
            unreleased: None,
        })
    }

    fn acquire(
        &self,
        operation: &Operation,
        call: &Arguments,
        writes: bool,
        ahead: bool,
    ) -> Result<Decision, Refusal> {
        let hold = Hold::of(operation, call)?;
        let blocking = call.bool_or("blocking", true)?;
        let key = holder_key(operation);
        if let Some(held) = self
            .holders
            .get(&key)
            .filter(|held| held.hold.is_of(operation))
        {
            if writes && !held.writes {
                let message = "a reader cannot become a writer: release it first";
                return Err(Refusal::new(Code::Conflict, message));
            }
            let again = Held {
                writes: held.writes,
                hold: held.hold.again()?,
            };
            return Ok(Decision::reply(granted(operation, again.hold.token, None))
                .with(again.to_row(&key)));
        }
        let is_free = if writes {
            self.holders.is_empty()
        } else {
            self.writer.is_none()
        };
        if is_free && !ahead {
            let reply = granted(operation, hold.token, self.unreleased.as_ref());
            let mut decision = Decision::reply(reply).with(Held { writes, hold }.to_row(&key));
            // Readers mend nothing: each is told, until a writer was.
            if writes && self.unreleased.is_some() {
                decision.rows.push(Row::delete(UNRELEASED.clone()));
            }
            return Ok(decision);
        }
        if !blocking || !operation.may_wait {
            return Err(held_by_others(blocking));
        }
        Ok(Decision {
            rows: Rows::new(),
            next: Next::Wait {
                // Only the first of the line is asked, so a change of any row wakes one.
                until: Until::Any,
                resume: call.to_call().into(),
                on_deadline: None,
            },
        })
    }

    /// The row that a call is about: that of its token, else the caller's own.
    fn held(
        &self,
        operation: &Operation,
        call: &Arguments,
        doing: &str,
    ) -> Result<(RowKey, &Held), Refusal> {
        if let Some(token) = token_of(call)? {
            let mut from = self.by_token.range((token, RowKey::EMPTY)..);
            let found = from.next().filter(|(found, _)| *found == token);
            let held = found.and_then(|(_, key)| Some((key, self.holders.get(key)?)));
            return match held {
                Some((key, held)) => Ok((key.clone(), held)),
                None => Err(Refusal::new(
                    Code::LockLost,
                    format!("the grant with token {token} is over: the lock was lost, or released"),
                )),
            };
        }
        let key = holder_key(operation);
        match self
            .holders
            .get(&key)
            .filter(|held| held.hold.is_of(operation))
        {
            Some(held) => Ok((key, held)),
            None => Err(Refusal::new(
                Code::NotOwner,
                format!("cannot {doing} un-acquired lock"),
            )),
        }
    }

    fn release(&self, operation: &Operation, call: &Arguments) -> Result<Decision, Refusal> {
        let (key, held) = self.held(operation, call, "release")?;
        let row = match held.hold.given_back() {
            Some(hold) => Held { hold, ..*held }.to_row(&key),
            None => Row::delete(key),
        };
        Ok(Decision::reply(Value::Null).with(row))
    }

    fn extend(&self, operation: &Operation, call: &Arguments) -> Result<Decision, Refusal> {
        let (key, held) = self.held(operation, call, "extend")?;
        let hold = held.hold.extended(operation, call)?;
        Ok(Decision::reply(Value::Null).with(Held { hold, ..*held }.to_row(&key)))
    }

    fn note(&self, operation: &Operation, call: &Arguments) -> Result<Decision, Refusal> {
        let (key, held) = self.held(operation, call, "note")?;
        let hold = held.hold.noted(call)?;
        Ok(Decision::reply(Value::Null).with(Held { hold, ..*held }.to_row(&key)))
    }

    fn force_release(&self) -> Decision {
        let count = i64::try_from(self.holders.len()).expect("a count fits");
        let mut rows = Rows::new();
        if count > 0 {
            rows.push(Row::DeletePrefix {
                prefix: HOLDERS.clone(),
            });
        }
        let writer = self.writer.as_ref().and_then(|key| self.holders.get(key));
        rows.extend(writer.map(|held| Unreleased::row(&held.hold, End::Forced)));
        Decision {
            rows,
            next: Next::Reply(count.into()),
        }
    }

    fn lapse_held(&self, key: &RowKey, held: &Held, why: Lapse) -> Rows {
        if self.policy.keeps(why) {
            let hold = held.hold.kept();
            return smallvec![Held { hold, ..*held }.to_row(key)];
        }
        let mut rows: Rows = smallvec![Row::delete(key.clone())];
        if held.writes
            && let Some(end) = End::of(why)
        {
            rows.push(Unreleased::row(&held.hold, end));
        }
        rows
    }
}

/// The row of a caller: what one thread or task of a session holds.
fn holder_key(operation: &Operation) -> RowKey {
    let mut key = HOLDERS.to_vec();
    let session = operation.session.map_or(0, |session| session.0);
    key.extend_from_slice(&session.to_be_bytes());
    key.extend_from_slice(&operation.owner.0.to_be_bytes());
    if operation.session.is_none() {
        // Callers without a session cannot be told apart: each grant is a holder of its own.
        key.extend_from_slice(&operation.next.0.to_be_bytes());
    }
    key.into()
}
