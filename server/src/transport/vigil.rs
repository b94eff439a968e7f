//! Staying awake for a moment after a request, while that pays.
//!
//! Who calls one operation at a time asks again within microseconds of its reply. A thread that went to sleep in between
//! has to be woken, which takes longer than most calls, on a virtual machine several times longer. So a core looks at its
//! sockets a little longer before it sleeps, as long as requests keep coming that soon. Where they do not, for instance
//! because the client needs this very processor to ask, it soon lets that be. Nor does it stay awake for those whose
//! reply waits for the disk: the committer needs the processor then.

use std::cell::Cell;
use std::future::poll_fn;
use std::task::{Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

/// How soon the next request must come. About what falling asleep and being woken costs.
const SOON: Duration = Duration::from_micros(25);
/// With one processor, the client needs it to ask again.
const PROCESSORS_MIN: usize = 2;
/// After so many vigils in vain, most are left out.
const PATIENCE: u32 = 8;
/// All but one in so many.
const TRY_EVERY: u32 = 64;

thread_local! {
    static REQUESTS: Cell<u64> = const { Cell::new(0) };
    /// The last thing that happened here is that a reply began to wait for the disk.
    static RESTS: Cell<bool> = const { Cell::new(false) };
    /// The keeper, while it waits for a request.
    static KEEPER: Cell<Option<Waker>> = const { Cell::new(None) };
}

/// Something was read on this thread.
pub(super) fn stay_awake() {
    REQUESTS.set(REQUESTS.get().wrapping_add(1));
    RESTS.set(false);
    if let Some(keeper) = KEEPER.take() {
        keeper.wake();
    }
}

/// A reply waits for the disk: its client will not ask before it has it.
pub(super) fn rest() {
    RESTS.set(true);
}

/// Whether this machine has processors enough.
pub(super) fn is_kept() -> bool {
    thread::available_parallelism().map_or(1, usize::from) >= PROCESSORS_MIN
}

/// Keeps the vigil of this thread's core. Never ends.
pub(super) async fn keep() {
    let mut habit = Habit::default();
    loop {
        sleep().await;
        if habit.tries() {
            watch(&mut habit).await;
        }
    }
}

/// Looks at the sockets until no request has come for a while.
async fn watch(habit: &mut Habit) {
    let mut seen = REQUESTS.get();
    let mut begun = Instant::now();
    loop {
        // The runtime looks at the sockets, without waiting for them.
        tokio::task::yield_now().await;
        if RESTS.get() {
            return;
        }
        let now = Instant::now();
        let (soon, requests) = (now.duration_since(begun) < SOON, REQUESTS.get());
        if requests != seen {
            habit.learn(soon);
            (seen, begun) = (requests, now);
        } else if !soon {
            habit.learn(false);
            return;
        }
    }
}

/// Until something is read.
async fn sleep() {
    let seen = REQUESTS.get();
    poll_fn(|cx| {
        if REQUESTS.get() != seen {
            return Poll::Ready(());
        }
        KEEPER.set(Some(cx.waker().clone()));
        Poll::Pending
    })
    .await;
}

/// Whether a vigil pays, from how the last ones went.
#[derive(Debug, Default)]
struct Habit {
    /// Vigils since the last one that paid.
    vain: u32,
    /// Vigils left out, now that they do not pay.
    skipped: u32,
}

impl Habit {
    /// Whether to keep one this time.
    fn tries(&mut self) -> bool {
        if self.vain < PATIENCE {
            return true;
        }
        self.skipped = (self.skipped + 1) % TRY_EVERY;
        self.skipped == 0
    }

    /// How one went.
    fn learn(&mut self, paid: bool) {
        self.vain = if paid { 0 } else { self.vain.saturating_add(1) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vigil_in_vain_is_left_out_but_now_and_then() {
        let mut habit = Habit::default();
        let mut tries_in_vain = |times: u32| {
            let tries = (0..times).filter(|_| {
                let tries = habit.tries();
                if tries {
                    habit.learn(false);
                }
                tries
            });
            tries.count()
        };
        assert_eq!(tries_in_vain(PATIENCE), 8);
        assert_eq!(tries_in_vain(10 * TRY_EVERY), 10);
        habit.learn(true);
        assert!(habit.tries());
    }

    #[tokio::test]
    async fn nobody_is_waited_for_whose_reply_waits_for_the_disk() {
        stay_awake();
        rest();
        let mut habit = Habit::default();
        watch(&mut habit).await;
        assert_eq!(habit.vain, 0, "it was no vigil");
    }

    #[tokio::test]
    async fn the_keeper_sleeps_again_when_nothing_comes() {
        let kept = tokio::spawn(keep());
        let is_asleep = || {
            let keeper = KEEPER.take();
            let asleep = keeper.is_some();
            KEEPER.set(keeper);
            asleep
        };
        for _ in 0..3 {
            while !is_asleep() {
                assert!(!kept.is_finished());
                tokio::task::yield_now().await;
            }
            stay_awake();
            assert!(!is_asleep());
        }
        kept.abort();
    }
}
