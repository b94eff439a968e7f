//! The anonymous objects that a session wants.
//!
//! The server keeps for a session what its replies brought, until the session drops it. Here is counted what the program
//! still has: proxies, and references in values that nobody made a proxy of. What is wanted by nobody is dropped, all of it
//! in one call, and one such call of a lane at a time; one that failed is made again. A reply that brings an object while
//! it is being dropped is acknowledged only after that, so the drop, which names the replies before it, cannot take what
//! that reply brings. One such reply of an object is enough, because the server keeps what a reply brought that is not
//! acknowledged: a drop that gets no answer would hold up ever more. The lock is a leaf; it is taken under a lane's.

use commonhold_proto::{Call, Oid, Open, OpenOptions, Owner, Reference, Target, Value};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

/// At most so many objects are dropped in one call.
const DROPPED_AT_ONCE: usize = 1_000;
/// So many replies of an object are looked through whenever one more comes; if there are more, when they have doubled.
const REPLIES_LOOKED_AT: usize = 16;

/// What one session wants of anonymous objects.
#[derive(Debug)]
pub(crate) struct Holdings {
    /// A forked child holds nothing of its parent's.
    pid: u32,
    /// Is there anything to drop, perhaps? Whoever has no anonymous objects pays for a look here.
    any: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    objects: HashMap<Oid, Held>,
    /// Nobody wanted these when somebody last looked: each once, and none that is leaving.
    unwanted: Vec<Oid>,
    /// Drops of these are under way.
    leaving: HashMap<Oid, Leaving>,
    /// Drops so far.
    drops: u64,
    /// Those that are not over, and what they drop.
    under_way: HashMap<u64, Vec<Oid>>,
}

#[derive(Debug, Default)]
struct Held {
    proxies: u64,
    /// References that replies brought and that nobody made a proxy of, nor gave up.
    loose: u64,
    /// The replies that brought it and that the server may not know to be here.
    replies: Vec<Brought>,
    /// How many of them were left when they were last looked through.
    looked_through: usize,
    /// It is among the unwanted.
    is_noted: bool,
}

/// An object that is being dropped.
#[derive(Debug)]
struct Leaving {
    /// By which drop.
    by: u64,
    /// The replies that brought it until then.
    replies: Vec<Brought>,
    /// A reply brought it since and is acknowledged after the drop.
    is_kept: bool,
}

/// A reply that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Brought {
    pub(crate) session: u64,
    pub(crate) lane: u32,
    pub(crate) sequence: u64,
    /// The last call of its lane by then: when a later one was answered, the server knows that this reply is here.
    pub(crate) last: u64,
}

impl Holdings {
    pub(crate) fn new() -> Holdings {
        Holdings {
            pid: std::process::id(),
            any: AtomicBool::new(false),
            state: Mutex::default(),
        }
    }

    /// A reply brings this value. Returns the drops that must be over before it is acknowledged.
    pub(crate) fn receive(&self, value: &Value, by: Brought) -> Vec<u64> {
        let mut state = self.state.lock();
        let state = &mut *state;
        let mut after = Vec::new();
        each_anonymous(value, |oid| {
            let held = state.objects.entry(oid).or_default();
            held.loose += 1;
            held.note_reply(by);
            if let Some(leaving) = state.leaving.get_mut(&oid)
                && !std::mem::replace(&mut leaving.is_kept, true)
                && !after.contains(&leaving.by)
            {
                after.push(leaving.by);
            }
        });
        if !after.is_empty() {
            // Its acknowledgement leaves at some later time: it is named until then, and that is until its object is dropped.
            each_anonymous(value, |oid| {
                let held = state.objects.entry(oid).or_default();
                if let Some(reply) = held.replies.last_mut() {
                    reply.last = u64::MAX;
                }
            });
        }
        after
    }

    /// A proxy is made of a reference.
    pub(crate) fn adopt(&self, oid: Oid) {
        let mut state = self.state.lock();
        let held = state.objects.entry(oid).or_default();
        held.proxies += 1;
        held.loose = held.loose.saturating_sub(1);
    }

    /// The last clone of a proxy is gone. Tells whether there is something to drop.
    pub(crate) fn release(&self, oid: Oid) -> bool {
        if self.pid != std::process::id() {
            return false;
        }
        self.lower(oid, |held| held.proxies = held.proxies.saturating_sub(1));
        self.has_unwanted()
    }

    /// The program wants no proxies of the references in a value.
    pub(crate) fn give_up(&self, value: &Value) {
        each_anonymous(value, |oid| {
            self.lower(oid, |held| held.loose = held.loose.saturating_sub(1));
        });
    }

    fn lower(&self, oid: Oid, lower: impl FnOnce(&mut Held)) {
        let mut state = self.state.lock();
        let Some(held) = state.objects.get_mut(&oid) else {
            return;
        };
        lower(held);
        self.note_unwanted(&mut state, oid);
    }

