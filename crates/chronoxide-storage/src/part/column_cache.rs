//! Decoded timestamp columns that many series share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;

/// A cache of decoded timestamp columns, for one part or for many, bounded in bytes.
///
/// Each column has a few places; the column that came there first makes room for the next. When there are too many bytes,
/// a hand goes round and clears one set of places after the other.
#[derive(Debug)]
pub struct ColumnCache {
    sets: Box<[Mutex<Set>]>,
    /// Bytes of the timestamps that are here.
    bytes: AtomicUsize,
    bytes_max: usize,
    hand: AtomicUsize,
}

/// Columns that compete for the same places.
const SET_COLUMNS: usize = 4;

/// One set of places for so many bytes: a place for each column of 64 timestamps. Full columns have 2,048 at most.
const SET_BYTES: usize = SET_COLUMNS * 64 * size_of::<i64>();

#[derive(Debug, Default)]
struct Set {
    entries: [Option<Entry>; SET_COLUMNS],
    /// The place that is given away next.
    oldest: usize,
}

#[derive(Debug)]
struct Entry {
    part: PartId,
    column: u32,
    timestamps_ms: Arc<[i64]>,
}

/// Tells the parts of one process apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PartId(u64);

impl PartId {
    pub(super) fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

impl ColumnCache {
    /// A cache of about `bytes_max` bytes of timestamps at most, a column of the writer having up to 16 KiB.
    #[must_use]
    pub fn new(bytes_max: usize) -> Self {
        Self {
            sets: (0..bytes_max.div_ceil(SET_BYTES).max(1))
                .map(|_| Mutex::default())
                .collect(),
            bytes: AtomicUsize::new(0),
            bytes_max,
            hand: AtomicUsize::new(0),
        }
    }

    fn set(&self, part: PartId, column: u32) -> &Mutex<Set> {
        // Neighbouring columns of a part get neighbouring sets, other parts start elsewhere.
        let start = part.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        let sets = self.sets.len() as u64;
        let at = (start + u64::from(column)) % sets;
        &self.sets[usize::try_from(at).expect("the remainder is an index")]
    }

    /// The column, if it is here.
    pub(super) fn get(&self, part: PartId, column: u32) -> Option<Arc<[i64]>> {
        let set = self.set(part, column).lock();
        let is_it = |entry: &&Entry| entry.part == part && entry.column == column;
        let entry = set.entries.iter().flatten().find(is_it)?;
        Some(Arc::clone(&entry.timestamps_ms))
    }

    /// Bytes of memory its columns take.
    pub(super) fn memory_bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Keeps a column.
    pub(super) fn put(&self, part: PartId, column: u32, timestamps_ms: Arc<[i64]>) {
        self.bytes
            .fetch_add(size_of_val(&*timestamps_ms), Ordering::Relaxed);
        let replaced = {
            let mut set = self.set(part, column).lock();
            let at = set.oldest;
            set.oldest = (at + 1) % SET_COLUMNS;
            set.entries[at].replace(Entry {
                part,
                column,
                timestamps_ms,
            })
        };
        self.forget(replaced.iter());
        for _ in 0..self.sets.len() {
            if self.memory_bytes() <= self.bytes_max {
                break;
            }
            let at = self.hand.fetch_add(1, Ordering::Relaxed) % self.sets.len();
            let cleared = std::mem::take(&mut *self.sets[at].lock());
            self.forget(cleared.entries.iter().flatten());
        }
    }

    /// Counts entries out that are no longer here.
    fn forget<'a>(&self, entries: impl Iterator<Item = &'a Entry>) {
        for entry in entries {
            let bytes = size_of_val(&*entry.timestamps_ms);
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
    }
}

impl Default for ColumnCache {
    /// A cache of 8 MiB.
    fn default() -> Self {
        Self::new(8 << 20)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_of_other_parts_are_not_confused() {
        let cache = ColumnCache::new(SET_BYTES);
        let (a, b) = (PartId::next(), PartId::next());
        cache.put(a, 3, Arc::from([1, 2]));
        assert_eq!(cache.get(a, 3).as_deref(), Some(&[1, 2][..]));
        assert_eq!(cache.get(a, 4), None);
        assert_eq!(cache.get(b, 3), None);
    }

    #[test]
    fn the_first_column_of_a_full_set_goes() {
        let cache = ColumnCache::new(SET_BYTES);
        let part = PartId::next();
        for column in 0..=4 {
            cache.put(part, column, Arc::from([i64::from(column)]));
        }
        assert_eq!(cache.get(part, 0), None);
        for column in 1..=4 {
            let times = cache.get(part, column);
            assert_eq!(times.as_deref(), Some(&[i64::from(column)][..]));
        }
    }

    #[test]
    fn long_columns_do_not_take_more_than_the_bound() {
        let cache = ColumnCache::new(16 * SET_BYTES);
        let part = PartId::next();
        let times: Arc<[i64]> = (0..2048).collect();
        for column in 0..1000 {
            cache.put(part, column, Arc::clone(&times));
            assert!(cache.memory_bytes() <= 16 * SET_BYTES);
            assert_eq!(
                cache.memory_bytes() % size_of_val(&*times),
                0,
                "what left is counted out"
            );
        }
        assert!(cache.memory_bytes() > 0);
        let kept = (0..1000).filter(|column| cache.get(part, *column).is_some());
        assert_eq!(kept.count() * size_of_val(&*times), cache.memory_bytes());
    }

    #[test]
    fn many_short_columns_are_kept_at_once() {
        let cache = ColumnCache::new(64 * SET_BYTES);
        let part = PartId::next();
        for column in 0..256 {
            cache.put(part, column, Arc::from([i64::from(column)]));
        }
        assert!((0..256).all(|column| cache.get(part, column).is_some()));
    }
}
