//! Writes one part file.

use std::path::{Path, PathBuf};

use chronoxide_format::chunk::encode_timestamps;
use chronoxide_format::part::{
    CHUNK_BYTES_MAX, Chunk, ChunkDirectoryBuilder, ChunkKind, Column, ColumnDirectoryBuilder,
    Extent, Footer, PostingsBuilder, PostingsSection, SectionKind, SeriesRows, SeriesRowsBuilder,
    Slice, SymbolsBuilder, encode_starts,
};
use chronoxide_format::section;
use chronoxide_model::Labels;

use super::column_table::{ColumnTable, Found};
use super::cut::{self, Grid};
use super::data_writer::DataWriter;
use super::packing::{Encoders, Packing};
use super::pairs::PairTable;
use super::samples::Samples;
use super::summary::{PartHeader, PartSummary};
use crate::{Error, Fs, Result};

/// Writes a part: series in label order, then [`finish`](Self::finish).
///
/// Samples go to the file as they come. In memory stay the labels and postings of the part, about 50 bytes for each
/// series and the text of its distinct label pairs, and a bounded table of timestamp columns. A writer that is dropped
/// unfinished removes its file.
///
/// ```
/// use chronoxide_model::{Labels, SampleColumns, TimeRange};
/// use chronoxide_storage::internals::{Part, PartHeader, PartWriter, Samples};
/// use chronoxide_storage::system::RealFs;
///
/// # let dir = tempfile::tempdir()?;
/// # let dir = dir.path();
/// let header = PartHeader { level: 0, wal_seq_min: 1, wal_seq_max: 9 };
/// let mut writer = PartWriter::create(&RealFs, dir, "0-000001.part", header)?;
/// let labels = Labels::from_pairs([("__name__", "up"), ("job", "node")])?;
/// let samples = Samples { timestamps_ms: &[1000, 2000], values: &[1.0, 0.0], ..Samples::default() };
/// writer.push(&labels, samples)?;
/// let summary = writer.finish()?.expect("there is a sample");
///
/// let part = Part::open(&RealFs, &summary.path)?;
/// let mut columns = SampleColumns::default();
/// part.read(0, TimeRange::ALL, &mut columns)?;
/// assert_eq!((part.labels(0)?, columns.values), (labels, vec![1.0, 0.0]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct PartWriter<'a> {
    file: DataWriter<'a>,
    dir: PathBuf,
    path: PathBuf,
    header: PartHeader,
    pairs: PairTable,
    /// Rows and postings by the numbers of `pairs`; `finish` brings both into label order.
    rows: SeriesRowsBuilder,
    postings: Vec<PostingsBuilder>,
    columns: ColumnDirectoryBuilder,
    column_table: ColumnTable,
    chunks: ChunkDirectoryBuilder,
    series_chunks: Vec<Chunk>,
    packing: Packing,
    encoders: Encoders,
    samples: u64,
    histograms: u64,
    range: Option<(i64, i64)>,
    last: Option<Labels>,
    row: Vec<u32>,
    /// Whether a push ended in an error.
    failed: bool,
}

/// A chunk of another part, as its bytes stand there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EncodedChunk<'a> {
    pub(crate) kind: ChunkKind,
    pub(crate) timestamps_ms: &'a [i64],
    pub(crate) values: &'a [u8],
    pub(crate) starts: &'a [u8],
}

impl<'a> PartWriter<'a> {
    /// Starts the part that will be `dir/name`.
    ///
    /// # Errors
    /// When that file exists already or a temporary one beside it cannot be created.
    pub fn create(fs: &'a dyn Fs, dir: &Path, name: &str, header: PartHeader) -> Result<Self> {
        let path = dir.join(name);
        if fs.exists(&path)? {
            return Err(Error::InvalidArgument {
                what: "part name",
                reason: format!("{} exists already", path.display()),
            });
        }
        Ok(Self {
            file: DataWriter::create(fs, dir.join(format!("{name}.tmp")))?,
            dir: dir.to_owned(),
            path,
            header,
            pairs: PairTable::default(),
            rows: SeriesRowsBuilder::default(),
            postings: Vec::new(),
            columns: ColumnDirectoryBuilder::default(),
            column_table: ColumnTable::new(),
            chunks: ChunkDirectoryBuilder::default(),
            series_chunks: Vec::new(),
            packing: Packing::None,
            encoders: Encoders::default(),
            samples: 0,
            histograms: 0,
            range: None,
            last: None,
            row: Vec::new(),
            failed: false,
        })
    }

