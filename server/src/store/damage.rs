//! What every store of the list does about records that are not what was written.

use super::exam::{Model, Place};
use super::pairs::{Batch, Key};
use super::record::{EPOCH, MARKER, page_key, segment_key};
use super::*;

/// A store with a checkpoint of two pages and, after it, a segment, a run of three chunks and a segment.
fn filled(maker: &'static StoreMaker) -> (Place, Model) {
    let place = Place::new(maker);
    let (mut store, epoch, _) = place.open().expect("it is created");
    let mut model = Model::default();
    model.whole(0, 5, b"before");
    model.whole(0, 5, b"one");
    model.run(3, b"chunk");
    model.whole(0, 1, b"two");
    store.append(epoch, &model.log).expect("appended");
    let id = CheckpointId(1);
    let pages: Vec<_> = [&b"a"[..], b"b"].map(Bytes::from_static).into();
    for (page, index) in pages.iter().zip(0..) {
        store.write_page(id, index, page).expect("a page");
    }
    let (start, end) = (Revision(5), Revision(12));
    let checkpoint = Checkpoint {
        id,
        start,
        end,
        pages: 2,
    };
    store.publish(checkpoint).expect("published");
    model.checkpoint = Some((checkpoint, pages));
    (place, model)
}

/// Changes the value of a key below a closed store; none deletes.
fn change(place: &Place, key: &[u8], change: impl FnOnce(Vec<u8>) -> Option<Vec<u8>>) {
    let mut pairs = place.pairs();
    let after = [key, &[0]].concat();
    let found = pairs.scan(key..&after, 1).expect("scanned");
    let value = found
        .first()
        .map_or(Vec::new(), |(_, value)| value.to_vec());
    let mut batch = Batch::default();
    match change(value) {
        Some(value) => batch.put(Key::from_slice(key), value.into()),
        None => batch.delete(Key::from_slice(key)),
    }
    pairs.write(batch, true).expect("changed");
}

/// The keys of everything in a [`filled`] store, and what each is called.
fn records(model: &Model) -> Vec<(Key, &'static str)> {
    let id = CheckpointId(1);
    let mut records = vec![
        (Key::from_slice(EPOCH), "the epoch"),
        (Key::from_slice(MARKER), "the marker of the checkpoint"),
        (page_key(id, 0), "page 0 of checkpoint 1"),
        (page_key(id, 1), "page 1 of checkpoint 1"),
    ];
    let names = [
        "the segment at revision 1, chunk 0",
        "the segment at revision 6, chunk 0",
        "the segment at revision 11, chunk 0",
        "the segment at revision 11, chunk 1",
        "the segment at revision 11, chunk 2",
        "the segment at revision 12, chunk 0",
    ];
    let keys = model.log.iter().map(|segment| segment_key(&segment.header));
    records.extend(keys.zip(names));
    records
}

#[track_caller]
fn check_damaged(place: &Place, says: &str) {
    match place.open().map(|(_, _, seen)| seen) {
        Err(StoreError::Damaged { what, .. }) => assert!(what.contains(says), "{what}"),
        other => panic!("{}: {other:?} instead of {says}", place.maker.name),
    }
}

#[test]
fn a_flipped_bit_is_damage_that_names_its_record() {
    for maker in STORES {
        let (place, model) = filled(maker);
        for (key, name) in records(&model) {
            let mut whole = Vec::new();
            change(&place, &key, |mut value| {
                whole.clone_from(&value);
                let at = value.len() / 2;
                value[at] ^= 0x10;
                Some(value)
            });
            check_damaged(&place, name);
            change(&place, &key, |_| Some(whole));
        }
        let (_, _, seen) = place.open().expect("all is mended");
        assert_eq!(seen, model.expected());
    }
}

#[test]
fn a_record_in_the_place_of_another_is_damage() {
    for maker in STORES {
        let (place, model) = filled(maker);
        let first = model.log[1].record.to_vec();
        let id = CheckpointId(1);
        change(&place, &segment_key(&model.log[5].header), |_| Some(first));
        check_damaged(
            &place,
            "the segment at revision 12, chunk 0 holds another segment",
        );
        let mut page = Vec::new();
        change(&place, &page_key(id, 0), |value| {
            page.clone_from(&value);
            Some(value)
        });
        change(&place, &page_key(id, 1), |_| Some(page));
        check_damaged(&place, "page 1 of checkpoint 1: its checksum is wrong");
    }
}

