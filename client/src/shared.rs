//! A lane between those who call and the one who drives.
//!
//! The lock guards the lane and the waker of its driver. It is held for a few steps and nothing else is locked under it;
//! callers are woken under it, which only marks them to run.

use crate::error::{Error, Happened, Result};
use crate::holdings::Holdings;
use crate::lane::{Lane, Submission, Unkept, Violation, brings};
use crate::stats::Stats;
use crate::tending::Tending;
use bytes::Bytes;
use commonhold_proto::{Reply, wire};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// A lane, its callers and its driver.
#[derive(Debug)]
pub(crate) struct SharedLane {
    state: Mutex<State>,
    /// What the session wants.
    holdings: Arc<Holdings>,
    /// In a forked child: it is the parent's, and a thread of it may have had the lock at the fork.
    is_parents: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    lane: Lane,
    /// The driver, if it waits for something to do.
    driver: Option<Waker>,
    opening: Opening,
    /// No more calls; the driver ends.
    closing: bool,
    /// The driver has ended.
    closed: bool,
    /// Wait for the opening, or for the end.
    watchers: Vec<Waker>,
    tending: Tending,
}

/// What became of the first connection.
#[derive(Debug, Default)]
enum Opening {
    #[default]
    UnderWay,
    Done,
    Failed(Error),
}

/// What the driver does next.
#[derive(Debug)]
pub(crate) enum Next {
    /// It sends this.
    Frame(Bytes),
    /// It waits.
    Nothing(Standing),
}

/// How a lane stands with its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Nothing is owed.
    Even,
    /// There are acknowledgements that no frame has carried yet.
    Owing,
    /// The client is closing.
    Leaving,
    /// Everything is said.
    Finished,
}

impl SharedLane {
    pub(crate) fn new(holdings: &Arc<Holdings>) -> SharedLane {
        SharedLane {
            state: Mutex::default(),
            holdings: Arc::clone(holdings),
            is_parents: AtomicBool::new(false),
        }
    }

    /// In a forked child: its driver's end is not this lane's.
    pub(crate) fn leave_to_parent(&self) {
        self.is_parents.store(true, Ordering::Relaxed);
    }

    /// Takes a call; its reply comes under the number that this returns.
    pub(crate) fn submit(&self, submission: Submission, now: Instant) -> Result<u64> {
        let mut state = self.state.lock();
        if state.closing {
            return Err(Error::Closed);
        }
        let sequence = state.lane.submit(submission, now);
        let driver = state.driver.take();
        drop(state);
        if let Some(driver) = driver {
            driver.wake();
        }
        Ok(sequence)
    }

    /// The reply, once it is there.
    pub(crate) fn poll_reply(&self, sequence: u64, cx: &mut Context<'_>) -> Poll<Result<Reply>> {
        let mut state = self.state.lock();
        let State { lane, tending, .. } = &mut *state;
        let polled = lane.poll_take(sequence, cx);
        if let Poll::Ready(Ok(reply)) = &polled
            && brings(reply)
        {
            tending.receive(lane, &self.holdings, sequence, reply);
        }
        polled
    }

    /// As [`poll_reply`](SharedLane::poll_reply), of a call that can still be taken back.
    pub(crate) fn poll_hear(
        &self,
        sequence: u64,
        cx: &mut Context<'_>,
    ) -> Poll<(Result<Reply>, Option<Unkept>)> {
        let mut state = self.state.lock();
        let State { lane, tending, .. } = &mut *state;
        let polled = lane.poll_hear(sequence, cx);
        if let Poll::Ready((Ok(reply), None)) = &polled
            && brings(reply)
        {
            tending.receive(lane, &self.holdings, sequence, reply);
        }
        polled
    }

    /// The caller has the reply.
    pub(crate) fn keep(&self, unkept: &Unkept) {
        self.state.lock().lane.keep(unkept);
    }

    /// The caller never had the reply.
    pub(crate) fn unhear(&self, unkept: Unkept) {
        let mut state = self.state.lock();
        state.lane.unhear(unkept);
        let driver = state.driver.take();
        drop(state);
        if let Some(driver) = driver {
            driver.wake();
        }
    }

    /// Lets what the session wants no more be dropped.
    pub(crate) fn let_go(&self) {
        let driver = self.state.lock().driver.take();
        if let Some(driver) = driver {
            driver.wake();
        }
    }

    /// Ready once this lane drops nothing, or cannot.
    pub(crate) fn poll_let_go(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state.lock();
        if state.closing || !state.lane.is_connected() || !state.tending.is_dropping() {
            return Poll::Ready(());
        }
        state.watchers.push(cx.waker().clone());
        Poll::Pending
    }

    /// Nobody waits for this call any more. Tells whether it may have happened.
    pub(crate) fn abandon(&self, sequence: u64) -> Happened {
        let mut state = self.state.lock();
        let happened = state.lane.abandon(sequence);
        let driver = state.driver.take();
        drop(state);
        if let Some(driver) = driver {
            driver.wake();
        }
        happened
    }

    /// Whether the server has said what became of a call that was abandoned, and has what was to be taken back. Nobody is
    /// woken by that: it is for who drives.
    pub(crate) fn poll_withdrawn(&self, sequence: u64) -> Poll<()> {
        if self.state.lock().lane.is_withdrawn(sequence) {
            return Poll::Ready(());
        }
        Poll::Pending
    }

    /// Wakes someone who waits for a reply, or else for the opening or the end: the work of driving is free.
    pub(crate) fn wake_another(&self, but: u64) {
        let mut state = self.state.lock();
        if !state.lane.wake_another(but) {
            state.wake_watchers();
        }
    }

