//! Joins parts into one.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use chronoxide_format::part::{Chunk, ChunkCursor, RowCursor};
use chronoxide_format::tombstones::Tombstone;
use chronoxide_model::TimeRange;

use super::dictionary;
use super::series::SeriesJoin;
use crate::part::{Packing, Part, PartHeader, PartSummary, PartWriter};
use crate::tombstones::hidden_in_part;
use crate::{Error, Fs, Result};

/// How to merge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MergeOptions {
    /// Level of the new part.
    pub level: u8,
    /// Samples before this are left out, Unix milliseconds; [`i64::MIN`] keeps all.
    pub min_ms: i64,
    /// Which chunks are worth the time to make them as small as they get.
    pub packing: Packing,
}

/// Writes the part `dir/name` with all that `parts` have. Of samples of one series at one time, that of the part with
/// the highest WAL sequence stays. When nothing is left, there is no part.
///
/// Series stream through in label order, and the samples of a series cell by cell of the grid that chunks are cut on:
/// in memory are the samples of one series in one cell, rarely more than a chunk for each input, and the label pairs and
/// postings of the new part, however many samples there are. A cell that only one part has is copied as it stands.
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
    match merge_without(fs, dir, name, parts, options, &[], &|| false)? {
        Merged::Done(summary) => Ok(summary),
        Merged::Stopped => Ok(None),
    }
}

/// What became of a merge.
#[derive(Debug)]
pub(crate) enum Merged {
    /// The new part, unless nothing was left to be in it.
    Done(Option<PartSummary>),
    /// It was told to stop, and left nothing behind.
    Stopped,
}

/// As [`merge`], leaves out what `tombstones` hide in each of the parts, and asks after each series whether to `stop`.
pub(crate) fn merge_without(
    fs: &dyn Fs,
    dir: &Path,
    name: &str,
    parts: &[Arc<Part>],
    options: MergeOptions,
    tombstones: &[Arc<Tombstone>],
    stop: &dyn Fn() -> bool,
) -> Result<Merged> {
    let mut parts: Vec<&Part> = parts.iter().map(AsRef::as_ref).collect();
    parts.sort_by_key(|part| part.summary().header.sequence());
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
    writer.set_packing(options.packing);
    let numbers = dictionary::join(&parts, &mut writer)?;
    let mut inputs = Vec::with_capacity(parts.len());
    for (part, numbers) in parts.into_iter().zip(numbers) {
        let hidden = hidden_in_part(tombstones, part)?;
        inputs.push(Input::new(part, numbers, hidden)?);
    }
    let range = TimeRange::new(options.min_ms, i64::MAX).expect("no time is after the last one");
    let mut series = SeriesJoin::new(writer, range, options.packing);
    if join(&mut inputs, &mut series, stop)? {
        series.finish().map(Merged::Done)
    } else {
        Ok(Merged::Stopped)
    }
}

/// A part being merged, at one of its series.
pub(super) struct Input<'a> {
    part: &'a Part,
    numbers: Vec<u32>,
    rows: RowCursor<'a>,
    chunks: ChunkCursor<'a>,
    rank: u32,
    /// New numbers of the pairs of series `rank`.
    row: Vec<u32>,
    row_before: Vec<u32>,
    /// By rank: times of which nothing is taken over.
    hidden: BTreeMap<u32, Vec<TimeRange>>,
}

impl<'a> Input<'a> {
    fn new(
        part: &'a Part,
        numbers: Vec<u32>,
        hidden: BTreeMap<u32, Vec<TimeRange>>,
    ) -> Result<Self> {
        let damaged = |source| part.damaged(source);
        let mut input = Self {
            part,
            numbers,
            rows: part.rows().map_err(damaged)?.cursor(),
            chunks: part.chunk_directory().map_err(damaged)?.cursor(),
            rank: 0,
            row: Vec::new(),
            row_before: Vec::new(),
            hidden,
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

    /// The chunks of the series it stands at.
    pub(super) fn chunks(&mut self) -> Result<&[Chunk]> {
        let chunks = self.chunks.series(self.rank);
        chunks.map_err(|source| self.part.damaged(source))
    }

    pub(super) const fn part(&self) -> &'a Part {
        self.part
    }

    /// Times of the series it stands at of which nothing is taken over.
    pub(super) fn hidden(&self) -> &[TimeRange] {
        self.hidden.get(&self.rank).map_or(&[], Vec::as_slice)
    }
}

pub(super) const fn corrupt(reason: &'static str) -> chronoxide_format::Error {
    chronoxide_format::Error::Corrupt {
        what: "part",
        offset: 0,
        reason,
    }
}

/// Walks the inputs, which are in sequence, as one, and gives each series to `out`; `false` when it was told to `stop`.
fn join(
    inputs: &mut [Input<'_>],
    out: &mut SeriesJoin<'_>,
    stop: &dyn Fn() -> bool,
) -> Result<bool> {
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
        if having.is_empty() {
            return Ok(true);
        }
        if stop() {
            return Ok(false);
        }
        out.series(&row, inputs, &having)?;
        for at in &having {
            inputs[*at].advance()?;
        }
    }
}

#[cfg(test)]
mod tests;
