//! Joins the chunks of one series, cell by cell of the grid that chunks are cut on.

use std::ops::Range;

use chronoxide_format::part::{Chunk, ChunkKind};
use chronoxide_model::{SampleColumns, TimeRange};

use super::merge::{Input, corrupt};
use crate::Result;
use crate::part::{
    CHUNK_SAMPLES, ChunkSpan, EncodedChunk, Grid, Packing, Part, PartSummary, PartWriter,
};
use crate::select::Overlay;
use crate::tombstones::remove_hidden;

/// Writes one series after the other.
pub(super) struct SeriesJoin<'a> {
    writer: PartWriter<'a>,
    range: TimeRange,
    packing: Packing,
    overlay: Overlay,
    columns: SampleColumns,
    newer: SampleColumns,
    pieces: Vec<Piece>,
    chunks: Vec<Chunk>,
}

/// A chunk of one of the inputs.
#[derive(Clone, Copy, Debug)]
struct Piece {
    input: usize,
    chunk: Chunk,
    span: ChunkSpan,
}

impl<'a> SeriesJoin<'a> {
    /// Writes samples inside `range` to `writer`.
    pub(super) fn new(writer: PartWriter<'a>, range: TimeRange, packing: Packing) -> Self {
        Self {
            writer,
            range,
            packing,
            overlay: Overlay::default(),
            columns: SampleColumns::default(),
            newer: SampleColumns::default(),
            pieces: Vec::new(),
            chunks: Vec::new(),
        }
    }

    /// Ends the part.
    pub(super) fn finish(self) -> Result<Option<PartSummary>> {
        self.writer.finish()
    }

