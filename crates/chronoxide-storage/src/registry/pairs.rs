//! Label pairs, each kept once, with the active series that have it: the index of the head.

use std::collections::HashMap;

use chronoxide_model::{Matcher, MatcherOp};
use hashbrown::HashTable;
use roaring::RoaringBitmap;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// All pairs of name and value among the active series.
#[derive(Debug, Default)]
pub(crate) struct Pairs {
    seed: u64,
    /// Values end to end; a pair holds where its own ends.
    text: String,
    pairs: Vec<Pair>,
    table: HashTable<u32>,
    names: Vec<Name>,
    names_by_text: HashMap<Box<str>, u32>,
    /// Bytes that series ids take in `pairs`, roughly.
    postings_bytes: usize,
}

#[derive(Debug)]
struct Pair {
    name: u32,
    value_start: u32,
    value_end: u32,
    series: Postings,
}

#[derive(Debug)]
struct Name {
    text: Box<str>,
    /// The pairs with this name, in order of first sight.
    pairs: Vec<u32>,
}

/// Series ids. Most pairs belong to one series, or to those that one target brought together and whose ids follow one
/// another.
#[derive(Debug)]
enum Postings {
    None,
    /// All ids from the first to the last.
    Run(u32, u32),
    Many(Box<Runs>),
}

/// More ids than one run has. New ones mostly follow the last, and then a bitmap need not be searched.
#[derive(Debug)]
struct Runs {
    /// All of them are less than `first`.
    before: RoaringBitmap,
    /// The last run, which is not in `before`.
    first: u32,
    last: u32,
}

/// Bytes of a bitmap with two ids, its allocations included.
const MANY_BYTES: usize = 96;

/// Bytes of distinct label values that the index can address.
pub(crate) const TEXT_BYTES_MAX: usize = 2 << 30;

