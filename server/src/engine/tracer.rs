//! The tracer: finds anonymous objects that only hold each other.
//!
//! Candidates are the objects that rows alone hold when it begins. It follows the references of all others, a page of
//! rows while a cell is locked, and of every candidate that it reaches. Meanwhile whatever is stored or returned is
//! marked as reached, and what is created is no candidate, so a reference that moves behind its back is not missed. What
//! is left is freed: first all of it is made so that nobody can hold it any more, and if somebody was faster, or marked
//! anything, all of it is spared and the tracer goes on.

use super::Engine;
use super::cell::Cell;
use super::references::References;
use super::timer::Due;
use commonhold_proto::{Oid, RowKey};
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Rows that are followed while a cell is locked.
const ROWS_A_HOLD: usize = 1_000;
/// Pages that the timekeeper follows before it looks at the time again.
const PAGES_A_TICK: usize = 64;
/// The tracer does not run by itself for fewer objects that rows alone hold.
const TRACED_MIN: usize = 1_000;
/// It does not run by itself more often.
const TRACE_EVERY: Duration = Duration::from_mins(1);

/// When the tracer runs, and how far it is.
#[derive(Default)]
pub(super) struct Tracer {
    under_way: Option<Trace>,
    /// It runs by itself when so many objects are held by rows alone.
    due_at: usize,
    /// Not before.
    not_before: Duration,
}

struct Trace {
    candidates: HashSet<Oid>,
    work: Vec<(Arc<Cell>, Option<RowKey>)>,
}

impl Engine {
    /// Frees every anonymous object that nobody can reach; returns how many only held each other.
    pub(super) fn collect(&self) -> usize {
        while self.free_some() {}
        let mut tracer = self.tracer.lock();
        // What began before does not know what became unreachable since.
        tracer.under_way = Some(self.begin_trace());
        let freed = loop {
            if let Some(freed) = self.trace(&mut tracer) {
                break freed;
            }
        };
        drop(tracer);
        while self.free_some() {}
        freed
    }

    /// What the timekeeper does about references: frees what is left to it, and traces when that is due.
    pub(super) fn tend_references(&self) {
        self.free_orphans();
        let Some(mut tracer) = self.tracer.try_lock() else {
            return;
        };
        if tracer.under_way.is_none() {
            let contained = self.references.contained.load(Ordering::Relaxed);
            let now = self.clock.monotonic();
            if contained < tracer.due_at.max(TRACED_MIN) || now < tracer.not_before {
                return;
            }
            tracer.under_way = Some(self.begin_trace());
        }
        for _ in 0..PAGES_A_TICK {
            if self.trace(&mut tracer).is_some() {
                return;
            }
        }
        let soon = self.clock.monotonic() + Duration::from_millis(1);
        self.timers.add(soon, Due::References);
    }

    fn begin_trace(&self) -> Trace {
        self.references.begin_marking();
        let newest = Oid(self.log.newest().0);
        let cells = self.registry.anonymous();
        let candidates = cells
            .iter()
            .filter(|cell| cell.oid <= newest && References::is_contained(cell))
            .map(|cell| cell.oid);
        let candidates: HashSet<Oid> = candidates.collect();
        let containers = self.references.containers.lock().clone();
        let roots = containers.difference(&candidates);
        let work = roots.filter_map(|oid| Some((self.registry.cell(*oid)?, None)));
        Trace {
            work: work.collect(),
            candidates,
        }
    }

    /// Begins to trace, for a test that acts between two pages.
    #[cfg(test)]
    pub(super) fn begin_tracing(&self) {
        self.tracer.lock().under_way = Some(self.begin_trace());
    }

    /// Follows one page. Some once it is over: how many objects were freed.
    #[cfg(test)]
    pub(super) fn trace_page(&self) -> Option<usize> {
        self.trace(&mut self.tracer.lock())
    }

    fn trace(&self, tracer: &mut Tracer) -> Option<usize> {
        let trace = tracer.under_way.as_mut()?;
        for oid in self.references.take_gray() {
            if trace.candidates.contains(&oid)
                && let Some(cell) = self.registry.cell(oid)
            {
                trace.work.push((cell, None));
            }
        }
        if let Some((cell, after)) = trace.work.pop() {
            let page = cell.state.lock().edges.page(after.as_ref(), ROWS_A_HOLD);
            let (oids, last) = page;
            oids.into_iter().for_each(|oid| self.references.mark(oid));
            if last.is_some() {
                trace.work.push((cell, last));
            }
            return None;
        }
        let garbage = self.doom(trace)?;
        self.references.end_marking();
        self.delete_freed(&garbage);
        let contained = self.references.contained.load(Ordering::Relaxed);
        *tracer = Tracer {
            under_way: None,
            due_at: contained.saturating_mul(2),
            not_before: self.clock.monotonic() + TRACE_EVERY,
        };
        tracing::info!(freed = garbage.len(), "traced");
        Some(garbage.len())
    }

    /// Makes what was not reached so that nobody can hold it. `None` if somebody was faster.
    fn doom(&self, trace: &Trace) -> Option<Vec<Arc<Cell>>> {
        let unmarked = self.references.unmarked(&trace.candidates);
        let mut doomed = Vec::with_capacity(unmarked.len());
        let mut reached = !self.references.is_traced();
        for cell in unmarked.iter().filter_map(|oid| self.registry.cell(*oid)) {
            if self.references.doom(&cell) {
                doomed.push(cell);
            } else if !References::is_leaving(&cell) {
                // Held by somebody who had it from nowhere: what it holds is live too.
                self.references.mark(cell.oid);
                reached = true;
                break;
            }
        }
        if !reached && self.references.is_traced() {
            return Some(doomed);
        }
        doomed.iter().for_each(|cell| self.references.spare(cell));
        None
    }
}
