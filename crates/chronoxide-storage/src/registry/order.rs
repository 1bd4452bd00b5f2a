//! The order of the active series by their labels, kept from one flush to the next.
//!
//! Comparing labels is costly, and parts and selections are in label order. New series are few, so they are sorted
//! alone and merged in.

use std::sync::Arc;

use parking_lot::Mutex;

use super::Registry;

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
    /// The order of all active series and no others.
    pub(crate) fn of_all(&self, registry: &Registry) -> Arc<LabelOrder> {
        let mut order = self.order.lock();
        if let Some(updated) = order.updated(registry) {
            *order = Arc::new(updated);
        }
        Arc::clone(&order)
    }

    /// Sorts active series by their labels.
    pub(crate) fn sort(&self, sids: &mut [u32], registry: &Registry) {
        if sids.len() < FEW_SERIES {
            sids.sort_unstable_by(|a, b| registry.compare(*a, *b));
        } else {
            let order = self.of_all(registry);
            sids.sort_unstable_by_key(|sid| order.rank(*sid));
        }
    }
}

/// So few series are sorted faster than all are brought into order.
const FEW_SERIES: usize = 512;

impl LabelOrder {
    /// Ids in label order.
    pub(crate) fn sids(&self) -> &[u32] {
        &self.sids
    }

    /// The order brought up to date with `registry`, if it is not already.
    pub(crate) fn updated(&self, registry: &Registry) -> Option<Self> {
        let mut fresh: Vec<u32> = registry
            .live()
            .iter()
            .filter(|sid| self.rank(*sid).is_none())
            .collect();
        if fresh.is_empty() && self.sids.len() == registry.len() {
            return None;
        }
        fresh.sort_unstable_by(|a, b| registry.compare(*a, *b));
        let kept = self
            .sids
            .iter()
            .copied()
            .filter(|sid| registry.live().contains(*sid));
        let mut sids = Vec::with_capacity(registry.len());
        let mut fresh = fresh.into_iter().peekable();
        for sid in kept {
            while let Some(next) = fresh.next_if(|next| registry.compare(*next, sid).is_lt()) {
                sids.push(next);
            }
            sids.push(sid);
        }
        sids.extend(fresh);
        let mut ranks = vec![UNRANKED; registry.id_bound()];
        for (rank, sid) in sids.iter().enumerate() {
            ranks[*sid as usize] = rank as u32;
        }
        Some(Self { sids, ranks })
    }

    fn rank(&self, sid: u32) -> Option<u32> {
        self.ranks
            .get(sid as usize)
            .copied()
            .filter(|rank| *rank != UNRANKED)
    }
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
        let order = LabelOrder::default().updated(&registry).unwrap();
        assert_eq!(values(&order, &registry), ["c", "m", "x"]);
        assert!(order.updated(&registry).is_none());
        for value in ["z", "a", "n"] {
            add(&mut registry, value);
        }
        let order = order.updated(&registry).unwrap();
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
        cache.sort(&mut many, &registry);
        assert!(
            many.windows(2)
                .all(|pair| registry.compare(pair[0], pair[1]).is_le())
        );
        let mut few: Vec<u32> = (0..FEW_SERIES as u32 / 2).collect();
        cache.sort(&mut few, &registry);
        assert!(
            few.windows(2)
                .all(|pair| registry.compare(pair[0], pair[1]).is_le())
        );
    }

    #[test]
    fn evicted_series_leave_the_order() {
        let mut registry = Registry::new(1);
        for value in ["m", "c", "x"] {
            add(&mut registry, value);
        }
        let order = LabelOrder::default().updated(&registry).unwrap();
        let mut registry = registry.retained(|sid| sid != 0);
        let order = order.updated(&registry).unwrap();
        assert_eq!(values(&order, &registry), ["c", "x"]);
        // The id is used again for other labels, which must not inherit the old rank.
        add(&mut registry, "a");
        let order = order.updated(&registry).unwrap();
        assert_eq!(values(&order, &registry), ["a", "c", "x"]);
    }
}
