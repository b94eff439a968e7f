//! A queue as an object: its rows.

use super::super::terms::Terms;
use super::super::{
    Arguments, Cursor, Decision, Holder, Lapse, Object, Operation, RowLimit, UNDO, paging,
};
use super::items::{Count, Item, Taken};
use super::take::{count_row, taken_row};
use super::ticket::{COUNTS, ITEMS, TAKEN, TICKET_BYTES};
use super::{Key, Queue, Ticket, empty, full, not_joined};
use commonhold_proto::{Code, Owner, Refusal, Revision, Row, RowKey, Rows, ServerTime, Value};
use smallvec::smallvec;
use std::ops::Bound;

impl Object for Queue {
    fn decide(
        &self,
        operation: &Operation,
        call: &Arguments,
        ahead: bool,
    ) -> Result<Decision, Refusal> {
        match call.method() {
            "put" => self.put(operation, call, ahead),
            "put_many" => self.put_many(operation, call, ahead),
            "get" => self.get(operation, call, ahead),
            "get_many" => self.get_many(operation, call, ahead),
            "take" => self.take(operation, call, ahead),
            "ack" => self.ack(call),
            "nack" => self.nack(call),
            "extend" => self.extend(operation, call),
            "peek" => self.peek(call),
            "len" => Ok(Decision::reply(self.items.ready().len())),
            "full" => Ok(Decision::reply(self.is_full_for(1))),
            "unfinished" => Ok(Decision::reply(self.unfinished())),
            "task_done" => self.task_done(call),
            "join" => self.join(operation, call),
            "shutdown" => self.shutdown(call),
            "clear" => self.clear(),
            "dead" => self.dead(call),
            "redrive" => self.redrive(call),
            "discard" => self.discard(call),
            UNDO => self.undo(call),
            "late_put" => Err(full()),
            "late_get" => Err(empty()),
            "late_join" => Err(not_joined(self.unfinished())),
            other => Err(Refusal::new(Code::NoMethod, other)),
        }
    }

    fn apply(&mut self, row: &Row) {
        match row {
            Row::Put {
                key,
                value,
                lent,
                expires,
                ..
            } => {
                if let Some(key) = Key::parse(key) {
                    self.write(key, value, Terms::of(*lent, *expires));
                }
            }
            Row::Delete { key } => {
                if let Some(key) = Key::parse(key) {
                    self.delete(key);
                }
            }
            Row::DeletePrefix { prefix } => {
                for key in self.keys_under(prefix) {
                    self.delete(key);
                }
            }
        }
    }

    /// What was taken by one who is gone, or for too long, is there again.
    fn lapse(&self, key: &RowKey, _why: Lapse) -> Rows {
        if let Some(Key::Taken(ticket)) = Key::parse(key)
            && let Some(taken) = self.items.taken(ticket)
        {
            return self.given_back(ticket, taken);
        }
        smallvec![Row::delete(key.clone())]
    }

    fn token(&self, key: &RowKey) -> Option<Revision> {
        match Key::parse(key)? {
            Key::Taken(ticket) => Some(Revision(self.items.taken(ticket)?.receipt.cast_unsigned())),
            _ => None,
        }
    }

    fn holders(&self, limit: usize) -> Vec<Holder> {
        let taken = self.items.in_order_taken().take(limit);
        let holder = |taken: &Taken| Holder {
            session: taken.terms.lent(),
            owner: Owner(taken.owner.cast_unsigned()),
            since: ServerTime(taken.since.cast_unsigned()),
            token: Some(Revision(taken.receipt.cast_unsigned())),
            note: None,
            part: Some("an item".to_owned()),
        };
        taken.map(holder).collect()
    }

    fn holder_count(&self) -> u64 {
        self.items.taken_count() as u64
    }

    fn row(&self, key: &RowKey) -> Option<Row> {
        match Key::parse(key)? {
            Key::Item(ticket) => Some(item_row(ticket, self.items.item(ticket)?)),
            Key::Taken(ticket) => Some(taken_row(ticket, self.items.taken(ticket)?)),
            Key::Count(ticket) => Some(count_row(ticket, self.items.count(ticket)?)),
            Key::Open => {
                let (open, terms) = self.open.as_ref()?;
                Some(terms.put(key.clone(), (*open).into()))
            }
            Key::Shut => Some(self.shut.as_ref()?.put(key.clone(), true.into())),
        }
    }

