//! A cell: one object behind its lock, with what the engine knows about it.
//!
//! Lock order: the registry's table, then cells in the order of their oids, then a lane's state or a lease's rows, then
//! the tail of the log. `state` guards everything that changes; the rest is fixed when the object is created.

use super::edges::Edges;
use super::lost::{Loss, Threatened};
use super::references::Counts;
use super::waiting::Waiting;
use crate::objects::{Kind, Object, Options};
use crate::session::Lease;
use commonhold_proto::{Durability, Oid, Revision, Row, RowKey, ServerTime};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

/// One object.
pub(crate) struct Cell {
    pub(super) oid: Oid,
    pub(super) kind: &'static Kind,
    /// Empty for anonymous ones.
    pub(super) name: Box<str>,
    pub(super) durability: Durability,
    pub(super) options: Options,
    pub(super) state: Mutex<State>,
    /// How many calls wait, those that were claimed left out.
    pub(super) waiters: AtomicUsize,
    /// Who holds it, if it is anonymous.
    pub(super) counts: Mutex<Counts>,
}

/// What changes of an object.
pub(super) struct State {
    pub(super) object: Box<dyn Object>,
    /// The newest revision that changed it.
    pub(super) last: Revision,
    /// A reply that looked at it leaves once this is durable.
    pub(super) gate: Revision,
    /// Deleted: an `Arc` may outlive the object.
    pub(super) gone: bool,
    /// The newest time anything was decided at: it never goes back within an object.
    pub(super) at: ServerTime,
    pub(super) waiting: Waiting,
    /// What its rows refer to.
    pub(super) edges: Edges,
    /// Leases that had ended when a row was lent under them: whoever lets the lock go sweeps them again.
    late: Vec<Arc<Lease>>,
    /// Grants that sessions lost: whoever lets the lock go tells them.
    pub(super) lost: Vec<Loss>,
    /// Rows that end with a lease.
    lent: BTreeMap<RowKey, Arc<Lease>>,
    /// Rows that end at a time.
    expires: BTreeMap<RowKey, ServerTime>,
    due: BTreeSet<(ServerTime, RowKey)>,
    /// What a timer was set for.
    pub(super) timer: Option<ServerTime>,
}

impl Cell {
    pub(super) fn new(
        oid: Oid,
        kind: &'static Kind,
        name: &str,
        durability: Durability,
        options: Options,
        object: Box<dyn Object>,
    ) -> Cell {
        let gate = if durability == Durability::Durable {
            Revision(oid.0)
        } else {
            Revision(0)
        };
        let state = State {
            object,
            last: Revision(oid.0),
            gate,
            gone: false,
            at: ServerTime(0),
            waiting: Waiting::default(),
            edges: Edges::of(&options),
            late: Vec::new(),
            lost: Vec::new(),
            lent: BTreeMap::new(),
            expires: BTreeMap::new(),
            due: BTreeSet::new(),
            timer: None,
        };
        Cell {
            oid,
            kind,
            name: name.into(),
            durability,
            options,
            state: Mutex::new(state),
            waiters: AtomicUsize::new(0),
            counts: Mutex::default(),
        }
    }

    /// Does it live as long as somebody holds it? Otherwise until it is deleted.
    pub(super) fn is_anonymous(&self) -> bool {
        self.name.is_empty()
    }

    /// Are its changes in the log?
    pub(super) fn is_logged(&self) -> bool {
        self.durability != Durability::Memory
    }

    /// As messages name it.
    pub(super) fn title(&self) -> String {
        if self.name.is_empty() {
            format!("the {} {}", self.kind.name, self.oid)
        } else {
            format!("{} \"{}\"", self.kind.name, self.name)
        }
    }
}

impl State {
    /// Applies one row, and keeps the indexes of what ends by itself. `lease` is the caller's.
    pub(super) fn apply(&mut self, oid: Oid, row: &Row, lease: Option<&Arc<Lease>>) {
        if self.lent.is_empty() && self.expires.is_empty() {
            // Nothing ends by itself, as of most objects.
            self.object.apply(row);
            return self.index(oid, row, lease, None);
        }
        let threatened = self.threatened(row, lease);
        self.object.apply(row);
        // Whoever rewrites a row that is lent to somebody else leaves it lent.
        let before = match row {
            Row::Put {
                key, lent: Some(_), ..
            } => self.lent.get(key).cloned(),
            _ => None,
        };
        self.forget_ends(oid, row);
        self.index(oid, row, lease, before.as_ref());
        for grant in threatened {
            let kept = self.is_lent(&grant.key, &grant.lease)
                && self.object.token(&grant.key) == Some(grant.token);
            if !kept {
                self.lost.push(grant.lost(oid));
            }
        }
    }