#[test]
fn a_missing_record_is_damage_that_says_what_is_missing() {
    for (missing, says) in [
        (0, "page 0 of checkpoint 1 is missing"),
        (1, "page 1 of checkpoint 1 is missing"),
        (
            3,
            "chunk 0 of revision 11 follows revision 10, but the log stands at 5",
        ),
        (4, "chunk 1 of revision 11 has no chunk before it"),
        (
            5,
            "chunk 1 of revision 11 is missing before chunk 2 of revision 11",
        ),
        (
            6,
            "chunk 2 of revision 11 is missing before the segment of revisions 12 to 12",
        ),
        (
            7,
            "the log ends at revision 11, but checkpoint 1 needs it up to 12",
        ),
    ] {
        for maker in STORES {
            let (place, model) = filled(maker);
            let (key, _) = &records(&model)[missing + 2];
            change(&place, key, |_| None);
            check_damaged(&place, says);
        }
    }
}

#[test]
fn an_unfinished_run_at_the_end_is_dropped_for_good() {
    for maker in STORES {
        for left in 1..4 {
            let (place, mut model) = filled(maker);
            let (mut store, epoch, _) = place.open().expect("it opens");
            let whole = model.log.len();
            model.run(4, b"never whole");
            let appended = store.append(epoch, &model.log[..whole + left]);
            appended.expect("a part is appended");
            model.log.truncate(whole);
            drop(store);
            let (mut store, epoch, seen) = place.open().expect("it opens");
            assert_eq!(seen, model.expected());
            // Were the rest still there, it would break the log now.
            model.whole(1 << 32, 1, b"later");
            store.append(epoch, &model.log).expect("the log goes on");
            drop(store);
            let (_, _, seen) = place.open().expect("it opens again");
            assert_eq!(seen, model.expected());
        }
    }
}

#[test]
fn pages_that_were_never_published_do_not_mix_with_later_ones() {
    for maker in STORES {
        let (place, mut model) = filled(maker);
        let (mut store, ..) = place.open().expect("it opens");
        let id = CheckpointId(2);
        for index in 0..3 {
            store.write_page(id, index, b"unpublished").expect("a page");
        }
        drop(store);
        let (mut store, ..) = place.open().expect("it opens");
        store
            .write_page(id, 0, b"published")
            .expect("the name is free");
        let (start, end) = (Revision(8), Revision(12));
        let checkpoint = Checkpoint {
            id,
            start,
            end,
            pages: 1,
        };
        store.publish(checkpoint).expect("published");
        model.checkpoint = Some((checkpoint, vec![Bytes::from_static(b"published")]));
        drop(store);
        let (_, _, seen) = place.open().expect("it opens");
        assert_eq!(seen, model.expected());
    }
}

#[test]
fn a_crash_in_an_append_leaves_a_prefix_of_whole_changes() {
    let maker = StoreMaker::find("memory").expect("it is in the list");
    for kept in 0..=6 {
        let place = Place::new(maker);
        let (mut store, epoch, _) = place.open().expect("it is created");
        let mut model = Model::default();
        model.whole(0, 2, b"returned");
        store.append(epoch, &model.log).expect("appended");
        model.whole(0, 2, b"in flight");
        model.run(3, b"in flight");
        model.whole(0, 1, b"in flight");
        place.options.memory.fail_next_write(Fault::Crash { kept });
        store.append(epoch, &model.log).expect_err("it crashes");
        // Records on the disk, and those of them that make whole changes.
        let whole = [1, 2, 2, 2, 5, 6, 6][kept];
        model.log.truncate(whole);
        let (_, _, seen) = place.open().expect("it opens after the crash");
        assert_eq!(seen, model.expected(), "{kept} kept");
    }
}

#[test]
fn a_full_disk_takes_the_same_append_later() {
    let maker = StoreMaker::find("memory").expect("it is in the list");
    let place = Place::new(maker);
    let (mut store, epoch, _) = place.open().expect("it is created");
    let mut model = Model::default();
    model.whole(0, 2, b"payload");
    place.options.memory.fail_next_write(Fault::Full);
    let full = store.append(epoch, &model.log).expect_err("it is full");
    assert!(full.is_retryable());
    store.append(epoch, &model.log).expect("there is room");
    drop(store);
    let (_, _, seen) = place.open().expect("it opens");
    assert_eq!(seen, model.expected());
}
