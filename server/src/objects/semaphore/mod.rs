//! `semaphore`: permits that are taken and given back, as Python's `threading.Semaphore`; with a bound it is the
//! `bounded_semaphore`.
//!
//! Rows: for each acquisition `p/<ticket>` -> `(permits, owner)`, lent to its session: what a dead client held is free
//! again. `free` -> by how many permits releases raised the value above the initial one.
//!
//! **Anyone may release**, as in Python, and the value is Python's at each step. What is given back is the caller's own
//! latest permit, else one of its session, else the oldest that anybody holds; only with none held does the value rise. So
//! a permit that somebody else gave back does not come back once more when its holder dies, and no rows pile up where one
//! client acquires and another releases. A semaphore that is not `owned` lends nothing: its only row is `free`, which falls
//! and rises. Of one that is, only a session takes permits: nobody would see another caller die.

mod rows;
#[cfg(test)]
mod tests;

use super::terms::Terms;
use super::{
    Arguments, Decision, Kind, Method, Next, OPERATION_ROWS_MAX, Operation, Options, Parameter,
    Until,
};
use commonhold_proto::{Call, Code, Refusal, Row, RowKey, Rows, SessionId, Value};
use rows::permit_value;
use std::collections::{BTreeMap, BTreeSet, HashSet};

static FREE: RowKey = RowKey::of("free");
static PERMITS: RowKey = RowKey::of("p/");

/// The kind.
pub static KIND: Kind = Kind {
    name: "semaphore",
    doc: "Permits that are taken and given back.",
    options: OPTIONS,
    methods: METHODS,
    create: |options| Ok(Box::new(Semaphore::create(options, false)?)),
};

/// Creation options of both kinds.
pub(super) const OPTIONS: &[Parameter] = &[
    Parameter::required("permits", "int: how many there are, at least 0"),
    Parameter::optional(
        "owned",
        "bool: permits come back when the client that holds them dies, and only sessions take any; default True",
    ),
];

/// Methods of both kinds.
pub(super) const METHODS: &[Method] = &[
    Method::write(
        "acquire",
        "Takes permits, in the order in which callers came; returns True, or False if the time ran out before.",
        &[
            PERMITS_N,
            Parameter::optional("blocking", "bool: may it wait? default True"),
        ],
    )
    .in_line(LINE),
    Method::write(
        "release",
        "Gives permits back: the caller's own, else those of others.",
        &[
            PERMITS_N,
            Parameter::optional(
                "own",
                "bool: only the caller's own, and LockLost if they came back before; default False",
            ),
        ],
    )
    .shrinking(),
    Method::read("value", "Returns how many permits are free.", &[]),
    Method::internal("late", "A caller has waited for too long.", &[]),
];

const LINE: &str = "acquire";
const PERMITS_N: Parameter =
    Parameter::optional("n", "int: how many permits, at least 1; default 1");

/// A semaphore, with or without a bound.
#[derive(Debug)]
pub(super) struct Semaphore {
    initial: i64,
    is_bounded: bool,
    is_owned: bool,
    /// The row `free`, if it was ever written.
    free: Option<(i64, Terms)>,
    permits: BTreeMap<RowKey, Permit>,
    /// The rows of each holder.
    holders: BTreeMap<Holder, BTreeSet<RowKey>>,
    /// The sum of all permits that are held.
    held: i128,
}

/// A row `p/<ticket>`.
#[derive(Debug)]
struct Permit {
    n: i64,
    owner: i64,
    terms: Terms,
}

/// Who holds: a session and a thread or task of it.
type Holder = (Option<SessionId>, i64);

impl Semaphore {
    pub(super) fn create(options: &Options, is_bounded: bool) -> Result<Semaphore, Refusal> {
        let bad = |option: &str, what: String| {
            Refusal::new(
                Code::BadArguments,
                format!("the option \"{option}\" {what}"),
            )
        };
        let initial = match options.get("permits") {
            Some(Value::Int(permits @ 0..)) => *permits,
            Some(other) => {
                let what = format!("must be an int of at least 0, not {}", other.repr());
                return Err(bad("permits", what));
            }
            None => return Err(bad("permits", "is missing: how many there are".to_owned())),
        };
        let is_owned = match options.get("owned") {
            None => true,
            Some(Value::Bool(owned)) => *owned,
            Some(other) => {
                return Err(bad(
                    "owned",
                    format!("must be a bool, not {}", other.repr()),
                ));
            }
        };
        Ok(Semaphore {
            initial,
            is_bounded,
            is_owned,
            free: None,
            permits: BTreeMap::new(),
            holders: BTreeMap::new(),
            held: 0,
        })
    }

    fn raised(&self) -> i64 {
        self.free.as_ref().map_or(0, |(raised, _)| *raised)
    }

    fn value(&self) -> i128 {
        i128::from(self.initial) + i128::from(self.raised()) - self.held
    }

