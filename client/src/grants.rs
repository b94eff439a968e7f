//! What a session believes that it holds.
//!
//! The server tells of grants that are lost: singly in a frame or a welcome, all at once when the lease was lost, by the
//! revision up to which none holds: a grant may be in a reply that comes, or is taken, only after that. A session
//! with a heartbeat also counts down by itself: it believes in its grants until the time at which it sent its last
//! answered frame, plus the grace, less a tenth for clocks that run apart. The server ends no lease sooner, so there is
//! no time at which two clients both believe that they hold a lock.

use crate::options::Liveness;
use commonhold_proto::{Fence, Revision};
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Waker;
use std::time::{Duration, Instant};

/// Losses that are kept for grants whose replies have not been taken yet.
const RECENT_MAX: usize = 1_024;

/// The grants of a session.
#[derive(Debug)]
pub(crate) struct Grants {
    counts_down: bool,
    /// The process that holds them.
    pid: u32,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    held: HashMap<Fence, Arc<Grant>>,
    recent: VecDeque<Fence>,
    /// Up to here every grant is lost, also one whose reply is yet to come or to be taken.
    lost_until: Revision,
    /// Until when the server keeps what the session holds; `None` before the first answer.
    trusted_until: Option<Instant>,
}

/// One grant, as long as its holder keeps it.
#[derive(Debug, Default)]
pub(crate) struct Grant {
    lost: AtomicBool,
    wakers: Mutex<Vec<Waker>>,
}

impl Grant {
    pub(crate) fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Acquire)
    }

    /// Wakes `waker` when the grant is lost.
    pub(crate) fn watch(&self, waker: &Waker) {
        let mut wakers = self.wakers.lock();
        if !wakers.iter().any(|known| known.will_wake(waker)) {
            wakers.push(waker.clone());
        }
    }

    pub(crate) fn lose(&self) {
        self.lost.store(true, Ordering::Release);
        self.wakers.lock().drain(..).for_each(Waker::wake);
    }
}

impl Grants {
    pub(crate) fn new(liveness: Liveness) -> Grants {
        Grants {
            counts_down: liveness == Liveness::Heartbeat,
            pid: std::process::id(),
            state: Mutex::default(),
        }
    }

    /// A grant is held from now on. If its loss was told before its holder knew of it, it is lost.
    pub(crate) fn hold(&self, fence: Fence) -> Arc<Grant> {
        let mut state = self.state.lock();
        let grant = Arc::clone(state.held.entry(fence).or_default());
        if fence.token <= state.lost_until || state.recent.contains(&fence) {
            grant.lose();
        }
        grant
    }

    /// One who has it gives it back: an rlock's guards share one grant, which ends with the last.
    pub(crate) fn give_back(&self, fence: Fence) {
        // A forked child has nothing of its parent's to give back, and a thread of the parent may have had the lock.
        if self.pid != std::process::id() {
            return;
        }
        let mut state = self.state.lock();
        // The map has one, and whoever gives it back.
        let is_last = |grant: &Arc<Grant>| Arc::strong_count(grant) <= 2;
        if state.held.get(&fence).is_some_and(is_last) {
            state.held.remove(&fence);
        }
    }

    /// The server says that it is lost.
    pub(crate) fn lose(&self, fence: Fence) {
        let mut state = self.state.lock();
        if let Some(grant) = state.held.remove(&fence) {
            grant.lose();
            return;
        }
        if state.recent.len() == RECENT_MAX {
            state.recent.pop_front();
        }
        state.recent.push_back(fence);
    }

    /// The server does not know the session: everything is lost, and the next server may count from the start again.
    pub(crate) fn lose_all(&self) {
        let mut state = self.state.lock();
        let held = std::mem::take(&mut state.held);
        held.values().for_each(|grant| grant.lose());
        state.recent.clear();
        state.lost_until = Revision(0);
    }

