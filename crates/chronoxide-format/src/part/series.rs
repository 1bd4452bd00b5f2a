//! The pair ids of each series, by rank.
//!
//! | bytes | field |
//! |---|---|
//! | 4 n | for each block of 64 series: u32 offset of its rows |
//! | ... | rows |
//!
//! A row says how it differs from the row before in its block. With as many pairs as that one: varint (mask of changed
//! positions x 2), then for each of them zigzag varint new id less old. Otherwise: varint (pairs x 2 + 1), varint pairs
//! at the end that are the same, then the others, each zigzag varint less the one in front of it, the first less the
//! first of the row before.

use crate::{Error, Reader, Result, varint};

const WHAT: &str = "series section";

const BLOCK: u32 = 64;

/// A mask has this many positions at most.
const MASK_PAIRS_MAX: usize = 63;

/// The most labels one series may have.
const ROW_PAIRS_MAX: usize = 1 << 16;

/// Writes the series section.
#[derive(Debug, Default)]
pub struct SeriesRowsBuilder {
    offsets: Vec<u8>,
    rows: Vec<u8>,
    series: u32,
    before: Vec<u32>,
}

impl SeriesRowsBuilder {
    /// Adds the pair ids of the next series.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] when the series has too many labels, there are too many series or the section outgrows
    /// 4 GiB.
    pub fn push(&mut self, pairs: &[u32]) -> Result<()> {
        check_limit("labels of a series", pairs.len(), ROW_PAIRS_MAX)?;
        if self.series.is_multiple_of(BLOCK) {
            check_limit(WHAT, self.rows.len(), u32::MAX as usize)?;
            let at = u32::try_from(self.rows.len()).unwrap_or(u32::MAX);
            self.offsets.extend_from_slice(&at.to_le_bytes());
            self.before.clear();
        }
        if pairs.len() == self.before.len() && pairs.len() <= MASK_PAIRS_MAX {
            self.put_changes(pairs);
        } else {
            self.put_row(pairs);
        }
        self.before.clear();
        self.before.extend_from_slice(pairs);
        self.series = self.series.checked_add(1).ok_or(Error::TooLarge {
            what: "series of a part",
            value: 1 << 32,
            limit: u64::from(u32::MAX),
        })?;
        Ok(())
    }

    fn put_changes(&mut self, pairs: &[u32]) {
        let changes = || {
            pairs
                .iter()
                .zip(&self.before)
                .enumerate()
                .filter(|(_, (new, old))| new != old)
        };
        let mask = changes().fold(0_u64, |mask, (at, _)| mask | 1 << at);
        varint::put_u64(&mut self.rows, mask << 1);
        for (_, (new, old)) in changes() {
            varint::put_i64(&mut self.rows, i64::from(*new) - i64::from(*old));
        }
    }

    fn put_row(&mut self, pairs: &[u32]) {
        let same = pairs
            .iter()
            .rev()
            .zip(self.before.iter().rev())
            .take_while(|(a, b)| a == b)
            .count();
        varint::put_u64(&mut self.rows, (pairs.len() as u64) << 1 | 1);
        varint::put_usize(&mut self.rows, same);
        let mut before = self.before.first().copied().unwrap_or(0);
        for pair in pairs.iter().take(pairs.len() - same) {
            varint::put_i64(&mut self.rows, i64::from(*pair) - i64::from(before));
            before = *pair;
        }
    }

    /// How many series were added.
    #[must_use]
    pub const fn series(&self) -> u32 {
        self.series
    }

    /// The payload of the section.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        let mut payload = self.offsets;
        payload.extend_from_slice(&self.rows);
        payload
    }
}

fn check_limit(what: &'static str, value: usize, limit: usize) -> Result<()> {
    if value > limit {
        return Err(Error::TooLarge {
            what,
            value: value as u64,
            limit: limit as u64,
        });
    }
    Ok(())
}

/// Reads the series section.
#[derive(Clone, Copy, Debug)]
pub struct SeriesRows<'a> {
    offsets: &'a [u8],
    rows: &'a [u8],
    series: u32,
}

impl<'a> SeriesRows<'a> {
    /// The rows of `series` series in `payload`.
    ///
    /// # Errors
    ///
    /// [`Error::Truncated`] when the block offsets do not fit.
    pub fn new(payload: &'a [u8], series: u32) -> Result<Self> {
        let blocks = series.div_ceil(BLOCK) as usize;
        match payload.split_at_checked(blocks.saturating_mul(4)) {
            // Every row takes a byte or more.
            Some((offsets, rows)) if rows.len() >= series as usize => Ok(Self {
                offsets,
                rows,
                series,
            }),
            _ => Err(Error::Truncated {
                what: WHAT,
                offset: payload.len(),
            }),
        }
    }

    /// A cursor that reads rows in any order, and ascending ones cheaply.
    #[must_use]
    pub fn cursor(&self) -> RowCursor<'a> {
        RowCursor {
            table: *self,
            reader: Reader::new(WHAT, &[]),
            next: u32::MAX,
            row: Vec::new(),
            changed: Vec::new(),
        }
    }
}

