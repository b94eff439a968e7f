//! Who keeps an anonymous object alive: exact counts, kept with its cell.
//!
//! Lock order: an object's counts are taken after any cell and after a session's holdings; under them only the marks of
//! the tracer and the queues here. Whoever moves a reference takes before it drops, so that nothing is freed on its way.

use super::cell::Cell;
use commonhold_proto::Oid;
use parking_lot::Mutex;
use smallvec::SmallVec;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// Who holds one anonymous object. Of a named one nothing is counted: it lives until it is deleted.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Rows of other objects, and of itself.
    pub(super) rows: u64,
    /// Sessions.
    pub(super) sessions: u32,
    /// Calls that wait, and steps that are under way.
    pub(super) grips: u32,
    /// Until when it is kept for nobody in particular, on the monotonic clock.
    pub(super) pinned: Option<Duration>,
    /// Nobody held it: it is being deleted, and can be held no more.
    freed: bool,
}

impl Counts {
    fn is_unheld(&self) -> bool {
        self.rows == 0 && !self.is_rooted()
    }

    /// Does anybody but a container hold it?
    fn is_rooted(&self) -> bool {
        self.sessions > 0 || self.grips > 0 || self.pinned.is_some()
    }

    fn is_contained(&self) -> bool {
        !self.freed && self.rows > 0 && !self.is_rooted()
    }
}

/// What the references of one server need beside the counts.
#[derive(Default)]
pub(super) struct References {
    /// How many anonymous objects there are.
    pub(super) anonymous: AtomicUsize,
    /// How many of them are held by rows alone.
    pub(super) contained: AtomicUsize,
    /// How many of them sessions hold.
    pub(super) held: AtomicUsize,
    /// Which objects have rows with references.
    pub(super) containers: Mutex<HashSet<Oid>>,
    /// Each was referred to by a row that is not there any more, and the log knows.
    dropped: Mutex<Vec<Oid>>,
    /// Nobody held these when somebody last looked.
    orphans: Mutex<Vec<Oid>>,
    any: AtomicBool,
    tracing: AtomicBool,
    marks: Mutex<Marks>,
}

#[derive(Default)]
struct Marks {
    live: HashSet<Oid>,
    /// Live, and what they hold was not looked at.
    gray: Vec<Oid>,
}

impl References {
    /// Somebody more holds the object. False if it is too late for that.
    #[must_use]
    pub(super) fn take(&self, cell: &Cell, act: impl FnOnce(&mut Counts)) -> bool {
        self.alter(cell, true, act)
    }

    /// A row more refers to the object, which whoever stores it holds meanwhile, or another row of the same object. It
    /// counts even if the tracer is about to spare the object.
    pub(super) fn count_row(&self, cell: &Cell) {
        self.alter(cell, false, |counts| counts.rows += 1);
        self.mark(cell.oid);
    }

    /// Somebody holds the object no more.
    pub(super) fn release(&self, cell: &Cell, act: impl FnOnce(&mut Counts)) {
        self.alter(cell, false, act);
    }

    fn alter(&self, cell: &Cell, takes: bool, act: impl FnOnce(&mut Counts)) -> bool {
        if !cell.is_anonymous() {
            return true;
        }
        let mut counts = cell.counts.lock();
        if counts.freed {
            // A doomed object may be spared: what lets go of it counts all the same.
            if !takes {
                act(&mut counts);
            }
            return !takes;
        }
        let (contained, held) = (counts.is_contained(), counts.sessions > 0);
        act(&mut counts);
        count(&self.contained, contained, counts.is_contained());
        count(&self.held, held, counts.sessions > 0);
        if takes {
            // Under the counts' lock: a tracer that saw the object unheld finds the mark.
            self.mark(cell.oid);
        }
        let unheld = counts.is_unheld();
        drop(counts);
        if unheld {
            self.orphan(cell.oid);
        }
        true
    }

    fn orphan(&self, oid: Oid) {
        self.orphans.lock().push(oid);
        self.any.store(true, Ordering::Release);
    }

    /// Is the object held by rows alone?
    pub(super) fn is_contained(cell: &Cell) -> bool {
        cell.is_anonymous() && cell.counts.lock().is_contained()
    }

    /// Is nobody left who holds it? Then it is freed by whoever finds it in the queue, if it is not already.
    pub(super) fn is_leaving(cell: &Cell) -> bool {
        let counts = cell.counts.lock();
        counts.freed || counts.is_unheld()
    }

    /// Frees an object that nobody holds: from then on nobody can. False if somebody does.
    pub(super) fn free(cell: &Cell) -> bool {
        let mut counts = cell.counts.lock();
        let frees = cell.is_anonymous() && !counts.freed && counts.is_unheld();
        counts.freed |= frees;
        frees
    }

