//! The store `sled`: the embedded default. The only file that names sled.
//!
//! sled 0.34 is used within bounds, each of which was measured:
//! - Its `flush` writes but does not sync: power can take what it returned for. So whoever syncs it syncs the data file
//!   through a descriptor of our own.
//! - A flush takes two waits for the disk and wakes its seven threads. So a commit is synced in a [journal](super::journal)
//!   instead, and sled gets it when that is full: one durable change takes half the time, and 64 callers take turns
//!   without fourteen switches of threads a batch.
//! - It frees and overwrites segments as if its flush had synced: after a simulated power loss it did not open in 5 to 29
//!   of 70 cases where writes had gone without a sync, in none of 48 where each had one. So each has one.
//! - It takes damage at the end of its log for a crash, and opens without what came after. Whenever it was synced, the
//!   journal says so, under a number that is in sled too: what sled lost is missed.
//! - It is written by one thread, in one tree, one batch or one pair a commit, values of at most 64 KiB: larger nodes would go to
//!   files that it never syncs (`blobs/` stays empty).
//! - A full disk makes it hang, and the file that it leaves keeps it from opening: we look at the free space before each
//!   write, and remove that file before opening.
//! - It panics or hangs on some damaged files: it is opened on a thread of its own, with a time-out.

use super::folder::{self, Folder};
use super::journal::{Found, Journal, Room};
use super::pairs::{Batch, Key, Measure, Pairs};
use super::record::{self, JOURNALED};
use super::segment::HEADER_BYTES;
use super::{StoreError, StoreLimits, StoreMaker};
use bytes::Bytes;
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
/// Bytes of the journal that it gets at a time, with a sync: as much as one commit may be.
const TOGETHER_BYTES: u64 = VALUE_BYTES_MAX as u64;
/// What the journal says when sled has all that came before: no batch begins with a key of no bytes.
const SYNCED: &[u8] = &[0];
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
    journal: Journal,
    /// What is in the journal and not in sled. Nobody scans for it before sled has it: the log is read at the start, and
    /// what is outdated was settled with its checkpoint.
    pending: Vec<Batch>,
    pending_bytes: u64,
    syncs: u64,
    free_bytes: fn(&Folder) -> io::Result<u64>,
}

impl SledPairs {
    fn open(path: &Path) -> Result<SledPairs, StoreError> {
        let folder = Folder::open(path, MAKER.name)?;
        let (journal, found) = open_journal(&folder)?;
        let path = folder.path().join("sled");
        let what = format!("opening {}", path.display());
        let opened = guarded(&what, OPEN_TIME_MAX, {
            let (path, what) = (path.clone(), what.clone());
            move || open_at(&path, &what)
        });
        let (db, file) = opened??;
        let mut pairs = SledPairs {
            db: Some(db),
            file,
            path,
            folder,
            journal,
            pending: Vec::new(),
            pending_bytes: 0,
            syncs: 0,
            free_bytes: Folder::free_bytes,
        };
        guarded(&what, OPEN_TIME_MAX, move || {
            pairs.catch_up(found)?;
            Ok(pairs)
        })?
    }

    /// Gives sled what it lacks of the journal.
    fn catch_up(&mut self, found: Found) -> Result<(), StoreError> {
        let has = self.journaled()?;
        let path = self.folder.path().to_owned();
        let damaged = |what: String| {
            Err(StoreError::Damaged {
                path: path.clone(),
                what,
            })
        };
        let lost = |number| {
            damaged(format!(
                "sled has the commits up to {has}, and had them up to {number}: its end is lost"
            ))
        };
        let lacking = found.records.into_iter();
        let lacking: Vec<_> = lacking.filter(|(number, _)| *number > has).collect();
        let newest = lacking.last().map_or(has, |(newest, _)| *newest);
        if let Some((first, _)) = lacking.first()
            && *first != has + 1
        {
            return lost(first - 1);
        }
        if found.beyond > newest {
            return damaged(format!(
                "the journal has a commit {}, and the one after {newest} is damaged",
                found.beyond
            ));
        }
        for (number, record) in &lacking {
            if **record == *SYNCED {
                return lost(*number);
            }
            let Some(batch) = Batch::decode(record) else {
                return damaged(format!("commit {number} of the journal is no batch"));
            };
            self.keep(batch);
        }
        self.journal.restart(newest);
        if lacking.is_empty() {
            return Ok(());
        }
        self.room(self.pending_bytes)?;
        self.write(Batch::default(), true)
    }

    /// Keeps a batch that is in the journal for when sled gets it.
    fn keep(&mut self, batch: Batch) {
        self.pending_bytes += batch.put_bytes();
        self.pending.push(batch);
    }

    /// The number of the newest record of the journal that sled has.
    fn journaled(&self) -> Result<u64, StoreError> {
        let after = [JOURNALED, &[0]].concat();
        let Some((_, value)) = self.scan(JOURNALED..&after, 1)?.pop() else {
            return Ok(0);
        };
        let number = record::open(JOURNALED, &value).and_then(|number| {
            let number = number.as_ref().try_into().map_err(|_| "it is no number")?;
            Ok(u64::from_le_bytes(number))
        });
        number.map_err(|what| StoreError::Damaged {
            path: self.path.clone(),
            what: format!("how far the journal was written: {what}"),
        })
    }

