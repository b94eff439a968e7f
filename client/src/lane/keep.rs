//! Replies that are acknowledged only once their caller says that it has them.

use super::unheard::Unheard;
use super::{Lane, Stage, brings};
use crate::error::Result;
use commonhold_proto::Reply;
use std::task::{Context, Poll};

/// A call whose reply was handed out but is not acknowledged: it is [kept](Lane::keep) or [taken back](Lane::unhear).
#[derive(Debug)]
pub(crate) struct Unkept {
    sequence: u64,
    unheard: Unheard,
    /// What the call that takes it back is made of.
    reply: Option<Reply>,
}

impl Lane {
    /// As [`poll_take`](Lane::poll_take), but what the call did can still be taken back, unless it is refused or brings
    /// objects.
    pub(crate) fn poll_hear(
        &mut self,
        sequence: u64,
        cx: &mut Context<'_>,
    ) -> Poll<(Result<Reply>, Option<Unkept>)> {
        let is_kept = |reply: &Reply| reply.result.is_ok() && !brings(reply);
        let lends = self.calls.get(&sequence).is_some_and(
            |entry| matches!(&entry.stage, Stage::Answered(Ok(reply)) if is_kept(reply)),
        );
        if !lends {
            return self.poll_take(sequence, cx).map(|result| (result, None));
        }
        let entry = self.calls.remove(&sequence).expect("it was just there");
        let Stage::Answered(result) = entry.stage else {
            return Poll::Pending;
        };
        let unheard = entry.submission.unheard;
        let takes_back = matches!(unheard, Unheard::TakeBack(_));
        let unkept = Unkept {
            sequence,
            unheard,
            reply: result.as_ref().ok().filter(|_| takes_back).cloned(),
        };
        Poll::Ready((result, Some(unkept)))
    }

    /// The caller has the reply.
    pub(crate) fn keep(&mut self, unkept: &Unkept) {
        self.acknowledge(unkept.sequence);
    }

    /// The caller never had the reply: what it tells of is undone, as that of a call that was [abandoned](Lane::abandon)
    /// when it was answered.
    pub(crate) fn unhear(&mut self, unkept: Unkept) {
        match unkept.reply {
            Some(reply) => {
                self.acknowledge(unkept.sequence);
                self.take_back(&unkept.unheard, &reply);
            }
            None if matches!(unkept.unheard, Unheard::CarryOut) => {
                self.acknowledge(unkept.sequence);
            }
            None => {
                self.cancels.push(unkept.sequence);
                self.retired.push(unkept.sequence);
            }
        }
    }
}
