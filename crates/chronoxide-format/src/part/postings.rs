//! The ranks of the series that have each label pair, by pair id.
//!
//! | bytes | field |
//! |---|---|
//! | 4 n | for each block of 16 pairs: u32 offset of its lists |
//! | ... | lists |
//!
//! A list: varint (x * 4 + kind). Kind 0: one rank, x. Kind 1: x bytes of varints, the first rank and then the gaps.
//! Kind 2: x bytes of pairs of varints, gap and further ranks of each run of consecutive ranks. A gap counts the ranks
//! between two that stand in the list. The shorter of 1 and 2 is chosen.

use crate::{Error, Reader, Result, varint};

const WHAT: &str = "postings section";

const BLOCK: u32 = 16;

const KIND_ONE: u64 = 0;
const KIND_RANKS: u64 = 1;
const KIND_RUNS: u64 = 2;

/// One list under construction: ranks come in ascending order.
#[derive(Clone, Debug, Default)]
pub struct PostingsBuilder {
    /// Complete runs, as kind 2 has them.
    runs: Vec<u8>,
    /// One past the last rank of the last complete run.
    end: u32,
    /// The open run; empty before the first rank.
    run_start: u32,
    run_len: u32,
}

impl PostingsBuilder {
    /// Adds a rank above all before it.
    pub fn push(&mut self, rank: u32) {
        if self.run_len > 0 && self.run_start + self.run_len == rank {
            self.run_len += 1;
        } else {
            self.close_run();
            self.run_start = rank;
            self.run_len = 1;
        }
    }

    /// Whether no rank was added.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.run_len == 0
    }

    fn close_run(&mut self) {
        if self.run_len > 0 {
            varint::put_u32(&mut self.runs, self.run_start - self.end);
            varint::put_u32(&mut self.runs, self.run_len - 1);
            self.end = self.run_start + self.run_len;
        }
    }

    /// Appends the list to `out`.
    fn finish(mut self, out: &mut Vec<u8>) {
        if self.runs.is_empty() && self.run_len == 1 {
            varint::put_u64(out, u64::from(self.run_start) << 2 | KIND_ONE);
            return;
        }
        self.close_run();
        let mut ranks = Vec::new();
        let mut reader = Reader::new(WHAT, &self.runs);
        while let Ok(gap) = reader.varint_u64() {
            varint::put_u64(&mut ranks, gap);
            let more = reader.varint_len(usize::MAX).unwrap_or(0);
            if ranks.len() + more >= self.runs.len() {
                ranks.clear();
                break;
            }
            ranks.resize(ranks.len() + more, 0);
        }
        let (kind, bytes) = if ranks.is_empty() {
            (KIND_RUNS, &self.runs)
        } else {
            (KIND_RANKS, &ranks)
        };
        varint::put_u64(out, (bytes.len() as u64) << 2 | kind);
        out.extend_from_slice(bytes);
    }
}

/// Writes the postings section.
#[derive(Debug, Default)]
pub struct PostingsSection {
    offsets: Vec<u8>,
    lists: Vec<u8>,
    pairs: u32,
}

impl PostingsSection {
    /// Adds the list of the next pair.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] when the section outgrows 4 GiB.
    pub fn push(&mut self, list: PostingsBuilder) -> Result<()> {
        if self.pairs.is_multiple_of(BLOCK) {
            let at = u32::try_from(self.lists.len()).map_err(|_| Error::TooLarge {
                what: WHAT,
                value: self.lists.len() as u64,
                limit: u64::from(u32::MAX),
            })?;
            self.offsets.extend_from_slice(&at.to_le_bytes());
        }
        list.finish(&mut self.lists);
        self.pairs += 1;
        Ok(())
    }

    /// The payload of the section.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        let mut payload = self.offsets;
        payload.extend_from_slice(&self.lists);
        payload
    }
}

/// Reads the postings section.
#[derive(Clone, Copy, Debug)]
pub struct PostingsDirectory<'a> {
    offsets: &'a [u8],
    lists: &'a [u8],
    pairs: u32,
    series: u32,
}

impl<'a> PostingsDirectory<'a> {
    /// The lists of `pairs` pairs over `series` series in `payload`.
    ///
    /// # Errors
    ///
    /// [`Error::Truncated`] when the block offsets do not fit.
    pub fn new(payload: &'a [u8], pairs: u32, series: u32) -> Result<Self> {
        let blocks = pairs.div_ceil(BLOCK) as usize;
        match payload.split_at_checked(blocks.saturating_mul(4)) {
            Some((offsets, lists)) => Ok(Self {
                offsets,
                lists,
                pairs,
                series,
            }),
            None => Err(Error::Truncated {
                what: WHAT,
                offset: payload.len(),
            }),
        }
    }

    /// The list of `pair`.
    ///
    /// # Errors
    ///
    /// When there is no such pair or a list in front of it is damaged.
    pub fn list(&self, pair: u32) -> Result<PostingsList<'a>> {
        let mut offsets = Reader::new(WHAT, self.offsets);
        if pair >= self.pairs {
            return Err(offsets.corrupt("a pair is referred to that does not exist"));
        }
        offsets.bytes((pair / BLOCK) as usize * 4)?;
        let at = offsets.u32()? as usize;
        let mut reader = Reader::new(WHAT, self.lists);
        reader.bytes(at)?;
        for _ in 0..pair % BLOCK {
            self.next_list(&mut reader)?;
        }
        self.next_list(&mut reader)
    }

    fn next_list(&self, reader: &mut Reader<'a>) -> Result<PostingsList<'a>> {
        let head = reader.varint_u64()?;
        let (x, kind) = (head >> 2, head & 3);
        let content = match kind {
            KIND_ONE => match u32::try_from(x) {
                Ok(rank) if rank < self.series => Content::One(rank),
                _ => return Err(reader.corrupt(RANK_TOO_HIGH)),
            },
            KIND_RANKS => Content::Ranks(reader.bytes(usize_of(x))?),
            KIND_RUNS => Content::Runs(reader.bytes(usize_of(x))?),
            _ => {
                return Err(Error::UnknownCodec {
                    what: "postings list",
                    id: 3,
                });
            }
        };
        Ok(PostingsList {
            content,
            series: self.series,
        })
    }
}

