//! The series that a selection finds in parts and in the registry, kept for whoever asks the same again, as dashboards do.

use std::sync::Arc;

use chronoxide_model::{Labels, Matcher, MatcherOp};
use parking_lot::Mutex;
use roaring::RoaringBitmap;

use super::many::Many;
use super::selection::Place;
use crate::part::PartId;

/// More selections than this are not kept, however small they are.
const SELECTIONS_MAX: usize = 64;

/// Matchers with more text than this are not kept: nobody types as much twice, and requests may have megabytes of it.
const MATCHER_BYTES_MAX: usize = 4096;

/// Series in label order, and where the parts have samples of them.
#[derive(Debug, Default)]
pub(super) struct FoundSeries {
    pub(super) labels: Many<Labels>,
    /// By series: its id among the active ones, or [`INACTIVE`].
    pub(super) sids: Vec<u32>,
    /// By series: the end of its places; the next one's begin there.
    pub(super) ends: Vec<u32>,
    /// In parts, oldest write first.
    pub(super) places: Vec<Place>,
}

/// What stands for the id of a series that is none of the active ones.
pub(super) const INACTIVE: u32 = u32::MAX;

impl FoundSeries {
    /// The places of series `index`.
    pub(super) fn places(&self, index: usize) -> &[Place] {
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.places[start as usize..self.ends[index] as usize]
    }

    fn memory_bytes(&self) -> usize {
        /// What labels take beside their texts, by label and in all.
        const LABEL_BYTES: usize = 8;
        const LABELS_BYTES: usize = 48;
        let labels = self.labels.iter().map(|labels| {
            let texts = labels.iter().map(|(name, value)| name.len() + value.len());
            LABELS_BYTES + texts.map(|text| LABEL_BYTES + text).sum::<usize>()
        });
        labels.sum::<usize>()
            + size_of_val(&self.sids[..])
            + size_of_val(&self.ends[..])
            + size_of_val(&self.places[..])
    }
}

/// What a selection finds its series by.
#[derive(Debug)]
pub(super) struct Question<'a> {
    pub(super) matchers: &'a [Matcher],
    /// Those that the selection reads; they never change.
    pub(super) parts: Vec<PartId>,
    /// The active series that satisfy the matchers, with the epoch in which these ids stand for these series; nothing if
    /// the selection does not read the head.
    pub(super) active: Option<(u64, RoaringBitmap)>,
}

impl Question<'_> {
    /// Bytes of memory that a copy of the matchers takes.
    fn matcher_bytes(&self) -> usize {
        let matchers = self.matchers.iter();
        let texts = matchers.map(|matcher| matcher.name().len() + matcher.value().len());
        size_of::<(MatcherOp, String, String)>() * self.matchers.len() + texts.sum::<usize>()
    }

    /// Bytes of memory that parts and active series take.
    fn source_bytes(&self) -> usize {
        let active = self.active.as_ref();
        size_of_val(&self.parts[..]) + active.map_or(0, |(_, ids)| ids.serialized_size())
    }
}

/// The series of the selections that were made last.
#[derive(Debug)]
pub(crate) struct FoundCache {
    /// What the series of all that are kept may take.
    bytes_max: usize,
    /// The most recently used last.
    recent: Mutex<Vec<Kept>>,
}

#[derive(Debug)]
struct Kept {
    matchers: Vec<(MatcherOp, String, String)>,
    parts: Vec<PartId>,
    active: Option<(u64, RoaringBitmap)>,
    found: Arc<FoundSeries>,
    bytes: usize,
}

impl Kept {
    fn is_about(&self, question: &Question<'_>) -> bool {
        let same = |((op, name, value), matcher): (&(MatcherOp, String, String), &Matcher)| {
            *op == matcher.op() && name == matcher.name() && value == matcher.value()
        };
        self.parts == question.parts
            && self.active.is_some() == question.active.is_some()
            && self.matchers.len() == question.matchers.len()
            && self.matchers.iter().zip(question.matchers).all(same)
    }
}

