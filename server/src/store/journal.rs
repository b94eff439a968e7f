//! The journal: the newest writes of a store, in a file of their own, before the engine below has them for good.
//!
//! An engine that makes a commit durable by itself writes it through its own buffers, threads and several waits for the
//! disk. Here it is one write and one sync into a file that never grows: half the time of sled's for one change, and no
//! thread is woken. The engine gets the same writes when the journal is full, and after a crash what it lacks.
//!
//! The file has a header of one block, then records from the first block on, each from the start of a block: a record
//! that is being written never shares a block with one that was acknowledged. When they reach the end, and the engine has
//! made everything durable, the next one begins at the first block again. Blocks are written past the kernel's cache
//! where the file system lets them: nobody reads them again, and a commit takes a third less of the processor.
//!
//! Header, little-endian: version u32, salt u32, CRC-32C u32 of both. Record: length u32, CRC-32C u32, number u64, then
//! as many bytes as the length says. The checksum begins with the salt, a number drawn at creation, and covers length,
//! number and bytes: what a client has stored can thus not pass for a record. Records are numbered without a gap.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

/// The layout's version.
const VERSION: u32 = 1;
/// What a disk writes whole, and a page of the kernel's cache.
const BLOCK: usize = 4096;
/// Blocks of the file: a thousand batches of one change each fit in, and filling it with zeros takes a few milliseconds.
const BLOCKS: usize = 1024;
/// Bytes before what a record holds.
const RECORD_HEADER: usize = 16;

/// An open journal.
pub(super) struct Journal {
    file: File,
    salt: u32,
    /// The number of the newest record.
    newest: u64,
    /// The block where the next record begins.
    block: usize,
    /// The record that is being made.
    record: Vec<u8>,
    blocks: Blocks,
}

/// What was in a journal.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// From the first block on, oldest first, with their numbers.
    pub(super) records: Vec<(u64, Vec<u8>)>,
    /// The highest number behind a record that cannot be read. Whatever was acknowledged up to there was whole once.
    pub(super) beyond: u64,
}

impl Journal {
    /// Opens a journal, or creates an empty one. `None` if its header or its length is damaged.
    pub(super) fn open(path: &Path) -> io::Result<Option<(Journal, Found)>> {
        let mut file = match OpenOptions::new().read(true).write(true).open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => create(path)?,
            opened => opened?,
        };
        let mut bytes = Vec::new();
        io::Read::read_to_end(&mut file, &mut bytes)?;
        let Some(salt) = read_header(&bytes) else {
            return Ok(None);
        };
        if bytes.len() != BLOCK * BLOCKS {
            return Ok(None);
        }
        let found = read(&bytes, salt);
        let mut blocks = Blocks::default();
        let journal = Journal {
            file: uncached(path, &mut blocks).unwrap_or(file),
            salt,
            newest: 0,
            block: 1,
            record: Vec::new(),
            blocks,
        };
        Ok(Some((journal, found)))
    }

    /// Goes on after a number, at the beginning of the file: everything up to it is durable elsewhere.
    pub(super) fn restart(&mut self, number: u64) {
        self.newest = number;
        self.block = 1;
    }

    /// The number of the newest record.
    pub(super) fn newest(&self) -> u64 {
        self.newest
    }

    /// Is there room for so many bytes, if not now then after a restart?
    pub(super) fn room(&self, bytes: usize) -> Room {
        let blocks = (RECORD_HEADER + bytes).div_ceil(BLOCK);
        if self.block + blocks <= BLOCKS {
            Room::Now
        } else if blocks <= BLOCKS / 4 {
            Room::AfterRestart
        } else {
            Room::Never
        }
    }

    /// Writes a record of what `fill` appends, and syncs it. There must be room.
    pub(super) fn append(&mut self, fill: impl FnOnce(&mut Vec<u8>)) -> io::Result<()> {
        let number = self.newest + 1;
        let record = &mut self.record;
        record.clear();
        record.extend_from_slice(&[0; RECORD_HEADER]);
        fill(record);
        let length = u32::try_from(record.len() - RECORD_HEADER).map_err(io::Error::other)?;
        let crc = checksum(self.salt, length, number, &record[RECORD_HEADER..]);
        record[..4].copy_from_slice(&length.to_le_bytes());
        record[4..8].copy_from_slice(&crc.to_le_bytes());
        record[8..16].copy_from_slice(&number.to_le_bytes());
        let blocks = self.blocks.of(record);
        self.file
            .write_all_at(blocks, (self.block * BLOCK) as u64)?;
        self.file.sync_data()?;
        self.block += blocks.len() / BLOCK;
        self.newest = number;
        Ok(())
    }
}

