//! Whether each segment follows the one before it.

use super::SegmentHeader;
use bytes::Bytes;
use commonhold_proto::Revision;
use std::collections::VecDeque;

/// Where a log stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chain {
    /// The last revision that is whole.
    pub(super) reach: Revision,
    /// The change whose chunks are under way, and the chunk that must come next.
    pub(super) run: Option<(Revision, u32)>,
}

impl Chain {
    /// A log that stands at a revision, with no run under way.
    pub(super) fn at(reach: Revision) -> Chain {
        Chain { reach, run: None }
    }

    /// Is this segment a part of the log already?
    pub(super) fn holds(&self, header: &SegmentHeader) -> bool {
        match self.run {
            Some((revision, next)) if header.first == revision => header.chunk < next,
            _ => header.last <= self.reach,
        }
    }

    /// Goes on to the next segment; the error is a sentence that says why it cannot come next.
    pub(super) fn follow(&mut self, header: &SegmentHeader) -> Result<(), String> {
        if let Some((revision, next)) = self.run {
            if (header.first, header.chunk) != (revision, next) {
                return Err(format!(
                    "chunk {next} of revision {revision} is missing before {}",
                    name(header)
                ));
            }
        } else if header.chunk != 0 {
            return Err(format!("{} has no chunk before it", name(header)));
        } else if header.previous != self.reach {
            return Err(format!(
                "{} follows revision {}, but the log stands at {}",
                name(header),
                header.previous,
                self.reach
            ));
        }
        let chunked = header.more || header.chunk > 0;
        let ordered = header.first > self.reach && header.last >= header.first;
        if !ordered || (chunked && header.first != header.last) {
            return Err(format!("{} is out of order", name(header)));
        }
        self.run = header.more.then_some((header.first, header.chunk + 1));
        if !header.more {
            self.reach = header.last;
        }
        Ok(())
    }
}

/// What messages call a segment.
pub(super) fn name(header: &SegmentHeader) -> String {
    let SegmentHeader {
        first, last, chunk, ..
    } = header;
    if header.more || *chunk > 0 {
        format!("chunk {chunk} of revision {first}")
    } else {
        format!("the segment of revisions {first} to {last}")
    }
}

/// How many bytes of log lie after a revision, to within [`TALLY_BYTES`](Tally::TALLY_BYTES).
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Last revision and bytes of neighbouring segments, oldest first.
    steps: VecDeque<(Revision, u64)>,
    bytes: u64,
}

impl Tally {
    /// Segments are counted together up to this, so that the tally of a long log of short segments stays small.
    const TALLY_BYTES: u64 = 256 << 10;

    pub(super) fn add(&mut self, last: Revision, record: &Bytes) {
        let bytes = record.len() as u64;
        self.bytes += bytes;
        match self.steps.back_mut() {
            Some(step) if step.1 + bytes <= Self::TALLY_BYTES => *step = (last, step.1 + bytes),
            _ => self.steps.push_back((last, bytes)),
        }
    }

    /// Forgets what lies at or before a revision.
    pub(super) fn trim(&mut self, through: Revision) {
        while let Some(step) = self.steps.front().filter(|step| step.0 <= through) {
            self.bytes -= step.1;
            self.steps.pop_front();
        }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(previous: u64, first: u64, last: u64) -> SegmentHeader {
        SegmentHeader {
            previous: Revision(previous),
            first: Revision(first),
            last: Revision(last),
            chunk: 0,
            more: false,
        }
    }

    fn chunk(previous: u64, revision: u64, chunk: u32, more: bool) -> SegmentHeader {
        SegmentHeader {
            chunk,
            more,
            ..whole(previous, revision, revision)
        }
    }

    #[track_caller]
    fn check(headers: &[SegmentHeader], expected: Result<u64, &str>) {
        let mut chain = Chain::at(Revision(10));
        let found = headers.iter().try_for_each(|header| chain.follow(header));
        let found = found.map(|()| chain.reach.0);
        assert_eq!(found, expected.map_err(str::to_owned));
    }

    #[test]
    fn segments_and_runs_follow_each_other() {
        check(&[whole(10, 11, 15), whole(15, 900, 900)], Ok(900));
        check(
            &[
                chunk(10, 11, 0, true),
                chunk(10, 11, 1, false),
                whole(11, 12, 12),
            ],
            Ok(11 + 1),
        );
        // Whether a later chunk names the run's predecessor or its own change does not matter: it is held by its number.
        check(&[chunk(10, 11, 0, true), chunk(11, 11, 1, true)], Ok(10));
    }

    #[test]
    fn what_does_not_follow_is_named() {
        check(
            &[whole(10, 11, 15), whole(16, 17, 17)],
            Err("the segment of revisions 17 to 17 follows revision 16, but the log stands at 15"),
        );
        check(
            &[chunk(10, 11, 0, true), whole(11, 12, 12)],
            Err("chunk 1 of revision 11 is missing before the segment of revisions 12 to 12"),
        );
        check(
            &[chunk(10, 11, 0, true), chunk(10, 11, 2, false)],
            Err("chunk 1 of revision 11 is missing before chunk 2 of revision 11"),
        );
        check(
            &[chunk(10, 11, 1, false)],
            Err("chunk 1 of revision 11 has no chunk before it"),
        );
        check(
            &[whole(10, 10, 12)],
            Err("the segment of revisions 10 to 12 is out of order"),
        );
    }

    #[test]
    fn a_chain_knows_what_it_holds() {
        let mut chain = Chain::at(Revision(10));
        for header in [whole(10, 11, 15), chunk(15, 16, 0, true)] {
            assert!(!chain.holds(&header));
            chain.follow(&header).expect("it follows");
            assert!(chain.holds(&header));
        }
        assert!(!chain.holds(&chunk(15, 16, 1, false)));
        assert!(chain.holds(&whole(10, 11, 15)));
    }

    #[test]
    fn a_tally_counts_what_lies_after_a_revision() {
        let mut tally = Tally::default();
        let record = Bytes::from(vec![0; 100 << 10]);
        for last in 1..=6 {
            tally.add(Revision(last), &record);
        }
        assert_eq!(tally.bytes(), 600 << 10);
        tally.trim(Revision(1));
        assert_eq!(tally.bytes(), 600 << 10, "two are counted together");
        tally.trim(Revision(5));
        assert_eq!(tally.bytes(), 200 << 10);
        tally.trim(Revision(6));
        assert_eq!(tally.bytes(), 0);
    }
}
