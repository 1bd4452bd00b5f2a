//! Series read from the source.

use std::sync::Arc;

use chronoxide_model::{Labels, Matcher, SampleColumns, SeriesSet, TimeRange};

use crate::Error;
use crate::eval::{Charge, Evaluation, HistogramDetail, Meter, parallel};

/// The series of one selector in one range of time.
#[derive(Debug)]
pub(crate) struct Selection<'q> {
    set: Box<dyn SeriesSet + 'q>,
    meter: Arc<Meter>,
    histograms: HistogramDetail,
    times: TimeRange,
}

/// What is done with the samples of one series, by index.
pub(crate) type SamplesWork<'w, S, T> =
    &'w (dyn Fn(usize, &mut SampleColumns, &mut S) -> Result<Option<T>, Error> + Sync);

impl<'q> Selection<'q> {
    /// The series that satisfy all `matchers`.
    ///
    /// # Errors
    /// [`Error::Source`].
    pub(crate) fn new(
        evaluation: &Evaluation<'q>,
        matchers: &[Matcher],
        times: TimeRange,
    ) -> Result<Self, Error> {
        let query = evaluation.query;
        let set = query
            .source
            .select(matchers, times)
            .map_err(Error::Source)?;
        query.meter.select(set.len() as u64);
        Ok(Self {
            set,
            meter: Arc::clone(&query.meter),
            histograms: evaluation.histograms,
            times,
        })
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
            let _charge = self.read(index, columns)?;
            work(index, columns, state)
        };
        let threads = self.threads(evaluation);
        parallel::in_order(threads, self.set.len(), &read_and_work, sink)
    }

    /// How many threads are worth starting.
    fn threads(&self, evaluation: &Evaluation<'_>) -> usize {
        /// An ordinary distance of samples, to guess how many there are to read.
        const SAMPLE_MS: u64 = 30_000;
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
    fn read(&self, index: usize, columns: &mut SampleColumns) -> Result<Charge, Error> {
        self.set.read(index, columns).map_err(Error::Source)?;
        self.histograms.apply(&mut columns.histograms);
        let samples = columns.len() as u64;
        self.meter.read(samples);
        Charge::new(&self.meter, samples)
    }
}