    /// Adds a series; one without samples is left out.
    ///
    /// # Errors
    /// When the labels do not come after those of the series before, the samples do not ascend in time, or the file
    /// cannot be written. The writer is of no use after an error.
    pub fn push(&mut self, labels: &Labels, samples: Samples<'_>) -> Result<()> {
        self.check_usable()?;
        samples.check()?;
        if samples.is_empty() {
            return Ok(());
        }
        self.failed = true;
        self.set_row(labels)?;
        self.last = Some(labels.clone());
        self.put_samples(samples, None)?;
        let row = std::mem::take(&mut self.row);
        self.end_series(&row)?;
        self.row = row;
        self.failed = false;
        Ok(())
    }

    /// What an error left behind half done must not get into a part.
    fn check_usable(&self) -> Result<()> {
        if self.failed {
            return Err(Error::InvalidArgument {
                what: "part writer",
                reason: "a series before was refused".to_owned(),
            });
        }
        Ok(())
    }

    /// Numbers the pairs of `labels`, most of which stand at the same place in the series before, and checks the order.
    fn set_row(&mut self, labels: &Labels) -> Result<()> {
        let last = self.last.take().unwrap_or_default();
        let mut last_pairs = last.iter();
        // The sets compare as their first different pairs do; one that ends there is the lesser.
        let mut follows = self.rows.series() == 0 && labels.is_empty();
        self.row.truncate(labels.len());
        for (at, pair) in labels.iter().enumerate() {
            let last_pair = last_pairs.next();
            if last_pair == Some(pair) {
                continue;
            }
            if !follows && last_pair > Some(pair) {
                break;
            }
            follows = true;
            let id = self.pairs.intern(pair.0, pair.1)?;
            match self.row.get_mut(at) {
                Some(place) => *place = id,
                None => self.row.push(id),
            }
        }
        if follows {
            return Ok(());
        }
        Err(Error::InvalidArgument {
            what: "series order",
            reason: format!("{labels} does not come after {last}"),
        })
    }

    /// Numbers a pair that is new to the part; for callers that know all pairs before the first series.
    pub(crate) fn add_pair(&mut self, name: &str, value: &str) -> Result<u32> {
        self.pairs.push(name, value)
    }

    /// Takes over pairs numbered in label order; for callers that know all pairs before the first series.
    pub(crate) fn set_pairs(&mut self, pairs: PairTable) {
        self.pairs = pairs;
    }

    /// Adds samples of the series that the next [`Self::end_row`] ends, cut on `grid`. They are later than those added
    /// before, and floats come before histograms.
    pub(crate) fn put_samples(&mut self, samples: Samples<'_>, grid: Option<Grid>) -> Result<()> {
        let mut encoders = std::mem::take(&mut self.encoders);
        for range in cut::chunks(samples.timestamps_ms, grid) {
            let times = &samples.timestamps_ms[range.clone()];
            let encoder = encoders.of(self.packing, range.len());
            self.put_chunk(
                ChunkKind::Floats,
                times,
                |out| encoder.encode(&samples.values[range.clone()], out),
                starts_encoder(samples.start_timestamps_ms.get(range.clone()), times[0]),
            )?;
        }
        for range in cut::chunks(samples.histogram_timestamps_ms, grid) {
            let times = &samples.histogram_timestamps_ms[range.clone()];
            let starts = samples.histogram_start_timestamps_ms.get(range.clone());
            let encoder = encoders.of(self.packing, range.len());
            self.put_chunk(
                ChunkKind::Histograms,
                times,
                |out| encoder.encode_histograms(&samples.histograms[range.clone()], out),
                starts_encoder(starts, times[0]),
            )?;
        }
        self.encoders = encoders;
        Ok(())
    }

    /// Adds a chunk that is encoded already, with the rules of [`Self::put_samples`].
    pub(crate) fn put_encoded(&mut self, chunk: EncodedChunk<'_>) -> Result<()> {
        self.put_chunk(
            chunk.kind,
            chunk.timestamps_ms,
            |out| out.extend_from_slice(chunk.values),
            |out| out.extend_from_slice(chunk.starts),
        )
    }

