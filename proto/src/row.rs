//! Rows and changes: what objects are made of, what the log keeps, what is replayed and sent to watchers.

use crate::{Call, Oid, OperationId, Reply, Revision, RowKey, ServerTime, SessionId, Value};
use smallvec::SmallVec;

/// One step of a change.
#[derive(Clone, Debug, PartialEq)]
pub enum Row {
    /// Writes a row, whether or not it was there.
    Put {
        /// The row.
        key: RowKey,
        /// Its whole new value.
        value: Value,
        /// Its place among the object's rows, of kinds that keep an order which their keys do not tell.
        ticket: Option<Ticket>,
        /// The session whose lease the row ends with.
        lent: Option<SessionId>,
        /// When it lapses.
        expires: Option<ServerTime>,
    },
    /// Deletes a row, if it is there.
    Delete {
        /// The row.
        key: RowKey,
    },
    /// Deletes every row whose key begins so.
    DeletePrefix {
        /// The beginning; empty for all rows.
        prefix: RowKey,
    },
}

impl Row {
    /// Writes a row that no lease and no time ends.
    pub fn put(key: RowKey, value: Value) -> Row {
        Row::lent(key, value, None)
    }

    /// Writes a row that ends with a session's lease.
    pub fn lent(key: RowKey, value: Value, session: Option<SessionId>) -> Row {
        Row::Put {
            key,
            value,
            ticket: None,
            lent: session,
            expires: None,
        }
    }

    /// Deletes a row.
    pub fn delete(key: RowKey) -> Row {
        Row::Delete { key }
    }

    /// The row's key, or the prefix.
    pub fn key(&self) -> &RowKey {
        match self {
            Row::Put { key, .. } | Row::Delete { key } => key,
            Row::DeletePrefix { prefix } => prefix,
        }
    }

    /// Does this write or delete the row of that key?
    pub fn touches(&self, row: &RowKey) -> bool {
        match self {
            Row::Put { key, .. } | Row::Delete { key } => key == row,
            Row::DeletePrefix { prefix } => row.starts_with(prefix),
        }
    }
}

/// The place of a row in an order of their own: by these two numbers, then by key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket {
    /// The object's last revision when the row was first written.
    pub revision: u64,
    /// Counts the rows that one change wrote first.
    pub index: u64,
}

/// The rows of one object in one change, in the order in which they are applied.
pub type Rows = SmallVec<[Row; 1]>;

/// One object's share of a change.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// The object.
    pub oid: Oid,
    /// What happens to it.
    pub rows: Rows,
}

/// The unit of atomicity everywhere: all of it is applied, logged, replayed and published, or nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Its place in the order of changes.
    pub revision: Revision,
    /// When it was decided.
    pub at: ServerTime,
    /// The operation that made it and what the operation gets if it is sent again; `None` for changes that the server
    /// makes by itself and for calls without an id.
    pub operation: Option<(OperationId, Outcome)>,
    /// The objects it changes.
    pub parts: SmallVec<[Part; 1]>,
}

/// What an operation that changed rows gets when it is sent again.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// [`Call::fingerprint`] of the call, so that another call under the same number is noticed.
    pub fingerprint: u64,
    /// How far it came.
    pub state: OutcomeState,
    /// Every number of the lane below this was acknowledged when the change was made: their outcomes are of no use.
    pub acknowledged_below: u64,
    /// What undoes it, as long as its client has not consumed the reply.
    pub undo: Option<Box<Undo>>,
}

/// What is needed to undo an operation that is done, besides its reply.
#[derive(Clone, Debug, PartialEq)]
pub struct Undo {
    /// The object.
    pub oid: Oid,
    /// What the kind wrote down for itself.
    pub memo: Value,
}

/// How far an operation came.
#[derive(Clone, Debug, PartialEq)]
pub enum OutcomeState {
    /// It was answered so.
    Done(Reply),
    /// It changed rows and then waited: it goes on from here and is never run from its start again.
    Waiting {
        /// The object.
        oid: Oid,
        /// What to ask when it may go on.
        resume: Box<Call>,
        /// What to ask if its time runs out; `None` refuses it.
        on_deadline: Option<Box<Call>>,
    },
}
