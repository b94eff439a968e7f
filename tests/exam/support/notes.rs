//! What a client process notes, row by row, in a file that the exam reads at any moment, also when the process was
//! stopped or killed.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

/// Numbers in a row.
const WIDTH: usize = 4;
const ROW_BYTES: usize = WIDTH * 8;

/// One row; what its numbers are, the exam says.
pub(crate) type Row = [u64; WIDTH];

/// The notes of one process.
pub(crate) struct Notes {
    file: File,
    rows: u64,
}

impl Notes {
    /// The process's own, empty.
    pub(crate) fn create(tally: &Path, slot: usize) -> Notes {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open(path(tally, slot));
        Notes {
            file: file.expect("a file"),
            rows: 0,
        }
    }

    /// Adds a row.
    pub(crate) fn add(&mut self, row: Row) {
        self.rows += 1;
        self.correct(row);
    }

    /// Writes the last row anew.
    pub(crate) fn correct(&self, row: Row) {
        let bytes: Vec<u8> = row.into_iter().flat_map(u64::to_le_bytes).collect();
        let last = self.rows.checked_sub(1).expect("there is a row");
        let written = self.file.write_all_at(&bytes, last * ROW_BYTES as u64);
        written.expect("it is written");
    }

    /// All rows that a process has noted by now: none before it began.
    pub(crate) fn read(tally: &Path, slot: usize) -> Vec<Row> {
        let bytes = std::fs::read(path(tally, slot)).unwrap_or_default();
        let number = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().expect("8 bytes"));
        let row = |bytes: &[u8]| std::array::from_fn(|at| number(&bytes[at * 8..][..8]));
        bytes.chunks_exact(ROW_BYTES).map(row).collect()
    }
}

fn path(tally: &Path, slot: usize) -> PathBuf {
    tally.with_extension(slot.to_string())
}