    /// Ends a series by the numbers of its pairs, which all were added in label order before; one without samples is left
    /// out.
    ///
    /// # Errors
    /// When the row does not come after that of the series before, or is no row of a series.
    pub(crate) fn end_row(&mut self, row: &[u32]) -> Result<()> {
        if self.series_chunks.is_empty() {
            return Ok(());
        }
        let is_row = row.is_sorted_by(|a, b| a < b)
            && row.last().is_none_or(|last| *last < self.pairs.len());
        if !is_row || (self.rows.series() > 0 && *row <= *self.row) {
            return Err(Error::InvalidArgument {
                what: "series order",
                reason: format!("pairs {row:?} do not come after {:?}", self.row),
            });
        }
        self.row.clear();
        self.row.extend_from_slice(row);
        self.end_series(row)
    }

    /// Which chunks to make as small as they get; none unless this is called.
    pub(crate) const fn set_packing(&mut self, packing: Packing) {
        self.packing = packing;
    }

    fn put_chunk(
        &mut self,
        kind: ChunkKind,
        timestamps_ms: &[i64],
        values: impl FnOnce(&mut Vec<u8>),
        starts: impl FnOnce(&mut Vec<u8>),
    ) -> Result<()> {
        let (column, slice) = self.column(timestamps_ms)?;
        let offset = self.file.data_len();
        let values_len = chunk_len(self.file.data(values)?)?;
        let starts_len = chunk_len(self.file.data(starts)?)?;
        self.series_chunks.push(Chunk {
            kind,
            offset,
            values_len,
            starts_len,
            column,
            slice,
        });
        self.samples += timestamps_ms.len() as u64;
        if kind == ChunkKind::Histograms {
            self.histograms += timestamps_ms.len() as u64;
        }
        if let (Some(first), Some(last)) = (timestamps_ms.first(), timestamps_ms.last()) {
            let (min, max) = self.range.unwrap_or((*first, *last));
            self.range = Some((min.min(*first), max.max(*last)));
        }
        Ok(())
    }

    /// The column with these timestamps, written if there is none.
    fn column(&mut self, timestamps_ms: &[i64]) -> Result<(u32, Option<Slice>)> {
        let key = match self.column_table.find(timestamps_ms) {
            Ok(Found::Whole(column)) => return Ok((column, None)),
            Ok(Found::Slice { column, offset }) => {
                let slice = Slice {
                    offset: chunk_len(offset)?,
                    count: chunk_len(timestamps_ms.len())?,
                };
                return Ok((column, Some(slice)));
            }
            Err(key) => key,
        };
        let id = self.columns.count();
        let offset = self.file.data_len();
        let len = self
            .file
            .data(|out| encode_timestamps(timestamps_ms, out))?;
        let column = Column {
            offset,
            len: chunk_len(len)?,
            count: chunk_len(timestamps_ms.len())?,
            min_ms: timestamps_ms.first().copied().unwrap_or_default(),
            max_ms: timestamps_ms.last().copied().unwrap_or_default(),
        };
        self.columns.push(column).map_err(limit_error)?;
        self.column_table.insert(key, id, timestamps_ms);
        Ok((id, None))
    }

    fn end_series(&mut self, row: &[u32]) -> Result<()> {
        let rank = self.rows.series();
        self.rows.push(row).map_err(limit_error)?;
        self.chunks.push(&self.series_chunks).map_err(limit_error)?;
        self.series_chunks.clear();
        self.postings
            .resize_with(self.pairs.len() as usize, PostingsBuilder::default);
        for pair in row {
            self.postings[*pair as usize].push(rank);
        }
        Ok(())
    }

    /// Writes what remains, and makes the file durable at its place. Without any sample there is no part.
    ///
    /// # Errors
    /// When the file cannot be written, synced or renamed; the part must then be written again from its source.
    pub fn finish(mut self) -> Result<Option<PartSummary>> {
        self.check_usable()?;
        let Some((min_ms, max_ms)) = self.range else {
            return Ok(None);
        };
        let data_len = self.file.data_len();
        let pages = self.file.end_data()?;
        let mut footer = Footer {
            level: self.header.level,
            wal_seq_min: self.header.wal_seq_min,
            wal_seq_max: self.header.wal_seq_max,
            min_ms,
            max_ms,
            tenant: Vec::new(),
            series: self.rows.series(),
            pairs: 0,
            columns: self.columns.count(),
            chunks: self.chunks.chunks(),
            samples: self.samples,
            histograms: self.histograms,
            data_len,
            sections: [Extent::default(); 6],
        };
        let columns = std::mem::take(&mut self.columns).finish();
        let chunks = std::mem::take(&mut self.chunks).finish();
        let [symbols, series, postings] = self.index_sections(&mut footer)?;
        let payloads = [pages, columns, chunks, symbols, series, postings];
        for (at, payload) in payloads.into_iter().enumerate() {
            footer.sections[at] = self.write_section(SectionKind::LISTED[at], &payload)?;
        }
        let mut end = Vec::new();
        let checksum = footer.encode(&mut end).map_err(limit_error)?;
        self.file.append(&end)?;
        let bytes = self.file.finish(&self.path, &self.dir)?;
        Ok(Some(PartSummary::new(self.path, bytes, &footer, checksum)))
    }

