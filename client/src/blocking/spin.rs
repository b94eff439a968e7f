//! Looking again and again before going to sleep, while that pays.

use std::thread;
use std::time::Duration;

/// When to spin.
#[derive(Clone, Copy, Debug)]
pub(super) struct Policy {
    /// The longest that one wait looks again before it sleeps. About what falling asleep and being woken costs.
    pub(super) budget: Duration,
    /// With one core the server needs the one that would be spun on. With two it may, and then spinning does not pay.
    pub(super) cores_min: usize,
}

/// The policy of blocking clients.
pub(super) const POLICY: Policy = Policy {
    budget: Duration::from_micros(30),
    cores_min: 2,
};

/// After so many tries in a row that did not pay, it is tried only now and then.
const PATIENCE: u32 = 8;
/// This often, in waits.
const TRY_EVERY: u32 = 64;

/// Whether spinning pays, from how the last tries went.
#[derive(Debug)]
pub(super) struct Spin {
    budget: Option<Duration>,
    /// Tries since it last paid.
    vain: u32,
    /// Waits without a try, now that it does not pay.
    skipped: u32,
}

impl Spin {
    pub(super) fn new(policy: Policy) -> Spin {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Spin {
            budget: (cores >= policy.cores_min).then_some(policy.budget),
            vain: 0,
            skipped: 0,
        }
    }

    /// How long to look again in this wait, if at all.
    pub(super) fn budget(&mut self) -> Option<Duration> {
        if self.vain >= PATIENCE {
            self.skipped = (self.skipped + 1) % TRY_EVERY;
            if self.skipped != 0 {
                return None;
            }
        }
        self.budget
    }

    /// How a try went.
    pub(super) fn learn(&mut self, paid: bool) {
        self.vain = if paid { 0 } else { self.vain.saturating_add(1) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALWAYS: Policy = Policy {
        cores_min: 1,
        ..POLICY
    };

    #[test]
    fn it_spins_while_it_pays_and_asks_again_now_and_then() {
        let mut spin = Spin::new(ALWAYS);
        let mut tries_in_vain = |waits: u32| {
            let tries = (0..waits).filter(|_| {
                let tries = spin.budget().is_some();
                if tries {
                    spin.learn(false);
                }
                tries
            });
            tries.count()
        };
        assert_eq!(tries_in_vain(PATIENCE), 8);
        assert_eq!(tries_in_vain(10 * TRY_EVERY), 10);
        spin.learn(true);
        assert!(spin.budget().is_some());
    }

    #[test]
    fn it_never_spins_where_cores_are_short() {
        let none = Policy {
            cores_min: usize::MAX,
            ..POLICY
        };
        assert!(Spin::new(none).budget().is_none());
    }
}
