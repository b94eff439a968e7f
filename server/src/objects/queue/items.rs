//! The memory of a queue: where each item is, as its rows say.
//!
//! An item that has a row `t/` is taken. Otherwise it is dead if its row `d/` counts as many deliveries as the queue
//! allows, else it is ready. Nothing depends on the order in which the rows were written.

use super::super::terms::Terms;
use super::ticket::Ticket;
use commonhold_proto::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

/// About how many bytes a row takes besides its value.
const ROW_BYTES: usize = 64;

/// A row `i/`.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) value: Value,
    pub(super) terms: Terms,
}

impl Item {
    /// About how many bytes its row takes.
    pub(super) fn size(&self) -> usize {
        ROW_BYTES + self.value.size()
    }
}

/// A row `t/`.
#[derive(Clone, Debug)]
pub(super) struct Taken {
    pub(super) receipt: i64,
    pub(super) owner: i64,
    /// How often it was delivered, this time included.
    pub(super) deliveries: i64,
    /// Since when, in milliseconds of server time.
    pub(super) since: i64,
    pub(super) terms: Terms,
}

impl Taken {
    pub(super) fn to_value(&self) -> Value {
        let numbers = [self.receipt, self.owner, self.deliveries, self.since];
        Value::Tuple(numbers.into_iter().map(Value::Int).collect())
    }

    pub(super) fn parse(value: &Value, terms: Terms) -> Option<Taken> {
        let Value::Tuple(parts) = value else {
            return None;
        };
        match parts[..] {
            [
                Value::Int(receipt),
                Value::Int(owner),
                Value::Int(deliveries),
                Value::Int(since),
            ] => Some(Taken {
                receipt,
                owner,
                deliveries,
                since,
                terms,
            }),
            _ => None,
        }
    }
}

/// A row `d/`: deliveries that ended with the item given back.
#[derive(Debug)]
pub(super) struct Count {
    pub(super) deliveries: i64,
    pub(super) terms: Terms,
}

/// Every item and what is said of it.
#[derive(Debug, Default)]
pub(super) struct Items {
    /// So many deliveries make a dead letter; 0 is never.
    dead_after: i64,
    ready: BTreeMap<Ticket, Item>,
    taken: BTreeMap<Ticket, (Taken, Option<Item>)>,
    /// Of those, how many have an item.
    lent: usize,
    dead: BTreeMap<Ticket, Item>,
    counts: BTreeMap<Ticket, Count>,
    /// Who was taken, by receipt.
    receipts: BTreeSet<(i64, Ticket)>,
    /// What the rows `i/` take.
    item_bytes: usize,
}

impl Items {
    pub(super) fn new(dead_after: i64) -> Items {
        Items {
            dead_after,
            ..Items::default()
        }
    }

    pub(super) fn ready(&self) -> &BTreeMap<Ticket, Item> {
        &self.ready
    }

    pub(super) fn dead(&self) -> &BTreeMap<Ticket, Item> {
        &self.dead
    }

    /// How many are ready or taken.
    pub(super) fn live(&self) -> usize {
        self.ready.len() + self.lent
    }

    /// Is an item that was delivered so often and comes back a dead letter?
    pub(super) fn is_deadly(&self, deliveries: i64) -> bool {
        self.dead_after > 0 && deliveries >= self.dead_after
    }

    /// How often an item that is not taken was delivered.
    pub(super) fn deliveries(&self, ticket: Ticket) -> i64 {
        self.counts.get(&ticket).map_or(0, |count| count.deliveries)
    }

    pub(super) fn item(&self, ticket: Ticket) -> Option<&Item> {
        let taken = || self.taken.get(&ticket)?.1.as_ref();
        let ready = self.ready.get(&ticket);
        ready.or_else(taken).or_else(|| self.dead.get(&ticket))
    }

    pub(super) fn taken(&self, ticket: Ticket) -> Option<&Taken> {
        Some(&self.taken.get(&ticket)?.0)
    }

    pub(super) fn count(&self, ticket: Ticket) -> Option<&Count> {
        self.counts.get(&ticket)
    }

    /// What was taken under this receipt.
    pub(super) fn by_receipt(&self, receipt: i64) -> Option<(Ticket, &Taken)> {
        let mut from = self.receipts.range((receipt, Ticket::FIRST)..);
        let (found, ticket) = *from.next()?;
        (found == receipt).then(|| (ticket, &self.taken[&ticket].0))
    }

    /// How many are taken.
    pub(super) fn taken_count(&self) -> usize {
        self.receipts.len()
    }

    /// What is taken, in the order in which it was.
    pub(super) fn in_order_taken(&self) -> impl Iterator<Item = &Taken> {
        let taken = self.receipts.iter();
        taken.map(|(_, ticket)| &self.taken[ticket].0)
    }