    /// Notes an object if nobody wants it. While it is leaving nobody could drop it: the drop's end looks again.
    fn note_unwanted(&self, state: &mut State, oid: Oid) {
        let held = state.objects.get_mut(&oid);
        let Some(held) = held.filter(|held| held.is_unwanted() && !held.is_noted) else {
            return;
        };
        if !state.leaving.contains_key(&oid) {
            held.is_noted = true;
            state.unwanted.push(oid);
            self.any.store(true, Ordering::Release);
        }
    }

    /// Is there anything to drop, perhaps?
    pub(crate) fn has_unwanted(&self) -> bool {
        self.any.load(Ordering::Acquire)
    }

    /// The call that drops what nobody wants, for a lane of this session, and its number. When it is over,
    /// [`drop_ended`](Holdings::drop_ended) or [`drop_failed`](Holdings::drop_failed) must be told.
    pub(crate) fn begin_drop(&self, session: u64) -> Option<(u64, Call)> {
        if !self.has_unwanted() {
            return None;
        }
        let mut state = self.state.lock();
        let state = &mut *state;
        let number = state.drops + 1;
        let (mut oids, mut replies) = (Vec::new(), Vec::new());
        while oids.len() < DROPPED_AT_ONCE
            && let Some(oid) = state.unwanted.pop()
        {
            let Some(held) = state.objects.get_mut(&oid) else {
                continue;
            };
            held.is_noted = false;
            // Somebody may want it again.
            if !held.is_unwanted() {
                continue;
            }
            let held = state.objects.remove(&oid).unwrap_or_default();
            replies.extend(&held.replies);
            let leaving = Leaving {
                by: number,
                replies: held.replies,
                is_kept: false,
            };
            state.leaving.insert(oid, leaving);
            oids.push(oid);
        }
        self.any
            .store(!state.unwanted.is_empty(), Ordering::Release);
        if oids.is_empty() {
            return None;
        }
        let numbers = oids.iter().map(|oid| oid.0.into()).collect();
        state.drops = number;
        state.under_way.insert(number, oids);
        // Those of a session before this one mean nothing to the server.
        replies.retain(|reply: &Brought| reply.session == session);
        replies.sort_unstable_by_key(|reply| (reply.lane, reply.sequence));
        replies.dedup_by_key(|reply| (reply.lane, reply.sequence));
        let pair = |reply: Brought| Value::Tuple(vec![reply.lane.into(), reply.sequence.into()]);
        let replies = Value::List(replies.into_iter().map(pair).collect());
        let call = Call::new("drop", [Value::List(numbers)]).with("replies", replies);
        Some((number, call))
    }

    /// The drop of this number is over.
    pub(crate) fn drop_ended(&self, number: u64) {
        self.end_drop(number, false);
    }

    /// The drop of this number is over, and nobody knows whether it was made: the next one drops the same again.
    pub(crate) fn drop_failed(&self, number: u64) {
        self.end_drop(number, true);
    }

    fn end_drop(&self, number: u64, has_failed: bool) {
        let mut state = self.state.lock();
        let state = &mut *state;
        for oid in state.under_way.remove(&number).unwrap_or_default() {
            let leaving = state.leaving.remove(&oid);
            if has_failed && let Some(leaving) = leaving {
                // It may have come again meanwhile.
                let held = state.objects.entry(oid).or_default();
                held.replies.splice(..0, leaving.replies);
            }
            self.note_unwanted(state, oid);
        }
    }

    /// Is the drop of this number over?
    pub(crate) fn is_over(&self, number: u64) -> bool {
        !self.state.lock().under_way.contains_key(&number)
    }
}

impl Held {
    const fn is_unwanted(&self) -> bool {
        self.proxies == 0 && self.loose == 0
    }

    /// A reply brought it. Those that are known to be here need not be named any more.
    fn note_reply(&mut self, by: Brought) {
        let known = self.replies.len();
        if known < REPLIES_LOOKED_AT || known >= 2 * self.looked_through {
            self.replies.retain(|reply| {
                (reply.session, reply.lane) != (by.session, by.lane) || reply.last >= by.sequence
            });
            self.looked_through = self.replies.len();
        }
        if self.replies.last() != Some(&by) {
            self.replies.push(by);
        }
    }
}

/// As whom objects are dropped: it makes no difference.
pub(crate) const OWNER: Owner = Owner(0);

/// The server itself.
pub(crate) fn server() -> Target {
    Target::Open(Box::new(Open {
        kind: "server".to_owned(),
        name: "$server".to_owned(),
        options: OpenOptions::default(),
    }))
}

/// Does it point to an anonymous object, which must not be lost?
pub(crate) fn is_anonymous(reference: &Reference) -> bool {
    reference.name.is_empty() && reference.oid.0 != 0
}

fn each_anonymous(value: &Value, mut see: impl FnMut(Oid)) {
    value.each_reference(&mut |reference| {
        if is_anonymous(reference) {
            see(reference.oid);
        }
    });
}

#[cfg(test)]
mod tests;
