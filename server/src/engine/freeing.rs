//! Freeing what nobody holds: an object, what only it held, and so on, a few at a time and with no lock held between.

use super::Engine;
use super::cell::Cell;
use super::references::References;
use super::table::number_key;
use super::timer::Due;
use commonhold_proto::{Code, Oid, Refusal, Revision, Row, Rows};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// So many objects are freed while the registry is locked.
const FREED_A_HOLD: usize = 256;

/// So many rounds a call that dropped the last reference does itself; what is left is the timekeeper's.
const ROUNDS_A_CALL: usize = 8;

impl Engine {
    /// Frees what nobody holds any more. To be called with no lock held.
    #[inline]
    pub(super) fn free_orphans(&self) {
        if self.references.has_work() {
            self.free_in_rounds();
        }
    }

    fn free_in_rounds(&self) {
        for _ in 0..ROUNDS_A_CALL {
            if !self.free_some() {
                return;
            }
        }
        self.timers.add(self.clock.monotonic(), Due::References);
    }

    /// One round. False if there was nothing to do.
    pub(super) fn free_some(&self) -> bool {
        let (dropped, orphans) = self.references.take_work(FREED_A_HOLD);
        if dropped.is_empty() && orphans.is_empty() {
            return false;
        }
        let cells = |oids: Vec<Oid>| oids.into_iter().filter_map(|oid| self.registry.cell(oid));
        for cell in cells(dropped) {
            self.references
                .release(&cell, |counts| counts.rows = counts.rows.saturating_sub(1));
        }
        let mut freed: Vec<_> = cells(orphans).collect();
        freed.retain(|cell| References::free(cell));
        self.delete_freed(&freed);
        true
    }

    /// Deletes objects that are freed: whoever waits for them is refused, and what they held is dropped.
    pub(super) fn delete_freed(&self, cells: &[Arc<Cell>]) {
        for some in cells.chunks(FREED_A_HOLD) {
            let (mut waiting, mut edges) = (Vec::new(), Vec::new());
            let mut rows = Rows::new();
            let mut table = self.registry.table.state.lock();
            for cell in some {
                let mut state = cell.state.lock();
                if std::mem::replace(&mut state.gone, true) {
                    continue;
                }
                self.registry.remove(cell);
                table.lost.extend(state.release_all(cell.oid));
                waiting.extend(state.waiting.take_all());
                edges.push(self.take_edges(cell, &mut state));
                drop(state);
                self.references.anonymous.fetch_sub(1, Ordering::Relaxed);
                if cell.is_logged() {
                    rows.push(Row::delete(number_key(cell.oid.0)));
                }
            }
            if !rows.is_empty() {
                table.at = table.at.max(self.clock.now());
                self.change(&self.registry.table, &mut table, None, rows, |_, _| None);
            }
            let gate = table.gate;
            let (_, lost) = table.take_news();
            drop(table);
            self.tell_lost(lost);
            for edges in edges {
                self.references.drop_later(edges.all().collect());
            }
            self.refuse_waiting(waiting, gate);
        }
    }

    /// Refuses calls that waited for an object that is gone.
    pub(super) fn refuse_waiting(&self, waiting: Vec<Arc<super::Parked>>, gate: Revision) {
        for parked in waiting {
            if parked.claim() {
                let _held = self.unpark(&parked);
                let message = format!("{} was deleted", parked.cell.title());
                let refusal = Refusal::new(Code::ObjectGone, message);
                if parked.changed {
                    self.conclude_gone(&parked.caller, refusal, gate);
                } else {
                    self.answer(&parked.caller, Engine::refused(refusal), gate);
                }
            }
        }
    }
}
