//! One batch of the head: columns of samples, chained by series.

use std::collections::HashMap;
use std::sync::Arc;

use chronoxide_format::wal_record::Batch;
use chronoxide_model::{Histogram, HistogramCounts, SampleColumns, TimeRange};
use parking_lot::RwLock;

use super::page::{FLOAT_BYTES, Page, ROWS, SparePages};
use crate::part::ChunkSpan;

/// A batch that is written by one thread at a time and read by any.
#[derive(Debug, Default)]
pub(crate) struct HeadBatch {
    rows: RwLock<BatchRows>,
}

/// How much of a batch a reader has seen; later appends do not show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    floats: u32,
    histograms: u32,
}

impl HeadBatch {
    /// An empty batch that takes the pages of `before` when that is dropped.
    pub(crate) fn after(before: &Self) -> Self {
        let mut rows = BatchRows::default();
        before.read(|before| {
            rows.spare = Arc::clone(&before.spare);
            rows.tails.reserve_exact(before.tails.len());
        });
        Self {
            rows: RwLock::new(rows),
        }
    }

    /// Appends under the batch's lock.
    pub(crate) fn append(&self, append: impl FnOnce(&mut BatchRows)) {
        append(&mut self.rows.write());
    }

    /// Reads under the batch's lock.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&BatchRows) -> T) -> T {
        read(&self.rows.read())
    }
}

/// The columns of a batch.
#[derive(Debug, Default)]
pub(crate) struct BatchRows {
    /// All full but the last.
    pages: Vec<Page>,
    /// Float samples.
    floats: u32,
    /// Where pages come from and go back to.
    spare: Arc<SparePages>,
    /// Whether a float sample has a start timestamp.
    has_starts: bool,
    /// By series id: its newest float sample, or [`NONE`].
    tails: Vec<u32>,
    histograms: Vec<HistogramRow>,
    histogram_tails: HashMap<u32, u32>,
    histogram_bytes: usize,
    time_range: Option<TimeRange>,
    sequences: Option<(u64, u64)>,
}

/// A histogram sample.
#[derive(Debug)]
struct HistogramRow {
    timestamp_ms: i64,
    /// 0 when unknown.
    start_timestamp_ms: i64,
    histogram: Histogram,
    /// The one before it of the same series, or [`NONE`].
    previous: u32,
    /// How many float samples came before it.
    floats_before: u32,
}

const NONE: u32 = u32::MAX;

impl BatchRows {
    /// Notes that the record with this sequence number is in the batch.
    pub(crate) fn note_sequence(&mut self, sequence: u64) {
        let (min, max) = self.sequences.unwrap_or((sequence, sequence));
        self.sequences = Some((min.min(sequence), max.max(sequence)));
    }

    /// Appends the samples of a record.
    pub(crate) fn push(&mut self, batch: Batch) {
        self.push_floats(
            &batch.sids,
            &batch.timestamps_ms,
            &batch.values,
            &batch.start_timestamps_ms,
        );
        let starts = &batch.histogram_start_timestamps_ms;
        for (index, histogram) in batch.histograms.into_iter().enumerate() {
            let sid = batch.histogram_sids[index];
            let start = starts.get(index).copied().unwrap_or(0);
            self.push_histogram(sid, batch.histogram_timestamps_ms[index], start, histogram);
        }
    }

    /// Appends float samples; the columns are equally long, `start_timestamps_ms` may be empty.
    pub(crate) fn push_floats(
        &mut self,
        sids: &[u32],
        timestamps_ms: &[i64],
        values: &[f64],
        start_timestamps_ms: &[i64],
    ) {
        let mut taken = 0;
        while taken < sids.len() {
            let at = self.floats as usize % ROWS;
            if at == 0 {
                self.pages.push(self.spare.take());
            }
            let rows = (ROWS - at).min(sids.len() - taken);
            let these = taken..taken + rows;
            let starts = start_timestamps_ms.get(these.clone()).unwrap_or(&[]);
            self.push_rows(
                &sids[these.clone()],
                &timestamps_ms[these.clone()],
                &values[these],
                starts,
            );
            taken += rows;
        }
        self.note_times(timestamps_ms);
    }