/// A position in the series section.
#[derive(Clone, Debug)]
pub struct RowCursor<'a> {
    table: SeriesRows<'a>,
    reader: Reader<'a>,
    /// The rank of the row that `reader` stands at.
    next: u32,
    row: Vec<u32>,
    changed: Vec<u32>,
}

impl RowCursor<'_> {
    /// The pair ids of the series of `rank`.
    ///
    /// # Errors
    ///
    /// When there is no such series or its row is damaged.
    pub fn row(&mut self, rank: u32) -> Result<&[u32]> {
        if rank >= self.table.series {
            return Err(self
                .reader
                .corrupt("a series is referred to that does not exist"));
        }
        if Some(rank) != self.next.checked_sub(1) || self.row.is_empty() {
            self.go_to(rank)?;
        }
        Ok(&self.row)
    }

    fn go_to(&mut self, rank: u32) -> Result<()> {
        let block_start = rank - rank % BLOCK;
        if self.next > rank || self.next <= block_start {
            let mut offsets = Reader::new(WHAT, self.table.offsets);
            offsets.bytes((rank / BLOCK) as usize * 4)?;
            let at = offsets.u32()? as usize;
            self.reader = Reader::new(WHAT, self.table.rows);
            self.reader.bytes(at)?;
            self.row.clear();
            self.next = block_start;
        }
        while self.next <= rank {
            if let Err(error) = self.read_row() {
                self.next = u32::MAX;
                self.row.clear();
                return Err(error);
            }
            self.next += 1;
        }
        Ok(())
    }

    fn read_row(&mut self) -> Result<()> {
        let head = self.reader.varint_u64()?;
        if head & 1 == 0 {
            self.read_changes(head >> 1)
        } else {
            self.read_whole(head >> 1)
        }
    }

    fn read_changes(&mut self, mut mask: u64) -> Result<()> {
        while mask != 0 {
            let at = mask.trailing_zeros() as usize;
            mask &= mask - 1;
            let delta = self.reader.varint_i64()?;
            match self.row.get_mut(at) {
                Some(pair) => *pair = moved(&self.reader, *pair, delta)?,
                None => return Err(self.reader.corrupt("a label changes that is not there")),
            }
        }
        Ok(())
    }

    fn read_whole(&mut self, count: u64) -> Result<()> {
        let limit = self.row.len().saturating_add(self.reader.remaining());
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        check_limit(WHAT, count, limit.min(ROW_PAIRS_MAX))?;
        let same = self.reader.varint_len(self.row.len().min(count))?;
        let mut before = self.row.first().copied().unwrap_or(0);
        self.changed.clear();
        for _ in same..count {
            let delta = self.reader.varint_i64()?;
            before = moved(&self.reader, before, delta)?;
            self.changed.push(before);
        }
        let kept = self.row.len() - same;
        self.row.splice(..kept, self.changed.drain(..));
        Ok(())
    }
}

fn moved(reader: &Reader<'_>, pair: u32, delta: i64) -> Result<u32> {
    i64::from(pair)
        .checked_add(delta)
        .and_then(|moved| u32::try_from(moved).ok())
        .ok_or_else(|| reader.corrupt("a pair id is out of range"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn payload(rows: &[Vec<u32>]) -> Vec<u8> {
        let mut builder = SeriesRowsBuilder::default();
        for row in rows {
            builder.push(row).unwrap();
        }
        builder.finish()
    }

    #[test]
    fn a_row_that_differs_in_one_label_takes_two_bytes() {
        let rows: Vec<Vec<u32>> = (0..64).map(|rank| vec![1, 100 + rank, 900, 1200]).collect();
        assert_eq!(payload(&rows).len(), 4 + (2 + 1 + 2 + 2 + 2) + 63 * 2);
    }

    proptest! {
        #[test]
        fn rows_come_back_in_any_order(
            rows in prop::collection::vec(prop::collection::vec(0_u32..300, 0..70), 1..200),
            order in prop::collection::vec(any::<prop::sample::Index>(), 0..50),
        ) {
            let bytes = payload(&rows);
            let table = SeriesRows::new(&bytes, rows.len() as u32).unwrap();
            let mut cursor = table.cursor();
            for (rank, row) in rows.iter().enumerate() {
                prop_assert_eq!(cursor.row(rank as u32).unwrap(), row);
            }
            for index in order {
                let rank = index.index(rows.len());
                prop_assert_eq!(cursor.row(rank as u32).unwrap(), &rows[rank]);
            }
            prop_assert!(cursor.row(rows.len() as u32).is_err());
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>, series in 1_u32..100) {
            if let Ok(table) = SeriesRows::new(&bytes, series) {
                let mut cursor = table.cursor();
                for rank in (0..series).chain([0]) {
                    let _ = cursor.row(rank);
                }
            }
        }
    }
}
