//! `list`: values by index.
//!
//! A row is the item's label, 16 bytes in big-endian order -> the value. Labels only tell which item comes first. They
//! leave room, so that an insert writes one row wherever it is; where 64 inserts at one spot have used the room up, the
//! neighbours get new labels, in a window that grows until it is sparse: O(log n) rows an insert in the long run.

mod blocks;
mod labels;
mod methods;
mod read;
mod sort;
#[cfg(test)]
mod tests;
mod write;

pub use methods::KIND;

use super::paging;
use super::terms::Terms;
use super::{Arguments, Cursor, Decision, Object, Operation, RowLimit};
use blocks::{Blocks, Item};
use commonhold_proto::{Code, Refusal, Row, RowKey};

/// A list.
#[derive(Debug, Default)]
struct List {
    items: Blocks,
}

impl Item {
    fn to_row(&self) -> Row {
        self.terms.put(key(self.label), self.value.clone())
    }
}

impl Object for List {
    fn decide(
        &self,
        _operation: &Operation,
        call: &Arguments,
        _ahead: bool,
    ) -> Result<Decision, Refusal> {
        match call.method() {
            "get" => self.get(call),
            "set" => self.set(call),
            "delete" => self.delete(call),
            "increment" => self.increment(call),
            "compare_and_set" => self.compare_and_set(call),
            "get_slice" => self.get_slice(call),
            "set_slice" => self.set_slice(call),
            "delete_slice" => self.delete_slice(call),
            "append" => self.append(call),
            "extend" => self.extend(call),
            "insert" => self.insert(call),
            "pop" => self.pop(call),
            "remove" => self.remove(call),
            "index" => self.index(call),
            "count" => self.count(call),
            "contains" => self.contains(call),
            "len" => Ok(Decision::reply(self.items.len())),
            "reverse" => self.reverse(),
            "sort" => self.sort(call),
            "reorder" => self.reorder(call),
            "clear" => Ok(self.clear()),
            "copy" => self.copy(),
            "scan" => self.scan(call),
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
                if let Some(label) = label(key) {
                    self.items.put(Item {
                        label,
                        value: value.clone(),
                        terms: Terms::of(*lent, *expires),
                    });
                }
            }
            Row::Delete { key } => {
                if let Some(label) = label(key) {
                    self.items.remove(label);
                }
            }
            Row::DeletePrefix { prefix } if prefix.is_empty() => self.items = Blocks::default(),
            Row::DeletePrefix { .. } => {
                let labels = self.items.after(None).map(|item| item.label);
                let touched: Vec<u128> = labels.filter(|label| row.touches(&key(*label))).collect();
                for label in touched {
                    self.items.remove(label);
                }
            }
        }
    }

    fn row(&self, key: &RowKey) -> Option<Row> {
        Some(self.items.get(label(key)?)?.to_row())
    }

    fn rows(&self, after: Option<&Cursor>, limit: RowLimit) -> (Vec<Row>, Option<Cursor>) {
        let after = match after {
            None => None,
            Some(cursor) => match label(&cursor.0) {
                None => return (Vec::new(), None),
                label => label,
            },
        };
        let (page, more) = paging::page(self.items.after(after), |item| item.size(), limit);
        let next = page.last().filter(|_| more);
        let next = next.map(|item| Cursor(item.label.to_be_bytes().to_vec()));
        (page.into_iter().map(Item::to_row).collect(), next)
    }

    fn entries(&self) -> u64 {
        self.items.len() as u64
    }

    fn bytes(&self) -> u64 {
        self.items.bytes() as u64
    }
}

fn key(label: u128) -> RowKey {
    label.to_be_bytes().into()
}

/// The label of a row's key or of a cursor, if it is one's.
fn label(bytes: &[u8]) -> Option<u128> {
    Some(u128::from_be_bytes(bytes.try_into().ok()?))
}
