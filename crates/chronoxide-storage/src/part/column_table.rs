//! The timestamp columns of a part being written, each kept once.

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashMap;
use xxhash_rust::xxh3::{Xxh3, xxh3_128_with_seed};

/// Timestamps of the columns that are kept to find slices in: 8 MiB, and 2 MiB for their marks.
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

/// One timestamp in so many marks its column, so that slices without an end in common with it are found.
const MARKED: u64 = 32;

/// So many marks of a slice are looked up: the column may have been forgotten, or the marks be those of many others.
const MARKS_TRIED: usize = 4;

/// So many columns with one timestamp are told apart: targets that are scraped in the same millisecond.
const SAME_TIME_MAX: usize = 16;

/// Finds the columns that have given timestamps.
///
/// Whole columns are found by a 128-bit hash with a seed of its own in each table. Slices are found in columns seen
/// lately, by their ends and by some of the timestamps between: series that start late, end early, or both.
#[derive(Debug)]
pub(super) struct ColumnTable {
    seed: u64,
    known: HashMap<u128, u32>,
    recent: Vec<(u32, Box<[i64]>)>,
    recent_timestamps: usize,
    /// Recent columns by their first, last and marked timestamps.
    by_time: HashMap<i64, Vec<u32>>,
}

/// Whether a timestamp marks its column, which depends on nothing else.
const fn is_mark(time_ms: i64) -> bool {
    (time_ms.cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32).is_multiple_of(MARKED)
}

impl ColumnTable {
    pub(super) fn new() -> Self {
        Self {
            seed: RandomState::new().hash_one(0_u64),
            known: HashMap::new(),
            recent: Vec::new(),
            recent_timestamps: 0,
            by_time: HashMap::new(),
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
        let ends = [timestamps_ms.last(), timestamps_ms.first()];
        let marks = timestamps_ms.iter().filter(|time| is_mark(**time));
        let times = ends.into_iter().flatten().chain(marks.take(MARKS_TRIED));
        times
            .filter_map(|time| self.by_time.get(time))
            .flatten()
            .find_map(|at| self.slice_of(*at as usize, timestamps_ms))
    }

    /// Where `timestamps_ms` stand in recent column `at`.
    fn slice_of(&self, at: usize, timestamps_ms: &[i64]) -> Option<Found> {
        let (column, times) = self.recent.get(at)?;
        let offset = times.binary_search(timestamps_ms.first()?).ok()?;
        times[offset..]
            .starts_with(timestamps_ms)
            .then_some(Found::Slice {
                column: *column,
                offset,
            })
    }

    /// Remembers that `column` has `timestamps_ms`; `key` is what [`Self::find`] returned.
    pub(super) fn insert(&mut self, key: u128, column: u32, timestamps_ms: &[i64]) {
        let [first, .., last] = timestamps_ms else {
            self.remember(key, column);
            return;
        };
        self.remember(key, column);
        if self.recent_timestamps + timestamps_ms.len() > RECENT_TIMESTAMPS_MAX {
            self.recent.clear();
            self.recent_timestamps = 0;
            self.by_time.clear();
        }
        let at = u32::try_from(self.recent.len()).expect("recent timestamps are bounded");
        let between = &timestamps_ms[1..timestamps_ms.len() - 1];
        let marks = between.iter().filter(|time| is_mark(**time));
        for time in [first, last].into_iter().chain(marks) {
            let places = self.by_time.entry(*time).or_default();
            if places.len() >= SAME_TIME_MAX {
                places.remove(0);
            }
            places.push(at);
        }
        self.recent.push((column, timestamps_ms.into()));
        self.recent_timestamps += timestamps_ms.len();
    }

    fn remember(&mut self, key: u128, column: u32) {
        if self.known.len() >= KNOWN_MAX {
            self.known.clear();
        }
        self.known.insert(key, column);
    }

    fn key(&self, timestamps_ms: &[i64]) -> u128 {
        let mut bytes = [0; 8 * TIMESTAMPS_AT_ONCE];
        if timestamps_ms.len() <= TIMESTAMPS_AT_ONCE {
            return xxh3_128_with_seed(to_bytes(timestamps_ms, &mut bytes), self.seed);
        }
        let mut hasher = Xxh3::with_seed(self.seed);
        for times in timestamps_ms.chunks(TIMESTAMPS_AT_ONCE) {
            hasher.update(to_bytes(times, &mut bytes));
        }
        hasher.digest128()
    }
}

/// Timestamps that are hashed at once: those of a chunk fresh from the head.
const TIMESTAMPS_AT_ONCE: usize = 32;

fn to_bytes<'a>(timestamps_ms: &[i64], bytes: &'a mut [u8; 8 * TIMESTAMPS_AT_ONCE]) -> &'a [u8] {
    for (to, time) in bytes.chunks_exact_mut(8).zip(timestamps_ms) {
        to.copy_from_slice(&time.to_le_bytes());
    }
    &bytes[..timestamps_ms.len() * 8]
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
        // Without an end in common there must be a mark between: one of 32 is one, so in long slices nearly always.
        assert!(times[20..80].iter().any(|time| is_mark(*time)));
        assert_eq!(table.find(&times[20..80]), slice(20));
        assert!(table.find(&[0, 2]).is_err());
        assert!(table.find(&[times[98] + 1, times[99]]).is_err());
    }

    #[test]
    fn columns_that_begin_or_end_together_are_told_apart() {
        let mut table = ColumnTable::new();
        let column = |n: i64| -> Vec<i64> {
            let middle = (1..99).map(|i| i * 1000 + (i * (n + 3)) % 7);
            [0].into_iter().chain(middle).chain([99_000]).collect()
        };
        for n in 0..4 {
            let times = column(n);
            let key = table.find(&times).unwrap_err();
            table.insert(key, n as u32, &times);
        }
        for n in 0..4 {
            let slice = |offset| {
                Ok(Found::Slice {
                    column: n as u32,
                    offset,
                })
            };
            assert_eq!(table.find(&column(n)[40..]), slice(40));
            assert_eq!(table.find(&column(n)[..40]), slice(0));
        }
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
