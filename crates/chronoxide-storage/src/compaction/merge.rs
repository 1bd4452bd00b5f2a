//! Joins parts into one.

use std::cmp::Ordering;
use std::path::Path;
use std::sync::Arc;

use chronoxide_format::Result as FormatResult;
use chronoxide_format::part::{Chunk, ChunkCursor, RowCursor};
use chronoxide_model::{SampleColumns, TimeRange};

use super::dictionary;
use crate::part::{
    CHUNK_SAMPLES, ChunkTimes, EncodedChunk, Part, PartHeader, PartSummary, PartWriter,
};
use crate::select::Overlay;
use crate::{Error, Fs, Result};

/// How to merge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MergeOptions {
    /// Level of the new part.
    pub level: u8,
    /// Samples before this are left out, Unix milliseconds; [`i64::MIN`] keeps all.
    pub min_ms: i64,
}

/// Writes the part `dir/name` with all that `parts` have. Of samples of one series at one time, that of the part with
/// the highest WAL sequence stays. When nothing is left, there is no part.
///
/// Series stream through in label order: in memory are the samples of one series at a time, and the label pairs and
/// postings of the new part, however many samples there are. Chunks of a series that only one part has are copied as
/// they stand, unless they are short.
///
/// # Errors
/// When `parts` is empty, one of them is damaged, or the new one cannot be written; nothing is left behind then.
pub fn merge(
    fs: &dyn Fs,
    dir: &Path,
    name: &str,
    parts: &[Arc<Part>],
    options: MergeOptions,
) -> Result<Option<PartSummary>> {
    let mut parts: Vec<&Part> = parts.iter().map(AsRef::as_ref).collect();
    parts.sort_by_key(|part| sequence(part));
    let (Some(oldest), Some(newest)) = (parts.first(), parts.last()) else {
        return Err(Error::InvalidArgument {
            what: "merge",
            reason: "there are no parts".to_owned(),
        });
    };
    let first = parts.iter().map(|part| part.summary().header.wal_seq_min);
    let header = PartHeader {
        level: options.level,
        wal_seq_min: first.min().unwrap_or(oldest.summary().header.wal_seq_min),
        wal_seq_max: newest.summary().header.wal_seq_max,
    };
    let mut writer = PartWriter::create(fs, dir, name, header)?;
    let numbers = dictionary::join(&parts, &mut writer)?;
    let mut inputs = Vec::with_capacity(parts.len());
    for (part, numbers) in parts.into_iter().zip(numbers) {
        inputs.push(Input::new(part, numbers)?);
    }
    let range = TimeRange::new(options.min_ms, i64::MAX).expect("no time is after the last one");
    let mut join = SeriesJoin {
        writer,
        range,
        overlay: Overlay::default(),
        columns: SampleColumns::default(),
        newer: SampleColumns::default(),
    };
    join.all(&mut inputs)?;
    join.writer.finish()
}

fn sequence(part: &Part) -> (u64, u64) {
    let header = part.summary().header;
    (header.wal_seq_max, header.wal_seq_min)
}

/// A part being merged, at one of its series.
struct Input<'a> {
    part: &'a Part,
    numbers: Vec<u32>,
    rows: RowCursor<'a>,
    chunks: ChunkCursor<'a>,
    rank: u32,
    /// New numbers of the pairs of series `rank`.
    row: Vec<u32>,
    row_before: Vec<u32>,
}

impl<'a> Input<'a> {
    fn new(part: &'a Part, numbers: Vec<u32>) -> Result<Self> {
        let damaged = |source| part.damaged(source);
        let mut input = Self {
            part,
            numbers,
            rows: part.rows().map_err(damaged)?.cursor(),
            chunks: part.chunk_directory().map_err(damaged)?.cursor(),
            rank: 0,
            row: Vec::new(),
            row_before: Vec::new(),
        };
        input.load(false)?;
        Ok(input)
    }

    /// The pairs of the series it stands at, nothing after the last one.
    fn current(&self) -> Option<&[u32]> {
        (self.rank < self.part.series_count()).then_some(&self.row)
    }

    fn advance(&mut self) -> Result<()> {
        self.rank += 1;
        self.load(true)
    }

