//! The timestamp columns of a part being written, each kept once.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use xxhash_rust::xxh3::Xxh3;

/// Timestamps of the columns that are kept to find slices in: 8 MiB.
const RECENT_TIMESTAMPS_MAX: usize = 1 << 20;

/// Columns whose hashes are remembered: about 4 MiB. With more distinct ones there is little to share.
const KNOWN_MAX: usize = 1 << 17;

/// Where the timestamps of a chunk stand already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// They are all of a column.
    Whole(u32),
    /// They are a part of a column that starts at this offset.
    Slice {
        /// The column.
        column: u32,
        /// Timestamps of the column in front of them.
        offset: usize,
    },
}

/// Finds the columns that have given timestamps.
///
/// Whole columns are found by a 128-bit hash with a seed of its own in each table. Slices are found in columns seen
/// lately that start or end with the same timestamp: series that start late or end early.
#[derive(Debug)]
pub(super) struct ColumnTable {
    seed: u64,
    known: HashMap<u128, u32>,
    recent: Vec<(u32, Box<[i64]>)>,
    recent_timestamps: usize,
    by_first: HashMap<i64, usize>,
    by_last: HashMap<i64, usize>,
}

impl ColumnTable {
    pub(super) fn new() -> Self {
        Self {
            seed: RandomState::new().hash_one(0_u64),
            known: HashMap::new(),
            recent: Vec::new(),
            recent_timestamps: 0,
            by_first: HashMap::new(),
            by_last: HashMap::new(),
        }
    }

    /// Where `timestamps_ms` stand, or else the key to [`Self::insert`] them with.
    pub(super) fn find(&self, timestamps_ms: &[i64]) -> Result<Found, u128> {
        let key = self.key(timestamps_ms);
        if let Some(column) = self.known.get(&key) {
            return Ok(Found::Whole(*column));
        }
        self.find_slice(timestamps_ms).ok_or(key)
    }

    fn find_slice(&self, timestamps_ms: &[i64]) -> Option<Found> {
        let (first, last) = (timestamps_ms.first()?, timestamps_ms.last()?);
        if let Some((column, times)) = self.by_last.get(last).map(|at| &self.recent[*at])
            && times.ends_with(timestamps_ms)
        {
            return Some(Found::Slice {
                column: *column,
                offset: times.len() - timestamps_ms.len(),
            });
        }
        match self.by_first.get(first).map(|at| &self.recent[*at]) {
            Some((column, times)) if times.starts_with(timestamps_ms) => Some(Found::Slice {
                column: *column,
                offset: 0,
            }),
            _ => None,
        }
    }

    /// Remembers that `column` has `timestamps_ms`; `key` is what [`Self::find`] returned.
    pub(super) fn insert(&mut self, key: u128, column: u32, timestamps_ms: &[i64]) {
        let (Some(first), Some(last)) = (timestamps_ms.first(), timestamps_ms.last()) else {
            return;
        };
        if self.known.len() >= KNOWN_MAX {
            self.known.clear();
        }
        self.known.insert(key, column);
        if self.recent_timestamps + timestamps_ms.len() > RECENT_TIMESTAMPS_MAX {
            self.recent.clear();
            self.recent_timestamps = 0;
            self.by_first.clear();
            self.by_last.clear();
        }
        let at = self.recent.len();
        for (index, time) in [(&mut self.by_first, first), (&mut self.by_last, last)] {
            let place = index.entry(*time).or_insert(at);
            // The longer of two columns has more slices.
            if *place != at && self.recent[*place].1.len() < timestamps_ms.len() {
                *place = at;
            }
        }
        self.recent.push((column, timestamps_ms.into()));
        self.recent_timestamps += timestamps_ms.len();
    }

    fn key(&self, timestamps_ms: &[i64]) -> u128 {
        let mut hasher = Xxh3::with_seed(self.seed);
        let mut bytes = [0; 256];
        for times in timestamps_ms.chunks(32) {
            for (to, time) in bytes.chunks_exact_mut(8).zip(times) {
                to.copy_from_slice(&time.to_le_bytes());
            }
            hasher.update(&bytes[..times.len() * 8]);
        }
        hasher.digest128()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_columns_and_their_ends_are_found() {
        let mut table = ColumnTable::new();
        let times: Vec<i64> = (0..100).map(|i| i * i).collect();
        let key = table.find(&times).unwrap_err();
        table.insert(key, 7, &times);
        let slice = |offset| Ok(Found::Slice { column: 7, offset });
        assert_eq!(table.find(&times), Ok(Found::Whole(7)));
        assert_eq!(table.find(&times[30..]), slice(30));
        assert_eq!(table.find(&times[..30]), slice(0));
        assert!(table.find(&[0, 2]).is_err());
        assert!(table.find(&[times[98] + 1, times[99]]).is_err());
    }

    #[test]
    fn forgetting_old_columns_keeps_the_table_small() {
        let mut table = ColumnTable::new();
        for column in 0..1200_u32 {
            let times: Vec<i64> = (0..1000).map(|i| i64::from(column) + i * 5000).collect();
            let key = table.find(&times).unwrap_err();
            table.insert(key, column, &times);
            assert!(table.find(&times[1..]).is_ok());
        }
        assert!(table.recent_timestamps <= RECENT_TIMESTAMPS_MAX);
        let first: Vec<i64> = (0..1000).map(|i| i * 5000).collect();
        assert_eq!(table.find(&first), Ok(Found::Whole(0)));
    }
}
