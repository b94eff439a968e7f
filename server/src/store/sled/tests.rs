//! What the exam of all stores does not see: damage in sled's own files, its journal, its growth.

use super::super::exam::{Model, Place};
use super::super::{Checkpoint, CheckpointId};
use super::*;
use commonhold_proto::Revision;

fn place() -> Place {
    let maker = StoreMaker::find(MAKER.name);
    Place::new(maker.expect("it is in the list"))
}

fn sled_folder(place: &Place) -> PathBuf {
    place.options.folder.join("sled")
}

#[track_caller]
fn open_error(place: &Place) -> String {
    let error = place.open().map(|_| ()).expect_err("it does not open");
    assert!(!error.is_retryable());
    error.to_string()
}

/// Checkpoints of a state of 16 MiB, again and again, each with a log of the same size. sled keeps up to four bytes
/// for one that we keep: its segments are cleaned when half of them is garbage, and it writes nodes anew.
#[test]
fn many_checkpoints_do_not_let_the_folder_grow() {
    const STATE_BYTES: u64 = 16 << 20;
    let place = place();
    let (mut store, epoch, _) = place.open().expect("it is created");
    let payload = vec![7; store.limits().segment_bytes_max];
    let pages = STATE_BYTES / payload.len() as u64;
    let mut largest = 0;
    let mut model = Model::default();
    for id in (1..=8).map(CheckpointId) {
        let start = Revision(model.reach());
        for index in 0..pages {
            let written = store.write_page(id, index, &payload);
            written.expect("a page is written");
            model.whole(0, 3, &payload);
            let newest = model.log.len() - 1;
            let appended = store.append(epoch, &model.log[newest..]);
            appended.expect("appended");
        }
        let end = Revision(model.reach());
        let published = store.publish(Checkpoint {
            id,
            start,
            end,
            pages,
        });
        published.expect("published");
        largest = largest.max(store.stats().disk_bytes);
    }
    // Pages of two checkpoints, and the log since the older one began.
    let kept = 4 * STATE_BYTES;
    let constant = 4 * SEGMENT_BYTES as u64;
    assert!(largest <= 4 * kept + constant, "{} MiB", largest >> 20);
    let blobs = fs::read_dir(sled_folder(&place).join("blobs"));
    assert_eq!(blobs.expect("a folder").count(), 0);
}

/// A copy of a closed store, with one bit of a file flipped.
fn damaged_copy(place: &Place, name: &str, at: usize, bit: usize) -> Place {
    let copy = self::place();
    fs::create_dir_all(sled_folder(&copy).join("blobs")).expect("a folder");
    for name in ["FORMAT", "journal", "sled/conf", "sled/db"] {
        let (from, to) = (&place.options.folder, &copy.options.folder);
        fs::copy(from.join(name), to.join(name)).expect("copied");
    }
    let path = copy.options.folder.join(name);
    let mut damaged = fs::read(&path).expect("the data");
    damaged[at] ^= 1 << bit;
    fs::write(path, damaged).expect("written");
    copy
}

/// Flips bits all over the first bytes of a file of a closed store: each copy is whole, or does not open. Returns how many
/// did not.
fn flip(place: &Place, model: &Model, name: &str, bytes: usize) -> usize {
    let trials = 24;
    let found_out = (0..trials).filter(|trial| {
        let at = bytes / trials * trial + trial;
        match damaged_copy(place, name, at, trial % 8).open() {
            Ok((_, _, seen)) => {
                assert_eq!(seen, model.expected(), "at {at} of {name}");
                false
            }
            Err(error) => {
                assert!(!error.is_retryable());
                true
            }
        }
    });
    found_out.count()
}

/// How much of sled's file was written.
fn written(place: &Place) -> usize {
    // This waits until sled has closed it.
    prepare(&sled_folder(place)).expect("closed");
    let data = fs::read(sled_folder(place).join("db")).expect("the data");
    data.iter().rposition(|byte| *byte != 0).expect("data")
}

