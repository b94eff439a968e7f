//! A fuzzy checkpoint: the rows of every logged object, read page by page while traffic goes on.
//!
//! `start` is the newest logged revision before the scan, `end` the newest after it. Pages may hold any part of what happened
//! between; rows are absolute, so replaying everything after `start` makes them right, provided that the log reaches
//! `end`. Outcomes are read last: by then every cell's lock was taken once, so whoever got a revision up to `start` has
//! recorded its outcome.

use super::Engine;
use super::cell::Cell;
use super::table::OUTCOMES;
use crate::objects::{Cursor, RowLimit};
use crate::store::{Checkpoint, CheckpointId};
use bytes::{Buf, BufMut, Bytes};
use commonhold_proto::{LaneId, Oid, Outcome, Revision, Row, RowKey, ServerTime, SessionId, Value};
use std::collections::VecDeque;
use std::sync::Arc;

/// Rows that one hold of a cell's lock reads.
const ROWS_A_HOLD: usize = 1_000;
/// Bytes that one hold of a cell's lock reads.
const BYTES_A_HOLD: usize = 64 << 10;
/// Larger rows do not fit a page: they are cut into pieces.
const PIECE: u8 = 1;
const WHOLE: u8 = 0;

/// A checkpoint under way.
pub(super) struct Scan {
    id: CheckpointId,
    start: Revision,
    end: Option<Revision>,
    /// The page that is being filled.
    page: Page,
    pages: u64,
    objects: VecDeque<Arc<Cell>>,
    /// Where in the first of `objects`; `None` before its first row.
    cursor: Option<Cursor>,
    lanes: Option<VecDeque<Arc<crate::session::Lane>>>,
    /// Pages that are filled and not written.
    full: VecDeque<Vec<u8>>,
}

impl Scan {
    pub(super) fn begin(engine: &Engine, id: CheckpointId, page_bytes: usize) -> Scan {
        let start = engine.log.newest_logged();
        let mut objects = VecDeque::from([
            Arc::clone(&engine.registry.table),
            Arc::clone(&engine.session_table),
            Arc::clone(&engine.holdings_table),
            Arc::clone(&engine.losses_table),
        ]);
        // The registry's table is locked first, so that every creation up to `start` has reached the map.
        drop(engine.registry.table.state.lock());
        objects.extend(
            engine
                .registry
                .all()
                .into_iter()
                .filter(|cell| cell.is_logged()),
        );
        Scan {
            id,
            start,
            end: None,
            page: Page::new(page_bytes),
            pages: 0,
            objects,
            cursor: None,
            lanes: None,
            full: VecDeque::new(),
        }
    }

    pub(super) fn id(&self) -> CheckpointId {
        self.id
    }

    /// The next page with its index; `None` when the scan is over.
    pub(super) fn next_page(&mut self, engine: &Engine) -> Option<(u64, Vec<u8>)> {
        while self.full.is_empty() {
            match self.next_rows(engine) {
                Some((oid, last, at, rows)) => self.page.add(oid, last, at, &rows, &mut self.full),
                None if self.page.is_empty() => return None,
                None => self.full.push_back(std::mem::take(&mut self.page.bytes)),
            }
        }
        let page = self.full.pop_front()?;
        self.pages += 1;
        Some((self.pages - 1, page))
    }

    fn next_rows(&mut self, engine: &Engine) -> Option<(Oid, Revision, ServerTime, Vec<Row>)> {
        while let Some(cell) = self.objects.front() {
            let state = cell.state.lock();
            let limit = RowLimit {
                rows: ROWS_A_HOLD,
                bytes: BYTES_A_HOLD,
            };
            let (rows, next) = state.object.rows(self.cursor.as_ref(), limit);
            let (oid, last, at, gone) = (cell.oid, state.last, state.at, state.gone);
            drop(state);
            self.cursor = next;
            if self.cursor.is_none() {
                self.objects.pop_front();
            }
            // An emptied object is written too: its last revision must not be lost.
            if !gone {
                return Some((oid, last, at, rows));
            }
            if self.cursor.take().is_some() {
                self.objects.pop_front();
            }
        }
        let lanes = self.lanes.get_or_insert_with(|| engine.all_lanes().into());
        let lane = lanes.pop_front()?;
        let rows = lane.outcomes().into_iter().map(|(sequence, outcome)| {
            Row::put(
                outcome_key(lane.session, lane.id, sequence),
                Value::Bytes(outcome.encode().into()),
            )
        });
        Some((OUTCOMES, Revision(0), ServerTime(0), rows.collect()))
    }

    /// What the checkpoint is, once every page was taken.
    pub(super) fn finish(&mut self, engine: &Engine) -> Checkpoint {
        let end = *self.end.get_or_insert_with(|| engine.log.newest_logged());
        Checkpoint {
            id: self.id,
            start: self.start,
            end,
            pages: self.pages,
        }
    }
}

/// One page: groups of rows, each behind {whole or piece u8, oid u64, last revision u64, time u64, rows u32}.
struct Page {
    bytes: Vec<u8>,
    most: usize,
}

