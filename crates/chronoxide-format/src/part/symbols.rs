//! The strings of all label pairs, by pair id: names ascending, and the values of each name ascending.
//!
//! | bytes | field |
//! |---|---|
//! | ... | varint number of names; for each: varint bytes, the name, varint number of values |
//! | 4 n | for each block of up to 16 values of one name: u32 offset of its values |
//! | ... | values |
//!
//! A value: varint bytes shared with the value before in the block, varint further bytes, these bytes.
//!
//! Packed, the section begins with a zero, which is no number of names, and a table of [`Fragments`]. A value then is one
//! byte with the bytes shared in its high four bits and the codes of the further ones in its low four bits, 15 in either
//! meaning that a varint of what is above 15 follows, shared first; then the codes.

use std::ops::Range;

use super::fragments::Fragments;
use crate::{Error, Reader, Result, varint};

const WHAT: &str = "symbols section";

const BLOCK: u32 = 16;

/// Two lengths, which bounds what a claimed number of pairs can make a reader allocate.
const VALUE_BYTES_MIN: usize = 2;

/// Smaller sections are not packed: the table of fragments takes most of what it saves.
const PACKED_BYTES_MIN: usize = 1 << 10;

/// What four bits cannot say follows.
const NIBBLE_MAX: usize = 15;

/// Writes the symbols section.
#[derive(Debug, Default)]
pub struct SymbolsBuilder {
    names: Vec<(String, u32)>,
    offsets: Vec<u8>,
    values: Vec<u8>,
    before: String,
}

impl SymbolsBuilder {
    /// Adds the next pair; pairs come in ascending order.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] when the section outgrows 4 GiB.
    pub fn push(&mut self, name: &str, value: &str) -> Result<()> {
        if self.names.last().is_none_or(|(last, _)| last != name) {
            self.names.push((name.to_owned(), 0));
        }
        let (_, count) = self.names.last_mut().expect("a name was pushed above");
        if count.is_multiple_of(BLOCK) {
            let at = u32::try_from(self.values.len()).map_err(|_| Error::TooLarge {
                what: WHAT,
                value: self.values.len() as u64,
                limit: u64::from(u32::MAX),
            })?;
            self.offsets.extend_from_slice(&at.to_le_bytes());
            self.before.clear();
        }
        *count += 1;
        let shared = shared_bytes(&self.before, value);
        varint::put_usize(&mut self.values, shared);
        varint::put_usize(&mut self.values, value.len() - shared);
        self.values
            .extend_from_slice(value.as_bytes().get(shared..).unwrap_or_default());
        self.before.clear();
        self.before.push_str(value);
        Ok(())
    }

    /// The payload of the section, packed if that makes it smaller.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        let packed = self
            .packed()
            .filter(|packed| packed.len() < self.plain_len());
        packed.unwrap_or_else(|| self.plain())
    }

    fn plain(&self) -> Vec<u8> {
        let mut payload = Vec::new();
        self.put_names(&mut payload);
        payload.extend_from_slice(&self.offsets);
        payload.extend_from_slice(&self.values);
        payload
    }

    fn plain_len(&self) -> usize {
        let mut names = Vec::new();
        self.put_names(&mut names);
        names.len() + self.offsets.len() + self.values.len()
    }

    fn put_names(&self, payload: &mut Vec<u8>) {
        varint::put_usize(payload, self.names.len());
        for (name, values) in &self.names {
            varint::put_usize(payload, name.len());
            payload.extend_from_slice(name.as_bytes());
            varint::put_u32(payload, *values);
        }
    }

    fn packed(&self) -> Option<Vec<u8>> {
        if self.values.len() < PACKED_BYTES_MIN {
            return None;
        }
        let ends = || Ends(Reader::new(WHAT, &self.values));
        let fragments = Fragments::choose(ends().map(|(_, end)| end))?;
        let mut payload = vec![0];
        fragments.put(&mut payload);
        self.put_names(&mut payload);
        let offsets_at = payload.len();
        payload.resize(offsets_at + self.offsets.len(), 0);
        let values_at = payload.len();
        let mut block_at = offsets_at;
        let mut codes = Vec::new();
        let counts = self.names.iter().map(|(_, values)| 0..*values);
        for (index, (shared, end)) in counts.flatten().zip(ends()) {
            if index.is_multiple_of(BLOCK) {
                // Packed values are no longer than plain ones, or the section is not used: see `finish`.
                let offset = u32::try_from(payload.len() - values_at).ok()?;
                let place = payload.get_mut(block_at..block_at + 4)?;
                place.copy_from_slice(&offset.to_le_bytes());
                block_at += 4;
            }
            codes.clear();
            fragments.encode(end, &mut codes);
            put_lengths(shared, codes.len(), &mut payload);
            payload.extend_from_slice(&codes);
        }
        Some(payload)
    }
}

