//! The engine's own objects: the registry and the sessions are rows like everything else, so they are logged, replayed
//! and checkpointed by the same road.

use crate::objects::{Arguments, Cursor, Decision, Kind, Object, Operation, RowLimit};
use commonhold_proto::{Code, Oid, Refusal, Row, RowKey, Value};
use std::collections::BTreeMap;
use std::ops::Bound;

/// The registry: which objects there are.
pub(super) const REGISTRY: Oid = Oid(1);
/// The sessions that a restarted server must know.
pub(super) const SESSIONS: Oid = Oid(2);
/// In checkpoints: what operations get when they are sent again. In the log they travel with their changes.
pub(super) const OUTCOMES: Oid = Oid(3);

/// The anonymous objects that sessions keep alive: a row for each session and object, if the object is logged.
pub(super) const HOLDINGS: Oid = Oid(4);
/// The grants that sessions lost singly: a row for each, until the client was told.
pub(super) const LOSSES: Oid = Oid(5);

/// Tables have no methods: only the engine writes them.
pub(super) static TABLE: Kind = Kind {
    name: "table",
    doc: "Rows that the server keeps about itself.",
    options: &[],
    methods: &[],
    create: |_| Ok(Box::<Table>::default()),
};

/// Rows by key.
#[derive(Debug, Default)]
pub(super) struct Table {
    rows: BTreeMap<RowKey, Value>,
    bytes: u64,
}

impl Object for Table {
    fn decide(&self, _: &Operation, call: &Arguments, _: bool) -> Result<Decision, Refusal> {
        Err(Refusal::new(
            Code::NoMethod,
            format!("a table has no method \"{}\"", call.method()),
        ))
    }

    fn apply(&mut self, row: &Row) {
        match row {
            Row::Put { key, value, .. } => {
                self.bytes += weight(key, value);
                if let Some(old) = self.rows.insert(key.clone(), value.clone()) {
                    self.bytes -= weight(key, &old);
                }
            }
            Row::Delete { key } => {
                if let Some(old) = self.rows.remove(key) {
                    self.bytes -= weight(key, &old);
                }
            }
            Row::DeletePrefix { prefix } => {
                self.rows.retain(|key, _| !key.starts_with(prefix));
                self.bytes = self
                    .rows
                    .iter()
                    .map(|(key, value)| weight(key, value))
                    .sum();
            }
        }
    }

    fn row(&self, key: &RowKey) -> Option<Row> {
        self.rows
            .get(key)
            .map(|value| Row::put(key.clone(), value.clone()))
    }

    fn rows(&self, after: Option<&Cursor>, limit: RowLimit) -> (Vec<Row>, Option<Cursor>) {
        let from = match after {
            Some(cursor) => Bound::Excluded(RowKey::from(cursor.0.clone())),
            None => Bound::Unbounded,
        };
        let (mut rows, mut bytes) = (Vec::new(), 0);
        for (key, value) in self.rows.range((from, Bound::Unbounded)) {
            if rows.len() >= limit.rows || (bytes >= limit.bytes && !rows.is_empty()) {
                let last = rows.last().map(|row: &Row| Cursor(row.key().to_vec()));
                return (rows, last);
            }
            bytes += usize::try_from(weight(key, value)).unwrap_or(usize::MAX / 2);
            rows.push(Row::put(key.clone(), value.clone()));
        }
        (rows, None)
    }

    fn entries(&self) -> u64 {
        self.rows.len() as u64
    }

    fn bytes(&self) -> u64 {
        self.bytes
    }
}

fn weight(key: &RowKey, value: &Value) -> u64 {
    (key.len() + value.size()) as u64
}

/// A row key from numbers: big-endian, so that keys sort as the numbers do.
pub(super) fn number_key(number: u64) -> RowKey {
    RowKey::from(number.to_be_bytes().to_vec())
}

/// The number that [`number_key`] made a key of.
pub(super) fn key_number(key: &RowKey) -> Option<u64> {
    Some(u64::from_be_bytes(key.as_ref().try_into().ok()?))
}
