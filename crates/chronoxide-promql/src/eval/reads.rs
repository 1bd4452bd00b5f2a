//! Selectors of the same series, as in `rate(a[5m]) / rate(a[1h])`: read once, over the times of all of them, and kept.

mod uses;

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use chronoxide_model::{
    Labels, Matcher, Reduction, SampleColumns, SeriesSet, SeriesSource, SourceError, TimeRange,
};

use crate::eval::meter::SAMPLE_BYTES;
use crate::eval::selector::{size_of_labels, size_of_samples};
use crate::eval::{Charge, Meter, Shared, Size, Steps};
use crate::plan::Node;
use uses::{Group, groups};

/// So many bytes are kept in one query, unless its limits are small.
const KEPT_BYTES_MAX: u64 = 32 << 20;

/// The part of a query's limits that may go to what is kept only so that nobody reads it again.
const KEPT_PART: u64 = 8;

/// What a kept series takes beside its labels and samples.
const SERIES_BYTES: u64 = (size_of::<OnceLock<Box<KeptSeries>>>() + size_of::<KeptSeries>()) as u64;

/// A source that keeps what several selectors of one query read.
pub(crate) struct Reads<'s> {
    source: &'s dyn SeriesSource,
    meter: Arc<Meter>,
    bytes_max: u64,
    bytes: AtomicU64,
    groups: Vec<(Group<'s>, OnceLock<Option<Kept<'s>>>)>,
}

impl fmt::Debug for Reads<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reads")
            .field("groups", &self.groups)
            .finish_non_exhaustive()
    }
}

impl<'s> Reads<'s> {
    /// What the plan `node` reads of `source` at `steps`; `shared` are expressions of it that are evaluated once anyway.
    pub(crate) fn of(
        node: &'s Node,
        steps: Steps,
        lookback_ms: i64,
        shared: &Shared<'_>,
        source: &'s dyn SeriesSource,
        meter: &Arc<Meter>,
    ) -> Self {
        let groups = groups(node, steps, lookback_ms, shared);
        let limit = meter.bytes_max();
        let limit = limit.min(meter.samples_max().saturating_mul(SAMPLE_BYTES));
        Self {
            source,
            meter: Arc::clone(meter),
            bytes_max: KEPT_BYTES_MAX.min(limit / KEPT_PART),
            bytes: AtomicU64::new(0),
            groups: groups
                .into_iter()
                .map(|group| (group, OnceLock::new()))
                .collect(),
        }
    }

    /// The selection that others read as well, if there is one for `matchers` at `times`.
    fn kept(
        &self,
        matchers: &[Matcher],
        times: TimeRange,
        go_on: &dyn Fn() -> bool,
    ) -> Result<Option<&Kept<'s>>, SourceError> {
        let found = self
            .groups
            .iter()
            .find(|(group, _)| group.holds(matchers, times));
        let Some((group, kept)) = found else {
            return Ok(None);
        };
        if kept.get().is_none() {
            let Some(set) = self.source.select_while(matchers, group.times, go_on)? else {
                return Ok(None);
            };
            let new = self
                .room_for(group, &*set)
                .map(|charge| Kept::new(set, group.times, charge));
            // Somebody else may have been faster, with the same.
            let _ = kept.set(new);
        }
        let kept = kept.get().and_then(Option::as_ref);
        Ok(kept.filter(|kept| !kept.is_full.load(Ordering::Relaxed)))
    }

    /// Counts what keeping `set` takes without any samples; nothing when it would be too much with them.
    fn room_for(&self, group: &Group<'_>, set: &dyn SeriesSet) -> Option<Charge> {
        let series = (set.len() as u64).saturating_mul(SERIES_BYTES);
        let size = size_of_labels(set).and(Size::of_bytes(series));
        let whole = size.bytes.saturating_add(group.size_guess(set.len()));
        if self.bytes.load(Ordering::Relaxed).saturating_add(whole) > self.bytes_max {
            return None;
        }
        self.take(size)
    }

    /// Counts `size` as kept if there is room.
    fn take(&self, size: Size) -> Option<Charge> {
        let before = self.bytes.fetch_add(size.bytes, Ordering::Relaxed);
        let fits = before.saturating_add(size.bytes) <= self.bytes_max;
        let charge = fits.then(|| Charge::new(&self.meter, size));
        let charge = charge.and_then(Result::ok);
        if charge.is_none() {
            self.bytes.fetch_sub(size.bytes, Ordering::Relaxed);
        }
        charge
    }

    /// Keeps a copy of `columns`, those of series `index`; once there is no room, no selector after this one shares `kept`.
    fn keep(&self, kept: &Kept<'_>, index: usize, columns: &SampleColumns) {
        // They count as memory and not as samples, which would leave fewer of these to the query.
        let size = Size::of_bytes(size_of_samples(columns).bytes);
        match self.take(size) {
            Some(charge) => {
                // Each selector reads a series once, one after the other, so that nobody has been faster.
                let _ = kept.series[index].set(Box::new(KeptSeries {
                    columns: columns.clone(),
                    _charge: charge,
                }));
            }
            None => kept.is_full.store(true, Ordering::Relaxed),
        }
    }
}

impl SeriesSource for Reads<'_> {
    fn select(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
    ) -> Result<Box<dyn SeriesSet + '_>, SourceError> {
        self.source.select(matchers, range)
    }

    fn select_while(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        go_on: &dyn Fn() -> bool,
    ) -> Result<Option<Box<dyn SeriesSet + '_>>, SourceError> {
        match self.kept(matchers, range, go_on)? {
            Some(kept) => Ok(Some(Box::new(KeptSet {
                reads: self,
                kept,
                times: range,
            }))),
            None => self.source.select_while(matchers, range, go_on),
        }
    }

    fn label_names(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
    ) -> Result<Vec<String>, SourceError> {
        self.source.label_names(matchers, range)
    }

    fn label_values(
        &self,
        name: &str,
        matchers: &[Matcher],
        range: TimeRange,
    ) -> Result<Vec<String>, SourceError> {
        self.source.label_values(name, matchers, range)
    }
}

