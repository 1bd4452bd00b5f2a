//! Label sets numbered in the order in which they first come.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};

use chronoxide_model::Labels;

/// Finds the number of labels that whoever has them keeps.
///
/// Labels are hashed once: a table of a million that grows does not look at them again, which would take a query longer
/// than it may go on after it was cancelled.
#[derive(Debug, Default)]
pub(crate) struct LabelTable {
    hasher: RandomState,
    /// By hash: the number that came last.
    last: HashMap<u64, u32, BuildHasherDefault<AsItIs>>,
    /// By number: the one before with the same hash, or [`NONE`].
    before: Vec<u32>,
}

const NONE: u32 = u32::MAX;

/// The hash of a number that is a hash.
#[derive(Debug, Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
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
        let next = self.before.len() as u32;
        let last = self.last.entry(self.hasher.hash_one(labels));
        let last = last.or_insert(NONE);
        let mut number = *last;
        while number != NONE {
            if is(number as usize) {
                return Place::Known(number as usize);
            }
            number = self.before[number as usize];
        }
        self.before.push(std::mem::replace(last, next));
        Place::New(next as usize)
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