    /// Appends float samples that fit into the last page.
    fn push_rows(
        &mut self,
        sids: &[u32],
        timestamps_ms: &[i64],
        values: &[f64],
        starts_ms: &[i64],
    ) {
        let Some(page) = self.pages.last_mut() else {
            return;
        };
        let at = self.floats as usize % ROWS;
        page.write_times(at, timestamps_ms);
        page.write_values(at, values);
        page.write_starts(at, sids.len(), starts_ms);
        self.has_starts |= !starts_ms.is_empty();
        let previous = page.previous_mut(at).iter_mut();
        for ((previous, sid), index) in previous.zip(sids).zip(self.floats..) {
            *previous = std::mem::replace(tail_mut(&mut self.tails, *sid), index);
        }
        self.floats += sids.len() as u32;
    }

    fn page(&self, index: u32) -> &Page {
        &self.pages[index as usize / ROWS]
    }

    pub(super) fn time_of(&self, index: u32) -> i64 {
        self.page(index).time(index as usize % ROWS)
    }

    /// The sample before it of the same series, or [`NONE`].
    fn before(&self, index: u32) -> u32 {
        self.page(index).previous(index as usize % ROWS)
    }

    /// Appends the float samples of a series to `indexes`, in order of arrival.
    pub(super) fn floats_of(&self, sid: u32, indexes: &mut Vec<u32>) {
        let start = indexes.len();
        let mut index = self.tail(sid);
        while index != NONE {
            indexes.push(index);
            index = self.before(index);
        }
        indexes[start..].reverse();
    }

    /// Appends the histogram samples of a series to `indexes`, in order of arrival.
    pub(super) fn histograms_of(&self, sid: u32, indexes: &mut Vec<u32>) {
        if self.histograms.is_empty() {
            return;
        }
        let start = indexes.len();
        let mut index = self.histogram_tails.get(&sid).copied().unwrap_or(NONE);
        while index != NONE {
            indexes.push(index);
            index = self.histograms[index as usize].previous;
        }
        indexes[start..].reverse();
    }

    /// When a histogram sample was taken.
    pub(super) fn histogram_time_of(&self, index: u32) -> i64 {
        self.histograms[index as usize].timestamp_ms
    }

    fn note_times(&mut self, timestamps_ms: &[i64]) {
        let (Some(min), Some(max)) = (timestamps_ms.iter().min(), timestamps_ms.iter().max())
        else {
            return;
        };
        let range = TimeRange::new(*min, *max).expect("the least is no greater than the greatest");
        self.time_range = Some(self.time_range.map_or(range, |known| known.union(&range)));
    }

    /// Appends a histogram sample; `start_timestamp_ms` is 0 when unknown.
    fn push_histogram(
        &mut self,
        sid: u32,
        timestamp_ms: i64,
        start_timestamp_ms: i64,
        histogram: Histogram,
    ) {
        let index = self.histograms.len() as u32;
        self.histogram_bytes += size_of::<HistogramRow>() + heap_bytes(&histogram);
        self.note_times(&[timestamp_ms]);
        self.histograms.push(HistogramRow {
            timestamp_ms,
            start_timestamp_ms,
            histogram,
            previous: self.histogram_tails.insert(sid, index).unwrap_or(NONE),
            floats_before: self.floats,
        });
    }

    /// Everything appended so far.
    pub(crate) fn mark(&self) -> Mark {
        Mark {
            floats: self.floats,
            histograms: self.histograms.len() as u32,
        }
    }

    /// Samples of either kind.
    pub(crate) fn sample_count(&self) -> usize {
        self.floats as usize + self.histograms.len()
    }

    /// Bytes of memory the samples take; the batch may hold more that is not in use yet.
    pub(crate) fn memory_bytes(&self) -> usize {
        let floats = self.floats as usize;
        let rows = (0..floats)
            .step_by(ROWS)
            .map(|start| (floats - start).min(ROWS));
        let pages = self.pages.iter().zip(rows);
        let extra = pages.map(|(page, rows)| page.extra_row_bytes() * rows);
        floats * FLOAT_BYTES
            + extra.sum::<usize>()
            + self.tails.len() * size_of::<u32>()
            + self.histogram_bytes
    }

