//! The packed, checksummed unit of the log.
//!
//! A commit batch is one or more segments. A change that is larger than a segment is cut into a run of chunks; the last
//! one carries the commit mark. Each header names the revision before it, so a hole in the log is noticed.
//!
//! Layout, little-endian: version u8, flags u8 (bit 0: more chunks follow), reserved u16, chunk u32, previous u64,
//! first u64, last u64, length u32, CRC-32C u32 of all that stands before it and of the payload; then the payload.

use bytes::Bytes;
use commonhold_proto::Revision;

/// The layout's version.
const VERSION: u8 = 1;
/// Bytes before the payload.
pub(super) const HEADER_BYTES: usize = 40;

/// What a segment says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentHeader {
    /// The last revision of the segment before, 0 for the first: what makes a hole visible. Of a chunk after the first,
    /// which its number holds in place, nobody looks at it.
    pub previous: Revision,
    /// The first revision in it.
    pub first: Revision,
    /// The last revision in it; of a chunk, the revision of its change.
    pub last: Revision,
    /// Counts the chunks of one change from 0; 0 for a segment of whole changes.
    pub chunk: u32,
    /// More chunks of the change follow; the one without this is the commit mark.
    pub more: bool,
}

/// A segment, ready to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// What it is.
    pub header: SegmentHeader,
    /// Header and payload: what is stored.
    pub record: Bytes,
}

impl Segment {
    /// Seals a payload.
    ///
    /// # Panics
    /// If the payload is over 4 GiB: the caller cuts it long before.
    pub fn seal(header: SegmentHeader, payload: &[u8]) -> Segment {
        let mut record = Vec::with_capacity(HEADER_BYTES + payload.len());
        record.extend_from_slice(&[VERSION, u8::from(header.more), 0, 0]);
        record.extend_from_slice(&header.chunk.to_le_bytes());
        for revision in [header.previous, header.first, header.last] {
            record.extend_from_slice(&revision.0.to_le_bytes());
        }
        let length = u32::try_from(payload.len()).expect("segments are cut far below 4 GiB");
        record.extend_from_slice(&length.to_le_bytes());
        let crc = crc32c::crc32c_append(crc32c::crc32c(&record), payload);
        record.extend_from_slice(&crc.to_le_bytes());
        record.extend_from_slice(payload);
        Segment {
            header,
            record: record.into(),
        }
    }

    /// Opens a stored record and verifies it.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn open(record: &Bytes) -> Result<(SegmentHeader, Bytes), String> {
        if record.len() < HEADER_BYTES {
            return Err(format!(
                "a segment of {} bytes is shorter than its header",
                record.len()
            ));
        }
        if record[0] != VERSION {
            return Err(format!(
                "a segment has version {}, not {VERSION}",
                record[0]
            ));
        }
        let word =
            |at: usize| u64::from_le_bytes(record[at..at + 8].try_into().expect("eight bytes"));
        let half =
            |at: usize| u32::from_le_bytes(record[at..at + 4].try_into().expect("four bytes"));
        let payload = record.slice(HEADER_BYTES..);
        if half(32) as usize != payload.len() {
            return Err(format!(
                "a segment says it has {} bytes and has {}",
                half(32),
                payload.len()
            ));
        }
        let crc = crc32c::crc32c_append(crc32c::crc32c(&record[..36]), &payload);
        if crc != half(36) {
            return Err("the checksum of a segment is wrong".into());
        }
        let header = SegmentHeader {
            previous: Revision(word(8)),
            first: Revision(word(16)),
            last: Revision(word(24)),
            chunk: half(4),
            more: record[1] & 1 != 0,
        };
        Ok((header, payload))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> SegmentHeader {
        SegmentHeader {
            previous: Revision(3),
            first: Revision(4),
            last: Revision(1 << 40),
            chunk: 7,
            more: true,
        }
    }

    #[test]
    fn what_was_sealed_is_what_is_opened() {
        for payload in [&b""[..], b"x", &vec![7; 70_000]] {
            let segment = Segment::seal(header(), payload);
            assert_eq!(
                Segment::open(&segment.record),
                Ok((header(), Bytes::copy_from_slice(payload)))
            );
        }
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let record = Segment::seal(header(), b"some payload").record;
        for bit in 0..record.len() * 8 {
            let mut damaged = record.to_vec();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(Segment::open(&damaged.into()).is_err(), "bit {bit}");
        }
        for len in 0..record.len() {
            assert!(Segment::open(&record.slice(..len)).is_err(), "cut to {len}");
        }
    }
}
