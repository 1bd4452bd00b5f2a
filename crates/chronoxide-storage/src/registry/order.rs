//! The order of the active series by their labels, kept from one flush to the next.
//!
//! Comparing labels is costly, and parts and selections are in label order. New series are few, so they are sorted
//! alone and merged in.

use std::cmp::Ordering;

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

    /// Compares two active series by their labels.
    pub(crate) fn compare(&self, a: u32, b: u32, registry: &Registry) -> Ordering {
        match (self.rank(a), self.rank(b)) {
            (Some(a), Some(b)) => a.cmp(&b),
            _ => registry.compare(a, b),
        }
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
        assert!(order.compare(0, 5, &registry).is_lt());
        let order = order.updated(&registry).unwrap();
        assert_eq!(values(&order, &registry), ["a", "c", "m", "n", "x", "z"]);
        assert!(order.compare(0, 5, &registry).is_lt());
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
