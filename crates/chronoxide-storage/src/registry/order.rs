//! The order of the active series by their labels, kept from one flush to the next.
//!
//! Comparing labels is costly, and parts and selections are in label order. New series are few, so they are sorted
//! alone and merged in.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::{Registry, SharedRegistry};

/// A rank for each series id, ascending in label order.
#[derive(Clone, Debug, Default)]
pub(crate) struct LabelOrder {
    /// Ids in label order.
    sids: Vec<u32>,
    /// By id: its place in `sids`, or [`UNRANKED`].
    ranks: Vec<u32>,
}

const UNRANKED: u32 = u32::MAX;

/// The order as it was needed last.
#[derive(Debug, Default)]
pub(crate) struct OrderCache {
    order: Mutex<Arc<LabelOrder>>,
}

impl OrderCache {
    /// The order of all active series and no others, unless `go_on`, which is asked every now and then, says to stop.
    fn of_all_while(
        &self,
        registry: &Registry,
        go_on: &dyn Fn() -> bool,
    ) -> Option<Arc<LabelOrder>> {
        /// Who waits for another one's order asks as often.
        const WAIT: Duration = Duration::from_millis(5);
        let mut order = loop {
            if let Some(order) = self.order.try_lock_for(WAIT) {
                break order;
            }
            if !go_on() {
                return None;
            }
        };
        let lend = |with: &mut dyn FnMut(&Registry)| {
            let goes_on = go_on();
            if goes_on {
                with(registry);
            }
            goes_on
        };
        if let Some(updated) = order.updated(&lend)? {
            *order = Arc::new(updated);
        }
        Some(Arc::clone(&order))
    }

    /// The order of all active series and no others.
    #[cfg(test)]
    fn of_all(&self, registry: &Registry) -> Arc<LabelOrder> {
        self.of_all_while(registry, &|| true)
            .expect("nobody said to stop")
    }

    /// The same while others go on with the registry: whoever makes series waits for a step of it at most. Series that
    /// come meanwhile may be missing. No series may go, which is up to the caller.
    pub(crate) fn of_all_by_steps(&self, registry: &SharedRegistry) -> Arc<LabelOrder> {
        // The cache's lock is not held meanwhile, since others take it while they hold the registry.
        let known = Arc::clone(&self.order.lock());
        let lend = |with: &mut dyn FnMut(&Registry)| {
            with(&registry.read());
            true
        };
        match known.updated(&lend).expect("it is always lent") {
            Some(updated) => {
                let updated = Arc::new(updated);
                *self.order.lock() = Arc::clone(&updated);
                updated
            }
            None => known,
        }
    }

    /// Sorts active series by their labels, unless `go_on`, which is asked every now and then, says to stop; whether it was
    /// done to the end.
    pub(crate) fn sort_while(
        &self,
        sids: &mut [u32],
        registry: &Registry,
        go_on: &dyn Fn() -> bool,
    ) -> bool {
        if sids.len() < FEW_SERIES {
            sids.sort_unstable_by(|a, b| registry.compare(*a, *b));
            return true;
        }
        let known = self.order.try_lock().map(|order| Arc::clone(&order));
        let known = known.filter(|order| sids.iter().all(|sid| order.rank(*sid).is_some()));
        let Some(order) = known.or_else(|| self.of_all_while(registry, go_on)) else {
            return false;
        };
        go_on() && order.sort_while(sids, go_on)
    }
}

/// Calls back with the registry, or answers that nobody wants to go on.
type Lend<'a> = &'a dyn Fn(&mut dyn FnMut(&Registry)) -> bool;

/// Series that are sorted or looked at before others get at the registry: a matter of milliseconds.
const STEP: usize = 2048;

/// Ids that are looked through before others get at the registry.
const IDS_STEP: usize = 1 << 15;

/// So few series are sorted faster than all are brought into order.
const FEW_SERIES: usize = 512;

impl LabelOrder {
    /// Ids in label order.
    pub(crate) fn sids(&self) -> &[u32] {
        &self.sids
    }

