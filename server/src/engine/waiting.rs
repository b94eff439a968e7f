//! Calls that wait, and who of them is asked again.
//!
//! A waiting call is ended once: by a grant, its deadline, a cancel, the end of its lease or of its connection. Whoever
//! wants to end it takes its *claim* by compare-and-swap, under the lock of the cell where it acts; the loser does
//! nothing. A claimed call counts as absent and is swept when met.

use super::caller::Caller;
use super::cell::Cell;
use super::references::Grip;
use crate::objects::{Arguments, Until};
use commonhold_proto::{Row, RowKey, SessionId};
use parking_lot::Mutex;
use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Waits for any change of one object that may stand at a time: each is retried at every change.
pub(super) const ANY_MAX: usize = 1_000;

/// Fewer claimed calls are not worth sweeping.
const SWEPT_AT_LEAST: usize = 64;

/// A call that waits.
pub(crate) struct Parked {
    claimed: AtomicBool,
    pub(super) cell: Arc<Cell>,
    pub(super) caller: Caller,
    /// What is asked when it may go on.
    pub(super) resume: Arguments,
    /// What is asked if its time runs out.
    pub(super) on_deadline: Option<Arguments>,
    pub(super) until: Until,
    /// The line it stands in: that of the method which is asked again.
    pub(super) line: Option<&'static str>,
    /// Since when it waits, on the monotonic clock.
    pub(super) since: Duration,
    /// Did it change rows before it waited?
    pub(super) changed: bool,
    /// Holds what its arguments refer to.
    grip: Mutex<Option<Grip>>,
}

impl Parked {
    pub(super) fn new(
        cell: Arc<Cell>,
        caller: Caller,
        resume: Arguments,
        on_deadline: Option<Arguments>,
        until: Until,
        since: Duration,
        changed: bool,
    ) -> Parked {
        Parked {
            claimed: AtomicBool::new(false),
            cell,
            caller,
            line: resume.method.line,
            resume,
            on_deadline,
            until,
            since,
            changed,
            grip: Mutex::default(),
        }
    }

    /// Holds this for as long as it waits.
    #[must_use]
    pub(super) fn holding(mut self, grip: Option<Grip>) -> Parked {
        self.grip = Mutex::new(grip);
        self
    }

    /// It does not wait any more: what its arguments refer to is held until this is dropped.
    pub(super) fn take_grip(&self) -> Option<Grip> {
        self.grip.lock().take()
    }

    /// Takes the right to end it; false if somebody else has. It does not wait any more.
    pub(crate) fn claim(&self) -> bool {
        let claimed = self
            .claimed
            .compare_exchange(false, true, Ordering::AcqRel, Ordering::Acquire)
            .is_ok();
        if claimed {
            self.cell.waiters.fetch_sub(1, Ordering::Relaxed);
        }
        claimed
    }

    /// Whose call it is.
    pub(super) fn session(&self) -> Option<SessionId> {
        self.caller.lane().map(|lane| lane.session)
    }

    fn is_claimed(&self) -> bool {
        self.claimed.load(Ordering::Acquire)
    }
}

/// The waiting calls of one object.
#[derive(Default)]
pub(super) struct Waiting {
    /// Per line, in order of arrival. Few lines: a list.
    lines: Vec<(&'static str, VecDeque<Arc<Parked>>)>,
    /// Outside lines, by the row they wait for.
    rows: BTreeMap<RowKey, Vec<Arc<Parked>>>,
    /// Outside lines, for any change.
    any: Vec<Arc<Parked>>,
    /// Taken out to be asked again. Kept here, because the lock is let go between two batches of grants.
    woken: VecDeque<Arc<Parked>>,
}

impl Waiting {
    /// Does somebody stand in this line?
    pub(super) fn stands(&mut self, line: &'static str) -> bool {
        if is_woken(&self.woken, line) {
            return true;
        }
        match self.lines.iter_mut().find(|(name, _)| *name == line) {
            Some((_, queue)) => {
                sweep_front(queue);
                !queue.is_empty()
            }
            None => false,
        }
    }