impl Pairs {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            seed,
            ..Self::default()
        }
    }

    /// The id of a pair, new or known. `guess` is tried first: neighbouring series share most of their pairs.
    pub(crate) fn intern(&mut self, name: &str, value: &str, guess: Option<u32>) -> u32 {
        if let Some(id) = guess.filter(|guess| self.text(*guess) == (name, value)) {
            return id;
        }
        let name_id = self.name_id(name);
        let hash = self.hash(name_id, value);
        if let Some(id) = self.find(hash, name_id, value) {
            return id;
        }
        let id = self.pairs.len() as u32;
        let value_start = self.text.len() as u32;
        self.text.push_str(value);
        self.pairs.push(Pair {
            name: name_id,
            value_start,
            value_end: self.text.len() as u32,
            series: Postings::None,
        });
        self.names[name_id as usize].pairs.push(id);
        let (seed, text, pairs) = (self.seed, &self.text, &self.pairs);
        self.table.insert_unique(hash, id, |other| {
            let pair = &pairs[*other as usize];
            let value = &text[pair.value_start as usize..pair.value_end as usize];
            hash_pair(seed, pair.name, value)
        });
        id
    }

    /// Adds series `sid` to those that have pair `id`.
    pub(crate) fn add_series(&mut self, id: u32, sid: u32) {
        self.postings_bytes += self.pairs[id as usize].series.insert(sid);
    }

    /// Where in `key`, a canonical key, pair `id` ends if it stands at `offset`. Long pairs are not recognised.
    pub(crate) fn end_in_key(&self, id: u32, key: &[u8], offset: usize) -> Option<usize> {
        let (name, value) = self.text(id);
        let lengths = [
            u8::try_from(name.len()).ok()?,
            u8::try_from(value.len()).ok()?,
        ];
        if lengths.iter().any(|length| *length >= 0x80) {
            return None;
        }
        let rest = key.get(offset..)?;
        let rest = rest
            .strip_prefix(&lengths[..1])?
            .strip_prefix(name.as_bytes())?;
        let rest = rest
            .strip_prefix(&lengths[1..])?
            .strip_prefix(value.as_bytes())?;
        Some(key.len() - rest.len())
    }

    fn name_id(&mut self, name: &str) -> u32 {
        if let Some(id) = self.names_by_text.get(name) {
            return *id;
        }
        let id = self.names.len() as u32;
        self.names.push(Name {
            text: name.into(),
            pairs: Vec::new(),
        });
        self.names_by_text.insert(name.into(), id);
        id
    }

    fn hash(&self, name_id: u32, value: &str) -> u64 {
        hash_pair(self.seed, name_id, value)
    }

    fn find(&self, hash: u64, name_id: u32, value: &str) -> Option<u32> {
        self.table
            .find(hash, |id| {
                self.pairs[*id as usize].name == name_id && self.value(*id) == value
            })
            .copied()
    }

    fn value(&self, id: u32) -> &str {
        let pair = &self.pairs[id as usize];
        &self.text[pair.value_start as usize..pair.value_end as usize]
    }

    /// Name and value of pair `id`.
    pub(crate) fn text(&self, id: u32) -> (&str, &str) {
        let name = self.pairs[id as usize].name;
        (&self.names[name as usize].text, self.value(id))
    }

    /// All ids of pairs.
    pub(crate) fn ids(&self) -> std::ops::Range<u32> {
        0..self.pairs.len() as u32
    }

    /// How many series have pair `id`.
    pub(crate) fn series_count(&self, id: u32) -> u64 {
        match &self.pairs[id as usize].series {
            Postings::None => 0,
            Postings::Run(first, last) => u64::from(last - first) + 1,
            Postings::Many(runs) => runs.before.len() + u64::from(runs.last - runs.first) + 1,
        }
    }

    /// The series that have this name and value.
    pub(crate) fn series_with(&self, name: &str, value: &str) -> RoaringBitmap {
        let mut found = RoaringBitmap::new();
        if let Some(name_id) = self.names_by_text.get(name)
            && let Some(id) = self.find(self.hash(*name_id, value), *name_id, value)
        {
            self.pairs[id as usize].series.add_to(&mut found);
        }
        found
    }

    /// Bytes of all distinct values.
    pub(crate) fn text_bytes(&self) -> usize {
        self.text.len()
    }

    /// The label names in use, in no order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(|name| &*name.text)
    }

    /// The pairs with this name.
    pub(crate) fn with_name(&self, name: &str) -> &[u32] {
        match self.names_by_text.get(name) {
            Some(id) => &self.names[*id as usize].pairs,
            None => &[],
        }
    }

    /// Whether any of a pair's series satisfies `test`.
    pub(crate) fn any_series(&self, id: u32, test: impl FnMut(u32) -> bool) -> bool {
        match &self.pairs[id as usize].series {
            Postings::None => false,
            Postings::Run(first, last) => (*first..=*last).any(test),
            Postings::Many(runs) => runs.before.iter().chain(runs.first..=runs.last).any(test),
        }
    }

    /// Those of `all` that satisfy every matcher, unless `go_on`, which is asked every now and then, says to stop.
    pub(crate) fn matching(
        &self,
        matchers: &[Matcher],
        all: &RoaringBitmap,
        go_on: &dyn Fn() -> bool,
    ) -> Option<RoaringBitmap> {
        let (absent, present): (Vec<&Matcher>, Vec<&Matcher>) =
            matchers.iter().partition(|matcher| matcher.matches_empty());
        let mut result: Option<RoaringBitmap> = None;
        for matcher in present {
            let is_match = |value: &str| matcher.matches(value);
            let found = self.with_value(matcher.name(), matcher.literals(), is_match, go_on)?;
            match &mut result {
                Some(result) => *result &= &found,
                None => result = Some(found & all),
            }
            if result.as_ref().is_some_and(RoaringBitmap::is_empty) {
                return Some(RoaringBitmap::new());
            }
        }
        let mut result = result.unwrap_or_else(|| all.clone());
        // A matcher that an absent label satisfies takes away the series whose value it refuses.
        for matcher in absent {
            let literals = match matcher.op() {
                MatcherOp::NotEqual | MatcherOp::NotRegex => matcher.right_side_literals(),
                MatcherOp::Equal | MatcherOp::Regex => None,
            };
            if matcher.verdict_on_any_value() != Some(true) {
                let is_refused = |value: &str| !matcher.matches(value);
                result -= self.with_value(matcher.name(), literals, is_refused, go_on)?;
            }
        }
        Some(result)
    }

    /// Series whose label `name` has a value that satisfies `test`; `literals` are the only candidates, when known. Nothing
    /// when told to stop.
    fn with_value(
        &self,
        name: &str,
        literals: Option<&[String]>,
        test: impl Fn(&str) -> bool,
        go_on: &dyn Fn() -> bool,
    ) -> Option<RoaringBitmap> {
        /// Testing so many values, and adding up their series, takes a fraction of a millisecond.
        const CHECK_VALUES: usize = 512;
        let is_to_stop = |turn: usize| turn % CHECK_VALUES == CHECK_VALUES - 1 && !go_on();
        let mut found = RoaringBitmap::new();
        if let Some(literals) = literals {
            let Some(name_id) = self.names_by_text.get(name) else {
                return Some(found);
            };
            for (turn, value) in literals.iter().enumerate() {
                if is_to_stop(turn) {
                    return None;
                }
                if let Some(id) = self.find(self.hash(*name_id, value), *name_id, value) {
                    self.pairs[id as usize].series.add_to(&mut found);
                }
            }
            return Some(found);
        }
        for (turn, id) in self.with_name(name).iter().enumerate() {
            if is_to_stop(turn) {
                return None;
            }
            if test(self.value(*id)) {
                self.pairs[*id as usize].series.add_to(&mut found);
            }
        }
        Some(found)
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.text.capacity()
            + self.pairs.capacity() * (size_of::<Pair>() + size_of::<u32>())
            + self.table.capacity() * 5
            + self.postings_bytes
    }
}

