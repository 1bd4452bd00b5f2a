//! Which chunks each series has, and where they lie.
//!
//! | bytes | field |
//! |---|---|
//! | 4 | u32 number of blocks |
//! | 16 n | for each block: u32 first rank, u32 offset of its entries, u64 data offset of its first chunk |
//! | ... | entries |
//!
//! For each series: varint number of chunks, then the chunks, floats before histograms, in order of time. A chunk:
//! varint (bytes of values x 2 + 1 if flags follow); flags; if flagged, varint gap to the end of the chunk before and
//! varint bytes of start timestamps; zigzag varint column id less the expected one; if flagged, the slice of the column
//! as two varints, timestamps in front of it and timestamps in it. Expected is the column of the chunk of the same number in the series before, or else one more than
//! that of the chunk before.

use std::ops::Range;

use crate::{Error, Reader, Result, varint};

const WHAT: &str = "chunks section";

/// A block ends after this many series ...
const BLOCK_SERIES: u32 = 32;

/// ... or after this many chunks, if that is earlier.
const BLOCK_CHUNKS: usize = 256;

const CHECKPOINT_BYTES: usize = 16;

const FLAG_HISTOGRAMS: u8 = 1;
const FLAG_SLICE: u8 = 2;
const FLAG_STARTS: u8 = 4;
const FLAG_GAP: u8 = 8;
const FLAGS_KNOWN: u8 = 15;

/// What the samples of a chunk are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChunkKind {
    /// Doubles.
    Floats,
    /// Native histograms.
    Histograms,
}

/// Part of a timestamp column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    /// Timestamps of the column in front of the slice.
    pub offset: u32,
    /// Timestamps of the slice, at least one.
    pub count: u32,
}

/// Where one chunk lies. Its start timestamps, if any, follow its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// What the samples are.
    pub kind: ChunkKind,
    /// First byte, counted from the start of the data region.
    pub offset: u64,
    /// Bytes of the encoded values.
    pub values_len: u32,
    /// Bytes of the encoded start timestamps; 0 when none is known.
    pub starts_len: u32,
    /// The timestamp column.
    pub column: u32,
    /// Which part of the column, when not all of it.
    pub slice: Option<Slice>,
}

impl Chunk {
    fn end(&self) -> u64 {
        self.offset
            .saturating_add(u64::from(self.values_len))
            .saturating_add(u64::from(self.starts_len))
    }
}

/// Writes the chunks section.
#[derive(Debug, Default)]
pub struct ChunkDirectoryBuilder {
    checkpoints: Vec<u8>,
    entries: Vec<u8>,
    series: u32,
    chunks: u64,
    block_series: u32,
    block_chunks: usize,
    expected: Vec<u32>,
    end: u64,
}

impl ChunkDirectoryBuilder {
    /// Adds the chunks of the next series, in the order of their offsets.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] when the section outgrows 4 GiB.
    pub fn push(&mut self, chunks: &[Chunk]) -> Result<()> {
        if self.block_series == 0
            || self.block_series >= BLOCK_SERIES
            || self.block_chunks >= BLOCK_CHUNKS
        {
            self.start_block(chunks.first().map_or(self.end, |chunk| chunk.offset))?;
        }
        varint::put_usize(&mut self.entries, chunks.len());
        for (index, chunk) in chunks.iter().enumerate() {
            let before = index.checked_sub(1).and_then(|at| chunks.get(at));
            let expected = expected_column(&self.expected, index, before.map(|c| c.column));
            self.put(chunk, expected);
        }
        self.expected.clear();
        self.expected
            .extend(chunks.iter().map(|chunk| chunk.column));
        self.series += 1;
        self.chunks += chunks.len() as u64;
        self.block_series += 1;
        self.block_chunks += chunks.len();
        Ok(())
    }

    fn start_block(&mut self, data_offset: u64) -> Result<()> {
        let at = u32::try_from(self.entries.len()).map_err(|_| Error::TooLarge {
            what: WHAT,
            value: self.entries.len() as u64,
            limit: u64::from(u32::MAX),
        })?;
        self.checkpoints
            .extend_from_slice(&self.series.to_le_bytes());
        self.checkpoints.extend_from_slice(&at.to_le_bytes());
        self.checkpoints
            .extend_from_slice(&data_offset.to_le_bytes());
        self.block_series = 0;
        self.block_chunks = 0;
        self.expected.clear();
        self.end = data_offset;
        Ok(())
    }

