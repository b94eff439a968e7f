//! The account of items: what producers and consumers know of them, put together.

use crate::support::{Counts, Note, Stage, item, origin};
use std::collections::HashMap;

/// Every item that was put or seen, after the queue is empty.
#[derive(Default)]
pub(super) struct Account {
    items: HashMap<u64, Fate>,
    /// Items whose put was answered.
    pub(super) put: u64,
    /// Items whose producer was killed before it was answered, and that were put nevertheless.
    pub(super) put_unheard: u64,
    /// The same of those that were not put.
    pub(super) not_put: u64,
    pub(super) acknowledged: u64,
    /// Items whose consumer was killed before it was answered, and that were acknowledged nevertheless.
    pub(super) acknowledged_unheard: u64,
    /// Deliveries but the first of each item.
    pub(super) redelivered: u64,
    /// Deliveries that nobody noted.
    pub(super) unseen: u64,
    pub(super) wrong: Vec<String>,
}

/// What consumers noted of an item.
#[derive(Debug, Default)]
struct Fate {
    /// By deliveries: how far its consumer came.
    seen: Vec<(u64, Stage)>,
}

impl Account {
    /// Of the slots of producers, and the notes of each hand of consumers. One that was killed may have left a call
    /// without an outcome.
    pub(super) fn of(
        producers: &[(Counts, bool)],
        consumers: impl IntoIterator<Item = (Vec<Note>, bool)>,
    ) -> Account {
        let mut account = Account::default();
        for (notes, was_killed) in consumers {
            account.take_down(&notes, was_killed);
        }
        for (slot, (counts, was_killed)) in producers.iter().enumerate() {
            account.check_puts(slot, *counts, *was_killed);
        }
        account.check_origins(producers);
        let items = std::mem::take(&mut account.items);
        for (item, fate) in &items {
            account.check(*item, fate);
        }
        account
    }

    /// A hand has one item after the other.
    fn take_down(&mut self, notes: &[Note], was_killed: bool) {
        for (at, note) in notes.iter().enumerate() {
            let may_be_under_way = was_killed && at + 1 == notes.len();
            assert!(
                note.stage == Stage::Acked || may_be_under_way,
                "a hand left {note:?} and went on"
            );
            let seen = &mut self.items.entry(note.item).or_default().seen;
            seen.push((note.deliveries, note.stage));
        }
    }

    fn check_puts(&mut self, slot: usize, counts: Counts, was_killed: bool) {
        let unheard = counts.begun - counts.acknowledged;
        assert!(
            unheard == 0 || was_killed && unheard == 1,
            "the hand {slot} of a producer: {counts:?}"
        );
        self.put += counts.acknowledged;
        for number in 1..=counts.acknowledged {
            if !self.items.contains_key(&item(slot, number)) {
                self.wrong
                    .push(format!("item {number} of hand {slot} is lost"));
            }
        }
        if unheard == 1 {
            if self.items.contains_key(&item(slot, counts.begun)) {
                self.put_unheard += 1;
            } else {
                self.not_put += 1;
            }
        }
    }

    fn check_origins(&mut self, producers: &[(Counts, bool)]) {
        for item in self.items.keys() {
            let (slot, number) = origin(*item);
            let is_known = producers
                .get(slot)
                .is_some_and(|(counts, _)| (1..=counts.begun).contains(&number));
            if !is_known {
                self.wrong
                    .push(format!("nobody put item {number} of hand {slot}"));
            }
        }
    }

    fn check(&mut self, item: u64, fate: &Fate) {
        let (slot, number) = origin(item);
        let mut seen = fate.seen.clone();
        seen.sort_unstable();
        let deliveries: Vec<u64> = seen.iter().map(|(deliveries, _)| *deliveries).collect();
        let mut wrong = |what: &str| {
            self.wrong
                .push(format!("item {number} of hand {slot} {what}: {seen:?}"));
        };
        if !deliveries.is_sorted_by(|a, b| a < b) || deliveries[0] == 0 {
            wrong("was delivered twice at a time");
        }
        let acked = seen.iter().filter(|(_, stage)| *stage == Stage::Acked);
        let acked = acked.count();
        let (last, end) = seen[seen.len() - 1];
        match (acked, end) {
            (0, Stage::Acking) => self.acknowledged_unheard += 1,
            (0, _) => wrong("did not come back"),
            (1, Stage::Acked) => self.acknowledged += 1,
            (1, _) => wrong("was delivered after it was acknowledged"),
            _ => wrong("was acknowledged twice"),
        }
        self.redelivered += last.saturating_sub(1);
        self.unseen += last.saturating_sub(seen.len() as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Stage::{Acked, Acking, Taken};

    /// Of one producer's hand, by begun and acknowledged; and of hands of consumers: number, deliveries, how far.
    #[track_caller]
    fn check(
        begun: u64,
        acknowledged: u64,
        hands: &[&[(u64, u64, Stage)]],
        wrong: &[&str],
    ) -> Account {
        let counts = Counts {
            begun,
            acknowledged,
            ..Counts::default()
        };
        let notes = hands.iter().map(|hand| {
            let notes = hand.iter().map(|(number, deliveries, stage)| Note {
                item: item(0, *number),
                deliveries: *deliveries,
                stage: *stage,
            });
            (notes.collect(), true)
        });
        let account = Account::of(&[(counts, true)], notes);
        assert_eq!(account.wrong, wrong);
        account
    }

    #[test]
    fn what_is_acknowledged_once_is_right() {
        let account = check(2, 2, &[&[(1, 1, Acked), (2, 1, Acked)]], &[]);
        assert_eq!((account.put, account.acknowledged), (2, 2));
    }

    #[test]
    fn what_a_killed_consumer_held_comes_back() {
        for end in [Taken, Acking] {
            let account = check(1, 1, &[&[(1, 1, end)], &[(1, 3, Acked)]], &[]);
            assert_eq!((account.redelivered, account.unseen), (2, 1));
        }
        let account = check(1, 1, &[&[(1, 1, Acking)]], &[]);
        assert_eq!(account.acknowledged_unheard, 1);
        let wrong = "item 1 of hand 0 did not come back: [(1, Taken)]";
        check(1, 1, &[&[(1, 1, Taken)]], &[wrong]);
    }

    #[test]
    fn what_a_killed_producer_was_putting_may_be_there() {
        assert_eq!(check(2, 1, &[&[(1, 1, Acked)]], &[]).not_put, 1);
        let both: &[_] = &[(1, 1, Acked), (2, 1, Acked)];
        assert_eq!(check(2, 1, &[both], &[]).put_unheard, 1);
        check(1, 1, &[both], &["nobody put item 2 of hand 0"]);
    }

    #[test]
    fn what_is_lost_or_doubled_is_noticed() {
        check(2, 2, &[&[(1, 1, Acked)]], &["item 2 of hand 0 is lost"]);
        let twice = "item 1 of hand 0 was acknowledged twice: [(1, Acked), (2, Acked)]";
        check(1, 1, &[&[(1, 1, Acked), (1, 2, Acked)]], &[twice]);
        let again =
            "item 1 of hand 0 was delivered after it was acknowledged: [(1, Acked), (2, Acking)]";
        check(1, 1, &[&[(1, 1, Acked)], &[(1, 2, Acking)]], &[again]);
        let at_once = "item 1 of hand 0 was delivered twice at a time: [(1, Taken), (1, Acked)]";
        check(1, 1, &[&[(1, 1, Acked)], &[(1, 1, Taken)]], &[at_once]);
    }
}