    /// Reads the row of series `rank`, which must come after the row before, if there is one.
    fn load(&mut self, after_another: bool) -> Result<()> {
        if self.rank >= self.part.series_count() {
            return Ok(());
        }
        let damaged = |source| self.part.damaged(source);
        let pairs = self.rows.row(self.rank).map_err(damaged)?;
        std::mem::swap(&mut self.row, &mut self.row_before);
        self.row.clear();
        for pair in pairs {
            match self.numbers.get(*pair as usize) {
                Some(number) => self.row.push(*number),
                None => return Err(damaged(corrupt("a series has a pair that does not exist"))),
            }
        }
        let follows = !after_another || self.row_before < self.row;
        if !follows || !self.row.is_sorted_by(|a, b| a < b) {
            return Err(damaged(corrupt("the series are not in label order")));
        }
        Ok(())
    }

    /// Appends the samples of the series inside `range`.
    fn read(&mut self, range: TimeRange, out: &mut SampleColumns) -> Result<()> {
        let chunks = self.chunks.series(self.rank);
        let read = chunks.and_then(|chunks| self.part.read_chunks(chunks, range, out));
        read.map_err(|source| self.part.damaged(source))
    }

    /// The chunks of the series as they stand, if all samples are wanted and the chunks are long.
    fn chunks_to_copy(
        &mut self,
        range: TimeRange,
    ) -> FormatResult<Option<Vec<(Chunk, ChunkTimes)>>> {
        if self.part.summary().range.min_ms() < range.min_ms() {
            return Ok(None);
        }
        let chunks = self.chunks.series(self.rank)?;
        let mut found: Vec<(Chunk, ChunkTimes)> = Vec::with_capacity(chunks.len());
        let mut samples = 0;
        for chunk in chunks {
            let Some(times) = self.part.chunk_timestamps(chunk, TimeRange::ALL)? else {
                return Ok(None);
            };
            let follows = |(last, last_times): &(Chunk, ChunkTimes)| {
                last.kind != chunk.kind || last_times.last() < times.first()
            };
            if !found.last().is_none_or(follows) {
                return Err(corrupt("chunks of a series overlap"));
            }
            samples += times.len();
            found.push((*chunk, times));
        }
        let short = found.len() > 1 + 2 * samples / CHUNK_SAMPLES;
        Ok((!short).then_some(found))
    }
}

const fn corrupt(reason: &'static str) -> chronoxide_format::Error {
    chronoxide_format::Error::Corrupt {
        what: "part",
        offset: 0,
        reason,
    }
}

/// Writes one series after the other.
struct SeriesJoin<'a> {
    writer: PartWriter<'a>,
    range: TimeRange,
    overlay: Overlay,
    columns: SampleColumns,
    newer: SampleColumns,
}

impl SeriesJoin<'_> {
    /// Walks the inputs, which are in sequence, as one.
    fn all(&mut self, inputs: &mut [Input<'_>]) -> Result<()> {
        let mut row: Vec<u32> = Vec::new();
        let mut having: Vec<usize> = Vec::new();
        loop {
            having.clear();
            for (at, input) in inputs.iter().enumerate() {
                let Some(current) = input.current() else {
                    continue;
                };
                let order = having.first().map_or(Ordering::Less, |_| current.cmp(&row));
                if order == Ordering::Less {
                    having.clear();
                    row.clear();
                    row.extend_from_slice(current);
                }
                if order != Ordering::Greater {
                    having.push(at);
                }
            }
            match having.as_slice() {
                [] => return Ok(()),
                [only] => self.one(&row, &mut inputs[*only])?,
                several => self.several(&row, inputs, several)?,
            }
            for at in &having {
                inputs[*at].advance()?;
            }
        }
    }

    /// A series that one part has.
    fn one(&mut self, row: &[u32], input: &mut Input<'_>) -> Result<()> {
        let part = input.part;
        let damaged = |source| part.damaged(source);
        let Some(chunks) = input.chunks_to_copy(self.range).map_err(damaged)? else {
            self.columns.clear();
            input.read(self.range, &mut self.columns)?;
            return self.writer.push_row(row, (&self.columns).into());
        };
        let mut encoded = Vec::with_capacity(chunks.len());
        for (chunk, times) in &chunks {
            encoded.push(EncodedChunk {
                kind: chunk.kind,
                timestamps_ms: times,
                values: part.values_of(chunk).map_err(damaged)?,
                starts: part.starts_of(chunk).map_err(damaged)?,
            });
        }
        self.writer.push_encoded(row, encoded)
    }

    /// A series that several parts have.
    fn several(&mut self, row: &[u32], inputs: &mut [Input<'_>], having: &[usize]) -> Result<()> {
        self.columns.clear();
        for at in having {
            self.newer.clear();
            inputs[*at].read(self.range, &mut self.newer)?;
            self.overlay.lay(&mut self.columns, &mut self.newer);
        }
        self.writer.push_row(row, (&self.columns).into())
    }
}

#[cfg(test)]
mod tests;
