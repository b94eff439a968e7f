//! Who holds an object, for how long, and who waits for it: for people, and for the messages of calls that gave up.

use super::Engine;
use super::cell::{Cell, State};
use super::waiting::Parked;
use crate::objects::Holder;
use crate::session::Identity;
use commonhold_proto::{Code, Refusal, Revision, SessionId, Value};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Holders, and callers that wait, that `who` names at most.
pub(crate) const WHO_MAX: usize = 1_000;
/// So many who stand ahead are counted; more are not told apart.
const AHEAD_MAX: usize = 1_000;

impl Engine {
    /// What `who` answers about an object, and what the answer waits for.
    pub(super) fn who(&self, cell: Arc<Cell>) -> (Value, Revision) {
        let cell = self.behind(cell);
        let mut state = cell.state.lock();
        let holders = state.object.holders(WHO_MAX);
        let held = state.object.holder_count();
        let waiting = state.waiting.all(WHO_MAX);
        let count = cell.waiters.load(Ordering::Relaxed);
        let gate = state.gate;
        drop(state);
        let holders = holders.iter().map(|holder| self.holder(holder)).collect();
        let waiting = waiting.iter().map(|parked| self.waiter(parked)).collect();
        let answer = Value::Dict(vec![
            ("name".into(), cell.name.as_ref().into()),
            ("kind".into(), cell.kind.name.into()),
            ("oid".into(), cell.oid.0.into()),
            ("holders".into(), Value::List(holders)),
            ("holder_count".into(), held.into()),
            ("waiting".into(), Value::List(waiting)),
            ("waiting_count".into(), count.into()),
        ]);
        (answer, gate)
    }

    fn holder(&self, holder: &Holder) -> Value {
        let text = |text: &Option<String>| text.as_deref().map_or(Value::Null, Value::from);
        let mut pairs = self.identity(holder.session);
        pairs.extend([
            ("owner".into(), holder.owner.0.into()),
            ("since_ms".into(), millis(self.held_for(holder))),
            (
                "token".into(),
                holder.token.map_or(Value::Null, |token| token.0.into()),
            ),
            ("note".into(), text(&holder.note)),
            ("part".into(), text(&holder.part)),
        ]);
        Value::Dict(pairs)
    }

    fn waiter(&self, parked: &Parked) -> Value {
        let mut pairs = self.identity(parked.session());
        let waited = self.clock.monotonic().saturating_sub(parked.since);
        pairs.extend([
            ("owner".into(), parked.caller.owner.0.into()),
            ("method".into(), parked.resume.method().into()),
            ("since_ms".into(), millis(waited)),
        ]);
        Value::Dict(pairs)
    }

    fn identity(&self, session: Option<SessionId>) -> Vec<(Value, Value)> {
        let known = session.and_then(|id| self.session(id));
        let identity = known.map_or_else(Identity::default, |session| session.identity.clone());
        vec![
            (
                "session".into(),
                session.map_or(Value::Null, |id| id.0.into()),
            ),
            ("client".into(), identity.name.into()),
            ("host".into(), identity.host.into()),
            ("pid".into(), identity.pid.into()),
        ]
    }

    fn held_for(&self, holder: &Holder) -> Duration {
        Duration::from_millis(self.clock.now().0.saturating_sub(holder.since.0))
    }

    /// `, held by worker@host pid 4711 for 41 s`, or nothing if nobody is known to hold it.
    pub(super) fn held_by(&self, state: &State) -> String {
        let holders = state.object.holders(1);
        let Some(first) = holders.first() else {
            return String::new();
        };
        let known = first.session.and_then(|id| self.session(id));
        let who = match known {
            Some(session) => {
                let Identity { name, host, pid } = &session.identity;
                format!("{name}@{host} pid {pid}")
            }
            None => "a client that is gone".to_owned(),
        };
        let others = match state.object.holder_count() {
            0 | 1 => String::new(),
            count => format!(" and {} more", count - 1),
        };
        let time = elapsed(self.held_for(first));
        format!(", held by {who} for {time}{others}")
    }

    /// That a call waited in vain.
    pub(super) fn timed_out(
        &self,
        cell: &Cell,
        state: &State,
        waited: Duration,
        ahead: usize,
    ) -> Refusal {
        let ahead = match ahead {
            0 => String::new(),
            AHEAD_MAX.. => format!(", more than {} ahead", AHEAD_MAX - 1),
            _ => format!(", {ahead} ahead"),
        };
        let message = format!(
            "timed out after {:.1} s waiting for {}{}{ahead}",
            waited.as_secs_f64(),
            cell.title(),
            self.held_by(state)
        );
        Refusal::new(Code::DeadlineExceeded, message)
    }

    /// How many stand in line before a call that waited.
    pub(super) fn ahead_of(state: &mut State, parked: &Arc<Parked>) -> usize {
        state.waiting.ahead_of(parked, AHEAD_MAX)
    }
}

fn millis(time: Duration) -> Value {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX).into()
}

/// A time as people say it.
fn elapsed(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..10 => format!("{:.1} s", time.as_secs_f64()),
        10..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}