    /// Bytes of memory kept for the batches to come.
    pub(crate) fn spare_bytes(&self) -> usize {
        self.spare.memory_bytes()
    }

    /// From the earliest to the latest sample.
    pub(crate) fn time_range(&self) -> Option<TimeRange> {
        self.time_range
    }

    /// The least and the greatest sequence number in the batch.
    pub(crate) fn sequences(&self) -> Option<(u64, u64)> {
        self.sequences
    }

    /// Whether a series has a sample in the batch.
    pub(crate) fn has_series(&self, sid: u32) -> bool {
        self.tail(sid) != NONE || self.histogram_tails.contains_key(&sid)
    }

    fn tail(&self, sid: u32) -> u32 {
        self.tails.get(sid as usize).copied().unwrap_or(NONE)
    }

    /// When series `sid` has samples in `range`, and how many; a histogram counts as `histogram_samples`.
    pub(crate) fn span(
        &self,
        sid: u32,
        range: TimeRange,
        mark: Mark,
        histogram_samples: usize,
    ) -> Option<ChunkSpan> {
        let mut span = None;
        let mut note = |time_ms: i64, samples: usize| {
            let found = span.get_or_insert(ChunkSpan {
                first_ms: time_ms,
                last_ms: time_ms,
                count: 0,
            });
            found.first_ms = found.first_ms.min(time_ms);
            found.last_ms = found.last_ms.max(time_ms);
            found.count += samples;
        };
        let mut index = self.tail(sid);
        while index != NONE {
            let time_ms = self.time_of(index);
            if index < mark.floats && range.contains(time_ms) {
                note(time_ms, 1);
            }
            index = self.before(index);
        }
        let mut index = self.histogram_tails.get(&sid).copied().unwrap_or(NONE);
        while index != NONE {
            let row = &self.histograms[index as usize];
            if index < mark.histograms && range.contains(row.timestamp_ms) {
                note(row.timestamp_ms, histogram_samples);
            }
            index = row.previous;
        }
        span
    }

    /// Appends the samples of series `sid` in `range` to `columns`, which must be empty; `scratch` is working space.
    pub(crate) fn read_series(
        &self,
        sid: u32,
        range: TimeRange,
        mark: Mark,
        scratch: &mut Vec<u32>,
        columns: &mut SampleColumns,
    ) {
        scratch.clear();
        let mut index = self.tail(sid);
        while index != NONE {
            if index < mark.floats && range.contains(self.time_of(index)) {
                scratch.push(index);
            }
            index = self.before(index);
        }
        scratch.reverse();
        let floats = scratch.len();
        let mut index = self.histogram_tails.get(&sid).copied().unwrap_or(NONE);
        while index != NONE {
            let row = &self.histograms[index as usize];
            if index < mark.histograms && range.contains(row.timestamp_ms) {
                scratch.push(index);
            }
            index = row.previous;
        }
        let (floats, histograms) = scratch.split_at_mut(floats);
        histograms.reverse();
        self.gather(floats, histograms, columns);
    }

    /// Copies samples of one series, given in order of arrival, into ascending columns. Of samples with one timestamp
    /// the last to arrive stays. The slices are sorted on the way.
    pub(super) fn gather(
        &self,
        floats: &mut [u32],
        histograms: &mut [u32],
        columns: &mut SampleColumns,
    ) {
        if histograms.is_empty() {
            self.copy_floats(floats.iter().copied(), columns);
            if is_ascending(&columns.timestamps_ms) {
                return;
            }
            columns.clear();
        }
        let time = |index: &u32| self.time_of(*index);
        let floats = ascending(floats, time);
        let histogram_time = |index: &u32| self.histogram_time_of(*index);
        let histograms = ascending(histograms, histogram_time);
        // A timestamp may stand in one kind only: the later arrival.
        let beats = |float: u32, row: u32| float >= self.histograms[row as usize].floats_before;
        let rival_row = |float: &u32| {
            let found = histograms.binary_search_by_key(&time(float), histogram_time);
            found.ok().map(|found| histograms[found])
        };
        let kept = floats
            .iter()
            .copied()
            .filter(|float| rival_row(float).is_none_or(|row| beats(*float, row)));
        self.copy_floats(kept, columns);
        let rival_float = |row: &u32| {
            let found = floats.binary_search_by_key(&histogram_time(row), time);
            found.ok().map(|found| floats[found])
        };
        let kept = histograms
            .iter()
            .copied()
            .filter(|row| rival_float(row).is_none_or(|float| !beats(float, *row)));
        self.copy_histograms(kept, columns);
    }

