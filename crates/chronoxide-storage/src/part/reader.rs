//! Reads one part file.

use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chronoxide_format::chunk::{
    decode_exceptions, decode_histograms, decode_timestamps, decode_values,
};
use chronoxide_format::part::{
    Chunk, ChunkDirectory, ChunkKind, ChunkPosition, Column, ColumnDirectory, Footer, HEADER_BYTES,
    PAGE_BYTES, Pages, PostingsDirectory, SectionKind, SeriesRows, Symbols, SymbolsHeader,
    check_header, decode_starts,
};
use chronoxide_format::{Error as FormatError, section};
use chronoxide_model::{SampleColumns, TimeRange};

use super::column_cache::{ColumnCache, KnownColumn, PartId};
use super::damage::Damage;
use super::reduced::Reduced;
use super::samples::pad_starts;
use super::summary::PartSummary;
use super::times::Times;
use crate::index::MatchCache;
use crate::{Error, Fs, Map, Result};

type FormatResult<T> = chronoxide_format::Result<T>;

/// An open part: immutable, and read from any number of threads.
///
/// Series go by rank, their position in label order. Opening checks header, footer and the checksums of all sections
/// but the data region, whose pages are checked when they are first touched. Damage is an error that names the file;
/// it never shows as other samples.
pub struct Part {
    id: PartId,
    map: Map,
    summary: PartSummary,
    footer: Footer,
    /// Payloads of the sections, in the order of [`SectionKind::LISTED`].
    sections: [Range<usize>; 6],
    symbols: SymbolsHeader,
    /// One bit for each page whose checksum was found right.
    checked_pages: Box<[AtomicU64]>,
    columns: Arc<ColumnCache>,
    damage: Damage,
    matches: MatchCache,
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Part")
            .field("summary", &self.summary)
            .finish_non_exhaustive()
    }
}

impl Part {
    /// Opens the part at `path`, with a cache of columns of its own.
    ///
    /// # Errors
    /// When the file cannot be read, is too new, torn or damaged.
    pub fn open(fs: &dyn Fs, path: &Path) -> Result<Self> {
        Self::open_with(fs, path, Arc::default())
    }

