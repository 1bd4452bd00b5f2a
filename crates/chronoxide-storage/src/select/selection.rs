//! The series of one selection.

use std::collections::BTreeMap;
use std::sync::Arc;

use chronoxide_format::part::ChunkPosition;
use chronoxide_model::{
    Labels, Reduction, Sample, SampleColumns, SeriesSet, SourceError, TimeRange,
};
use parking_lot::Mutex;

use super::found_series::FoundSeries;
use super::{ColumnsEnd, Overlay};
use crate::Result;
use crate::head::{BatchRows, HeadBatch, Mark};
use crate::part::{Part, Reduced};
use crate::tombstones::remove_hidden;

/// The series that satisfy a selection, in label order, as they were when it was made.
///
/// Iterating reads one series after the other; series without a sample in the range are left out. As a
/// [`SeriesSet`], series are read by index, from any thread.
#[derive(Debug)]
pub struct Selection {
    range: TimeRange,
    /// Series that are found, which other selections may share; entries tell which of them are meant.
    found: Arc<FoundSeries>,
    entries: Vec<Entry>,
    /// Where the series' samples are; an entry owns a stretch, oldest write first.
    places: Vec<Place>,
    sources: Sources,
    /// Times deleted of a series in one place, by place.
    hidden: BTreeMap<Place, Vec<TimeRange>>,
    /// Memory of those who read, and where in the parts they were: who reads on need not look for the place.
    idle: Mutex<Vec<Scratch>>,
}

/// What a selection keeps alive as long as it lives.
#[derive(Debug, Default)]
pub(super) struct Sources {
    pub(super) parts: Vec<Arc<Part>>,
    pub(super) batches: Vec<(Arc<HeadBatch>, Mark)>,
}

/// One series of a selection.
#[derive(Debug)]
pub(super) struct Entry {
    /// Which of those found.
    pub(super) series: u32,
    /// The end of its places; the next entry's begin there.
    pub(super) places_end: usize,
}

/// Where samples of a series are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// Part and rank.
    Part(u32, u32),
    /// Batch and series id.
    Head(u32, u32),
}

/// One series with its samples in the selected range.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    labels: Labels,
    columns: SampleColumns,
}

impl Selection {
    /// The series of `found` that `entries` tell, with samples in `places`.
    pub(super) fn new(
        range: TimeRange,
        sources: Sources,
        found: Arc<FoundSeries>,
        (entries, places): (Vec<Entry>, Vec<Place>),
        hidden: BTreeMap<Place, Vec<TimeRange>>,
    ) -> Self {
        Self {
            range,
            found,
            entries,
            places,
            sources,
            hidden,
            idle: Mutex::default(),
        }
    }

    /// A selection without series.
    pub(crate) fn empty(range: TimeRange) -> Self {
        Self::new(
            range,
            Sources::default(),
            Arc::default(),
            Default::default(),
            BTreeMap::new(),
        )
    }

    fn labels_at(&self, index: usize) -> &Labels {
        &self.found.labels[self.entries[index].series as usize]
    }

    pub(super) const fn range(&self) -> TimeRange {
        self.range
    }

    /// Where the samples of series `index` are, oldest write first.
    pub(super) fn places(&self, index: usize) -> &[Place] {
        let before = index.checked_sub(1).map(|before| &self.entries[before]);
        let start = before.map_or(0, |before| before.places_end);
        &self.places[start..self.entries[index].places_end]
    }

    pub(super) fn part(&self, index: u32) -> &Part {
        &self.sources.parts[index as usize]
    }

    pub(super) fn batch(&self, index: u32) -> (&HeadBatch, Mark) {
        let (batch, mark) = &self.sources.batches[index as usize];
        (batch, *mark)
    }

    /// Replaces `columns` by the samples of series `index` in `range`, which must lie inside that of the selection.
    pub(super) fn read_within(
        &self,
        index: usize,
        range: TimeRange,
        columns: &mut SampleColumns,
    ) -> Result<()> {
        columns.clear();
        self.with_scratch(|scratch| {
            for place in self.places(index) {
                self.read_over(*place, range, None, scratch, columns)?;
            }
            Ok(())
        })
    }

    /// Calls `read` with memory that an earlier reader left.
    fn with_scratch<T>(&self, read: impl FnOnce(&mut Scratch) -> T) -> T {
        let mut scratch = self.idle.lock().pop().unwrap_or_default();
        let result = read(&mut scratch);
        self.idle.lock().push(scratch);
        result
    }

    fn read_series(&self, index: usize, columns: &mut SampleColumns) -> Result<()> {
        self.read_series_while(index, None, columns, &|_| true)
            .map(drop)
    }

    /// Asks `go_on` between places, of which each holds a partition at most.
    fn read_series_while(
        &self,
        index: usize,
        reduction: Option<(Reduction, TimeRange)>,
        columns: &mut SampleColumns,
        go_on: &dyn Fn(usize) -> bool,
    ) -> Result<bool> {
        columns.clear();
        let places = self.places(index);
        let mut times = Vec::new();
        if reduction.is_some_and(|(reduction, _)| reduction != Reduction::Times) {
            times.extend(places.iter().map(|place| self.times_of(*place)));
        }
        self.with_scratch(|scratch| {
            for (nth, place) in places.iter().enumerate() {
                if nth > 0 && !go_on(columns.len()) {
                    return Ok(false);
                }
                let reduced = reduction.map(|(reduction, core)| Reduced {
                    reduction,
                    core,
                    places: &times,
                    own: nth,
                    hidden: self.hidden_of(*place),
                });
                self.read_over(*place, self.range, reduced, scratch, columns)?;
            }
            Ok(true)
        })
    }

