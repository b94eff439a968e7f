//! The one row of kinds that have one, under the empty key.

use super::terms::Terms;
use super::{Cursor, RowLimit};
use commonhold_proto::{Row, RowKey, Value};

/// The row `""`, if it was ever written.
#[derive(Debug, Default)]
pub(super) struct Single(Option<(Value, Terms)>);

impl Single {
    pub(super) fn value(&self) -> Option<&Value> {
        self.0.as_ref().map(|(value, _)| value)
    }

    /// The row that writes this value and ends with no lease and at no time.
    pub(super) fn put(value: impl Into<Value>) -> Row {
        Row::put(RowKey::EMPTY, value.into())
    }

    /// The row that writes this value and keeps the terms.
    pub(super) fn keep(&self, value: Value) -> Row {
        match &self.0 {
            Some((_, terms)) => terms.put(RowKey::EMPTY, value),
            None => Single::put(value),
        }
    }

    /// [`super::Object::apply`]: a value that the kind does not take is ignored.
    pub(super) fn apply(&mut self, row: &Row, takes: impl Fn(&Value) -> bool) {
        match row {
            Row::Put {
                key,
                value,
                lent,
                expires,
                ..
            } if *key == RowKey::EMPTY && takes(value) => {
                self.0 = Some((value.clone(), Terms::of(*lent, *expires)));
            }
            Row::Put { .. } => {}
            Row::Delete { .. } | Row::DeletePrefix { .. } => {
                if row.touches(&RowKey::EMPTY) {
                    self.0 = None;
                }
            }
        }
    }

    /// [`super::Object::row`]
    pub(super) fn row(&self, key: &RowKey) -> Option<Row> {
        let (value, terms) = self.0.as_ref()?;
        (*key == RowKey::EMPTY).then(|| terms.put(RowKey::EMPTY, value.clone()))
    }

    /// [`super::Object::rows`]
    pub(super) fn rows(
        &self,
        after: Option<&Cursor>,
        _limit: RowLimit,
    ) -> (Vec<Row>, Option<Cursor>) {
        match after {
            None => (self.row(&RowKey::EMPTY).into_iter().collect(), None),
            Some(_) => (Vec::new(), None),
        }
    }

    /// [`super::Object::bytes`]
    pub(super) fn bytes(&self) -> u64 {
        self.value().map_or(0, |value| value.size() as u64)
    }
}
