//! Sessions coming, going and ending; rows lapsing.
//!
//! Ending a lease sets its flag, then sweeps what was lent. An execution that was past the flag meanwhile finds out when
//! it lends, and the lease is swept again.

use super::caller::Connection;
use super::cell::{Cell, State};
use super::session_rows::session_value;
use super::table::number_key;
use super::timer::Due;
use super::{Engine, caught};
use crate::objects::Lapse;
use crate::session::{Identity, Lane, Lease, Liveness, Presence, Session};
use commonhold_proto::login::TokenHash;
use commonhold_proto::{Code, Fence, LaneId, Oid, Refusal, Revision, Row, RowKey, SessionId};
use parking_lot::MutexGuard;
use smallvec::smallvec;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// A tick that is later than this was the server's own pause: it is no client's silence.
const LATE_TICK: Duration = Duration::from_millis(250);

/// A lane that a connection has taken.
pub(crate) struct Joined {
    pub(crate) connection: Arc<Connection>,
    pub(crate) incarnation: u32,
    /// What the session held is gone, and this is how its client learns it: no grant up to this revision holds. One may
    /// be in a reply that the client has yet to hear, or hears again.
    pub(crate) lease_lost: Option<Revision>,
    /// Grants that were lost singly.
    pub(crate) lost: Vec<Fence>,
    /// The welcome leaves once this is durable.
    pub(crate) gate: Revision,
}

impl Engine {
    /// Opens a session: a change, so that a restarted server knows it.
    ///
    /// # Errors
    /// `Full` if there are too many.
    pub(crate) fn open_session(
        &self,
        identity: Identity,
        liveness: Liveness,
        token: TokenHash,
    ) -> Result<(Arc<Session>, Revision), Refusal> {
        if self.sessions.len() >= self.limits.sessions_max {
            let message = format!("there are {} sessions already", self.limits.sessions_max);
            return Err(Refusal::new(Code::Full, message));
        }
        let id = SessionId(self.log.unlogged().0);
        let session = Arc::new(Session::new(id, identity, liveness, token));
        let mut state = self.session_table.state.lock();
        self.change_sessions(
            &mut state,
            Row::put(number_key(id.0), session_value(&session, false)),
        );
        self.sessions.insert(id, Arc::clone(&session));
        let gate = state.gate;
        drop(state);
        // A client that dies before it takes a lane is forgotten like one that was there.
        self.await_return(&session, self.limits.grace);
        Ok((session, gate))
    }

    /// Gives a lane to a new connection, whether the lane is new or taken up again.
    ///
    /// # Errors
    /// `TooLarge` if the session would have too many lanes, `SessionExpired` if it is forgotten meanwhile.
    pub(crate) fn join(&self, session: &Arc<Session>, lane: LaneId) -> Result<Joined, Refusal> {
        let lane = session
            .lane(lane)
            .ok_or_else(|| Refusal::new(Code::TooLarge, "a session has at most 1024 lanes"))?;
        let (incarnation, withdrawn, ending) = lane.connect();
        self.withdraw(withdrawn);
        for parked in ending {
            // Whoever ends it does so under its cell's lock.
            drop(parked.cell.state.lock());
        }
        lane.open(incarnation);
        let (lease, lease_lost, (lost, told_losses)) = {
            let mut presence = session.presence.lock();
            if presence.forgotten {
                drop(presence);
                self.withdraw(lane.fence());
                let message = "the session was forgotten at this moment";
                return Err(Refusal::new(Code::SessionExpired, message));
            }
            presence.connections += 1;
            presence.absent_since = None;
            presence.heard = self.clock.monotonic();
            // Not taken: the welcome may be lost on its way.
            // A revision of now is above every grant of the lease that has ended, and, as long as no call of the next one
            // has shown that its client was told, below each of the next.
            let lease_lost = presence.lease_lost.then(|| self.log.unlogged());
            if session.liveness == Liveness::Heartbeat {
                let ends = presence.heard + self.limits.term;
                self.watch_lease(session.id, &mut presence, ends);
            }
            (session.renew(), lease_lost, presence.losses.all())
        };
        let gate = self.session_table.state.lock().gate;
        Ok(Joined {
            connection: Arc::new(Connection {
                lane,
                lease,
                tells: AtomicBool::new(lease_lost.is_some() || !lost.is_empty()),
                told_lease_lost: lease_lost.is_some(),
                told_losses,
            }),
            incarnation,
            lease_lost,
            lost,
            gate,
        })
    }