fn hash_pair(seed: u64, name_id: u32, value: &str) -> u64 {
    xxh3_64_with_seed(
        value.as_bytes(),
        seed ^ u64::from(name_id).wrapping_mul(0x9e37_79b9_7f4a_7c15),
    )
}

impl Runs {
    /// Adds a series; by how many bytes the bitmap grows, roughly.
    fn insert(&mut self, sid: u32) -> usize {
        if sid < self.first {
            return usize::from(self.before.insert(sid)) * size_of::<u16>();
        }
        if sid <= self.last {
            return 0;
        }
        if self.last.checked_add(1) == Some(sid) {
            self.last = sid;
            return 0;
        }
        let run = (self.last - self.first) as usize + 1;
        self.before.insert_range(self.first..=self.last);
        (self.first, self.last) = (sid, sid);
        // A bitmap takes no more for the 2^16 ids of one of its containers than 8 KiB.
        (run * size_of::<u16>()).min((run >> 16).saturating_add(1) << 13)
    }
}

impl Postings {
    /// Adds a series; by how many bytes the postings grow, roughly.
    fn insert(&mut self, sid: u32) -> usize {
        match self {
            Self::None => {
                *self = Self::Run(sid, sid);
                0
            }
            Self::Run(first, last) if (*first..=*last).contains(&sid) => 0,
            Self::Run(_, last) if last.checked_add(1) == Some(sid) => {
                *last = sid;
                0
            }
            Self::Run(first, last) => {
                let mut runs = Runs {
                    before: RoaringBitmap::new(),
                    first: *first,
                    last: *last,
                };
                let run_bytes = runs.insert(sid);
                *self = Self::Many(Box::new(runs));
                MANY_BYTES + run_bytes
            }
            Self::Many(runs) => runs.insert(sid),
        }
    }

