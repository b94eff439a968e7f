//! The store `memory`: for servers that keep nothing, and for tests that crash.
//!
//! The data lies in a [`MemoryDisk`], which outlives the stores that are opened on it: a test can crash the owner, inject
//! faults, and open again. Like a real disk it may lose what was written since the last sync.

use super::pairs::{Batch, Key, Measure, Pairs};
use super::segment::HEADER_BYTES;
use super::{StoreError, StoreLimits, StoreMaker};
use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};
use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Bound, Range};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(super) const MAKER: StoreMaker = StoreMaker {
    name: "memory",
    doc: "keeps everything in memory: gone when the server ends",
    pairs: |options| {
        let disk = options.memory.clone();
        let owner = disk.own()?;
        Ok(Box::new(MemoryPairs { disk, owner }))
    },
};

/// What errors name.
const PATH: &str = "memory";

/// What the store `memory` writes to. Clones are the same disk.
#[derive(Clone, Default)]
pub struct MemoryDisk(Arc<Mutex<Disk>>);

/// What will go wrong with a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// There is no room: nothing is written, and the call may be made again.
    Full,
    /// The owner crashes. The first `kept` records of what it was writing are on the disk, and so is all that it wrote
    /// before, synced or not.
    Crash {
        /// How many.
        kept: usize,
    },
}

#[derive(Default)]
struct Disk {
    pairs: BTreeMap<Key, Bytes>,
    /// What the keys written since the last sync held before, oldest first.
    unsynced: Vec<(Key, Option<Bytes>)>,
    /// Who may use it; others have crashed.
    owner: Option<u64>,
    owners: u64,
    fault: Option<Fault>,
    syncs: u64,
}

impl MemoryDisk {
    /// The next synced write (an `append`, mostly) fails thus.
    pub fn fail_next_write(&self, fault: Fault) {
        self.0.lock().fault = Some(fault);
    }

    /// The owner crashes, if there is one: its store fails from now on, what it had not synced is lost, and the disk can
    /// be opened anew.
    pub fn crash(&self) {
        let mut disk = self.0.lock();
        disk.take_back(0);
        disk.unsynced.clear();
        disk.owner = None;
    }

    fn own(&self) -> Result<u64, StoreError> {
        let mut disk = self.0.lock();
        if disk.owner.is_some() {
            return Err(StoreError::InUse {
                path: PathBuf::from(PATH),
                pid: Some(std::process::id()),
            });
        }
        disk.owners += 1;
        disk.owner = Some(disk.owners);
        Ok(disk.owners)
    }
}

impl fmt::Debug for MemoryDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryDisk").finish_non_exhaustive()
    }
}

impl Disk {
    /// Does the first `limit` steps of a batch.
    fn apply(&mut self, batch: Batch, limit: usize) {
        for (key, value) in batch.steps.into_iter().take(limit) {
            let before = match value {
                Some(value) => self.pairs.insert(key.clone(), value),
                None => self.pairs.remove(&key),
            };
            self.unsynced.push((key, before));
        }
    }

    /// Undoes all but the first `kept` unsynced steps.
    fn take_back(&mut self, kept: usize) {
        for (key, before) in self.unsynced.drain(kept..).rev() {
            match before {
                Some(value) => self.pairs.insert(key, value),
                None => self.pairs.remove(&key),
            };
        }
    }
}

/// An open store's hold on the disk.
struct MemoryPairs {
    disk: MemoryDisk,
    owner: u64,
}

impl MemoryPairs {
    fn disk(&self) -> Result<MutexGuard<'_, Disk>, StoreError> {
        let disk = self.disk.0.lock();
        if disk.owner == Some(self.owner) {
            Ok(disk)
        } else {
            Err(StoreError::failed("using the memory", "its owner crashed"))
        }
    }
}

impl Drop for MemoryPairs {
    fn drop(&mut self) {
        if let Ok(mut disk) = self.disk() {
            disk.unsynced.clear();
            disk.owner = None;
        }
    }
}

