//! The store `sled`: the embedded default. The only file that names sled.
//!
//! sled 0.34 is used within bounds, each of which was measured:
//! - Its `flush` writes but does not sync: power can take what it returned for. So each commit syncs the data file through
//!   a descriptor of our own.
//! - It is written by one thread, in one tree, one batch or one pair a commit, values of at most 64 KiB: larger nodes would go to
//!   files that it never syncs (`blobs/` stays empty).
//! - A full disk makes it hang, and the file that it leaves keeps it from opening: we look at the free space before each
//!   write, and remove that file before opening.
//! - It panics or hangs on some damaged files: it is opened on a thread of its own, with a time-out.

use super::folder::{self, Folder};
use super::pairs::{Batch, Key, Measure, Pairs};
use super::segment::HEADER_BYTES;
use super::witness::Witness;
use super::{StoreError, StoreLimits, StoreMaker};
use bytes::Bytes;
use commonhold_proto::Revision;
use sled::{Db, IVec};
use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

pub(super) const MAKER: StoreMaker = StoreMaker {
    name: "sled",
    doc: "a folder on a local disk",
    pairs: |options| Ok(Box::new(SledPairs::open(&options.folder)?)),
};

/// The largest value that is kept in the log of sled itself, many times over: a node has up to 17 values.
const VALUE_BYTES_MAX: usize = 64 << 10;
/// Its unit of allocation, fixed at creation. A node over a quarter of it would become a file in `blobs/`.
const SEGMENT_BYTES: usize = 16 << 20;
/// Its cache. We read at start and when we remove records, so a small one does.
const CACHE_BYTES: u64 = 32 << 20;
/// Room that must be left for it to write nodes anew: a few of its segments.
const HEADROOM_BYTES: u64 = 4 * SEGMENT_BYTES as u64;
/// What it may write for one byte that we put: the value, and its node anew.
const WRITE_FACTOR: u64 = 4;
/// It reads its log since the last snapshot when it is opened: gigabytes at most.
const OPEN_TIME_MAX: Duration = Duration::from_mins(2);

struct SledPairs {
    /// None once it failed: closing it would write again, or hang.
    db: Option<Db>,
    /// `db`, to sync.
    file: File,
    /// The folder of sled, within ours.
    path: PathBuf,
    folder: Folder,
    /// sled takes damage in what it wrote since it was opened for the end of its log.
    witness: Witness,
    syncs: u64,
    free_bytes: fn(&Folder) -> io::Result<u64>,
}

impl SledPairs {
    fn open(path: &Path) -> Result<SledPairs, StoreError> {
        let folder = Folder::open(path, MAKER.name)?;
        let witness = open_witness(&folder)?;
        let path = folder.path().join("sled");
        let what = format!("opening {}", path.display());
        let opened = guarded(&what, OPEN_TIME_MAX, {
            let (path, what) = (path.clone(), what.clone());
            move || open_at(&path, &what)
        });
        let (db, file) = opened??;
        Ok(SledPairs {
            db: Some(db),
            file,
            path,
            folder,
            witness,
            syncs: 0,
            free_bytes: Folder::free_bytes,
        })
    }

    fn db(&self) -> Result<&Db, StoreError> {
        self.db
            .as_ref()
            .ok_or_else(|| StoreError::failed("using sled", "a write failed before"))
    }

    /// Is there room? Once sled itself finds that there is none, it is lost.
    fn room(&self, put_bytes: u64) -> Result<(), StoreError> {
        if put_bytes == 0 {
            return Ok(());
        }
        let free = (self.free_bytes)(&self.folder)
            .map_err(|error| StoreError::failed("reading the free space", error))?;
        if free < HEADROOM_BYTES + WRITE_FACTOR * put_bytes {
            return Err(StoreError::Full {
                path: self.folder.path().to_owned(),
            });
        }
        Ok(())
    }
}

