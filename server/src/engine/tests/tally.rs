//! What the answers of a story must add up to.

use super::harness::{World, rows};
use super::programs::LOCKS;
use super::simulation::ONLY;
use commonhold_proto::{Code, Fence, Oid, Refusal, Revision, Row, RowKey, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

#[derive(Default)]
pub(super) struct Tally {
    /// Increments of durable counters that were begun, and the answers: value to revision.
    counters: BTreeMap<String, (u64, BTreeMap<i64, Revision>)>,
    /// Increments of the relaxed counter that were begun.
    pub(super) relaxed: i64,
    /// Increments of a dict's entries that were begun.
    pub(super) book: BTreeMap<usize, i64>,
    /// Answers of the barrier, by place.
    places: BTreeMap<i64, u64>,
    /// Items that were to be put, numbered, and those that were got.
    items: i64,
    got: BTreeSet<i64>,
    pub(super) lingered: usize,
    /// Increments with a fence that were carried out: value to revision and grant.
    fenced: BTreeMap<String, BTreeMap<i64, (Revision, Fence)>>,
    /// Every grant that was answered.
    grants: BTreeSet<(Oid, Revision)>,
    /// Counters that were to be made, and what the one call of each counted.
    made: BTreeMap<String, i64>,
    names: u64,
}

impl Tally {
    pub(super) fn increment(&mut self, name: &str) {
        self.counters.entry(name.to_owned()).or_default().0 += 1;
    }

    /// An increment was answered. No two have the same answer, and values and revisions grow alike.
    pub(super) fn counted(
        &mut self,
        name: &str,
        value: &Value,
        revision: Revision,
    ) -> Result<(), String> {
        let value = value.as_int().ok_or("a counter is no number")?;
        let (_, answers) = self.counters.entry(name.to_owned()).or_default();
        if answers.insert(value, revision).is_some() {
            return Err(format!("{name} was {value} twice"));
        }
        if !answers.values().is_sorted_by(|a, b| a < b) {
            return Err(format!("the revisions of {name} do not grow: {answers:?}"));
        }
        Ok(())
    }

    /// A lock was granted.
    pub(super) fn granted(&mut self, fence: Fence) {
        self.grants.insert((fence.lock, fence.token));
    }

    /// An increment with a fence was carried out.
    pub(super) fn fenced(
        &mut self,
        name: &str,
        value: &Value,
        revision: Revision,
        fence: Fence,
    ) -> Result<(), String> {
        let value = value.as_int().ok_or("a counter is no number")?;
        let answers = self.fenced.entry(name.to_owned()).or_default();
        match answers.insert(value, (revision, fence)) {
            None => Ok(()),
            Some(_) => Err(format!("{name} was {value} twice")),
        }
    }

    /// No holder of a lock writes after the next one was granted it: a token is the revision of its grant.
    fn check_fences(&self) -> Result<(), String> {
        for (name, answers) in &self.fenced {
            for (value, (revision, fence)) in answers {
                let later = (
                    Bound::Excluded((fence.lock, fence.token)),
                    Bound::Excluded((fence.lock, *revision)),
                );
                if let Some((_, token)) = self.grants.range(later).next() {
                    let Fence { token: stale, .. } = fence;
                    return Err(format!(
                        "{name} was made {value} at {revision} under {stale}, after {token} was granted"
                    ));
                }
            }
        }
        Ok(())
    }

    /// A name that nobody used.
    pub(super) fn new_name(&mut self) -> u64 {
        self.names += 1;
        self.names
    }

    /// A call that makes its object was answered: it met nothing that it made itself.
    pub(super) fn made(&mut self, name: &str, made: &Result<Value, Refusal>) -> Result<(), String> {
        let counted = match made {
            Ok(Value::Int(1)) => 1,
            Err(refusal) if refusal.code != Code::Conflict => 0,
            other => return Err(format!("{name} was to be made: {other:?}")),
        };
        match self.made.insert(name.to_owned(), counted) {
            None => Ok(()),
            Some(_) => Err(format!("{name} was answered twice")),
        }
    }

    pub(super) fn passed(&mut self, place: i64) {
        *self.places.entry(place).or_default() += 1;
    }

    pub(super) fn new_item(&mut self) -> i64 {
        self.items += 1;
        self.items
    }

    pub(super) fn got(&mut self, item: &Value) -> Result<(), String> {
        let item = item.as_int().ok_or("an item is no number")?;
        if self.got.insert(item) {
            Ok(())
        } else {
            Err(format!("item {item} was got twice"))
        }
    }

    /// After a crash: what was answered is there.
    pub(super) fn check_kept(&self, world: &World) -> Result<(), String> {
        for (name, (_, answers)) in &self.counters {
            let newest = answers.keys().next_back().copied().unwrap_or(0);
            let value = counter(world, name);
            if value < newest {
                return Err(format!(
                    "{name} was {newest} before the crash and is {value}"
                ));
            }
        }
        for (name, answers) in &self.fenced {
            let newest = answers.keys().next_back().copied().unwrap_or(0);
            if counter(world, name) < newest {
                return Err(format!("{name} was {newest} before the crash"));
            }
        }
        Ok(())
    }

    /// Nobody waits for a condition that is gone.
    pub(super) fn check_waits(world: &World) -> Result<(), String> {
        for (_, lock) in LOCKS {
            for (key, _) in pairs(world, lock, b"w/") {
                let condition = key.get(2..10).and_then(|oid| oid.try_into().ok());
                let condition = Oid(u64::from_be_bytes(
                    condition.ok_or("a key without a number")?,
                ));
                // Its own condition has no number.
                if condition != Oid(0) && world.engine.registry.cell(condition).is_none() {
                    return Err(format!(
                        "{lock}: somebody waits for {condition}, which is gone"
                    ));
                }
            }
        }
        Ok(())
    }

    /// At the end, when everything is answered.
    pub(super) fn check(&self, world: &World, parties: i64) -> Result<(), String> {
        for (name, (begun, answers)) in &self.counters {
            let expected = i64::try_from(*begun).map_err(|error| error.to_string())?;
            if counter(world, name) != expected {
                return Err(format!(
                    "{name} is {} after {begun} increments",
                    counter(world, name)
                ));
            }
            if !answers.keys().copied().eq(1..=expected) {
                return Err(format!("the answers of {name} are {answers:?}"));
            }
        }
        self.check_fences()?;
        for (name, answers) in &self.fenced {
            // Whatever was refused was not carried out.
            if !answers.keys().copied().eq(1..=counter(world, name)) {
                let value = counter(world, name);
                return Err(format!(
                    "{name} is {value}, and the answers were {answers:?}"
                ));
            }
        }
        for (name, counted) in &self.made {
            if counter(world, name) != *counted {
                let value = counter(world, name);
                return Err(format!("{name} is {value}, and its call counted {counted}"));
            }
        }
        for (_, lock) in LOCKS {
            if let Some((key, _)) = pairs(world, lock, b"w/").first() {
                return Err(format!("{lock}: {key:?} is the wait of nobody"));
            }
        }
        if counter(world, "relaxed") > self.relaxed {
            return Err("the relaxed counter counts too far".to_owned());
        }
        for (entry, begun) in &self.book {
            let row = Value::from(*entry).canonical_key();
            let row = row.map_err(|error| error.to_string())?;
            let value = pairs(world, "book", &row)
                .first()
                .and_then(|(_, value)| value.as_int());
            if value != Some(*begun) {
                return Err(format!(
                    "entry {entry} is {value:?} after {begun} increments"
                ));
            }
        }
        if (0..parties).any(|place| self.places.get(&place) != self.places.get(&0)) {
            return Err(format!("the barrier let through {:?}", self.places));
        }
        let mut left = entries(world, "basket");
        left.extend(under(world, "jobs", b"i/"));
        let left: BTreeSet<i64> = left.iter().filter_map(Value::as_int).collect();
        if !self.got.is_disjoint(&left) {
            return Err("an item was got and is still there".to_owned());
        }
        if !self.got.union(&left).copied().eq(1..=self.items) {
            return Err(format!(
                "of {} items {:?} were got and {left:?} are left",
                self.items, self.got
            ));
        }
        if entries(world, "door").len() != self.lingered {
            return Err(format!(
                "{} rows of {} that lingered",
                entries(world, "door").len(),
                self.lingered
            ));
        }
        Ok(())
    }
}

/// Nobody puts anything there.
pub(super) fn got_nothing(got: &Result<Value, Refusal>) -> Result<(), String> {
    match got {
        Err(refusal) if refusal.code != Code::Conflict => Ok(()),
        other => Err(format!("a queue that was to be made: {other:?}")),
    }
}

/// The values of an object's rows; none if it was never made.
fn entries(world: &World, name: &str) -> Vec<Value> {
    under(world, name, b"")
}

/// Of those whose keys begin so.
fn under(world: &World, name: &str, prefix: &[u8]) -> Vec<Value> {
    let pairs = pairs(world, name, prefix).into_iter();
    pairs.map(|(_, value)| value).collect()
}

/// The same, with the keys.
fn pairs(world: &World, name: &str, prefix: &[u8]) -> Vec<(RowKey, Value)> {
    let Some(cell) = world.engine.registry.named(name) else {
        return Vec::new();
    };
    let pairs = rows(&cell).into_iter().filter_map(|row| match row {
        Row::Put { key, value, .. } if key.starts_with(prefix) => Some((key, value)),
        _ => None,
    });
    pairs.collect()
}

fn counter(world: &World, name: &str) -> i64 {
    let Some(cell) = world.engine.registry.named(name) else {
        return 0;
    };
    match cell.state.lock().object.row(&ONLY) {
        Some(Row::Put { value, .. }) => value.as_int().unwrap_or(0),
        _ => 0,
    }
}
