//! Hashes of series keys, and which series each stands for.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use chronoxide_model::{BatchSeries, HashKeys, SeriesKey, WriteBatch};
use hashbrown::{HashTable, hash_table};
use xxhash_rust::xxh3::{xxh3_128_with_secret, xxh3_128_with_seed};

/// The keyed 128-bit hash of a key's bytes and encoding.
///
/// Two keys with equal hashes are taken for the same key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct KeyHash {
    high: u64,
    low: u64,
}

/// Hashes keys.
///
/// Its secret comes from the seed, which is random per database, so that nobody outside can make two keys collide.
#[derive(Clone, Debug)]
pub(crate) struct KeyHasher {
    secret: [u8; SECRET_BYTES],
}

/// What the hash takes as its own secret for long keys.
const SECRET_BYTES: usize = 192;

impl KeyHasher {
    pub(crate) fn new(seed: u64) -> Self {
        let mut secret = [0; SECRET_BYTES];
        for (block, number) in secret.chunks_exact_mut(16).zip(0_u8..) {
            let bytes = xxh3_128_with_seed(&[number], seed).to_le_bytes();
            block.copy_from_slice(&bytes);
        }
        Self { secret }
    }

    #[inline]
    pub(crate) fn key(&self, key: SeriesKey<'_>) -> KeyHash {
        self.bytes(key.bytes, key.encoding.id())
    }

    /// Whether the keys of `batch` have been hashed by this.
    pub(crate) fn hashed(&self, batch: &WriteBatch<'_>) -> bool {
        let hasher = batch.hasher();
        hasher.is_some_and(|hasher| std::ptr::addr_eq(Arc::as_ptr(hasher), self))
    }

    /// The hash of the key of each series of `batch`, as the batch has it if this is its hasher.
    pub(crate) fn of_batch(
        &self,
        batch: &WriteBatch<'_>,
    ) -> impl Fn(&BatchSeries<'_>) -> KeyHash + '_ {
        let is_own = self.hashed(batch);
        move |series| match series.key_hash {
            Some(hash) if is_own => hash.into(),
            _ => self.key(series.key),
        }
    }

    #[inline]
    pub(crate) fn bytes(&self, bytes: &[u8], encoding: u8) -> KeyHash {
        let hash = xxh3_128_with_secret(bytes, &self.secret);
        let apart = u64::from(encoding).wrapping_mul(ENCODING_STRIDE);
        KeyHash {
            high: (hash >> 64) as u64 ^ apart,
            low: hash as u64 ^ apart,
        }
    }
}

impl HashKeys for KeyHasher {
    fn hash(&self, key: SeriesKey<'_>) -> u128 {
        let KeyHash { high, low } = self.key(key);
        u128::from(high) << 64 | u128::from(low)
    }
}

impl From<u128> for KeyHash {
    fn from(hash: u128) -> Self {
        Self {
            high: (hash >> 64) as u64,
            low: hash as u64,
        }
    }
}

/// Any odd number with its bits well spread: it keeps the hashes of the encodings apart.
const ENCODING_STRIDE: u64 = 0x9e37_79b9_7f4a_7c15;

/// Keys seen before. Lookups need only a shared reference.
#[derive(Debug, Default)]
pub(crate) struct KeyTable {
    table: HashTable<u32>,
    entries: Vec<Entry>,
    /// By series: how many keys stand for it, up to 255.
    counts: Vec<u8>,
}

#[derive(Debug)]
struct Entry {
    hash: KeyHash,
    sid: u32,
    /// The entry that followed this one in the request that asked last; only a hint.
    next: AtomicU32,
}

/// Where in the table a request stands: senders repeat their order, so the next key is likely the one that followed
/// last time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor(u32);

impl Cursor {
    pub(crate) const START: Self = Self(NONE);
}

const NONE: u32 = u32::MAX;

impl KeyTable {
    /// The series that `hash` stands for.
    pub(crate) fn find(&self, hash: KeyHash, cursor: &mut Cursor) -> Option<u32> {
        let previous = self.entries.get(cursor.0 as usize);
        if let Some(previous) = previous {
            let predicted = previous.next.load(Ordering::Relaxed);
            if let Some(entry) = self.entries.get(predicted as usize)
                && entry.hash == hash
            {
                cursor.0 = predicted;
                return Some(entry.sid);
            }
        }
        let index = *self
            .table
            .find(hash.low, |index| self.entries[*index as usize].hash == hash)?;
        if let Some(previous) = previous {
            previous.next.store(index, Ordering::Relaxed);
        }
        cursor.0 = index;
        Some(self.entries[index as usize].sid)
    }