    /// May one more wait for any change?
    pub(super) fn has_room_for_any(&mut self) -> bool {
        self.any.retain(|parked| !parked.is_claimed());
        self.any.len() < ANY_MAX
    }

    /// Adds a call at its end.
    pub(super) fn add(&mut self, parked: Arc<Parked>) {
        if let Some(line) = parked.line {
            match self.lines.iter_mut().find(|(name, _)| *name == line) {
                Some((_, queue)) => {
                    // Deadlines and cancels leave claimed ones in the middle: swept before the line grows.
                    if queue.len() == queue.capacity() {
                        queue.retain(|parked| !parked.is_claimed());
                    }
                    queue.push_back(parked);
                }
                None => self.lines.push((line, VecDeque::from([parked]))),
            }
            return;
        }
        match &parked.until {
            Until::Any => self.any.push(parked),
            Until::Row(key) => {
                let waiting = self.rows.entry(key.clone()).or_default();
                if waiting.len() == waiting.capacity() {
                    waiting.retain(|parked| !parked.is_claimed());
                }
                waiting.push(parked);
            }
        }
    }

    /// Puts a call back where it was: it was asked and goes on waiting for the same.
    pub(super) fn keep(&mut self, parked: Arc<Parked>) {
        match parked.line {
            None => self.add(parked),
            Some(line) => {
                if let Some((_, queue)) = self.lines.iter_mut().find(|(name, _)| *name == line) {
                    queue.push_front(parked);
                }
            }
        }
    }

    /// Wakes whoever waits for one of these rows, in order: the heads of lines first.
    pub(super) fn wake(&mut self, rows: &[Row]) {
        if self.lines.is_empty() && self.rows.is_empty() && self.any.is_empty() {
            return;
        }
        for (line, queue) in &mut self.lines {
            sweep_front(queue);
            if let Some(head) = queue.front()
                && waits_for(&head.until, rows)
                && !is_woken(&self.woken, line)
            {
                self.woken.extend(queue.pop_front());
            }
        }
        let touched = &mut self.woken;
        if !self.rows.is_empty() {
            for row in rows {
                match row {
                    Row::Put { key, .. } | Row::Delete { key } => {
                        touched.extend(self.rows.remove(key).into_iter().flatten());
                    }
                    Row::DeletePrefix { prefix } => {
                        let from = (Bound::Included(prefix.clone()), Bound::Unbounded);
                        let keys: Vec<RowKey> = self
                            .rows
                            .range(from)
                            .map(|(key, _)| key.clone())
                            .take_while(|key| key.starts_with(prefix))
                            .collect();
                        touched.extend(
                            keys.iter()
                                .filter_map(|key| self.rows.remove(key))
                                .flatten(),
                        );
                    }
                }
            }
        }
        touched.extend(self.any.drain(..));
    }

    /// Wakes the head of a line whose head left. One of a line is asked at a time, or they would be granted out of order.
    pub(super) fn wake_head(&mut self, line: &'static str) {
        if is_woken(&self.woken, line) {
            return;
        }
        if let Some((_, queue)) = self.lines.iter_mut().find(|(name, _)| *name == line) {
            sweep_front(queue);
            if let Some(head) = queue.pop_front() {
                self.woken.push_front(head);
            }
        }
    }

    /// The next that is to be asked again, and then kept, or claimed and acted for.
    pub(super) fn next_woken(&mut self) -> Option<Arc<Parked>> {
        while let Some(parked) = self.woken.pop_front() {
            if !parked.is_claimed() {
                return Some(parked);
            }
            if let Some(line) = parked.line {
                self.wake_head(line);
            }
        }
        None
    }

    /// How many stand in lines, those that were claimed and not swept included.
    #[cfg(test)]
    pub(super) fn standing(&self) -> usize {
        self.lines.iter().map(|(_, queue)| queue.len()).sum()
    }