    /// A frame came, with a sign of life that is to be answered unless it is 0. Once the lease has ended it is not: the
    /// client would believe in what it held.
    pub(crate) fn heard(&self, session: &Session, connection: &Connection, beat: u64) {
        if session.liveness == Liveness::Heartbeat {
            let mut presence = session.presence.lock();
            if connection.lease.has_ended() {
                return;
            }
            // From now on the lease lasts for a term.
            presence.heard = self.clock.monotonic();
        }
        if beat != 0 {
            connection.lane.beat(beat);
        }
    }

    /// A client calls on a connection whose welcome said what it lost: it knows now.
    pub(super) fn heard_of_loss(&self, connection: &Connection) {
        let Some(session) = self.session(connection.lane.session) else {
            return;
        };
        let mut presence = session.presence.lock();
        let losses = presence.losses.heard(connection.told_losses);
        // Not of what was lost since.
        let lease_lost = connection.told_lease_lost && !connection.lease.has_ended();
        presence.lease_lost &= !lease_lost;
        presence.loss_lasts &= !lease_lost;
        let logged = presence.loss_logged;
        drop(presence);
        if lease_lost && logged {
            self.log_loss(&session);
        }
        self.forget_losses(session.id, losses);
    }

    /// Logs whether the session must be told that its lease was lost, so that a restarted server tells it. What is
    /// logged is how that stands with the table locked: of two who come at a time the later one has the last word.
    fn log_loss(&self, session: &Session) {
        let mut state = self.session_table.state.lock();
        if !self.sessions.contains_key(&session.id) {
            return;
        }
        let mut presence = session.presence.lock();
        let lost = presence.loss_lasts;
        if std::mem::replace(&mut presence.loss_logged, lost) == lost {
            return;
        }
        drop(presence);
        let row = Row::put(number_key(session.id.0), session_value(session, lost));
        self.change_sessions(&mut state, row);
    }

    /// A connection of the session is gone.
    pub(crate) fn disconnected(&self, session: &Arc<Session>, lane: &Lane, incarnation: u32) {
        if let Some(withdrawn) = lane.disconnect(incarnation) {
            self.withdraw(withdrawn);
        }
        let mut presence = session.presence.lock();
        presence.connections = presence.connections.saturating_sub(1);
        let gone = presence.connections == 0;
        drop(presence);
        if gone {
            self.await_return(session, self.limits.grace);
        }
    }

    /// The client's process is dead. Nobody will ask for what its proxies were of; its outcomes are kept as everybody's.
    pub(crate) fn died(&self, session: &Arc<Session>) {
        self.end_lease(session, Lapse::Died);
        self.undo_unheard(session);
        self.end_holdings(session);
    }

    /// The client ends cleanly: what it holds lapses as it asked, and the session is forgotten.
    pub(crate) fn goodbye(&self, session: &Arc<Session>) -> Revision {
        session.presence.lock().forgotten = true;
        self.end_lease(session, Lapse::Goodbye);
        self.forget_session(session)
    }

    /// Waits for a session that has no connection: so long for what it holds, then for the session itself.
    pub(super) fn await_return(&self, session: &Session, patience: Duration) {
        let now = self.clock.monotonic();
        let mut presence = session.presence.lock();
        if presence.connections > 0 || presence.forgotten {
            return;
        }
        presence.absent_since = Some(now);
        presence.patience = patience;
        self.watch_lease(session.id, &mut presence, now + patience);
        if presence.memory_timer.is_none() {
            self.watch_memory(session.id, &mut presence, now + self.limits.session_memory);
        }
    }

    /// Sees to it that somebody looks at `at`, or before, whether the lease has ended. Whoever looks too early sets the
    /// timer again, so a later one is not needed, and replaced by an earlier one.
    fn watch_lease(&self, id: SessionId, presence: &mut Presence, at: Duration) {
        match presence.lease_timer {
            Some(before) if before <= at => return,
            Some(before) => self.timers.forget_lease(before, id),
            None => {}
        }
        presence.lease_timer = Some(at);
        self.timers.add(at, Due::Lease(id));
    }

