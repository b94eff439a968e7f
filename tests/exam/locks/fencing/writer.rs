//! A process that takes the lock and writes as fast as it can, whether or not it still holds it.

use crate::locks::run_async;
use crate::support::{Answer, Job, Notes, Slot, nanoseconds};
use commonhold::{Client, Code, Dict, Error, Guard, Happened};
use serde::{Deserialize, Serialize};

/// How often a holder that lost the lock goes on to write.
pub(super) const STALE_WRITES: u64 = 20;

/// How a process writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Writer {
    /// To a dict that the lock guards, and to one that it does not, both times naming its grant.
    Fenced,
    /// The fault that the exam must find: to the second alone, naming nothing.
    Careless,
}

/// What a process notes of one grant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Reign {
    pub(super) token: u64,
    pub(super) granted: u64,
    /// When its last write that was carried out was begun; 0 if none was.
    pub(super) wrote: u64,
    /// Writes since the lock was lost, as far as the process knew.
    pub(super) stale: u64,
}

impl Reign {
    fn row(self) -> [u64; 4] {
        [self.token, self.granted, self.wrote, self.stale]
    }

    pub(super) fn of([token, granted, wrote, stale]: [u64; 4]) -> Reign {
        Reign {
            token,
            granted,
            wrote,
            stale,
        }
    }
}

impl Writer {
    pub(in crate::locks) fn play(self, job: &Job) -> Result<Answer, Error> {
        run_async(self.reign_again_and_again(job))
    }

    async fn reign_again_and_again(self, job: &Job) -> Result<(), Error> {
        let ch = job.options().connect().await?;
        let mut notes = Notes::create(&job.tally, job.slot);
        let mut slot = job.slot();
        while !slot.is_over() {
            let guard = ch.lock("gpu").acquire().await?;
            self.reign(&ch, &guard, &mut notes, &mut slot).await?;
            // It may be lost.
            drop(guard);
        }
        ch.close().await;
        Ok(())
    }

    /// Writes until it was refused often enough, or the tally says stop.
    async fn reign(
        self,
        ch: &Client,
        guard: &Guard<Client>,
        notes: &mut Notes,
        slot: &mut Slot,
    ) -> Result<(), Error> {
        let mut reign = Reign {
            token: guard.token().0,
            granted: nanoseconds(),
            ..Reign::default()
        };
        notes.add(reign.row());
        let open: Dict<String, u64, Client> = ch.dict("open");
        let dicts = match self {
            Writer::Fenced => vec![
                open.fenced(guard),
                ch.dict("guarded").guarded_by("gpu").fenced(guard),
            ],
            Writer::Careless => vec![open],
        };
        let mut writes = 0;
        while reign.stale < STALE_WRITES && slot.begin() {
            let dict = &dicts[writes % dicts.len()];
            let key = format!("{} {writes}", reign.token);
            writes += 1;
            let begun = nanoseconds();
            match dict.set(&key, reign.token).await {
                Ok(()) => {
                    reign.wrote = begun;
                    // It may have been in doubt for a moment only.
                    reign.stale = if guard.is_lost() { reign.stale + 1 } else { 0 };
                }
                Err(error) if is_refusal(&error) => reign.stale += 1,
                Err(error) => return Err(error),
            }
            slot.acknowledge(ch.stats());
            notes.correct(reign.row());
        }
        Ok(())
    }
}

/// Was it surely not carried out, because the lock is lost?
fn is_refusal(error: &Error) -> bool {
    match error {
        Error::Refused(refusal) => matches!(refusal.code, Code::FencedOut | Code::LockLost),
        Error::ConnectionLost { happened, .. } => *happened == Happened::No,
        _ => false,
    }
}