    fn rows(&self, after: Option<&Cursor>, limit: RowLimit) -> (Vec<Row>, Option<Cursor>) {
        let after = match after {
            None => None,
            Some(cursor) => match Key::parse(&cursor.0) {
                None => return (Vec::new(), None),
                key => key,
            },
        };
        // In the order of the keys: d/, i/, open, shut, t/.
        let from = |room: fn(Ticket) -> Key| match after.map(|key| (key, rank(key))) {
            Some((Key::Item(ticket) | Key::Taken(ticket) | Key::Count(ticket), at))
                if rank(room(ticket)) == at =>
            {
                Some(Bound::Excluded(ticket))
            }
            Some((_, at)) if rank(room(Ticket::FIRST)) <= at => None,
            _ => Some(Bound::Unbounded),
        };
        let counts = from(Key::Count).into_iter();
        let counts = counts.flat_map(|from| self.items.counts(from));
        let items = from(Key::Item).into_iter();
        let items = items.flat_map(|from| self.items.items(from));
        let taken = from(Key::Taken).into_iter();
        let taken = taken.flat_map(|from| self.items.takings(from));
        let single = [Key::Open, Key::Shut].into_iter();
        let single = single.filter(|key| after.is_none_or(|after| rank(after) < rank(*key)));
        let rows = counts
            .map(|(ticket, count)| count_row(ticket, count))
            .chain(items.map(|(ticket, item)| item_row(ticket, item)))
            .chain(single.filter_map(|key| self.row(&key.to_row_key())))
            .chain(taken.map(|(ticket, taken)| taken_row(ticket, taken)));
        paging::rows(rows, limit)
    }

    fn entries(&self) -> u64 {
        self.items.ready().len() as u64
    }

    fn bytes(&self) -> u64 {
        let single = usize::from(self.open.is_some()) + usize::from(self.shut.is_some());
        (self.items.bytes() + single * ROW_BYTES) as u64
    }
}

/// About how many bytes a row without an item takes.
const ROW_BYTES: usize = 64;

impl Queue {
    fn write(&mut self, key: Key, value: &Value, terms: Terms) {
        match (key, value) {
            (Key::Item(ticket), value) => {
                let value = value.clone();
                self.items.put_item(ticket, Item { value, terms });
            }
            (Key::Taken(ticket), value) => {
                if let Some(taken) = Taken::parse(value, terms) {
                    self.items.put_taken(ticket, taken);
                }
            }
            (Key::Count(ticket), Value::Int(deliveries)) => {
                let deliveries = *deliveries;
                self.items.put_count(ticket, Count { deliveries, terms });
            }
            (Key::Open, Value::Int(open)) => self.open = Some((*open, terms)),
            (Key::Shut, Value::Bool(true)) => self.shut = Some(terms),
            (Key::Count(_) | Key::Open | Key::Shut, _) => {}
        }
    }

    fn delete(&mut self, key: Key) {
        match key {
            Key::Item(ticket) => self.items.remove_item(ticket),
            Key::Taken(ticket) => self.items.remove_taken(ticket),
            Key::Count(ticket) => self.items.remove_count(ticket),
            Key::Open => self.open = None,
            Key::Shut => self.shut = None,
        }
    }

    /// The keys of the rows that begin so.
    fn keys_under(&self, prefix: &[u8]) -> Vec<Key> {
        let single = [Key::Open, Key::Shut].into_iter();
        let single = single.filter(|key| key.to_row_key().starts_with(prefix));
        let mut keys: Vec<Key> = single.collect();
        // Of a room: all of it, the tickets that begin so, or nothing.
        let range = |room: &[u8]| match prefix.strip_prefix(room) {
            Some(ticket) if ticket.len() <= TICKET_BYTES => {
                Some((Ticket::least(ticket), Ticket::greatest(ticket)))
            }
            None if room.starts_with(prefix) => Some((Ticket::least(&[]), Ticket::greatest(&[]))),
            _ => None,
        };
        if let Some((first, last)) = range(ITEMS) {
            let items = self.items.items(Bound::Included(first));
            let tickets = items.map(|(ticket, _)| ticket);
            keys.extend(tickets.take_while(|ticket| *ticket <= last).map(Key::Item));
        }
        if let Some((first, last)) = range(TAKEN) {
            let taken = self.items.takings(Bound::Included(first));
            let tickets = taken.map(|(ticket, _)| ticket);
            keys.extend(tickets.take_while(|ticket| *ticket <= last).map(Key::Taken));
        }
        if let Some((first, last)) = range(COUNTS) {
            let counts = self.items.counts(Bound::Included(first));
            let tickets = counts.map(|(ticket, _)| ticket);
            keys.extend(tickets.take_while(|ticket| *ticket <= last).map(Key::Count));
        }
        keys
    }
}

fn item_row(ticket: Ticket, item: &Item) -> Row {
    let key = Key::Item(ticket).to_row_key();
    item.terms.put(key, item.value.clone())
}

/// In which order the rooms of rows are enumerated.
const fn rank(key: Key) -> u8 {
    match key {
        Key::Count(_) => 0,
        Key::Item(_) => 1,
        Key::Open => 2,
        Key::Shut => 3,
        Key::Taken(_) => 4,
    }
}