    fn copy_floats(&self, indexes: impl Iterator<Item = u32> + Clone, columns: &mut SampleColumns) {
        for index in indexes.clone() {
            let (page, row) = (self.page(index), index as usize % ROWS);
            columns.timestamps_ms.push(page.time(row));
            columns.values.push(page.value(row));
        }
        if self.has_starts {
            let copy = indexes.map(|index| self.page(index).start(index as usize % ROWS));
            columns.start_timestamps_ms.extend(copy);
            if columns.start_timestamps_ms.iter().all(|start| *start == 0) {
                columns.start_timestamps_ms.clear();
            }
        }
    }

    fn copy_histograms(&self, indexes: impl Iterator<Item = u32>, columns: &mut SampleColumns) {
        let mut started = false;
        for row in indexes.map(|index| &self.histograms[index as usize]) {
            columns.histogram_timestamps_ms.push(row.timestamp_ms);
            columns.histograms.push(row.histogram.clone());
            columns
                .histogram_start_timestamps_ms
                .push(row.start_timestamp_ms);
            started |= row.start_timestamp_ms != 0;
        }
        if !started {
            columns.histogram_start_timestamps_ms.clear();
        }
    }
}

impl Drop for BatchRows {
    fn drop(&mut self) {
        self.spare.give_back(std::mem::take(&mut self.pages));
    }
}

fn tail_mut(tails: &mut Vec<u32>, sid: u32) -> &mut u32 {
    let index = sid as usize;
    if index >= tails.len() {
        tails.resize(index + 1, NONE);
    }
    &mut tails[index]
}

/// Whether every timestamp is later than the one before it.
fn is_ascending(timestamps_ms: &[i64]) -> bool {
    timestamps_ms.windows(2).all(|pair| pair[0] < pair[1])
}

/// Sorts indexes by time and keeps the last of each time; nothing moves when they ascend already.
fn ascending(indexes: &mut [u32], time: impl Fn(&u32) -> i64) -> &[u32] {
    if indexes
        .windows(2)
        .all(|pair| time(&pair[0]) < time(&pair[1]))
    {
        return indexes;
    }
    indexes.sort_by_key(|index| time(index));
    let mut kept = 0;
    for next in 0..indexes.len() {
        if kept > 0 && time(&indexes[kept - 1]) == time(&indexes[next]) {
            indexes[kept - 1] = indexes[next];
        } else {
            indexes[kept] = indexes[next];
            kept += 1;
        }
    }
    &indexes[..kept]
}

fn heap_bytes(histogram: &Histogram) -> usize {
    let buckets = match &histogram.counts {
        HistogramCounts::Integer(counts) => counts.positive.capacity() + counts.negative.capacity(),
        HistogramCounts::Float(counts) => counts.positive.capacity() + counts.negative.capacity(),
    };
    let spans = histogram.positive_spans.capacity() + histogram.negative_spans.capacity();
    (buckets + spans + histogram.custom_bounds.len()) * 8
}

#[cfg(test)]
mod tests {
    use chronoxide_model::{BucketCounts, CounterResetHint};

    use super::*;

    fn histogram(sum: f64) -> Histogram {
        Histogram {
            counter_reset_hint: CounterResetHint::Unknown,
            schema: 0,
            zero_threshold: 0.0,
            sum,
            positive_spans: Vec::new(),
            negative_spans: Vec::new(),
            counts: HistogramCounts::Integer(BucketCounts::default()),
            custom_bounds: Arc::default(),
        }
    }

    fn read(rows: &BatchRows, sid: u32, range: TimeRange) -> SampleColumns {
        let mut columns = SampleColumns::default();
        rows.read_series(sid, range, rows.mark(), &mut Vec::new(), &mut columns);
        columns
    }

