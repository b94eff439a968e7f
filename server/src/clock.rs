//! The two clocks. Everything else is handed its time, so that tests can make it.
//!
//! The *monotonic* clock counts from the start of the process: deadlines and leases use it and are never stored. *Server
//! time* is stored in every change: it is the wall clock at the start, or the newest stored time if that is later, and
//! runs on with the monotonic clock. It never goes back, whatever the wall clock does.

use commonhold_proto::ServerTime;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Where time comes from.
pub trait TimeSource: Send + Sync {
    /// Time since some fixed moment; never goes back.
    fn monotonic(&self) -> Duration;
    /// Milliseconds since the Unix epoch by the wall clock, which may jump.
    fn wall_ms(&self) -> u64;
}

/// The machine's clocks.
#[derive(Debug)]
pub struct MachineTime {
    started: Instant,
}

impl Default for MachineTime {
    fn default() -> MachineTime {
        MachineTime {
            started: Instant::now(),
        }
    }
}

impl TimeSource for MachineTime {
    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }

    fn wall_ms(&self) -> u64 {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}

/// A clock that a test moves.
#[derive(Debug, Default)]
pub struct ManualTime {
    micros: AtomicU64,
    wall_ms: AtomicU64,
}

impl ManualTime {
    /// Moves both clocks on.
    pub fn advance(&self, by: Duration) {
        let micros = u64::try_from(by.as_micros()).unwrap_or(u64::MAX);
        self.micros.fetch_add(micros, Ordering::Relaxed);
        self.wall_ms.fetch_add(micros / 1000, Ordering::Relaxed);
    }

    /// Sets the wall clock alone, as an administrator might.
    pub fn set_wall_ms(&self, to: u64) {
        self.wall_ms.store(to, Ordering::Relaxed);
    }
}

impl TimeSource for ManualTime {
    fn monotonic(&self) -> Duration {
        Duration::from_micros(self.micros.load(Ordering::Relaxed))
    }

    fn wall_ms(&self) -> u64 {
        self.wall_ms.load(Ordering::Relaxed)
    }
}

/// Server time: see the module.
pub struct Clock {
    source: Box<dyn TimeSource>,
    /// Server time at the source's monotonic zero, in milliseconds.
    base_ms: u64,
}

impl Clock {
    /// A clock that continues after `newest`, the newest time that was stored.
    pub fn new(source: Box<dyn TimeSource>, newest: ServerTime) -> Clock {
        let now = source.wall_ms().max(newest.0);
        let base_ms = now.saturating_sub(millis(source.monotonic()));
        Clock { source, base_ms }
    }

    /// The monotonic clock.
    pub fn monotonic(&self) -> Duration {
        self.source.monotonic()
    }

    /// Server time.
    pub fn now(&self) -> ServerTime {
        ServerTime(self.base_ms + millis(self.source.monotonic()))
    }

    /// How far server time is ahead of the wall clock, in milliseconds: what `status` shows.
    pub fn ahead_of_wall_ms(&self) -> i64 {
        self.now().0.cast_signed() - self.source.wall_ms().cast_signed()
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX / 2)
}

/// A clock that panics once it is told to.
#[cfg(test)]
#[derive(Clone, Debug, Default)]
pub(crate) struct FailingTime(pub(crate) std::sync::Arc<std::sync::atomic::AtomicBool>);

#[cfg(test)]
impl TimeSource for FailingTime {
    fn monotonic(&self) -> Duration {
        assert!(!self.0.load(Ordering::Relaxed), "the clock fails");
        Duration::ZERO
    }

    fn wall_ms(&self) -> u64 {
        1_000_000
    }
}

impl TimeSource for std::sync::Arc<ManualTime> {
    fn monotonic(&self) -> Duration {
        self.as_ref().monotonic()
    }

    fn wall_ms(&self) -> u64 {
        self.as_ref().wall_ms()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn server_time_never_goes_back_over_a_restart_or_a_wall_step() {
        let time = Arc::new(ManualTime::default());
        time.set_wall_ms(5_000);
        let clock = Clock::new(Box::new(Arc::clone(&time)), ServerTime(9_000));
        assert_eq!(clock.now(), ServerTime(9_000));
        time.set_wall_ms(1);
        time.advance(Duration::from_millis(10));
        assert_eq!(clock.now(), ServerTime(9_010));
        assert_eq!(clock.ahead_of_wall_ms(), 9_010 - 11);
    }
}
