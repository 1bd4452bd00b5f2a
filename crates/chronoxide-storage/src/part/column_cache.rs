//! Decoded timestamp columns that many series share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chronoxide_model::TimeRange;
use hashbrown::HashMap;
use parking_lot::Mutex;

use super::times::Times;

/// A bounded cache of decoded timestamp columns, for one part or for many.
///
/// A full cache takes in one new column of several, and gives it the place of any other: queries read columns round and
/// round, and a cache that kept those of last use would have none of them left when they come round again.
#[derive(Debug)]
pub struct ColumnCache {
    shards: Box<[Mutex<Shard>]>,
    /// What the columns of one shard may take.
    shard_bytes: usize,
}

/// A full cache takes in one new column of so many.
const TAKEN_IN: u32 = 4;

/// Threads of queries seldom meet in one of so many.
const SHARDS: usize = 16;

#[derive(Debug, Default)]
struct Shard {
    entries: Vec<Entry>,
    /// Where the columns are among the entries.
    places: HashMap<Key, usize>,
    bytes: usize,
    /// Columns that came while it was full.
    refused: u32,
    /// Picks who makes room.
    draw: u64,
}

type Key = (PartId, u32);

#[derive(Debug)]
struct Entry {
    key: Key,
    column: KnownColumn,
}

/// What is known of a column.
#[derive(Clone, Debug)]
pub(super) enum KnownColumn {
    /// From its first to its last timestamp.
    Span(TimeRange),
    /// All of it.
    Times(Arc<Times>),
}

impl Entry {
    fn bytes(&self) -> usize {
        let times = match &self.column {
            KnownColumn::Span(_) => 0,
            KnownColumn::Times(times) => times.memory_bytes(),
        };
        size_of::<Self>() + size_of::<(Key, usize)>() + times
    }
}

/// Tells the parts of one process apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct PartId(u64);

impl PartId {
    pub(super) fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

impl ColumnCache {
    /// A cache of so many bytes at most. A timestamp takes four, or eight in columns longer than 49 days.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            shard_bytes: bytes / SHARDS,
        }
    }

    fn shard(&self, part: PartId, column: u32) -> &Mutex<Shard> {
        // Neighbouring columns of a part get neighbouring shards, other parts start elsewhere.
        let start = part.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        let at = (start + u64::from(column)) % SHARDS as u64;
        &self.shards[usize::try_from(at).expect("the remainder is an index")]
    }

    /// The column, if it is here.
    pub(super) fn get(&self, part: PartId, column: u32) -> Option<KnownColumn> {
        let shard = self.shard(part, column).lock();
        let place = *shard.places.get(&(part, column))?;
        Some(shard.entries.get(place)?.column.clone())
    }

    /// Bytes of memory its columns take.
    pub(super) fn memory_bytes(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().bytes).sum()
    }

    /// Keeps a column, if there is room or room is made.
    pub(super) fn put(&self, part: PartId, column: u32, known: KnownColumn) {
        let key = (part, column);
        let entry = Entry { key, column: known };
        let bytes = entry.bytes();
        let mut shard = self.shard(part, column).lock();
        if bytes > self.shard_bytes {
            return;
        }
        if let Some(place) = shard.places.get(&key).copied() {
            match (&shard.entries[place].column, &entry.column) {
                (KnownColumn::Span(_), KnownColumn::Times(_)) => shard.remove(place),
                // Another thread may have decoded the same.
                _ => return,
            }
        }
        if shard.bytes + bytes > self.shard_bytes && !shard.takes_in() {
            return;
        }
        while shard.bytes + bytes > self.shard_bytes {
            shard.give_away_one();
        }
        shard.bytes += bytes;
        let place = shard.entries.len();
        shard.places.insert(key, place);
        shard.entries.push(entry);
    }

    /// Forgets the columns of a part that is gone.
    pub(super) fn forget(&self, part: PartId) {
        for shard in &self.shards {
            let mut shard = shard.lock();
            let mut place = 0;
            while let Some(entry) = shard.entries.get(place) {
                if entry.key.0 == part {
                    shard.remove(place);
                } else {
                    place += 1;
                }
            }
        }
    }
}

impl Shard {
    fn takes_in(&mut self) -> bool {
        self.refused = (self.refused + 1) % TAKEN_IN;
        self.refused == 0
    }

    fn give_away_one(&mut self) {
        // Knuth's linear congruential generator.
        let (factor, step) = (0x5851_f42d_4c95_7f2d, 0x1405_7b7e_f767_814f);
        self.draw = self.draw.wrapping_mul(factor).wrapping_add(step);
        let count = self.entries.len().max(1) as u64;
        let drawn = (self.draw >> 33) % count;
        self.remove(usize::try_from(drawn).expect("the remainder is an index"));
    }

    fn remove(&mut self, place: usize) {
        let entry = self.entries.swap_remove(place);
        self.bytes -= entry.bytes();
        self.places.remove(&entry.key);
        if let Some(moved) = self.entries.get(place) {
            self.places.insert(moved.key, place);
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

    fn times(times_ms: &[i64]) -> KnownColumn {
        KnownColumn::Times(Arc::new(Times::new(times_ms.to_vec())))
    }

    fn has(cache: &ColumnCache, part: PartId, column: u32, times_ms: &[i64]) -> bool {
        cache.get(part, column).is_some_and(|found| {
            let KnownColumn::Times(found) = found else {
                return false;
            };
            let mut all = Vec::new();
            found.append_to(0..found.len(), &mut all);
            all == times_ms
        })
    }

    #[test]
    fn columns_of_other_parts_are_not_confused() {
        let cache = ColumnCache::default();
        let (a, b) = (PartId::next(), PartId::next());
        let span = TimeRange::new(1, 2).unwrap();
        cache.put(a, 3, KnownColumn::Span(span));
        assert!(matches!(cache.get(a, 3), Some(KnownColumn::Span(found)) if found == span));
        cache.put(a, 3, times(&[1, 2]));
        cache.put(a, 3, KnownColumn::Span(span));
        assert!(has(&cache, a, 3, &[1, 2]));
        assert!(cache.get(a, 4).is_none());
        assert!(cache.get(b, 3).is_none());
    }

    #[test]
    fn memory_is_bounded_and_some_of_what_goes_round_stays() {
        let cache = ColumnCache::new(64 << 10);
        let part = PartId::next();
        let long: Vec<i64> = (0..100).collect();
        let mut found = 0;
        for _ in 0..10 {
            for column in 0..400 {
                found += usize::from(cache.get(part, column).is_some());
                cache.put(part, column, times(&long));
                assert!(cache.memory_bytes() <= 64 << 10);
            }
        }
        assert!(found > 500, "{found}");
        let entries = |cache: &ColumnCache| {
            let shards = cache.shards.iter();
            let count = |shard: &Mutex<Shard>| {
                let shard = shard.lock();
                let places = shard.entries.iter().enumerate();
                for (place, entry) in places {
                    assert_eq!(shard.places.get(&entry.key), Some(&place));
                }
                assert_eq!(shard.places.len(), shard.entries.len());
                shard.entries.len()
            };
            shards.map(count).sum::<usize>()
        };
        assert!(entries(&cache) > 50);
        cache.forget(part);
        cache.put(PartId::next(), 0, times(&long));
        assert_eq!(entries(&cache), 1);
        cache.put(part, 0, times(&vec![7; 1 << 20]));
        assert!(cache.get(part, 0).is_none(), "longer than the cache");
    }
}
