//! `set`: members in insertion order, with Python's idea of equal members.
//!
//! A row is canonical member bytes -> `(ticket, ticket's index, first member)`. A member that is added again changes
//! nothing: as in Python, of `1`, `1.0` and `True` the first that came stays.

mod methods;
#[cfg(test)]
mod tests;

pub use methods::KIND;

use super::ordered::{Entry, Held, Ordered};
use super::paging::few;
use super::terms::Terms;
use super::{Arguments, Cursor, Decision, Object, Operation, RowLimit};
use commonhold_proto::value::KeyBuffer;
use commonhold_proto::{Code, Refusal, Row, RowKey, Rows, Ticket, Value};
use std::borrow::Cow;
use std::collections::HashSet;

/// A set.
#[derive(Debug, Default)]
struct Set {
    rows: Ordered<Member>,
}

/// What a row holds, but for its ticket.
#[derive(Debug)]
struct Member {
    value: Value,
    terms: Terms,
}

impl Held for Member {
    fn size(&self) -> usize {
        self.value.size()
    }
}

impl Entry<'_, Member> {
    fn delete(&self) -> Row {
        Row::delete(self.row.clone())
    }
}

impl Object for Set {
    fn decide(
        &self,
        operation: &Operation,
        call: &Arguments,
        _ahead: bool,
    ) -> Result<Decision, Refusal> {
        match call.method() {
            "add" => {
                let rows = self.add(operation, std::slice::from_ref(&call.value("member")?))?;
                Ok(changed(!rows.is_empty(), rows))
            }
            "discard" => {
                let rows = self
                    .find(sought(call)?.as_ref())?
                    .1
                    .map(|entry| entry.delete());
                Ok(changed(rows.is_some(), rows.into_iter().collect()))
            }
            "remove" => {
                let member = sought(call)?;
                match self.find(&member)?.1 {
                    Some(entry) => Ok(Decision::reply(Value::Null).with(entry.delete())),
                    None => Err(no_member(&format!("no member {}", member.repr()))),
                }
            }
            "contains" => {
                let there = self.find(sought(call)?.as_ref())?.1.is_some();
                Ok(Decision::reply(there))
            }
            "len" => Ok(Decision::reply(self.rows.len())),
            "pop" => match self.rows.last() {
                Some(entry) => Ok(Decision::reply(to_value(&entry)).with(entry.delete())),
                None => Err(no_member("no member")),
            },
            "clear" => Ok(self.clear()),
            "copy" => self
                .list()
                .map(|members| Decision::reply(Value::Set(members))),
            "items" => self
                .list()
                .map(|members| Decision::reply(Value::List(members))),
            "scan" => self.rows.scan(call, to_value),
            other => self.decide_many(other, operation, &members(call)?),
        }
    }

    fn apply(&mut self, row: &Row) {
        match row {
            Row::Put {
                key: bytes,
                value,
                lent,
                expires,
                ..
            } => {
                let Some((ticket, value)) = parse(value) else {
                    return;
                };
                let member = || Member {
                    value: value.clone(),
                    terms: Terms::of(*lent, *expires),
                };
                if !self.rows.change(ticket, bytes, |held| *held = member()) {
                    self.rows.put(ticket, bytes, member());
                }
            }
            Row::Delete { key } => self.rows.remove(key),
            Row::DeletePrefix { prefix } => self.rows.remove_prefix(prefix),
        }
    }

    fn row(&self, key: &RowKey) -> Option<Row> {
        Some(to_row(&self.rows.get(key)?))
    }

    fn rows(&self, after: Option<&Cursor>, limit: RowLimit) -> (Vec<Row>, Option<Cursor>) {
        self.rows.rows(after, limit, to_row)
    }

    fn entries(&self) -> u64 {
        self.rows.len() as u64
    }

    fn bytes(&self) -> u64 {
        self.rows.bytes() as u64
    }
}

impl Set {
    /// Decides about a call that is given many members.
    fn decide_many(
        &self,
        method: &str,
        operation: &Operation,
        members: &[&Value],
    ) -> Result<Decision, Refusal> {
        match method {
            "update" => {
                let rows = self.add(operation, members)?;
                Ok(changed(Value::Null, rows))
            }
            "add_many" => {
                let rows = self.add(operation, members)?;
                Ok(changed(rows.len(), rows))
            }
            "difference_update" => Ok(changed(Value::Null, deletes(&self.there(members)?))),
            "discard_many" => {
                let rows = deletes(&self.there(members)?);
                Ok(changed(rows.len(), rows))
            }
            "intersection_update" => Ok(changed(Value::Null, deletes(&self.others(members)?))),
            "intersection" => Ok(set_of(&self.there(members)?)),
            "difference" => Ok(set_of(&self.others(members)?)),
            "union" => self.union(members),
            "issuperset" => {
                let there = self.there(members)?.len();
                Ok(Decision::reply(there == keys(members)?.len()))
            }
            "issubset" => Ok(Decision::reply(
                self.there(members)?.len() == self.rows.len(),
            )),
            "isdisjoint" => Ok(Decision::reply(self.there(members)?.is_empty())),
            other => Err(Refusal::new(Code::NoMethod, other)),
        }
    }