    /// Opens the part at `path`; decoded timestamp columns are kept in `columns`, which other parts may share.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_with(fs: &dyn Fs, path: &Path, columns: Arc<ColumnCache>) -> Result<Self> {
        let map = fs.map(path)?;
        Self::new(map, path, columns).map_err(|source| Error::format(path, source))
    }

    pub(super) fn new(map: Map, path: &Path, columns: Arc<ColumnCache>) -> FormatResult<Self> {
        check_header(&map)?;
        let (footer, checksum) = Footer::decode(&map)?;
        let mut sections: [Range<usize>; 6] = std::array::from_fn(|_| 0..0);
        for (kind, place) in SectionKind::LISTED.into_iter().zip(&mut sections) {
            *place = checked_section(&map, &footer, kind)?;
        }
        let pages = Pages::new(&map[sections[0].clone()], footer.data_len)?.len();
        let symbols = SymbolsHeader::read(&map[sections[3].clone()], footer.pairs)?;
        let part = Self {
            id: PartId::next(),
            summary: PartSummary::new(path.to_owned(), map.len() as u64, &footer, checksum),
            map,
            footer,
            sections,
            symbols,
            checked_pages: (0..pages.div_ceil(64)).map(|_| AtomicU64::new(0)).collect(),
            columns,
            damage: Damage::default(),
            matches: MatchCache::default(),
        };
        part.column_directory()?;
        part.chunk_directory()?;
        part.rows()?;
        part.postings()?;
        Ok(part)
    }

    /// What tells it apart from every other part of this process.
    pub(crate) const fn id(&self) -> PartId {
        self.id
    }

    /// What the part has.
    #[must_use]
    pub const fn summary(&self) -> &PartSummary {
        &self.summary
    }

    /// How many series the part has; their ranks are the numbers below.
    #[must_use]
    pub const fn series_count(&self) -> u32 {
        self.footer.series
    }

    /// Appends the samples of the series of `rank` inside `range` to `out`. What stands there already must be earlier.
    ///
    /// # Errors
    /// When there is no such series or the bytes are damaged; `out` may then have some of the samples.
    pub fn read(&self, rank: u32, range: TimeRange, out: &mut SampleColumns) -> Result<()> {
        if !self.summary.range.overlaps(&range) {
            return Ok(());
        }
        self.read_samples(rank, range, out)
            .map_err(|source| self.damaged(source))
    }

    /// As [`Self::read`], from `position` on, which makes ascending ranks cheap; leaves out what `reduced` allows where
    /// chunks have summaries.
    pub(crate) fn read_on(
        &self,
        position: &mut ChunkPosition,
        rank: u32,
        range: TimeRange,
        reduced: Option<Reduced<'_>>,
        out: &mut SampleColumns,
    ) -> Result<()> {
        if !self.summary.range.overlaps(&range) {
            return Ok(());
        }
        self.read_samples_on(position, rank, range, reduced, out)
            .map_err(|source| self.damaged(source))
    }

    fn read_samples_on(
        &self,
        position: &mut ChunkPosition,
        rank: u32,
        range: TimeRange,
        reduced: Option<Reduced<'_>>,
        out: &mut SampleColumns,
    ) -> FormatResult<()> {
        let mut cursor = self.chunk_directory()?.resume(std::mem::take(position));
        cursor.series(rank)?;
        *position = cursor.leave();
        self.read_some_of_chunks(position.chunks(), range, reduced, out)
    }

    pub(super) fn read_samples(
        &self,
        rank: u32,
        range: TimeRange,
        out: &mut SampleColumns,
    ) -> FormatResult<()> {
        self.read_samples_on(&mut ChunkPosition::default(), rank, range, None, out)
    }

    /// Appends the samples of the chunks of one series.
    pub(crate) fn read_chunks(
        &self,
        chunks: &[Chunk],
        range: TimeRange,
        out: &mut SampleColumns,
    ) -> FormatResult<()> {
        self.read_some_of_chunks(chunks, range, None, out)
    }

    fn read_some_of_chunks(
        &self,
        chunks: &[Chunk],
        range: TimeRange,
        reduced: Option<Reduced<'_>>,
        out: &mut SampleColumns,
    ) -> FormatResult<()> {
        // Functions may care for what lies between floats.
        let is_mixed = || chunks.iter().any(|chunk| chunk.kind != ChunkKind::Floats);
        let needs_values = reduced.is_none_or(|reduced| reduced.reduction.needs_values());
        let reduced = reduced.filter(|reduced| reduced.leaves_out() && !is_mixed());
        let mut end = [None, None];
        for chunk in chunks {
            if let Some(reduced) = reduced
                && let Some(span) = self.read_summary(chunk, reduced, out)?
            {
                if end[0] >= Some(span.first_ms) {
                    return Err(disorder("chunks of a series overlap"));
                }
                end[0] = Some(span.last_ms);
                continue;
            }
            let Some(times) = self.chunk_timestamps(chunk, range)? else {
                continue;
            };
            let (first, last) = (times.first(), times.last());
            let end = &mut end[usize::from(chunk.kind == ChunkKind::Histograms)];
            if *end >= first {
                return Err(disorder("chunks of a series overlap"));
            }
            *end = last;
            self.read_chunk(chunk, &times, (range, needs_values), out)?;
        }
        Ok(())
    }

    /// Timestamps of a chunk, unless its column lies outside `range`.
    pub(crate) fn chunk_timestamps(
        &self,
        chunk: &Chunk,
        range: TimeRange,
    ) -> FormatResult<Option<ChunkTimes>> {
        let column = match self.columns.get(self.id, chunk.column) {
            Some(KnownColumn::Times(times)) => times,
            Some(KnownColumn::Span(span)) if !span.overlaps(&range) => return Ok(None),
            _ => {
                let column = self.column_directory()?.get(chunk.column)?;
                let span = TimeRange::new(column.min_ms, column.max_ms)
                    .map_err(|_| disorder("a timestamp column ends before it begins"))?;
                let known = if !span.overlaps(&range) {
                    KnownColumn::Span(span)
                } else {
                    KnownColumn::Times(self.decode_column(&column)?)
                };
                self.columns.put(self.id, chunk.column, known.clone());
                match known {
                    KnownColumn::Times(times) => times,
                    KnownColumn::Span(_) => return Ok(None),
                }
            }
        };
        let slice = match chunk.slice {
            None => 0..column.len(),
            Some(slice) => {
                let start = slice.offset as usize;
                start..start.saturating_add(slice.count as usize)
            }
        };
        if slice.is_empty() || slice.end > column.len() {
            return Err(disorder("a chunk has a slice beyond its column"));
        }
        Ok(Some(ChunkTimes { column, slice }))
    }

    /// When a chunk begins and ends, and how many samples it has.
    pub(crate) fn chunk_span(&self, chunk: &Chunk) -> FormatResult<ChunkSpan> {
        if chunk.slice.is_some() {
            let times = self.chunk_timestamps(chunk, TimeRange::ALL)?;
            let span = times.and_then(|times| times.span());
            return span.ok_or_else(|| disorder("a chunk has no timestamps"));
        }
        // To find a column in the directory takes longer than to have it at hand.
        if let Some(KnownColumn::Times(column)) = self.columns.get(self.id, chunk.column) {
            let slice = 0..column.len();
            let span = ChunkTimes { column, slice }.span();
            return span.ok_or_else(|| disorder("a chunk has no timestamps"));
        }
        let column = self.column_directory()?.get(chunk.column)?;
        Ok(ChunkSpan {
            first_ms: column.min_ms,
            last_ms: column.max_ms,
            count: column.count as usize,
        })
    }

    /// Adds the spans of the chunks of one series; a histogram counts as `histogram_samples`.
    ///
    /// # Errors
    /// When there is no such series or the bytes are damaged.
    pub(crate) fn spans(
        &self,
        rank: u32,
        histogram_samples: usize,
        spans: &mut Vec<ChunkSpan>,
    ) -> Result<()> {
        let mut push = || -> FormatResult<()> {
            let mut cursor = self.chunk_directory()?.cursor();
            for chunk in cursor.series(rank)? {
                let mut span = self.chunk_span(chunk)?;
                if chunk.kind == ChunkKind::Histograms {
                    span.count = span.count.saturating_mul(histogram_samples);
                }
                spans.push(span);
            }
            Ok(())
        };
        push().map_err(|source| self.damaged(source))
    }

    fn decode_column(&self, column: &Column) -> FormatResult<Arc<Times>> {
        let bytes = self.data(column.offset, u64::from(column.len))?;
        let mut times = Vec::new();
        decode_timestamps(bytes, column.count as usize, &mut times)?;
        let ends = (times.first(), times.last());
        if ends != (Some(&column.min_ms), Some(&column.max_ms)) || !times.is_sorted_by(|a, b| a < b)
        {
            return Err(disorder("a timestamp column does not ascend as it should"));
        }
        Ok(Arc::new(Times::new(times)))
    }

    fn read_chunk(
        &self,
        chunk: &Chunk,
        times: &ChunkTimes,
        (range, needs_values): (TimeRange, bool),
        out: &mut SampleColumns,
    ) -> FormatResult<()> {
        let kept = times.within(range);
        if kept.is_empty() {
            return Ok(());
        }
        let count = times.len();
        let values = self.values_of(chunk)?;
        let (out_times, out_starts) = match chunk.kind {
            ChunkKind::Floats => {
                let before = out.values.len();
                if needs_values {
                    decode_values(values, count, &mut out.values)?;
                } else {
                    decode_exceptions(values, count, &mut out.values)?;
                }
                keep(&mut out.values, before, &kept);
                (&mut out.timestamps_ms, &mut out.start_timestamps_ms)
            }
            ChunkKind::Histograms => {
                let before = out.histograms.len();
                decode_histograms(values, count, &mut out.histograms)?;
                keep(&mut out.histograms, before, &kept);
                (
                    &mut out.histogram_timestamps_ms,
                    &mut out.histogram_start_timestamps_ms,
                )
            }
        };
        let before = out_times.len();
        times.append_to(kept.clone(), out_times);
        if chunk.starts_len > 0 {
            out_starts.resize(before, 0);
            let first_ms = times.first().unwrap_or(0);
            decode_starts(self.starts_of(chunk)?, first_ms, count, out_starts)?;
            keep(out_starts, before, &kept);
        }
        pad_starts(out_starts, out_times.len());
        Ok(())
    }

    /// The encoded values of a chunk.
    pub(crate) fn values_of(&self, chunk: &Chunk) -> FormatResult<&[u8]> {
        self.data(chunk.offset, u64::from(chunk.values_len))
    }

    /// The encoded start timestamps of a chunk.
    pub(crate) fn starts_of(&self, chunk: &Chunk) -> FormatResult<&[u8]> {
        let offset = chunk.offset.saturating_add(u64::from(chunk.values_len));
        self.data(offset, u64::from(chunk.starts_len))
    }

    /// Bytes of the data region, with the pages they lie in checked.
    fn data(&self, offset: u64, len: u64) -> FormatResult<&[u8]> {
        let end = offset
            .checked_add(len)
            .filter(|end| *end <= self.footer.data_len);
        let range = end.and_then(|end| Some(usize_of(offset)?..usize_of(end)?));
        let Some(range) = range else {
            return Err(disorder("a chunk or column lies beyond the data region"));
        };
        if !range.is_empty() {
            for page in range.start / PAGE_BYTES..=(range.end - 1) / PAGE_BYTES {
                self.check_page(page)?;
            }
        }
        Ok(&self.data_region()[range])
    }

    fn data_region(&self) -> &[u8] {
        let len = usize_of(self.footer.data_len).expect("the data region lies inside the map");
        &self.map[HEADER_BYTES..HEADER_BYTES + len]
    }

    /// Checks a page the first time it is touched.
    pub(super) fn check_page(&self, page: usize) -> FormatResult<()> {
        let (word, bit) = (&self.checked_pages[page / 64], 1 << (page % 64));
        if word.load(Ordering::Relaxed) & bit == 0 {
            let data = self.data_region();
            let start = page * PAGE_BYTES;
            let bytes = &data[start..data.len().min(start + PAGE_BYTES)];
            let index = u32::try_from(page).map_err(|_| disorder("there are too many pages"))?;
            Pages::new(self.section(SectionKind::Pages), self.footer.data_len)?
                .check(index, bytes)
                .map_err(|_| self.damaged_page(index))?;
            word.fetch_or(bit, Ordering::Relaxed);
        }
        Ok(())
    }

    /// The error of a page whose checksum is wrong, which says where it lies in the file.
    fn damaged_page(&self, page: u32) -> FormatError {
        let offset = HEADER_BYTES + page as usize * PAGE_BYTES;
        self.damage
            .note_page(&self.summary.path, page, offset as u64);
        FormatError::Corrupt {
            what: "data page of the part",
            offset,
            reason: "its checksum is wrong",
        }
    }

    fn section(&self, kind: SectionKind) -> &[u8] {
        let at = SectionKind::LISTED
            .iter()
            .position(|listed| *listed == kind)
            .expect("only listed sections are asked for");
        &self.map[self.sections[at].clone()]
    }

    /// What was found damaged so far.
    pub(crate) const fn damage(&self) -> &Damage {
        &self.damage
    }

    pub(super) const fn footer(&self) -> &Footer {
        &self.footer
    }

    fn column_directory(&self) -> FormatResult<ColumnDirectory<'_>> {
        ColumnDirectory::new(self.section(SectionKind::Columns), self.footer.columns)
    }

    pub(crate) fn chunk_directory(&self) -> FormatResult<ChunkDirectory<'_>> {
        ChunkDirectory::new(self.section(SectionKind::Chunks), self.footer.series)
    }

    /// Bytes of memory of the decoded columns, of this part and of those it shares the cache with.
    pub(crate) fn column_cache_bytes(&self) -> usize {
        self.columns.memory_bytes()
    }

    pub(crate) const fn matches(&self) -> &MatchCache {
        &self.matches
    }

    pub(crate) fn symbols(&self) -> Symbols<'_> {
        self.symbols.view(self.section(SectionKind::Symbols))
    }

    pub(crate) fn rows(&self) -> FormatResult<SeriesRows<'_>> {
        SeriesRows::new(self.section(SectionKind::Series), self.footer.series)
    }

    pub(crate) fn postings(&self) -> FormatResult<PostingsDirectory<'_>> {
        PostingsDirectory::new(
            self.section(SectionKind::Postings),
            self.footer.pairs,
            self.footer.series,
        )
    }

    /// The error of this file for `source`.
    pub(crate) fn damaged(&self, source: FormatError) -> Error {
        self.damage.note(&self.summary.path, &source);
        Error::format(&self.summary.path, source)
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.columns.forget(self.id);
    }
}