    /// The order brought up to date with the registry, nothing inside if it is already. `with` lends the registry for a
    /// moment, again and again: meanwhile series may come, which the order then lacks, and none may go. Nothing when it does
    /// not lend it any more.
    fn updated(&self, with: Lend<'_>) -> Option<Option<Self>> {
        let (mut fresh, mut series, mut id_bound) = (Vec::new(), 0, 0);
        lent(with, |registry| id_bound = registry.id_bound())?;
        for start in (0..id_bound as u32).step_by(IDS_STEP) {
            lent(with, |registry| {
                let end = start.saturating_add(IDS_STEP as u32).min(id_bound as u32);
                for sid in registry.live().range(start..end) {
                    series += 1;
                    if self.rank(sid).is_none() {
                        fresh.push(sid);
                    }
                }
            })?;
        }
        if fresh.is_empty() && self.sids.len() == series {
            return Some(None);
        }
        sort_by_steps(&mut fresh, with)?;
        let mut kept = Cow::Borrowed(&self.sids);
        if self.sids.len() + fresh.len() != series {
            let mut left = Vec::with_capacity(series);
            for sids in self.sids.chunks(STEP) {
                lent(with, |registry| {
                    left.extend(sids.iter().copied().filter(|sid| registry.has(*sid)));
                })?;
            }
            kept = Cow::Owned(left);
        }
        let mut sids = Vec::with_capacity(series);
        merge_by_steps(&kept, &fresh, &mut sids, with)?;
        let mut ranks = vec![UNRANKED; id_bound];
        for (rank, sid) in sids.iter().enumerate() {
            ranks[*sid as usize] = rank as u32;
        }
        Some(Some(Self { sids, ranks }))
    }

    /// Sorts series, all of which have a rank; whether it was done to the end.
    fn sort_while(&self, sids: &mut [u32], go_on: &dyn Fn() -> bool) -> bool {
        /// When more than one in so many are wanted, going through all is faster than sorting those.
        const SHARE: usize = 16;
        if sids.len() < self.sids.len() / SHARE {
            sids.sort_unstable_by_key(|sid| self.rank(*sid));
            return true;
        }
        let mut wanted = vec![false; self.sids.len()];
        for part in sids.chunks(IDS_STEP) {
            if !go_on() {
                return false;
            }
            for sid in part {
                if let Some(rank) = self.rank(*sid)
                    && let Some(wanted) = wanted.get_mut(rank as usize)
                {
                    *wanted = true;
                }
            }
        }
        let mut places = sids.iter_mut();
        for (sids, wanted) in self.sids.chunks(IDS_STEP).zip(wanted.chunks(IDS_STEP)) {
            if !go_on() {
                return false;
            }
            let found = sids.iter().zip(wanted).filter(|(_, wanted)| **wanted);
            for ((sid, _), place) in found.zip(&mut places) {
                *place = *sid;
            }
        }
        true
    }

    fn rank(&self, sid: u32) -> Option<u32> {
        self.ranks
            .get(sid as usize)
            .copied()
            .filter(|rank| *rank != UNRANKED)
    }
}

/// Borrows the registry; nothing when it is not lent any more.
fn lent(with: Lend<'_>, mut work: impl FnMut(&Registry)) -> Option<()> {
    with(&mut work).then_some(())
}

/// Sorts series by their labels, borrowing the registry for a step at a time; nothing when it is not lent any more.
fn sort_by_steps(sids: &mut Vec<u32>, with: Lend<'_>) -> Option<()> {
    for run in sids.chunks_mut(STEP) {
        lent(with, |registry| {
            run.sort_by(|a, b| registry.compare(*a, *b))
        })?;
    }
    let mut length = STEP;
    while length < sids.len() {
        let mut merged = Vec::with_capacity(sids.len());
        for pair in sids.chunks(2 * length) {
            let (left, right) = pair.split_at(length.min(pair.len()));
            merge_by_steps(left, right, &mut merged, with)?;
        }
        *sids = merged;
        length *= 2;
    }
    Some(())
}

/// Appends two sorted runs to `merged` in order, borrowing the registry for a step at a time. A few on the right cost
/// little, however many there are on the left.
fn merge_by_steps(
    left: &[u32],
    right: &[u32],
    merged: &mut Vec<u32>,
    with: Lend<'_>,
) -> Option<()> {
    let (mut left, mut right) = (left, right.iter().copied().peekable());
    while !left.is_empty() && right.peek().is_some() {
        lent(with, |registry| {
            for next in right.by_ref().take(STEP / 4) {
                let before = count_leading(left, |sid| registry.compare(sid, next).is_lt());
                merged.extend_from_slice(&left[..before]);
                left = &left[before..];
                merged.push(next);
            }
        })?;
    }
    merged.extend_from_slice(left);
    merged.extend(right);
    Some(())
}

/// How many elements satisfy `test`, which the first ones do and the others do not; looks further and further ahead.
fn count_leading(sids: &[u32], test: impl Fn(u32) -> bool) -> usize {
    let mut ahead = 1;
    while sids.get(ahead - 1).is_some_and(|sid| test(*sid)) {
        ahead *= 2;
    }
    let known = ahead / 2;
    let rest = &sids[known..sids.len().min(ahead - 1)];
    known + rest.partition_point(|sid| test(*sid))
}