    /// The row that raises the value by so many.
    fn raise(&self, by: i64) -> Result<Row, Refusal> {
        match self.raised().checked_add(by) {
            Some(raised) => Ok(Row::put(FREE.clone(), raised.into())),
            None => Err(Refusal::new(
                Code::OutOfBounds,
                "the semaphore would count more than 64 bits hold",
            )),
        }
    }

    fn acquire(
        &self,
        operation: &Operation,
        call: &Arguments,
        ahead: bool,
    ) -> Result<Decision, Refusal> {
        let n = permits(call)?;
        let blocking = call.bool_or("blocking", true)? && operation.may_wait;
        if self.is_bounded && n > self.initial {
            let what = format!("is {n}, but there are only {} permits", self.initial);
            return Err(call.bad("n", &what));
        }
        if self.is_owned && operation.session.is_none() {
            let message = "only a session can take permits that come back when their holder dies: \
                nobody would see its caller die";
            return Err(Refusal::new(Code::BadArguments, message));
        }
        if !ahead && self.value() >= i128::from(n) {
            let row = if self.is_owned {
                let value = permit_value(n, owner(operation));
                Row::lent(self.ticket(operation), value, operation.session)
            } else {
                self.raise(-n)?
            };
            return Ok(Decision::reply(true).with(row));
        }
        if !blocking {
            return Ok(Decision::reply(false));
        }
        Ok(Decision {
            rows: Rows::new(),
            next: Next::Wait {
                // Only the first of the line is asked, so a change of any row wakes one.
                until: Until::Any,
                resume: call.to_call().into(),
                on_deadline: Some(Call::new("late", []).into()),
            },
        })
    }

    /// A key after those of all permits that are held.
    fn ticket(&self, operation: &Operation) -> RowKey {
        let ticket = |index: u64| {
            let mut key = PERMITS.to_vec();
            key.extend_from_slice(&operation.last.0.to_be_bytes());
            key.extend_from_slice(&index.to_be_bytes());
            RowKey::from(key)
        };
        (0..=u64::MAX)
            .map(ticket)
            .find(|key| !self.permits.contains_key(key))
            .expect("there are fewer rows than indexes")
    }

    fn release(&self, operation: &Operation, call: &Arguments) -> Result<Decision, Refusal> {
        let n = permits(call)?;
        if call.bool_or("own", false)? && self.is_owned {
            let held = self.holders.get(&(operation.session, owner(operation)));
            return self.give_back(n, held.into_iter().flat_map(|keys| keys.iter().rev()), true);
        }
        if self.is_bounded && self.value() + i128::from(n) > i128::from(self.initial) {
            return Err(Refusal::new(
                Code::OutOfBounds,
                "Semaphore released too many times",
            ));
        }
        self.give_back(n, self.in_order_of_return(operation), false)
    }

    /// Gives back so many of the permits in these rows, some of which may come twice. If those are `all` that may be given
    /// back, there must be enough; else the value rises.
    fn give_back<'a>(
        &self,
        n: i64,
        keys: impl Iterator<Item = &'a RowKey>,
        all: bool,
    ) -> Result<Decision, Refusal> {
        let mut decision = Decision::reply(Value::Null);
        let mut left = n;
        let mut seen = HashSet::new();
        for key in keys {
            if left == 0 {
                break;
            }
            if !seen.insert(key) {
                continue;
            }
            if seen.len() > OPERATION_ROWS_MAX {
                return Err(Refusal::new(
                    Code::TooLarge,
                    format!("one call gives back at most {OPERATION_ROWS_MAX} acquisitions"),
                ));
            }
            let permit = &self.permits[key];
            decision.rows.push(if permit.n <= left {
                Row::delete(key.clone())
            } else {
                let value = permit_value(permit.n - left, permit.owner);
                permit.terms.put(key.clone(), value)
            });
            left -= permit.n.min(left);
        }
        if left > 0 && all {
            let message = "the permits came back before: others may have them";
            return Err(Refusal::new(Code::LockLost, message));
        }
        if left > 0 {
            decision.rows.push(self.raise(left)?);
        }
        Ok(decision)
    }

    /// The rows in the order in which a caller gives them back; some come twice.
    fn in_order_of_return<'a>(
        &'a self,
        operation: &Operation,
    ) -> impl Iterator<Item = &'a RowKey> + use<'a> {
        let of = |session: Option<SessionId>| (session, i64::MIN)..=(session, i64::MAX);
        let own = self.holders.get(&(operation.session, owner(operation)));
        let session = self.holders.range(of(operation.session));
        own.into_iter()
            .flat_map(|keys| keys.iter().rev())
            .chain(session.flat_map(|(_, keys)| keys.iter().rev()))
            .chain(self.permits.keys())
    }
}

fn permits(call: &Arguments) -> Result<i64, Refusal> {
    match call.int_or("n", 1)? {
        n @ 1.. => Ok(n),
        _ => Err(call.bad("n", "must be at least 1")),
    }
}

/// The owner as rows have it.
fn owner(operation: &Operation) -> i64 {
    operation.owner.0.cast_signed()
}
