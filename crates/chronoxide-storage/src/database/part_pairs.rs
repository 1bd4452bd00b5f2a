//! The label pairs of a part that is written from the head.
//!
//! The registry knows the pairs of its series by numbers of its own. Each pair's text is looked at once for a part, and
//! series cost no more than the translation of their numbers.

use crate::Result;
use crate::part::PairTable;
use crate::registry::{Registry, SharedRegistry};

/// By number of a pair in the registry: the number in the part, which ascends with name and value.
#[derive(Debug)]
pub(super) struct PartPairs {
    numbers: Vec<u32>,
}

/// Stands for a pair that is not in the part.
const NONE: u32 = u32::MAX;

/// Series that are looked at before makers of new series get at the registry: well below a millisecond.
const STEP: usize = 1024;

impl PartPairs {
    /// The pairs of series `sids`. The caller sees to it that none of them goes while the numbers are in use.
    ///
    /// # Errors
    /// When there are more pairs than a part may have.
    pub(super) fn of(
        registry: &SharedRegistry,
        sids: impl Iterator<Item = u32>,
    ) -> Result<(Self, PairTable)> {
        let (mut numbers, mut table) = (Vec::new(), PairTable::default());
        let mut sids = sids.peekable();
        while sids.peek().is_some() {
            let registry = registry.read();
            for sid in sids.by_ref().take(STEP) {
                for pair in registry.pair_ids(sid) {
                    let at = *pair as usize;
                    if at >= numbers.len() {
                        numbers.resize(at + 1, NONE);
                    }
                    if numbers[at] == NONE {
                        let (name, value) = registry.pair(*pair);
                        numbers[at] = table.push(name, value)?;
                    }
                }
            }
        }
        let places = table.sort();
        for number in numbers.iter_mut().filter(|number| **number != NONE) {
            *number = places[*number as usize];
        }
        Ok((Self { numbers }, table))
    }

    /// The pairs of series `sid`, one of those given at first, as the part numbers them.
    pub(super) fn row(&self, registry: &Registry, sid: u32, row: &mut Vec<u32>) {
        row.clear();
        let pairs = registry.pair_ids(sid).iter();
        row.extend(pairs.map(|pair| self.numbers[*pair as usize]));
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::collections::BTreeSet;

    use chronoxide_model::Labels;

    use super::*;

    fn labels(number: usize) -> Labels {
        let (name, instance) = (format!("metric_{}", number % 90), format!("host {number}"));
        let pairs = [("__name__", &*name), ("instance", &*instance), ("job", "a")];
        Labels::from_pairs(pairs).unwrap()
    }

    fn insert(registry: &mut Registry, labels: &Labels) -> u32 {
        let hash = registry.canonical_hash(labels, &mut Vec::new());
        let sid = registry.free_ids().next().unwrap();
        registry.insert(sid, labels, hash);
        sid
    }

    #[test]
    fn pairs_of_many_series_are_numbered_in_label_order_while_new_series_arrive() {
        const SERIES: usize = 3 * STEP + 100;
        let registry = SharedRegistry::new(Registry::new(5));
        // Numbers descend, so that pairs do not come in label order.
        let numbers = (0..SERIES).rev();
        let sids: Vec<u32> = numbers
            .map(|number| insert(&mut registry.write(), &labels(number)))
            .collect();
        // Between two steps the registry is free for the makers of series; theirs bring new pairs and known ones.
        let (arrived, given) = (Cell::new(0), Cell::new(0));
        let asked = sids.iter().copied().inspect(|_| {
            if given.replace(given.get() + 1) % STEP == 0 {
                let mut registry = registry.try_write().expect("a step has ended");
                for _ in 0..10 {
                    insert(&mut registry, &labels(SERIES + arrived.get()));
                    arrived.set(arrived.get() + 1);
                }
            }
        });
        let (pairs, table) = PartPairs::of(&registry, asked).unwrap();
        assert_eq!(arrived.get(), 40);

        let of_part: Vec<_> = (0..table.len()).map(|id| table.get(id)).collect();
        let all: Vec<Labels> = (0..SERIES).map(labels).collect();
        let expected: BTreeSet<_> = all.iter().flat_map(Labels::iter).collect();
        assert!(of_part.iter().eq(&expected), "each once, and no other");
        let registry = registry.read();
        let mut row = Vec::new();
        for (sid, number) in sids.iter().zip((0..SERIES).rev()) {
            pairs.row(&registry, *sid, &mut row);
            let read = row.iter().map(|id| of_part[*id as usize]);
            assert!(read.eq(labels(number).iter()), "series {number}");
        }
    }

    #[test]
    fn no_series_have_no_pairs() {
        let registry = SharedRegistry::new(Registry::new(5));
        insert(&mut registry.write(), &labels(0));
        let (_, table) = PartPairs::of(&registry, std::iter::empty()).unwrap();
        assert_eq!(table.len(), 0);
    }
}
