//! Telling a session that it lost a grant: its time ran out, or somebody else freed it.
//!
//! What is lost together, with the lease, the welcome of the next connection tells at once; what is lost singly is told
//! on every connection there is, and by the welcome of those that come later, until the client calls on one of them: so
//! it has read the welcome. If the log has the lock, the change that takes the grant also puts a row into a table, so
//! that a restarted server tells of it too. Lock order: this table after any cell, before what a session remembers.

use super::Engine;
use super::cell::{Cell, State};
use super::table::{LOSSES, TABLE, Table, key_number, number_key};
use crate::objects::{Options, RowLimit};
use crate::session::{Lease, Session};
use commonhold_proto::{
    Durability, Fence, Oid, Part, Revision, Row, RowKey, Rows, ServerTime, SessionId, Value,
};
use parking_lot::MutexGuard;
use smallvec::SmallVec;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A grant that ended although its session did nothing.
pub(super) struct Loss {
    lease: Arc<Lease>,
    fence: Fence,
    /// The session remembers it, and the log has it.
    is_logged: bool,
}

/// Grants that a row may take from others.
pub(super) struct Threatened {
    pub(super) lease: Arc<Lease>,
    pub(super) key: RowKey,
    pub(super) token: Revision,
}

impl Threatened {
    pub(super) fn lost(self, oid: Oid) -> Loss {
        Loss {
            lease: self.lease,
            fence: Fence {
                lock: oid,
                token: self.token,
            },
            is_logged: false,
        }
    }
}

/// The cell that the rows about lost grants live in.
pub(super) fn losses_table() -> Arc<Cell> {
    Arc::new(Cell::new(
        LOSSES,
        &TABLE,
        "",
        Durability::Durable,
        Options::default(),
        Box::<Table>::default(),
    ))
}

/// Keys of one session sort by token: the oldest grant first.
fn loss_key(session: SessionId, fence: Fence) -> RowKey {
    let numbers = [session.0, fence.token.0, fence.lock.0];
    let bytes: Vec<u8> = numbers.into_iter().flat_map(u64::to_be_bytes).collect();
    bytes.into()
}

fn loss_of(key: &RowKey) -> Option<(SessionId, Fence)> {
    let mut numbers = key.chunks(8).map(|bytes| key_number(&RowKey::from(bytes)));
    let session = SessionId(numbers.next()??);
    let token = Revision(numbers.next()??);
    let lock = Oid(numbers.next()??);
    Some((session, Fence { lock, token }))
}

impl Engine {
    /// Adds to a change what it takes from sessions, which remember it from now on. The table is locked until the change
    /// has its place in the log.
    #[inline]
    pub(super) fn add_losses(
        &self,
        state: &mut State,
        parts: &mut SmallVec<[Part; 1]>,
    ) -> Option<MutexGuard<'_, State>> {
        if state.lost.is_empty() {
            return None;
        }
        self.add_some_losses(state, parts)
    }

    fn add_some_losses(
        &self,
        state: &mut State,
        parts: &mut SmallVec<[Part; 1]>,
    ) -> Option<MutexGuard<'_, State>> {
        let mut table = self.losses_table.state.lock();
        let mut rows = Rows::new();
        for loss in &mut state.lost {
            // Also of a lease that has ended: what says so in the log comes after this, and a crash may take it back.
            if loss.is_logged {
                continue;
            }
            // A session is forgotten first, and then its rows.
            let Some(session) = self.session(loss.lease.session) else {
                continue;
            };
            loss.is_logged = true;
            rows.push(Row::put(loss_key(session.id, loss.fence), Value::Null));
            let oldest = session.presence.lock().losses.note(loss.fence, true);
            rows.extend(oldest.map(|oldest| Row::delete(loss_key(session.id, oldest))));
        }
        if rows.is_empty() {
            return None;
        }
        for row in &rows {
            table.apply(LOSSES, row, None);
        }
        parts.push(Part { oid: LOSSES, rows });
        Some(table)
    }

    /// Tells the sessions that lost something.
    pub(super) fn tell_lost(&self, lost: Vec<Loss>) {
        for loss in lost {
            if loss.lease.has_ended() {
                continue;
            }
            let Some(session) = self.session(loss.lease.session) else {
                continue;
            };
            if !loss.is_logged {
                let oldest = session.presence.lock().losses.note(loss.fence, false);
                self.forget_losses(session.id, oldest.into_iter().collect());
            }
            for lane in session.lanes() {
                lane.tell_lost(loss.fence);
            }
        }
    }

    /// The log needs these no more.
    pub(super) fn forget_losses(&self, session: SessionId, losses: Vec<Fence>) {
        let rows = losses.into_iter();
        let rows = rows.map(|fence| Row::delete(loss_key(session, fence)));
        self.change_losses(rows.collect());
    }

    /// The session is forgotten: nobody is told any more.
    pub(super) fn end_losses(&self, session: &Session) {
        // Whoever had the table has noted what it did; whoever comes later does not find the session.
        drop(self.losses_table.state.lock());
        if !session.presence.lock().losses.is_empty() {
            self.end_losses_of(session.id);
        }
    }

    fn end_losses_of(&self, session: SessionId) {
        let prefix = number_key(session.0);
        self.change_losses(Rows::from_iter([Row::DeletePrefix { prefix }]));
    }

    fn change_losses(&self, rows: Rows) {
        if rows.is_empty() {
            return;
        }
        let mut table = self.losses_table.state.lock();
        table.at = table.at.max(self.clock.now());
        self.change(&self.losses_table, &mut table, None, rows, |_, _| None);
    }

    /// After a restart: sessions remember what they were not told. Rows of sessions that ended in a crash go.
    pub(super) fn restore_losses(&self) {
        let everything = RowLimit {
            rows: usize::MAX,
            bytes: usize::MAX,
        };
        let (rows, _) = self.losses_table.state.lock().object.rows(None, everything);
        let mut ended = BTreeSet::new();
        for (id, fence) in rows.iter().filter_map(|row| loss_of(row.key())) {
            match self.session(id) {
                Some(session) => {
                    let oldest = session.presence.lock().losses.note(fence, true);
                    self.forget_losses(id, oldest.into_iter().collect());
                }
                None => {
                    ended.insert(id);
                }
            }
        }
        ended.into_iter().for_each(|id| self.end_losses_of(id));
    }
}

impl State {
    /// Part of a change of another object was about this one.
    pub(super) fn changed_with(&mut self, revision: Revision, at: ServerTime) {
        self.last = revision;
        self.gate = revision;
        self.at = self.at.max(at);
    }
}