/// Whole blocks in memory that a disk can take them from.
#[derive(Default)]
struct Blocks(Vec<u8>);

impl Blocks {
    /// These bytes, and zeros up to the end of the block.
    fn of(&mut self, bytes: &[u8]) -> &mut [u8] {
        let length = bytes.len().next_multiple_of(BLOCK);
        if self.0.len() < length + BLOCK {
            self.0.resize(length + BLOCK, 0);
        }
        let start = self.0.as_ptr().align_offset(BLOCK);
        let blocks = &mut self.0[start..start + length];
        let (data, padding) = blocks.split_at_mut(bytes.len());
        data.copy_from_slice(bytes);
        padding.fill(0);
        blocks
    }
}

/// The file, opened past the kernel's cache; `None` where the file system does not do that.
#[cfg(target_os = "linux")]
fn uncached(path: &Path, blocks: &mut Blocks) -> Option<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let direct = rustix::fs::OFlags::DIRECT.bits().cast_signed();
    let options = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(direct)
        .open(path);
    let file = options.ok()?;
    // Some say so only when they are asked for a block.
    file.read_exact_at(blocks.of(&[0]), 0).ok()?;
    Some(file)
}

#[cfg(not(target_os = "linux"))]
fn uncached(_path: &Path, _blocks: &mut Blocks) -> Option<File> {
    None
}

/// Whether something fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    Now,
    AfterRestart,
    /// It is so large that the engine had better have it at once.
    Never,
}

/// Creates the file under another name first: a crash leaves a whole journal or none.
fn create(path: &Path) -> io::Result<File> {
    let mut salt = [0; 4];
    getrandom::fill(&mut salt).map_err(io::Error::other)?;
    let mut bytes = vec![0; BLOCK * BLOCKS];
    bytes[..4].copy_from_slice(&VERSION.to_le_bytes());
    bytes[4..8].copy_from_slice(&salt);
    let crc = crc32c::crc32c(&bytes[..8]);
    bytes[8..12].copy_from_slice(&crc.to_le_bytes());
    let new = path.with_extension("new");
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(true)
        .read(true)
        .write(true)
        .open(&new)?;
    file.write_all(&bytes)?;
    file.sync_all()?;
    std::fs::rename(&new, path)?;
    if let Some(folder) = path.parent() {
        File::open(folder)?.sync_all()?;
    }
    File::options().read(true).write(true).open(path)
}

fn read_header(bytes: &[u8]) -> Option<u32> {
    let number = |at: usize| Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
    let whole = number(0)? == VERSION && number(8)? == crc32c::crc32c(bytes.get(..8)?);
    if whole { number(4) } else { None }
}

/// Reads records for as long as they follow each other, and looks for later ones behind.
fn read(bytes: &[u8], salt: u32) -> Found {
    let mut found = Found::default();
    let mut block = 1;
    while let Some((number, data)) = read_record(bytes, block, salt) {
        if found
            .records
            .last()
            .is_some_and(|(last, _)| last + 1 != number)
        {
            break;
        }
        found.records.push((number, data.to_vec()));
        block += (RECORD_HEADER + data.len()).div_ceil(BLOCK);
    }
    let behind = (block..bytes.len() / BLOCK).filter_map(|block| read_record(bytes, block, salt));
    found.beyond = behind.map(|(number, _)| number).max().unwrap_or(0);
    found
}

fn read_record(bytes: &[u8], block: usize, salt: u32) -> Option<(u64, &[u8])> {
    let record = bytes.get(block * BLOCK..)?;
    let length = u32::from_le_bytes(*record.first_chunk()?);
    let crc = u32::from_le_bytes(*record.get(4..)?.first_chunk()?);
    let number = u64::from_le_bytes(*record.get(8..)?.first_chunk()?);
    let data = record.get(RECORD_HEADER..)?.get(..length as usize)?;
    // Blocks that were never written are zeros.
    (number > 0 && crc == checksum(salt, length, number, data)).then_some((number, data))
}

