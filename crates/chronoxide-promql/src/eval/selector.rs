//! Series read from the source.

use std::sync::Arc;

use chronoxide_model::{
    HistogramCounts, Labels, Matcher, Reduction, SampleColumns, SeriesSet, TimeRange,
};

use crate::Error;
use crate::engine::Phase;
use crate::eval::{Charge, Evaluation, HistogramDetail, Meter, Size, parallel};

/// An ordinary distance of samples, to guess how many there are to read.
pub(super) const SAMPLE_MS: u64 = 30_000;

/// The series of one selector in one range of time.
#[derive(Debug)]
pub(crate) struct Selection<'q> {
    set: Box<dyn SeriesSet + 'q>,
    meter: Arc<Meter>,
    histograms: HistogramDetail,
    times: TimeRange,
    /// Which samples may be left out, if any.
    reduction: Option<(Reduction, TimeRange)>,
    /// What the series' labels take.
    _labels: Charge,
}

/// What is done with the samples of one series, by index.
pub(crate) type SamplesWork<'w, S, T> =
    &'w (dyn Fn(usize, &mut SampleColumns, &mut S) -> Result<Option<T>, Error> + Sync);

impl<'q> Selection<'q> {
    /// The series that satisfy all `matchers`.
    ///
    /// # Errors
    /// [`Error::Source`], and when the labels alone are too much to hold.
    pub(crate) fn new(
        evaluation: &Evaluation<'q>,
        matchers: &[Matcher],
        times: TimeRange,
    ) -> Result<Self, Error> {
        let query = evaluation.query;
        let finding = query.meter.time(Phase::Preparation);
        let go_on = || evaluation.check().is_ok();
        let set = query
            .source
            .select_while(matchers, times, &go_on)
            .map_err(Error::Source)?;
        drop(finding);
        let Some(set) = set else {
            evaluation.check()?;
            return Err(Error::execution("a source gave up by itself"));
        };
        query.meter.select(set.len() as u64);
        Ok(Self {
            _labels: Charge::new(&query.meter, size_of_labels(&*set))?,
            set,
            meter: Arc::clone(&query.meter),
            histograms: evaluation.histograms,
            times,
            reduction: None,
        })
    }

    /// The selection, whose samples may be left out as `reduction` says, inside the range it comes with.
    pub(crate) fn reduced_by(mut self, reduction: Option<(Reduction, TimeRange)>) -> Self {
        self.reduction = reduction;
        self
    }

    /// Reads all series, and does `work` with the samples of each, on several threads when there is much to do; hands
    /// what it gives to `sink`, in the order of the series. `S` is memory that a thread reuses.
    ///
    /// # Errors
    /// Whatever the source, `work` or `sink` fails with, and when the query is to stop.
    pub(crate) fn map<S: Default, T: Send>(
        &self,
        evaluation: &Evaluation<'_>,
        work: SamplesWork<'_, S, T>,
        sink: &mut dyn FnMut(T) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let read_and_work = |index: usize, (columns, state): &mut (SampleColumns, S)| {
            evaluation.check()?;
            if evaluation.has_enough() {
                return Ok(None);
            }
            let _charge = self.read(evaluation, index, columns)?;
            work(index, columns, state)
        };
        let helpers = evaluation.query.helpers.take(self.threads(evaluation));
        // Columns that lie ready for the sink; with one thread it gets each at once.
        let ready = parallel::results_ready(helpers.count()) * evaluation.steps.count;
        let bytes = size_of::<f64>() as u64 * ready as u64;
        let _ready = Charge::new(&self.meter, Size::of_bytes(bytes))?;
        parallel::in_order(helpers.count(), self.set.len(), &read_and_work, sink)
    }

    /// How many threads are worth starting.
    fn threads(&self, evaluation: &Evaluation<'_>) -> usize {
        /// Reading and computing so many cells takes about a millisecond, many times what a thread takes to start.
        const CELLS_MIN: u64 = 100_000;
        /// Threads have dozens of series ready; longer ones would take too much memory.
        const STEPS_MAX: usize = 20_000;
        let span_ms = self.times.max_ms().abs_diff(self.times.min_ms());
        let cells = evaluation.steps.count as u64 + span_ms / SAMPLE_MS;
        let is_small = cells.saturating_mul(self.set.len() as u64) < CELLS_MIN;
        if is_small || evaluation.steps.count > STEPS_MAX {
            1
        } else {
            evaluation.query.threads
        }
    }

    /// The labels of series `index`.
    pub(crate) fn labels(&self, index: usize) -> Labels {
        self.set.labels(index)
    }

    /// Reads series `index` into `columns`; its samples count against the limit until the charge is dropped.
    ///
    /// # Errors
    /// [`Error::Source`], [`Error::TooManySamples`].
    fn read(
        &self,
        evaluation: &Evaluation<'_>,
        index: usize,
        columns: &mut SampleColumns,
    ) -> Result<Charge, Error> {
        let left = self.meter.samples_left();
        let go_on = |samples: usize| samples as u64 <= left && evaluation.check().is_ok();
        let whole = match self.reduction {
            None => self.set.read_while(index, columns, &go_on),
            Some((reduction, core)) => {
                let set = &self.set;
                set.read_reduced_while(index, core, reduction, columns, &go_on)
            }
        };
        let whole = whole.map_err(Error::Source)?;
        self.meter.read(columns.len() as u64);
        if !whole {
            evaluation.check()?;
            return Err(self.meter.too_many_samples());
        }
        if !evaluation.query.features.start_timestamps {
            columns.start_timestamps_ms.clear();
            columns.histogram_start_timestamps_ms.clear();
        }
        self.histograms.apply(&mut columns.histograms);
        Charge::new(&self.meter, size_of_samples(columns))
    }
}

/// What the labels of all series take, going by some of them.
pub(super) fn size_of_labels(set: &dyn SeriesSet) -> Size {
    const LOOKED_AT: usize = 16;
    /// What a set keeps of a series beside the texts.
    const SERIES_BYTES: usize = 64;
    let stride = set.len().div_ceil(LOOKED_AT).max(1);
    let some = (0..set.len()).step_by(stride);
    let looked_at = some.len();
    let bytes: usize = some
        .map(|index| {
            let labels = set.labels(index);
            let texts: usize = labels
                .iter()
                .map(|(name, value)| name.len() + value.len())
                .sum();
            SERIES_BYTES + texts
        })
        .sum();
    Size::of_bytes((bytes * set.len() / looked_at.max(1)) as u64)
}

/// How large `columns` are.
pub(super) fn size_of_samples(columns: &SampleColumns) -> Size {
    let starts = columns.start_timestamps_ms.len() + columns.histogram_start_timestamps_ms.len();
    let floats = Size::of_floats(columns.values.len()).and(Size::of_bytes(8 * starts as u64));
    let histograms = columns.histograms.iter().map(|histogram| {
        Size::of_histogram(match &histogram.counts {
            HistogramCounts::Integer(counts) => counts.positive.len() + counts.negative.len(),
            HistogramCounts::Float(counts) => counts.positive.len() + counts.negative.len(),
        })
    });
    histograms.fold(floats, Size::and)
}