    /// Frees an object that rows alone hold, because the tracer reached none of them.
    pub(super) fn doom(&self, cell: &Cell) -> bool {
        let mut counts = cell.counts.lock();
        let dooms = counts.is_contained();
        counts.freed |= dooms;
        count(&self.contained, dooms, false);
        dooms
    }

    /// Takes [`References::doom`] back.
    pub(super) fn spare(&self, cell: &Cell) {
        let mut counts = cell.counts.lock();
        counts.freed = false;
        count(&self.contained, false, counts.is_contained());
        if counts.is_unheld() {
            self.orphan(cell.oid);
        }
    }

    /// Rows that referred to these are gone.
    #[inline]
    pub(super) fn drop_later(&self, oids: Vec<Oid>) {
        if !oids.is_empty() {
            self.drop_some_later(oids);
        }
    }

    fn drop_some_later(&self, oids: Vec<Oid>) {
        let mut dropped = self.dropped.lock();
        if dropped.is_empty() {
            *dropped = oids;
        } else {
            dropped.extend(oids);
        }
        drop(dropped);
        self.any.store(true, Ordering::Release);
    }

    /// Is there anything to free, perhaps?
    pub(super) fn has_work(&self) -> bool {
        self.any.load(Ordering::Acquire)
    }

    /// Some that were dropped, or else some that nobody may hold; both are empty if there is nothing to do.
    pub(super) fn take_work(&self, most: usize) -> (Vec<Oid>, Vec<Oid>) {
        // Before looking: what comes meanwhile sets it again.
        self.any.store(false, Ordering::Release);
        let tail = |queue: &Mutex<Vec<Oid>>| {
            let mut queue = queue.lock();
            let from = queue.len().saturating_sub(most);
            queue.split_off(from)
        };
        let dropped = tail(&self.dropped);
        let orphans = if dropped.is_empty() {
            tail(&self.orphans)
        } else {
            Vec::new()
        };
        if !dropped.is_empty() || !orphans.is_empty() {
            self.any.store(true, Ordering::Release);
        }
        (dropped, orphans)
    }

    /// From now on whatever is held anew is marked.
    pub(super) fn begin_marking(&self) {
        *self.marks.lock() = Marks::default();
        self.tracing.store(true, Ordering::SeqCst);
    }

    pub(super) fn end_marking(&self) {
        self.tracing.store(false, Ordering::SeqCst);
        *self.marks.lock() = Marks::default();
    }

    /// Marks an object as live, while there is a tracer.
    pub(super) fn mark(&self, oid: Oid) {
        if self.tracing.load(Ordering::SeqCst) {
            let mut marks = self.marks.lock();
            if marks.live.insert(oid) {
                marks.gray.push(oid);
            }
        }
    }

    /// Marked ones that were not looked at.
    pub(super) fn take_gray(&self) -> Vec<Oid> {
        std::mem::take(&mut self.marks.lock().gray)
    }

    /// Is nothing marked that was not looked at?
    pub(super) fn is_traced(&self) -> bool {
        self.marks.lock().gray.is_empty()
    }

    /// Those of the candidates that are not marked.
    pub(super) fn unmarked(&self, candidates: &HashSet<Oid>) -> Vec<Oid> {
        let marks = self.marks.lock();
        let unmarked = candidates.iter().filter(|oid| !marks.live.contains(oid));
        unmarked.copied().collect()
    }
}

/// Something about one object changed: counts the objects of which it is true.
fn count(objects: &AtomicUsize, before: bool, after: bool) {
    match (before, after) {
        (false, true) => objects.fetch_add(1, Ordering::Relaxed),
        (true, false) => objects.fetch_sub(1, Ordering::Relaxed),
        _ => 0,
    };
}

/// Holds objects for as long as a step or a waiting call needs them.
pub(super) struct Grip {
    references: Arc<References>,
    cells: SmallVec<[Arc<Cell>; 1]>,
}

impl Grip {
    pub(super) fn new(references: &Arc<References>) -> Grip {
        Grip {
            references: Arc::clone(references),
            cells: SmallVec::new(),
        }
    }

    /// False if the object is being freed.
    #[must_use]
    pub(super) fn take(&mut self, cell: Arc<Cell>) -> bool {
        let taken = self.references.take(&cell, |counts| counts.grips += 1);
        if taken && cell.is_anonymous() {
            self.cells.push(cell);
        }
        taken
    }
}

impl Drop for Grip {
    fn drop(&mut self) {
        for cell in &self.cells {
            self.references.release(cell, |counts| counts.grips -= 1);
        }
    }
}
