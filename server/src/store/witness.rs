//! How far a log reached, noted outside of the engine that holds it.
//!
//! Engines take a damaged record at the end of their own log for a write that a crash cut off, and drop it with all that
//! follows: one flipped bit silently took back every acknowledged append after it. So after each append the last
//! revision is noted in a file of its own. It is a lower bound: not synced with each append, so it costs next to nothing, is
//! exact after the death of the process, and as old as the last checkpoint at worst after a power loss.
//!
//! Layout: two slots, written in turn so that one is always whole; each is a revision u64 and its CRC-32C u32,
//! little-endian.

use commonhold_proto::Revision;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

const SLOT_BYTES: usize = 12;

/// The file that holds the note.
#[derive(Debug)]
pub(super) struct Witness {
    file: File,
    reached: Revision,
    next_slot: u8,
}

impl Witness {
    /// Opens the file, or creates it. None if it is damaged.
    pub(super) fn open(path: &Path) -> io::Result<Option<Witness>> {
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(path)?;
        let mut bytes = [0; 2 * SLOT_BYTES];
        let mut filled = 0;
        while let read @ 1.. = file.read_at(&mut bytes[filled..], filled as u64)? {
            filled += read;
        }
        let slots = bytes.chunks_exact(SLOT_BYTES).map(read_slot);
        let newest = slots.zip(0..).max().expect("there are two");
        let mut witness = Witness {
            file,
            reached: Revision(0),
            next_slot: 0,
        };
        match newest {
            (Some(reached), slot) => {
                witness.reached = reached;
                witness.next_slot = 1 - slot;
            }
            // New, or a crash came between its creation and its first sync.
            (None, _) if bytes.iter().all(|byte| *byte == 0) => {
                witness.note(Revision(0))?;
                witness.note(Revision(0))?;
                witness.file.sync_all()?;
            }
            (None, _) => return Ok(None),
        }
        Ok(Some(witness))
    }

    /// The last revision noted.
    pub(super) fn reached(&self) -> Revision {
        self.reached
    }

    /// Notes a revision that is durable.
    pub(super) fn note(&mut self, reach: Revision) -> io::Result<()> {
        let number = reach.0.to_le_bytes();
        let mut slot = [0; SLOT_BYTES];
        slot[..8].copy_from_slice(&number);
        slot[8..].copy_from_slice(&crc32c::crc32c(&number).to_le_bytes());
        let at = u64::from(self.next_slot) * SLOT_BYTES as u64;
        self.file.write_all_at(&slot, at)?;
        self.reached = reach;
        self.next_slot = 1 - self.next_slot;
        Ok(())
    }

    /// Makes the note survive a power loss.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

fn read_slot(slot: &[u8]) -> Option<Revision> {
    let (number, crc) = slot.split_at(8);
    let whole = crc32c::crc32c(number).to_le_bytes() == *crc;
    let number = number.try_into().expect("eight bytes");
    whole.then(|| Revision(u64::from_le_bytes(number)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn the_newest_whole_slot_counts() {
        let temp = tempfile::tempdir().expect("a temp folder");
        let path = temp.path().join("reached");
        let open = || Witness::open(&path).expect("readable");
        let reached = || open().map(|witness| witness.reached().0);
        assert_eq!(reached(), Some(0));
        for revision in [5, 1 << 40, (1 << 40) + 1] {
            let mut witness = open().expect("whole");
            witness.note(Revision(revision)).expect("noted");
            witness.sync().expect("synced");
            assert_eq!(reached(), Some(revision));
        }
        let whole = fs::read(&path).expect("a file");
        let mut found = [0, SLOT_BYTES].map(|damaged| {
            let mut bytes = whole.clone();
            bytes[damaged] ^= 1;
            fs::write(&path, &bytes).expect("written");
            reached().expect("the other slot is whole")
        });
        found.sort_unstable();
        assert_eq!(found, [1 << 40, (1 << 40) + 1]);
        let damaged: Vec<u8> = whole.iter().map(|byte| byte ^ 1).collect();
        fs::write(&path, damaged).expect("written");
        assert_eq!(reached(), None, "both are damaged");
    }
}
