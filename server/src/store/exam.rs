//! The exam that every store of the list passes: the contract of [`Store`], against a plain model.

use super::segment::HEADER_BYTES;
use super::*;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tempfile::TempDir;

/// A place where one store lies, and can be opened again and again.
pub(super) struct Place {
    pub(super) maker: &'static StoreMaker,
    pub(super) options: StoreOptions,
    _temp: TempDir,
}

impl Place {
    pub(super) fn new(maker: &'static StoreMaker) -> Place {
        let temp = tempfile::tempdir().expect("a temp folder");
        let options = StoreOptions::new(temp.path().join("data"));
        Place {
            maker,
            options,
            _temp: temp,
        }
    }

    /// Opens the store, takes the shard and loads.
    pub(super) fn open(&self) -> Result<(Box<dyn Store>, Epoch, Seen), StoreError> {
        let mut store = self.maker.open(&self.options)?;
        let epoch = store.acquire(ShardId(0))?;
        let mut seen = Seen::default();
        store.load(&mut seen)?;
        Ok((store, epoch, seen))
    }

    /// What lies below the store.
    pub(super) fn pairs(&self) -> Box<dyn Pairs> {
        (self.maker.pairs)(&self.options).expect("the place is free")
    }
}

/// What a load gave.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Seen {
    pub(super) checkpoint: Option<Checkpoint>,
    pub(super) pages: Vec<Bytes>,
    pub(super) segments: Vec<(SegmentHeader, Bytes)>,
}

impl Recovery for Seen {
    fn checkpoint(&mut self, checkpoint: Checkpoint) -> Result<(), StoreError> {
        assert_eq!(self.checkpoint.replace(checkpoint), None, "at most once");
        assert!(self.pages.is_empty() && self.segments.is_empty(), "first");
        Ok(())
    }

    fn page(&mut self, page: Bytes) -> Result<(), StoreError> {
        assert!(self.segments.is_empty(), "before the log");
        self.pages.push(page);
        Ok(())
    }

    fn segment(&mut self, header: SegmentHeader, payload: Bytes) -> Result<(), StoreError> {
        self.segments.push((header, payload));
        Ok(())
    }
}

/// A log and its checkpoint as they should be.
#[derive(Default)]
pub(super) struct Model {
    pub(super) log: Vec<Segment>,
    pub(super) checkpoint: Option<(Checkpoint, Vec<Bytes>)>,
    /// The pages of the checkpoint under way.
    writing: Vec<Bytes>,
    newest_id: u64,
}

impl Model {
    pub(super) fn reach(&self) -> u64 {
        self.log.last().map_or(0, |segment| segment.header.last.0)
    }

    fn start(&self) -> u64 {
        let start = self.checkpoint.as_ref().map(|(found, _)| found.start.0);
        start.unwrap_or(0)
    }

    /// A segment of whole changes, after `gap` revisions that were never given.
    pub(super) fn whole(&mut self, gap: u64, changes: u64, payload: &[u8]) {
        let previous = self.reach();
        let header = SegmentHeader {
            previous: Revision(previous),
            first: Revision(previous + gap + 1),
            last: Revision(previous + gap + changes.max(1)),
            chunk: 0,
            more: false,
        };
        self.log.push(Segment::seal(header, payload));
    }

    /// A change in several chunks.
    pub(super) fn run(&mut self, chunks: u32, payload: &[u8]) {
        let previous = self.reach();
        for chunk in 0..chunks {
            let header = SegmentHeader {
                previous: Revision(previous),
                first: Revision(previous + 1),
                last: Revision(previous + 1),
                chunk,
                more: chunk + 1 < chunks,
            };
            self.log.push(Segment::seal(header, payload));
        }
    }

    /// What a load must give.
    pub(super) fn expected(&self) -> Seen {
        let (checkpoint, pages) = self.checkpoint.clone().unzip();
        let log = self.log.iter();
        let segments = log
            .filter(|segment| segment.header.last.0 > self.start())
            .map(|segment| (segment.header, segment.record.slice(HEADER_BYTES..)))
            .collect();
        Seen {
            checkpoint,
            pages: pages.unwrap_or_default(),
            segments,
        }
    }

    fn newest(&self) -> CheckpointId {
        CheckpointId(self.newest_id)
    }

