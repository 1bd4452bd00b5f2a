//! Where each timestamp column of a part lies.
//!
//! | bytes | field |
//! |---|---|
//! | 12 n | for each block of 64 columns: u32 offset of its entries, u64 data offset of its first column |
//! | ... | entries |
//!
//! An entry: varint gap to the end of the column before; varint bytes; varint samples; zigzag varint first timestamp,
//! less that of the column before in the block; varint last timestamp less the first.

use crate::{Error, Reader, Result, varint};

const WHAT: &str = "columns section";

const BLOCK: u32 = 64;

const CHECKPOINT_BYTES: usize = 12;

/// A timestamp column: ascending Unix milliseconds that chunks share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// First byte, counted from the start of the data region.
    pub offset: u64,
    /// Encoded bytes.
    pub len: u32,
    /// Timestamps.
    pub count: u32,
    /// The first of them.
    pub min_ms: i64,
    /// The last of them.
    pub max_ms: i64,
}

/// Writes the columns section.
#[derive(Debug, Default)]
pub struct ColumnDirectoryBuilder {
    checkpoints: Vec<u8>,
    entries: Vec<u8>,
    count: u32,
    end: u64,
    min_ms: i64,
}

impl ColumnDirectoryBuilder {
    /// Adds the next column; columns come in the order of their offsets.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] when there are more columns than a part may have.
    pub fn push(&mut self, column: Column) -> Result<()> {
        if self.count.is_multiple_of(BLOCK) {
            let at = u32_of(self.entries.len())?;
            self.checkpoints.extend_from_slice(&at.to_le_bytes());
            self.checkpoints
                .extend_from_slice(&column.offset.to_le_bytes());
            self.end = column.offset;
            self.min_ms = 0;
        }
        varint::put_u64(&mut self.entries, column.offset - self.end);
        varint::put_u32(&mut self.entries, column.len);
        varint::put_u32(&mut self.entries, column.count);
        varint::put_i64(&mut self.entries, column.min_ms.wrapping_sub(self.min_ms));
        let span = column.max_ms.wrapping_sub(column.min_ms).cast_unsigned();
        varint::put_u64(&mut self.entries, span);
        self.end = column.offset + u64::from(column.len);
        self.min_ms = column.min_ms;
        self.count = self.count.checked_add(1).ok_or(too_many())?;
        Ok(())
    }

    /// How many columns were added.
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// The payload of the section.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        let mut payload = self.checkpoints;
        payload.extend_from_slice(&self.entries);
        payload
    }
}

fn u32_of(len: usize) -> Result<u32> {
    u32::try_from(len).map_err(|_| too_many())
}

const fn too_many() -> Error {
    Error::TooLarge {
        what: WHAT,
        value: 1 << 32,
        limit: u32::MAX as u64,
    }
}

/// Reads the columns section.
#[derive(Clone, Copy, Debug)]
pub struct ColumnDirectory<'a> {
    checkpoints: &'a [u8],
    entries: &'a [u8],
    count: u32,
}

impl<'a> ColumnDirectory<'a> {
    /// The directory of `count` columns in `payload`.
    ///
    /// # Errors
    ///
    /// [`Error::Truncated`] when the checkpoints do not fit.
    pub fn new(payload: &'a [u8], count: u32) -> Result<Self> {
        let blocks = count.div_ceil(BLOCK) as usize;
        match payload.split_at_checked(blocks.saturating_mul(CHECKPOINT_BYTES)) {
            Some((checkpoints, entries)) => Ok(Self {
                checkpoints,
                entries,
                count,
            }),
            None => Err(Error::Truncated {
                what: WHAT,
                offset: payload.len(),
            }),
        }
    }

    /// How many columns there are.
    #[must_use]
    pub const fn len(&self) -> u32 {
        self.count
    }