    fn add_to(&self, found: &mut RoaringBitmap) {
        match self {
            Self::None => {}
            Self::Run(first, last) => {
                found.insert_range(*first..=*last);
            }
            Self::Many(runs) => {
                *found |= &runs.before;
                found.insert_range(runs.first..=runs.last);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> (Pairs, RoaringBitmap) {
        let mut pairs = Pairs::new(3);
        let mut all = RoaringBitmap::new();
        for (sid, labels) in [
            (0, vec![("__name__", "up"), ("job", "a")]),
            (1, vec![("__name__", "up"), ("job", "b")]),
            (2, vec![("__name__", "up")]),
            (5, vec![("__name__", "down"), ("job", "a")]),
        ] {
            for (name, value) in labels {
                let id = pairs.intern(name, value, None);
                pairs.add_series(id, sid);
            }
            all.insert(sid);
        }
        (pairs, all)
    }

    #[test]
    fn a_pair_is_recognised_in_a_key() {
        let (mut pairs, _) = sample();
        let long = pairs.intern("long", &"x".repeat(200), None);
        let job = pairs.intern("job", "a", None);
        let key = b"\x01j\x01k\x03job\x01a\x01z\x01z";
        assert_eq!(pairs.end_in_key(job, key, 4), Some(10));
        assert_eq!(pairs.end_in_key(job, key, 0), None);
        assert_eq!(pairs.end_in_key(job, key, 99), None);
        assert_eq!(pairs.end_in_key(job, &key[..9], 4), None);
        assert_eq!(pairs.end_in_key(long, key, 0), None);
    }

    fn check(matchers: &[Matcher], expected: &[u32]) {
        let (pairs, all) = sample();
        let found = pairs.matching(matchers, &all, &|| true).unwrap();
        let found: Vec<u32> = found.iter().collect();
        assert_eq!(found, expected, "{matchers:?}");
    }

    #[test]
    fn matchers_select_as_their_tests_say() {
        check(&[], &[0, 1, 2, 5]);
        check(&[Matcher::equal("__name__", "up")], &[0, 1, 2]);
        check(&[Matcher::equal("job", "")], &[2]);
        check(&[Matcher::not_equal("job", "")], &[0, 1, 5]);
        check(&[Matcher::not_equal("job", "a")], &[1, 2]);
        check(&[Matcher::regex("job", "a|b").unwrap()], &[0, 1, 5]);
        check(&[Matcher::regex("job", "a?").unwrap()], &[0, 2, 5]);
        check(
            &[
                Matcher::regex("job", ".+").unwrap(),
                Matcher::equal("__name__", "down"),
            ],
            &[5],
        );
        check(&[Matcher::not_regex("job", "a.*").unwrap()], &[1, 2]);
        check(&[Matcher::not_regex("job", ".+").unwrap()], &[2]);
        check(&[Matcher::equal("none", "x")], &[]);
        check(
            &[Matcher::equal("none", ""), Matcher::equal("job", "b")],
            &[1],
        );
    }

    #[test]
    fn ids_in_any_order_are_kept() {
        for ids in [
            vec![5],
            vec![5, 6, 7, 6],
            vec![5, 6, 4, 7],
            vec![5, 7, 6, 70_000, 6],
            vec![1, 3, 5, 7, 8, 9, 2, 4, 7, 100_000, 100_001, 3, 50, 99_999],
            vec![u32::MAX - 1, 0, 1, 2],
        ] {
            let mut pairs = Pairs::new(3);
            let id = pairs.intern("job", "a", None);
            for sid in &ids {
                pairs.add_series(id, *sid);
            }
            let expected: RoaringBitmap = ids.iter().copied().collect();
            assert_eq!(pairs.series_with("job", "a"), expected, "{ids:?}");
            assert_eq!(pairs.series_count(id), expected.len(), "{ids:?}");
            for sid in &expected {
                assert!(pairs.any_series(id, |other| other == sid), "{ids:?}");
            }
            assert!(!pairs.any_series(id, |other| other == 11), "{ids:?}");
        }
    }

    #[test]
    fn a_pair_is_kept_once() {
        let (mut pairs, _) = sample();
        let id = pairs.intern("job", "a", None);
        assert_eq!(pairs.intern("job", "a", Some(0)), id);
        assert_eq!(pairs.intern("job", "a", Some(id)), id);
        assert_eq!(pairs.text(id), ("job", "a"));
        assert_eq!(pairs.with_name("job").len(), 2);
        assert_eq!(pairs.names().count(), 2);
    }
}
