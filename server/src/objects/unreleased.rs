//! What is known of a holder that did not give its lock back, until the next one was told.

use super::Lapse;
use super::hold::Hold;
use super::terms::Terms;
use commonhold_proto::{Row, RowKey, Value};

/// The key of its row. The value is the note of a holder that died, or `(note, how it ended)`.
pub(super) static UNRELEASED: RowKey = RowKey::of("died");

/// How a hold ended that was not given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Its client died.
    Died,
    /// It was held for longer than its lease.
    Expired,
    /// Somebody else freed it.
    Forced,
}

impl End {
    const ALL: [End; 3] = [End::Died, End::Expired, End::Forced];

    /// A client that ends cleanly gives back what it holds.
    pub(super) fn of(why: Lapse) -> Option<End> {
        match why {
            Lapse::Died => Some(End::Died),
            Lapse::Expired => Some(End::Expired),
            Lapse::Goodbye => None,
        }
    }

    /// As callers are told.
    pub(super) fn name(self) -> &'static str {
        match self {
            End::Died => "died",
            End::Expired => "expired",
            End::Forced => "forced",
        }
    }
}

/// The row.
#[derive(Clone, Debug)]
pub(super) struct Unreleased {
    pub(super) end: End,
    pub(super) note: Value,
    terms: Terms,
}

impl Unreleased {
    /// The row that tells of a hold's end.
    pub(super) fn row(hold: &Hold, end: End) -> Row {
        let unreleased = Unreleased {
            end,
            note: hold.note_value(),
            terms: Terms::default(),
        };
        unreleased.to_row()
    }

    pub(super) fn to_row(&self) -> Row {
        let value = match self.end {
            End::Died => self.note.clone(),
            end => Value::Tuple(vec![self.note.clone(), end.name().into()]),
        };
        self.terms.put(UNRELEASED.clone(), value)
    }

    /// Reads what [`Unreleased::to_row`] writes.
    pub(super) fn parse(value: &Value, terms: Terms) -> Option<Unreleased> {
        let (note, end) = match value {
            Value::Tuple(parts) => match &parts[..] {
                [note, Value::Text(end)] => {
                    // A death has no name in a row: each end is written in one way.
                    let mut known = End::ALL.into_iter().filter(|end| *end != End::Died);
                    (note, known.find(|known| known.name() == end)?)
                }
                _ => return None,
            },
            note => (note, End::Died),
        };
        matches!(note, Value::Null | Value::Text(_)).then(|| Unreleased {
            end,
            note: note.clone(),
            terms,
        })
    }
}
