//! Rows by key and in an order of their own: the memory of dicts and sets.
//!
//! The layout is that of Python's dict: slots in order of their tickets, and a hash table of slot numbers beside them. A removed
//! row leaves a slot that keeps its place, so that undoing the removal is cheap and cursors stay valid; such slots are
//! swept once they outnumber the rows. A new row almost always has the newest ticket and goes to the end. Replay over a
//! checkpoint that was taken under traffic may bring an older one: those gather in a second, small table of the same
//! layout and are merged in when they become many.

mod dense;

use super::Revision;
use commonhold_proto::{RowKey, Ticket};
use dense::{Dense, Slot};
use hashbrown::DefaultHashBuilder;
use std::hash::BuildHasher as _;
use std::mem;

/// What the table holds of each row.
pub(super) trait Held {
    /// About how many bytes it takes.
    fn size(&self) -> usize;
}

/// The table.
#[derive(Debug)]
pub(super) struct Ordered<T> {
    main: Dense<T>,
    /// Rows whose tickets came out of order.
    late: Dense<T>,
    hasher: DefaultHashBuilder,
    bytes: usize,
    /// Where the next row to be changed may be.
    near: Near,
}

/// A guess at the place of a row: after the one before. Who goes through many rows mostly does so in their order, and is
/// spared a look into the hash table for each, which is far away in memory once there are many.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Near(usize);

/// The number of a slot in one of the tables.
#[derive(Clone, Copy)]
enum Found {
    Main(usize),
    Late(usize),
}

/// One row.
#[derive(Debug)]
pub(super) struct Entry<'a, T> {
    pub(super) ticket: Ticket,
    pub(super) row: &'a RowKey,
    pub(super) held: &'a T,
}

/// A place between rows: everything after it follows. It outlives the row that it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    ticket: Ticket,
    row: Vec<u8>,
}

impl Place {
    /// Its bytes, for a cursor.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let Ticket { revision, index } = self.ticket;
        let mut bytes = Vec::with_capacity(16 + self.row.len());
        bytes.extend_from_slice(&revision.to_be_bytes());
        bytes.extend_from_slice(&index.to_be_bytes());
        bytes.extend_from_slice(&self.row);
        bytes
    }

    /// The place of these bytes, if they can be one's.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Place> {
        let (revision, rest) = bytes.split_first_chunk()?;
        let (index, row) = rest.split_first_chunk()?;
        Some(Place {
            ticket: Ticket {
                revision: u64::from_be_bytes(*revision),
                index: u64::from_be_bytes(*index),
            },
            row: row.to_vec(),
        })
    }
}

impl<T> Entry<'_, T> {
    pub(super) fn place(&self) -> Place {
        Place {
            ticket: self.ticket,
            row: self.row.to_vec(),
        }
    }
}

impl<T> Default for Ordered<T> {
    fn default() -> Self {
        Ordered {
            main: Dense::default(),
            late: Dense::default(),
            hasher: DefaultHashBuilder::default(),
            bytes: 0,
            near: Near::default(),
        }
    }
}

impl<T: Held> Ordered<T> {
    pub(super) fn len(&self) -> usize {
        self.main.live + self.late.live
    }

    /// About how many bytes keys and rows take.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// A ticket after all others, for a row of the change that follows `last`.
    pub(super) fn next_ticket(&self, last: Revision) -> Ticket {
        let fresh = Ticket {
            revision: last.0,
            index: 0,
        };
        match self.last() {
            // Only inside one change of several operations.
            Some(entry) if entry.ticket >= fresh => Ticket {
                index: entry.ticket.index.saturating_add(1),
                ..entry.ticket
            },
            _ => fresh,
        }
    }