    /// Every item from this place on, in order.
    pub(super) fn items(&self, from: Bound<Ticket>) -> impl Iterator<Item = (Ticket, &Item)> {
        let from = (from, Bound::Unbounded);
        let mut ready = self.ready.range(from).peekable();
        let mut dead = self.dead.range(from).peekable();
        let taken = self.taken.range(from);
        let taken = taken.filter_map(|(ticket, (_, item))| Some((ticket, item.as_ref()?)));
        let mut taken = taken.peekable();
        std::iter::from_fn(move || {
            let heads = [ready.peek(), taken.peek(), dead.peek()];
            let tickets = heads.map(|head| head.map(|(ticket, _)| **ticket));
            let first = tickets.iter().flatten().min().copied();
            let next = match tickets
                .iter()
                .position(|ticket| first.is_some() && *ticket == first)
            {
                Some(0) => ready.next(),
                Some(1) => taken.next(),
                _ => dead.next(),
            };
            next.map(|(ticket, item)| (*ticket, item))
        })
    }

    pub(super) fn takings(&self, from: Bound<Ticket>) -> impl Iterator<Item = (Ticket, &Taken)> {
        let from = (from, Bound::Unbounded);
        let taken = self.taken.range(from);
        taken.map(|(ticket, (taken, _))| (*ticket, taken))
    }

    pub(super) fn counts(&self, from: Bound<Ticket>) -> impl Iterator<Item = (Ticket, &Count)> {
        let counts = self.counts.range((from, Bound::Unbounded));
        counts.map(|(ticket, count)| (*ticket, count))
    }

    /// Is something taken or dead between these?
    pub(super) fn is_kept_within(&self, first: Ticket, last: Ticket) -> bool {
        self.taken.range(first..=last).next().is_some()
            || self.dead.range(first..=last).next().is_some()
    }

    /// Was something delivered before that stands between these?
    pub(super) fn is_counted_within(&self, first: Ticket, last: Ticket) -> bool {
        self.counts.range(first..=last).next().is_some()
    }

    /// About how many bytes the rows take.
    pub(super) fn bytes(&self) -> usize {
        self.item_bytes + (self.taken.len() + self.counts.len()) * ROW_BYTES
    }

    pub(super) fn put_item(&mut self, ticket: Ticket, item: Item) {
        self.remove_item(ticket);
        self.item_bytes += item.size();
        self.place(ticket, item);
    }

    pub(super) fn remove_item(&mut self, ticket: Ticket) {
        if let Some(item) = self.displace(ticket) {
            self.item_bytes -= item.size();
        }
    }

    pub(super) fn put_taken(&mut self, ticket: Ticket, taken: Taken) {
        let item = self.displace(ticket);
        self.forget_taken(ticket);
        self.receipts.insert((taken.receipt, ticket));
        self.taken.insert(ticket, (taken, None));
        if let Some(item) = item {
            self.place(ticket, item);
        }
    }

    pub(super) fn remove_taken(&mut self, ticket: Ticket) {
        let item = self.displace(ticket);
        self.forget_taken(ticket);
        if let Some(item) = item {
            self.place(ticket, item);
        }
    }

    pub(super) fn put_count(&mut self, ticket: Ticket, count: Count) {
        let item = self.displace(ticket);
        self.counts.insert(ticket, count);
        if let Some(item) = item {
            self.place(ticket, item);
        }
    }

    pub(super) fn remove_count(&mut self, ticket: Ticket) {
        if !self.counts.contains_key(&ticket) {
            return;
        }
        let item = self.displace(ticket);
        self.counts.remove(&ticket);
        if let Some(item) = item {
            self.place(ticket, item);
        }
    }

    fn forget_taken(&mut self, ticket: Ticket) {
        if let Some((taken, _)) = self.taken.remove(&ticket) {
            self.receipts.remove(&(taken.receipt, ticket));
        }
    }

    /// Takes an item from where it is.
    fn displace(&mut self, ticket: Ticket) -> Option<Item> {
        if let Some((_, item)) = self.taken.get_mut(&ticket) {
            let item = item.take();
            self.lent -= usize::from(item.is_some());
            return item;
        }
        let ready = self.ready.remove(&ticket);
        ready.or_else(|| self.dead.remove(&ticket))
    }

    /// Puts an item where its rows say.
    fn place(&mut self, ticket: Ticket, item: Item) {
        if let Some((_, place)) = self.taken.get_mut(&ticket) {
            *place = Some(item);
            self.lent += 1;
        } else if self.is_deadly(self.deliveries(ticket)) {
            self.dead.insert(ticket, item);
        } else {
            self.ready.insert(ticket, item);
        }
    }
}
