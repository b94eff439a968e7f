//! The terms on which a row is kept.

use commonhold_proto::{Row, RowKey, ServerTime, SessionId, Ticket, Value};

/// Whom a row is lent to and when it lapses. Most rows have neither, so that is small.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Terms(Option<Box<(Option<SessionId>, Option<ServerTime>)>>);

impl Terms {
    pub(super) fn of(lent: Option<SessionId>, expires: Option<ServerTime>) -> Terms {
        Terms((lent.is_some() || expires.is_some()).then(|| Box::new((lent, expires))))
    }

    /// The session whose lease ends it.
    pub(super) fn lent(&self) -> Option<SessionId> {
        self.0.as_deref().and_then(|(lent, _)| *lent)
    }

    /// When it lapses by itself.
    pub(super) fn expires(&self) -> Option<ServerTime> {
        self.0.as_deref().and_then(|(_, expires)| *expires)
    }

    /// The row that writes this value and keeps the terms.
    pub(super) fn put(&self, key: RowKey, value: Value) -> Row {
        self.put_at(None, key, value)
    }

    /// The row that writes this value in this place and keeps the terms.
    pub(super) fn put_at(&self, ticket: Option<Ticket>, key: RowKey, value: Value) -> Row {
        let (lent, expires) = self.0.as_deref().copied().unwrap_or_default();
        Row::Put {
            key,
            value,
            ticket,
            lent,
            expires,
        }
    }
}
