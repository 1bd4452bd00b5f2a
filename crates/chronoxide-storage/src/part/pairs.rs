//! The label pairs of a part being written.

use std::hash::BuildHasher;
use std::ops::Range;

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::{Error, Result};

/// Gives each distinct pair of name and value a number, in the order in which they come.
#[derive(Debug, Default)]
pub(crate) struct PairTable {
    text: String,
    pairs: Vec<Pair>,
    index: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

/// The text of a pair: the value follows the name.
#[derive(Clone, Copy, Debug)]
struct Pair {
    start: usize,
    name_len: u32,
    value_len: u32,
}

impl PairTable {
    /// The number of a pair.
    pub(super) fn intern(&mut self, name: &str, value: &str) -> Result<u32> {
        let hash = self.hasher.hash_one((name, value));
        let is_it = |id: &u32| self.get(*id) == (name, value);
        if let Some(id) = self.index.find(hash, is_it) {
            return Ok(*id);
        }
        let id = self.push(name, value)?;
        let rehash = |id: &u32| {
            let (text, pair) = (&self.text, self.pairs[*id as usize]);
            let (name, value) = pair.ranges();
            self.hasher.hash_one((&text[name], &text[value]))
        };
        self.index.insert_unique(hash, id, rehash);
        Ok(id)
    }

    /// Gives a pair the next number without looking whether it has one: the caller knows that it is new.
    ///
    /// # Errors
    /// When there are more pairs than can be numbered.
    pub(crate) fn push(&mut self, name: &str, value: &str) -> Result<u32> {
        let len = |text: &str| {
            u32::try_from(text.len()).map_err(|_| Error::LimitExceeded {
                what: "bytes of a label",
                value: text.len() as u64,
                limit: u64::from(u32::MAX),
            })
        };
        let pair = Pair {
            start: self.text.len(),
            name_len: len(name)?,
            value_len: len(value)?,
        };
        let id = u32::try_from(self.pairs.len()).map_err(|_| Error::LimitExceeded {
            what: "label pairs of a part",
            value: self.pairs.len() as u64,
            limit: u64::from(u32::MAX),
        })?;
        self.text.push_str(name);
        self.text.push_str(value);
        self.pairs.push(pair);
        Ok(id)
    }

    /// Numbers pairs that were only pushed anew, in label order. By former number: the new one.
    pub(crate) fn sort(&mut self) -> Vec<u32> {
        let mut order: Vec<u32> = (0..self.len()).collect();
        order.sort_unstable_by(|a, b| self.get(*a).cmp(&self.get(*b)));
        let mut places = vec![0; order.len()];
        for (place, id) in (0..).zip(&order) {
            places[*id as usize] = place;
        }
        self.pairs = order.iter().map(|id| self.pairs[*id as usize]).collect();
        places
    }

    /// Name and value of pair `id`.
    pub(crate) fn get(&self, id: u32) -> (&str, &str) {
        let (name, value) = self.pairs[id as usize].ranges();
        (&self.text[name], &self.text[value])
    }

    /// How many pairs there are.
    pub(crate) fn len(&self) -> u32 {
        u32::try_from(self.pairs.len()).expect("push refuses more pairs")
    }
}

impl Pair {
    fn ranges(self) -> (Range<usize>, Range<usize>) {
        let middle = self.start + self.name_len as usize;
        (self.start..middle, middle..middle + self.value_len as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_pairs_have_one_number() {
        let mut pairs = PairTable::default();
        for round in 0..2 {
            for id in 0..1000_u32 {
                let value = format!("value {id}");
                assert_eq!(pairs.intern("name", &value).unwrap(), id, "round {round}");
                assert_eq!(pairs.get(id), ("name", value.as_str()));
            }
        }
        // The border between name and value counts.
        assert_eq!(pairs.intern("a", "bc").unwrap(), 1000);
        assert_eq!(pairs.intern("ab", "c").unwrap(), 1001);
        assert_eq!(pairs.len(), 1002);
    }

    #[test]
    fn sorted_pairs_have_numbers_in_label_order() {
        let mut pairs = PairTable::default();
        let pushed = [("b", "1"), ("a", "2"), ("ab", ""), ("a", "10"), ("b", "")];
        for (name, value) in pushed {
            pairs.push(name, value).unwrap();
        }
        let places = pairs.sort();
        let mut sorted = pushed;
        sorted.sort_unstable();
        assert!((0..5).zip(sorted).all(|(id, pair)| pairs.get(id) == pair));
        for (place, pair) in places.into_iter().zip(pushed) {
            assert_eq!(pairs.get(place), pair);
        }
    }
}
