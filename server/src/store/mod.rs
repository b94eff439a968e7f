//! Where the log and the checkpoints lie. To add a store: write `<store>.rs`, add its line to the list below; the contract
//! test does the rest.
//!
//! A store keeps bytes and promises durability; it knows nothing of objects. It has one owner, the committer's thread:
//! `&mut self` says so in the types, because the engines below do not all survive two writers. A store whose client
//! library is asynchronous blocks that thread on a runtime of its own.
//!
//! All stores here are ordered pairs below (`Pairs`) and one way to keep a log and checkpoints in them above (`Keyed`).

mod chain;
mod folder;
mod journal;
mod keyed;
mod load;
mod memory;
mod pairs;
mod record;
mod segment;
mod sled;
mod sweep;
mod watch;

#[cfg(test)]
mod damage;
#[cfg(test)]
mod exam;

pub use memory::{Fault, MemoryDisk};
pub use segment::{Segment, SegmentHeader};
pub use watch::{WRITE_TIME_MAX, WriteWatch};

use bytes::Bytes;
use commonhold_proto::Revision;
use keyed::Keyed;
use pairs::Pairs;
use std::path::PathBuf;

/// The stores.
pub const STORES: &[StoreMaker] = &[memory::MAKER, sled::MAKER];

/// One store of the list.
#[derive(Clone, Copy, Debug)]
pub struct StoreMaker {
    /// What the user calls it.
    pub name: &'static str,
    /// One line for the help.
    pub doc: &'static str,
    /// Opens or creates the pairs below it.
    pairs: fn(&StoreOptions) -> Result<Box<dyn Pairs>, StoreError>,
}

impl StoreMaker {
    /// The store of this name.
    pub fn find(name: &str) -> Option<&'static StoreMaker> {
        STORES.iter().find(|maker| maker.name == name)
    }

    /// Opens the store, or creates it where there is none. Takes as long as the recovery of the engine below.
    ///
    /// # Errors
    /// `InUse`, `NewerFormat`, `Foreign`, `Damaged`, or `Failed` for all else. Nothing was changed by the first three.
    pub fn open(&self, options: &StoreOptions) -> Result<Box<dyn Store>, StoreError> {
        let pairs = (self.pairs)(options)?;
        Ok(Box::new(Keyed::over(pairs)))
    }
}

/// Where a store lies.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// The data folder; it need not exist. The store `memory` does not look at it.
    pub folder: PathBuf,
    /// What the store `memory` writes to. Who keeps a clone can open the same data again.
    pub memory: MemoryDisk,
}

impl StoreOptions {
    /// A data folder, and an empty memory.
    pub fn new(folder: impl Into<PathBuf>) -> StoreOptions {
        StoreOptions {
            folder: folder.into(),
            memory: MemoryDisk::default(),
        }
    }
}

/// A share of the objects that one server owns at a time. A single server has one, number 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ShardId(pub u32);

/// One term of ownership of a shard. A store that several servers can reach refuses the appends of an older one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Epoch(pub u64);

/// Names a checkpoint; later ones are higher.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct CheckpointId(pub u64);

/// What a valid checkpoint is: all changes up to `start` are in its pages, and some up to `end` may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Its name.
    pub id: CheckpointId,
    /// Replay begins after this.
    pub start: Revision,
    /// The log must reach this before the pages may be used.
    pub end: Revision,
    /// How many pages it has.
    pub pages: u64,
}

/// Log and checkpoints of one shard.
///
/// # Contract
/// - When `append` returns, its segments survive a power loss. It is idempotent: the same segments again are as once.
/// - After any crash, `load` gives a prefix of what was appended, with everything whose `append` returned.
/// - Pages of a checkpoint count only from the return of `publish` on; until then the checkpoint before is in force, and
///   every segment that it needs is kept.
/// - A damaged record is an error that says where, never a wrong value and never silence.
pub trait Store: Send {
    /// Takes the shard: no other server may append to it from then on. Comes before everything else.
    fn acquire(&mut self, shard: ShardId) -> Result<Epoch, StoreError>;

    /// Gives everything back: the pages of the newest valid checkpoint in the order in which they were written, then the
    /// log after its `start`, oldest first. Comes before the first `append`. What a crash left unfinished is removed.
    ///
    /// # Errors
    /// `Damaged` if a record is not what was written, a page is missing, the log has a hole, or it ends before the
    /// checkpoint's `end`. An unfinished run of chunks at the very end is none of these: its append never returned.
    fn load(&mut self, sink: &mut dyn Recovery) -> Result<(), StoreError>;

