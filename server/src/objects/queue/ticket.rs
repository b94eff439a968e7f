//! The keys of a queue's rows. An item has a ticket for as long as it exists: its place among all others.

use super::super::Operation;
use commonhold_proto::RowKey;

/// An item's place: the revision that put it, and its index within that change. Unique, and they grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ticket(u64, u32);

/// Bytes of a ticket.
pub(super) const TICKET_BYTES: usize = 12;

/// What a row's key names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// `i/<ticket>`
    Item(Ticket),
    /// `t/<ticket>`
    Taken(Ticket),
    /// `d/<ticket>`
    Count(Ticket),
    /// `open`
    Open,
    /// `shut`
    Shut,
}

pub(super) const ITEMS: &[u8] = b"i/";
pub(super) const TAKEN: &[u8] = b"t/";
pub(super) const COUNTS: &[u8] = b"d/";
const OPEN: RowKey = RowKey::of("open");
const SHUT: RowKey = RowKey::of("shut");

impl Ticket {
    /// The first of all.
    pub(super) const FIRST: Ticket = Ticket(0, 0);

    /// The tickets of a change, in order.
    pub(super) fn of(operation: &Operation) -> impl Iterator<Item = Ticket> + use<> {
        let revision = operation.next.0;
        (0..=u32::MAX).map(move |index| Ticket(revision, index))
    }

    /// The one after this, whether or not an item has it.
    pub(super) fn next(self) -> Option<Ticket> {
        match self.1.checked_add(1) {
            Some(index) => Some(Ticket(self.0, index)),
            None => Some(Ticket(self.0.checked_add(1)?, 0)),
        }
    }

    pub(super) fn to_bytes(self) -> [u8; TICKET_BYTES] {
        let mut bytes = [0; TICKET_BYTES];
        bytes[..8].copy_from_slice(&self.0.to_be_bytes());
        bytes[8..].copy_from_slice(&self.1.to_be_bytes());
        bytes
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Ticket> {
        let (revision, index) = bytes.split_at_checked(8)?;
        Some(Ticket(
            u64::from_be_bytes(revision.try_into().ok()?),
            u32::from_be_bytes(index.try_into().ok()?),
        ))
    }

    /// The least ticket whose bytes begin so.
    pub(super) fn least(prefix: &[u8]) -> Ticket {
        let mut bytes = [0; TICKET_BYTES];
        bytes[..prefix.len()].copy_from_slice(prefix);
        Ticket::from_bytes(&bytes).expect("so many bytes are a ticket")
    }

    /// The greatest ticket whose bytes begin so.
    pub(super) fn greatest(prefix: &[u8]) -> Ticket {
        let mut bytes = [u8::MAX; TICKET_BYTES];
        bytes[..prefix.len()].copy_from_slice(prefix);
        Ticket::from_bytes(&bytes).expect("so many bytes are a ticket")
    }
}

impl Key {
    pub(super) fn parse(key: &[u8]) -> Option<Key> {
        if key == &OPEN[..] {
            return Some(Key::Open);
        }
        if key == &SHUT[..] {
            return Some(Key::Shut);
        }
        let (room, ticket) = key.split_at_checked(ITEMS.len())?;
        let ticket = Ticket::from_bytes(ticket)?;
        match room {
            ITEMS => Some(Key::Item(ticket)),
            TAKEN => Some(Key::Taken(ticket)),
            COUNTS => Some(Key::Count(ticket)),
            _ => None,
        }
    }

    pub(super) fn to_row_key(self) -> RowKey {
        match self {
            Key::Item(ticket) => under(ITEMS, &ticket.to_bytes()),
            Key::Taken(ticket) => under(TAKEN, &ticket.to_bytes()),
            Key::Count(ticket) => under(COUNTS, &ticket.to_bytes()),
            Key::Open => OPEN.clone(),
            Key::Shut => SHUT.clone(),
        }
    }
}

/// A key of a room, or the beginning of some.
pub(super) fn under(room: &[u8], rest: &[u8]) -> RowKey {
    [room, rest].concat().into()
}
