//! Decoded timestamp columns that many series share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

/// A bounded cache of decoded timestamp columns, for one part or for many.
///
/// Each column has one place, which the next column of that place takes over.
#[derive(Debug)]
pub struct ColumnCache {
    places: Box<[Mutex<Option<Entry>>]>,
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
    /// A cache of `columns` columns at most, at least one; a column of the writer takes up to 16 KiB.
    #[must_use]
    pub fn new(columns: usize) -> Self {
        Self {
            places: (0..columns.max(1)).map(|_| Mutex::new(None)).collect(),
        }
    }

    fn place(&self, part: PartId, column: u32) -> &Mutex<Option<Entry>> {
        let spread = part.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(column);
        let places = self.places.len() as u64;
        &self.places[usize::try_from(spread % places).expect("the remainder is an index")]
    }

    /// The column, if it is here.
    pub(super) fn get(&self, part: PartId, column: u32) -> Option<Arc<[i64]>> {
        let place = self.place(part, column).lock();
        let entry = place.as_ref()?;
        (entry.part == part && entry.column == column).then(|| Arc::clone(&entry.timestamps_ms))
    }

    /// Keeps a column.
    pub(super) fn put(&self, part: PartId, column: u32, timestamps_ms: Arc<[i64]>) {
        *self.place(part, column).lock() = Some(Entry {
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
        cache.put(b, 3, Arc::from([9]));
        assert_eq!(cache.get(a, 3), None);
    }
}
