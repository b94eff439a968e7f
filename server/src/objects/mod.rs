//! The kinds of objects. To add one: write `<kind>.rs`, add its line to `kinds!` below; the contract test does the rest.
//!
//! An object changes only by applying rows. [`Object::decide`] thinks and cannot mutate; [`Object::apply`] is the only
//! writer. The engine logs the rows that it applies, replays them at start and sends them to watchers, so a kind cannot
//! forget to persist or to notify. Objects own no wakers, no timers, no clocks: blocking is *retrying*.

mod arguments;
mod hold;
mod increment;
mod ordered;
mod paging;
mod single;
mod slice;
mod terms;
mod unreleased;

#[cfg(test)]
mod exam;

pub use arguments::{Access, Arguments, GUARD, Kind, Method, Options, Parameter, UNDO};

use commonhold_proto::{
    Call, Oid, OperationId, Owner, Refusal, Revision, Row, RowKey, Rows, ServerTime, SessionId,
    Value,
};
use smallvec::smallvec;

/// The most rows that one operation reads or writes. Larger work is paged, or refused `TooLarge`.
pub const OPERATION_ROWS_MAX: usize = 100_000;
/// The most values that one operation only looks at: it neither writes nor answers them.
pub const LOOKED_AT_MAX: usize = 1_000_000;

/// A shared object: its state, and how it decides.
///
/// # Contract
/// - The state is a function of the *set* of rows. `apply` is total: it never panics, whatever the row (a row of another
///   kind, or of a future version, is ignored), and a row applied twice is as once.
/// - `decide` is pure. It sees no clock but `operation.at`, which is restamped at each retry.
/// - `rows` from the first cursor to the last, applied in order to a fresh object, gives an equal object.
pub trait Object: Send {
    /// Decides about a call. `ahead` tells that someone stands before the caller in the method's line: re-entry, calls
    /// that may not block and bad arguments are answered all the same, others wait.
    fn decide(
        &self,
        operation: &Operation,
        call: &Arguments,
        ahead: bool,
    ) -> Result<Decision, Refusal>;

    /// Writes one row. The only way in which an object changes.
    fn apply(&mut self, row: &Row);

    /// What becomes of a row whose lease or time ended. By default it is deleted.
    fn lapse(&self, key: &RowKey, why: Lapse) -> Rows {
        let _ = why;
        smallvec![Row::delete(key.clone())]
    }

    /// The token under which the row of this key is held, if it is a grant: a lock, an item that was taken. When such a
    /// row is taken from its session, the engine tells the session. By default no row is.
    fn token(&self, key: &RowKey) -> Option<Revision> {
        let _ = key;
        None
    }

    /// Is it held with this token now, so that nobody else may write what it guards? By default it is no lock.
    fn is_held_with(&self, token: Revision) -> bool {
        let _ = token;
        false
    }

    /// Who holds it, or parts of it, in the order in which they came, at most `limit`: it costs no more than those. By
    /// default nobody does.
    fn holders(&self, limit: usize) -> Vec<Holder> {
        let _ = limit;
        Vec::new()
    }

    /// How many there are in all of those whom [`Object::holders`] names.
    fn holder_count(&self) -> u64 {
        0
    }

    /// The row of this key as it stands, leases and expiry included: what undoes a change to it.
    fn row(&self, key: &RowKey) -> Option<Row>;

    /// Some rows after the cursor, at most `limit` (but at least one, if there is one), and where to go on. The cursor
    /// stays valid while the object changes: a row that is there all the while is met exactly once.
    fn rows(&self, after: Option<&Cursor>, limit: RowLimit) -> (Vec<Row>, Option<Cursor>);

    /// How many entries people would say it has.
    fn entries(&self) -> u64;

    /// About how many bytes its rows take.
    fn bytes(&self) -> u64;
}

/// A place in the enumeration of an object's rows; only the kind that made it understands it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor(pub Vec<u8>);

/// How much one call of [`Object::rows`] may return.
#[derive(Clone, Copy, Debug)]
pub struct RowLimit {
    /// Rows.
    pub rows: usize,
    /// About so many bytes of keys and values.
    pub bytes: usize,
}

