//! Short texts as codes: up to 255 fragments of one to eight bytes that the texts of a section are made of.
//!
//! Each text is coded on its own, so that one is read without the others. Label values of one system have words in
//! common that lie in the middle of them, where the value in front is of no use.
//!
//! | bytes | field |
//! |---|---|
//! | 8 | how many fragments have one byte, two bytes and so on up to eight |
//! | ... | the fragments, in this order |
//!
//! A code is one byte: the number of a fragment, or 255 and the byte that follows stands for itself.

use std::collections::HashMap;

use crate::{Reader, Result};

/// Bytes of a fragment.
const LEN_MAX: usize = 8;

/// What stands in front of a byte that is in no fragment.
const LITERAL: u8 = 255;

/// Fragments, numbered from 0.
const FRAGMENTS_MAX: usize = LITERAL as usize;

/// Bytes of texts that fragments are chosen by.
const SAMPLE_BYTES: usize = 16 << 10;

/// Each round puts fragments together that stood beside each other in the one before.
const ROUNDS: usize = 6;

/// Fragments and their numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fragments {
    /// By number; those of one length stand together, shorter ones first.
    all: Vec<Fragment>,
    /// Numbers by first byte, the longest first.
    by_first: Vec<Vec<u8>>,
}

/// Up to eight bytes, the first one lowest; those beyond are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Fragment {
    len: u8,
    bytes: u64,
}

impl Fragment {
    /// The first eight bytes of `text`, or all of it.
    fn of(text: &[u8]) -> Self {
        let mut bytes = [0; LEN_MAX];
        let mut len = 0;
        for (to, from) in bytes.iter_mut().zip(text) {
            *to = *from;
            len += 1;
        }
        Self {
            len,
            bytes: u64::from_le_bytes(bytes),
        }
    }

    const fn len(self) -> usize {
        self.len as usize
    }

    const fn first(self) -> u8 {
        self.bytes.to_le_bytes()[0]
    }

    /// Whether `text` begins with it.
    const fn starts(self, text: Self) -> bool {
        let unused = 64 - 8 * self.len as u32;
        self.len <= text.len && (self.bytes ^ text.bytes) << unused == 0
    }

    /// Both, one after the other, when that is not too long.
    fn join(self, next: Self) -> Option<Self> {
        let len = self.len + next.len;
        (usize::from(len) <= LEN_MAX).then(|| Self {
            len,
            bytes: self.bytes | next.bytes << (8 * u32::from(self.len)),
        })
    }

    fn put(self, out: &mut Vec<u8>) {
        let bytes = self.bytes.to_le_bytes();
        out.extend_from_slice(bytes.get(..self.len()).unwrap_or(&bytes));
    }
}