/// Timestamps of one chunk: all or a part of a shared column.
#[derive(Debug)]
pub(crate) struct ChunkTimes {
    column: Arc<Times>,
    slice: Range<usize>,
}

impl ChunkTimes {
    fn len(&self) -> usize {
        self.slice.len()
    }

    fn first(&self) -> Option<i64> {
        self.column.get(self.slice.start)
    }

    fn last(&self) -> Option<i64> {
        self.column.get(self.slice.end.checked_sub(1)?)
    }

    fn span(&self) -> Option<ChunkSpan> {
        Some(ChunkSpan {
            first_ms: self.first()?,
            last_ms: self.last()?,
            count: self.len(),
        })
    }

    /// Which of the timestamps lie in `range`.
    fn within(&self, range: TimeRange) -> Range<usize> {
        let before = |time_ms| self.column.count_before(self.slice.clone(), time_ms);
        let until = range.max_ms().checked_add(1).map_or(self.len(), before);
        before(range.min_ms())..until
    }

    /// Appends those of the timestamps that `kept` tells.
    fn append_to(&self, kept: Range<usize>, out: &mut Vec<i64>) {
        let start = self.slice.start;
        self.column
            .append_to(start + kept.start..start + kept.end, out);
    }

    /// All of them.
    pub(crate) fn to_vec(&self) -> Vec<i64> {
        let mut times = Vec::with_capacity(self.len());
        self.append_to(0..self.len(), &mut times);
        times
    }
}

