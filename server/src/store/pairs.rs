//! What an embedded engine must offer so that [`Keyed`](super::keyed) makes a store of it: ordered pairs of bytes.

use super::{StoreError, StoreLimits};
use bytes::Bytes;
use smallvec::SmallVec;
use std::ops::Range;
use std::path::Path;

/// A key; keys are ordered as bytes.
pub(super) type Key = SmallVec<[u8; 24]>;

/// Pairs fetched at a time by [`walk`]: at most 8 MiB, as values are at most 64 KiB.
const WALK_PAIRS: usize = 128;

/// Ordered pairs of bytes on a disk, written by one owner.
pub(super) trait Pairs: Send {
    /// Writes a batch, all of it or nothing, after everything written before. With `sync`, it and all before it survive
    /// a power loss when this returns; without, a crash may take back a suffix of what was written since the last sync.
    ///
    /// # Errors
    /// Nothing was written if the error may be retried; otherwise nobody knows, and every later call fails.
    fn write(&mut self, batch: Batch, sync: bool) -> Result<(), StoreError>;

    /// Writes a batch that survives a power loss when this returns, although what was written before without `sync` may
    /// not. An engine may find it cheaper than a write with `sync`.
    ///
    /// # Errors
    /// As of [`write`](Pairs::write).
    fn append(&mut self, batch: Batch) -> Result<(), StoreError> {
        self.write(batch, true)
    }

    /// The first `limit` pairs of a range of keys, in order.
    fn scan(&self, range: Range<&[u8]>, limit: usize) -> Result<Vec<(Key, Bytes)>, StoreError>;

    /// What it can take.
    fn limits(&self) -> StoreLimits;

    /// What it measured.
    fn measure(&self) -> Measure;

    /// The file or folder that errors name.
    fn path(&self) -> &Path;
}

/// What the engine below knows of itself, for [`StoreStats`](super::StoreStats).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Measure {
    pub(super) syncs: u64,
    pub(super) disk_bytes: u64,
    pub(super) free_bytes: Option<u64>,
}

/// Puts and deletes that are done together, in this order.
#[derive(Clone, Debug, Default)]
pub(super) struct Batch {
    /// A key and its new value; none deletes.
    pub(super) steps: Vec<(Key, Option<Bytes>)>,
}

impl Batch {
    pub(super) fn put(&mut self, key: Key, value: Bytes) {
        self.steps.push((key, Some(value)));
    }

    pub(super) fn delete(&mut self, key: Key) {
        self.steps.push((key, None));
    }

    /// Bytes of its encoded form.
    pub(super) fn encoded_len(&self) -> usize {
        let steps = self.steps.iter();
        steps
            .map(|(key, value)| 5 + key.len() + value.as_ref().map_or(0, Bytes::len))
            .sum()
    }

    /// Appends its encoded form: for each step the length of the key u8, the length of the value u32 little-endian or all
    /// ones for a delete, then both.
    pub(super) fn encode(&self, into: &mut Vec<u8>) {
        for (key, value) in &self.steps {
            into.push(u8::try_from(key.len()).expect("keys are short"));
            let length = value.as_ref().map_or(u32::MAX, |value| {
                u32::try_from(value.len()).expect("values are short")
            });
            into.extend_from_slice(&length.to_le_bytes());
            into.extend_from_slice(key);
            into.extend_from_slice(value.as_deref().unwrap_or_default());
        }
    }

    /// Reads an encoded batch.
    pub(super) fn decode(mut bytes: &[u8]) -> Option<Batch> {
        let mut batch = Batch::default();
        while let Some((key_len, rest)) = bytes.split_first() {
            let (value_len, rest) = rest.split_first_chunk()?;
            let (key, rest) = rest.split_at_checked(usize::from(*key_len))?;
            let key = Key::from_slice(key);
            bytes = match u32::from_le_bytes(*value_len) {
                u32::MAX => {
                    batch.delete(key);
                    rest
                }
                length => {
                    let (value, rest) = rest.split_at_checked(length as usize)?;
                    batch.put(key, Bytes::copy_from_slice(value));
                    rest
                }
            };
        }
        Some(batch)
    }

    /// Bytes that it puts; 0 if it only deletes.
    pub(super) fn put_bytes(&self) -> u64 {
        let puts = self.steps.iter().filter_map(|(key, value)| {
            let value = value.as_ref()?;
            Some((key.len() + value.len()) as u64)
        });
        puts.sum()
    }
}

/// Visits the pairs of a range of keys in order.
pub(super) fn walk(
    pairs: &dyn Pairs,
    range: Range<&[u8]>,
    mut visit: impl FnMut(Key, Bytes) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut from = Key::from_slice(range.start);
    loop {
        let found = pairs.scan(&from..range.end, WALK_PAIRS)?;
        let Some((last, _)) = found.last() else {
            return Ok(());
        };
        from.clone_from(last);
        from.push(0);
        for (key, value) in found {
            visit(key, value)?;
        }
    }
}