/// sled takes such a bit for the end of its log, and opens without what comes after it.
#[test]
fn a_bit_flipped_in_a_file_never_takes_back_an_append() {
    let place = place();
    let mut model = Model::default();
    // Half of it is put into sled when it is opened again, half is in the journal alone.
    for _ in 0..2 {
        let (mut store, epoch, _) = place.open().expect("it opens");
        for count in 0..50 {
            model.whole(0, 3, &[count; 500]);
            store.append(epoch, &model.log).expect("appended");
        }
    }
    let written = written(&place);
    assert!(flip(&place, &model, "sled/db", written) > 12);
    // Without the last one: that may have been cut off by a crash.
    assert!(flip(&place, &model, "journal", 50 << 12) > 1);
}

/// What passes the journal by, and what follows a sync at once, is missed all the same.
#[test]
fn a_bit_flipped_after_large_commits_and_checkpoints_is_found() {
    let place = place();
    let (mut store, epoch, _) = place.open().expect("it is created");
    let mut model = Model::default();
    model.whole(0, 1, b"small");
    store.append(epoch, &model.log).expect("appended");
    let payload = vec![7; store.limits().segment_bytes_max];
    for _ in 0..2 {
        let large = model.log.len();
        model.run(40, &payload);
        store.append(epoch, &model.log[large..]).expect("appended");
    }
    drop(store);
    let bytes = written(&place);
    assert!(flip(&place, &model, "sled/db", bytes) > 12);
    let (mut store, ..) = place.open().expect("it opens");
    let id = CheckpointId(1);
    let pages = vec![Bytes::from_static(b"page")];
    store.write_page(id, 0, &pages[0]).expect("a page");
    let reach = Revision(model.reach());
    let checkpoint = Checkpoint {
        id,
        start: reach,
        end: reach,
        pages: 1,
    };
    store.publish(checkpoint).expect("published");
    model.checkpoint = Some((checkpoint, pages));
    drop(store);
    let bytes = written(&place);
    assert!(flip(&place, &model, "sled/db", bytes) > 0);
}

#[test]
fn what_only_the_journal_has_is_put_into_sled() {
    let place = place();
    let (mut store, epoch, _) = place.open().expect("it is created");
    let mut model = Model::default();
    let before = fs::read(sled_folder(&place).join("db")).expect("the data");
    for count in 0..20 {
        model.whole(0, 3, &[count; 500]);
        store.append(epoch, &model.log).expect("appended");
    }
    drop(store);
    prepare(&sled_folder(&place)).expect("closed");
    // What a crash leaves of sled that was never flushed.
    fs::write(sled_folder(&place).join("db"), before).expect("written");
    let journal = place.options.folder.join("journal");
    let whole = fs::read(&journal).expect("a journal");
    let (.., seen) = place.open().expect("it opens");
    assert_eq!(seen, model.expected());
    prepare(&sled_folder(&place)).expect("closed");
    // Put in once more after a crash before that was durable.
    fs::write(&journal, whole).expect("written");
    let (.., seen) = place.open().expect("it opens");
    assert_eq!(seen, model.expected());
    prepare(&sled_folder(&place)).expect("closed");
    fs::remove_file(journal).expect("removed");
    let error = open_error(&place);
    assert!(error.contains("/journal: it is missing"), "{error}");
}

#[test]
fn a_damaged_commit_of_the_journal_is_not_taken_for_its_end() {
    let place = place();
    let (mut store, epoch, _) = place.open().expect("it is created");
    let before = fs::read(sled_folder(&place).join("db")).expect("the data");
    let mut model = Model::default();
    for count in 0..20 {
        model.whole(0, 3, &[count; 500]);
        store.append(epoch, &model.log).expect("appended");
    }
    drop(store);
    prepare(&sled_folder(&place)).expect("closed");
    fs::write(sled_folder(&place).join("db"), before).expect("written");
    let copy = damaged_copy(&place, "journal", (10 << 12) + 40, 3);
    let error = open_error(&copy);
    assert!(error.contains("the one after 9 is damaged"), "{error}");
    // A write that was torn by the crash was never answered.
    let copy = damaged_copy(&place, "journal", (21 << 12) + 40, 3);
    let (.., seen) = copy.open().expect("it opens");
    model.log.pop();
    assert_eq!(seen, model.expected());
}

