//! Killing the server at the worst moment: when every worker waits for an answer.

use super::crew::{Crew, Event};
use super::progress::Progress;
use super::server::PrivateServer;
use super::worker;
use crate::failure::Failure;
use crate::units::grouped;
use std::collections::BTreeMap;

/// When to kill, and how far a kill is.
pub(super) struct Harm {
    words: u64,
    wanted: u64,
    killed: u64,
    stopped: Option<Stopped>,
}

/// The server stands still.
struct Stopped {
    /// Since when, as reports count time.
    since: u64,
    /// How far each worker was when it first reported since then: answers may still lie in its socket.
    seen: BTreeMap<usize, u64>,
    /// The unanswered increments of each worker that gets no answers any more.
    waiting: BTreeMap<usize, u64>,
}

impl Harm {
    /// So many kills, spread evenly over the work.
    pub(super) fn new(words: u64, kills: u16) -> Harm {
        Harm {
            words,
            wanted: kills.into(),
            killed: 0,
            stopped: None,
        }
    }

    pub(super) fn killed(&self) -> u64 {
        self.killed
    }

    /// Stops the server when it is time to, and kills it once every worker has reported an increment without an answer.
    pub(super) fn on_report(
        &mut self,
        event: &Event,
        crew: &Crew,
        server: &mut PrivateServer,
        progress: &Progress,
    ) -> Result<(), Failure> {
        let Some(stopped) = &mut self.stopped else {
            if self.is_due(crew.done()) {
                server.stop()?;
                self.stopped = Some(Stopped::now());
            }
            return Ok(());
        };
        stopped.take(event);
        // Who has ended meanwhile waits for nothing.
        if !crew
            .at_work()
            .all(|worker| stopped.waiting.contains_key(&worker))
        {
            return Ok(());
        }
        let unanswered: u64 = stopped.waiting.values().sum();
        let waiting = stopped.waiting.len();
        self.stopped = None;
        let took = server.kill_and_restart()?;
        self.killed += 1;
        progress.note(&format!(
            "killed the server at {} words: {waiting} workers waited for {} answers; it was back in {:.2} s",
            grouped(crew.done()),
            grouped(unanswered),
            took.as_secs_f64()
        ));
        Ok(())
    }

    fn is_due(&self, done: u64) -> bool {
        self.killed < self.wanted && done >= self.words * (self.killed + 1) / (self.wanted + 1)
    }
}

impl Stopped {
    fn now() -> Stopped {
        Stopped {
            since: worker::now(),
            seen: BTreeMap::new(),
            waiting: BTreeMap::new(),
        }
    }

    /// A worker waits once it has unanswered increments and two of its reports since the stop say the same.
    fn take(&mut self, Event { worker, report }: &Event) {
        if report.at <= self.since {
            return;
        }
        let before = self.seen.insert(*worker, report.done);
        if before == Some(report.done) && report.unanswered > 0 {
            self.waiting.insert(*worker, report.unanswered);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::worker::WorkerReport;
    use super::*;

    fn event(worker: usize, at: u64, done: u64, unanswered: u64) -> Event {
        let report = WorkerReport {
            at,
            done,
            unanswered,
            ..WorkerReport::default()
        };
        Event { worker, report }
    }

    #[test]
    fn kills_are_spread_over_the_work() {
        let mut harm = Harm::new(300, 2);
        assert!(!harm.is_due(99) && harm.is_due(100));
        harm.killed = 1;
        assert!(!harm.is_due(199) && harm.is_due(200));
        harm.killed = 2;
        assert!(!harm.is_due(300));
        assert!(!Harm::new(300, 0).is_due(300));
    }

    #[test]
    fn a_worker_waits_when_it_gets_no_more_answers() {
        let mut stopped = Stopped {
            since: 1_000,
            ..Stopped::now()
        };
        stopped.take(&event(0, 900, 5, 3));
        stopped.take(&event(0, 1_000, 5, 3));
        assert!(stopped.waiting.is_empty(), "that was before the stop");
        stopped.take(&event(0, 1_020, 5, 3));
        stopped.take(&event(0, 1_040, 7, 3));
        assert!(stopped.waiting.is_empty(), "answers came out of the socket");
        stopped.take(&event(0, 1_060, 7, 3));
        assert_eq!(stopped.waiting, BTreeMap::from([(0, 3)]));
        stopped.take(&event(1, 1_060, 4, 0));
        stopped.take(&event(1, 1_080, 4, 0));
        assert!(!stopped.waiting.contains_key(&1), "it asks for nothing");
    }
}
