//! Starting: the checkpoint's pages, then everything after its start, make the objects again. No operation is executed.

use super::birth::Birth;
use super::cell::Cell;
use super::checkpoint::{PageReader, outcome_from};
use super::holding::holdings_table;
use super::lost::losses_table;
use super::registry::Registry;
use super::session_rows::{session_from, session_table};
use super::table::{HOLDINGS, LOSSES, OUTCOMES, REGISTRY, SESSIONS, key_number};
use crate::session::{Lease, Session};
use crate::store::{Checkpoint, CheckpointId, Recovery, SegmentHeader, StoreError};
use bytes::{Buf, Bytes};
use commonhold_proto::{
    Change, LaneId, Oid, OperationId, Outcome, Revision, Row, ServerTime, SessionId,
};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

/// What is made from a store.
pub(super) struct Recovered {
    pub(super) registry: Registry,
    pub(super) session_table: Arc<Cell>,
    pub(super) holdings_table: Arc<Cell>,
    pub(super) losses_table: Arc<Cell>,
    pub(super) sessions: HashMap<SessionId, Arc<Session>>,
    /// The newest revision found.
    pub(super) newest: Revision,
    /// The last revision of the newest segment: what the next one names as the one before it.
    pub(super) previous: Revision,
    /// The newest time found.
    pub(super) at: ServerTime,
    pub(super) checkpoint: Option<Checkpoint>,
    pub(super) changes: u64,
    outcomes: Vec<(SessionId, LaneId, u64, Outcome)>,
    /// Oids that changes named and the registry does not have: deleted while the checkpoint was scanned, so a deletion
    /// must follow in the log.
    missing: HashMap<Oid, Revision>,
    pages: PageReader,
    /// The chunks of a change that is larger than a segment.
    chunks: Vec<u8>,
}

impl Recovered {
    pub(super) fn new() -> Recovered {
        Recovered {
            registry: Registry::new(),
            session_table: session_table(),
            holdings_table: holdings_table(),
            losses_table: losses_table(),
            sessions: HashMap::new(),
            newest: Revision(0),
            previous: Revision(0),
            at: ServerTime(0),
            checkpoint: None,
            changes: 0,
            outcomes: Vec::new(),
            missing: HashMap::new(),
            pages: PageReader::default(),
            chunks: Vec::new(),
        }
    }

    /// The id of the newest checkpoint.
    pub(super) fn checkpoint_id(&self) -> CheckpointId {
        self.checkpoint
            .map_or(CheckpointId(0), |checkpoint| checkpoint.id)
    }

    /// Puts outcomes and lent rows where they belong, once everything was read.
    pub(super) fn finish(&mut self) -> Result<(), StoreError> {
        if let Some((oid, revision)) = self.missing.iter().next() {
            return Err(damaged(format!(
                "the change {revision} is of an object {oid} that was never created"
            )));
        }
        for (session, lane, sequence, outcome) in std::mem::take(&mut self.outcomes) {
            // A session that ended takes its outcomes with it.
            if let Some(lane) = self
                .sessions
                .get(&session)
                .and_then(|session| session.lane(lane))
            {
                lane.restore(sequence, outcome);
            }
        }
        let mut ended = HashMap::new();
        for cell in self.registry.all() {
            self.relend(&cell, &mut ended);
        }
        Ok(())
    }

    /// Rebuilds which rows refer to other objects, and which end with a lease or at a time. What was lent to a session that is not known any more, because
    /// a crash came between the end of the session and of the row, is lent under a lease of `ended`: whoever lets the
    /// cell go sweeps it.
    fn relend(&self, cell: &Arc<Cell>, ended: &mut HashMap<SessionId, Arc<Lease>>) {
        let mut state = cell.state.lock();
        let mut cursor = None;
        loop {
            let limit = crate::objects::RowLimit {
                rows: 1_000,
                bytes: 1 << 20,
            };
            let (rows, next) = state.object.rows(cursor.as_ref(), limit);
            for row in rows {
                let Row::Put {
                    key,
                    value,
                    lent,
                    expires,
                    ..
                } = &row
                else {
                    continue;
                };
                if value.has_references() {
                    state.edges.put(key, value);
                }
                if lent.is_none() && expires.is_none() {
                    continue;
                }
                let lease = lent.map(|id| match self.sessions.get(&id) {
                    Some(session) => session.lease(),
                    None => Arc::clone(ended.entry(id).or_insert_with(|| Lease::ended(id))),
                });
                // Applied twice is as once.
                state.apply(cell.oid, &row, lease.as_ref());
            }
            match next {
                Some(next) => cursor = Some(next),
                None => return,
            }
        }
    }

    fn rows(
        &mut self,
        oid: Oid,
        last: Revision,
        at: ServerTime,
        rows: &[Row],
    ) -> Result<(), String> {
        self.newest = self.newest.max(last);
        self.at = self.at.max(at);
        if oid == OUTCOMES {
            for row in rows {
                self.outcomes.push(outcome_from(row)?);
            }
            return Ok(());
        }
        self.apply(oid, last, at, rows)
    }