/// The values of a plain section as they stand there: how many bytes each shares with the one before, and the others.
#[derive(Clone, Debug)]
struct Ends<'a>(Reader<'a>);

impl<'a> Iterator for Ends<'a> {
    type Item = (usize, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let shared = self.0.varint_len(usize::MAX).ok()?;
        let more = self.0.varint_len(self.0.remaining()).ok()?;
        Some((shared, self.0.bytes(more).ok()?))
    }
}

/// Appends two lengths, in one byte if they are short.
fn put_lengths(shared: usize, codes: usize, out: &mut Vec<u8>) {
    let nibble = |len: usize| u8::try_from(len.min(NIBBLE_MAX)).unwrap_or(u8::MAX);
    out.push(nibble(shared) << 4 | nibble(codes));
    for len in [shared, codes] {
        if len >= NIBBLE_MAX {
            varint::put_usize(out, len - NIBBLE_MAX);
        }
    }
}

/// Reads what [`put_lengths`] wrote.
fn read_lengths(reader: &mut Reader<'_>) -> Result<(usize, usize)> {
    let head = reader.u8()?;
    let mut lengths = [usize::from(head >> 4), usize::from(head & 0xf)];
    for len in &mut lengths {
        if *len == NIBBLE_MAX {
            *len = len.saturating_add(reader.varint_len(usize::MAX)?);
        }
    }
    Ok(lengths.into())
}

fn shared_bytes(a: &str, b: &str) -> usize {
    a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count()
}

/// The label names of a part and where their values are: small, read once when the part is opened.
#[derive(Clone, Debug)]
pub struct SymbolsHeader {
    /// What values are coded with in a packed section.
    fragments: Option<Box<Fragments>>,
    names: Vec<Name>,
    pairs: u32,
    offsets_at: usize,
    values_at: usize,
}

#[derive(Clone, Debug)]
struct Name {
    text: Box<str>,
    first_pair: u32,
    values: u32,
    first_block: u32,
}

impl SymbolsHeader {
    /// Reads the names of the `pairs` pairs in `payload`.
    ///
    /// # Errors
    ///
    /// When the header is damaged or stands for another number of pairs.
    pub fn read(payload: &[u8], pairs: u32) -> Result<Self> {
        let mut reader = Reader::new(WHAT, payload);
        let mut fragments = None;
        let mut count = reader.varint_len(reader.remaining() / 3)?;
        if count == 0 && reader.remaining() > 0 {
            fragments = Some(Box::new(Fragments::read(&mut reader)?));
            count = reader.varint_len(reader.remaining() / 3)?;
        }
        let mut names: Vec<Name> = Vec::with_capacity(count);
        let (mut first_pair, mut first_block) = (0_u32, 0_u32);
        for _ in 0..count {
            let len = reader.varint_len(reader.remaining())?;
            let text = std::str::from_utf8(reader.bytes(len)?)
                .map_err(|_| reader.corrupt("a label name is not UTF-8"))?;
            let ordered = names.last().is_none_or(|last| *last.text < *text);
            let values = reader.varint_u32()?;
            if !ordered || text.is_empty() || values == 0 {
                return Err(reader.corrupt("label names are not ascending or have no values"));
            }
            names.push(Name {
                text: text.into(),
                first_pair,
                values,
                first_block,
            });
            first_pair = first_pair
                .checked_add(values)
                .ok_or_else(|| reader.corrupt("there are too many label pairs"))?;
            first_block += values.div_ceil(BLOCK);
        }
        if first_pair != pairs {
            return Err(reader.corrupt("the number of label pairs differs from the footer"));
        }
        let offsets_at = reader.offset();
        reader.bytes((first_block as usize).saturating_mul(4))?;
        if reader.remaining() / VALUE_BYTES_MIN < pairs as usize {
            return Err(reader.corrupt("there are more label pairs than bytes for them"));
        }
        Ok(Self {
            fragments,
            names,
            pairs,
            offsets_at,
            values_at: reader.offset(),
        })
    }