/// A selection over the times of all its selectors, and what of it was read.
#[derive(Debug)]
struct Kept<'s> {
    set: Box<dyn SeriesSet + 's>,
    times: TimeRange,
    series: Vec<OnceLock<Box<KeptSeries>>>,
    /// Whether some series found no room: who reads the selection then reads all times for them.
    is_full: AtomicBool,
    /// What the labels take.
    _charge: Charge,
}

#[derive(Debug)]
struct KeptSeries {
    columns: SampleColumns,
    _charge: Charge,
}

impl<'s> Kept<'s> {
    fn new(set: Box<dyn SeriesSet + 's>, times: TimeRange, charge: Charge) -> Self {
        let series = (0..set.len()).map(|_| OnceLock::new()).collect();
        Self {
            set,
            times,
            series,
            is_full: AtomicBool::new(false),
            _charge: charge,
        }
    }
}

/// The part of a kept selection that one selector reads.
#[derive(Debug)]
struct KeptSet<'r, 's> {
    reads: &'r Reads<'s>,
    kept: &'r Kept<'s>,
    times: TimeRange,
}

impl KeptSet<'_, '_> {
    /// Puts the samples of series `index` into `columns`, if they are kept.
    fn copy(&self, index: usize, columns: &mut SampleColumns) -> bool {
        let Some(kept) = self.kept.series[index].get() else {
            return false;
        };
        columns.clear();
        copy_within(&kept.columns, self.times, columns);
        true
    }
}

impl SeriesSet for KeptSet<'_, '_> {
    fn len(&self) -> usize {
        self.kept.set.len()
    }

    fn labels(&self, index: usize) -> Labels {
        self.kept.set.labels(index)
    }

    fn read(&self, index: usize, columns: &mut SampleColumns) -> Result<(), SourceError> {
        self.read_while(index, columns, &|_| true).map(|_| ())
    }

    fn read_while(
        &self,
        index: usize,
        columns: &mut SampleColumns,
        go_on: &dyn Fn(usize) -> bool,
    ) -> Result<bool, SourceError> {
        if self.copy(index, columns) {
            return Ok(true);
        }
        let whole = self.kept.set.read_while(index, columns, go_on)?;
        if whole {
            self.reads.keep(self.kept, index, columns);
            cut(columns, self.times);
        }
        Ok(whole)
    }

    /// What was read with samples left out is not kept, and is left out only where that is most of the time: others want
    /// the rest.
    fn read_reduced_while(
        &self,
        index: usize,
        core: TimeRange,
        reduction: Reduction,
        columns: &mut SampleColumns,
        go_on: &dyn Fn(usize) -> bool,
    ) -> Result<bool, SourceError> {
        if span_ms(core) < span_ms(self.kept.times) / 2 {
            return self.read_while(index, columns, go_on);
        }
        if self.copy(index, columns) {
            return Ok(true);
        }
        let set = &self.kept.set;
        let whole = set.read_reduced_while(index, core, reduction, columns, go_on)?;
        cut(columns, self.times);
        Ok(whole)
    }
}

const fn span_ms(times: TimeRange) -> u64 {
    times.max_ms().abs_diff(times.min_ms())
}

/// Where in ascending `times_ms` those within `range` are.
fn within(times_ms: &[i64], range: TimeRange) -> std::ops::Range<usize> {
    let start = times_ms.partition_point(|at_ms| *at_ms < range.min_ms());
    let end = times_ms.partition_point(|at_ms| *at_ms <= range.max_ms());
    start..end
}

/// Adds the samples of `from` within `range` to `to`.
fn copy_within(from: &SampleColumns, range: TimeRange, to: &mut SampleColumns) {
    let floats = within(&from.timestamps_ms, range);
    to.timestamps_ms
        .extend_from_slice(&from.timestamps_ms[floats.clone()]);
    to.values.extend_from_slice(&from.values[floats.clone()]);
    if !from.start_timestamps_ms.is_empty() {
        to.start_timestamps_ms
            .extend_from_slice(&from.start_timestamps_ms[floats]);
    }
    let histograms = within(&from.histogram_timestamps_ms, range);
    to.histogram_timestamps_ms
        .extend_from_slice(&from.histogram_timestamps_ms[histograms.clone()]);
    to.histograms
        .extend_from_slice(&from.histograms[histograms.clone()]);
    if !from.histogram_start_timestamps_ms.is_empty() {
        to.histogram_start_timestamps_ms
            .extend_from_slice(&from.histogram_start_timestamps_ms[histograms]);
    }
}

/// Removes the samples of `columns` outside `range`.
fn cut(columns: &mut SampleColumns, range: TimeRange) {
    fn keep<T>(column: &mut Vec<T>, range: &std::ops::Range<usize>) {
        column.truncate(range.end);
        column.drain(..range.start.min(column.len()));
    }
    let floats = within(&columns.timestamps_ms, range);
    keep(&mut columns.timestamps_ms, &floats);
    keep(&mut columns.values, &floats);
    keep(&mut columns.start_timestamps_ms, &floats);
    let histograms = within(&columns.histogram_timestamps_ms, range);
    keep(&mut columns.histogram_timestamps_ms, &histograms);
    keep(&mut columns.histograms, &histograms);
    keep(&mut columns.histogram_start_timestamps_ms, &histograms);
}

#[cfg(test)]
mod tests;
