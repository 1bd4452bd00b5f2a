//! The samples of one series, ready for windows to slide over.

use std::mem::swap;
use std::sync::Arc;

use chronoxide_model::{CounterResetHint, SampleColumns, is_stale_marker};

use crate::eval::{Column, Steps, Stop};
use crate::{Error, FloatHistogram};

/// Samples of one series without stale markers, each kind ascending in time.
#[derive(Debug, Default)]
pub(crate) struct Samples {
    /// Times of the floats.
    pub(crate) times: Vec<i64>,
    /// The floats.
    pub(crate) values: Vec<f64>,
    /// Start times of the floats, 0 where unknown; empty when none is known.
    pub(crate) starts: Vec<i64>,
    /// Times of the histograms.
    pub(crate) histogram_times: Vec<i64>,
    /// The histograms.
    pub(crate) histograms: Vec<Arc<FloatHistogram>>,
    /// Start times of the histograms, 0 where unknown; empty when none is known.
    pub(crate) histogram_starts: Vec<i64>,
    /// Floats that were left out because they do not matter, but for their number.
    pub(crate) left_out: usize,
}

/// Whether any of `values` is a stale marker; most series have none, nor any other NaN, which is found out without a branch
/// for each value.
fn has_stale(values: &[f64]) -> bool {
    let any = |block: &[f64]| {
        // As wide as the floats, so that several go side by side.
        let nans = block.iter();
        let nans = nans.fold(0, |any, value| any | u64::from(value.is_nan()));
        nans > 0 && block.iter().any(|value| is_stale_marker(*value))
    };
    values.chunks(128).any(any)
}

impl Samples {
    /// Replaces the content by that of `columns`, whose vectors get the old memory.
    ///
    /// # Errors
    /// When the query is to stop.
    pub(crate) fn take(&mut self, columns: &mut SampleColumns, stop: &Stop) -> Result<(), Error> {
        swap(&mut self.times, &mut columns.timestamps_ms);
        swap(&mut self.values, &mut columns.values);
        swap(&mut self.starts, &mut columns.start_timestamps_ms);
        self.left_out = usize::try_from(columns.left_out).unwrap_or(usize::MAX);
        if has_stale(&self.values) {
            self.drop_stale();
        }
        self.histogram_times.clear();
        self.histograms.clear();
        self.histogram_starts.clear();
        for (index, histogram) in columns.histograms.iter().enumerate() {
            stop.check_turn(index)?;
            if histogram.is_stale() {
                continue;
            }
            self.histogram_times
                .push(columns.histogram_timestamps_ms[index]);
            self.histograms.push(Arc::new(histogram.into()));
            if let Some(start) = columns.histogram_start_timestamps_ms.get(index) {
                self.histogram_starts.push(*start);
            }
        }
        Ok(())
    }

    fn drop_stale(&mut self) {
        let mut kept = 0;
        for index in 0..self.values.len() {
            if is_stale_marker(self.values[index]) {
                continue;
            }
            self.values[kept] = self.values[index];
            self.times[kept] = self.times[index];
            if !self.starts.is_empty() {
                self.starts[kept] = self.starts[index];
            }
            kept += 1;
        }
        self.values.truncate(kept);
        self.times.truncate(kept);
        self.starts.truncate(kept);
    }

    /// Replaces the content by the cells of `column` at `steps`, as a subquery gives them.
    ///
    /// What a histogram says about counter resets holds between stored samples, not between those that the subquery's
    /// steps happen to pick, so it is forgotten.
    pub(crate) fn take_column(&mut self, column: Column, steps: Steps) {
        self.clear();
        let column = match column.into_floats() {
            // Most inner series have no gaps: their floats need no second place in memory.
            Ok(floats) => {
                self.times.extend(steps.iter());
                self.values = floats;
                return;
            }
            Err(column) => column,
        };
        for (index, value) in column.floats() {
            self.times.push(steps.at(index));
            self.values.push(value);
        }
        for (index, histogram) in column.histograms() {
            self.histogram_times.push(steps.at(index));
            let mut histogram = Arc::clone(histogram);
            if matches!(
                histogram.counter_reset_hint,
                CounterResetHint::Reset | CounterResetHint::NotReset
            ) {
                Arc::make_mut(&mut histogram).counter_reset_hint = CounterResetHint::Unknown;
            }
            self.histograms.push(histogram);
        }
    }

    fn clear(&mut self) {
        self.times.clear();
        self.values.clear();
        self.starts.clear();
        self.histogram_times.clear();
        self.histograms.clear();
        self.histogram_starts.clear();
        self.left_out = 0;
    }

    /// How many samples there are.
    pub(crate) const fn len(&self) -> usize {
        self.times.len() + self.histogram_times.len()
    }
}
