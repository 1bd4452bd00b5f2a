//! The active series: which id each has, which labels, and which keys stand for it.
//!
//! A series is found by the hash of the key its sender uses; labels are decoded only when a key is seen for the first
//! time. Several keys may lead to one series: the canonical key always does, so that two encodings of the same labels
//! meet. Labels are kept as ids of pairs, each pair once for all series.
//!
//! Invariant: an id is in use for one label set from the moment it is inserted until the registry is rebuilt without
//! it, and the registry log held it before.

mod cardinality;
mod keys;
mod limits;
mod order;
mod pairs;
mod refusals;
mod shared;

use std::cmp::Ordering;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use chronoxide_model::{CanonicalKey, Labels, Matcher};
use roaring::RoaringBitmap;

pub(crate) use cardinality::Spread;
pub(crate) use keys::{Cursor, KeyHash, KeyHasher};
pub(crate) use limits::{LabelLimits, shortened};
pub(crate) use order::OrderCache;
pub(crate) use refusals::Refusals;
pub(crate) use shared::SharedRegistry;

use keys::KeyTable;
use pairs::Pairs;

/// The table of active series.
#[derive(Debug)]
pub(crate) struct Registry {
    seed: u64,
    /// How often the registry was made anew: as long as it is not, an id in use stands for the same series.
    epoch: u64,
    hasher: Arc<KeyHasher>,
    keys: KeyTable,
    pairs: Pairs,
    /// Where each id's labels stand in `pair_ids`; by id, empty for an id not in use.
    rows: Vec<Row>,
    pair_ids: Vec<u32>,
    live: RoaringBitmap,
    /// How many of the last `pair_ids` belong to the series inserted last.
    last_labels: usize,
    /// Ids below `rows.len()` that are not in use.
    free: Vec<u32>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Row {
    start: u32,
    labels: u32,
}

impl Registry {
    /// An empty registry whose hashes are seeded by `seed`.
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            seed,
            epoch: 0,
            hasher: Arc::new(KeyHasher::new(seed)),
            keys: KeyTable::default(),
            pairs: Pairs::new(seed),
            rows: Vec::new(),
            pair_ids: Vec::new(),
            live: RoaringBitmap::new(),
            last_labels: 0,
            free: Vec::new(),
        }
    }

    /// What hashes the keys.
    pub(crate) const fn hasher(&self) -> &Arc<KeyHasher> {
        &self.hasher
    }

    /// The series that a key stands for.
    pub(crate) fn find(&self, hash: KeyHash, cursor: &mut Cursor) -> Option<u32> {
        self.keys.find(hash, cursor)
    }

    /// The series that a key stands for, outside any request's order.
    pub(crate) fn find_alone(&self, hash: KeyHash) -> Option<u32> {
        let mut cursor = Cursor::START;
        self.keys.find(hash, &mut cursor)
    }

    /// The hash of the canonical key of `labels`; `key` is scratch space.
    pub(crate) fn canonical_hash(&self, labels: &Labels, key: &mut Vec<u8>) -> KeyHash {
        key.clear();
        CanonicalKey::encode(labels, key);
        self.hasher.bytes(key, CANONICAL)
    }

    /// The ids that the next new series get, in order.
    pub(crate) fn free_ids(&self) -> impl Iterator<Item = u32> + '_ {
        let fresh = self.rows.len() as u32..u32::MAX;
        self.free.iter().rev().copied().chain(fresh)
    }

    /// Adds a series under an id from [`Registry::free_ids`], known by its canonical key.
    pub(crate) fn insert(&mut self, sid: u32, labels: &Labels, canonical: KeyHash) {
        self.take_id(sid);
        self.insert_row(sid, labels.iter());
        self.keys.insert(canonical, sid);
    }

    /// Makes room for `sid`, which is free from here on for nobody else.
    fn take_id(&mut self, sid: u32) {
        if self.free.last() == Some(&sid) {
            self.free.pop();
        }
        let index = sid as usize;
        if index >= self.rows.len() {
            let skipped = self.rows.len() as u32..sid;
            self.free.extend(skipped.rev());
            self.rows.resize(index + 1, Row::default());
        }
    }

    fn insert_row<'a>(&mut self, sid: u32, pairs: impl Iterator<Item = (&'a str, &'a str)>) {
        let start = self.pair_ids.len();
        for (at, (name, value)) in pairs.enumerate() {
            let pair = self.pairs.intern(name, value, self.guess(start, at));
            self.pair_ids.push(pair);
        }
        self.finish_row(sid, start);
    }

    /// The pair at place `at` of the series inserted last, when the next one's pairs begin at `start`.
    fn guess(&self, start: usize, at: usize) -> Option<u32> {
        let place = start - self.last_labels + at;
        (place < start).then(|| self.pair_ids[place])
    }

    /// Gives the pairs from `start` on to series `sid`.
    fn finish_row(&mut self, sid: u32, start: usize) {
        for pair in &self.pair_ids[start..] {
            self.pairs.add_series(*pair, sid);
        }
        self.last_labels = self.pair_ids.len() - start;
        self.rows[sid as usize] = Row {
            start: start as u32,
            labels: self.last_labels as u32,
        };
        self.live.insert(sid);
    }

    /// The hash of `key` under the canonical encoding.
    pub(crate) fn key_hash(&self, key: &[u8]) -> KeyHash {
        self.hasher.bytes(key, CANONICAL)
    }

    /// Adds a series by its canonical key without building its labels; whether another one has the key, too. `None` when
    /// the key is not canonical, and nothing is added.
    pub(crate) fn insert_key(&mut self, sid: u32, key: &[u8], hash: KeyHash) -> Option<bool> {
        let start = self.pair_ids.len();
        if !self.intern_key(key, start) {
            self.pair_ids.truncate(start);
            return None;
        }
        self.take_id(sid);
        self.finish_row(sid, start);
        Some(self.keys.put(hash, sid))
    }

    /// Appends the pairs of `key` to `pair_ids`, up to the first that makes the key no canonical one.
    fn intern_key(&mut self, key: &[u8], start: usize) -> bool {
        let mut offset = 0;
        // The series before has its pairs in order: two that both have stay so.
        let mut is_after_guess = true;
        while offset < key.len() {
            let guess = self.guess(start, self.pair_ids.len() - start);
            let guessed =
                guess.and_then(|guess| Some((guess, self.pairs.end_in_key(guess, key, offset)?)));
            let needs_no_check = is_after_guess && guessed.is_some();
            is_after_guess = guessed.is_some();
            let (pair, end) = match guessed {
                Some(guessed) => guessed,
                None => match CanonicalKey::split_first(&key[offset..]) {
                    Ok((name, value, rest)) if !value.is_empty() => {
                        (self.pairs.intern(name, value, None), key.len() - rest.len())
                    }
                    _ => return false,
                },
            };
            let last = self.pair_ids[start..].last();
            let last_name = || last.map_or("", |last| self.pairs.text(*last).0);
            if !needs_no_check && self.pairs.text(pair).0 <= last_name() {
                return false;
            }
            self.pair_ids.push(pair);
            offset = end;
        }
        true
    }

    /// Makes a further key stand for a series. Beyond a bound for each series the key is not kept, and costs a decoding each
    /// time: there are more orders of labels than memory.
    pub(crate) fn insert_alias(&mut self, hash: KeyHash, sid: u32) {
        if self.keys.keys_of(sid) < KEYS_PER_SERIES_MAX {
            self.keys.insert(hash, sid);
        }
    }

    /// Whether another series with these labels would pass what the index can address.
    pub(crate) fn is_full_for(&self, labels_bytes: usize) -> bool {
        self.pairs.text_bytes() + labels_bytes > pairs::TEXT_BYTES_MAX
            || self.pair_ids.len() > u32::MAX as usize / 2
    }

    /// How many series are active.
    pub(crate) fn len(&self) -> usize {
        self.live.len() as usize
    }

    /// One more than the largest id that has been in use.
    pub(crate) fn id_bound(&self) -> usize {
        self.rows.len()
    }

    /// The ids in use.
    pub(crate) fn live(&self) -> &RoaringBitmap {
        &self.live
    }

    /// Rises whenever ids go out of use: within an epoch each stands for one series.
    pub(crate) const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Whether an id is in use.
    pub(crate) fn has(&self, sid: u32) -> bool {
        let row = self.rows.get(sid as usize);
        // A row without labels is that of the series without any, or of none.
        row.is_some_and(|row| row.labels > 0) || self.live.contains(sid)
    }

    /// The pairs of series `sid`, by their names. Their ids stay until the registry is rebuilt without idle series.
    pub(crate) fn pair_ids(&self, sid: u32) -> &[u32] {
        let row = self.rows[sid as usize];
        &self.pair_ids[row.start as usize..(row.start + row.labels) as usize]
    }

    /// Name and value of a pair.
    pub(crate) fn pair(&self, id: u32) -> (&str, &str) {
        self.pairs.text(id)
    }

    /// The labels of series `sid`.
    pub(crate) fn labels(&self, sid: u32) -> Labels {
        let pairs = self.pair_ids(sid).iter().map(|pair| self.pairs.text(*pair));
        Labels::from_ordered_pairs(pairs).expect("they come from a valid set")
    }

    /// Compares two series by their labels, as [`Labels`] compare.
    pub(crate) fn compare(&self, a: u32, b: u32) -> Ordering {
        let (a, b) = (self.pair_ids(a), self.pair_ids(b));
        let differing = a.iter().zip(b).find(|(a, b)| a != b);
        match differing {
            Some((a, b)) => self.pairs.text(*a).cmp(&self.pairs.text(*b)),
            None => a.len().cmp(&b.len()),
        }
    }

    /// The active series that satisfy all matchers, unless `go_on`, which is asked every now and then, says to stop.
    pub(crate) fn matching_while(
        &self,
        matchers: &[Matcher],
        go_on: &dyn Fn() -> bool,
    ) -> Option<RoaringBitmap> {
        self.pairs.matching(matchers, &self.live, go_on)
    }

    /// The active series that satisfy all matchers.
    pub(crate) fn matching(&self, matchers: &[Matcher]) -> RoaringBitmap {
        let found = self.matching_while(matchers, &|| true);
        found.expect("nobody said to stop")
    }

    /// The names of labels that any series satisfying `test` has, in no order.
    pub(crate) fn label_names(&self, mut test: impl FnMut(u32) -> bool) -> Vec<&str> {
        let mut names = Vec::new();
        for name in self.pairs.names() {
            let mut pairs = self.pairs.with_name(name).iter();
            if pairs.any(|pair| self.pairs.any_series(*pair, &mut test)) {
                names.push(name);
            }
        }
        names
    }

    /// The values of label `name` that any series satisfying `test` has, in no order.
    pub(crate) fn label_values(&self, name: &str, mut test: impl FnMut(u32) -> bool) -> Vec<&str> {
        let pairs = self.pairs.with_name(name).iter();
        pairs
            .filter(|pair| self.pairs.any_series(**pair, &mut test))
            .map(|pair| self.pairs.text(*pair).1)
            .collect()
    }

    /// The same registry without the series that fail `keep`; the others keep their ids and keys. The ids of the
    /// series left out are not given to others before [`Registry::free`].
    pub(crate) fn retained(&self, mut keep: impl FnMut(u32) -> bool) -> Self {
        let mut kept = self.emptied();
        kept.take_series(self, self.live.iter().filter(|sid| keep(*sid)));
        kept.take_keys(self, 0..self.key_count());
        kept
    }

    /// A registry with the same ids, of which none is in use and those that are free here are free.
    pub(crate) fn emptied(&self) -> Self {
        Self {
            rows: vec![Row::default(); self.rows.len()],
            free: self.free.clone(),
            hasher: Arc::clone(&self.hasher),
            epoch: self.epoch + 1,
            ..Self::new(self.seed)
        }
    }

    /// Takes over series `sids` of `other`, without their keys.
    pub(crate) fn take_series(&mut self, other: &Self, sids: impl Iterator<Item = u32>) {
        for sid in sids {
            let pairs = other.pair_ids(sid).iter();
            self.insert_row(sid, pairs.map(|pair| other.pairs.text(*pair)));
        }
    }

    /// How many keys there are.
    pub(crate) fn key_count(&self) -> usize {
        self.keys.len()
    }

    /// Takes over those of the keys `range` of `other` that stand for series which are here.
    pub(crate) fn take_keys(&mut self, other: &Self, range: Range<usize>) {
        let live = &self.live;
        self.keys.take(&other.keys, range, |sid| live.contains(sid));
    }

    /// Takes over series `sids` of `newer`, which this registry was made of before they came; keys other than their
    /// canonical ones are learned anew.
    pub(crate) fn catch_up(&mut self, newer: &Self, sids: impl Iterator<Item = u32>) {
        let mut key = Vec::new();
        for sid in sids {
            let labels = newer.labels(sid);
            let canonical = newer.canonical_hash(&labels, &mut key);
            self.insert(sid, &labels, canonical);
        }
        self.rows.resize(newer.rows.len(), Row::default());
        self.free.clone_from(&newer.free);
    }

    /// The same registry without series whose labels another one has too, as a log that lost records may leave them;
    /// also which series replaces each of them.
    pub(crate) fn without_doubles(&self) -> (Self, HashMap<u32, u32>) {
        let mut kept = Self::new(self.seed);
        let mut doubles = HashMap::new();
        let mut key = Vec::new();
        for sid in &self.live {
            let labels = self.labels(sid);
            let hash = kept.canonical_hash(&labels, &mut key);
            match kept.find_alone(hash) {
                Some(first) => {
                    doubles.insert(sid, first);
                }
                None => kept.insert(sid, &labels, hash),
            }
        }
        (kept, doubles)
    }

    /// Lets new series have these ids, which are not in use.
    pub(crate) fn free(&mut self, sids: &[u32]) {
        self.free.extend_from_slice(sids);
    }

    /// Lets new series have every id that is neither in use nor `reserved`.
    pub(crate) fn free_all_but(&mut self, reserved: &RoaringBitmap) {
        self.free = (0..self.rows.len() as u32)
            .rev()
            .filter(|sid| !self.live.contains(*sid) && !reserved.contains(*sid))
            .collect();
    }

    /// Bytes of memory the registry takes, roughly.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.keys.memory_bytes()
            + self.pairs.memory_bytes()
            + self.rows.capacity() * size_of::<Row>()
            + self.pair_ids.capacity() * size_of::<u32>()
    }
}