    /// A checkpoint of the pages written, somewhere between the one before and the end of the log.
    fn checkpoint(&self, start: u8, end: u8) -> Checkpoint {
        let between = |from: u64, to: u64, part: u8| from + (to - from) * u64::from(part) / 255;
        let start = between(self.start(), self.reach(), start);
        Checkpoint {
            id: self.newest(),
            start: Revision(start),
            end: Revision(between(start, self.reach(), end)),
            pages: self.writing.len() as u64,
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Append(Vec<(u8, u8, u16)>),
    AppendAgain(usize),
    Page(u16),
    Publish(u8, u8),
    Discard,
    Tend,
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let segments = prop::collection::vec((0_u8..4, 0_u8..5, 0_u16..3_000), 1..6);
    let step = prop_oneof![
        8 => segments.prop_map(Step::Append),
        2 => (1_usize..6).prop_map(Step::AppendAgain),
        4 => (0_u16..9_000).prop_map(Step::Page),
        3 => (any::<u8>(), any::<u8>()).prop_map(|(start, end)| Step::Publish(start, end)),
        1 => Just(Step::Discard),
        2 => Just(Step::Tend),
        2 => Just(Step::Reopen),
    ];
    prop::collection::vec(step, 1..40)
}

/// Walks a store and its model through the same steps.
fn walk_through(place: &Place, steps: Vec<Step>) {
    let mut model = Model::default();
    let (mut store, mut epoch, seen) = place.open().expect("it is created");
    assert_eq!(seen, Seen::default());
    for step in steps.into_iter().chain([Step::Reopen]) {
        match step {
            Step::Append(shapes) => {
                let old = model.log.len();
                for (gap, count, bytes) in shapes {
                    let payload = vec![gap ^ count; bytes.into()];
                    match gap {
                        0 => model.run(u32::from(count) + 1, &payload),
                        _ => model.whole(u64::from(gap) - 1, count.into(), &payload),
                    }
                }
                store.append(epoch, &model.log[old..]).expect("appended");
            }
            Step::AppendAgain(count) => {
                let from = model.log.len().saturating_sub(count);
                store.append(epoch, &model.log[from..]).expect("skipped");
            }
            Step::Page(bytes) => {
                if model.writing.is_empty() {
                    model.newest_id += 1;
                }
                let index = model.writing.len() as u64;
                let page = Bytes::from(vec![bytes.to_le_bytes()[0]; bytes.into()]);
                let written = store.write_page(model.newest(), index, &page);
                written.expect("a page is written");
                model.writing.push(page);
            }
            Step::Publish(start, end) => {
                if model.writing.is_empty() {
                    model.newest_id += 1;
                }
                let checkpoint = model.checkpoint(start, end);
                store.publish(checkpoint).expect("published");
                let pages = std::mem::take(&mut model.writing);
                model.checkpoint = Some((checkpoint, pages));
            }
            Step::Discard => {
                store.discard(model.newest()).expect("discarded");
                model.writing.clear();
            }
            Step::Tend => {
                store.tend().expect("tended");
            }
            Step::Reopen => {
                drop(store);
                let seen;
                (store, epoch, seen) = place.open().expect("it opens again");
                assert_eq!(seen, model.expected());
                model.writing.clear();
                // As an engine would go on: from the highest name that it saw.
                model.newest_id = seen.checkpoint.map_or(0, |checkpoint| checkpoint.id.0);
            }
        }
    }
}

#[test]
fn a_store_gives_back_what_its_model_holds() {
    for maker in STORES {
        let cases = if maker.name == "memory" { 256 } else { 12 };
        let mut runner = TestRunner::new(Config {
            cases,
            failure_persistence: None,
            ..Config::default()
        });
        let outcome = runner.run(&steps(), |steps| {
            walk_through(&Place::new(maker), steps);
            Ok(())
        });
        if let Err(failure) = outcome {
            panic!("{}: {failure}", maker.name);
        }
    }
}

#[test]
fn each_append_is_one_sync() {
    for maker in STORES {
        let place = Place::new(maker);
        let (mut store, epoch, _) = place.open().expect("it is created");
        let before = store.stats();
        let mut model = Model::default();
        for _ in 0..20 {
            model.whole(0, 3, b"payload");
            store.append(epoch, &model.log).expect("appended");
        }
        let after = store.stats();
        assert_eq!(after.appends - before.appends, 20, "{}", maker.name);
        assert_eq!(after.syncs - before.syncs, 20, "{}", maker.name);
        assert_eq!(store.watch().under_way(), None);
    }
}

#[test]
fn the_largest_change_and_the_largest_page_fit() {
    for maker in STORES {
        let place = Place::new(maker);
        let (mut store, epoch, _) = place.open().expect("it is created");
        let limits = store.limits();
        let payload: Vec<u8> = (0..limits.segment_bytes_max)
            .map(|at| at.to_le_bytes()[0])
            .collect();
        let chunks = limits.change_bytes_max.div_ceil(payload.len());
        let mut model = Model::default();
        model.run(u32::try_from(chunks).expect("a few thousand"), &payload);
        store.append(epoch, &model.log).expect("appended at once");
        let id = CheckpointId(1);
        store
            .write_page(id, 0, &payload)
            .expect("a page is written");
        let mut large = Model::default();
        large.log.clone_from(&model.log);
        large.whole(0, 1, &[&payload[..], b"x"].concat());
        for refused in [
            store.append(epoch, &large.log),
            store.write_page(id, 1, &[&payload[..], b"x"].concat()),
        ] {
            assert!(matches!(refused, Err(StoreError::Misused { .. })));
        }
        drop(store);
        let (_, _, seen) = place.open().expect("it opens again");
        assert!(seen == model.expected(), "{}: not as written", maker.name);
    }
}

#[test]
fn a_second_owner_is_told_who_is_the_first() {
    for maker in STORES {
        let place = Place::new(maker);
        let first = place.open().expect("it is free");
        let second = maker.open(&place.options).err();
        let Some(StoreError::InUse { pid, .. }) = second else {
            panic!("{}: {second:?}", maker.name);
        };
        assert_eq!(pid, Some(std::process::id()));
        drop(first);
        place.open().expect("it is free again");
    }
}

#[test]
fn an_owner_without_the_shard_is_fenced() {
    for maker in STORES {
        let place = Place::new(maker);
        let (mut store, old, _) = place.open().expect("it is created");
        let mut model = Model::default();
        model.whole(0, 1, b"payload");
        let new = store.acquire(ShardId(0)).expect("acquired again");
        assert!(new > old);
        let fenced = store.append(old, &model.log);
        assert!(matches!(fenced, Err(StoreError::Fenced)));
        store.append(new, &model.log).expect("the new one appends");
        assert!(matches!(store.release(old), Err(StoreError::Fenced)));
        store.release(new).expect("released");
        assert!(matches!(store.append(new, &[]), Err(StoreError::Fenced)));
    }
}

#[test]
fn what_breaks_the_contract_is_refused_and_changes_nothing() {
    for maker in STORES {
        let place = Place::new(maker);
        let mut unloaded = maker.open(&place.options).expect("it is created");
        let misused = |outcome: Result<(), StoreError>| match outcome {
            Err(StoreError::Misused { what }) => what,
            other => panic!("{}: {other:?}", maker.name),
        };
        misused(unloaded.load(&mut Seen::default()));
        let epoch = unloaded.acquire(ShardId(0)).expect("acquired");
        let mut model = Model::default();
        model.whole(0, 5, b"one");
        misused(unloaded.append(epoch, &model.log));
        drop(unloaded);

        let (mut store, epoch, _) = place.open().expect("it opens");
        store.append(epoch, &model.log).expect("appended");
        let mut hole = Model::default();
        hole.whole(6, 1, b"after a hole");
        let what = misused(store.append(epoch, &hole.log));
        assert_eq!(
            what,
            "the segment of revisions 7 to 7 follows revision 0, but the log stands at 5"
        );
        let checkpoint = Checkpoint {
            id: CheckpointId(1),
            start: Revision(3),
            end: Revision(6),
            pages: 0,
        };
        let what = misused(store.publish(checkpoint));
        assert_eq!(
            what,
            "a checkpoint from 3 to 6 is published while the log stands at 5"
        );
        misused(store.publish(Checkpoint {
            pages: 1,
            ..checkpoint
        }));
        misused(store.write_page(CheckpointId(1), 1, b"the second first"));
        store.write_page(CheckpointId(1), 0, b"x").expect("a page");
        misused(store.write_page(CheckpointId(2), 0, b"of another"));
        store.discard(CheckpointId(1)).expect("discarded");
        misused(store.write_page(CheckpointId(1), 0, b"of the same again"));
        drop(store);
        let (_, _, seen) = place.open().expect("it opens again");
        assert_eq!(seen, model.expected());
    }
}

#[test]
fn outdated_records_go_and_the_log_is_counted_from_the_checkpoint() {
    for maker in STORES {
        let place = Place::new(maker);
        let (mut store, epoch, _) = place.open().expect("it is created");
        let mut model = Model::default();
        for _ in 0..600 {
            model.whole(0, 2, &[7; 1_000]);
        }
        store.append(epoch, &model.log).expect("appended");
        let whole = store.stats().log_bytes;
        assert_eq!(whole, 600 * (1_000 + HEADER_BYTES as u64));
        let page = |store: &mut dyn Store, id| {
            let id = CheckpointId(id);
            store.write_page(id, 0, b"page").expect("a page");
            let (start, end) = (Revision(1_100 + id.0), Revision(1_200));
            let pages = 1;
            store.publish(Checkpoint {
                id,
                start,
                end,
                pages,
            })
        };
        page(&mut *store, 1).expect("published");
        page(&mut *store, 2).expect("published again");
        // An append goes on with the removal, and a reopened store takes it up again.
        model.whole(0, 2, b"after it");
        store.append(epoch, &model.log).expect("appended");
        drop(store);
        let (mut store, _, _) = place.open().expect("it opens again");
        let mut calls = 1;
        while store.tend().expect("tended") {
            calls += 1;
            assert!(calls < 10, "it comes to an end");
        }
        let left = store.stats().log_bytes;
        assert!(left < 51 * 1_100, "{left} of {whole} bytes are left");
        drop(store);
        let keys = place.pairs().scan(&b""[..]..&b"z"[..], 1_000);
        // Epoch, marker, page, the segment that ends at the checkpoint's start, 49 after it, and the one appended last.
        let keys = keys.expect("scanned").into_iter();
        let keys = keys
            .filter(|(key, _)| key.as_slice() != super::record::JOURNALED)
            .count();
        assert_eq!(keys, 3 + 1 + 49 + 1, "{}", maker.name);
    }
}