    fn watch_memory(&self, id: SessionId, presence: &mut Presence, at: Duration) {
        presence.memory_timer = Some(at);
        self.timers.add(at, Due::Memory(id));
    }

    /// The session is forgotten.
    fn stop_watching(&self, session: &Session) {
        let mut presence = session.presence.lock();
        if let Some(at) = presence.lease_timer.take() {
            self.timers.forget_lease(at, session.id);
        }
        if let Some(at) = presence.memory_timer.take() {
            self.timers.forget_memory(at, session.id);
        }
    }

    /// Does everything that is due.
    pub(crate) fn tick(&self) {
        let now = self.clock.monotonic();
        let mut late = Duration::ZERO;
        while let Some((at, due)) = self.timers.take_due(now) {
            // What is due first is the latest.
            if now.saturating_sub(at) > LATE_TICK && late.is_zero() {
                late = now.saturating_sub(at);
                self.excuse(late);
            }
            match due {
                Due::Deadline(parked) => {
                    if let Some(parked) = parked.upgrade() {
                        self.end_wait(&parked, false);
                    }
                }
                Due::Lease(session) => self.check_lease(session, now),
                Due::Memory(session) => self.check_memory(session, now),
                Due::Row(oid) => self.check_rows(oid),
                Due::Pin(oid) => self.check_pin(oid, now),
                // Below.
                Due::References => {}
            }
        }
        self.tend_references();
    }

    /// The server itself stood still: every client gets the time that it had no chance to use. Nobody knows how long
    /// before the first thing that it missed it did, so what it is late by counts twice.
    fn excuse(&self, late: Duration) {
        let now = self.clock.monotonic();
        tracing::warn!(?late, "the server stood still");
        for session in &self.sessions {
            let mut presence = session.presence.lock();
            presence.heard = now.min(presence.heard + 2 * late);
            if let Some(since) = &mut presence.absent_since {
                *since = now.min(*since + 2 * late);
            }
        }
    }

    fn check_lease(&self, id: SessionId, now: Duration) {
        let Some(session) = self.session(id) else {
            return;
        };
        let mut presence = session.presence.lock();
        presence.lease_timer = None;
        let silent = session.liveness == Liveness::Heartbeat && presence.connections > 0;
        let ends = match presence.absent_since {
            Some(since) => since + presence.patience,
            None if silent => presence.heard + self.limits.term,
            None => return,
        };
        if ends > now {
            self.watch_lease(id, &mut presence, ends);
        } else {
            // Under the same lock: a client that is heard, or is back, from here on finds its lease ended.
            self.end_lease_of(&session, presence, Lapse::Died);
        }
    }

    fn check_memory(&self, id: SessionId, now: Duration) {
        let Some(session) = self.session(id) else {
            return;
        };
        let mut presence = session.presence.lock();
        presence.memory_timer = None;
        let Some(since) = presence.absent_since else {
            return;
        };
        let ends = since + self.limits.session_memory;
        if ends > now {
            return self.watch_memory(id, &mut presence, ends);
        }
        // Under the same lock: who takes a lane from here on would lend what nobody takes back.
        presence.forgotten = true;
        drop(presence);
        self.end_lease(&session, Lapse::Died);
        self.forget_session(&session);
    }

    fn check_rows(&self, oid: Oid) {
        let Some(cell) = self.registry.cell(oid) else {
            return;
        };
        let mut state = cell.state.lock();
        if state.gone {
            return;
        }
        state.timer = None;
        self.lapse_due(&cell, &mut state);
        self.let_go(state);
    }

    /// Ends a lease: lanes are fenced, waiting calls withdrawn, and what was lent lapses.
    fn end_lease(&self, session: &Arc<Session>, why: Lapse) {
        self.end_lease_of(session, session.presence.lock(), why);
    }