    fn put(&mut self, chunk: &Chunk, expected: u32) {
        let mut flags = 0;
        if chunk.kind == ChunkKind::Histograms {
            flags |= FLAG_HISTOGRAMS;
        }
        if chunk.slice.is_some() {
            flags |= FLAG_SLICE;
        }
        if chunk.starts_len > 0 {
            flags |= FLAG_STARTS;
        }
        if chunk.offset != self.end {
            flags |= FLAG_GAP;
        }
        let out = &mut self.entries;
        varint::put_u64(
            out,
            u64::from(chunk.values_len) << 1 | u64::from(flags != 0),
        );
        if flags != 0 {
            out.push(flags);
        }
        if flags & FLAG_GAP != 0 {
            varint::put_u64(out, chunk.offset - self.end);
        }
        if flags & FLAG_STARTS != 0 {
            varint::put_u32(out, chunk.starts_len);
        }
        varint::put_i64(out, i64::from(chunk.column) - i64::from(expected));
        if let Some(slice) = chunk.slice {
            varint::put_u32(out, slice.offset);
            varint::put_u32(out, slice.count);
        }
        self.end = chunk.end();
    }

    /// How many series were added.
    #[must_use]
    pub const fn series(&self) -> u32 {
        self.series
    }

    /// How many chunks were added.
    #[must_use]
    pub const fn chunks(&self) -> u64 {
        self.chunks
    }

    /// The payload of the section.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        let blocks = u32::try_from(self.checkpoints.len() / CHECKPOINT_BYTES)
            .expect("blocks are counted by u32 ranks");
        let mut payload = blocks.to_le_bytes().to_vec();
        payload.extend_from_slice(&self.checkpoints);
        payload.extend_from_slice(&self.entries);
        payload
    }
}

/// Which column chunk `index` of a series most likely has.
fn expected_column(series_before: &[u32], index: usize, chunk_before: Option<u32>) -> u32 {
    match (series_before.get(index), chunk_before) {
        (Some(column), _) => *column,
        (None, Some(column)) => column.wrapping_add(1),
        (None, None) => 0,
    }
}

/// Reads the chunks section.
#[derive(Clone, Copy, Debug)]
pub struct ChunkDirectory<'a> {
    checkpoints: &'a [u8],
    entries: &'a [u8],
    series: u32,
}

impl<'a> ChunkDirectory<'a> {
    /// The directory of `series` series in `payload`.
    ///
    /// # Errors
    ///
    /// [`Error::Truncated`] when the checkpoints do not fit.
    pub fn new(payload: &'a [u8], series: u32) -> Result<Self> {
        let mut reader = Reader::new(WHAT, payload);
        let blocks = reader.u32()? as usize;
        let checkpoints = reader.bytes(blocks.saturating_mul(CHECKPOINT_BYTES))?;
        let entries = reader.bytes(reader.remaining())?;
        Ok(Self {
            checkpoints,
            entries,
            series,
        })
    }

    /// A cursor that reads series in any order, and ascending ones cheaply.
    #[must_use]
    pub fn cursor(&self) -> ChunkCursor<'a> {
        self.resume(ChunkPosition::default())
    }

    /// A cursor that goes on where another one of this section stood.
    #[must_use]
    pub fn resume(&self, position: ChunkPosition) -> ChunkCursor<'a> {
        let mut reader = Reader::new(WHAT, self.entries);
        // A position of another section reads something else there, or nothing.
        let _ = reader.bytes(position.at);
        ChunkCursor {
            directory: *self,
            reader,
            position,
        }
    }

    fn block_of(&self, rank: u32) -> Result<Block> {
        let missing = Reader::new(WHAT, self.checkpoints).corrupt("a series has no block");
        if rank >= self.series {
            return Err(missing);
        }
        let blocks = self.checkpoints.len() / CHECKPOINT_BYTES;
        let (mut low, mut high) = (0, blocks);
        while low < high {
            let middle = low.midpoint(high);
            if self.checkpoint(middle)?.0 <= rank {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let Some(before) = low.checked_sub(1) else {
            return Err(missing);
        };
        let (first, at, data_offset) = self.checkpoint(before)?;
        let end = if low < blocks {
            self.checkpoint(low)?.0
        } else {
            self.series
        };
        if rank - first >= BLOCK_SERIES || end <= rank {
            return Err(missing);
        }
        Ok(Block {
            ranks: first..end,
            at,
            data_offset,
        })
    }

    fn checkpoint(&self, block: usize) -> Result<(u32, u32, u64)> {
        let mut reader = Reader::new(WHAT, self.checkpoints);
        reader.bytes(block.saturating_mul(CHECKPOINT_BYTES))?;
        Ok((reader.u32()?, reader.u32()?, reader.u64()?))
    }
}

/// Where a block of series is.
struct Block {
    ranks: Range<u32>,
    /// Offset of its entries.
    at: u32,
    /// Where its first chunk lies in the data region.
    data_offset: u64,
}

/// Reads series of the chunks section.
#[derive(Clone, Debug)]
pub struct ChunkCursor<'a> {
    directory: ChunkDirectory<'a>,
    reader: Reader<'a>,
    position: ChunkPosition,
}