    fn db(&self) -> Result<&Db, StoreError> {
        self.db
            .as_ref()
            .ok_or_else(|| StoreError::failed("using sled", "a write failed before"))
    }

    /// Gives sled a batch, and makes it durable there.
    fn apply(&mut self, batch: &Batch) -> sled::Result<()> {
        let Some(db) = &self.db else {
            return Ok(());
        };
        match &batch.steps[..] {
            [] => {}
            // One pair is one record of sled's log: whole or not there without the marker of a batch, which sled would
            // write, and wait for, by itself.
            [(key, Some(value))] => {
                db.insert(key.as_slice(), IVec::from(value.as_ref()))?;
            }
            _ => db.apply_batch(into_sled(batch))?,
        }
        db.flush()?;
        self.file.sync_data()?;
        self.syncs += 1;
        Ok(())
    }

    /// Gives sled all that is in the journal alone, and this batch, and lets the journal begin anew.
    fn settle(&mut self, batch: &Batch) -> sled::Result<()> {
        let mut together = Batch::default();
        for batch in std::mem::take(&mut self.pending) {
            if together.put_bytes() + batch.put_bytes() > TOGETHER_BYTES {
                self.apply(&std::mem::take(&mut together))?;
            }
            together.steps.extend(batch.steps);
        }
        self.apply(&together)?;
        self.pending_bytes = 0;
        if !batch.steps.is_empty() {
            self.apply(batch)?;
        }
        // A number of its own, in sled first and then in the journal: so that it is seen if sled loses this.
        let number = self.journal.newest() + 1;
        let mut mark = Batch::default();
        let sealed = record::seal(JOURNALED, &number.to_le_bytes());
        mark.put(Key::from_slice(JOURNALED), sealed);
        self.apply(&mark)?;
        self.journal.restart(number - 1);
        self.journal
            .append(|record| record.extend_from_slice(SYNCED))?;
        self.syncs += 1;
        Ok(())
    }

    /// Does what writes. Nobody knows what was written when it fails: then nothing more is.
    fn guarded(
        &mut self,
        write: impl FnOnce(&mut SledPairs) -> sled::Result<()>,
    ) -> Result<(), StoreError> {
        self.db()?;
        let what = format!("writing to {}", self.path.display());
        let outcome = match catch_unwind(AssertUnwindSafe(|| write(self))) {
            Ok(outcome) => outcome.map_err(|error| typed(&self.path, &what, error)),
            Err(panic) => Err(StoreError::failed(what, message(&*panic))),
        };
        if outcome.is_err() {
            std::mem::forget(self.db.take());
        }
        outcome
    }

    /// Is there room? Once sled itself finds that there is none, it is lost.
    fn room(&self, put_bytes: u64) -> Result<(), StoreError> {
        if put_bytes == 0 {
            return Ok(());
        }
        let free = (self.free_bytes)(&self.folder)
            .map_err(|error| StoreError::failed("reading the free space", error))?;
        if free < HEADROOM_BYTES + WRITE_FACTOR * (put_bytes + self.pending_bytes) {
            return Err(StoreError::Full {
                path: self.folder.path().to_owned(),
            });
        }
        Ok(())
    }
}

impl Pairs for SledPairs {
    /// Never without a sync: sled frees and overwrites what it takes for durable.
    fn write(&mut self, batch: Batch, sync: bool) -> Result<(), StoreError> {
        self.room(batch.put_bytes())?;
        self.guarded(|this| {
            if sync {
                this.settle(&batch)
            } else {
                this.apply(&batch)
            }
        })
    }

    fn append(&mut self, batch: Batch) -> Result<(), StoreError> {
        self.room(batch.put_bytes())?;
        match self.journal.room(batch.encoded_len()) {
            Room::Now => {}
            Room::AfterRestart => self.write(Batch::default(), true)?,
            Room::Never => return self.write(batch, true),
        }
        self.guarded(|this| {
            this.journal.append(|record| batch.encode(record))?;
            this.syncs += 1;
            this.keep(batch);
            Ok(())
        })
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

    fn limits(&self) -> StoreLimits {
        StoreLimits {
            change_bytes_max: 128 << 20,
            segment_bytes_max: VALUE_BYTES_MAX - HEADER_BYTES,
        }
    }

    fn measure(&self) -> Measure {
        Measure {
            syncs: self.syncs,
            disk_bytes: [&*self.path, self.folder.path()]
                .map(|folder| folder::disk_bytes(folder).unwrap_or(0))
                .iter()
                .sum(),
            free_bytes: (self.free_bytes)(&self.folder).ok(),
        }
    }

    fn path(&self) -> &Path {
        &self.path
    }
}

fn open_journal(folder: &Folder) -> Result<(Journal, Found), StoreError> {
    let path = folder.path().join("journal");
    if !path.exists() && folder.path().join("sled/db").exists() {
        let what = "it is missing, and with it what was committed last".to_owned();
        return Err(StoreError::Damaged { path, what });
    }
    let opened = Journal::open(&path)
        .map_err(|error| StoreError::failed(format!("opening {}", path.display()), error))?;
    opened.ok_or(StoreError::Damaged {
        path,
        what: "its header or its length is wrong".to_owned(),
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
mod tests;