    /// Makes `hash` stand for `sid`. The caller has checked that the hash is not there.
    pub(crate) fn insert(&mut self, hash: KeyHash, sid: u32) {
        let index = self.add_entry(hash, sid);
        let entries = &self.entries;
        self.table
            .insert_unique(hash.low, index, |index| entries[*index as usize].hash.low);
    }

    /// Makes `hash` stand for `sid`, whatever it stood for; whether it stood for anything.
    pub(crate) fn put(&mut self, hash: KeyHash, sid: u32) -> bool {
        let index = self.add_entry(hash, sid);
        let entries = &self.entries;
        let is_same = |other: &u32| entries[*other as usize].hash == hash;
        let hash_of = |other: &u32| entries[*other as usize].hash.low;
        match self.table.entry(hash.low, is_same, hash_of) {
            hash_table::Entry::Occupied(mut known) => {
                *known.get_mut() = index;
                true
            }
            hash_table::Entry::Vacant(vacant) => {
                vacant.insert(index);
                false
            }
        }
    }

    /// Adds an entry that the table does not lead to yet.
    fn add_entry(&mut self, hash: KeyHash, sid: u32) -> u32 {
        let index = self.entries.len() as u32;
        self.entries.push(Entry {
            hash,
            sid,
            next: AtomicU32::new(NONE),
        });
        let series = sid as usize;
        if series >= self.counts.len() {
            self.counts.resize(series + 1, 0);
        }
        self.counts[series] = self.counts[series].saturating_add(1);
        index
    }

    /// How many keys stand for series `sid`, up to 255.
    pub(crate) fn keys_of(&self, sid: u32) -> u8 {
        self.counts.get(sid as usize).copied().unwrap_or(0)
    }

    /// Takes over the keys `range` of `other`, in the order they came, without those whose series fails `keep`.
    pub(crate) fn take(
        &mut self,
        other: &Self,
        range: Range<usize>,
        mut keep: impl FnMut(u32) -> bool,
    ) {
        let entries = other.entries[range].iter();
        for entry in entries.filter(|entry| keep(entry.sid)) {
            self.insert(entry.hash, entry.sid);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.entries.capacity() * size_of::<Entry>()
            + self.table.capacity() * 5
            + self.counts.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(n: u64) -> KeyHash {
        KeyHasher::new(7).bytes(&n.to_le_bytes(), 0)
    }

    fn find(keys: &KeyTable, n: u64) -> Option<u32> {
        let mut cursor = Cursor::START;
        keys.find(hash(n), &mut cursor)
    }

    #[test]
    fn keys_are_found_in_any_order() {
        let mut keys = KeyTable::default();
        for n in 0..1000 {
            keys.insert(hash(n), n as u32 * 2);
        }
        for round in 0..3 {
            let mut cursor = Cursor::START;
            for n in (0..1000).rev() {
                assert_eq!(
                    keys.find(hash(n), &mut cursor),
                    Some(n as u32 * 2),
                    "round {round}"
                );
            }
        }
        assert_eq!(find(&keys, 1000), None);
    }

    #[test]
    fn a_wrong_prediction_does_not_mislead() {
        let mut keys = KeyTable::default();
        for n in 0..3 {
            keys.insert(hash(n), n as u32);
        }
        let mut cursor = Cursor::START;
        assert_eq!(keys.find(hash(0), &mut cursor), Some(0));
        assert_eq!(keys.find(hash(1), &mut cursor), Some(1));
        let mut cursor = Cursor::START;
        assert_eq!(keys.find(hash(0), &mut cursor), Some(0));
        assert_eq!(keys.find(hash(2), &mut cursor), Some(2));
        assert_eq!(keys.find(hash(9), &mut cursor), None);
        assert_eq!(keys.find(hash(1), &mut cursor), Some(1));
    }

    #[test]
    fn encoding_and_seed_are_part_of_the_hash() {
        // Short, middling and long keys go ways of their own in the hash.
        for key in [&[7; 1][..], &[7; 16], &[7; 100], &[7; 200], &[7; 300]] {
            let hash = |encoding, seed| KeyHasher::new(seed).bytes(key, encoding);
            assert_eq!(hash(0, 7), hash(0, 7));
            assert_ne!(hash(0, 7), hash(1, 7));
            assert_ne!(hash(0, 7), hash(0, 8));
        }
    }

    #[test]
    fn retained_keys_keep_their_series() {
        let mut keys = KeyTable::default();
        for n in 0..10 {
            keys.insert(hash(n), n as u32);
        }
        let mut kept = KeyTable::default();
        kept.take(&keys, 0..keys.len(), |sid| sid % 2 == 0);
        assert_eq!(kept.len(), 5);
        assert_eq!(find(&kept, 4), Some(4));
        assert_eq!(find(&kept, 5), None);
    }
}
