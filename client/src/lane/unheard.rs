//! Calls whose callers are gone: withdrawn, carried out all the same, or taken back.

use super::{Entry, Lane, Stage, Submission};
use crate::error::{Error, Happened};
use bytes::Bytes;
use commonhold_proto::Reply;
use std::fmt;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

/// What becomes of a call whose caller waits no more.
#[derive(Clone, Debug, Default)]
pub(crate) enum Unheard {
    /// It is withdrawn if it still waits. What it did stays done.
    #[default]
    Withdraw,
    /// It is carried out, as if its caller waited: it gives back what its caller held.
    CarryOut,
    /// As `Withdraw`, and if it was carried out, another call takes back what it did.
    TakeBack(TakeBack),
}

/// Makes, of the reply of a call that nobody heard, the body of the call that takes back what it did; `None` if it did
/// nothing. Asked under the lane's lock: it takes no other.
#[derive(Clone)]
pub(crate) struct TakeBack(Arc<Make>);

type Make = dyn Fn(&Reply) -> Option<Bytes> + Send + Sync;

impl TakeBack {
    pub(crate) fn new(of: impl Fn(&Reply) -> Option<Bytes> + Send + Sync + 'static) -> TakeBack {
        TakeBack(Arc::new(of))
    }
}

impl fmt::Debug for TakeBack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TakeBack")
    }
}

/// A call whose caller was told that the client is closed, but that is still at the server.
#[derive(Debug)]
pub(super) struct Orphan {
    pub(super) sequence: u64,
    unheard: Unheard,
}

impl Lane {
    /// Nobody waits for this call any more: its [`Unheard`] says what becomes of it. Tells whether it may have happened.
    pub(crate) fn abandon(&mut self, sequence: u64) -> Happened {
        let Some(entry) = self.calls.get_mut(&sequence) else {
            return Happened::No;
        };
        entry.waker = None;
        if let Unheard::CarryOut = entry.submission.unheard {
            entry.unheard = true;
            self.forget_if_unheard(sequence);
            return Happened::Unknown;
        }
        if !entry.sent {
            self.calls.remove(&sequence);
            self.acknowledge(sequence);
            return Happened::No;
        }
        let takes_back = matches!(entry.submission.unheard, Unheard::TakeBack(_));
        match entry.stage {
            Stage::Sent if self.connected => {
                entry.stage = Stage::Abandoned;
                // Of a call in parts the rest is sent first: half a call would stay in the server.
                if !self.outgoing.holds(sequence) {
                    self.cancels.push(sequence);
                }
            }
            Stage::Sent | Stage::Queued if takes_back => entry.ask_again(),
            Stage::Answered(_) if takes_back => {
                entry.unheard = true;
                self.forget_if_unheard(sequence);
            }
            // It is not on this connection, and need not be: what its number did is cancelled and then forgotten.
            Stage::Sent | Stage::Queued | Stage::Answered(_) => {
                self.calls.remove(&sequence);
                self.cancels.push(sequence);
                self.retired.push(sequence);
            }
            Stage::Abandoned => {}
        }
        Happened::Unknown
    }

    /// Has the server said what became of an abandoned call, and heard all that was said about it? Without a connection it
    /// is not known when it will.
    pub(crate) fn is_withdrawn(&self, sequence: u64) -> bool {
        let under_way = |entry: &Entry| entry.unheard && !matches!(entry.stage, Stage::Answered(_));
        !self.connected
            || (!self.calls.contains_key(&sequence)
                && self.cancels.is_empty()
                && !self.calls.values().any(under_way))
    }

    /// Nobody waits for anything any more: ends every call as [`fail`](Lane::fail) does and withdraws it at the server,
    /// but for those that are carried out all the same.
    pub(crate) fn abandon_all(&mut self, never_sent: &Error, sent: &Error) {
        let unanswered: Vec<u64> = self.unanswered().collect();
        for sequence in unanswered {
            let Some(entry) = self.calls.get_mut(&sequence) else {
                continue;
            };
            if entry.unheard {
                continue;
            }
            let error = if entry.sent { sent } else { never_sent };
            if self.connected && matches!(entry.stage, Stage::Sent) {
                self.orphans.push(Orphan {
                    sequence,
                    unheard: entry.submission.unheard.clone(),
                });
                self.cancels.push(sequence);
            }
            entry.answer(Err(error.clone()));
        }
    }