/// The call on its way, as far as a kind may know it.
#[derive(Clone, Debug)]
pub struct Operation {
    /// The object's own identity.
    pub oid: Oid,
    /// Its id; `None` for a unary call.
    pub id: Option<OperationId>,
    /// The session whose lease ends what is lent to it.
    pub session: Option<SessionId>,
    /// The thread or task that calls.
    pub owner: Owner,
    /// When it is decided. Never goes back within an object.
    pub at: ServerTime,
    /// The object's last revision: with an index within the change it makes a ticket that is unique and grows.
    pub last: Revision,
    /// A revision above all that changed this object before, at most that of the change which this decision makes, and
    /// above whatever a crash may have taken back: the token of a grant.
    pub next: Revision,
    /// May it wait at all? False for a time-out of 0.
    pub may_wait: bool,
}

/// Someone who holds an object, or a part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The session; `None` for a unary call, or one whose lock stayed when it ended.
    pub session: Option<SessionId>,
    /// The thread or task.
    pub owner: Owner,
    /// Since when.
    pub since: ServerTime,
    /// The token of the grant.
    pub token: Option<Revision>,
    /// What the holder says of itself.
    pub note: Option<String>,
    /// What it holds, where that is not all: `read`, `2 permits`, an item.
    pub part: Option<String>,
}

/// Why a row lapses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lapse {
    /// The lease's holder died or fell silent.
    Died,
    /// The row's own time ran out.
    Expired,
    /// The holder ended cleanly.
    Goodbye,
}

/// What an object decides: rows to apply, and what comes next.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// Applied in order, as one change, before anything else is decided.
    pub rows: Rows,
    /// Answer or wait.
    pub next: Next,
}

/// What comes after the rows of a decision.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// The call is answered.
    Reply(Value),
    /// The call is answered, and can be undone for as long as its client has not consumed the answer: the kind's
    /// internal method [`UNDO`] is asked then. Only a decision with rows is answered so.
    Undoable {
        /// The answer.
        value: Value,
        /// What the kind wants to be told besides the answer.
        memo: Value,
    },
    /// The call is refused, and the rows are applied all the same: the refusal is its outcome.
    Refuse(Refusal),
    /// The call waits until a row changes, and is asked again.
    Wait {
        /// What it waits for.
        until: Until,
        /// What is asked then.
        resume: Box<Call>,
        /// What is asked if the time runs out first; `None` refuses it with `DeadlineExceeded`.
        on_deadline: Option<Box<Call>>,
    },
}

/// What a waiting call waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Until {
    /// A change of this row.
    Row(RowKey),
    /// Any change of the object. Few may wait so.
    Any,
}

impl Decision {
    /// Answers without a change.
    pub fn reply(value: impl Into<Value>) -> Decision {
        Decision {
            rows: Rows::new(),
            next: Next::Reply(value.into()),
        }
    }

    /// Answers with what can be undone: see [`Next::Undoable`].
    pub fn undoable(value: impl Into<Value>, memo: impl Into<Value>) -> Decision {
        Decision {
            rows: Rows::new(),
            next: Next::Undoable {
                value: value.into(),
                memo: memo.into(),
            },
        }
    }

    /// Refuses. With rows: what leaves the object as it is returns the refusal as an error.
    pub fn refuse(refusal: Refusal) -> Decision {
        Decision {
            rows: Rows::new(),
            next: Next::Refuse(refusal),
        }
    }

    /// Adds a row.
    #[must_use]
    pub fn with(mut self, row: Row) -> Decision {
        self.rows.push(row);
        self
    }

    /// Waits until `row` changes, then asks `resume`.
    pub fn wait(row: RowKey, resume: Call) -> Decision {
        Decision {
            rows: Rows::new(),
            next: Next::Wait {
                until: Until::Row(row),
                resume: resume.into(),
                on_deadline: None,
            },
        }
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $module:ident,)*) => {
        $($(#[$doc])* pub mod $module;)*
        /// Every kind, by name.
        pub static KINDS: &[&Kind] = &[$(&$module::KIND,)*];
    };
}

kinds! {
    /// An array.
    array,
    /// A barrier.
    barrier,
    /// A bounded semaphore.
    bounded_semaphore,
    /// A condition.
    condition,
    /// A counter.
    counter,
    /// A dict.
    dict,
    /// An event.
    event,
    /// A latch.
    latch,
    /// A list.
    list,
    /// A lock.
    lock,
    /// A namespace.
    namespace,
    /// A queue.
    queue,
    /// A lock that its holder may take again.
    rlock,
    /// A lock for many readers or one writer.
    rwlock,
    /// A semaphore.
    semaphore,
    /// A set.
    set,
    /// A value.
    value,
}

/// The kind of this name.
pub fn kind(name: &str) -> Option<&'static Kind> {
    KINDS.iter().copied().find(|kind| kind.name == name)
}
