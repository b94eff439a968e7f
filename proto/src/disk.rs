//! The stored form of rows and changes: protobuf messages, declared here because nobody else reads them.
//!
//! Fields may be added under new numbers; a number is never given a new meaning. `tests/golden` keeps bytes of each format.

use crate::{
    Call, Change, Code, LaneId, Oid, OperationId, Outcome, OutcomeState, Part, Refusal, Reply,
    Revision, Row, RowKey, ServerTime, SessionId, Ticket, Undo, Value,
};
use bytes::Bytes;
use prost::{DecodeError, Message};

#[derive(Clone, PartialEq, Message)]
struct DiskRow {
    #[prost(bytes = "bytes", tag = "1")]
    key: Bytes,
    #[prost(message, optional, tag = "2")]
    value: Option<Value>,
    #[prost(uint64, tag = "3")]
    lent: u64,
    #[prost(uint64, tag = "4")]
    expires: u64,
    /// Set on a delete-prefix.
    #[prost(bool, tag = "5")]
    prefix: bool,
    /// Set where the row has a ticket.
    #[prost(uint64, optional, tag = "6")]
    ticket: Option<u64>,
    #[prost(uint64, tag = "7")]
    ticket_index: u64,
}

#[derive(Clone, PartialEq, Message)]
struct DiskPart {
    #[prost(uint64, tag = "1")]
    oid: u64,
    #[prost(message, repeated, tag = "2")]
    rows: Vec<DiskRow>,
}

#[derive(Clone, PartialEq, Message)]
struct DiskNamed {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, optional, tag = "2")]
    value: Option<Value>,
}

#[derive(Clone, PartialEq, Message)]
struct DiskCall {
    #[prost(string, tag = "1")]
    method: String,
    #[prost(message, repeated, tag = "2")]
    arguments: Vec<Value>,
    #[prost(message, repeated, tag = "3")]
    named: Vec<DiskNamed>,
}

#[derive(Clone, PartialEq, Message)]
struct DiskReply {
    #[prost(message, optional, tag = "1")]
    value: Option<Value>,
    #[prost(uint32, tag = "2")]
    code: u32,
    #[prost(string, tag = "3")]
    message: String,
    #[prost(uint64, tag = "4")]
    revision: u64,
    #[prost(uint64, tag = "5")]
    oid: u64,
}

#[derive(Clone, PartialEq, Message)]
struct DiskOutcome {
    #[prost(fixed64, tag = "1")]
    fingerprint: u64,
    #[prost(uint64, tag = "2")]
    acknowledged_below: u64,
    #[prost(message, optional, tag = "3")]
    done: Option<DiskReply>,
    #[prost(uint64, tag = "4")]
    waiting_on: u64,
    #[prost(message, optional, tag = "5")]
    resume: Option<DiskCall>,
    #[prost(message, optional, tag = "6")]
    on_deadline: Option<DiskCall>,
    #[prost(uint64, tag = "7")]
    undo_on: u64,
    #[prost(message, optional, tag = "8")]
    undo: Option<Value>,
}

#[derive(Clone, PartialEq, Message)]
struct DiskChange {
    #[prost(uint64, tag = "1")]
    revision: u64,
    #[prost(uint64, tag = "2")]
    at: u64,
    #[prost(uint64, tag = "3")]
    session: u64,
    #[prost(uint32, tag = "4")]
    lane: u32,
    #[prost(uint64, tag = "5")]
    sequence: u64,
    #[prost(message, optional, tag = "6")]
    outcome: Option<DiskOutcome>,
    #[prost(message, repeated, tag = "7")]
    parts: Vec<DiskPart>,
}

impl From<&Row> for DiskRow {
    fn from(row: &Row) -> DiskRow {
        match row {
            Row::Put {
                key,
                value,
                ticket,
                lent,
                expires,
            } => DiskRow {
                key: Bytes::copy_from_slice(key),
                value: Some(value.clone()),
                lent: lent.map_or(0, |s| s.0),
                expires: expires.map_or(0, |t| t.0),
                ticket: ticket.map(|ticket| ticket.revision),
                ticket_index: ticket.map_or(0, |ticket| ticket.index),
                prefix: false,
            },
            Row::Delete { key } => DiskRow {
                key: Bytes::copy_from_slice(key),
                ..DiskRow::default()
            },
            Row::DeletePrefix { prefix } => DiskRow {
                key: Bytes::copy_from_slice(prefix),
                prefix: true,
                ..DiskRow::default()
            },
        }
    }
}

impl From<DiskRow> for Row {
    fn from(row: DiskRow) -> Row {
        // A key must not keep the whole segment that it was read from.
        let key = RowKey::from(&row.key[..]);
        match row.value {
            Some(value) => Row::Put {
                key,
                value,
                ticket: row.ticket.map(|revision| Ticket {
                    revision,
                    index: row.ticket_index,
                }),
                lent: (row.lent != 0).then_some(SessionId(row.lent)),
                expires: (row.expires != 0).then_some(ServerTime(row.expires)),
            },
            None if row.prefix => Row::DeletePrefix { prefix: key },
            None => Row::Delete { key },
        }
    }
}

impl From<&Call> for DiskCall {
    fn from(call: &Call) -> DiskCall {
        DiskCall {
            method: call.method.clone(),
            arguments: call.arguments.clone(),
            named: call
                .named
                .iter()
                .map(|(name, value)| DiskNamed {
                    name: name.clone(),
                    value: Some(value.clone()),
                })
                .collect(),
        }
    }
}

impl From<DiskCall> for Call {
    fn from(call: DiskCall) -> Call {
        Call {
            method: call.method,
            arguments: call.arguments,
            named: call
                .named
                .into_iter()
                .map(|n| (n.name, n.value.unwrap_or_default()))
                .collect(),
        }
    }
}

