//! Answers of matchers that had to look at many values, kept with the part: it never changes.

use std::sync::Arc;

use chronoxide_model::{Matcher, MatcherOp};
use parking_lot::Mutex;
use roaring::RoaringBitmap;

/// So many matchers are remembered: a dashboard's regular expressions on one part are few.
const MATCHERS_MAX: usize = 8;

/// Longer matchers are tested each time: a request may bring a megabyte.
const MATCHER_BYTES_MAX: usize = 4 << 10;

/// The last few matchers that were tested against many values of one part, and what they found.
///
/// It holds no more than a few bits for each series of the part, and texts of 32 KiB.
#[derive(Debug, Default)]
pub(crate) struct MatchCache {
    /// The most recently used last.
    recent: Mutex<Vec<Remembered>>,
}

#[derive(Debug)]
struct Remembered {
    op: MatcherOp,
    name: String,
    value: String,
    ranks: Arc<RoaringBitmap>,
}

impl Remembered {
    fn is_of(&self, matcher: &Matcher) -> bool {
        self.op == matcher.op() && self.value == matcher.value() && self.name == matcher.name()
    }
}

impl MatchCache {
    /// What was put for a matcher like this.
    pub(super) fn get(&self, matcher: &Matcher) -> Option<Arc<RoaringBitmap>> {
        let mut recent = self.recent.lock();
        let at = recent.iter().position(|one| one.is_of(matcher))?;
        let found = recent.remove(at);
        let ranks = Arc::clone(&found.ranks);
        recent.push(found);
        Some(ranks)
    }

    /// Remembers the series that have one of the pairs which decide about `matcher`.
    pub(super) fn put(&self, matcher: &Matcher, ranks: Arc<RoaringBitmap>) {
        if matcher.name().len() + matcher.value().len() > MATCHER_BYTES_MAX {
            return;
        }
        let mut recent = self.recent.lock();
        // Another thread may have found the same.
        recent.retain(|one| !one.is_of(matcher));
        if recent.len() == MATCHERS_MAX {
            recent.remove(0);
        }
        recent.push(Remembered {
            op: matcher.op(),
            name: matcher.name().to_owned(),
            value: matcher.value().to_owned(),
            ranks,
        });
    }

    /// Bytes of memory it takes, roughly.
    pub(crate) fn memory_bytes(&self) -> usize {
        let recent = self.recent.lock();
        let bytes = |one: &Remembered| {
            size_of::<Remembered>() + one.name.len() + one.value.len() + one.ranks.serialized_size()
        };
        recent.iter().map(bytes).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_matcher_used_longest_ago_goes() {
        let cache = MatchCache::default();
        let matcher = |n: usize| Matcher::regex("name", format!("{n}.*")).unwrap();
        for n in 0..MATCHERS_MAX {
            cache.put(&matcher(n), Arc::new(RoaringBitmap::from_iter([n as u32])));
        }
        assert!(cache.get(&matcher(0)).is_some());
        cache.put(&matcher(99), Arc::default());
        assert!(cache.get(&matcher(1)).is_none());
        let kept = cache.get(&matcher(0)).unwrap();
        assert_eq!(*kept, RoaringBitmap::from_iter([0]));
        assert!(
            cache
                .get(&Matcher::not_regex("name", "0.*").unwrap())
                .is_none()
        );
        assert!(
            cache
                .get(&Matcher::regex("other", "0.*").unwrap())
                .is_none()
        );
        assert!(cache.memory_bytes() > 0);
    }

    #[test]
    fn long_matchers_are_not_remembered() {
        let cache = MatchCache::default();
        for bytes in [MATCHER_BYTES_MAX - 1, MATCHER_BYTES_MAX] {
            let matcher = Matcher::regex("n", "a".repeat(bytes)).unwrap();
            cache.put(&matcher, Arc::default());
        }
        assert_eq!(cache.recent.lock().len(), 1);
    }

    #[test]
    fn a_matcher_is_remembered_once() {
        let cache = MatchCache::default();
        let matcher = Matcher::regex("name", "a.*").unwrap();
        for _ in 0..3 {
            cache.put(&matcher, Arc::default());
        }
        assert_eq!(cache.recent.lock().len(), 1);
    }
}
