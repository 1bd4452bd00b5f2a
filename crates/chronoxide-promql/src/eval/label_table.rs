//! Label sets numbered in the order in which they first come.

use std::hash::{BuildHasher, RandomState};

use chronoxide_model::Labels;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

/// Finds the number of labels that whoever has them keeps.
///
/// Labels are hashed once: a table of a million that grows does not look at them again, which would take a query longer
/// than it may go on after it was cancelled.
#[derive(Debug, Default)]
pub(crate) struct LabelTable {
    hasher: RandomState,
    /// Hashes and numbers.
    numbers: HashTable<(u64, u32)>,
}

/// What became of labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// They have this number.
    Known(usize),
    /// They have got this number, the next one.
    New(usize),
}

impl LabelTable {
    /// The number of `labels`; `is` tells whether a number stands for them.
    pub(crate) fn place(&mut self, labels: &Labels, is: impl Fn(usize) -> bool) -> Place {
        let next = self.numbers.len();
        let hash = self.hasher.hash_one(labels);
        let is_it = |(other, number): &(u64, u32)| *other == hash && is(*number as usize);
        match self.numbers.entry(hash, is_it, |(hash, _)| *hash) {
            Entry::Occupied(entry) => Place::Known(entry.get().1 as usize),
            Entry::Vacant(entry) => {
                entry.insert((hash, next as u32));
                Place::New(next)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_numbered_as_they_first_come() {
        let mut table = LabelTable::default();
        let mut known: Vec<Labels> = Vec::new();
        for turn in 0..3 {
            for n in 0..1000_usize {
                let labels = Labels::from_pairs([("n", (n * 7 % 1000).to_string())]).unwrap();
                match table.place(&labels, |number| known[number] == labels) {
                    Place::New(number) => {
                        assert_eq!((turn, number), (0, known.len()));
                        known.push(labels);
                    }
                    Place::Known(number) => assert_eq!((turn > 0, number), (true, n)),
                }
            }
        }
    }

    #[test]
    fn labels_with_one_hash_are_told_apart() {
        let mut table = LabelTable::default();
        let labels = Labels::empty();
        assert_eq!(table.place(&labels, |_| false), Place::New(0));
        assert_eq!(table.place(&labels, |_| false), Place::New(1));
        assert_eq!(table.place(&labels, |_| false), Place::New(2));
        assert_eq!(table.place(&labels, |number| number == 0), Place::Known(0));
        assert_eq!(table.place(&labels, |number| number == 1), Place::Known(1));
    }
}
