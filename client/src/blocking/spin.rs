//! Looking again and again before going to sleep, while that pays.

use std::thread;
use std::time::Duration;

/// When to spin.
#[derive(Clone, Copy, Debug)]
pub(super) struct Policy {
    /// The longest that one wait looks again before it sleeps. About what falling asleep and being woken costs.
    pub(super) budget: Duration,
    /// With fewer cores the server may need the one that would be spun on.
    pub(super) cores_min: usize,
}

/// The policy of blocking clients.
pub(super) const POLICY: Policy = Policy {
    budget: Duration::from_micros(20),
    cores_min: 4,
};

/// After so many waits in a row in which it did not pay, it is tried only now and then.
const PATIENCE: u32 = 8;
/// This often, in waits.
const TRY_EVERY: u32 = 64;

/// Whether spinning pays, from how the last waits went.
#[derive(Debug)]
pub(super) struct Spin {
    budget: Option<Duration>,
    /// Waits since spinning last paid.
    vain: u32,
}

impl Spin {
    pub(super) fn new(policy: Policy) -> Spin {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Spin {
            budget: (cores >= policy.cores_min).then_some(policy.budget),
            vain: 0,
        }
    }

    /// How long to look again in this wait, if at all.
    pub(super) fn budget(&self) -> Option<Duration> {
        let tries = self.vain < PATIENCE || self.vain.is_multiple_of(TRY_EVERY);
        self.budget.filter(|_| tries)
    }

    /// How the wait went.
    pub(super) fn learn(&mut self, paid: bool) {
        self.vain = if paid { 0 } else { self.vain.wrapping_add(1) };
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
        for _ in 0..PATIENCE {
            assert!(spin.budget().is_some());
            spin.learn(false);
        }
        let tries = |spin: &mut Spin| {
            let waits = (0..TRY_EVERY).filter(|_| {
                let tries = spin.budget().is_some();
                spin.learn(false);
                tries
            });
            waits.count()
        };
        assert_eq!(tries(&mut spin), 1);
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
