//! What tests of references share: making anonymous objects, pointing to them, and counting who holds them again.

use super::super::Engine;
use super::super::cell::Cell;
use super::super::references::References;
use super::harness::{World, named};
use super::identity::server;
use super::peer::Peer;
use commonhold_proto::{Call, Oid, Reference, Refusal, Target, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// The call that creates an anonymous object.
pub(super) fn create(kind: &str, durability: &str) -> Call {
    Call::new("open", [kind.into()]).with("durability", durability)
}

/// The object that a reference points to.
#[track_caller]
pub(super) fn pointed(value: &Value) -> Oid {
    match value {
        Value::Reference(reference) => reference.oid,
        other => panic!("{other:?} is no reference"),
    }
}

/// A reference to an anonymous object.
pub(super) fn pointer(kind: &str, oid: Oid) -> Value {
    Value::Reference(Box::new(Reference {
        kind: kind.into(),
        name: String::new(),
        oid,
    }))
}

/// Makes an anonymous dict that the peer holds.
#[track_caller]
pub(super) fn make(world: &mut World, peer: &mut Peer, durability: &str) -> Oid {
    let made = peer.ask(world, &server(), create("dict", durability));
    pointed(&made.expect("it is made"))
}

/// Puts a reference to a dict under a key of a dict.
pub(super) fn set(key: &str, oid: Oid) -> Call {
    Call::new("set", [key.into(), pointer("dict", oid)])
}

pub(super) fn get(key: &str) -> Call {
    Call::new("get", [key.into()])
}

/// The peer wants it no more, and has told which replies it has.
pub(super) fn let_go(world: &mut World, peer: &mut Peer, oid: Oid) -> Result<Value, Refusal> {
    peer.acknowledge(world);
    let call = Call::new("drop", [Value::List(vec![oid.0.into()])]);
    peer.ask(world, &server(), call)
}

pub(super) fn exists(world: &World, oid: Oid) -> bool {
    world.engine.registry.cell(oid).is_some()
}

pub(super) fn dict(name: &str) -> Target {
    named("dict", name)
}

/// Counts who holds each anonymous object from all rows and sessions, and compares. Nothing may be under way.
pub(super) fn check_counts(engine: &Engine) -> Result<(), String> {
    while engine.free_some() {}
    let mut rows: BTreeMap<Oid, u64> = BTreeMap::new();
    let mut containers = BTreeSet::new();
    let cells = engine.registry.all();
    for cell in &cells {
        for (_, value) in cell.options.given() {
            for oid in super::super::edges::targets(value) {
                *rows.entry(oid).or_default() += 1;
                containers.insert(cell.oid);
            }
        }
        for row in super::harness::rows(cell) {
            if let commonhold_proto::Row::Put { value, .. } = &row {
                for oid in super::super::edges::targets(value) {
                    *rows.entry(oid).or_default() += 1;
                    containers.insert(cell.oid);
                }
            }
        }
    }
    let mut sessions: BTreeMap<Oid, u32> = BTreeMap::new();
    for session in engine.sessions() {
        for oid in session.holdings.with(|held| held.all()) {
            *sessions.entry(oid).or_default() += 1;
        }
    }
    let noted: BTreeSet<Oid> = engine
        .references
        .containers
        .lock()
        .iter()
        .copied()
        .collect();
    if noted != containers {
        return Err(format!("containers are {containers:?}, noted {noted:?}"));
    }
    let anonymous: Vec<&Arc<Cell>> = cells.iter().filter(|cell| cell.is_anonymous()).collect();
    for cell in &anonymous {
        let counts = cell.counts.lock();
        let counted = (
            rows.get(&cell.oid).copied().unwrap_or(0),
            sessions.get(&cell.oid).copied().unwrap_or(0),
        );
        if counted != (counts.rows, counts.sessions) {
            return Err(format!(
                "{} is held by {counted:?}, not {counts:?}",
                cell.oid
            ));
        }
    }
    let contained = anonymous
        .iter()
        .filter(|cell| References::is_contained(cell));
    let expected = (anonymous.len(), contained.count());
    let noted = (
        engine.references.anonymous.load(Ordering::Relaxed),
        engine.references.contained.load(Ordering::Relaxed),
    );
    if noted != expected {
        return Err(format!("there are {expected:?}, noted {noted:?}"));
    }
    Ok(())
}