    pub(super) fn get(&self, key: &[u8]) -> Option<Entry<'_, T>> {
        self.slot(self.find(key)?).entry()
    }

    /// As [`Ordered::get`], one of many.
    pub(super) fn get_near(&self, near: &mut Near, key: &[u8]) -> Option<Entry<'_, T>> {
        self.slot(self.find_near(near, key)?).entry()
    }

    fn find(&self, key: &[u8]) -> Option<Found> {
        let hash = self.hasher.hash_one(key);
        let main = self.main.find(hash, key).map(Found::Main);
        main.or_else(|| self.late.find(hash, key).map(Found::Late))
    }

    fn find_near(&self, near: &mut Near, key: &[u8]) -> Option<Found> {
        let found = match self.main.slots.get(near.0) {
            Some(slot) if *slot.row == *key && slot.held.is_some() => Found::Main(near.0),
            _ => self.find(key)?,
        };
        if let Found::Main(at) = found {
            near.0 = at + 1;
        }
        Some(found)
    }

    fn slot(&self, found: Found) -> &Slot<T> {
        match found {
            Found::Main(at) => &self.main.slots[at],
            Found::Late(at) => &self.late.slots[at],
        }
    }

    fn slot_mut(&mut self, found: Found) -> &mut Slot<T> {
        match found {
            Found::Main(at) => &mut self.main.slots[at],
            Found::Late(at) => &mut self.late.slots[at],
        }
    }

    /// The row with the newest ticket.
    pub(super) fn last(&self) -> Option<Entry<'_, T>> {
        let (main, late) = (self.main.slots.last(), self.late.slots.last());
        main.into_iter()
            .chain(late)
            .max_by_key(|slot| (slot.ticket, &slot.row))?
            .entry()
    }

    /// The rows after a place, or all, in order.
    pub(super) fn after(&self, place: Option<&Place>) -> impl Iterator<Item = Entry<'_, T>> {
        let mut main = self.main.after(place).peekable();
        let mut late = self.late.after(place).peekable();
        std::iter::from_fn(move || match (main.peek(), late.peek()) {
            (Some(a), Some(b)) if (b.ticket, b.row) < (a.ticket, a.row) => late.next(),
            (None, Some(_)) => late.next(),
            _ => main.next(),
        })
    }

    /// Changes what is held of the row, if the row is there with that ticket.
    pub(super) fn change(
        &mut self,
        ticket: Ticket,
        key: &[u8],
        change: impl FnOnce(&mut T),
    ) -> bool {
        let mut near = self.near;
        let Some(found) = self.find_near(&mut near, key) else {
            return false;
        };
        self.near = near;
        let slot = self.slot_mut(found);
        let Some(held) = slot.held.as_mut().filter(|_| slot.ticket == ticket) else {
            return false;
        };
        let before = held.size();
        change(held);
        let after = held.size();
        self.bytes = self.bytes - before + after;
        true
    }

    /// Writes a row, whatever was under its key.
    pub(super) fn put(&mut self, ticket: Ticket, row: &RowKey, held: T) {
        self.remove(row);
        self.bytes += row.len() + held.size();
        let hash = self.hasher.hash_one(row);
        let slot = Slot {
            ticket,
            row: row.clone(),
            held: Some(held),
        };
        match self.main.search(ticket, row) {
            Err(at) if at < self.main.slots.len() => {
                self.late.insert(hash, slot, &self.hasher);
                // A late row costs about as much as there are late ones, and this many bound the cost of merging.
                if self.late.slots.len() > 64 + self.main.slots.len().isqrt() {
                    self.merge();
                }
            }
            _ => self.main.insert(hash, slot, &self.hasher),
        }
    }

    /// Removes a row, if it is there.
    pub(super) fn remove(&mut self, key: &[u8]) {
        let hash = self.hasher.hash_one(key);
        let held = self
            .main
            .remove(hash, key, &self.hasher)
            .or_else(|| self.late.remove(hash, key, &self.hasher));
        if let Some(held) = held {
            self.bytes -= key.len() + held.size();
        }
    }

    /// Removes every row whose key begins so.
    pub(super) fn remove_prefix(&mut self, prefix: &[u8]) {
        if prefix.is_empty() {
            *self = Ordered::default();
            return;
        }
        let keys: Vec<RowKey> = self
            .after(None)
            .filter(|entry| entry.row.starts_with(prefix))
            .map(|entry| entry.row.clone())
            .collect();
        for key in keys {
            self.remove(&key);
        }
    }

    fn merge(&mut self) {
        let late = mem::take(&mut self.late);
        self.main.slots.extend(late.slots);
        self.main.slots.retain(|slot| slot.held.is_some());
        // Two sorted runs: the stable sort merges them in linear time.
        self.main
            .slots
            .sort_by(|a, b| (a.ticket, &a.row).cmp(&(b.ticket, &b.row)));
        self.main.reindex(&self.hasher);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    impl Held for u32 {
        fn size(&self) -> usize {
            4
        }
    }

    #[derive(Clone, Debug)]
    enum Step {
        Put(u64, u8, u32),
        Change(u64, u8, u32),
        Remove(u8),
        RemoveLast,
        Clear(Vec<u8>),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            8 => (0u64..400, 0u8..120, any::<u32>()).prop_map(|(t, k, v)| Step::Put(t, k, v)),
            // As in life: tickets grow.
            8 => (0u8..120, any::<u32>()).prop_map(|(k, v)| Step::Put(u64::MAX, k, v)),
            2 => (0u64..400, 0u8..120, any::<u32>()).prop_map(|(t, k, v)| Step::Change(t, k, v)),
            6 => (0u8..120).prop_map(Step::Remove),
            2 => Just(Step::RemoveLast),
            1 => prop::collection::vec(0u8..120, 0..3).prop_map(Step::Clear),
        ]
    }

    fn contents(table: &Ordered<u32>, after: Option<&Place>) -> Vec<(u64, u8, u32)> {
        let entries = table.after(after);
        entries
            .map(|e| (e.ticket.revision, e.row[0], *e.held))
            .collect()
    }

    proptest! {
        #[test]
        fn the_table_is_a_map_in_ticket_order(steps in prop::collection::vec(step(), 0..400)) {
            let mut table = Ordered::default();
            let mut model: BTreeMap<u8, (u64, u32)> = BTreeMap::new();
            let mut newest = 400;
            for step in steps {
                let place = table.last().map(|entry| entry.place());
                match step {
                    Step::Put(revision, key, value) => {
                        newest += 1;
                        let revision = revision.min(newest);
                        table.put(Ticket { revision, index: 0 }, &RowKey::from([key]), value);
                        model.insert(key, (revision, value));
                    }
                    Step::Change(revision, key, value) => {
                        let ticket = Ticket { revision, index: 0 };
                        let changed = table.change(ticket, &[key], |held| *held = value);
                        let held = model.get_mut(&key).filter(|held| held.0 == revision);
                        prop_assert_eq!(changed, held.is_some());
                        if let Some(held) = held {
                            held.1 = value;
                        }
                    }
                    Step::Remove(key) => {
                        table.remove(&[key]);
                        model.remove(&key);
                    }
                    Step::RemoveLast => {
                        if let Some(place) = &place {
                            table.remove(&place.row);
                            model.remove(&place.row[0]);
                        }
                    }
                    Step::Clear(prefix) => {
                        table.remove_prefix(&prefix);
                        model.retain(|key, _| !(prefix.is_empty() || prefix == [*key]));
                    }
                }
                let mut expected: Vec<_> = model.iter().map(|(k, (t, v))| (*t, *k, *v)).collect();
                expected.sort_unstable();
                prop_assert_eq!(contents(&table, None), &expected[..]);
                prop_assert_eq!(table.len(), model.len());
                prop_assert_eq!(table.bytes(), 5 * model.len());
                let last = table.last().map(|e| (e.ticket.revision, e.row[0], *e.held));
                prop_assert_eq!(last, expected.last().copied());
                for key in 0..120 {
                    let found = table.get(&[key]).map(|e| (e.ticket.revision, *e.held));
                    prop_assert_eq!(found, model.get(&key).copied());
                }
                if let Some(place) = place {
                    let bytes = place.to_bytes();
                    prop_assert_eq!(Place::from_bytes(&bytes), Some(place.clone()));
                    let key = (place.ticket.revision, place.row[0]);
                    expected.retain(|(t, k, _)| (*t, *k) > key);
                    prop_assert_eq!(contents(&table, Some(&place)), expected);
                }
            }
        }
    }

    #[test]
    fn many_late_rows_cost_little() {
        let mut table = Ordered::default();
        let key = |n: u64| RowKey::from(n.to_be_bytes());
        let ticket = |revision| Ticket { revision, index: 0 };
        for n in (0..40_000).step_by(2) {
            table.put(ticket(n), &key(n), 0);
        }
        for n in (0..20_000).map(|n| 39_999 - 2 * n) {
            table.put(ticket(n), &key(n), 0);
        }
        assert!(table.after(None).map(|e| e.ticket.revision).eq(0..40_000));
        assert!(table.late.slots.len() < 400);
    }
}