impl From<&Outcome> for DiskOutcome {
    fn from(outcome: &Outcome) -> DiskOutcome {
        let mut disk = DiskOutcome {
            fingerprint: outcome.fingerprint,
            acknowledged_below: outcome.acknowledged_below,
            undo_on: outcome.undo.as_ref().map_or(0, |undo| undo.oid.0),
            undo: outcome.undo.as_ref().map(|undo| undo.memo.clone()),
            ..DiskOutcome::default()
        };
        match &outcome.state {
            OutcomeState::Done(reply) => {
                let (value, code, message) = match &reply.result {
                    Ok(value) => (Some(value.clone()), 0, String::new()),
                    Err(refusal) => (None, refusal.code as u32, refusal.message.clone()),
                };
                disk.done = Some(DiskReply {
                    value,
                    code,
                    message,
                    revision: reply.revision.0,
                    oid: reply.oid.map_or(0, |oid| oid.0),
                });
            }
            OutcomeState::Waiting {
                oid,
                resume,
                on_deadline,
            } => {
                disk.waiting_on = oid.0;
                disk.resume = Some(resume.as_ref().into());
                disk.on_deadline = on_deadline.as_deref().map(DiskCall::from);
            }
        }
        disk
    }
}

impl From<DiskOutcome> for Outcome {
    fn from(disk: DiskOutcome) -> Outcome {
        let state = match (disk.done, disk.resume) {
            (None, Some(resume)) => OutcomeState::Waiting {
                oid: Oid(disk.waiting_on),
                resume: Box::new(resume.into()),
                on_deadline: disk.on_deadline.map(|call| Box::new(call.into())),
            },
            (done, _) => {
                let reply = done.unwrap_or_default();
                OutcomeState::Done(Reply {
                    result: match Code::from_number(reply.code) {
                        Some(code) => Err(Refusal::new(code, reply.message)),
                        None => Ok(reply.value.unwrap_or_default()),
                    },
                    revision: Revision(reply.revision),
                    remembered: false,
                    oid: (reply.oid != 0).then_some(Oid(reply.oid)),
                })
            }
        };
        Outcome {
            fingerprint: disk.fingerprint,
            state,
            acknowledged_below: disk.acknowledged_below,
            undo: disk.undo.map(|memo| {
                Box::new(Undo {
                    oid: Oid(disk.undo_on),
                    memo,
                })
            }),
        }
    }
}

impl From<&Change> for DiskChange {
    fn from(change: &Change) -> DiskChange {
        let id = change.operation.as_ref().map(|(id, _)| *id);
        DiskChange {
            revision: change.revision.0,
            at: change.at.0,
            session: id.map_or(0, |id| id.session.0),
            lane: id.map_or(0, |id| id.lane.0),
            sequence: id.map_or(0, |id| id.sequence),
            outcome: change.operation.as_ref().map(|(_, outcome)| outcome.into()),
            parts: change
                .parts
                .iter()
                .map(|part| DiskPart {
                    oid: part.oid.0,
                    rows: part.rows.iter().map(DiskRow::from).collect(),
                })
                .collect(),
        }
    }
}

impl From<DiskChange> for Change {
    fn from(disk: DiskChange) -> Change {
        let id = OperationId {
            session: SessionId(disk.session),
            lane: LaneId(disk.lane),
            sequence: disk.sequence,
        };
        Change {
            revision: Revision(disk.revision),
            at: ServerTime(disk.at),
            operation: disk.outcome.map(|outcome| (id, outcome.into())),
            parts: disk
                .parts
                .into_iter()
                .map(|part| Part {
                    oid: Oid(part.oid),
                    rows: part.rows.into_iter().map(Row::from).collect(),
                })
                .collect(),
        }
    }
}

impl Change {
    /// Appends the stored form, behind its length.
    pub fn encode(&self, buf: &mut Vec<u8>) {
        DiskChange::from(self)
            .encode_length_delimited(buf)
            .expect("a vector grows");
    }

    /// Reads one stored form, behind its length, and moves `buf` past it.
    pub fn decode(buf: &mut Bytes) -> Result<Change, DecodeError> {
        DiskChange::decode_length_delimited(buf).map(Change::from)
    }
}

impl Row {
    /// Appends the stored form, behind its length.
    pub fn encode(&self, buf: &mut Vec<u8>) {
        DiskRow::from(self)
            .encode_length_delimited(buf)
            .expect("a vector grows");
    }

    /// Reads one stored form, behind its length, and moves `buf` past it.
    pub fn decode(buf: &mut Bytes) -> Result<Row, DecodeError> {
        DiskRow::decode_length_delimited(buf).map(Row::from)
    }
}

impl Outcome {
    /// The stored form.
    pub fn encode(&self) -> Vec<u8> {
        DiskOutcome::from(self).encode_to_vec()
    }

    /// Reads a stored form.
    pub fn decode(bytes: Bytes) -> Result<Outcome, DecodeError> {
        DiskOutcome::decode(bytes).map(Outcome::from)
    }
}

impl Change {
    /// The largest part of a stored form that is not keys and values, of a row, a call or the change itself: what
    /// [`Change::weight`] adds for each.
    pub const OVERHEAD: usize = 64;

    /// About how many bytes the stored form takes: what limits count while the change waits for the store.
    pub fn weight(&self) -> usize {
        let rows = self
            .parts
            .iter()
            .flat_map(|part| &part.rows)
            .map(|row| match row {
                Row::Put { key, value, .. } => Self::OVERHEAD + key.len() + value.size(),
                row => Self::OVERHEAD + row.key().len(),
            });
        Self::OVERHEAD + rows.sum::<usize>()
    }
}