impl Pairs for MemoryPairs {
    fn write(&mut self, batch: Batch, sync: bool) -> Result<(), StoreError> {
        let mut disk = self.disk()?;
        let fault = if sync { disk.fault.take() } else { None };
        match fault {
            None => disk.apply(batch, usize::MAX),
            Some(Fault::Full) => {
                return Err(StoreError::Full {
                    path: PathBuf::from(PATH),
                });
            }
            Some(Fault::Crash { kept }) => {
                disk.apply(batch, kept);
                disk.unsynced.clear();
                disk.owner = None;
                return Err(StoreError::failed(
                    "writing to the memory",
                    "the owner crashed",
                ));
            }
        }
        if sync {
            disk.unsynced.clear();
            disk.syncs += 1;
        }
        Ok(())
    }

    fn scan(&self, range: Range<&[u8]>, limit: usize) -> Result<Vec<(Key, Bytes)>, StoreError> {
        let disk = self.disk()?;
        let bounds = (Bound::Included(range.start), Bound::Excluded(range.end));
        let found = disk.pairs.range::<[u8], _>(bounds).take(limit);
        Ok(found
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect())
    }

    fn limits(&self) -> StoreLimits {
        StoreLimits {
            change_bytes_max: 128 << 20,
            segment_bytes_max: (64 << 10) - HEADER_BYTES,
        }
    }

    fn measure(&self) -> Measure {
        Measure {
            syncs: self.disk.0.lock().syncs,
            ..Measure::default()
        }
    }

    fn path(&self) -> &Path {
        Path::new(PATH)
    }
}

#[cfg(test)]
mod tests {
    use super::super::StoreOptions;
    use super::*;

    fn put(names: &[&str]) -> Batch {
        let mut batch = Batch::default();
        for name in names {
            batch.put(Key::from_slice(name.as_bytes()), Bytes::from_static(b"x"));
        }
        batch
    }

    fn open(disk: &MemoryDisk) -> Box<dyn Pairs> {
        let options = StoreOptions {
            memory: disk.clone(),
            ..StoreOptions::new("")
        };
        (MAKER.pairs)(&options).expect("the disk is free")
    }

    #[track_caller]
    fn check(disk: &MemoryDisk, expected: &str) {
        let pairs = open(disk);
        let found = pairs.scan(&b""[..]..&b"z"[..], 100).expect("it is open");
        let names: Vec<_> = found
            .iter()
            .map(|(key, _)| String::from_utf8_lossy(key))
            .collect();
        assert_eq!(names.concat(), expected);
    }

    #[test]
    fn a_crash_loses_what_was_not_synced_and_ends_the_owner() {
        let disk = MemoryDisk::default();
        let mut pairs = open(&disk);
        pairs.write(put(&["a", "b"]), true).expect("written");
        pairs.write(put(&["c"]), false).expect("written");
        let mut delete = Batch::default();
        delete.delete(Key::from_slice(b"a"));
        pairs.write(delete, false).expect("written");
        disk.crash();
        check(&disk, "ab");
        assert!(pairs.write(put(&["d"]), true).is_err());
        drop(pairs);
        check(&disk, "ab");
    }

    #[test]
    fn a_crash_in_a_write_keeps_its_beginning() {
        let disk = MemoryDisk::default();
        let mut pairs = open(&disk);
        pairs.write(put(&["a"]), false).expect("written");
        disk.fail_next_write(Fault::Crash { kept: 2 });
        let error = pairs
            .write(put(&["b", "c", "d"]), true)
            .expect_err("it crashed");
        assert!(!error.is_retryable());
        check(&disk, "abc");
    }

    #[test]
    fn a_full_disk_writes_nothing_and_takes_the_same_batch_later() {
        let disk = MemoryDisk::default();
        let mut pairs = open(&disk);
        disk.fail_next_write(Fault::Full);
        let error = pairs.write(put(&["a"]), true).expect_err("it is full");
        assert!(error.is_retryable());
        pairs.write(put(&["a"]), true).expect("there is room again");
        drop(pairs);
        check(&disk, "a");
    }
}
