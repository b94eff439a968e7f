//! The shared objects that a value points to.

use super::{Reference, Value};

impl Value {
    /// Does it point to a shared object anywhere? Nothing to do for a scalar. Nesting must have been
    /// [bounded](Value::is_too_large) before.
    #[inline]
    pub fn has_references(&self) -> bool {
        match self {
            Value::Reference(_) => true,
            Value::Opaque(_)
            | Value::List(_)
            | Value::Tuple(_)
            | Value::Set(_)
            | Value::Frozenset(_)
            | Value::Dict(_) => self.has_references_within(),
            _ => false,
        }
    }

    fn has_references_within(&self) -> bool {
        match self {
            Value::Opaque(opaque) => !opaque.references.is_empty(),
            Value::List(items)
            | Value::Tuple(items)
            | Value::Set(items)
            | Value::Frozenset(items) => items.iter().any(Value::has_references),
            Value::Dict(pairs) => pairs
                .iter()
                .any(|(key, value)| key.has_references() || value.has_references()),
            _ => false,
        }
    }

    /// Shows every reference in it, those that an opaque value declares included, in order; one that is there twice
    /// twice.
    pub fn each_reference<'a>(&'a self, see: &mut impl FnMut(&'a Reference)) {
        match self {
            Value::Reference(reference) => see(reference),
            Value::Opaque(opaque) => opaque.references.iter().for_each(see),
            Value::List(items)
            | Value::Tuple(items)
            | Value::Set(items)
            | Value::Frozenset(items) => items.iter().for_each(|item| item.each_reference(see)),
            Value::Dict(pairs) => {
                for (key, value) in pairs {
                    key.each_reference(see);
                    value.each_reference(see);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::value::strategy;
    use crate::{Oid, Opaque, Reference, Value};
    use proptest::prelude::*;

    fn reference(oid: u64) -> Reference {
        Reference {
            kind: "list".into(),
            name: String::new(),
            oid: Oid(oid),
        }
    }

    fn check(value: &Value, expected: &[u64]) {
        let mut seen = Vec::new();
        value.each_reference(&mut |reference| seen.push(reference.oid.0));
        assert_eq!(seen, expected);
        assert_eq!(value.has_references(), !expected.is_empty());
    }

    #[test]
    fn references_are_found_wherever_they_are() {
        let pointer = |oid| Value::Reference(reference(oid).into());
        check(&Value::Null, &[]);
        check(&pointer(7), &[7]);
        let opaque = |references| {
            Value::Opaque(Box::new(Opaque {
                codec: "pickle".into(),
                bytes: bytes::Bytes::new(),
                references,
            }))
        };
        check(&opaque(vec![]), &[]);
        check(&opaque(vec![reference(3), reference(4)]), &[3, 4]);
        let key = Value::Tuple(vec![1.into(), pointer(5)]);
        let nested = Value::Dict(vec![
            ("a".into(), Value::List(vec![pointer(6), "b".into()])),
            (key, Value::Frozenset(vec![pointer(6)])),
        ]);
        check(&nested, &[6, 5, 6]);
        check(
            &Value::Set(vec![nested, opaque(vec![reference(9)])]),
            &[6, 5, 6, 9],
        );
    }

    proptest! {
        #[test]
        fn asking_and_looking_agree(value in strategy::value()) {
            let mut seen = 0;
            value.each_reference(&mut |_| seen += 1);
            prop_assert_eq!(value.has_references(), seen > 0);
        }
    }
}
