//! Chance from a seed, which is printed, so that the story of a failure has a beginning.

use parking_lot::Mutex;
use std::ops::Range;
use std::time::SystemTime;

/// Random numbers, for threads to share (`SplitMix64`).
#[derive(Debug)]
pub(crate) struct Random(Mutex<u64>);

impl Random {
    /// Takes `COMMONHOLD_SEED`, else the time.
    pub(crate) fn new() -> Random {
        let given = std::env::var("COMMONHOLD_SEED").ok();
        let seed = given.and_then(|text| text.parse().ok()).unwrap_or_else(|| {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
            now.map_or(1, |now| u64::from(now.subsec_nanos()) << 20 ^ now.as_secs())
        });
        eprintln!("seed {seed}");
        Random(Mutex::new(seed))
    }

    pub(crate) fn next(&self) -> u64 {
        let mut state = self.0.lock();
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = *state;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    /// A number of a range that is not empty.
    pub(crate) fn within(&self, range: Range<u64>) -> u64 {
        range.start + self.next() % (range.end - range.start)
    }

    /// A place among so many, of which there is at least one.
    pub(crate) fn below(&self, many: usize) -> usize {
        let place = self.within(0..many as u64);
        usize::try_from(place).expect("it is below")
    }

    /// True once in so many times.
    pub(crate) fn once_in(&self, many: u64) -> bool {
        self.next().is_multiple_of(many)
    }
}
