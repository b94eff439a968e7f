//! References that rows hold: which there are, which may be stored, and what storing and dropping them counts.

use super::Engine;
use super::cell::{Cell, State};
use super::references::Grip;
use super::table::REGISTRY;
use crate::objects::{Arguments, Decision, Options};
use commonhold_proto::{Code, Durability, Oid, Reference, Refusal, Row, RowKey, Value};
use smallvec::SmallVec;
use std::collections::BTreeMap;
use std::ops::Bound;

/// The rows of one object that refer to others. Kept beside the object, so that an overwritten or deleted row need not be
/// asked for, and emptying an object of many references takes them all at once.
#[derive(Default)]
pub(super) struct Edges {
    rows: BTreeMap<RowKey, SmallVec<[Oid; 1]>>,
    /// What its creation options refer to: for as long as it exists.
    options: SmallVec<[Oid; 1]>,
}

impl Edges {
    /// Those of an object without rows.
    pub(super) fn of(options: &Options) -> Edges {
        let values = options.given().iter().map(|(_, value)| value);
        Edges {
            options: values.flat_map(targets).collect(),
            ..Edges::default()
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.options.is_empty()
    }

    /// What its options and every row refer to, for recovery and for counting again.
    pub(super) fn all(&self) -> impl Iterator<Item = Oid> {
        let rows = self.rows.values().flatten();
        self.options.iter().chain(rows).copied()
    }

    /// Notes a row that was put; returns what it referred to before.
    pub(super) fn put(&mut self, key: &RowKey, value: &Value) -> SmallVec<[Oid; 1]> {
        let oids = targets(value);
        let before = if oids.is_empty() {
            self.rows.remove(key)
        } else {
            self.rows.insert(key.clone(), oids)
        };
        before.unwrap_or_default()
    }

    fn delete(&mut self, row: &Row) -> Vec<Oid> {
        match row {
            Row::Put { .. } => Vec::new(),
            Row::Delete { key } => self.rows.remove(key).unwrap_or_default().into_vec(),
            Row::DeletePrefix { prefix } if prefix.is_empty() => {
                let rows = std::mem::take(&mut self.rows);
                rows.into_values().flatten().collect()
            }
            Row::DeletePrefix { prefix } => {
                let from = (Bound::Included(prefix), Bound::Unbounded);
                let keys = self.rows.range::<RowKey, _>(from).map(|(key, _)| key);
                let keys = keys.take_while(|key| key.starts_with(prefix));
                let keys: Vec<RowKey> = keys.cloned().collect();
                let gone = keys.iter().filter_map(|key| self.rows.remove(key));
                gone.flatten().collect()
            }
        }
    }

    /// What at most `most` rows after the key refer to, with what the options do before the first, and the last of the
    /// keys if there may be more.
    pub(super) fn page(&self, after: Option<&RowKey>, most: usize) -> (Vec<Oid>, Option<RowKey>) {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let (mut oids, mut last, mut rows) = (Vec::new(), None, 0);
        if after.is_none() {
            oids.extend_from_slice(&self.options);
        }
        for (key, targets) in self.rows.range::<RowKey, _>((from, Bound::Unbounded)) {
            oids.extend_from_slice(targets);
            rows += 1;
            if rows == most {
                last = Some(key.clone());
                break;
            }
        }
        (oids, last)
    }
}

/// The objects that a value refers to by identity, each once.
pub(super) fn targets(value: &Value) -> SmallVec<[Oid; 1]> {
    let mut oids: SmallVec<[Oid; 1]> = SmallVec::new();
    if value.has_references() {
        value.each_reference(&mut |reference| oids.push(reference.oid));
        oids.retain(|oid| oid.0 != 0);
        oids.sort_unstable();
        oids.dedup();
    }
    oids
}

fn put(row: &Row) -> Option<(&RowKey, &Value)> {
    match row {
        Row::Put { key, value, .. } => Some((key, value)),
        Row::Delete { .. } | Row::DeletePrefix { .. } => None,
    }
}

impl Engine {
    /// Checks the references that a decision stores, before any of it is applied, and holds what they point to until its
    /// rows do. A decision that stores what it may not is refused.
    pub(super) fn grip_decision(
        &self,
        cell: &Cell,
        state: &State,
        decision: &Decision,
    ) -> Result<Option<Grip>, Refusal> {
        let mut values = decision.rows.iter().filter_map(put);
        if !values.any(|(_, value)| value.has_references()) {
            return Ok(None);
        }
        let mut grip = Grip::new(&self.references);
        let mut refused = None;
        for (_, value) in decision.rows.iter().filter_map(put) {
            value.each_reference(&mut |reference| {
                if refused.is_none()
                    && let Err(refusal) = self.grip_reference(cell, &mut grip, reference)
                    // What the object holds already it may hold in another row: it is not stored anew.
                    && !state.edges.all().any(|held| held == reference.oid)
                {
                    refused = Some(refusal);
                }
            });
        }
        match refused {
            Some(refusal) => Err(refusal),
            None => Ok(Some(grip)),
        }
    }