impl FoundCache {
    /// A cache that takes so many bytes at most.
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self {
            bytes_max,
            recent: Mutex::default(),
        }
    }

    /// What was found for the same question.
    pub(super) fn get(&self, question: &Question<'_>) -> Option<Arc<FoundSeries>> {
        let mut recent = self.recent.lock();
        let at = recent.iter().position(|kept| kept.is_about(question))?;
        let kept = recent.remove(at);
        if kept.active != question.active {
            // Series came or went.
            drop(recent);
            return None;
        }
        let found = Arc::clone(&kept.found);
        recent.push(kept);
        Some(found)
    }

    /// Gives up what is oldest until there is room for about `series` series more: before they take memory themselves.
    pub(super) fn make_room(&self, series: usize) {
        /// Many have more labels than this holds; that is seen once they are here.
        const SERIES_BYTES: usize = 256;
        Self::shrink(
            &mut self.recent.lock(),
            self.bytes_max.saturating_sub(series * SERIES_BYTES),
        );
    }

    /// Keeps what was found, if it is not too much.
    pub(super) fn put(&self, question: Question<'_>, found: &Arc<FoundSeries>) {
        /// What a series takes at least.
        const SERIES_BYTES: usize = 32;
        if found.labels.len() * SERIES_BYTES > self.bytes_max {
            // To find out exactly takes long.
            return;
        }
        let matcher_bytes = question.matcher_bytes();
        let bytes = found.memory_bytes() + matcher_bytes + question.source_bytes();
        if matcher_bytes > MATCHER_BYTES_MAX || bytes > self.bytes_max {
            return;
        }
        let mut recent = self.recent.lock();
        // Another thread may have found the same.
        recent.retain(|kept| !kept.is_about(&question));
        Self::shrink(&mut recent, self.bytes_max - bytes);
        if recent.len() == SELECTIONS_MAX {
            recent.remove(0);
        }
        let matchers = question.matchers.iter();
        recent.push(Kept {
            matchers: matchers
                .map(|one| (one.op(), one.name().to_owned(), one.value().to_owned()))
                .collect(),
            parts: question.parts,
            active: question.active,
            found: Arc::clone(found),
            bytes,
        });
    }

    fn shrink(recent: &mut Vec<Kept>, bytes_max: usize) {
        let mut bytes: usize = recent.iter().map(|kept| kept.bytes).sum();
        let oldest = recent.iter().take_while(|kept| {
            let is_much = bytes > bytes_max;
            if is_much {
                bytes -= kept.bytes;
            }
            is_much
        });
        let oldest = oldest.count();
        recent.drain(..oldest);
    }

    /// Bytes of memory it takes, roughly.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.recent.lock().iter().map(|kept| kept.bytes).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES_MAX: usize = 12 << 20;

    fn found(series: usize) -> Arc<FoundSeries> {
        let labels = |n: usize| Labels::from_pairs([("n", format!("{n:0>100}"))]).unwrap();
        Arc::new(FoundSeries {
            labels: (0..series).map(labels).collect(),
            sids: vec![INACTIVE; series],
            ends: vec![0; series],
            places: Vec::new(),
        })
    }

    fn question(matchers: &[Matcher], active: Option<(u64, RoaringBitmap)>) -> Question<'_> {
        Question {
            matchers,
            parts: Vec::new(),
            active,
        }
    }

    #[test]
    fn what_was_found_is_kept_until_series_come_or_go() {
        let cache = FoundCache::new(BYTES_MAX);
        let matchers = [Matcher::equal("a", "b")];
        let active = |epoch, ids: &[u32]| Some((epoch, ids.iter().copied().collect()));
        cache.put(question(&matchers, active(1, &[7])), &found(1));
        assert!(cache.get(&question(&[], active(1, &[7]))).is_none());
        assert!(cache.get(&question(&matchers, active(1, &[7]))).is_some());
        for other in [active(2, &[7]), active(1, &[7, 8])] {
            cache.put(question(&matchers, active(1, &[7])), &found(1));
            assert!(cache.get(&question(&matchers, other)).is_none());
            assert_eq!(cache.memory_bytes(), 0, "nobody can ask for it any more");
        }
        // With and without the head are two questions.
        cache.put(question(&matchers, active(1, &[7])), &found(1));
        cache.put(question(&matchers, None), &found(2));
        for (other, series) in [(active(1, &[7]), 1), (None, 2)] {
            let found = cache.get(&question(&matchers, other)).unwrap();
            assert_eq!(found.labels.len(), series);
        }
    }

    #[test]
    fn what_matchers_and_ids_take_counts_and_long_matchers_are_not_kept() {
        let cache = FoundCache::new(BYTES_MAX);
        for length in [1 << 20, MATCHER_BYTES_MAX] {
            let long = [Matcher::not_equal("a", "x".repeat(length))];
            cache.put(question(&long, None), &Arc::default());
            assert_eq!(cache.memory_bytes(), 0);
        }
        let many: Vec<_> = (0..1000).map(|_| Matcher::not_equal("a", "")).collect();
        cache.put(question(&many, None), &Arc::default());
        assert_eq!(cache.memory_bytes(), 0);
        let short = [Matcher::not_equal("a", "x".repeat(1000))];
        let scattered: RoaringBitmap = (0..100_000).step_by(2).collect();
        let ids_bytes = scattered.serialized_size();
        cache.put(question(&short, Some((1, scattered))), &Arc::default());
        assert!(cache.memory_bytes() > 1000 + ids_bytes);
    }

    #[test]
    fn memory_is_bounded_and_the_oldest_goes_first() {
        let cache = FoundCache::new(BYTES_MAX);
        let many: Vec<_> = (0..200)
            .map(|n| [Matcher::equal("a", format!("{n}"))])
            .collect();
        let large = found(2000);
        for matchers in &many {
            cache.put(question(matchers, None), &large);
            assert!(cache.memory_bytes() <= BYTES_MAX);
        }
        assert!(cache.get(&question(&many[0], None)).is_none());
        assert!(cache.get(&question(&many[199], None)).is_some());
        cache.make_room(BYTES_MAX);
        assert_eq!(cache.memory_bytes(), 0);
        cache.put(question(&many[0], None), &found(200_000));
        assert_eq!(cache.memory_bytes(), 0, "more than all");
    }
}
