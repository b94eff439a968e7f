//! A lane as a machine without I/O: calls go in, frames come out, frames go in, replies come out.
//!
//! It keeps every call until its reply has been taken, so that after a broken connection each unanswered call is sent
//! again under its own number and the server can tell it from a new one. It knows no socket and no clock; whoever drives
//! it brings both.

mod frame;
mod keep;
mod parts;
mod send;
mod unheard;

use frame::call_len;
pub(crate) use frame::{FrameWriter, PREFIX};
pub(crate) use keep::Unkept;
pub(crate) use unheard::{TakeBack, Unheard};

use crate::error::{Error, Happened, Result};
use crate::stats::Stats;
use bytes::Bytes;
use commonhold_proto::{Code, Ranges, Refusal, Reply, call_bytes_max, wire};
use parts::{Incoming, Outgoing};
use prost::Message as _;
use std::collections::{BTreeMap, VecDeque};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use unheard::Orphan;

/// What a reply may be longer than the longest call, whose value it may give back: its other fields.
const REPLY_OVERHEAD: usize = 4 << 10;

/// A call, ready to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Submission {
    /// The encoded `Call` without sequence and time-out.
    pub(crate) body: Bytes,
    /// How long it may wait at the server; `None` is for ever.
    pub(crate) timeout: Option<Duration>,
    /// It changes nothing: it may run again where nobody knows whether it ran.
    pub(crate) repeatable: bool,
    /// What becomes of it if its caller waits no more.
    pub(crate) unheard: Unheard,
}

/// One lane of a session.
#[derive(Debug, Default)]
pub(crate) struct Lane {
    /// The last number given to a call.
    last: u64,
    calls: BTreeMap<u64, Entry>,
    /// Calls to be sent, in order. Numbers of calls that have ended meanwhile are skipped.
    queue: VecDeque<u64>,
    connected: bool,
    credits: u64,
    outgoing: Outgoing,
    incoming: Incoming,
    reply_bytes_max: usize,
    /// The longest encoded call that the server takes.
    call_bytes_max: usize,
    /// Calls whose cancellation is to be sent.
    cancels: Vec<u64>,
    /// Calls to acknowledge once the cancellations are sent: they must arrive in this order.
    retired: Vec<u64>,
    /// Calls that were cancelled and acknowledged, each with the last number given by then: a cut may take both back.
    withdrawn: VecDeque<(u64, u64)>,
    /// Calls whose callers were told that the client is closed, but that are still at the server.
    orphans: Vec<Orphan>,
    /// Everything that the server may forget.
    acknowledged: Ranges,
    /// The part of it that was not sent on this connection.
    unsent: Ranges,
    unsent_count: usize,
    /// A new session is to hear of all of it: no resume names it.
    unnamed: bool,
    /// Send acknowledgements now, with calls or without.
    acknowledge_now: bool,
    goodbye: Goodbye,
    /// Connections so far.
    connections: u64,
    resent: u64,
    remembered: u64,
}

#[derive(Debug)]
struct Entry {
    submission: Submission,
    deadline: Option<Instant>,
    /// Some connection carried it: it may have happened.
    sent: bool,
    /// Nobody waits for it, but it is carried out all the same.
    unheard: bool,
    stage: Stage,
    waker: Option<Waker>,
}

#[derive(Debug)]
enum Stage {
    /// To be sent, or to be sent again.
    Queued,
    /// On its way, at the server, or on its way back.
    Sent,
    /// Nobody waits for it any more; its reply, if one comes, is thrown away.
    Abandoned,
    /// To be taken.
    Answered(Result<Reply>),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Goodbye {
    #[default]
    No,
    Wanted,
    Sent,
    Answered,
}

/// The server broke the protocol.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Violation {
    /// Its reply grew over its own limit.
    #[error("a reply is larger than the server's own limit")]
    ReplyTooLarge,
    /// The parts of its reply make no message.
    #[error("a reply in parts does not read as one")]
    Garbled,
}