    /// The sections symbols, series and postings, pairs numbered in label order.
    fn index_sections(&mut self, footer: &mut Footer) -> Result<[Vec<u8>; 3]> {
        let pairs = &self.pairs;
        let mut order: Vec<u32> = (0..pairs.len())
            .filter(|id| {
                let list = self.postings.get(*id as usize);
                list.is_some_and(|list| !list.is_empty())
            })
            .collect();
        order.sort_unstable_by(|a, b| pairs.get(*a).cmp(&pairs.get(*b)));
        let mut symbols = SymbolsBuilder::default();
        let mut postings = PostingsSection::default();
        let mut ranks = vec![u32::MAX; pairs.len() as usize];
        for (rank, id) in (0..).zip(&order) {
            let (name, value) = pairs.get(*id);
            symbols.push(name, value).map_err(limit_error)?;
            let list = std::mem::take(&mut self.postings[*id as usize]);
            postings.push(list).map_err(limit_error)?;
            ranks[*id as usize] = rank;
        }
        footer.pairs = u32::try_from(order.len()).expect("pairs are numbered by u32");
        let rows = std::mem::take(&mut self.rows);
        let series = renumber(rows, &ranks).map_err(limit_error)?;
        Ok([symbols.finish(), series, postings.finish()])
    }

    fn write_section(&mut self, kind: SectionKind, payload: &[u8]) -> Result<Extent> {
        let frame = section::Frame::of(kind.name(), kind.byte(), payload).map_err(limit_error)?;
        let offset = self.file.file_len();
        self.file.append(&frame.head)?;
        self.file.append(payload)?;
        self.file.append(&frame.crc32.to_le_bytes())?;
        Ok(Extent {
            offset,
            len: self.file.file_len() - offset,
            crc32: frame.crc32,
        })
    }
}

/// Appends `starts_ms`, if there are any and one is known.
fn starts_encoder(starts_ms: Option<&[i64]>, first_ms: i64) -> impl FnOnce(&mut Vec<u8>) {
    move |out| {
        if let Some(starts_ms) = starts_ms
            && starts_ms.iter().any(|start| *start != 0)
        {
            encode_starts(starts_ms, first_ms, out);
        }
    }
}

/// Writes `rows` anew with pair `id` numbered `ranks[id]`.
fn renumber(rows: SeriesRowsBuilder, ranks: &[u32]) -> chronoxide_format::Result<Vec<u8>> {
    let series = rows.series();
    let payload = rows.finish();
    if ranks.is_sorted() && !ranks.contains(&u32::MAX) {
        return Ok(payload);
    }
    let mut cursor = SeriesRows::new(&payload, series)?.cursor();
    let mut renumbered = SeriesRowsBuilder::default();
    let (mut row, mut before) = (Vec::new(), Vec::new());
    for rank in 0..series {
        row.clear();
        row.extend(cursor.row(rank)?.iter().map(|id| ranks[*id as usize]));
        if !row.is_sorted_by(|a, b| a < b) || (rank > 0 && row <= before) {
            return Err(chronoxide_format::Error::Corrupt {
                what: "series of a part",
                offset: rank as usize,
                reason: "the series did not come in label order",
            });
        }
        renumbered.push(&row)?;
        std::mem::swap(&mut row, &mut before);
    }
    Ok(renumbered.finish())
}

fn chunk_len(len: usize) -> Result<u32> {
    match u32::try_from(len) {
        Ok(narrow) if len <= CHUNK_BYTES_MAX => Ok(narrow),
        _ => Err(Error::LimitExceeded {
            what: "bytes of a chunk",
            value: len as u64,
            limit: CHUNK_BYTES_MAX as u64,
        }),
    }
}

/// What stops a builder is always that something is too large.
fn limit_error(error: chronoxide_format::Error) -> Error {
    match error {
        chronoxide_format::Error::TooLarge { what, value, limit } => {
            Error::LimitExceeded { what, value, limit }
        }
        error => Error::InvalidArgument {
            what: "part",
            reason: error.to_string(),
        },
    }
}