/// The id of the canonical encoding.
const CANONICAL: u8 = 0;

/// A series is written by few senders, each with one encoding and order, besides its canonical key.
const KEYS_PER_SERIES_MAX: u8 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        Labels::from_pairs(pairs.iter().copied()).unwrap()
    }

    fn add(registry: &mut Registry, labels: &Labels) -> u32 {
        let hash = registry.canonical_hash(labels, &mut Vec::new());
        let sid = registry.free_ids().next().unwrap();
        registry.insert(sid, labels, hash);
        sid
    }

    fn filled(count: usize) -> (Registry, Vec<Labels>) {
        let mut registry = Registry::new(11);
        let all: Vec<Labels> = (0..count)
            .map(|n| {
                let (job, n) = (format!("job{}", n % 3), format!("{n}"));
                labels(&[("__name__", "m"), ("job", job.as_str()), ("n", n.as_str())])
            })
            .collect();
        for set in &all {
            add(&mut registry, set);
        }
        (registry, all)
    }

    #[test]
    fn a_series_keeps_its_id_and_labels() {
        let (registry, all) = filled(100);
        let mut cursor = Cursor::START;
        for (sid, set) in all.iter().enumerate() {
            let hash = registry.canonical_hash(set, &mut Vec::new());
            assert_eq!(registry.find(hash, &mut cursor), Some(sid as u32));
            assert_eq!(registry.labels(sid as u32), *set);
        }
        assert_eq!(registry.len(), 100);
    }

    #[test]
    fn series_compare_as_their_labels_do() {
        let mut registry = Registry::new(1);
        let sets = [
            labels(&[]),
            labels(&[("a", "1")]),
            labels(&[("a", "1"), ("b", "1")]),
            labels(&[("a", "2")]),
            labels(&[("b", "1")]),
        ];
        let ids: Vec<u32> = sets.iter().map(|set| add(&mut registry, set)).collect();
        for (a, left) in ids.iter().zip(&sets) {
            for (b, right) in ids.iter().zip(&sets) {
                assert_eq!(
                    registry.compare(*a, *b),
                    left.cmp(right),
                    "{left} and {right}"
                );
            }
        }
    }

    #[test]
    fn a_series_of_many_keys_leaves_room_for_those_of_others() {
        let (mut registry, _) = filled(10);
        let alias = |registry: &Registry, n: u32| registry.hasher().bytes(&n.to_le_bytes(), 1);
        for n in 0..100 {
            registry.insert_alias(alias(&registry, n), 3);
        }
        let known = |registry: &Registry, n| registry.find_alone(alias(registry, n));
        let kept = (0..100).filter(|n| known(&registry, *n) == Some(3));
        assert_eq!(kept.count(), usize::from(KEYS_PER_SERIES_MAX) - 1);
        registry.insert_alias(alias(&registry, 200), 4);
        assert_eq!(known(&registry, 200), Some(4));
        // What is taken over counts.
        let mut rebuilt = registry.retained(|sid| sid >= 3);
        for n in 100..200 {
            rebuilt.insert_alias(alias(&rebuilt, n), 3);
        }
        assert!((100..200).all(|n| known(&rebuilt, n).is_none()));
    }

    #[test]
    fn a_rebuilt_registry_keeps_ids_and_reuses_the_others() {
        let (registry, all) = filled(50);
        let mut kept = registry.retained(|sid| sid % 5 == 0);
        assert_eq!(kept.len(), 10);
        for sid in (0..50).step_by(5) {
            assert_eq!(kept.labels(sid), all[sid as usize]);
        }
        let hash = kept.canonical_hash(&all[7], &mut Vec::new());
        assert_eq!(kept.find_alone(hash), None);
        assert_eq!(kept.free_ids().next(), Some(50));
        kept.free(&[2, 1]);
        assert_eq!(add(&mut kept, &all[7]), 1);
        assert_eq!(kept.label_values("n", |_| true).len(), 11);
        assert!(kept.memory_bytes() > 0);
    }

    #[test]
    fn a_rebuilt_registry_catches_up_with_what_came_meanwhile() {
        let (mut registry, all) = filled(10);
        registry = registry.retained(|sid| sid != 4 && sid != 6);
        registry.free(&[6, 4]);
        let mut kept = registry.retained(|sid| sid >= 5);
        let built_of = registry.live().clone();
        let fresh: Vec<Labels> = ["x", "y", "z"].map(|v| labels(&[("fresh", v)])).into();
        let sids: Vec<u32> = fresh.iter().map(|set| add(&mut registry, set)).collect();
        assert_eq!(sids, [4, 6, 10]);
        let missing = registry.live() - built_of;
        kept.catch_up(&registry, missing.iter().chain([2]));
        for (sid, set) in sids.iter().zip(&fresh).chain([(&2, &all[2])]) {
            assert_eq!(kept.labels(*sid), *set);
            let hash = kept.canonical_hash(set, &mut Vec::new());
            assert_eq!(kept.find_alone(hash), Some(*sid));
        }
        assert_eq!(kept.len(), 4 + 3 + 1);
        assert_eq!(kept.free_ids().next(), registry.free_ids().next());
    }

    #[test]
    fn an_id_beyond_the_next_leaves_the_ones_before_it_free() {
        let mut registry = Registry::new(1);
        let set = labels(&[("a", "1")]);
        let hash = registry.canonical_hash(&set, &mut Vec::new());
        registry.insert(3, &set, hash);
        assert_eq!(
            registry.free_ids().take(4).collect::<Vec<_>>(),
            [0, 1, 2, 4]
        );
    }

    #[test]
    fn a_series_inserted_by_its_key_is_the_same() {
        let (by_labels, all) = filled(20);
        let mut by_key = Registry::new(11);
        for (sid, labels) in (0..).zip(&all) {
            let mut key = Vec::new();
            CanonicalKey::encode(labels, &mut key);
            let hash = by_key.key_hash(&key);
            assert_eq!(by_key.insert_key(sid, &key, hash), Some(false));
            assert_eq!(by_key.labels(sid), by_labels.labels(sid));
            assert_eq!(by_labels.find_alone(hash), Some(sid));
        }
        // Out of order, empty value, cut short.
        for bad in [&b"\x01b\x011\x01a\x011"[..], b"\x01a\x00", b"\x01a\x05x"] {
            assert_eq!(by_key.insert_key(99, bad, by_key.key_hash(bad)), None);
        }
        assert_eq!(by_key.len(), 20);
        let mut key = Vec::new();
        CanonicalKey::encode(&all[3], &mut key);
        assert_eq!(
            by_key.insert_key(20, &key, by_key.key_hash(&key)),
            Some(true)
        );
    }

    #[test]
    fn of_series_with_the_same_labels_one_is_kept() {
        let (mut registry, all) = filled(4);
        let hash = registry.canonical_hash(&all[1], &mut Vec::new());
        registry.insert(7, &all[1], hash);
        let (kept, doubles) = registry.without_doubles();
        assert_eq!(kept.live().iter().collect::<Vec<_>>(), [0, 1, 2, 3]);
        assert_eq!(doubles, HashMap::from([(7, 1)]));
        assert_eq!(kept.labels(3), all[3]);
    }

    #[test]
    fn names_and_values_come_from_the_series_asked_for() {
        let (registry, _) = filled(6);
        let mut values = registry.label_values("n", |sid| sid < 2);
        values.sort_unstable();
        assert_eq!(values, ["0", "1"]);
        assert_eq!(registry.label_names(|sid| sid == 0).len(), 3);
        assert!(registry.label_names(|_| false).is_empty());
    }
}