    #[test]
    fn each_series_reads_its_own_samples_in_time_order() {
        let mut rows = BatchRows::default();
        rows.push_floats(&[3, 0, 3, 3], &[30, 5, 10, 20], &[3.0, 0.5, 1.0, 2.0], &[]);
        let columns = read(&rows, 3, TimeRange::ALL);
        assert_eq!(columns.timestamps_ms, [10, 20, 30]);
        assert_eq!(columns.values, [1.0, 2.0, 3.0]);
        assert!(columns.start_timestamps_ms.is_empty());
        let some = read(&rows, 3, TimeRange::new(11, 29).unwrap());
        assert_eq!(some.timestamps_ms, [20]);
        assert!(read(&rows, 1, TimeRange::ALL).is_empty());
        assert!(rows.has_series(0) && !rows.has_series(1) && !rows.has_series(9));
        assert_eq!(rows.time_range(), Some(TimeRange::new(5, 30).unwrap()));
    }

    #[test]
    fn the_last_arrival_wins_a_timestamp() {
        let mut rows = BatchRows::default();
        rows.push_floats(&[1, 1, 1], &[10, 10, 5], &[1.0, 2.0, 0.0], &[]);
        rows.push_floats(&[1], &[5], &[9.0], &[]);
        let columns = read(&rows, 1, TimeRange::ALL);
        assert_eq!(columns.timestamps_ms, [5, 10]);
        assert_eq!(columns.values, [9.0, 2.0]);
    }

    #[test]
    fn the_last_arrival_wins_across_kinds() {
        let mut rows = BatchRows::default();
        rows.push_floats(&[1, 1], &[10, 20], &[1.0, 2.0], &[]);
        rows.push_histogram(1, 10, 0, histogram(10.0));
        rows.push_histogram(1, 30, 7, histogram(30.0));
        rows.push_floats(&[1], &[30], &[3.0], &[]);
        rows.push_histogram(1, 40, 7, histogram(40.0));
        let columns = read(&rows, 1, TimeRange::ALL);
        assert_eq!(columns.timestamps_ms, [20, 30]);
        assert_eq!(columns.histogram_timestamps_ms, [10, 40]);
        assert_eq!(columns.histogram_start_timestamps_ms, [0, 7]);
        assert!(rows.memory_bytes() > 4 * 16);
        assert_eq!(rows.sample_count(), 6);
    }

    #[test]
    fn start_timestamps_stay_with_their_samples() {
        let mut rows = BatchRows::default();
        rows.push_floats(&[1], &[10], &[1.0], &[]);
        rows.push_floats(&[1, 2], &[20, 20], &[2.0, 2.0], &[15, 0]);
        rows.push_floats(&[1], &[5], &[0.0], &[]);
        let columns = read(&rows, 1, TimeRange::ALL);
        assert_eq!(columns.timestamps_ms, [5, 10, 20]);
        assert_eq!(columns.start_timestamps_ms, [0, 0, 15]);
        assert!(
            read(&rows, 2, TimeRange::ALL)
                .start_timestamps_ms
                .is_empty()
        );
    }

    #[test]
    fn a_start_timestamp_takes_eight_bytes_and_no_page() {
        let mut rows = BatchRows::default();
        rows.push_floats(&[0, 0], &[10, 20], &[1.0, 2.0], &[]);
        let before = rows.memory_bytes();
        rows.push_floats(&[0], &[30], &[3.0], &[25]);
        assert_eq!(rows.memory_bytes(), before + FLOAT_BYTES + 3 * 8);
    }

    #[test]
    fn a_mark_hides_what_comes_later() {
        let batch = HeadBatch::default();
        batch.append(|rows| rows.push_floats(&[0], &[1], &[1.0], &[]));
        let mark = batch.read(BatchRows::mark);
        batch.append(|rows| {
            rows.push_floats(&[0], &[1], &[2.0], &[]);
            rows.push_histogram(0, 2, 0, histogram(1.0));
            rows.note_sequence(4);
        });
        let mut columns = SampleColumns::default();
        batch.read(|rows| rows.read_series(0, TimeRange::ALL, mark, &mut Vec::new(), &mut columns));
        assert_eq!(columns.values, [1.0]);
        assert!(columns.histograms.is_empty());
        assert_eq!(batch.read(BatchRows::sequences), Some((4, 4)));
    }
}
