//! Decoded timestamp columns that many series share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

/// A bounded cache of decoded timestamp columns, for one part or for many.
///
/// Each column has a few places; the column that came there first makes room for the next.
#[derive(Debug)]
pub struct ColumnCache {
    sets: Box<[Mutex<Set>]>,
}

/// Columns that compete for the same places.
const SET_COLUMNS: usize = 4;

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
    /// A cache of about this many columns at most, at least four; a column of the writer takes up to 16 KiB.
    #[must_use]
    pub fn new(columns: usize) -> Self {
        Self {
            sets: (0..columns.div_ceil(SET_COLUMNS).max(1))
                .map(|_| Mutex::default())
                .collect(),
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
        let bytes_of = |set: &Mutex<Set>| {
            let set = set.lock();
            let columns = set.entries.iter().flatten();
            columns
                .map(|entry| size_of_val(&*entry.timestamps_ms))
                .sum::<usize>()
        };
        self.sets.iter().map(bytes_of).sum()
    }

    /// Keeps a column.
    pub(super) fn put(&self, part: PartId, column: u32, timestamps_ms: Arc<[i64]>) {
        let mut set = self.set(part, column).lock();
        let at = set.oldest;
        set.oldest = (at + 1) % SET_COLUMNS;
        set.entries[at] = Some(Entry {
            part,
            column,
            timestamps_ms,
        });
    }
}

impl Default for ColumnCache {
    /// A cache of 512 columns: up to 8 MiB.
    fn default() -> Self {
        Self::new(512)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_of_other_parts_are_not_confused() {
        let cache = ColumnCache::new(1);
        let (a, b) = (PartId::next(), PartId::next());
        cache.put(a, 3, Arc::from([1, 2]));
        assert_eq!(cache.get(a, 3).as_deref(), Some(&[1, 2][..]));
        assert_eq!(cache.get(a, 4), None);
        assert_eq!(cache.get(b, 3), None);
    }

    #[test]
    fn the_first_column_of_a_full_set_goes() {
        let cache = ColumnCache::new(SET_COLUMNS);
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
}