impl Pairs for SledPairs {
    fn write(&mut self, batch: Batch, sync: bool) -> Result<(), StoreError> {
        self.room(batch.put_bytes())?;
        let db = self.db()?;
        let write = || {
            match &batch.steps[..] {
                [] => {}
                // One pair is one record of sled's log: whole or not there without the marker of a batch, which sled
                // would write, and wait for, by itself.
                [(key, Some(value))] => {
                    db.insert(key.as_slice(), IVec::from(value.as_ref()))?;
                }
                _ => db.apply_batch(into_sled(&batch))?,
            }
            if sync {
                db.flush()?;
                self.file.sync_data()?;
            }
            Ok(())
        };
        let what = || format!("writing to {}", self.path.display());
        let outcome = match catch_unwind(AssertUnwindSafe(write)) {
            Ok(outcome) => outcome.map_err(|error| typed(&self.path, &what(), error)),
            Err(panic) => Err(StoreError::failed(what(), message(&*panic))),
        };
        if outcome.is_err() {
            std::mem::forget(self.db.take());
        } else if sync {
            self.syncs += 1;
        }
        outcome
    }

    fn scan(&self, range: Range<&[u8]>, limit: usize) -> Result<Vec<(Key, Bytes)>, StoreError> {
        let what = || format!("reading {}", self.path.display());
        let found = self.db()?.range(range).take(limit);
        let read = || {
            found
                .map(|pair| {
                    let (key, value) = pair?;
                    Ok((Key::from_slice(&key), Bytes::from_owner(value)))
                })
                .collect::<sled::Result<Vec<_>>>()
        };
        match catch_unwind(AssertUnwindSafe(read)) {
            Ok(found) => found.map_err(|error| typed(&self.path, &what(), error)),
            Err(panic) => Err(StoreError::failed(what(), message(&*panic))),
        }
    }

    fn witness(&mut self, reach: Revision, sync: bool) -> Result<(), StoreError> {
        let noted = self.witness.note(reach);
        let synced = noted.and_then(|()| if sync { self.witness.sync() } else { Ok(()) });
        synced.map_err(|error| StoreError::failed("noting how far the log reached", error))
    }

    fn witnessed(&self) -> Revision {
        self.witness.reached()
    }

    fn limits(&self) -> StoreLimits {
        StoreLimits {
            change_bytes_max: 128 << 20,
            segment_bytes_max: VALUE_BYTES_MAX - HEADER_BYTES,
        }
    }

    fn measure(&self) -> Measure {
        Measure {
            syncs: self.syncs,
            disk_bytes: folder::disk_bytes(&self.path).unwrap_or(0),
            free_bytes: (self.free_bytes)(&self.folder).ok(),
        }
    }

    fn path(&self) -> &Path {
        &self.path
    }
}

fn open_witness(folder: &Folder) -> Result<Witness, StoreError> {
    let path = folder.path().join("reached");
    let witness = Witness::open(&path)
        .map_err(|error| StoreError::failed(format!("opening {}", path.display()), error))?;
    witness.ok_or(StoreError::Damaged {
        path,
        what: "its checksums are wrong".to_owned(),
    })
}

/// Opens sled in its folder, and its data file.
fn open_at(path: &Path, what: &str) -> Result<(Db, File), StoreError> {
    prepare(path).map_err(|error| StoreError::failed(what, error))?;
    let config = sled::Config::new()
        .path(path)
        .segment_size(SEGMENT_BYTES)
        .cache_capacity(CACHE_BYTES)
        .flush_every_ms(None);
    let db = config.open().map_err(|error| typed(path, what, error))?;
    let file = settle(path).map_err(|error| StoreError::failed(what, error))?;
    Ok((db, file))
}