#[test]
fn a_journal_that_was_cut_off_is_damage() {
    let place = place();
    drop(place.open().expect("it is created"));
    prepare(&sled_folder(&place)).expect("closed");
    let journal = fs::File::options()
        .write(true)
        .open(place.options.folder.join("journal"));
    let journal = journal.expect("a journal");
    journal.set_len(10 << 12).expect("cut");
    let error = open_error(&place);
    assert!(
        error.contains("/journal: its header or its length is wrong"),
        "{error}"
    );
}

#[test]
fn a_full_journal_begins_anew_and_a_large_commit_passes_it_by() {
    let place = place();
    let (mut store, epoch, _) = place.open().expect("it is created");
    let mut model = Model::default();
    for count in 0..1_500_u32 {
        model.whole(0, 1, &count.to_le_bytes());
        let newest = model.log.len() - 1;
        store.append(epoch, &model.log[newest..]).expect("appended");
    }
    let payload = vec![7; store.limits().segment_bytes_max];
    let large = model.log.len();
    model.run(40, &payload);
    store.append(epoch, &model.log[large..]).expect("appended");
    model.whole(0, 1, b"last");
    let newest = model.log.len() - 1;
    store.append(epoch, &model.log[newest..]).expect("appended");
    drop(store);
    let (.., seen) = place.open().expect("it opens");
    assert_eq!(seen, model.expected());
}

#[test]
fn a_snapshot_that_was_never_finished_does_not_matter() {
    let place = place();
    drop(place.open().expect("it is created"));
    let unfinished = sled_folder(&place).join("snap.00000000FFFFFFFF.generating");
    fs::write(&unfinished, "").expect("a file");
    place.open().expect("it opens");
    assert!(!unfinished.exists());
}

#[test]
fn what_sled_cannot_read_is_an_error_that_names_the_folder() {
    let place = place();
    drop(place.open().expect("it is created"));
    fs::write(sled_folder(&place).join("snap.00000000FFFFFFFF"), "").expect("a file");
    let error = open_error(&place);
    assert!(error.contains("/data/sled: sled found damage"), "{error}");
}

#[test]
fn a_panic_and_a_hang_are_errors() {
    let cause = |outcome: Result<(), StoreError>| match outcome {
        Err(StoreError::Failed { what, source }) => format!("{what}: {source}"),
        other => panic!("{other:?}"),
    };
    let panicking = || panic!("at page {}", 7);
    let outcome = guarded("opening", Duration::from_mins(1), panicking);
    assert_eq!(cause(outcome), "opening: the engine panicked: at page 7");
    let (sender, receiver) = mpsc::channel::<()>();
    let hanging = move || receiver.recv().unwrap_or_default();
    let outcome = guarded("opening", Duration::from_millis(10), hanging);
    assert_eq!(cause(outcome), "opening: no end after 0 s");
    drop(sender);
}

#[test]
fn without_room_nothing_is_written_and_deletes_go_on() {
    let place = place();
    let mut pairs = SledPairs::open(&place.options.folder).expect("it is created");
    let mut put = Batch::default();
    put.put(Key::from_slice(b"a"), Bytes::from_static(b"1"));
    let mut delete = Batch::default();
    delete.delete(Key::from_slice(b"a"));
    pairs.free_bytes = |_| Ok(HEADROOM_BYTES);
    let full = pairs.write(put.clone(), true).expect_err("it is full");
    assert!(full.is_retryable());
    pairs.write(delete, true).expect("it makes room");
    pairs.free_bytes = Folder::free_bytes;
    pairs.write(put, true).expect("there is room");
    let found = pairs.scan(&b"a"[..]..&b"b"[..], 10).expect("scanned");
    assert_eq!(found.len(), 1);
}