#[cfg(test)]
mod tests {
    use chronoxide_model::Labels;

    use super::*;

    fn add(registry: &mut Registry, value: &str) {
        let labels = Labels::from_pairs([("v", value)]).unwrap();
        let hash = registry.canonical_hash(&labels, &mut Vec::new());
        let sid = registry.free_ids().next().unwrap();
        registry.insert(sid, &labels, hash);
    }

    fn updated(order: &LabelOrder, registry: &Registry) -> Option<LabelOrder> {
        let lend = |with: &mut dyn FnMut(&Registry)| {
            with(registry);
            true
        };
        order.updated(&lend).unwrap()
    }

    fn values(order: &LabelOrder, registry: &Registry) -> Vec<String> {
        let value = |sid: &u32| registry.labels(*sid).get("v").unwrap().to_owned();
        order.sids().iter().map(value).collect()
    }

    #[test]
    fn new_series_are_merged_into_the_order() {
        let mut registry = Registry::new(1);
        for value in ["m", "c", "x"] {
            add(&mut registry, value);
        }
        let order = updated(&LabelOrder::default(), &registry).unwrap();
        assert_eq!(values(&order, &registry), ["c", "m", "x"]);
        assert!(updated(&order, &registry).is_none());
        for value in ["z", "a", "n"] {
            add(&mut registry, value);
        }
        let order = updated(&order, &registry).unwrap();
        assert_eq!(values(&order, &registry), ["a", "c", "m", "n", "x", "z"]);
        assert!(order.rank(0) < order.rank(5));
    }

    #[test]
    fn few_and_many_series_are_sorted_alike() {
        let mut registry = Registry::new(1);
        for n in 0..2 * FEW_SERIES {
            add(&mut registry, &format!("{}", n * 7919 % 1000));
        }
        let cache = OrderCache::default();
        let mut many: Vec<u32> = registry.live().iter().collect();
        assert!(cache.sort_while(&mut many, &registry, &|| true));
        assert!(
            many.windows(2)
                .all(|pair| registry.compare(pair[0], pair[1]).is_le())
        );
        let mut few: Vec<u32> = (0..FEW_SERIES as u32 / 2).collect();
        assert!(cache.sort_while(&mut few, &registry, &|| true));
        assert!(
            few.windows(2)
                .all(|pair| registry.compare(pair[0], pair[1]).is_le())
        );
    }

    #[test]
    fn steps_give_the_same_order() {
        let registry = SharedRegistry::new(Registry::new(1));
        let cache = OrderCache::default();
        // More than two steps at first, then a few in between, then many.
        let rounds = [
            0..3 * STEP + 7,
            3 * STEP + 7..3 * STEP + 20,
            3 * STEP + 20..5 * STEP,
        ];
        for numbers in rounds {
            for n in numbers {
                add(&mut registry.write(), &format!("{:05}", n * 7919 % 99_991));
            }
            let order = cache.of_all_by_steps(&registry);
            let registry = registry.read();
            assert_eq!(order.sids().len(), registry.len());
            let are_sorted = |pair: &[u32]| registry.compare(pair[0], pair[1]).is_lt();
            assert!(order.sids().windows(2).all(are_sorted));
            for (rank, sid) in order.sids().iter().enumerate() {
                assert_eq!(order.rank(*sid), Some(rank as u32));
            }
            assert!(Arc::ptr_eq(&order, &cache.of_all(&registry)));
        }
        let left = registry.read().retained(|sid| sid % 3 == 0);
        *registry.write() = left;
        let order = cache.of_all_by_steps(&registry);
        assert_eq!(order.sids().len(), registry.read().len());
        assert!(order.sids().iter().all(|sid| sid % 3 == 0));
    }

    #[test]
    fn leading_elements_are_counted() {
        let sids: Vec<u32> = (0..100).collect();
        for len in 0..100 {
            for count in 0..=len {
                assert_eq!(count_leading(&sids[..len], |sid| sid < count as u32), count);
            }
        }
    }

    #[test]
    fn evicted_series_leave_the_order() {
        let mut registry = Registry::new(1);
        for value in ["m", "c", "x"] {
            add(&mut registry, value);
        }
        let order = updated(&LabelOrder::default(), &registry).unwrap();
        let mut registry = registry.retained(|sid| sid != 0);
        let order = updated(&order, &registry).unwrap();
        assert_eq!(values(&order, &registry), ["c", "x"]);
        // The id is used again for other labels, which must not inherit the old rank.
        add(&mut registry, "a");
        let order = updated(&order, &registry).unwrap();
        assert_eq!(values(&order, &registry), ["a", "c", "x"]);
    }
}