const RANK_TOO_HIGH: &str = "a rank is above the number of series";

fn usize_of(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

/// The ranks of one pair.
#[derive(Clone, Copy, Debug)]
pub struct PostingsList<'a> {
    content: Content<'a>,
    series: u32,
}

#[derive(Clone, Copy, Debug)]
enum Content<'a> {
    One(u32),
    Ranks(&'a [u8]),
    Runs(&'a [u8]),
}

impl PostingsList<'_> {
    /// Calls `visit` with first rank and length of each run, ascending; runs do not overlap, and all ranks are below
    /// the number of series.
    ///
    /// # Errors
    ///
    /// When the list is damaged; some runs may have been visited by then.
    pub fn for_each_run(&self, mut visit: impl FnMut(u32, u32)) -> Result<()> {
        let (bytes, runs) = match self.content {
            Content::One(rank) => {
                visit(rank, 1);
                return Ok(());
            }
            Content::Ranks(bytes) => (bytes, false),
            Content::Runs(bytes) => (bytes, true),
        };
        let mut reader = Reader::new(WHAT, bytes);
        let mut end = 0_u64;
        while !reader.is_empty() {
            let start = end.checked_add(reader.varint_u64()?);
            let len = if runs { reader.varint_u64()? } else { 0 };
            let next = start
                .and_then(|start| start.checked_add(len)?.checked_add(1))
                .filter(|next| *next <= u64::from(self.series))
                .ok_or_else(|| reader.corrupt(RANK_TOO_HIGH))?;
            let narrow = |rank: u64| u32::try_from(rank).unwrap_or(u32::MAX);
            visit(narrow(next - len - 1), narrow(len + 1));
            end = next;
        }
        Ok(())
    }

    /// An upper bound of the bytes that the list takes: a cheap measure of which of two lists is longer.
    #[must_use]
    pub const fn encoded_len(&self) -> usize {
        match self.content {
            Content::One(_) => 1,
            Content::Ranks(bytes) | Content::Runs(bytes) => bytes.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn payload(lists: &[Vec<u32>]) -> Vec<u8> {
        let mut section = PostingsSection::default();
        for list in lists {
            let mut builder = PostingsBuilder::default();
            for rank in list {
                builder.push(*rank);
            }
            section.push(builder).unwrap();
        }
        section.finish()
    }

    fn ranks(list: PostingsList<'_>) -> Result<Vec<u32>> {
        let mut ranks = Vec::new();
        list.for_each_run(|start, len| ranks.extend(start..start + len))?;
        Ok(ranks)
    }

    #[test]
    fn the_shorter_form_is_chosen() {
        let one_run = (10..1000).collect::<Vec<_>>();
        let scattered = (0..100).map(|rank| rank * 3).collect::<Vec<_>>();
        assert_eq!(payload(&[vec![5]]).len(), 4 + 1);
        assert_eq!(payload(&[one_run]).len(), 4 + 1 + 3);
        assert_eq!(payload(&[scattered]).len(), 4 + 2 + 100);
    }

    #[test]
    fn a_rank_beyond_the_series_is_refused() {
        let bytes = payload(&[vec![5], vec![1, 5], (0..=5).collect()]);
        let lists = PostingsDirectory::new(&bytes, 3, 5).unwrap();
        assert!(lists.list(0).is_err());
        let bytes = payload(&[vec![1, 5], (0..=5).collect()]);
        let lists = PostingsDirectory::new(&bytes, 2, 5).unwrap();
        assert!(ranks(lists.list(0).unwrap()).is_err());
        assert!(ranks(lists.list(1).unwrap()).is_err());
    }

    proptest! {
        #[test]
        fn lists_come_back(
            sets in prop::collection::vec(prop::collection::btree_set(0_u32..200, 1..120), 1..40)
        ) {
            let lists: Vec<Vec<u32>> =
                sets.into_iter().map(|set| set.into_iter().collect()).collect();
            let bytes = payload(&lists);
            let directory = PostingsDirectory::new(&bytes, lists.len() as u32, 200).unwrap();
            for (pair, list) in lists.iter().enumerate() {
                prop_assert_eq!(&ranks(directory.list(pair as u32).unwrap()).unwrap(), list);
            }
            prop_assert!(directory.list(lists.len() as u32).is_err());
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>, pairs in 1_u32..40, series: u32) {
            if let Ok(directory) = PostingsDirectory::new(&bytes, pairs, series) {
                for pair in 0..pairs {
                    if let Ok(list) = directory.list(pair) {
                        let mut end = 0_u64;
                        let _ = list.for_each_run(|start, len| {
                            assert!(u64::from(start) >= end && len > 0);
                            end = u64::from(start) + u64::from(len);
                            assert!(end <= u64::from(series));
                        });
                    }
                }
            }
        }
    }
}