    /// The server says that every grant up to this one is lost.
    pub(crate) fn lose_until(&self, until: Revision) {
        let mut state = self.state.lock();
        state.lost_until = state.lost_until.max(until);
        state.held.retain(|fence, grant| {
            let keeps = fence.token > until;
            if !keeps {
                grant.lose();
            }
            keeps
        });
    }

    /// The server answered a frame that was sent then: it keeps the lease for the grace, at least.
    pub(crate) fn trust(&self, sent: Instant, grace: Duration) {
        let until = sent + grace * 9 / 10;
        let mut state = self.state.lock();
        state.trusted_until = state.trusted_until.max(Some(until));
    }

    /// Until when grants are believed in without another word of the server; `None`: for as long as there is a connection.
    pub(crate) fn trusted_until(&self) -> Option<Instant> {
        if !self.counts_down {
            return None;
        }
        self.state.lock().trusted_until
    }

    /// Has the countdown ended?
    pub(crate) fn is_in_doubt(&self) -> bool {
        self.trusted_until()
            .is_some_and(|until| Instant::now() >= until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use commonhold_proto::Oid;

    fn fence(token: u64) -> Fence {
        Fence {
            lock: Oid(1),
            token: Revision(token),
        }
    }

    #[test]
    fn a_loss_is_told_to_whom_it_concerns() {
        let grants = Grants::new(Liveness::Connection);
        let (first, second) = (grants.hold(fence(1)), grants.hold(fence(2)));
        grants.lose(fence(1));
        assert!(first.is_lost() && !second.is_lost());
        grants.give_back(fence(2));
        grants.lose_all();
        assert!(!second.is_lost(), "it was given back before");
    }

    #[test]
    fn a_loss_that_comes_before_its_grant_is_known_counts() {
        let grants = Grants::new(Liveness::Connection);
        grants.lose(fence(1));
        assert!(grants.hold(fence(1)).is_lost());
        assert!(!grants.hold(fence(2)).is_lost());
    }

    #[test]
    fn what_was_granted_before_a_loss_of_everything_is_lost() {
        let grants = Grants::new(Liveness::Connection);
        let (before, after) = (grants.hold(fence(7)), grants.hold(fence(9)));
        grants.lose_until(Revision(8));
        assert!(before.is_lost() && !after.is_lost());
        // Told late, and again.
        assert!(grants.hold(fence(8)).is_lost());
        assert!(!grants.hold(fence(9)).is_lost());
        grants.lose_until(Revision(1));
        assert!(grants.hold(fence(8)).is_lost());
    }

    #[test]
    fn another_server_counts_from_the_start() {
        let grants = Grants::new(Liveness::Connection);
        grants.lose_until(Revision(8));
        grants.lose(fence(9));
        grants.lose_all();
        assert!(!grants.hold(fence(7)).is_lost());
        assert!(!grants.hold(fence(9)).is_lost());
    }

    #[test]
    fn an_outer_guard_hears_of_a_loss_after_the_inner_one_ended() {
        let grants = Grants::new(Liveness::Connection);
        let (outer, inner) = (grants.hold(fence(1)), grants.hold(fence(1)));
        grants.give_back(fence(1));
        drop(inner);
        grants.lose(fence(1));
        assert!(outer.is_lost());
    }

    #[test]
    fn a_heartbeat_counts_down_from_what_was_answered() {
        let (second, now) = (Duration::from_secs(1), Instant::now());
        let grants = Grants::new(Liveness::Heartbeat);
        assert!(!grants.is_in_doubt(), "nothing is held yet");
        let grace = 10 * second;
        let before = now.checked_sub(20 * second).expect("the machine is up");
        grants.trust(before, grace);
        assert!(grants.is_in_doubt());
        grants.trust(now, grace);
        assert_eq!(grants.trusted_until(), Some(now + 9 * second));
        // What was sent earlier and is answered late takes nothing back.
        grants.trust(before, grace);
        assert!(!grants.is_in_doubt());
        assert_eq!(Grants::new(Liveness::Connection).trusted_until(), None);
    }
}