    /// Keeps segments for good. After an error that [may be retried](StoreError::is_retryable) the caller appends the
    /// same segments again. Segments that the log holds already are skipped; a segment that does not follow is `Misused`.
    fn append(&mut self, epoch: Epoch, segments: &[Segment]) -> Result<(), StoreError>;

    /// Writes one page of the checkpoint under way, of which there is at most one. `index` counts from 0. The first page
    /// begins it; its `id` must be higher than any before. Durable only with [`publish`](Store::publish).
    fn write_page(&mut self, id: CheckpointId, index: u64, page: &[u8]) -> Result<(), StoreError>;

    /// Makes a checkpoint the valid one. From then on the log up to its `start` and older pages are outdated; `append`
    /// and `tend` remove them a few at a time. The log must have reached `end`, in segments that were appended.
    fn publish(&mut self, checkpoint: Checkpoint) -> Result<(), StoreError>;

    /// Forgets the pages of a checkpoint that will not be published.
    fn discard(&mut self, id: CheckpointId) -> Result<(), StoreError>;

    /// Removes some outdated records, for about a millisecond, and says whether there are more. For an owner that has
    /// nothing to append; without it, appends remove them more slowly.
    fn tend(&mut self) -> Result<bool, StoreError>;

    /// What the store can take.
    fn limits(&self) -> StoreLimits;

    /// Numbers for `status`.
    fn stats(&self) -> StoreStats;

    /// Shows other threads whether a write of this store hangs.
    fn watch(&self) -> WriteWatch;

    /// Gives the shard back.
    fn release(&mut self, epoch: Epoch) -> Result<(), StoreError>;
}

/// What reads a store at start.
pub trait Recovery {
    /// The checkpoint in force; called at most once, before its pages.
    fn checkpoint(&mut self, checkpoint: Checkpoint) -> Result<(), StoreError>;
    /// One page of it.
    fn page(&mut self, page: Bytes) -> Result<(), StoreError>;
    /// The payload of one segment, verified: changes behind their lengths. Chunks come only once all of their change are
    /// there. The first segment may begin at or before the checkpoint's `start`.
    fn segment(&mut self, header: SegmentHeader, payload: Bytes) -> Result<(), StoreError>;
}

/// What a store can take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreLimits {
    /// The largest change, in bytes of its stored form.
    pub change_bytes_max: usize,
    /// The largest payload of one segment, and the largest page.
    pub segment_bytes_max: usize,
}

/// Numbers for `status`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreStats {
    /// Calls of `append` that wrote something and returned.
    pub appends: u64,
    /// Real syncs of the data: one an append, and more where the store makes room or writes a checkpoint.
    pub syncs: u64,
    /// Bytes of log since the `start` of the checkpoint in force, to within 256 KiB.
    pub log_bytes: u64,
    /// Bytes on the disk, where the store knows.
    pub disk_bytes: u64,
    /// Bytes that may still be written, where the store knows.
    pub free_bytes: Option<u64>,
}

/// A store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process owns the data.
    #[error("{path} is in use by process {pid}", pid = .pid.map_or_else(|| "unknown".to_owned(), |pid| pid.to_string()))]
    InUse {
        /// The data.
        path: PathBuf,
        /// Who has it, where that is known.
        pid: Option<u32>,
    },
    /// The data was written by a newer version.
    #[error("{path} has format {found}; this version reads up to {known}")]
    NewerFormat {
        /// The data.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format that this version reads.
        known: u32,
    },
    /// The folder holds something else, and nothing there was touched.
    #[error("{path}: {what}")]
    Foreign {
        /// The data.
        path: PathBuf,
        /// What it is, and what to do.
        what: String,
    },
    /// A record is not what was written.
    #[error("{path}: {what}")]
    Damaged {
        /// The data.
        path: PathBuf,
        /// Which record, and what is wrong.
        what: String,
    },
    /// Another server owns the shard now.
    #[error("the shard has another owner now")]
    Fenced,
    /// The caller broke the contract of [`Store`]; nothing was written.
    #[error("the store was misused: {what}")]
    Misused {
        /// How.
        what: String,
    },
    /// There is no room; nothing was written.
    #[error("the disk of {path} is full")]
    Full {
        /// The data.
        path: PathBuf,
    },
    /// The engine below failed.
    #[error("{what}")]
    Failed {
        /// What was being done.
        what: String,
        /// What the engine said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl StoreError {
    pub(crate) fn failed(
        what: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> StoreError {
        StoreError::Failed {
            what: what.into(),
            source: source.into(),
        }
    }

    /// May the same call be made again? Everything else poisons the server.
    pub fn is_retryable(&self) -> bool {
        matches!(self, StoreError::Full { .. })
    }
}