    /// Whoever would be asked if everything changed: the heads of lines, and all who stand in none.
    #[cfg(test)]
    pub(super) fn first(&self) -> Vec<Arc<Parked>> {
        let heads = self
            .lines
            .iter()
            .filter_map(|(_, queue)| queue.iter().find(|parked| !parked.is_claimed()));
        heads
            .chain(self.rows.values().flatten())
            .chain(&self.any)
            .chain(&self.woken)
            .filter(|parked| !parked.is_claimed())
            .cloned()
            .collect()
    }

    /// The first of everybody who waits: of each line in order, then who stands in none. Those who are asked at this
    /// moment come first.
    pub(super) fn all(&mut self, most: usize) -> Vec<Arc<Parked>> {
        for (_, queue) in &mut self.lines {
            count_first(queue, most, |_| false);
        }
        let lines = self.lines.iter().flat_map(|(_, queue)| queue);
        self.woken
            .iter()
            .chain(lines)
            .chain(self.rows.values().flatten())
            .chain(&self.any)
            .filter(|parked| !parked.is_claimed())
            .take(most)
            .cloned()
            .collect()
    }

    /// How many stand in its line before a call, counted up to `most`.
    pub(super) fn ahead_of(&mut self, of: &Arc<Parked>, most: usize) -> usize {
        let Some(line) = of.line else {
            return 0;
        };
        let is_it = |parked: &Arc<Parked>| Arc::ptr_eq(parked, of);
        let mut asked = 0;
        for parked in self.woken.iter().filter(|parked| parked.line == Some(line)) {
            if is_it(parked) {
                return asked;
            }
            asked += usize::from(!parked.is_claimed());
        }
        let queue = self.lines.iter_mut().find(|(name, _)| *name == line);
        let standing = queue.map_or(0, |(_, queue)| count_first(queue, most, is_it));
        (asked + standing).min(most)
    }

    /// Takes everybody out: the object is gone.
    pub(super) fn take_all(&mut self) -> Vec<Arc<Parked>> {
        let waiting = std::mem::take(self);
        let lines = waiting.lines.into_iter().flat_map(|(_, queue)| queue);
        waiting
            .woken
            .into_iter()
            .chain(lines)
            .chain(waiting.rows.into_values().flatten())
            .chain(waiting.any)
            .collect()
    }
}

/// Is one of this line to be asked again?
fn is_woken(woken: &VecDeque<Arc<Parked>>, line: &str) -> bool {
    let mut woken = woken.iter();
    woken.any(|parked| parked.line == Some(line) && !parked.is_claimed())
}

fn waits_for(until: &Until, rows: &[Row]) -> bool {
    match until {
        Until::Any => !rows.is_empty(),
        Until::Row(key) => rows.iter().any(|row| row.touches(key)),
    }
}

/// How many of a line wait before the one that `ends` the count, at most `most`. Those that were claimed among them are
/// swept if they are the more: a line that times out behind a patient head would be walked once for each of it.
fn count_first(
    queue: &mut VecDeque<Arc<Parked>>,
    most: usize,
    ends: impl Fn(&Arc<Parked>) -> bool,
) -> usize {
    let (mut waiting, mut seen) = (0, 0);
    for parked in &*queue {
        if waiting == most || ends(parked) {
            break;
        }
        seen += 1;
        waiting += usize::from(!parked.is_claimed());
    }
    if seen > 2 * waiting + SWEPT_AT_LEAST {
        let first = queue.drain(..seen);
        let kept: Vec<_> = first.filter(|parked| !parked.is_claimed()).collect();
        for parked in kept.into_iter().rev() {
            queue.push_front(parked);
        }
    }
    waiting
}

fn sweep_front(queue: &mut VecDeque<Arc<Parked>>) {
    while queue.front().is_some_and(|parked| parked.is_claimed()) {
        queue.pop_front();
    }
}