    fn grip_reference(
        &self,
        container: &Cell,
        grip: &mut Grip,
        reference: &Reference,
    ) -> Result<(), Refusal> {
        let target = if reference.oid.0 == 0 && !reference.name.is_empty() {
            // It only names an object: whoever follows it opens that, and may create it then.
            match self.registry.named(&reference.name) {
                Some(target) => target,
                None => return Ok(()),
            }
        } else {
            let target = self.registry.cell(reference.oid);
            target.ok_or_else(|| Engine::gone(reference.oid))?
        };
        if lasts(target.durability) < lasts(container.durability) {
            let (kind, durability) = (target.kind.name, container.durability.name());
            let message = format!(
                "{} is {durability} and cannot refer to {}, which is {} and may be lost before it: create the {kind} with \
                 durability \"{durability}\"",
                container.title(),
                target.title(),
                target.durability.name(),
            );
            return Err(Refusal::new(Code::MixedDurability, message));
        }
        let oid = target.oid;
        if grip.take(target) {
            Ok(())
        } else {
            Err(Engine::gone(oid))
        }
    }

    /// Holds what the arguments of a call that waits refer to.
    pub(super) fn grip_call(&self, call: &Arguments, later: Option<&Arguments>) -> Option<Grip> {
        let cells = self.call_cells(call, later);
        if cells.is_empty() {
            return None;
        }
        let mut grip = Grip::new(&self.references);
        for cell in cells {
            // One that is gone already is noticed when the call stores it.
            let _ = grip.take(cell);
        }
        Some(grip)
    }

    /// Counts what rows refer to that are about to be applied. Returns what the rows before them referred to, which is
    /// to be [dropped](super::references::References::drop_later) once the log has the change: never sooner, or a crash
    /// could leave rows that refer to nothing.
    #[inline]
    pub(super) fn rewrite_edges(&self, cell: &Cell, state: &mut State, rows: &[Row]) -> Vec<Oid> {
        // What the options of an object refer to counts for the object itself, whether or not the log knows it.
        if cell.oid == REGISTRY {
            return Vec::new();
        }
        let mut puts = rows.iter().filter_map(put);
        if state.edges.is_empty() && !puts.any(|(_, value)| value.has_references()) {
            return Vec::new();
        }
        self.rewrite(cell, state, rows)
    }

    fn rewrite(&self, cell: &Cell, state: &mut State, rows: &[Row]) -> Vec<Oid> {
        let had = !state.edges.is_empty();
        let mut dropped = Vec::new();
        for row in rows {
            match put(row) {
                Some((key, value)) => {
                    for oid in targets(value) {
                        self.count_edge(oid);
                    }
                    dropped.extend(state.edges.put(key, value));
                }
                None => dropped.extend(state.edges.delete(row)),
            }
        }
        self.note_container(cell.oid, had, !state.edges.is_empty());
        dropped
    }

    /// Counts a row that refers to an object.
    pub(super) fn count_edge(&self, oid: Oid) {
        if let Some(target) = self.registry.cell(oid) {
            self.references.count_row(&target);
        }
    }

    /// Notes whether an object has references.
    pub(super) fn note_container(&self, oid: Oid, had: bool, has: bool) {
        if had != has {
            let mut containers = self.references.containers.lock();
            if has {
                containers.insert(oid);
            } else {
                containers.remove(&oid);
            }
        }
    }

    /// Takes all edges of an object that is gone.
    pub(super) fn take_edges(&self, cell: &Cell, state: &mut State) -> Edges {
        self.note_container(cell.oid, !state.edges.is_empty(), false);
        std::mem::take(&mut state.edges)
    }
}

/// The more, the longer.
pub(super) fn lasts(durability: Durability) -> u8 {
    match durability {
        Durability::Memory => 0,
        Durability::Relaxed => 1,
        Durability::Durable => 2,
    }
}