impl Fragments {
    /// Chooses fragments for `texts`; none when there is nothing to gain.
    pub(super) fn choose<'t>(texts: impl Iterator<Item = &'t [u8]> + Clone) -> Option<Self> {
        let bytes: usize = texts.clone().map(<[u8]>::len).sum();
        let stride = bytes.div_ceil(SAMPLE_BYTES).max(1);
        let sample: Vec<&[u8]> = texts.step_by(stride).collect();
        let mut chosen = Self::new(Vec::new());
        for _ in 0..ROUNDS {
            chosen = Self::new(chosen.better(&sample));
        }
        let worth_it = chosen.used(&sample);
        (!worth_it.is_empty()).then(|| Self::new(worth_it))
    }

    fn new(mut all: Vec<Fragment>) -> Self {
        all.sort_unstable();
        let mut by_first = vec![Vec::new(); 256];
        for (number, fragment) in (0..LITERAL).zip(&all).rev() {
            if let Some(numbers) = by_first.get_mut(usize::from(fragment.first())) {
                numbers.push(number);
            }
        }
        Self { all, by_first }
    }

    /// The fragments that save most in `sample`, of those there are and what two neighbours make.
    fn better(&self, sample: &[&[u8]]) -> Vec<Fragment> {
        let mut counts: HashMap<Fragment, usize> = HashMap::new();
        for text in sample {
            let mut before: Option<Fragment> = None;
            for fragment in self.parse(text) {
                *counts.entry(fragment).or_default() += 1;
                let joined = before.and_then(|before| before.join(fragment));
                if let Some(joined) = joined {
                    *counts.entry(joined).or_default() += 1;
                }
                if fragment.len > 1 {
                    let first = Fragment::of(&[fragment.first()]);
                    *counts.entry(first).or_default() += 1;
                }
                before = Some(fragment);
            }
        }
        let gain = |(fragment, count): (Fragment, usize)| {
            let gain = (count * fragment.len()).checked_sub(fragment.len() + 1)?;
            (gain > 0).then_some((gain, fragment))
        };
        let mut gains: Vec<(usize, Fragment)> = counts.into_iter().filter_map(gain).collect();
        gains.sort_unstable_by(|a, b| b.cmp(a));
        gains.truncate(FRAGMENTS_MAX);
        gains.into_iter().map(|(_, fragment)| fragment).collect()
    }

    /// The fragments that save more in `sample` than they take.
    fn used(&self, sample: &[&[u8]]) -> Vec<Fragment> {
        let mut counts: HashMap<Fragment, usize> = HashMap::new();
        for text in sample {
            for fragment in self.parse(text) {
                *counts.entry(fragment).or_default() += 1;
            }
        }
        // Without it there would be two fragments at least, or a byte that stands for itself.
        let saves = |fragment: &Fragment| {
            counts
                .get(fragment)
                .is_some_and(|count| *count > fragment.len())
        };
        self.all.iter().copied().filter(saves).collect()
    }

    /// The fragments that make up `text`; bytes that are in none as fragments of their own.
    fn parse<'a>(&'a self, text: &'a [u8]) -> impl Iterator<Item = Fragment> + 'a {
        let mut rest = text;
        std::iter::from_fn(move || {
            let first = rest.get(..1)?;
            let fragment = match self.longest(rest) {
                Some((_, fragment)) => fragment,
                None => Fragment::of(first),
            };
            rest = rest.get(fragment.len()..).unwrap_or_default();
            Some(fragment)
        })
    }

    /// The longest fragment that `text` begins with, and its number.
    fn longest(&self, text: &[u8]) -> Option<(u8, Fragment)> {
        let head = Fragment::of(text);
        let numbers = self.by_first.get(usize::from(*text.first()?))?;
        numbers.iter().find_map(|number| {
            let fragment = *self.all.get(usize::from(*number))?;
            fragment.starts(head).then_some((*number, fragment))
        })
    }

    /// Appends the codes of `text` to `out`.
    pub(super) fn encode(&self, text: &[u8], out: &mut Vec<u8>) {
        let mut rest = text;
        while let Some((first, others)) = rest.split_first() {
            match self.longest(rest) {
                Some((number, fragment)) => {
                    out.push(number);
                    rest = rest.get(fragment.len()..).unwrap_or_default();
                }
                None => {
                    out.extend_from_slice(&[LITERAL, *first]);
                    rest = others;
                }
            }
        }
    }

    /// Appends the text that the next `len` bytes of `reader` are the codes of to `out`: eight times as long at most.
    pub(super) fn decode(
        &self,
        reader: &mut Reader<'_>,
        len: usize,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let mut codes = reader.bytes(len)?.iter();
        while let Some(code) = codes.next() {
            if *code == LITERAL {
                let byte = codes.next();
                out.push(
                    *byte.ok_or_else(|| {
                        reader.corrupt("a byte that stands for itself is missing")
                    })?,
                );
                continue;
            }
            let fragment = self.all.get(usize::from(*code));
            fragment
                .ok_or_else(|| reader.corrupt("a fragment is referred to that does not exist"))?
                .put(out);
        }
        Ok(())
    }

    /// Appends the table to `out`.
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        let mut counts = [0_u8; LEN_MAX];
        for fragment in &self.all {
            if let Some(count) = counts.get_mut(fragment.len() - 1) {
                *count += 1;
            }
        }
        out.extend_from_slice(&counts);
        for fragment in &self.all {
            fragment.put(out);
        }
    }

    /// Reads a table.
    ///
    /// # Errors
    ///
    /// When it is cut short, has too many fragments or none, or the same one twice.
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let counts: [u8; LEN_MAX] = reader.array()?;
        let mut all = Vec::new();
        for (len, count) in (1..).zip(counts) {
            for _ in 0..count {
                all.push(Fragment::of(reader.bytes(len)?));
            }
        }
        if all.is_empty() || all.len() > FRAGMENTS_MAX || !all.is_sorted_by(|a, b| a < b) {
            return Err(reader.corrupt("fragments are none, too many or not in order"));
        }
        Ok(Self::new(all))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(fragments: &Fragments, text: &[u8]) -> usize {
        let mut codes = Vec::new();
        fragments.encode(text, &mut codes);
        let mut back = Vec::new();
        let mut reader = Reader::new("codes", &codes);
        fragments
            .decode(&mut reader, codes.len(), &mut back)
            .unwrap();
        assert_eq!(back, text);
        codes.len()
    }

    fn read(bytes: &[u8]) -> Result<Fragments> {
        Fragments::read(&mut Reader::new("fragments", bytes))
    }

    #[test]
    fn texts_of_the_same_words_get_short() {
        let words = ["node", "_memory", "_bytes", "_total", "_cpu", "_seconds"];
        let texts: Vec<String> = (0..300)
            .map(|n| [words[n % 6], words[n / 6 % 6], words[n / 36 % 6]].concat())
            .collect();
        let bytes = || texts.iter().map(String::as_bytes);
        let fragments = Fragments::choose(bytes()).unwrap();
        let plain: usize = bytes().map(<[u8]>::len).sum();
        let coded: usize = bytes().map(|text| check(&fragments, text)).sum();
        assert!(coded * 4 < plain, "{coded} of {plain}");
        // What was not there before can be written too.
        check(&fragments, "é\0\u{ff}".as_bytes());
        let mut table = Vec::new();
        fragments.put(&mut table);
        assert_eq!(read(&table).unwrap(), fragments);
        for end in 0..table.len() {
            assert!(read(&table[..end]).is_err(), "cut at {end}");
        }
        for bit in 0..table.len() * 8 {
            let mut flipped = table.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let _ = read(&flipped);
        }
    }

    #[test]
    fn one_letter_and_nothing_are_no_reason_for_a_table() {
        assert_eq!(Fragments::choose([].into_iter()), None);
        assert_eq!(Fragments::choose([&b"a"[..], b"b"].into_iter()), None);
    }

    proptest! {
        #[test]
        fn any_texts_come_back(texts in prop::collection::vec("[ab]{0,20}|.{0,12}", 0..80)) {
            let bytes = || texts.iter().map(String::as_bytes);
            if let Some(fragments) = Fragments::choose(bytes()) {
                for text in bytes() {
                    check(&fragments, text);
                }
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>, codes: Vec<u8>) {
            if let Ok(fragments) = read(&bytes) {
                let mut out = Vec::new();
                let mut reader = Reader::new("codes", &codes);
                let _ = fragments.decode(&mut reader, codes.len(), &mut out);
                prop_assert!(out.len() <= LEN_MAX * codes.len());
            }
        }
    }
}
