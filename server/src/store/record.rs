//! Keys and sealed values of everything in a store but the log's segments, which carry a header of their own.
//!
//! Keys, numbers big-endian so that they sort: `e` the epoch; `j` how far the journal was written; `l` first revision u64, chunk u32: a segment; `m` the marker
//! of the checkpoint in force; `p` checkpoint u64, index u64: a page.
//!
//! A sealed value, little-endian: version u8, length u32, CRC-32C u32 of version, length, key and payload; then the payload.
//! The checksum covers the key, so a value under a foreign key is damage too.

use super::pairs::Key;
use super::{Checkpoint, CheckpointId, SegmentHeader};
use bytes::Bytes;
use commonhold_proto::Revision;

/// The layout's version.
const VERSION: u8 = 1;
/// Bytes before the payload.
const HEADER_BYTES: usize = 9;

/// The key of the epoch.
pub(super) const EPOCH: &[u8] = b"e";
/// The key of the marker.
pub(super) const MARKER: &[u8] = b"m";
/// The key of the number of the newest record of the journal that the engine below has.
pub(super) const JOURNALED: &[u8] = b"j";
/// Before the first segment.
pub(super) const LOG: &[u8] = b"l";
/// After the last segment.
pub(super) const LOG_END: &[u8] = b"m";
/// After the last page.
pub(super) const PAGES_END: &[u8] = b"q";

/// The key of a segment.
pub(super) fn segment_key(header: &SegmentHeader) -> Key {
    let mut key = Key::from_slice(LOG);
    key.extend_from_slice(&header.first.0.to_be_bytes());
    key.extend_from_slice(&header.chunk.to_be_bytes());
    key
}

/// After every segment that begins at or before a revision.
pub(super) fn log_after(revision: Revision) -> Key {
    let mut key = Key::from_slice(LOG);
    key.extend_from_slice(&revision.0.to_be_bytes());
    key.extend_from_slice(&u32::MAX.to_be_bytes());
    key.push(0);
    key
}

/// The key of a page.
pub(super) fn page_key(id: CheckpointId, index: u64) -> Key {
    let mut key = Key::from_slice(b"p");
    key.extend_from_slice(&id.0.to_be_bytes());
    key.extend_from_slice(&index.to_be_bytes());
    key
}

/// Seals a value for a key.
pub(super) fn seal(key: &[u8], payload: &[u8]) -> Bytes {
    let mut record = Vec::with_capacity(HEADER_BYTES + payload.len());
    let length = u32::try_from(payload.len()).expect("payloads are checked against 64 KiB before");
    record.push(VERSION);
    record.extend_from_slice(&length.to_le_bytes());
    record.extend_from_slice(&checksum(&record, key, payload).to_le_bytes());
    record.extend_from_slice(payload);
    record.into()
}

/// Opens a sealed value and verifies it; the error is a sentence that says what is wrong.
pub(super) fn open(key: &[u8], record: &Bytes) -> Result<Bytes, &'static str> {
    if record.len() < HEADER_BYTES {
        return Err("it is shorter than its header");
    }
    if record[0] != VERSION {
        return Err("its version is unknown");
    }
    let half = |at: usize| u32::from_le_bytes(record[at..at + 4].try_into().expect("four bytes"));
    let payload = record.slice(HEADER_BYTES..);
    if half(1) as usize != payload.len() {
        return Err("its length is wrong");
    }
    if half(5) != checksum(&record[..5], key, &payload) {
        return Err("its checksum is wrong");
    }
    Ok(payload)
}

fn checksum(header: &[u8], key: &[u8], payload: &[u8]) -> u32 {
    let crc = crc32c::crc32c_append(crc32c::crc32c(header), key);
    crc32c::crc32c_append(crc, payload)
}

impl Checkpoint {
    /// The payload of the marker.
    pub(super) fn encode(&self) -> Vec<u8> {
        [self.id.0, self.start.0, self.end.0, self.pages]
            .iter()
            .flat_map(|number| number.to_le_bytes())
            .collect()
    }

    /// Reads the payload of a marker.
    pub(super) fn decode(payload: &[u8]) -> Option<Checkpoint> {
        let numbers: &[u8; 32] = payload.try_into().ok()?;
        let number =
            |at: usize| u64::from_le_bytes(numbers[at * 8..][..8].try_into().expect("eight bytes"));
        Some(Checkpoint {
            id: CheckpointId(number(0)),
            start: Revision(number(1)),
            end: Revision(number(2)),
            pages: number(3),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sealed_is_what_is_opened() {
        for payload in [&b""[..], b"x", &vec![7; 65_000]] {
            let record = seal(b"key", payload);
            assert_eq!(open(b"key", &record).as_deref(), Ok(payload));
            assert!(open(b"kez", &record).is_err(), "another key");
        }
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let record = seal(b"key", b"some payload");
        for bit in 0..record.len() * 8 {
            let mut damaged = record.to_vec();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(open(b"key", &damaged.into()).is_err(), "bit {bit}");
        }
        for len in 0..record.len() {
            assert!(open(b"key", &record.slice(..len)).is_err(), "cut to {len}");
        }
    }

    #[test]
    fn a_marker_reads_as_it_was_written() {
        let checkpoint = Checkpoint {
            id: CheckpointId(3),
            start: Revision(1 << 33),
            end: Revision(u64::MAX),
            pages: 5,
        };
        let payload = checkpoint.encode();
        assert_eq!(Checkpoint::decode(&payload), Some(checkpoint));
        assert_eq!(Checkpoint::decode(&payload[1..]), None);
    }

    #[test]
    fn keys_sort_by_kind_then_by_number() {
        let segment = |first, chunk| {
            segment_key(&SegmentHeader {
                previous: Revision(0),
                first: Revision(first),
                last: Revision(first),
                chunk,
                more: false,
            })
        };
        let sorted = [
            Key::from_slice(EPOCH),
            Key::from_slice(LOG),
            segment(1, 0),
            segment(255, 0),
            segment(255, 1),
            segment(255, u32::MAX),
            log_after(Revision(255)),
            segment(256, 0),
            log_after(Revision(u64::MAX)),
            Key::from_slice(MARKER),
            page_key(CheckpointId(1), 256),
            page_key(CheckpointId(2), 0),
            page_key(CheckpointId(u64::MAX), u64::MAX),
            Key::from_slice(PAGES_END),
        ];
        assert!(sorted.is_sorted(), "{sorted:?}");
        assert!(log_after(Revision(u64::MAX)).as_slice() < LOG_END);
    }
}
