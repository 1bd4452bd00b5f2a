//! Series read from the source.

use std::sync::Arc;

use chronoxide_model::{Labels, Matcher, SampleColumns, SeriesSet, TimeRange};

use crate::Error;
use crate::eval::{Charge, Evaluation, HistogramDetail, Meter};

/// The series of one selector in one range of time.
#[derive(Debug)]
pub(crate) struct Selection<'q> {
    set: Box<dyn SeriesSet + 'q>,
    meter: Arc<Meter>,
    histograms: HistogramDetail,
}

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
        })
    }

    /// How many series there are.
    pub(crate) fn len(&self) -> usize {
        self.set.len()
    }

    /// The labels of series `index`.
    pub(crate) fn labels(&self, index: usize) -> Labels {
        self.set.labels(index)
    }

    /// Reads series `index` into `columns`; its samples count against the limit until the charge is dropped.
    ///
    /// # Errors
    /// [`Error::Source`], [`Error::TooManySamples`].
    pub(crate) fn read(&self, index: usize, columns: &mut SampleColumns) -> Result<Charge, Error> {
        self.set.read(index, columns).map_err(Error::Source)?;
        self.histograms.apply(&mut columns.histograms);
        let samples = columns.len() as u64;
        self.meter.read(samples);
        Charge::new(&self.meter, samples)
    }
}
