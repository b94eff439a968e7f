//! A process that asks its guard, and notes the answers.

use super::accounts::{Belief, State};
use crate::locks::run_async;
use crate::support::{Answer, Job, Notes, nanoseconds};
use commonhold::{Client, Error, Guard, Liveness};
use serde::{Deserialize, Serialize};
use std::pin::pin;
use std::time::Duration;

/// How often a guard is asked.
const EVERY: Duration = Duration::from_millis(1);
/// Calls that are made under one grant.
const CALLS: u64 = 10;

/// How a process knows that it lost a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Believer {
    /// As async clients do: with a heartbeat, counting down from the last that was answered.
    CountsDown,
    /// The fault that the exam must find: only when the server says so.
    WaitsToBeTold,
}

impl Believer {
    pub(in crate::locks) fn play(self, job: &Job) -> Result<Answer, Error> {
        run_async(self.take_turns(job))
    }

    async fn take_turns(self, job: &Job) -> Result<(), Error> {
        let options = match self {
            Believer::CountsDown => job.options(),
            Believer::WaitsToBeTold => job.options().liveness(Liveness::Connection),
        };
        let ch = options.connect().await?;
        let mut notes = Notes::create(&job.tally, job.slot);
        let mut slot = job.slot();
        while slot.begin() {
            let guard = ch.lock("gpu").acquire().await?;
            let belief = believe(&ch, &guard, &mut notes, job.slot).await;
            // It is given back either way; if it was lost, that is all that there is to know.
            let released = guard.release().await;
            if belief.state == State::GivenBack
                && let Err(error) = released
                && error.code().is_none()
            {
                return Err(error);
            }
            slot.acknowledge(ch.stats());
        }
        ch.close().await;
        Ok(())
    }
}

/// Works under a grant for as long as it is believed in.
async fn believe(ch: &Client, guard: &Guard<Client>, notes: &mut Notes, slot: usize) -> Belief {
    let mut belief = Belief {
        slot,
        token: guard.token().0,
        from: 0,
        until: 0,
        state: State::Believes,
    };
    let work = async {
        let work = ch.dict::<u64, u64>("work").fenced(guard);
        for call in 0..CALLS {
            if work.set(&call, guard.token().0).await.is_err() {
                // That the lock is lost is for the guard to say.
                return;
            }
        }
    };
    let mut work = pin!(work);
    let mut is_done = false;
    loop {
        let asked = nanoseconds();
        let is_lost = guard.is_lost();
        let answered = nanoseconds();
        let is_first = belief.from == 0;
        if is_lost {
            belief.state = State::Lost;
        } else {
            if is_first {
                belief.from = answered;
            }
            belief.until = asked;
            if is_done {
                belief.state = State::GivenBack;
            }
        }
        match (is_first, is_lost) {
            (true, true) => return belief,
            (true, false) => notes.add(belief.row()),
            (false, _) => notes.correct(belief.row()),
        }
        if is_lost || is_done {
            return belief;
        }
        is_done = tokio::time::timeout(EVERY, &mut work).await.is_ok();
    }
}
