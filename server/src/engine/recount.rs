//! After a restart: who holds what is counted from rows, sessions and outcomes.

use super::Engine;
use super::holding::{PIN, holding_of};
use super::references::References;
use crate::objects::RowLimit;
use commonhold_proto::{Call, Outcome, OutcomeState, SessionId, Value};
use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

impl Engine {
    /// Counts who holds each anonymous object. What nobody holds is pinned for a while: somebody may have pinned it
    /// before, and pins are not logged.
    pub(super) fn recount(&self) {
        let anonymous = self.registry.anonymous();
        let count = anonymous.len();
        self.references.anonymous.store(count, Ordering::Relaxed);
        for cell in self.registry.all() {
            let state = cell.state.lock();
            self.note_container(cell.oid, false, !state.edges.is_empty());
            state.edges.all().for_each(|oid| self.count_edge(oid));
        }
        self.restore_holdings();
        for session in self.sessions() {
            for lane in session.lanes() {
                for (sequence, outcome) in lane.outcomes() {
                    let answered = matches!(outcome.state, OutcomeState::Done(_));
                    let mut cells = Vec::new();
                    for value in values(&outcome) {
                        cells.extend(self.anonymous_in(value));
                    }
                    // What a reply brought has a row until the client has the reply and drops it: without one it was
                    // dropped, and only the log does not know yet that the reply was acknowledged.
                    lane.holdings
                        .with(|held| cells.retain(|cell| held.holds(cell.oid)));
                    if !cells.is_empty() {
                        self.keep_for_call(&lane, sequence, cells, answered);
                    }
                }
            }
        }
        for cell in anonymous {
            if References::is_leaving(&cell) {
                self.pin_cell(&cell, PIN);
            }
        }
    }

    /// Sessions hold what they held; rows of sessions that ended in a crash go.
    fn restore_holdings(&self) {
        let mut ended: BTreeSet<SessionId> = BTreeSet::new();
        let mut cursor = None;
        loop {
            let limit = RowLimit {
                rows: 1_000,
                bytes: 1 << 20,
            };
            let table = self.holdings_table.state.lock();
            let (rows, next) = table.object.rows(cursor.as_ref(), limit);
            drop(table);
            for (id, oid) in rows.iter().filter_map(|row| holding_of(row.key())) {
                let Some(session) = self.session(id) else {
                    ended.insert(id);
                    continue;
                };
                let Some(cell) = self.registry.cell(oid) else {
                    continue;
                };
                session.holdings.with(|held| {
                    if self.references.take(&cell, |counts| counts.sessions += 1) {
                        held.give(oid);
                    }
                });
            }
            match next {
                Some(next) => cursor = Some(next),
                None => break,
            }
        }
        ended.into_iter().for_each(|id| self.forget_holdings(id));
    }
}

/// The values that an outcome keeps.
fn values(outcome: &Outcome) -> Vec<&Value> {
    match &outcome.state {
        OutcomeState::Done(reply) => reply.result.iter().collect(),
        OutcomeState::Waiting {
            resume,
            on_deadline,
            ..
        } => {
            let calls = std::iter::once(resume).chain(on_deadline);
            calls.flat_map(|call| arguments(call)).collect()
        }
    }
}

fn arguments(call: &Call) -> impl Iterator<Item = &Value> {
    let named = call.named.iter().map(|(_, value)| value);
    call.arguments.iter().chain(named)
}
