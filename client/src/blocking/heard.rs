//! Replies that can be taken back until their caller says that it has them.

use super::{Client, owner};
use crate::caller::{Request, sealed};
use crate::error::{Error, Result};
use crate::lane::Unkept;
use commonhold_proto::Reply;
use std::time::Instant;

/// A reply that nobody has yet. Dropped before it is [kept](Heard::keep), it is as if the call had been interrupted before
/// its reply came: an item that was got is at its place again, a lock that was granted is given back.
///
/// It is for callers in whose language a signal may take what a call just returned.
#[derive(Debug)]
pub struct Heard {
    reply: Option<Reply>,
    unkept: Option<(Client, Unkept)>,
}

impl Heard {
    /// The reply, to look at and to make something of.
    ///
    /// # Panics
    /// The second time.
    pub fn take(&mut self) -> Reply {
        self.reply.take().expect("it is taken once")
    }

    /// The caller has it.
    pub fn keep(mut self) {
        let Some((client, unkept)) = self.unkept.take() else {
            return;
        };
        if let Ok(runner) = client.inner().runner() {
            runner.lane.keep(&unkept);
        }
    }
}

impl Drop for Heard {
    fn drop(&mut self) {
        let Some((client, unkept)) = self.unkept.take() else {
            return;
        };
        if let Ok(runner) = client.inner().runner() {
            runner.lane.unhear(unkept);
            runner.nudge();
        }
    }
}

impl Client {
    pub(crate) fn hear(&self, request: Request<Reply>) -> Result<Heard> {
        let (work, mut read) = request.into_parts();
        let work = work?;
        let inner = self.inner();
        let (runner, holdings) = (inner.runner()?, &inner.session.holdings);
        let (submission, settling) = work.into_submission(owner);
        let sequence = runner.lane.submit(submission, Instant::now())?;
        let waited = runner.wait(sequence, None, |cx| runner.lane.poll_hear(sequence, cx));
        let Ok((reply, unkept)) = waited else {
            let happened = runner.lane.abandon(sequence);
            runner.withdraw(sequence);
            return Err(Error::Interrupted { happened });
        };
        let unkept = unkept.map(|unkept| (self.clone(), unkept));
        let mut heard = Heard {
            reply: None,
            unkept,
        };
        let read = settling
            .settle(reply?)
            .and_then(|reply| read.finish(reply, holdings));
        if holdings.has_unwanted() {
            sealed::Sealed::let_go(self);
        }
        match read {
            Ok(reply) => heard.reply = Some(reply),
            Err(error) => {
                heard.keep();
                return Err(error);
            }
        }
        Ok(heard)
    }
}
