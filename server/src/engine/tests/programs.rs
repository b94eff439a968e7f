//! What the clients of a story call: objects of many kinds, locks that conditions share, objects that a lock guards,
//! objects that must not exist yet.

use super::actor::What;
use super::harness::{barrier, kept, named, opened, plain, sized};
use super::identity::{delete, server};
use super::locks::with;
use super::simulation::Story;
use commonhold_proto::{Call, Durability, Fence, OpenOptions, Target, Value};

/// Parties of the barrier.
pub(super) const PARTIES: i64 = 3;
/// Permits of the semaphore.
const PERMITS: i64 = 3;
/// The locks, by kind and name: a condition with a lock of its own, and one that others share.
pub(super) const LOCKS: [(&str, &str); 2] = [("condition", "lock"), ("rlock", "mutex")];
/// Which of them is shared.
const SHARED: usize = 1;
/// The conditions that share it.
const SHARING: [&str; 2] = ["full", "empty"];

/// A call that is to be made.
pub(super) struct Plan {
    pub(super) target: Target,
    pub(super) call: Call,
    pub(super) what: What,
    /// The grant without which it is refused.
    pub(super) fence: Option<Fence>,
}

impl From<(Target, Call, What)> for Plan {
    fn from((target, call, what): (Target, Call, What)) -> Plan {
        Plan {
            target,
            call,
            what,
            fence: None,
        }
    }
}

impl Story {
    /// A call of any kind.
    pub(super) fn any_call(&mut self, at: usize) -> Plan {
        let number = self.chance.below(3);
        // Whoever holds a lock does something about it: few would ever wait for a condition otherwise.
        let holds = self.actors[at].holds.is_some() && self.chance.once_in(2);
        let choice = if holds {
            [10, 10, 32][number]
        } else {
            self.chance.below(42)
        };
        let choice = if self.actors[at].is_locking() {
            // Its thread waits; others of the same client go on.
            choice % 10
        } else {
            choice
        };
        match choice {
            0..=3 => {
                let name = format!("durable{number}");
                self.tally.increment(&name);
                let target = named("counter", &name);
                (target, plain("increment"), What::Increment(name))
            }
            4 => {
                let target = kept("counter", "relaxed", Durability::Relaxed);
                self.tally.relaxed += 1;
                (target, plain("increment"), What::Other)
            }
            5 => {
                let target = kept("counter", "memory", Durability::Memory);
                (target, plain("increment"), What::Other)
            }
            6 | 7 => {
                *self.tally.book.entry(number).or_default() += 1;
                let call = Call::new("increment", [number.into()]);
                (named("dict", "book"), call, What::Other)
            }
            8 | 9 => (barrier("all", PARTIES), plain("wait"), What::Wait),
            10..=13 | 27..=31 => self.lock_call(at),
            14 => {
                let items: Vec<Value> =
                    (0..=number).map(|_| self.tally.new_item().into()).collect();
                let call = Call::new("put", [Value::List(items)]);
                (named("basket", "basket"), call, What::Other)
            }
            15 => (named("basket", "basket"), plain("get"), What::Get),
            16 => {
                self.tally.lingered += 1;
                (named("trouble", "door"), plain("linger"), What::Linger)
            }
            17 => {
                let call = match number {
                    0 => plain("clear"),
                    rows => Call::new("fill", [(rows * 20).into(), 900.into()]),
                };
                (named("trouble", "room"), call, What::Other)
            }
            18 => (server(), delete(&format!("brief{number}")), What::Other),
            19 => {
                let call = Call::new("acquire", [(number + 1).into()]);
                (sized("semaphore", "permits", PERMITS), call, What::Await)
            }
            20 => {
                let permits = sized("semaphore", "permits", PERMITS);
                (permits, plain("release"), What::Other)
            }
            21 => (named("event", "event"), plain("wait"), What::Await),
            22 => {
                let call = plain(["set", "clear", "is_set"][number]);
                (named("event", "event"), call, What::Other)
            }
            24..=26 => self.queue_call(at, choice - 24),
            32..=36 => return self.guarded_call(at),
            37 | 38 => return self.fresh_call(at),
            39 | 40 => (server(), delete(SHARING[number % 2]), What::Other),
            _ => {
                let target = named("counter", &format!("brief{number}"));
                (target, plain("increment"), What::Other)
            }
        }
        .into()
    }

