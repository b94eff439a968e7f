//! A client of the simulation: a peer, and what it knows about its calls.

use super::harness::World;
use super::peer::Peer;
use super::tally::{self, Tally};
use commonhold_proto::{Fence, Oid, Revision, Value};
use std::collections::BTreeMap;

/// Calls that an actor leaves unanswered at most.
const UNANSWERED_MAX: usize = 12;

/// What a call was for.
#[derive(Clone, Debug)]
pub(super) enum What {
    /// A durable counter, by name.
    Increment(String),
    /// At the barrier.
    Wait,
    /// A lock, by number.
    Acquire(usize),
    Release,
    /// For a condition of this lock.
    CondWait(usize),
    /// A counter that is written with a fence.
    Fenced(String, Fence),
    /// A counter that is guarded, written without.
    Unfenced,
    /// A counter that must not exist yet; nobody else makes one of its name.
    Make(String),
    /// The same; others make it too.
    MakeOneOf,
    /// From a queue that must not exist yet.
    GetNothing,
    /// From the basket or the queue.
    Get,
    /// From the queue, on loan.
    Take,
    /// Of this item.
    Ack(i64),
    Linger,
    /// A permit or an event.
    Await,
    Other,
}

pub(super) struct Actor {
    pub(super) peer: Peer,
    pub(super) calls: BTreeMap<u64, What>,
    /// The lock that it believes it has.
    pub(super) holds: Option<(usize, Fence)>,
    /// The newest grant that it was told of.
    pub(super) granted: Option<(usize, Fence)>,
    /// What it took and has not acknowledged: receipts and items.
    pub(super) taken: Vec<(i64, i64)>,
    /// Calls before this were sent under a lease that was lost.
    lost_below: u64,
}

impl What {
    /// May it have to wait?
    pub(super) fn waits(&self) -> bool {
        matches!(
            self,
            What::Wait | What::Acquire(_) | What::Get | What::Take | What::Await | What::GetNothing
        )
    }
}

impl Actor {
    pub(super) fn new(peer: Peer) -> Actor {
        Actor {
            peer,
            calls: BTreeMap::new(),
            holds: None,
            granted: None,
            taken: Vec::new(),
            lost_below: 0,
        }
    }

    /// Notices what a client notices by itself: that its connection was cut off.
    pub(super) fn notice(&mut self, world: &World) {
        if self.peer.is_connected(world) && self.peer.is_fenced() {
            self.peer.disconnect(world);
        }
    }

    pub(super) fn can_call(&self, world: &World) -> bool {
        self.peer.is_connected(world)
            && !self.peer.is_fenced()
            && self.peer.unanswered.len() < UNANSWERED_MAX
    }

    /// Connects. True if what the session held is lost: then no lane of it holds anything.
    pub(super) fn connect(&mut self, world: &World) -> bool {
        self.peer.lease_lost = false;
        self.peer.connect(world);
        self.peer.lease_lost
    }

    /// What it held is lost, and so is what a call before this moment took, if the call is not executed anew.
    pub(super) fn lose(&mut self) {
        self.holds = None;
        self.lost_below = self.peer.next_sequence();
    }

    /// Does a call about the lock wait for its answer? One thread has one at a time.
    pub(super) fn is_locking(&self) -> bool {
        let mut calls = self.calls.values();
        calls.any(|what| matches!(what, What::Acquire(_) | What::Release | What::CondWait(_)))
    }

    /// Reads the answers that came.
    pub(super) fn learn(&mut self, tally: &mut Tally) -> Result<(), String> {
        for (sequence, reply) in &self.peer.answered {
            let Some(what) = self.calls.remove(sequence) else {
                continue;
            };
            match (&what, &reply.result) {
                (What::Increment(name), Ok(value)) => tally.counted(name, value, reply.revision)?,
                (What::Increment(_), Err(refusal)) => {
                    return Err(format!("an increment was refused: {refusal:?}"));
                }
                (What::Wait, Ok(Value::Int(place))) => tally.passed(*place),
                (What::Acquire(lock) | What::CondWait(lock), Ok(granted)) => {
                    let fence = grant(granted)?;
                    tally.granted(fence);
                    self.granted = Some((*lock, fence));
                    let holds = !reply.remembered || *sequence >= self.lost_below;
                    self.holds = self.granted.filter(|_| holds);
                }
                (What::Release | What::CondWait(_), _) => self.holds = None,
                (What::Fenced(name, fence), Ok(value)) => {
                    tally.fenced(name, value, reply.revision, *fence)?;
                }
                (What::Unfenced, Ok(_)) => {
                    return Err("what is guarded was written without a fence".to_owned());
                }
                (What::Make(name), made) => tally.made(name, made)?,
                (What::MakeOneOf, Ok(value)) if *value != 1.into() => {
                    return Err(format!("what was made anew was {value:?} already"));
                }
                (What::GetNothing, got) => tally::got_nothing(got)?,
                (What::Get, Ok(item)) => tally.got(item)?,
                (What::Take, Ok(Value::Dict(fields))) => {
                    let numbers = fields.iter().filter_map(|(_, value)| value.as_int());
                    match numbers.collect::<Vec<_>>()[..] {
                        [item, receipt, _] => self.taken.push((receipt, item)),
                        _ => return Err(format!("{fields:?} was taken")),
                    }
                }
                (What::Ack(item), Ok(_)) => tally.got(&(*item).into())?,
                _ => {}
            }
        }
        Ok(())
    }
}

/// The fence of a grant.
fn grant(granted: &Value) -> Result<Fence, String> {
    let number = |name: &str| {
        let Value::Dict(pairs) = granted else {
            return None;
        };
        let found = pairs.iter().find(|(key, _)| key.as_text() == Some(name));
        Some(found?.1.as_int()?.cast_unsigned())
    };
    match (number("lock"), number("token")) {
        (Some(lock), Some(token)) => Ok(Fence {
            lock: Oid(lock),
            token: Revision(token),
        }),
        _ => Err(format!("{granted:?} was granted")),
    }
}
