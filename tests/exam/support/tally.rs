//! How far client processes have come, in a file that they write and the exam reads at any moment.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

const NUMBERS: usize = 5;
const SLOT_BYTES: u64 = NUMBERS as u64 * 8;
/// The slots come after the number at which the processes end.
const FIRST_SLOT: u64 = 8;

/// The file, for the exam.
pub(crate) struct Tally {
    file: File,
    path: PathBuf,
    slots: usize,
}

/// One process's place in it.
pub(crate) struct Slot {
    file: File,
    at: u64,
    counts: Counts,
}

/// What a process did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) begun: u64,
    pub(crate) acknowledged: u64,
    /// As [`commonhold::Stats`] has them.
    pub(crate) resent: u64,
    pub(crate) remembered: u64,
    pub(crate) reconnects: u64,
}

impl Tally {
    pub(crate) fn create(path: PathBuf, slots: usize) -> Tally {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path);
        let file = file.expect("a file");
        let bytes = FIRST_SLOT + SLOT_BYTES * slots as u64;
        file.set_len(bytes).expect("room");
        let tally = Tally { file, path, slots };
        tally.end_at(u64::MAX);
        tally
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// No process begins more operations than this.
    pub(crate) fn end_at(&self, operations: u64) {
        let written = self.file.write_all_at(&operations.to_le_bytes(), 0);
        written.expect("it is written");
    }

    /// What each process did.
    pub(crate) fn read(&self) -> Vec<Counts> {
        let mut bytes = vec![[0; NUMBERS * 8]; self.slots];
        let flat = bytes.as_flattened_mut();
        let read = self.file.read_exact_at(flat, FIRST_SLOT);
        read.expect("all slots");
        bytes.iter().map(Counts::decode).collect()
    }

    /// What all of them did together.
    pub(crate) fn sum(&self) -> Counts {
        let add = |a: Counts, b: Counts| Counts {
            begun: a.begun + b.begun,
            acknowledged: a.acknowledged + b.acknowledged,
            resent: a.resent + b.resent,
            remembered: a.remembered + b.remembered,
            reconnects: a.reconnects + b.reconnects,
        };
        self.read().into_iter().fold(Counts::default(), add)
    }
}

impl Slot {
    pub(crate) fn open(path: &Path, slot: usize) -> Slot {
        let file = OpenOptions::new().read(true).write(true).open(path);
        Slot {
            file: file.expect("the tally"),
            at: FIRST_SLOT + SLOT_BYTES * slot as u64,
            counts: Counts::default(),
        }
    }

    /// Are there to be no more operations?
    pub(crate) fn is_over(&self) -> bool {
        let mut end = [0; 8];
        self.file.read_exact_at(&mut end, 0).expect("the tally");
        self.counts.begun >= u64::from_le_bytes(end)
    }

    /// Begins an operation; false if there are to be no more.
    pub(crate) fn begin(&mut self) -> bool {
        if self.is_over() {
            return false;
        }
        self.counts.begun += 1;
        self.write();
        true
    }

    /// How many operations were begun.
    pub(crate) fn begun(&self) -> u64 {
        self.counts.begun
    }

    /// The operation was answered.
    pub(crate) fn acknowledge(&mut self, stats: commonhold::Stats) {
        self.counts.acknowledged += 1;
        self.counts.resent = stats.resent;
        self.counts.remembered = stats.remembered;
        self.counts.reconnects = stats.reconnects;
        self.write();
    }

    /// The operation was answered, and the next belongs to it: it begins though there are to be no more.
    pub(crate) fn go_on(&mut self, stats: commonhold::Stats) {
        self.acknowledge(stats);
        self.counts.begun += 1;
        self.write();
    }

    fn write(&self) {
        let bytes = self.counts.encode();
        self.file.write_all_at(&bytes, self.at).expect("the tally");
    }
}

impl Counts {
    fn encode(self) -> Vec<u8> {
        let numbers = [
            self.begun,
            self.acknowledged,
            self.resent,
            self.remembered,
            self.reconnects,
        ];
        numbers.into_iter().flat_map(u64::to_le_bytes).collect()
    }

    fn decode(bytes: &[u8; NUMBERS * 8]) -> Counts {
        let number = |index: usize| {
            let bytes = bytes[index * 8..][..8].try_into();
            u64::from_le_bytes(bytes.expect("8 bytes"))
        };
        Counts {
            begun: number(0),
            acknowledged: number(1),
            resent: number(2),
            remembered: number(3),
            reconnects: number(4),
        }
    }
}