    fn end_lease_of(
        &self,
        session: &Arc<Session>,
        mut presence: MutexGuard<'_, Presence>,
        why: Lapse,
    ) {
        let lease = session.lease();
        if lease.has_ended() {
            return;
        }
        let lent = lease.end();
        presence.lease_lost = true;
        let tells = why != Lapse::Goodbye && !lent.is_empty();
        presence.loss_lasts |= tells;
        drop(presence);
        if tells {
            // Before anything lapses: whatever of it a crash leaves, the client is told.
            self.log_loss(session);
        }
        for lane in session.lanes() {
            self.withdraw(lane.fence());
        }
        self.sweep(&lease, lent, why);
    }

    /// Lapses rows of a lease that has ended.
    pub(super) fn sweep(&self, lease: &Arc<Lease>, lent: Vec<(Oid, RowKey)>, why: Lapse) {
        let mut rest: VecDeque<_> = lent.into();
        while let Some((oid, key)) = rest.pop_front() {
            let Some(cell) = self.registry.cell(oid) else {
                continue;
            };
            let mut state = cell.state.lock();
            let mut keys = vec![key];
            while let Some((_, key)) = rest.pop_front_if(|(next, _)| *next == oid) {
                keys.push(key);
            }
            for key in keys {
                if state.is_lent(&key, lease) {
                    self.lapse(&cell, &mut state, &key, why);
                }
            }
            self.wake(&cell, &mut state);
            self.let_go(state);
        }
    }

    /// Lapses every row that is due, before anything is decided in the cell. Whom that wakes may be many: the object may
    /// be deleted meanwhile.
    pub(super) fn lapse_due(&self, cell: &Arc<Cell>, state: &mut MutexGuard<'_, State>) {
        if state.gone || state.next_due().is_none() {
            return;
        }
        let now = self.clock.now();
        while let Some(key) = state.due(now) {
            self.lapse(cell, state, &key, Lapse::Expired);
        }
        self.set_timer(cell, state);
        self.wake(cell, state);
    }

    /// Sees to it that rows lapse when they are due, whether or not anybody calls.
    pub(super) fn set_timer(&self, cell: &Cell, state: &mut State) {
        let Some(next) = state.next_due() else {
            return;
        };
        if state.timer.is_some_and(|at| at <= next) {
            return;
        }
        state.timer = Some(next);
        let wait = Duration::from_millis(next.0.saturating_sub(self.clock.now().0));
        self.timers
            .add(self.clock.monotonic() + wait, Due::Row(cell.oid));
    }

    fn lapse(&self, cell: &Arc<Cell>, state: &mut State, key: &RowKey, why: Lapse) {
        let lapsed = caught(|| state.object.lapse(key, why));
        let Ok(mut rows) = lapsed else {
            return self.poison(&format!("{} panicked in lapse", cell.title()));
        };
        if !rows.iter().any(|row| row.touches(key)) {
            // A kind that forgot would keep what nobody holds.
            rows.push(Row::delete(key.clone()));
        }
        state.at = state.at.max(self.clock.now());
        self.change(cell, state, None, rows, |_, _| None);
    }

    /// Calls whose connection is gone do not wait any more: their clients send them again.
    fn withdraw(&self, withdrawn: Vec<Arc<super::Parked>>) {
        for parked in withdrawn {
            drop(self.unpark(&parked));
            if let Some(line) = parked.line {
                let mut state = parked.cell.state.lock();
                state.waiting.wake_head(line);
                self.wake(&parked.cell, &mut state);
                self.let_go(state);
            }
        }
        self.free_orphans();
    }

    /// Once it was marked as `forgotten`.
    fn forget_session(&self, session: &Arc<Session>) -> Revision {
        self.stop_watching(session);
        self.undo_unheard(session);
        let mut state = self.session_table.state.lock();
        if self.sessions.remove(&session.id).is_some() {
            if let Some(tell) = self.on_forget.get() {
                tell(session.token);
            }
            self.change_sessions(&mut state, Row::delete(number_key(session.id.0)));
        }
        let gate = state.gate;
        drop(state);
        self.end_losses(session);
        self.end_holdings(session);
        gate
    }

    fn change_sessions(&self, state: &mut State, row: Row) {
        state.at = state.at.max(self.clock.now());
        self.change(&self.session_table, state, None, smallvec![row], |_, _| {
            None
        });
    }

    /// The session, if it is known.
    pub(crate) fn session(&self, id: SessionId) -> Option<Arc<Session>> {
        self.sessions.get(&id).map(|session| Arc::clone(&session))
    }
}