fn checksum(salt: u32, length: u32, number: u64, data: &[u8]) -> u32 {
    let crc = crc32c::crc32c(&salt.to_le_bytes());
    let crc = crc32c::crc32c_append(crc, &length.to_le_bytes());
    let crc = crc32c::crc32c_append(crc, &number.to_le_bytes());
    crc32c::crc32c_append(crc, data)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use tempfile::TempDir;

    struct Place(TempDir);

    impl Place {
        fn new() -> Place {
            Place(tempfile::tempdir().expect("a temp folder"))
        }

        fn path(&self) -> std::path::PathBuf {
            self.0.path().join("journal")
        }

        fn open(&self) -> (Journal, Found) {
            let opened = Journal::open(&self.path()).expect("readable");
            opened.expect("its header is whole")
        }

        /// Flips a bit of the file.
        fn damage(&self, at: usize) {
            let mut bytes = fs::read(self.path()).expect("a file");
            bytes[at] ^= 4;
            fs::write(self.path(), bytes).expect("written");
        }
    }

    fn put(journal: &mut Journal, data: &[u8]) {
        journal
            .append(|record| record.extend_from_slice(data))
            .expect("written");
    }

    fn numbers(found: &Found) -> Vec<u64> {
        found.records.iter().map(|(number, _)| *number).collect()
    }

    #[test]
    fn what_was_appended_is_found_in_its_order() {
        let place = Place::new();
        let (mut journal, found) = place.open();
        assert_eq!(found, Found::default());
        let long = vec![7; 3 * BLOCK];
        for data in [&b"one"[..], &long, b"", b"last"] {
            put(&mut journal, data);
        }
        let (_, found) = place.open();
        let expected = [&b"one"[..], &long, b"", b"last"].map(<[u8]>::to_vec);
        let expected = (1..).zip(expected).collect();
        assert_eq!(
            found,
            Found {
                records: expected,
                beyond: 0
            }
        );
    }

    #[test]
    fn after_a_restart_the_new_ones_count_and_the_old_ones_lie_behind() {
        let place = Place::new();
        let (mut journal, _) = place.open();
        (0..5).for_each(|_| put(&mut journal, b"old"));
        journal.restart(5);
        (0..2).for_each(|_| put(&mut journal, b"new"));
        assert_eq!(journal.newest(), 7);
        let (_, found) = place.open();
        assert_eq!((numbers(&found), found.beyond), (vec![6, 7], 5));
    }

    #[test]
    fn a_torn_last_record_is_the_end_and_a_damaged_one_before_is_seen() {
        let place = Place::new();
        let (mut journal, _) = place.open();
        (0..4).for_each(|_| put(&mut journal, b"data"));
        place.damage(4 * BLOCK + RECORD_HEADER);
        let (_, found) = place.open();
        assert_eq!((numbers(&found), found.beyond), (vec![1, 2, 3], 0));
        place.damage(2 * BLOCK + RECORD_HEADER);
        let (_, found) = place.open();
        assert_eq!((numbers(&found), found.beyond), (vec![1], 3));
    }

    #[test]
    fn every_flipped_bit_of_a_record_ends_it() {
        let place = Place::new();
        let (mut journal, _) = place.open();
        put(&mut journal, b"data");
        for at in 0..RECORD_HEADER + 4 {
            place.damage(BLOCK + at);
            assert_eq!(place.open().1, Found::default(), "byte {at}");
            place.damage(BLOCK + at);
        }
        place.damage(5);
        let opened = Journal::open(&place.path()).expect("readable");
        assert!(opened.is_none(), "the header is damaged");
    }

    #[test]
    fn what_clients_stored_is_no_record() {
        let place = Place::new();
        let (mut journal, _) = place.open();
        put(&mut journal, b"data");
        let mut forged = fs::read(place.path()).expect("a file")[BLOCK..2 * BLOCK].to_vec();
        // Of another journal: its salt is another.
        forged[8] = 9;
        let crc = checksum(journal.salt ^ 1, 4, 9, b"data");
        forged[4..8].copy_from_slice(&crc.to_le_bytes());
        let mut data = vec![0; BLOCK - RECORD_HEADER];
        data.extend_from_slice(&forged);
        put(&mut journal, &data);
        place.damage(2 * BLOCK);
        let (_, found) = place.open();
        assert_eq!((numbers(&found), found.beyond), (vec![1], 0));
    }

    #[test]
    fn room_is_told_before_it_is_needed() {
        let place = Place::new();
        let (mut journal, _) = place.open();
        assert_eq!(journal.room(0), Room::Now);
        assert_eq!(journal.room(BLOCK * BLOCKS), Room::Never);
        let large = vec![1; BLOCK * BLOCKS / 4 - RECORD_HEADER];
        while journal.room(large.len()) == Room::Now {
            put(&mut journal, &large);
        }
        assert_eq!(journal.room(large.len()), Room::AfterRestart);
        assert_eq!(numbers(&place.open().1), [1, 2, 3]);
        journal.restart(3);
        assert_eq!(journal.room(large.len()), Room::Now);
        put(&mut journal, &large);
        assert_eq!(numbers(&place.open().1)[..], [4]);
    }
}