    /// Whether there is no column.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Column `id`.
    ///
    /// # Errors
    ///
    /// When there is no such column or its entry is damaged.
    pub fn get(&self, id: u32) -> Result<Column> {
        let block = (id / BLOCK) as usize;
        let mut reader = Reader::new(WHAT, self.checkpoints);
        if id >= self.count {
            return Err(reader.corrupt("a column is referred to that does not exist"));
        }
        reader.bytes(block * CHECKPOINT_BYTES)?;
        let (at, mut end) = (reader.u32()?, reader.u64()?);
        let mut entries = Reader::new(WHAT, self.entries);
        entries.bytes(at as usize)?;
        let mut min_ms = 0;
        for _ in 0..id % BLOCK {
            let column = read_entry(&mut entries, end, min_ms)?;
            end = column.offset.saturating_add(u64::from(column.len));
            min_ms = column.min_ms;
        }
        read_entry(&mut entries, end, min_ms)
    }
}

fn read_entry(reader: &mut Reader<'_>, end: u64, min_before: i64) -> Result<Column> {
    let gap = reader.varint_u64()?;
    let offset = end
        .checked_add(gap)
        .ok_or_else(|| reader.corrupt("a column lies beyond the data region"))?;
    let len = varint_bounded(reader, super::CHUNK_BYTES_MAX)?;
    let count = varint_bounded(reader, super::CHUNK_SAMPLES_MAX)?;
    if count == 0 {
        return Err(reader.corrupt("a column is empty"));
    }
    let min_ms = min_before.wrapping_add(reader.varint_i64()?);
    let max_ms = min_ms
        .checked_add_unsigned(reader.varint_u64()?)
        .ok_or_else(|| reader.corrupt("a column ends beyond the last millisecond"))?;
    Ok(Column {
        offset,
        len,
        count,
        min_ms,
        max_ms,
    })
}

fn varint_bounded(reader: &mut Reader<'_>, limit: usize) -> Result<u32> {
    let value = reader.varint_len(limit)?;
    u32::try_from(value).map_err(|_| too_many())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns() -> Vec<Column> {
        (0..150_u32)
            .map(|id| Column {
                offset: u64::from(id) * 100 + u64::from(id % 3),
                len: 50 + id,
                count: 1 + id,
                min_ms: i64::from(id) * 7 - 300,
                max_ms: i64::from(id) * 11,
            })
            .collect()
    }

    fn payload() -> Vec<u8> {
        let mut builder = ColumnDirectoryBuilder::default();
        for column in columns() {
            // Lengths above 100 would overlap the next column.
            builder
                .push(Column {
                    len: column.len.min(90),
                    ..column
                })
                .unwrap();
        }
        builder.finish()
    }

    #[test]
    fn columns_come_back_by_id() {
        let bytes = payload();
        let directory = ColumnDirectory::new(&bytes, 150).unwrap();
        for (id, column) in (0..).zip(columns()) {
            let expected = Column {
                len: column.len.min(90),
                ..column
            };
            assert_eq!(directory.get(id), Ok(expected));
        }
        assert!(directory.get(150).is_err());
    }

    #[test]
    fn extreme_times_come_back() {
        let column = Column {
            offset: 0,
            len: 1,
            count: 2,
            min_ms: i64::MIN,
            max_ms: i64::MAX,
        };
        let mut builder = ColumnDirectoryBuilder::default();
        builder.push(column).unwrap();
        let bytes = builder.finish();
        assert_eq!(ColumnDirectory::new(&bytes, 1).unwrap().get(0), Ok(column));
    }

    #[test]
    fn damaged_bytes_never_panic() {
        let mut bytes = payload();
        for end in 0..bytes.len() {
            if let Ok(directory) = ColumnDirectory::new(&bytes[..end], 150) {
                assert!(directory.get(149).is_err());
            }
        }
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            let directory = ColumnDirectory::new(&bytes, 150).unwrap();
            for id in [0, 63, 64, 149] {
                let _ = directory.get(id);
            }
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
    }
}