    /// Adds the series with this row, at which those of `inputs` stand that are named in `having`, in sequence.
    pub(super) fn series(
        &mut self,
        row: &[u32],
        inputs: &mut [Input<'_>],
        having: &[usize],
    ) -> Result<()> {
        let mut pieces = std::mem::take(&mut self.pieces);
        pieces.clear();
        for at in having {
            gather(*at, &mut inputs[*at], self.range, &mut pieces)?;
        }
        let grid = grid_of(&pieces);
        if has_one_kind(&pieces) {
            // Among equal ones the order of the inputs stays.
            pieces.sort_by_key(|piece| piece.span.first_ms);
            for cell in cells(&pieces, grid) {
                self.cell(inputs, &mut pieces[cell], grid)?;
            }
        } else {
            // Floats precede histograms in a part, so that cells of both cannot be written in order of time.
            self.decode(inputs, &mut pieces, grid)?;
        }
        self.pieces = pieces;
        self.writer.end_row(row)
    }

    /// Adds what stands in one or more cells that no other piece reaches into.
    fn cell(&mut self, inputs: &[Input<'_>], pieces: &mut [Piece], grid: Grid) -> Result<()> {
        if !self.may_copy(inputs, pieces) {
            return self.decode(inputs, pieces, grid);
        }
        for piece in pieces.iter() {
            self.copy(inputs[piece.input].part(), &piece.chunk)?;
        }
        Ok(())
    }

    /// Whether the pieces can stay as they are: of one part, wanted in full, long enough, and not worth packing.
    fn may_copy(&self, inputs: &[Input<'_>], pieces: &[Piece]) -> bool {
        let Some(first) = pieces.first() else {
            return true;
        };
        let samples: usize = pieces.iter().map(|piece| piece.span.count).sum();
        let short = pieces.len() > 1 + 2 * samples / CHUNK_SAMPLES;
        let level = inputs[first.input].part().summary().header.level;
        !short
            && pieces.iter().all(|piece| {
                piece.input == first.input
                    && self.range.contains(piece.span.first_ms)
                    && !is_hidden_in_part(inputs[piece.input].hidden(), piece.span)
                    && !self
                        .packing
                        .gains(level, piece.span.count, piece.chunk.values_len)
            })
    }

    fn copy(&mut self, part: &Part, chunk: &Chunk) -> Result<()> {
        let damaged = |source| part.damaged(source);
        let times = part
            .chunk_timestamps(chunk, TimeRange::ALL)
            .map_err(damaged)?;
        let times = times.map_or_else(Vec::new, |times| times.to_vec());
        self.writer.put_encoded(EncodedChunk {
            kind: chunk.kind,
            timestamps_ms: &times,
            values: part.values_of(chunk).map_err(damaged)?,
            starts: part.starts_of(chunk).map_err(damaged)?,
        })
    }

    /// Decodes the pieces, lays those of newer inputs over those of older ones, and adds the samples.
    fn decode(&mut self, inputs: &[Input<'_>], pieces: &mut [Piece], grid: Grid) -> Result<()> {
        // A stable sort: the pieces of an input stay in order of time.
        pieces.sort_by_key(|piece| piece.input);
        self.columns.clear();
        for of_input in pieces.chunk_by(|a, b| a.input == b.input) {
            let part = inputs[of_input[0].input].part();
            self.chunks.clear();
            self.chunks.extend(of_input.iter().map(|piece| piece.chunk));
            self.newer.clear();
            part.read_chunks(&self.chunks, self.range, &mut self.newer)
                .map_err(|source| part.damaged(source))?;
            remove_hidden(&mut self.newer, inputs[of_input[0].input].hidden());
            self.overlay.lay(&mut self.columns, &mut self.newer);
        }
        if self.columns.is_empty() {
            return Ok(());
        }
        self.writer.put_samples((&self.columns).into(), Some(grid))
    }
}

/// Appends the chunks of the series `input` stands at that reach into `range`.
fn gather(
    at: usize,
    input: &mut Input<'_>,
    range: TimeRange,
    pieces: &mut Vec<Piece>,
) -> Result<()> {
    let part = input.part();
    let mut last: Option<(ChunkKind, i64)> = None;
    for chunk in input.chunks()? {
        let span = part
            .chunk_span(chunk)
            .map_err(|source| part.damaged(source))?;
        if last.is_some_and(|(kind, last_ms)| kind == chunk.kind && last_ms >= span.first_ms) {
            return Err(part.damaged(corrupt("chunks of a series overlap")));
        }
        last = Some((chunk.kind, span.last_ms));
        if span.last_ms >= range.min_ms() {
            pieces.push(Piece {
                input: at,
                chunk: *chunk,
                span,
            });
        }
    }
    Ok(())
}

/// Whether any of `hidden` reaches into `span`.
fn is_hidden_in_part(hidden: &[TimeRange], span: ChunkSpan) -> bool {
    hidden
        .iter()
        .any(|range| range.min_ms() <= span.last_ms && span.first_ms <= range.max_ms())
}

fn has_one_kind(pieces: &[Piece]) -> bool {
    pieces
        .windows(2)
        .all(|pair| pair[0].chunk.kind == pair[1].chunk.kind)
}

/// The grid on which a series of these pieces is cut; a sample that two of them have counts twice.
fn grid_of(pieces: &[Piece]) -> Grid {
    let spans = || pieces.iter().map(|piece| piece.span);
    Grid::of(
        spans().map(|span| span.first_ms).min().unwrap_or(0),
        spans().map(|span| span.last_ms).max().unwrap_or(0),
        spans().map(|span| span.count).sum(),
    )
}

/// Parts pieces in order of time into stretches that have no cell in common.
fn cells(pieces: &[Piece], grid: Grid) -> Vec<Range<usize>> {
    let mut cells: Vec<Range<usize>> = Vec::new();
    let mut last_cell = i64::MIN;
    for (at, piece) in pieces.iter().enumerate() {
        match cells.last_mut() {
            Some(cell) if grid.cell(piece.span.first_ms) <= last_cell => cell.end = at + 1,
            _ => cells.push(at..at + 1),
        }
        last_cell = last_cell.max(grid.cell(piece.span.last_ms));
    }
    cells
}
