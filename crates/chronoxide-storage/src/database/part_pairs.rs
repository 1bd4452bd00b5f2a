//! The label pairs of a part that is written from the head.
//!
//! The registry knows the pairs of its series by numbers of its own. Each pair's text is looked at once for a part, and
//! series cost no more than the translation of their numbers.

use parking_lot::RwLock;

use crate::Result;
use crate::part::PairTable;
use crate::registry::Registry;

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
        registry: &RwLock<Registry>,
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