    /// The symbols in `payload`, which must be what the header was read from.
    #[must_use]
    pub fn view<'a>(&'a self, payload: &'a [u8]) -> Symbols<'a> {
        Symbols {
            header: self,
            offsets: payload
                .get(self.offsets_at..self.values_at)
                .unwrap_or_default(),
            values: payload.get(self.values_at..).unwrap_or_default(),
        }
    }
}

/// Reads the symbols section.
#[derive(Clone, Copy, Debug)]
pub struct Symbols<'a> {
    header: &'a SymbolsHeader,
    offsets: &'a [u8],
    values: &'a [u8],
}

impl<'a> Symbols<'a> {
    /// The label names, ascending.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &'a str> + use<'a> {
        self.header.names.iter().map(|name| &*name.text)
    }

    /// The ids of the pairs with label `name`; empty when no series has it.
    #[must_use]
    pub fn pairs_of(&self, name: &str) -> Range<u32> {
        self.find_name(name)
            .map_or(0..0, |name| name.first_pair..name.first_pair + name.values)
    }

    /// The name of `pair`.
    #[must_use]
    pub fn name_of(&self, pair: u32) -> Option<&'a str> {
        self.owner_of(pair).map(|name| &*name.text)
    }

    /// The ids of the pairs with label `name` whose value starts with `prefix`.
    ///
    /// # Errors
    ///
    /// When the values are damaged.
    pub fn pairs_with_prefix(&self, name: &str, prefix: &str) -> Result<Range<u32>> {
        let all = self.pairs_of(name);
        if prefix.is_empty() || all.is_empty() {
            return Ok(all);
        }
        let start = self.lower_bound(name, |value| value < prefix)?;
        let end = self.lower_bound(name, |value| value < prefix || value.starts_with(prefix))?;
        Ok(start..end.max(start))
    }

    /// The id of the pair of `name` and `value`.
    ///
    /// # Errors
    ///
    /// When the values are damaged.
    pub fn find(&self, name: &str, value: &str) -> Result<Option<u32>> {
        let end = self.pairs_of(name).end;
        let pair = self.lower_bound(name, |candidate| candidate < value)?;
        if pair >= end {
            return Ok(None);
        }
        let mut cursor = self.values(pair..end);
        Ok(match cursor.next()? {
            Some((pair, found)) if found == value => Some(pair),
            _ => None,
        })
    }

    /// The first pair of `name` whose value is not `below`, which must hold for a beginning of the values only.
    fn lower_bound(&self, name: &str, below: impl Fn(&str) -> bool) -> Result<u32> {
        let Some(name) = self.find_name(name) else {
            return Ok(0);
        };
        let end = name.first_pair + name.values;
        let (mut low, mut high) = (0, name.values.div_ceil(BLOCK));
        while low < high {
            let middle = low.midpoint(high);
            let first = name.first_pair + middle * BLOCK;
            let is_below = match self.values(first..end).next()? {
                Some((_, value)) => below(value),
                None => false,
            };
            if is_below {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        // The values of block `low` and later are not below; those of the block in front of it may be.
        let first = name.first_pair + low.saturating_sub(1) * BLOCK;
        let last = (name.first_pair + low.saturating_mul(BLOCK)).min(end);
        let mut cursor = self.values(first..last);
        while let Some((pair, value)) = cursor.next()? {
            if !below(value) {
                return Ok(pair);
            }
        }
        Ok(last)
    }

    /// A cursor over the values of `pairs`, which must be pairs of one name.
    #[must_use]
    pub fn values(&self, pairs: Range<u32>) -> ValueCursor<'a> {
        ValueCursor {
            symbols: *self,
            reader: Reader::new(WHAT, &[]),
            end: pairs.end,
            next: pairs.start,
            started: false,
            value: Vec::new(),
        }
    }

    /// Appends the value of `pair` to `out`.
    ///
    /// # Errors
    ///
    /// When there is no such pair or its value is damaged.
    pub fn value(&self, pair: u32, out: &mut String) -> Result<()> {
        let mut cursor = self.values(pair..pair.saturating_add(1));
        if let Some((_, value)) = cursor.next()? {
            out.push_str(value);
        }
        Ok(())
    }

    fn find_name(&self, name: &str) -> Option<&'a Name> {
        let names = &self.header.names;
        let at = names
            .binary_search_by(|probe| (*probe.text).cmp(name))
            .ok()?;
        names.get(at)
    }

    fn owner_of(&self, pair: u32) -> Option<&'a Name> {
        let names = &self.header.names;
        let after = names.partition_point(|name| name.first_pair <= pair);
        let name = names.get(after.checked_sub(1)?)?;
        (pair < self.header.pairs).then_some(name)
    }
}