    /// What became of its calls.
    pub(crate) fn stats(&self) -> Stats {
        self.state.lock().lane.stats()
    }

    /// Whether the first connection was made.
    pub(crate) fn poll_opened(&self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let mut state = self.state.lock();
        match &state.opening {
            Opening::Done => Poll::Ready(Ok(())),
            Opening::Failed(error) => Poll::Ready(Err(error.clone())),
            Opening::UnderWay => {
                state.watchers.push(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    /// No more calls: those that have no answer end with [`Error::Closed`], or with `lost` if they were sent. The driver
    /// withdraws them, says `goodbye` if this ends the session, and ends.
    pub(crate) fn close(&self, lost: &Error, goodbye: bool) {
        let mut state = self.state.lock();
        state.closing = true;
        state.lane.abandon_all(&Error::Closed, lost);
        if goodbye {
            state.lane.say_goodbye();
        }
        let driver = state.driver.take();
        drop(state);
        if let Some(driver) = driver {
            driver.wake();
        }
    }

    /// Whether the driver has ended.
    pub(crate) fn poll_closed(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state.lock();
        if state.closed {
            return Poll::Ready(());
        }
        state.watchers.push(cx.waker().clone());
        Poll::Pending
    }
}

/// The driver's side.
impl SharedLane {
    pub(crate) fn is_closing(&self) -> bool {
        self.state.lock().closing
    }

    /// Ready once there is a reason to connect, or to end.
    pub(crate) fn poll_wanted(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state.lock();
        if state.closing || state.lane.wants_connection() {
            return Poll::Ready(());
        }
        state.driver = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Ready once the client is closing.
    pub(crate) fn poll_closing(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state.lock();
        if state.closing {
            return Poll::Ready(());
        }
        state.driver = Some(cx.waker().clone());
        Poll::Pending
    }

    /// The next frame to send. If there is none, the driver is woken when there is.
    pub(crate) fn next(&self, cx: &mut Context<'_>) -> Next {
        let mut state = self.state.lock();
        state.settle_drop(&self.holdings);
        let State {
            lane,
            tending,
            closing,
            ..
        } = &mut *state;
        tending.tend(lane, &self.holdings, *closing);
        if let Some(frame) = state.lane.next_frame(Instant::now()) {
            return Next::Frame(frame);
        }
        let known = state.driver.as_ref();
        if !known.is_some_and(|driver| driver.will_wake(cx.waker())) {
            state.driver = Some(cx.waker().clone());
        }
        Next::Nothing(state.standing())
    }

    /// How the lane stands with its server.
    pub(crate) fn standing(&self) -> Standing {
        self.state.lock().standing()
    }

    /// Takes a frame in.
    pub(crate) fn on_frame(&self, frame: wire::ServerFrame) -> std::result::Result<(), Violation> {
        self.state.lock().lane.on_frame(frame)
    }

    /// A connection is there.
    pub(crate) fn connected(&self, welcome: &wire::Welcome) {
        let mut state = self.state.lock();
        state.lane.connected(welcome);
        state.tending.sit(welcome);
        state.opening = Opening::Done;
        state.wake_watchers();
    }

    /// The connection is gone.
    pub(crate) fn disconnected(&self) {
        self.state.lock().lane.disconnected();
    }

    /// The session is gone.
    pub(crate) fn forget_session(&self, lost: &Error) {
        let mut state = self.state.lock();
        state.lane.forget_session(lost);
        state.settle_drop(&self.holdings);
    }

    /// No connection can be had: every call ends.
    pub(crate) fn fail(&self, never_sent: &Error, sent: &Error) {
        let mut state = self.state.lock();
        state.lane.fail(never_sent, sent);
        state.settle_drop(&self.holdings);
        if let Opening::UnderWay = state.opening {
            state.opening = Opening::Failed(never_sent.clone());
        }
        state.wake_watchers();
    }

    /// As [`Lane::expire`].
    pub(crate) fn expire(
        &self,
        slack: Duration,
        never_sent: &Error,
        sent: &Error,
    ) -> Option<Instant> {
        let mut state = self.state.lock();
        state.lane.expire(Instant::now(), slack, never_sent, sent)
    }

    /// The acknowledgements that a resume names.
    pub(crate) fn acknowledged(&self) -> Vec<wire::Range> {
        self.state.lock().lane.acknowledged().to_vec()
    }

    /// Lets the acknowledgements go, even alone.
    pub(crate) fn acknowledge_now(&self) {
        let mut state = self.state.lock();
        state.lane.acknowledge_now();
        if let Some(driver) = &state.driver {
            driver.wake_by_ref();
        }
    }

    /// The driver ends.
    pub(crate) fn closed(&self) {
        if self.is_parents.load(Ordering::Relaxed) {
            return;
        }
        let mut state = self.state.lock();
        state.closing = true;
        state.closed = true;
        state.lane.abandon_all(&Error::Closed, &Error::Closed);
        state.settle_drop(&self.holdings);
        state.wake_watchers();
    }
}

impl State {
    fn standing(&self) -> Standing {
        if self.closing && self.lane.is_finished() {
            Standing::Finished
        } else if self.closing {
            Standing::Leaving
        } else if self.lane.owes_acknowledgements() {
            Standing::Owing
        } else {
            Standing::Even
        }
    }

    /// Looks what became of the drop that is under way.
    fn settle_drop(&mut self, holdings: &Holdings) {
        if self.tending.settle(&mut self.lane, holdings) {
            self.wake_watchers();
        }
    }

    fn wake_watchers(&mut self) {
        self.watchers.drain(..).for_each(Waker::wake);
    }
}