    /// What is put, got, taken and acknowledged adds up with what the basket holds.
    fn queue_call(&mut self, at: usize, choice: usize) -> (Target, Call, What) {
        let number = self.chance.below(3);
        let taken = (choice == 2).then(|| self.actors[at].taken.pop()).flatten();
        let (call, what) = match (choice, taken) {
            (0, _) => {
                let items = (0..=number).map(|_| self.tally.new_item().into());
                let call = Call::new("put_many", [Value::List(items.collect())]);
                (call, What::Other)
            }
            (1, _) => (plain("get"), What::Get),
            (_, Some((receipt, item))) if number > 0 => {
                (Call::new("ack", [receipt.into()]), What::Ack(item))
            }
            (_, Some((receipt, _))) => (Call::new("nack", [receipt.into()]), What::Other),
            (_, None) if number == 0 => (Call::new("take", [2.into()]), What::Take),
            (_, None) => (plain("take"), What::Take),
        };
        (named("queue", "jobs"), call, what)
    }

    /// Of one lock at a time: two that want the lock of each other would wait for ever.
    fn lock_call(&mut self, at: usize) -> (Target, Call, What) {
        let held = self.actors[at].holds.map(|(lock, _)| lock);
        let lock = held.unwrap_or_else(|| self.chance.below(LOCKS.len()));
        let (kind, name) = LOCKS[lock];
        // What is done to a condition is done to its lock.
        let target = match self.chance.below(SHARING.len() + 1) {
            which if lock == SHARED && which > 0 => sharing(SHARING[which - 1]),
            _ => named(kind, name),
        };
        match self.chance.below(6) {
            0 if held.is_some() => {
                self.actors[at].holds = None;
                (target, plain("release"), What::Release)
            }
            1 | 2 if held.is_some() => {
                self.actors[at].holds = None;
                (target, plain("wait"), What::CondWait(lock))
            }
            3 if held.is_some() => (target, plain("notify"), What::Other),
            4 if held.is_some() => (target, plain("notify_all"), What::Other),
            _ => (target, plain("acquire"), What::Acquire(lock)),
        }
    }

    /// A write under a lock, maybe one that was lost: on what only its holder may write, or on what everybody may. Now and
    /// then one without a lock.
    fn guarded_call(&mut self, at: usize) -> Plan {
        let granted = self.actors[at].granted;
        let lock = granted.map_or(SHARED, |(lock, _)| lock);
        let name = format!("guarded{lock}");
        let guarded = with("counter", &name, &[("guard", LOCKS[lock].1.into())]);
        match granted.filter(|_| !self.chance.once_in(8)) {
            None => (guarded, plain("increment"), What::Unfenced).into(),
            Some((_, fence)) => {
                let (target, name) = if self.chance.once_in(3) {
                    let name = format!("fenced{lock}");
                    (named("counter", &name), name)
                } else {
                    (guarded, name)
                };
                Plan {
                    target,
                    call: plain("increment"),
                    what: What::Fenced(name, fence),
                    fence: Some(fence),
                }
            }
        }
    }

    /// On an object that does not exist, and must not.
    fn fresh_call(&mut self, at: usize) -> Plan {
        let number = self.tally.new_name();
        let is_locking = self.actors[at].is_locking() || self.actors[at].holds.is_some();
        let mutex = LOCKS[SHARED].1;
        match self.chance.below(6) {
            0 => {
                let target = fresh("queue", &format!("queue{number}"), &[]);
                (target, plain("get"), What::GetNothing).into()
            }
            1 if !is_locking => {
                let options = [("lock", mutex.into())];
                let target = fresh("condition", &format!("condition{number}"), &options);
                (target, plain("acquire"), What::Acquire(SHARED)).into()
            }
            2 if let Some((lock, fence)) = self.actors[at].granted => {
                let name = format!("fresh{number}");
                let target = fresh("counter", &name, &[("guard", LOCKS[lock].1.into())]);
                Plan {
                    target,
                    call: plain("increment"),
                    what: What::Make(name),
                    fence: Some(fence),
                }
            }
            // One of several makes it, if it is not there.
            3 => {
                let name = format!("brief{}", number % 3);
                let target = fresh("counter", &name, &[]);
                (target, plain("increment"), What::MakeOneOf).into()
            }
            _ => {
                let name = format!("fresh{number}");
                let target = fresh("counter", &name, &[]);
                (target, plain("increment"), What::Make(name)).into()
            }
        }
    }
}

/// A condition that shares the lock.
fn sharing(name: &str) -> Target {
    with("condition", name, &[("lock", LOCKS[SHARED].1.into())])
}

/// An object that must not exist yet.
pub(super) fn fresh(kind: &str, name: &str, options: &[(&str, Value)]) -> Target {
    let options = options
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()));
    let options = OpenOptions {
        exists: Some(false),
        options: options.collect(),
        ..OpenOptions::default()
    };
    opened(kind, name, options)
}