    /// Notes when a row ends.
    fn index(
        &mut self,
        oid: Oid,
        row: &Row,
        lease: Option<&Arc<Lease>>,
        before: Option<&Arc<Lease>>,
    ) {
        let Row::Put {
            key, lent, expires, ..
        } = row
        else {
            return;
        };
        if let Some(at) = expires {
            self.expires.insert(key.clone(), *at);
            self.due.insert((*at, key.clone()));
        }
        let mut leases = [lease, before].into_iter().flatten();
        if let Some(session) = lent
            && let Some(lease) = leases.find(|lease| lease.session == *session)
        {
            self.lent.insert(key.clone(), Arc::clone(lease));
            if !lease.lend(oid, key.clone()) {
                self.late.push(Arc::clone(lease));
            }
        }
    }

    /// The grants of sessions other than the caller's that a row touches.
    fn threatened(&self, row: &Row, lease: Option<&Arc<Lease>>) -> Vec<Threatened> {
        let grant = |(key, held): (&RowKey, &Arc<Lease>)| {
            if lease.is_some_and(|lease| lease.session == held.session) {
                return None;
            }
            Some(Threatened {
                lease: Arc::clone(held),
                key: key.clone(),
                token: self.object.token(key)?,
            })
        };
        match row {
            Row::Put { key, .. } | Row::Delete { key } => {
                let held = self.lent.get_key_value(key);
                held.and_then(grant).into_iter().collect()
            }
            Row::DeletePrefix { prefix } => self
                .lent
                .range((Bound::Included(prefix.clone()), Bound::Unbounded))
                .take_while(|(key, _)| key.starts_with(prefix))
                .filter_map(grant)
                .collect(),
        }
    }

    /// Is there anything to take?
    pub(super) fn has_news(&self) -> bool {
        !self.late.is_empty() || !self.lost.is_empty()
    }

    /// Leases under which rows were lent too late, and grants that were lost.
    pub(super) fn take_news(&mut self) -> (Vec<Arc<Lease>>, Vec<Loss>) {
        (
            std::mem::take(&mut self.late),
            std::mem::take(&mut self.lost),
        )
    }

    fn forget_ends(&mut self, oid: Oid, row: &Row) {
        match row {
            Row::Put { key, .. } | Row::Delete { key } => self.forget_end(oid, key),
            Row::DeletePrefix { prefix } => {
                let range = (Bound::Included(prefix.clone()), Bound::Unbounded);
                let keys: BTreeSet<RowKey> = self
                    .lent
                    .range(range.clone())
                    .map(|(key, _)| key)
                    .take_while(|key| key.starts_with(prefix))
                    .chain(
                        self.expires
                            .range(range)
                            .map(|(key, _)| key)
                            .take_while(|key| key.starts_with(prefix)),
                    )
                    .cloned()
                    .collect();
                keys.iter().for_each(|key| self.forget_end(oid, key));
            }
        }
    }

    fn forget_end(&mut self, oid: Oid, key: &RowKey) {
        if let Some(lease) = self.lent.remove(key) {
            lease.give_back(oid, key);
        }
        if let Some(at) = self.expires.remove(key) {
            self.due.remove(&(at, key.clone()));
        }
    }

    /// Is this row lent under this lease?
    pub(super) fn is_lent(&self, key: &RowKey, lease: &Arc<Lease>) -> bool {
        self.lent
            .get(key)
            .is_some_and(|held| Arc::ptr_eq(held, lease))
    }

    /// A row that was due by then, if there is one.
    pub(super) fn due(&self, now: ServerTime) -> Option<RowKey> {
        self.due
            .first()
            .filter(|(at, _)| *at <= now)
            .map(|(_, key)| key.clone())
    }

    /// When the next row is due.
    pub(super) fn next_due(&self) -> Option<ServerTime> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Forgets every lent row: the object is gone. Returns the grants that are lost with it.
    #[must_use]
    pub(super) fn release_all(&mut self, oid: Oid) -> Vec<Loss> {
        // Nothing of it falls due any more: whoever waits for that to be done would wait for ever.
        self.expires.clear();
        self.due.clear();
        let mut lost = Vec::new();
        for (key, lease) in std::mem::take(&mut self.lent) {
            lease.give_back(oid, &key);
            let token = self.object.token(&key);
            lost.extend(token.map(|token| Threatened { lease, key, token }.lost(oid)));
        }
        lost
    }
}