    /// What is deleted of the series that has samples in `place`.
    fn hidden_of(&self, place: Place) -> &[TimeRange] {
        self.hidden.get(&place).map_or(&[], Vec::as_slice)
    }

    /// From the earliest to the latest sample that any series has in `place`, or more.
    fn times_of(&self, place: Place) -> Option<TimeRange> {
        match place {
            Place::Part(part, _) => Some(self.sources.parts[part as usize].summary().range),
            Place::Head(batch, _) => {
                let (batch, _) = &self.sources.batches[batch as usize];
                batch.read(BatchRows::time_range)
            }
        }
    }

    /// Lays the samples of `place` over `columns`, which hold those of older places.
    fn read_over(
        &self,
        place: Place,
        range: TimeRange,
        reduced: Option<Reduced<'_>>,
        scratch: &mut Scratch,
        columns: &mut SampleColumns,
    ) -> Result<()> {
        let hidden = self.hidden_of(place);
        let newer = &mut scratch.newer;
        match place {
            Place::Part(part, rank) => {
                let index = part as usize;
                if scratch.positions.len() <= index {
                    let parts = self.sources.parts.len();
                    scratch.positions.resize_with(parts, ChunkPosition::default);
                }
                let (part, position) = (&self.sources.parts[index], &mut scratch.positions[index]);
                if hidden.is_empty() {
                    // Most places follow one another in time, so that nothing has to be moved.
                    let end = ColumnsEnd::of(columns);
                    part.read_on(position, rank, range, reduced, columns)?;
                    if end.is_before_the_rest(columns) {
                        return Ok(());
                    }
                    newer.clear();
                    end.split_off(columns, newer);
                } else {
                    newer.clear();
                    part.read_on(position, rank, range, reduced, newer)?;
                }
            }
            Place::Head(batch, sid) => {
                let (batch, mark) = &self.sources.batches[batch as usize];
                newer.clear();
                batch.read(|rows| rows.read_series(sid, range, *mark, &mut scratch.indexes, newer));
            }
        }
        if !hidden.is_empty() {
            remove_hidden(newer, hidden);
        }
        let left_out = columns.left_out + newer.left_out;
        scratch.overlay.lay(columns, newer);
        columns.left_out = left_out;
        Ok(())
    }
}

/// Memory of a reader.
#[derive(Debug, Default)]
struct Scratch {
    indexes: Vec<u32>,
    newer: SampleColumns,
    overlay: Overlay,
    /// By part.
    positions: Vec<ChunkPosition>,
}

impl SeriesSet for Selection {
    fn len(&self) -> usize {
        self.entries.len()
    }

    fn labels(&self, index: usize) -> Labels {
        self.labels_at(index).clone()
    }

    fn read(&self, index: usize, columns: &mut SampleColumns) -> Result<(), SourceError> {
        self.read_series(index, columns).map_err(Into::into)
    }

    fn read_while(
        &self,
        index: usize,
        columns: &mut SampleColumns,
        go_on: &dyn Fn(usize) -> bool,
    ) -> Result<bool, SourceError> {
        Ok(self.read_series_while(index, None, columns, go_on)?)
    }

    fn read_reduced_while(
        &self,
        index: usize,
        core: TimeRange,
        reduction: Reduction,
        columns: &mut SampleColumns,
        go_on: &dyn Fn(usize) -> bool,
    ) -> Result<bool, SourceError> {
        // What lies outside the selected range must not be counted.
        let core = self.range.intersection(&core);
        let reduction = match core {
            Some(core) => Some((reduction, core)),
            None if reduction.needs_values() => None,
            None => Some((Reduction::Times, self.range)),
        };
        Ok(self.read_series_while(index, reduction, columns, go_on)?)
    }
}

impl Selection {
    /// How many series the selection has; some may turn out to have no sample in the range.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether the selection has no series.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The labels of the series, in order, without reading a sample.
    pub fn labels(&self) -> impl ExactSizeIterator<Item = &Labels> {
        (0..self.entries.len()).map(|index| self.labels_at(index))
    }
}

/// The series of a [`Selection`], read one after the other.
#[derive(Debug)]
pub struct SelectionIter {
    selection: Selection,
    next: usize,
}

impl IntoIterator for Selection {
    type Item = Result<Series>;
    type IntoIter = SelectionIter;

    fn into_iter(self) -> SelectionIter {
        SelectionIter {
            selection: self,
            next: 0,
        }
    }
}

impl Iterator for SelectionIter {
    type Item = Result<Series>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.next < self.selection.entries.len() {
            let index = self.next;
            self.next += 1;
            let mut columns = SampleColumns::default();
            if let Err(error) = self.selection.read_series(index, &mut columns) {
                return Some(Err(error));
            }
            if !columns.is_empty() {
                let labels = self.selection.labels_at(index).clone();
                return Some(Ok(Series { labels, columns }));
            }
        }
        None
    }
}

impl Series {
    /// The series' identity.
    #[must_use]
    pub fn labels(&self) -> &Labels {
        &self.labels
    }

    /// The float samples, ascending in time.
    pub fn samples(&self) -> impl ExactSizeIterator<Item = Sample> + '_ {
        let times = self.columns.timestamps_ms.iter();
        times
            .zip(&self.columns.values)
            .map(|(timestamp_ms, value)| Sample::new(*timestamp_ms, *value))
    }

    /// All samples, histograms and start times included.
    #[must_use]
    pub fn columns(&self) -> &SampleColumns {
        &self.columns
    }
}
