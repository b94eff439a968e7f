//! The anonymous objects that a session keeps alive.
//!
//! A session *holds* what it was given, until it drops it, and what a call of its returned, until the call is
//! acknowledged: then it has the reply and holds what is in it. The two are told apart, so that a drop that crosses a
//! reply on its way does not take back what that reply brings.

use commonhold_proto::{LaneId, Oid};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

/// What one session holds. Its lock is taken after those of cells, and before that of the table of holdings.
#[derive(Default)]
pub(crate) struct Holdings {
    inner: Mutex<Inner>,
    /// Are there calls whose references are kept? Nobody who knows none pays for the rest.
    any_calls: AtomicBool,
}

/// What [`Holdings`] guards.
#[derive(Default)]
pub(crate) struct Inner {
    objects: BTreeMap<Oid, Held>,
    calls: BTreeMap<(LaneId, u64), Call>,
    ended: bool,
}

#[derive(Default)]
struct Held {
    /// It was given to the client, as far as the server knows.
    given: bool,
    /// Calls that are not acknowledged and keep it.
    calls: u32,
}

struct Call {
    oids: Vec<Oid>,
    /// Is it answered? What only its arguments mention is not given to the client by acknowledging it.
    answered: bool,
}

impl Holdings {
    /// Does any call keep something? If not, neither acknowledging one nor answering it with nothing changes anything.
    pub(crate) fn has_calls(&self) -> bool {
        self.any_calls.load(Ordering::Acquire)
    }

    /// Does `act` on what is held, all at once.
    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut Inner) -> T) -> T {
        let mut inner = self.inner.lock();
        let done = act(&mut inner);
        self.any_calls
            .store(!inner.calls.is_empty(), Ordering::Release);
        done
    }
}

impl Inner {
    /// Has the session ended? Then it holds nothing more.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Does the session hold it?
    pub(crate) fn holds(&self, oid: Oid) -> bool {
        self.objects.contains_key(&oid)
    }

    /// All that is held.
    #[cfg(test)]
    pub(crate) fn all(&self) -> Vec<Oid> {
        self.objects.keys().copied().collect()
    }

    /// What a call keeps from now on, in place of what it kept before. Returns what the session holds no more.
    pub(crate) fn keep(
        &mut self,
        lane: LaneId,
        sequence: u64,
        oids: Vec<Oid>,
        answered: bool,
    ) -> Vec<Oid> {
        for oid in &oids {
            self.objects.entry(*oid).or_default().calls += 1;
        }
        let before = if oids.is_empty() {
            self.calls.remove(&(lane, sequence))
        } else {
            let call = Call { oids, answered };
            self.calls.insert((lane, sequence), call)
        };
        self.let_go(before.map_or_else(Vec::new, |call| call.oids))
    }

    /// The client has it, and drops it when it wants it no more.
    pub(crate) fn give(&mut self, oid: Oid) {
        self.objects.entry(oid).or_default().given = true;
    }

    /// The client has these replies. Returns what the session holds no more.
    pub(crate) fn acknowledge(&mut self, lane: LaneId, first: u64, last: u64) -> Vec<Oid> {
        if first > last {
            return Vec::new();
        }
        let calls = self.calls.range((lane, first)..=(lane, last));
        let numbers: Vec<_> = calls.map(|(number, _)| *number).collect();
        let mut gone = Vec::new();
        for number in numbers {
            let Some(call) = self.calls.remove(&number) else {
                continue;
            };
            if call.answered {
                call.oids.iter().for_each(|oid| self.give(*oid));
            }
            gone.extend(self.let_go(call.oids));
        }
        gone
    }

    /// The client does not want the reply of this call: acknowledging it gives nothing.
    pub(crate) fn disclaim(&mut self, lane: LaneId, sequence: u64) {
        if let Some(call) = self.calls.get_mut(&(lane, sequence)) {
            call.answered = false;
        }
    }

    /// The client drops an object. True if the session holds it no more: a call may still bring it.
    pub(crate) fn drop_object(&mut self, oid: Oid) -> bool {
        let Some(held) = self.objects.get_mut(&oid) else {
            return false;
        };
        held.given = false;
        let gone = held.calls == 0;
        if gone {
            self.objects.remove(&oid);
        }
        gone
    }

    /// The session ends. Returns all that it held.
    pub(crate) fn end(&mut self) -> Vec<Oid> {
        self.ended = true;
        self.calls.clear();
        std::mem::take(&mut self.objects).into_keys().collect()
    }

    fn let_go(&mut self, oids: Vec<Oid>) -> Vec<Oid> {
        let mut gone = oids;
        gone.retain(|oid| {
            let Some(held) = self.objects.get_mut(oid) else {
                return false;
            };
            held.calls = held.calls.saturating_sub(1);
            let gone = held.calls == 0 && !held.given;
            if gone {
                self.objects.remove(oid);
            }
            gone
        });
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LANE: LaneId = LaneId(0);
    const X: Oid = Oid(7);

    #[test]
    fn what_a_reply_brings_is_held_until_it_is_dropped() {
        let holdings = Holdings::default();
        holdings.with(|held| assert!(held.keep(LANE, 1, vec![X], true).is_empty()));
        assert!(holdings.has_calls());
        holdings.with(|held| assert!(held.acknowledge(LANE, 1, 1).is_empty()));
        assert!(!holdings.has_calls());
        holdings.with(|held| assert!(held.holds(X) && held.drop_object(X) && !held.holds(X)));
    }

    #[test]
    fn a_drop_that_crosses_a_reply_takes_back_what_was_there_before() {
        let mut held = Inner::default();
        held.give(X);
        held.keep(LANE, 2, vec![X], true);
        assert!(!held.drop_object(X));
        assert!(held.acknowledge(LANE, 2, 2).is_empty());
        assert!(held.drop_object(X));
    }

    #[test]
    fn a_call_that_is_sent_again_keeps_once() {
        let mut held = Inner::default();
        held.keep(LANE, 3, vec![X], true);
        assert!(held.keep(LANE, 3, vec![X], true).is_empty());
        assert_eq!(held.keep(LANE, 3, vec![], true), [X]);
        assert!(!held.holds(X));
    }

    #[test]
    fn a_reply_that_nobody_wants_gives_nothing() {
        let mut held = Inner::default();
        held.keep(LANE, 5, vec![X], true);
        held.disclaim(LANE, 5);
        held.disclaim(LANE, 6);
        assert!(held.holds(X), "the call may be undone yet");
        assert_eq!(held.acknowledge(LANE, 5, 5), [X]);
    }

    #[test]
    fn acknowledging_gives_what_was_answered_and_not_what_was_asked() {
        let mut held = Inner::default();
        held.keep(LANE, 4, vec![X], false);
        assert_eq!(held.acknowledge(LANE, 1, 9), [X]);
        held.keep(LaneId(1), 4, vec![X], true);
        assert!(held.acknowledge(LANE, 1, 9).is_empty());
        assert_eq!(held.end(), [X]);
        assert!(held.has_ended());
    }
}