    /// The call is not on this connection any more, and nobody waits for it.
    pub(super) fn withdraw_cut(&mut self, sequence: u64) {
        let Some(entry) = self.calls.get_mut(&sequence) else {
            return;
        };
        if let Unheard::TakeBack(_) = entry.submission.unheard {
            entry.ask_again();
            return;
        }
        // It is not sent again, only taken back.
        self.calls.remove(&sequence);
        self.retired.push(sequence);
    }

    /// The connection is gone, and with it perhaps what it was to carry: of what is not known to have arrived, the
    /// cancellation must come first again. Until then no resume may acknowledge it.
    pub(super) fn withdraw_again(&mut self) {
        for (sequence, _) in mem::take(&mut self.withdrawn) {
            self.acknowledged.remove(sequence);
            self.retired.push(sequence);
        }
        self.cancels.extend(&self.retired);
        self.cancels.sort_unstable();
        self.cancels.dedup();
    }

    /// This call was answered: the server has heard all that was said before it was made.
    pub(super) fn confirm_withdrawn(&mut self, answered: u64) {
        while let Some((_, last)) = self.withdrawn.front()
            && *last < answered
        {
            self.withdrawn.pop_front();
        }
    }

    /// Lets go of the calls that have ended and that nobody waits for.
    pub(super) fn forget_unheard(&mut self) {
        let unheard = self.calls.iter().filter(|(_, entry)| entry.unheard);
        let unheard: Vec<u64> = unheard.map(|(sequence, _)| *sequence).collect();
        for sequence in unheard {
            self.forget_if_unheard(sequence);
        }
    }

    /// Lets go of this call, if it has ended and nobody waits for it.
    pub(super) fn forget_if_unheard(&mut self, sequence: u64) {
        let done = |entry: &Entry| entry.unheard && matches!(entry.stage, Stage::Answered(_));
        if !self.calls.get(&sequence).is_some_and(done) {
            return;
        }
        let entry = self.calls.remove(&sequence).expect("it was just there");
        self.acknowledge(sequence);
        if let Stage::Answered(Ok(reply)) = entry.stage {
            self.take_back(&entry.submission.unheard, &reply);
        }
    }

    /// The reply of a call that was cancelled has come. The cancel may have overtaken the call: only now it cannot, so
    /// what was carried out is cancelled again, for the server to undo.
    pub(super) fn let_go_abandoned(&mut self, sequence: u64) {
        let withdrawn = self.calls.get(&sequence).is_some_and(|entry| {
            matches!(entry.submission.unheard, Unheard::Withdraw)
                && matches!(&entry.stage, Stage::Answered(Ok(reply)) if reply.result.is_ok())
        });
        if withdrawn {
            self.calls.remove(&sequence);
            self.cancels.push(sequence);
            self.retired.push(sequence);
        } else {
            self.forget_if_unheard(sequence);
        }
    }

    /// The reply of a call that nobody hears.
    pub(super) fn take_back(&mut self, unheard: &Unheard, reply: &Reply) {
        let Unheard::TakeBack(take_back) = unheard else {
            return;
        };
        let Some(body) = take_back.0(reply) else {
            return;
        };
        let submission = Submission {
            body,
            timeout: None,
            repeatable: false,
            unheard: Unheard::CarryOut,
        };
        let sequence = self.enqueue(submission, None);
        self.abandon(sequence);
    }

    /// The reply of a call whose caller was told that the client is closed.
    pub(super) fn answer_orphan(&mut self, sequence: u64, reply: &Reply) {
        let at = self
            .orphans
            .iter()
            .position(|orphan| orphan.sequence == sequence);
        if let Some(at) = at {
            let orphan = self.orphans.swap_remove(at);
            self.take_back(&orphan.unheard, reply);
        }
    }
}

impl Entry {
    /// Does it give back what its caller holds? Then it makes no sense in another session, which holds nothing.
    pub(super) const fn gives_back(&self) -> bool {
        matches!(self.submission.unheard, Unheard::CarryOut)
    }

    /// Was it answered that its caller holds something now?
    pub(super) fn granted(&self) -> bool {
        match (&self.submission.unheard, &self.stage) {
            (Unheard::TakeBack(take_back), Stage::Answered(Ok(reply))) => {
                take_back.0(reply).is_some()
            }
            _ => false,
        }
    }

    /// Sends it again, to hear what it did. If it did nothing yet, it may do so now, but does not wait.
    fn ask_again(&mut self) {
        self.unheard = true;
        self.stage = Stage::Queued;
        self.deadline = None;
        self.submission.timeout = Some(Duration::ZERO);
    }
}

#[cfg(test)]
mod tests;