    /// The entry of this member, and the member's bytes.
    fn find(&self, member: &Value) -> Result<(KeyBuffer, Option<Entry<'_, Member>>), Refusal> {
        let mut bytes = KeyBuffer::new();
        member.write_canonical_key(&mut bytes)?;
        let entry = self.rows.get(&bytes);
        Ok((bytes, entry))
    }

    /// The rows that add those of the members that are not there.
    fn add(&self, operation: &Operation, members: &[&Value]) -> Result<Rows, Refusal> {
        let mut ticket = self.rows.next_ticket(operation.last);
        let mut seen = HashSet::new();
        let mut rows = Rows::new();
        for member in members {
            let (bytes, entry) = self.find(member)?;
            if entry.is_some() || seen.contains(&bytes) {
                continue;
            }
            rows.push(fresh(ticket, &bytes, member));
            ticket.index = ticket.index.saturating_add(1);
            if members.len() > 1 {
                seen.insert(bytes);
            }
        }
        Ok(rows)
    }

    /// The entries of those of the members that are there, each once.
    fn there(&self, members: &[&Value]) -> Result<Vec<Entry<'_, Member>>, Refusal> {
        let mut seen = HashSet::new();
        let mut there = Vec::new();
        for member in members {
            let (bytes, entry) = self.find(member)?;
            if let Some(entry) = entry
                && seen.insert(bytes)
            {
                there.push(entry);
            }
        }
        Ok(there)
    }

    /// The entries of members that are not among these.
    fn others(&self, members: &[&Value]) -> Result<Vec<Entry<'_, Member>>, Refusal> {
        let given = keys(members)?;
        let entries = self.rows.all()?;
        Ok(entries
            .filter(|entry| !given.contains(&entry.row[..]))
            .collect())
    }

    fn union(&self, members: &[&Value]) -> Result<Decision, Refusal> {
        let mut union = self.list()?;
        let mut seen = HashSet::new();
        for member in members {
            let (bytes, entry) = self.find(member)?;
            if entry.is_none() && seen.insert(bytes) {
                union.push((*member).clone());
            }
        }
        few(union.len())?;
        Ok(Decision::reply(Value::Set(union)))
    }

    fn list(&self) -> Result<Vec<Value>, Refusal> {
        Ok(self.rows.all()?.map(|entry| to_value(&entry)).collect())
    }

    fn clear(&self) -> Decision {
        let decision = Decision::reply(Value::Null);
        if self.rows.len() == 0 {
            return decision;
        }
        decision.with(Row::DeletePrefix {
            prefix: RowKey::EMPTY,
        })
    }
}

/// The member that the call looks for. Python looks for a frozenset where it is given a set.
fn sought(call: &Arguments) -> Result<Cow<'_, Value>, Refusal> {
    Ok(match call.value("member")? {
        Value::Set(members) => Cow::Owned(Value::Frozenset(members.clone())),
        member => Cow::Borrowed(member),
    })
}

/// The members that the call is given.
fn members(call: &Arguments) -> Result<Vec<&Value>, Refusal> {
    let members: Vec<&Value> = match call.value("members")? {
        Value::Dict(pairs) => pairs.iter().map(|(key, _)| key).collect(),
        _ => call.items("members")?.iter().collect(),
    };
    few(members.len())?;
    Ok(members)
}

/// The bytes of these members, each once.
fn keys(members: &[&Value]) -> Result<HashSet<Vec<u8>>, Refusal> {
    members
        .iter()
        .map(|member| Ok(member.canonical_key()?))
        .collect()
}

fn to_row(entry: &Entry<'_, Member>) -> Row {
    let Member { value, terms } = entry.held;
    terms.put(entry.row.clone(), row_value(entry.ticket, value.clone()))
}

fn to_value(entry: &Entry<'_, Member>) -> Value {
    entry.held.value.clone()
}

fn deletes(entries: &[Entry<'_, Member>]) -> Rows {
    entries.iter().map(Entry::delete).collect()
}

fn set_of(entries: &[Entry<'_, Member>]) -> Decision {
    Decision::reply(Value::Set(entries.iter().map(to_value).collect()))
}

fn changed(reply: impl Into<Value>, rows: Rows) -> Decision {
    let mut decision = Decision::reply(reply);
    decision.rows = rows;
    decision
}

fn no_member(message: &str) -> Refusal {
    Refusal::new(Code::NotFound, message)
}

fn fresh(ticket: Ticket, bytes: &[u8], member: &Value) -> Row {
    Row::put(RowKey::from(bytes), row_value(ticket, member.clone()))
}

fn row_value(ticket: Ticket, member: Value) -> Value {
    Value::Tuple(vec![ticket.revision.into(), ticket.index.into(), member])
}

/// Takes a row's value apart, if it is one of a set.
fn parse(value: &Value) -> Option<(Ticket, &Value)> {
    let Value::Tuple(parts) = value else {
        return None;
    };
    let [Value::Int(revision), Value::Int(index), member] = &parts[..] else {
        return None;
    };
    let ticket = Ticket {
        revision: u64::try_from(*revision).ok()?,
        index: u64::try_from(*index).ok()?,
    };
    Some((ticket, member))
}
