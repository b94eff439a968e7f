//! One table: slots in order, and beside them their numbers by the hash of their keys.

use super::{Entry, Place, RowKey, Ticket};
use hashbrown::{DefaultHashBuilder, HashTable};
use std::hash::BuildHasher as _;

/// Slots in order of (ticket, key). The last slot is never empty.
#[derive(Debug)]
pub(super) struct Dense<T> {
    pub(super) slots: Vec<Slot<T>>,
    /// The numbers of the slots that hold something, by the hash of their keys.
    index: HashTable<u32>,
    pub(super) live: usize,
}

#[derive(Debug)]
pub(super) struct Slot<T> {
    pub(super) ticket: Ticket,
    pub(super) row: RowKey,
    /// `None` where the row was removed.
    pub(super) held: Option<T>,
}

impl<T> Slot<T> {
    pub(super) fn entry(&self) -> Option<Entry<'_, T>> {
        Some(Entry {
            ticket: self.ticket,
            row: &self.row,
            held: self.held.as_ref()?,
        })
    }
}

impl<T> Default for Dense<T> {
    fn default() -> Self {
        Dense {
            slots: Vec::new(),
            index: HashTable::new(),
            live: 0,
        }
    }
}

impl<T> Dense<T> {
    pub(super) fn find(&self, hash: u64, key: &[u8]) -> Option<usize> {
        self.index
            .find(hash, |at| &*self.slots[*at as usize].row == key)
            .map(|at| *at as usize)
    }

    /// The slot of this place, or where it would be.
    pub(super) fn search(&self, ticket: Ticket, key: &[u8]) -> Result<usize, usize> {
        match self.slots.last() {
            Some(last) if (last.ticket, &*last.row) >= (ticket, key) => self
                .slots
                .binary_search_by(|slot| (slot.ticket, &*slot.row).cmp(&(ticket, key))),
            _ => Err(self.slots.len()),
        }
    }

    pub(super) fn after(&self, place: Option<&Place>) -> impl Iterator<Item = Entry<'_, T>> {
        let from = match place {
            None => 0,
            Some(place) => match self.search(place.ticket, &place.row) {
                Ok(at) => at + 1,
                Err(at) => at,
            },
        };
        self.slots[from..].iter().filter_map(Slot::entry)
    }

    /// Puts a slot where it belongs. Its key is not there.
    pub(super) fn insert(&mut self, hash: u64, slot: Slot<T>, hasher: &DefaultHashBuilder) {
        let at = match self.search(slot.ticket, &slot.row) {
            Ok(empty) => {
                self.slots[empty] = slot;
                empty
            }
            Err(at) => {
                if at < self.slots.len() {
                    for other in &mut self.index {
                        *other += u32::from(*other as usize >= at);
                    }
                }
                self.slots.insert(at, slot);
                at
            }
        };
        self.live += 1;
        let slots = &self.slots;
        self.index.insert_unique(hash, slot_number(at), |at| {
            hasher.hash_one(&*slots[*at as usize].row)
        });
    }

    pub(super) fn remove(
        &mut self,
        hash: u64,
        key: &[u8],
        hasher: &DefaultHashBuilder,
    ) -> Option<T> {
        let slots = &self.slots;
        let found = self
            .index
            .find_entry(hash, |at| &*slots[*at as usize].row == key)
            .ok()?;
        let (at, _) = found.remove();
        let held = self.slots[at as usize].held.take();
        self.live -= 1;
        while self.slots.last().is_some_and(|slot| slot.held.is_none()) {
            self.slots.pop();
        }
        if self.slots.len() > 16 + 2 * self.live {
            self.slots.retain(|slot| slot.held.is_some());
            self.slots.shrink_to(2 * self.live);
            self.reindex(hasher);
        }
        held
    }

    /// Makes the index anew for slots that all hold something.
    pub(super) fn reindex(&mut self, hasher: &DefaultHashBuilder) {
        let slots = &self.slots;
        let hash = |at: &u32| hasher.hash_one(&*slots[*at as usize].row);
        self.live = slots.len();
        self.index = HashTable::with_capacity(slots.len());
        for at in 0..slots.len() {
            let at = slot_number(at);
            self.index.insert_unique(hash(&at), at, hash);
        }
    }
}

fn slot_number(at: usize) -> u32 {
    u32::try_from(at).expect("memory is full long before 2^32 slots")
}