/// Makes a folder ready for sled to open.
fn prepare(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)?;
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            fs::remove_file(entry.path())?;
        }
    }
    match File::open(path.join("db")) {
        // A database that was just closed in this process keeps its own lock for a moment, until its threads are done.
        // This waits for them; our folder's lock is ours already, so nobody else has this one.
        Ok(file) => file.lock(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Makes durable what sled created, and opens its data file.
fn settle(path: &Path) -> io::Result<File> {
    File::open(path.join("conf"))?.sync_all()?;
    let file = File::open(path.join("db"))?;
    file.sync_all()?;
    folder::sync_folder(path)?;
    if let Some(parent) = path.parent() {
        folder::sync_folder(parent)?;
    }
    Ok(file)
}

/// Runs what may panic or hang on a thread of its own, which is left behind if it does not come back.
fn guarded<T: Send + 'static>(
    what: &str,
    time_max: Duration,
    run: impl FnOnce() -> T + Send + 'static,
) -> Result<T, StoreError> {
    let (sender, receiver) = mpsc::sync_channel(1);
    let thread = std::thread::Builder::new().name("store-open".to_owned());
    thread
        .spawn(move || {
            let outcome = catch_unwind(AssertUnwindSafe(run));
            // If nobody waits any more, the outcome is dropped here.
            let _ = sender.send(outcome.map_err(|panic| message(&*panic)));
        })
        .map_err(|error| StoreError::failed(what, error))?;
    match receiver.recv_timeout(time_max) {
        Ok(Ok(outcome)) => Ok(outcome),
        Ok(Err(panic)) => Err(StoreError::failed(what, panic)),
        Err(_) => {
            let seconds = time_max.as_secs();
            Err(StoreError::failed(
                what,
                format!("no end after {seconds} s"),
            ))
        }
    }
}

/// What a panic said.
fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied());
    format!("the engine panicked: {}", text.unwrap_or("no message"))
}

/// Our error for one of sled. None of them may be retried: sled does not get over a failed write.
fn typed(path: &Path, what: &str, error: sled::Error) -> StoreError {
    match error {
        sled::Error::Corruption { at, .. } => StoreError::Damaged {
            path: path.to_owned(),
            what: match at {
                Some(at) => format!("sled found damage at {at:?}"),
                None => "sled found damage".to_owned(),
            },
        },
        error => StoreError::failed(what, error),
    }
}

fn into_sled(batch: &Batch) -> sled::Batch {
    let mut into = sled::Batch::default();
    for (key, value) in &batch.steps {
        match value {
            Some(value) => into.insert(key.as_slice(), IVec::from(value.as_ref())),
            None => into.remove(key.as_slice()),
        }
    }
    into
}

#[cfg(test)]
mod tests {
    use super::super::exam::{Model, Place};
    use super::super::{Checkpoint, CheckpointId};
    use super::*;

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

    /// sled takes such a bit for the end of its log, and opens without what comes after it.
    #[test]
    fn a_bit_flipped_in_the_file_never_takes_back_an_append() {
        let place = place();
        let (mut store, epoch, _) = place.open().expect("it is created");
        let mut model = Model::default();
        for count in 0..100 {
            model.whole(0, 3, &[count; 500]);
            store.append(epoch, &model.log).expect("appended");
        }
        drop(store);
        // This waits until sled has closed its file.
        prepare(&sled_folder(&place)).expect("closed");
        let whole = fs::read(sled_folder(&place).join("db")).expect("the data");
        let mut found_out = 0;
        for trial in 0..24 {
            let copy = self::place();
            fs::create_dir_all(sled_folder(&copy).join("blobs")).expect("a folder");
            for name in ["FORMAT", "reached", "sled/conf"] {
                let (from, to) = (&place.options.folder, &copy.options.folder);
                fs::copy(from.join(name), to.join(name)).expect("copied");
            }
            let mut damaged = whole.clone();
            let at = whole.len() / 24 * trial + trial;
            damaged[at] ^= 1 << (trial % 8);
            fs::write(sled_folder(&copy).join("db"), damaged).expect("written");
            match copy.open() {
                Ok((_, _, seen)) => assert_eq!(seen, model.expected(), "at {at}"),
                Err(error) => {
                    assert!(!error.is_retryable());
                    found_out += 1;
                }
            }
        }
        assert!(found_out > 12, "most of the file matters: {found_out}");
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
        let found = pairs.scan(&b""[..]..&b"z"[..], 10).expect("scanned");
        assert_eq!(found.len(), 1);
    }
}