/// When a chunk begins and ends, and how many samples it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChunkSpan {
    pub(crate) first_ms: i64,
    pub(crate) last_ms: i64,
    pub(crate) count: usize,
}

/// Payload of section `kind`, after its checksum was compared with its frame and the footer.
fn checked_section(bytes: &[u8], footer: &Footer, kind: SectionKind) -> FormatResult<Range<usize>> {
    let what = kind.name();
    let extent = footer.extent(kind);
    let range = usize_of(extent.offset)
        .zip(usize_of(extent.len))
        .map(|(offset, len)| offset..offset.saturating_add(len));
    let Some(framed) = range.clone().and_then(|range| bytes.get(range)) else {
        return Err(FormatError::Truncated {
            what,
            offset: bytes.len(),
        });
    };
    let (payload, crc32) = section::payload(what, kind.byte(), framed)?;
    if crc32 != extent.crc32 {
        return Err(FormatError::ChecksumMismatch {
            what,
            expected: extent.crc32,
            got: crc32,
        });
    }
    let start = range.map_or(0, |range| range.start) + section::HEAD_BYTES;
    Ok(start..start + payload.len())
}

/// Keeps only `kept` of what follows the first `before` elements.
fn keep<T>(elements: &mut Vec<T>, before: usize, kept: &Range<usize>) {
    elements.truncate(before + kept.end);
    elements.drain(before..before + kept.start);
}

pub(super) const fn disorder(reason: &'static str) -> FormatError {
    FormatError::Corrupt {
        what: "part",
        offset: 0,
        reason,
    }
}

fn usize_of(value: u64) -> Option<usize> {
    usize::try_from(value).ok()
}