/// Reads the values of consecutive pairs.
#[derive(Clone, Debug)]
pub struct ValueCursor<'a> {
    symbols: Symbols<'a>,
    reader: Reader<'a>,
    next: u32,
    end: u32,
    started: bool,
    value: Vec<u8>,
}

impl ValueCursor<'_> {
    /// The next pair id and its value, or nothing after the last.
    ///
    /// # Errors
    ///
    /// When the values are damaged.
    #[expect(
        clippy::should_implement_trait,
        reason = "the value is borrowed from the cursor, which an iterator cannot do"
    )]
    pub fn next(&mut self) -> Result<Option<(u32, &str)>> {
        if self.next >= self.end {
            return Ok(None);
        }
        if !self.started {
            self.start()?;
        }
        let name = self.symbols.owner_of(self.next).map_or(0, |n| n.first_pair);
        if (self.next - name).is_multiple_of(BLOCK) {
            self.value.clear();
        }
        self.read_value()?;
        let pair = self.next;
        self.next += 1;
        match std::str::from_utf8(&self.value) {
            Ok(value) => Ok(Some((pair, value))),
            Err(_) => Err(self.reader.corrupt("a label value is not UTF-8")),
        }
    }

    /// Goes to the block of the first pair and past the values in front of it.
    fn start(&mut self) -> Result<()> {
        let name = self.symbols.owner_of(self.next).ok_or_else(|| {
            self.reader
                .corrupt("a pair is referred to that does not exist")
        })?;
        let index = self.next - name.first_pair;
        let mut offsets = Reader::new(WHAT, self.symbols.offsets);
        offsets.bytes((name.first_block + index / BLOCK) as usize * 4)?;
        let at = offsets.u32()? as usize;
        self.reader = Reader::new(WHAT, self.symbols.values);
        self.reader.bytes(at)?;
        for _ in 0..index % BLOCK {
            self.read_value()?;
        }
        self.started = true;
        Ok(())
    }

    fn read_value(&mut self) -> Result<()> {
        if let Some(fragments) = self.symbols.header.fragments.as_deref() {
            let (shared, codes) = read_lengths(&mut self.reader)?;
            if codes == 0 || shared > self.value.len() {
                return Err(self
                    .reader
                    .corrupt("a label value is empty or shares too much"));
            }
            self.value.truncate(shared);
            return fragments.decode(&mut self.reader, codes, &mut self.value);
        }
        let shared = self.reader.varint_len(self.value.len())?;
        let more = self.reader.varint_len(self.reader.remaining())?;
        if shared + more == 0 {
            return Err(self.reader.corrupt("a label value is empty"));
        }
        self.value.truncate(shared);
        self.value.extend_from_slice(self.reader.bytes(more)?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    type Pairs = BTreeMap<String, BTreeSet<String>>;

    fn payload(pairs: &Pairs) -> (Vec<u8>, u32) {
        let mut builder = SymbolsBuilder::default();
        let mut count = 0;
        for (name, values) in pairs {
            for value in values {
                builder.push(name, value).unwrap();
                count += 1;
            }
        }
        (builder.finish(), count)
    }

    fn check(pairs: &Pairs, prefix: &str) {
        let (bytes, count) = payload(pairs);
        let header = SymbolsHeader::read(&bytes, count).unwrap();
        let symbols = header.view(&bytes);
        assert!(symbols.names().eq(pairs.keys().map(String::as_str)));
        let mut id = 0;
        for (name, values) in pairs {
            assert_eq!(symbols.pairs_of(name), id..id + values.len() as u32);
            let mut cursor = symbols.values(symbols.pairs_of(name));
            for value in values {
                let mut text = String::new();
                symbols.value(id, &mut text).unwrap();
                assert_eq!(&text, value);
                assert_eq!(symbols.name_of(id), Some(name.as_str()));
                assert_eq!(symbols.find(name, value), Ok(Some(id)));
                assert_eq!(symbols.find(name, &format!("{value}\0")), Ok(None));
                assert_eq!(cursor.next().unwrap(), Some((id, value.as_str())));
                id += 1;
            }
            assert_eq!(cursor.next(), Ok(None));
            let found = symbols.pairs_with_prefix(name, prefix).unwrap();
            let expected = values.iter().filter(|value| value.starts_with(prefix));
            assert_eq!(found.len(), expected.count(), "{name} {prefix}");
        }
        assert_eq!(symbols.find("no such name", "x"), Ok(None));
        assert!(
            symbols
                .pairs_with_prefix("no such name", "x")
                .unwrap()
                .is_empty()
        );
    }

    fn pods() -> Pairs {
        let values = |n: u32| (0..n).map(|i| format!("pod-{i:03}-é")).collect();
        [("a", 1), ("b", 100), ("c", 16), ("d", 17)]
            .map(|(name, n)| (name.to_owned(), values(n)))
            .into()
    }

    #[test]
    fn pairs_are_found_by_id_name_value_and_prefix() {
        for prefix in ["pod-", "pod-01", "pod-099", "pod-1", "a", "z", ""] {
            check(&pods(), prefix);
        }
    }

    /// Enough text with words in common to be packed.
    fn metrics() -> Pairs {
        let words = ["node", "memory", "bytes", "total", "http", "request", "é"];
        let word = |n: usize| words[n % words.len()];
        let name = |n: usize| format!("{}_{}_{}_{}", word(n), word(n / 7), word(n / 49), n % 5);
        let names: BTreeSet<String> = (0..343).map(name).collect();
        let long = (0..40).map(|n| format!("{}{n}", "long and longer ".repeat(n)));
        [("__name__", names), ("text", long.collect())]
            .map(|(name, values)| (name.to_owned(), values))
            .into()
    }

    #[test]
    fn long_sections_are_packed_and_all_pairs_found() {
        let pairs = metrics();
        let (bytes, _) = payload(&pairs);
        assert_eq!(bytes[0], 0);
        for prefix in [
            "node_",
            "memory_bytes_total",
            "long and longer long",
            "é",
            "z",
            "",
        ] {
            check(&pairs, prefix);
        }
        let mut builder = SymbolsBuilder::default();
        for (name, values) in &pairs {
            for value in values {
                builder.push(name, value).unwrap();
            }
        }
        let plain = builder.plain().len();
        assert_eq!(builder.plain_len(), plain);
        assert!(bytes.len() * 5 < plain * 3, "{} of {plain}", bytes.len());
        assert_ne!(payload(&pods()).0[0], 0);
    }

    #[test]
    fn damaged_packed_bytes_never_panic() {
        let (mut bytes, count) = payload(&metrics());
        let read = |bytes: &[u8]| {
            let header = SymbolsHeader::read(bytes, count)?;
            let mut values = header.view(bytes).values(0..count);
            while values.next()?.is_some() {}
            header.view(bytes).find("__name__", "node_memory_bytes_0")
        };
        assert!(read(&bytes).is_ok());
        for end in 0..bytes.len() {
            assert!(read(&bytes[..end]).is_err(), "cut at {end}");
        }
        for bit in (0..bytes.len() * 8).step_by(11) {
            bytes[bit / 8] ^= 1 << (bit % 8);
            let _ = read(&bytes);
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
    }

    #[test]
    fn damaged_bytes_never_panic() {
        let (mut bytes, count) = payload(&pods());
        let read = |bytes: &[u8]| {
            let header = SymbolsHeader::read(bytes, count)?;
            let symbols = header.view(bytes);
            for pair in 0..count {
                symbols.value(pair, &mut String::new())?;
            }
            symbols.find("b", "pod-050")?;
            symbols.pairs_with_prefix("b", "pod-05")
        };
        assert!(read(&bytes).is_ok());
        for end in 0..bytes.len() {
            assert!(read(&bytes[..end]).is_err(), "cut at {end}");
        }
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            let _ = read(&bytes);
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
    }

    proptest! {
        #[test]
        fn any_pairs_come_back(
            pairs in prop::collection::btree_map(
                "[a-c_é]{1,4}",
                prop::collection::btree_set("[ab1é]{1,6}", 1..60),
                0..5,
            ),
            prefix in "[ab1é]{0,3}",
        ) {
            check(&pairs, &prefix);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>, pairs in 0_u32..10) {
            if let Ok(header) = SymbolsHeader::read(&bytes, pairs) {
                let symbols = header.view(&bytes);
                for pair in 0..=pairs {
                    let _ = symbols.value(pair, &mut String::new());
                }
            }
        }
    }
}