impl Lane {
    /// Takes a call and numbers it. It is sent as soon as credits allow, after those before it.
    pub(crate) fn submit(&mut self, submission: Submission, now: Instant) -> u64 {
        let timeout = submission.timeout;
        let deadline = timeout.and_then(|timeout| now.checked_add(timeout));
        self.enqueue(submission, deadline)
    }

    fn enqueue(&mut self, submission: Submission, deadline: Option<Instant>) -> u64 {
        self.last += 1;
        let mut entry = Entry {
            submission,
            deadline,
            sent: false,
            unheard: false,
            stage: Stage::Queued,
            waker: None,
        };
        // Without a connection nobody knows what the next one takes.
        if self.connected {
            entry.refuse_above(self.call_bytes_max, self.last);
        }
        self.calls.insert(self.last, entry);
        self.queue.push_back(self.last);
        self.last
    }

    /// The reply, once it is there: see [`take`](Lane::take).
    pub(crate) fn poll_take(&mut self, sequence: u64, cx: &mut Context<'_>) -> Poll<Result<Reply>> {
        if let Some(result) = self.take(sequence) {
            return Poll::Ready(result);
        }
        let Some(entry) = self.calls.get_mut(&sequence) else {
            return Poll::Ready(Err(Error::Closed));
        };
        if !entry
            .waker
            .as_ref()
            .is_some_and(|waker| waker.will_wake(cx.waker()))
        {
            entry.waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    /// The reply, if it is there. Whoever takes it has consumed it: it is acknowledged, or must be by whoever takes it if it
    /// [brings](brings) objects.
    pub(crate) fn take(&mut self, sequence: u64) -> Option<Result<Reply>> {
        let Entry {
            stage: Stage::Answered(_),
            ..
        } = self.calls.get(&sequence)?
        else {
            return None;
        };
        let Stage::Answered(result) = self.calls.remove(&sequence)?.stage else {
            return None;
        };
        if !result.as_ref().is_ok_and(brings) {
            self.acknowledge(sequence);
        }
        Some(result)
    }

    /// Does a call wait for its reply?
    pub(crate) fn wants_connection(&self) -> bool {
        self.unanswered().next().is_some()
    }

    /// The acknowledgements that a resume names: with it, nothing of this lane is unacknowledged twice.
    pub(crate) fn acknowledged(&self) -> &[wire::Range] {
        self.acknowledged.runs()
    }

    /// A connection is there, and the server said so. Everything unanswered is sent again, in order.
    pub(crate) fn connected(&mut self, welcome: &wire::Welcome) {
        self.disconnected();
        self.connected = true;
        self.connections += 1;
        self.credits = welcome.credits.into();
        let value_bytes_max = usize::try_from(welcome.value_bytes_max).unwrap_or(usize::MAX);
        self.call_bytes_max = call_bytes_max(value_bytes_max);
        self.reply_bytes_max = self.call_bytes_max.saturating_add(REPLY_OVERHEAD);
        for (sequence, entry) in &mut self.calls {
            entry.refuse_above(self.call_bytes_max, *sequence);
        }
        self.forget_unheard();
        self.queue = self.unanswered().collect();
        if std::mem::take(&mut self.unnamed) {
            self.unsent = self.acknowledged.clone();
            self.unsent_count = self.unsent.runs().len();
        }
    }

    /// The lane goes on in a new session, because the server does not know the old one: nobody can tell what became of
    /// the calls that were sent, and `lost` says so to those that change something, and to those that took or give back
    /// what the old one held. All others are sent again.
    pub(crate) fn forget_session(&mut self, lost: &Error) {
        self.disconnected();
        self.cancels.clear();
        self.retired.clear();
        for entry in self.calls.values_mut() {
            match entry.stage {
                Stage::Queued | Stage::Sent if !entry.sent && !entry.gives_back() => {}
                Stage::Queued | Stage::Sent if entry.submission.repeatable => entry.sent = false,
                Stage::Queued | Stage::Sent => entry.answer(Err(lost.clone())),
                // Nobody has looked at it yet, and what it grants is gone.
                Stage::Answered(_) if entry.granted() => entry.answer(Err(lost.clone())),
                Stage::Abandoned | Stage::Answered(_) => {}
            }
        }
        self.calls
            .retain(|_, entry| !matches!(entry.stage, Stage::Abandoned));
        self.forget_unheard();
        // In the new session the old numbers were never used, nor will they be.
        self.acknowledged.clear();
        self.unnamed = true;
        let mut next = 1;
        for sequence in self.calls.keys().copied().chain([self.last + 1]) {
            if next < sequence {
                self.acknowledged.insert(next, sequence - 1);
            }
            next = sequence + 1;
        }
    }

    /// The connection is gone.
    pub(crate) fn disconnected(&mut self) {
        self.connected = false;
        self.credits = 0;
        self.outgoing.clear();
        self.incoming.clear();
        self.queue.clear();
        self.orphans.clear();
        if self.goodbye == Goodbye::Sent {
            self.goodbye = Goodbye::Wanted;
        }
        // What was acknowledged is named by the resume.
        self.unsent.clear();
        self.unsent_count = 0;
        self.acknowledge_now = false;
        let mut abandoned = Vec::new();
        for (sequence, entry) in &mut self.calls {
            match entry.stage {
                Stage::Sent => entry.stage = Stage::Queued,
                Stage::Abandoned => abandoned.push(*sequence),
                Stage::Queued | Stage::Answered(_) => {}
            }
        }
        for sequence in abandoned {
            self.withdraw_cut(sequence);
        }
        self.withdraw_again();
    }

    /// Ends every unanswered call: `never_sent` is the error of those that no connection carried, `sent` of the others.
    pub(crate) fn fail(&mut self, never_sent: &Error, sent: &Error) {
        for entry in self.calls.values_mut() {
            if let Stage::Queued | Stage::Sent = entry.stage {
                let error = if entry.sent { sent } else { never_sent };
                entry.answer(Err(error.clone()));
            }
        }
        self.forget_unheard();
        self.queue.clear();
    }

    /// While there is no connection: ends the calls whose time is over since `slack`, as `fail` does, and tells when the
    /// next one is due.
    pub(crate) fn expire(
        &mut self,
        now: Instant,
        slack: Duration,
        never_sent: &Error,
        sent: &Error,
    ) -> Option<Instant> {
        let mut next = None;
        for entry in self.calls.values_mut() {
            let (Stage::Queued | Stage::Sent, Some(deadline)) = (&entry.stage, entry.deadline)
            else {
                continue;
            };
            let due = deadline + slack;
            if due <= now {
                let error = if entry.sent { sent } else { never_sent };
                entry.answer(Err(error.clone()));
            } else {
                next = Some(next.map_or(due, |next: Instant| next.min(due)));
            }
        }
        self.forget_unheard();
        next
    }

    /// Takes a frame of the server apart. The callers of the calls that it answers are woken.
    pub(crate) fn on_frame(
        &mut self,
        frame: wire::ServerFrame,
    ) -> std::result::Result<(), Violation> {
        self.credits += u64::from(frame.credits);
        for reply in frame.replies {
            self.answer(reply);
        }
        for part in &frame.parts {
            let whole = self.incoming.push(part, self.reply_bytes_max);
            if let Some(whole) = whole.map_err(|_| Violation::ReplyTooLarge)? {
                let reply = wire::Reply::decode(whole).map_err(|_| Violation::Garbled)?;
                self.answer(reply);
            }
        }
        if frame.goodbye {
            self.goodbye = Goodbye::Answered;
        }
        Ok(())
    }

    /// What became of its calls.
    pub(crate) fn stats(&self) -> Stats {
        Stats {
            calls: self.last,
            resent: self.resent,
            remembered: self.remembered,
            reconnects: self.connections.saturating_sub(1),
        }
    }

    /// Are there acknowledgements that no frame has carried yet?
    pub(crate) fn owes_acknowledgements(&self) -> bool {
        self.unsent_count > 0
    }

    /// Lets the next frame carry the acknowledgements, even alone.
    pub(crate) fn acknowledge_now(&mut self) {
        self.acknowledge_now = true;
    }

    /// Lets the session end with the next frame after which nothing is unanswered.
    pub(crate) fn say_goodbye(&mut self) {
        if self.goodbye == Goodbye::No {
            self.goodbye = Goodbye::Wanted;
        }
    }

    /// Is everything said, the goodbye included, and answered?
    pub(crate) fn is_finished(&self) -> bool {
        match self.goodbye {
            Goodbye::No => self.is_settled(),
            Goodbye::Wanted | Goodbye::Sent => false,
            Goodbye::Answered => true,
        }
    }

    /// Wakes someone who waits for a reply other than `but`, for instance to hand over the work of driving.
    pub(crate) fn wake_another(&self, but: u64) -> bool {
        let waiting = self.calls.iter().find_map(|(sequence, entry)| {
            (*sequence != but).then_some(entry.waker.as_ref()).flatten()
        });
        waiting.inspect(|waker| waker.wake_by_ref()).is_some()
    }

    /// The calls that need a reply, in order.
    fn unanswered(&self) -> impl Iterator<Item = u64> {
        let waits = |entry: &Entry| matches!(entry.stage, Stage::Queued | Stage::Sent);
        self.calls
            .iter()
            .filter(move |(_, entry)| waits(entry))
            .map(|(sequence, _)| *sequence)
    }

    /// Is nothing of it at the server, and nobody waiting? Replies that lie here do not count.
    fn is_settled(&self) -> bool {
        let settled = |entry: &Entry| matches!(entry.stage, Stage::Answered(_));
        self.orphans.is_empty() && self.calls.values().all(settled)
    }

    fn is_queued(&self, sequence: u64) -> bool {
        self.calls
            .get(&sequence)
            .is_some_and(|entry| matches!(entry.stage, Stage::Queued))
    }

    fn answer(&mut self, reply: wire::Reply) {
        let (sequence, reply) = Reply::from_wire(reply);
        self.answer_orphan(sequence, &reply);
        self.confirm_withdrawn(sequence);
        let Some(entry) = self.calls.get_mut(&sequence) else {
            return;
        };
        match entry.stage {
            Stage::Queued | Stage::Sent if entry.sent => {
                self.remembered += u64::from(reply.remembered);
                entry.answer(Ok(reply));
                self.forget_if_unheard(sequence);
            }
            Stage::Abandoned => {
                entry.unheard = true;
                entry.answer(Ok(reply));
                self.let_go_abandoned(sequence);
            }
            // Nobody can answer what was never sent, and nothing is answered twice.
            Stage::Queued | Stage::Sent | Stage::Answered(_) => {}
        }
    }

    /// The last number given to a call.
    pub(crate) const fn last(&self) -> u64 {
        self.last
    }

    pub(crate) const fn is_connected(&self) -> bool {
        self.connected
    }

    /// The server may forget this reply.
    pub(crate) fn acknowledge(&mut self, sequence: u64) {
        self.acknowledged.insert(sequence, sequence);
        self.unsent.insert(sequence, sequence);
        self.unsent_count += 1;
    }
}

/// Does a reply bring shared objects?
pub(crate) fn brings(reply: &Reply) -> bool {
    matches!(&reply.result, Ok(value) if value.has_references())
}

impl Entry {
    /// Ends a call that the server would end the lane for, before it is sent.
    fn refuse_above(&mut self, bytes_max: usize, sequence: u64) {
        let Submission { body, timeout, .. } = &self.submission;
        let bytes = call_len(sequence, body, *timeout);
        if !matches!(self.stage, Stage::Queued) || bytes <= bytes_max {
            return;
        }
        let message = format!(
            "the call takes {bytes} bytes, and the server takes at most {bytes_max}: send less at a time"
        );
        // A server with another limit may have taken it: what became of it cannot be asked any more.
        self.answer(Err(if self.sent {
            Error::Value {
                reason: message,
                happened: Happened::Unknown,
            }
        } else {
            Refusal::new(Code::ValueTooLarge, message).into()
        }));
    }

    fn answer(&mut self, result: Result<Reply>) {
        self.stage = Stage::Answered(result);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