/// Where a [`ChunkCursor`] stands, and its memory: what is left of it without the section.
#[derive(Clone, Debug)]
pub struct ChunkPosition {
    /// How far into the entries the reader is.
    at: usize,
    /// The rank of the series that the reader stands at.
    next: u32,
    /// One past the last rank of its block.
    block_end: u32,
    /// Where the chunk before that ends.
    end: u64,
    chunks: Vec<Chunk>,
    /// Columns of the series before.
    expected: Vec<u32>,
}

impl Default for ChunkPosition {
    /// A position in front of no series.
    fn default() -> Self {
        Self {
            at: 0,
            next: u32::MAX,
            block_end: 0,
            end: 0,
            chunks: Vec::new(),
            expected: Vec::new(),
        }
    }
}

impl ChunkPosition {
    /// The chunks of the series that was read last.
    #[must_use]
    pub fn chunks(&self) -> &[Chunk] {
        &self.chunks
    }
}

impl ChunkCursor<'_> {
    /// The chunks of the series of `rank`: floats before histograms, in order of time.
    ///
    /// # Errors
    ///
    /// When there is no such series or its entries are damaged.
    pub fn series(&mut self, rank: u32) -> Result<&[Chunk]> {
        let found = self.go_to(rank);
        if found.is_err() {
            self.position.next = u32::MAX;
        }
        found.map(|()| self.position.chunks.as_slice())
    }

    /// Leaves the section, to come back by [`ChunkDirectory::resume`].
    #[must_use]
    pub fn leave(mut self) -> ChunkPosition {
        self.position.at = self.reader.offset();
        self.position
    }

    fn go_to(&mut self, rank: u32) -> Result<()> {
        if rank < self.position.next || rank >= self.position.block_end {
            let block = self.directory.block_of(rank)?;
            self.reader = Reader::new(WHAT, self.directory.entries);
            self.reader.bytes(block.at as usize)?;
            self.position.expected.clear();
            self.position.next = block.ranks.start;
            self.position.block_end = block.ranks.end;
            self.position.end = block.data_offset;
        }
        while self.position.next < rank {
            self.next_series(|_| ())?;
        }
        let mut chunks = std::mem::take(&mut self.position.chunks);
        chunks.clear();
        let read = self.next_series(|chunk| chunks.push(chunk));
        self.position.chunks = chunks;
        read
    }

    /// Reads the series it stands at.
    fn next_series(&mut self, mut visit: impl FnMut(Chunk)) -> Result<()> {
        // Every chunk takes at least two bytes.
        let count = self.reader.varint_len(self.reader.remaining() / 2)?;
        let mut before = None;
        for index in 0..count {
            let expected = expected_column(&self.position.expected, index, before);
            let chunk = read_chunk(&mut self.reader, self.position.end, expected)?;
            self.position.end = chunk.end();
            before = Some(chunk.column);
            match self.position.expected.get_mut(index) {
                Some(column) => *column = chunk.column,
                None => self.position.expected.push(chunk.column),
            }
            visit(chunk);
        }
        self.position.expected.truncate(count);
        self.position.next += 1;
        Ok(())
    }
}

#[inline]
fn read_chunk(reader: &mut Reader<'_>, end: u64, expected: u32) -> Result<Chunk> {
    let head = reader.varint_len(super::CHUNK_BYTES_MAX * 2 + 1)?;
    let flags = if head & 1 == 0 { 0 } else { reader.u8()? };
    if flags & !FLAGS_KNOWN != 0 {
        return Err(Error::UnknownCodec {
            what: "chunk flags",
            id: flags,
        });
    }
    let gap = if flags & FLAG_GAP == 0 {
        0
    } else {
        reader.varint_u64()?
    };
    let starts_len = if flags & FLAG_STARTS == 0 {
        0
    } else {
        reader.varint_len(super::CHUNK_BYTES_MAX)?
    };
    let offset = end
        .checked_add(gap)
        .ok_or_else(|| reader.corrupt("a chunk lies beyond the data region"))?;
    let column = i64::from(expected)
        .checked_add(reader.varint_i64()?)
        .and_then(|column| u32::try_from(column).ok())
        .ok_or_else(|| reader.corrupt("a column id is out of range"))?;
    let slice = if flags & FLAG_SLICE == 0 {
        None
    } else {
        Some(read_slice(reader)?)
    };
    let kind = if flags & FLAG_HISTOGRAMS == 0 {
        ChunkKind::Floats
    } else {
        ChunkKind::Histograms
    };
    let fits = |len: usize| u32::try_from(len).expect("CHUNK_BYTES_MAX fits 32 bits");
    Ok(Chunk {
        kind,
        offset,
        values_len: fits(head >> 1),
        starts_len: fits(starts_len),
        column,
        slice,
    })
}

fn read_slice(reader: &mut Reader<'_>) -> Result<Slice> {
    let (offset, count) = (reader.varint_u32()?, reader.varint_u32()?);
    if count == 0 || offset.checked_add(count).is_none() {
        return Err(reader.corrupt("a slice of a column is impossible"));
    }
    Ok(Slice { offset, count })
}

#[cfg(test)]
mod tests;