    /// Applies rows of one object.
    fn apply(
        &mut self,
        oid: Oid,
        last: Revision,
        at: ServerTime,
        rows: &[Row],
    ) -> Result<(), String> {
        let cell = match oid {
            REGISTRY => {
                rows.iter().try_for_each(|row| self.register(row))?;
                Arc::clone(&self.registry.table)
            }
            SESSIONS => {
                rows.iter().try_for_each(|row| self.note_session(row))?;
                Arc::clone(&self.session_table)
            }
            HOLDINGS => Arc::clone(&self.holdings_table),
            LOSSES => Arc::clone(&self.losses_table),
            oid => match self.registry.cell(oid) {
                Some(cell) => cell,
                None => {
                    self.missing.entry(oid).or_insert(last);
                    return Ok(());
                }
            },
        };
        let mut state = cell.state.lock();
        for row in rows {
            state.object.apply(row);
        }
        state.last = state.last.max(last);
        state.at = state.at.max(at);
        Ok(())
    }

    /// An object was created or deleted.
    fn register(&mut self, row: &Row) -> Result<(), String> {
        let number = key_number(row.key()).ok_or("a registry row has a wrong key")?;
        let oid = Oid(number);
        self.newest = self.newest.max(Revision(number));
        match row {
            Row::Put { value, .. } => {
                if self.registry.cell(oid).is_none() {
                    let cell = Birth::from_value(value)?
                        .create(oid)
                        .map_err(|refusal| refusal.message)?;
                    // What it looked at is durable: it was read from the store.
                    cell.state.lock().gate = Revision(0);
                    self.registry.insert(&Arc::new(cell));
                    // Pages and changes that came too early are all behind its creation, and come again with it.
                    self.missing.remove(&oid);
                }
            }
            Row::Delete { .. } => {
                if let Some(cell) = self.registry.cell(oid) {
                    self.registry.remove(&cell);
                }
                self.missing.remove(&oid);
            }
            Row::DeletePrefix { .. } => return Err("a registry row deletes a prefix".into()),
        }
        Ok(())
    }

    fn note_session(&mut self, row: &Row) -> Result<(), String> {
        let number = key_number(row.key()).ok_or("a session's row has a wrong key")?;
        let id = SessionId(number);
        self.newest = self.newest.max(Revision(number));
        match row {
            Row::Put { value, .. } => {
                self.sessions.insert(id, Arc::new(session_from(id, value)?));
            }
            _ => {
                self.sessions.remove(&id);
            }
        }
        Ok(())
    }

    fn change(&mut self, change: Change) -> Result<(), String> {
        self.newest = self.newest.max(change.revision);
        self.at = self.at.max(change.at);
        self.changes += 1;
        for part in &change.parts {
            self.apply(part.oid, change.revision, change.at, &part.rows)?;
        }
        if let Some((
            OperationId {
                session,
                lane,
                sequence,
            },
            outcome,
        )) = change.operation
        {
            self.outcomes.push((session, lane, sequence, outcome));
        }
        Ok(())
    }

    fn changes(&mut self, mut payload: Bytes) -> Result<(), String> {
        while payload.has_remaining() {
            let change = Change::decode(&mut payload)
                .map_err(|error| format!("a change in the log: {error}"))?;
            self.change(change)?;
        }
        Ok(())
    }
}

impl Recovery for Recovered {
    fn checkpoint(&mut self, checkpoint: Checkpoint) -> Result<(), StoreError> {
        self.checkpoint = Some(checkpoint);
        self.newest = self.newest.max(checkpoint.end);
        self.previous = checkpoint.start;
        Ok(())
    }

    fn page(&mut self, page: Bytes) -> Result<(), StoreError> {
        let mut reader = std::mem::take(&mut self.pages);
        let read = reader.read(page, |oid, last, at, rows| self.rows(oid, last, at, &rows));
        self.pages = reader;
        // Pages of objects that the registry does not have yet, or not any more, are not needed: their creation, and
        // everything after it, is in the log, or their deletion is.
        self.missing.clear();
        read.map_err(damaged)
    }

    fn segment(&mut self, header: SegmentHeader, payload: Bytes) -> Result<(), StoreError> {
        self.previous = header.last;
        if header.chunk == 0 && !header.more {
            return self.changes(payload).map_err(damaged);
        }
        self.chunks.extend_from_slice(&payload);
        if header.more {
            return Ok(());
        }
        let whole = Bytes::from(std::mem::take(&mut self.chunks));
        self.changes(whole).map_err(damaged)
    }
}

fn damaged(what: String) -> StoreError {
    StoreError::Damaged {
        path: PathBuf::new(),
        what,
    }
}
