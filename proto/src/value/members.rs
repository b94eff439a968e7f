//! That keys and members are there once: what a [`Value`] says of its dicts and sets, and the wire cannot.

use super::key::KeyBuffer;
use super::{Reference, Value};
use std::collections::HashSet;
use twox_hash::XxHash3_64;

impl Value {
    /// A key or member that its dict or set has twice, anywhere in this value.
    ///
    /// What cannot be a key equals nothing here. Nesting must have been [bounded](Value::is_too_large) before.
    #[inline]
    pub fn twice(&self) -> Option<&Value> {
        if self.is_small() {
            return None;
        }
        match self {
            Value::Set(members) | Value::Frozenset(members) => twice(members.iter()),
            Value::Dict(pairs) => twice(pairs.iter().map(|(key, _)| key)),
            _ => None,
        }
        .or_else(|| self.twice_within())
    }

    /// As [`Value::twice`], but of this value's own keys or members each is only looked into.
    pub fn twice_within(&self) -> Option<&Value> {
        match self {
            Value::List(items)
            | Value::Tuple(items)
            | Value::Set(items)
            | Value::Frozenset(items) => items.iter().find_map(Value::twice),
            Value::Dict(pairs) => pairs
                .iter()
                .find_map(|(key, value)| key.twice().or_else(|| value.twice())),
            _ => None,
        }
    }
}

/// The second of two equal members.
fn twice<'a>(members: impl ExactSizeIterator<Item = &'a Value> + Clone) -> Option<&'a Value> {
    if members.len() < 2 {
        return None;
    }
    // Equal members have equal hashes: where all differ, which is nearly always, eight bytes for each suffice. Whoever finds
    // different members of equal hashes has them compared, which costs a little more.
    let mut scratch = KeyBuffer::new();
    let mut hashes: Vec<u64> = members
        .clone()
        .filter_map(|member| {
            scratch.clear();
            member.write_canonical_key(&mut scratch).ok()?;
            Some(XxHash3_64::oneshot(&scratch))
        })
        .collect();
    hashes.sort_unstable();
    if hashes.windows(2).all(|pair| pair[0] != pair[1]) {
        return None;
    }
    let mut seen = HashSet::new();
    members.into_iter().find(|member| {
        let key = member.canonical_key();
        key.is_ok_and(|key| !seen.insert((key, names(member))))
    })
}

/// The objects that a key refers to by name: where no identity tells them apart, as their canonical form does, their
/// names do.
pub(super) fn names(key: &Value) -> Vec<&Reference> {
    match key {
        Value::Reference(reference) => vec![reference],
        Value::Tuple(items) => items.iter().flat_map(names).collect(),
        Value::Frozenset(members) => {
            let mut names: Vec<_> = members.iter().flat_map(names).collect();
            names.sort_unstable_by(|a, b| (&a.name, &a.kind).cmp(&(&b.name, &b.kind)));
            names
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Oid;
    use crate::value::strategy;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn check(members: &[Value], expected: Option<&Value>) {
        let pairs = members.iter().map(|key| (key.clone(), Value::Null));
        for value in [
            Value::Set(members.to_vec()),
            Value::Frozenset(members.to_vec()),
            Value::Dict(pairs.collect()),
        ] {
            assert_eq!(value.twice(), expected);
            // Inside of others, as a key as well.
            let inside = Value::List(vec![1.into(), Value::Tuple(vec![value.clone()])]);
            assert_eq!(inside.twice(), expected);
            let inside = Value::Dict(vec![("k".into(), value.clone())]);
            assert_eq!(inside.twice(), expected);
            let inside = Value::Dict(vec![(value, Value::Null)]);
            assert_eq!(inside.twice(), expected);
        }
    }

    #[test]
    fn equal_is_as_in_python() {
        check(&[], None);
        check(&[1.into()], None);
        check(&[1.into(), 2.into(), "1".into()], None);
        check(&[1.into(), 2.into(), 1.0.into()], Some(&1.0.into()));
        check(&["a".into(), "a".into()], Some(&"a".into()));
        check(&[f64::NAN.into(), f64::NAN.into()], None);
    }

    #[test]
    fn objects_that_are_named_are_told_apart_by_their_names() {
        let named = |name: &str| {
            Value::Reference(Box::new(Reference {
                kind: "dict".into(),
                name: name.into(),
                oid: Oid(0),
            }))
        };
        check(&[named("a"), named("b")], None);
        check(&[named("a"), named("a")], Some(&named("a")));
    }

    proptest! {
        #[test]
        fn it_is_found_exactly_if_it_is_there(members in vec(strategy::number(), 0..6)) {
            let any = members.iter().enumerate().any(|(at, member)| {
                members[..at].iter().any(|before| before.equals(member))
            });
            prop_assert_eq!(Value::Set(members).twice().is_some(), any);
        }
    }
}