impl Page {
    fn new(most: usize) -> Page {
        Page {
            bytes: Vec::with_capacity(most),
            most,
        }
    }

    fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    fn begin(&mut self, form: u8, oid: Oid, last: Revision, at: ServerTime) -> usize {
        self.bytes.put_u8(form);
        self.bytes.put_u64_le(oid.0);
        self.bytes.put_u64_le(last.0);
        self.bytes.put_u64_le(at.0);
        self.bytes.put_u32_le(0);
        self.bytes.len() - 4
    }

    fn end(&mut self, counter: usize, count: u32) {
        self.bytes[counter..counter + 4].copy_from_slice(&count.to_le_bytes());
    }

    /// Adds a group, and moves pages that are full to `full`.
    fn add(
        &mut self,
        oid: Oid,
        last: Revision,
        at: ServerTime,
        rows: &[Row],
        full: &mut VecDeque<Vec<u8>>,
    ) {
        const HEADER: usize = 29;
        if self.bytes.len() + HEADER > self.most {
            full.push_back(std::mem::take(&mut self.bytes));
        }
        let mut counter = self.begin(WHOLE, oid, last, at);
        let (mut count, mut encoded) = (0, Vec::new());
        for row in rows {
            encoded.clear();
            row.encode(&mut encoded);
            if self.bytes.len() + encoded.len() > self.most {
                self.end(counter, count);
                full.push_back(std::mem::take(&mut self.bytes));
                count = 0;
                if encoded.len() + HEADER > self.most {
                    self.pieces(oid, last, at, &encoded, full);
                    counter = self.begin(WHOLE, oid, last, at);
                    continue;
                }
                counter = self.begin(WHOLE, oid, last, at);
            }
            self.bytes.extend_from_slice(&encoded);
            count += 1;
        }
        self.end(counter, count);
    }

    /// A row that no page holds: a run of pages of its own. Its counter counts the pieces that follow.
    fn pieces(
        &mut self,
        oid: Oid,
        last: Revision,
        at: ServerTime,
        encoded: &[u8],
        full: &mut VecDeque<Vec<u8>>,
    ) {
        const HEADER: usize = 29;
        let pieces: Vec<_> = encoded.chunks(self.most - HEADER).collect();
        for (index, piece) in pieces.iter().enumerate() {
            let counter = self.begin(PIECE, oid, last, at);
            self.end(
                counter,
                u32::try_from(pieces.len() - 1 - index).expect("a row is far below 2^32 pages"),
            );
            self.bytes.extend_from_slice(piece);
            full.push_back(std::mem::take(&mut self.bytes));
        }
    }
}

/// Reads pages back.
#[derive(Default)]
pub(super) struct PageReader {
    /// Pieces of a row that is larger than a page.
    pieces: Vec<u8>,
}

impl PageReader {
    /// Gives each group of a page to `sink`.
    pub(super) fn read(
        &mut self,
        mut page: Bytes,
        mut sink: impl FnMut(Oid, Revision, ServerTime, Vec<Row>) -> Result<(), String>,
    ) -> Result<(), String> {
        while page.has_remaining() {
            if page.remaining() < 29 {
                return Err("a page ends within a header".into());
            }
            let form = page.get_u8();
            let (oid, last) = (Oid(page.get_u64_le()), Revision(page.get_u64_le()));
            let (at, count) = (ServerTime(page.get_u64_le()), page.get_u32_le());
            if form == PIECE {
                self.pieces.extend_from_slice(&page);
                if count == 0 {
                    let mut whole = Bytes::from(std::mem::take(&mut self.pieces));
                    sink(oid, last, at, vec![row(&mut whole)?])?;
                }
                return Ok(());
            }
            let rows = (0..count)
                .map(|_| row(&mut page))
                .collect::<Result<Vec<_>, _>>()?;
            sink(oid, last, at, rows)?;
        }
        Ok(())
    }
}

fn row(bytes: &mut Bytes) -> Result<Row, String> {
    Row::decode(bytes).map_err(|error| format!("a row in a page: {error}"))
}

fn outcome_key(session: SessionId, lane: LaneId, sequence: u64) -> RowKey {
    let mut key = Vec::with_capacity(20);
    key.put_u64(session.0);
    key.put_u32(lane.0);
    key.put_u64(sequence);
    key.into()
}

/// Reads an outcome's row back.
pub(super) fn outcome_from(row: &Row) -> Result<(SessionId, LaneId, u64, Outcome), String> {
    let Row::Put {
        key,
        value: Value::Bytes(bytes),
        ..
    } = row
    else {
        return Err("an outcome's row has no bytes".into());
    };
    let mut key = &**key;
    if key.remaining() != 20 {
        return Err("an outcome's row has a wrong key".into());
    }
    let (session, lane, sequence) = (
        SessionId(key.get_u64()),
        LaneId(key.get_u32()),
        key.get_u64(),
    );
    let outcome =
        Outcome::decode(bytes.clone()).map_err(|error| format!("an outcome's row: {error}"))?;
    Ok((session, lane, sequence, outcome))
}
