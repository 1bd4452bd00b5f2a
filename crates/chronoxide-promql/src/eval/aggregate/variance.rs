//! `stddev` and `stdvar`

use super::groups::Accumulator;
use super::notes::Notes;
use crate::eval::{Column, StepSeries};

/// Whether the square root of the variance is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Root {
    /// The standard deviation.
    Taken,
    /// The variance.
    Left,
}

/// The variance of a group's floats, by Welford's method.
#[derive(Debug)]
pub(super) struct Variance {
    root: Root,
    moments: Vec<Moments>,
}

/// Count, mean and sum of squared distances from it.
#[derive(Clone, Copy, Debug, Default)]
struct Moments {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Moments {
    fn add(&mut self, value: f64) {
        self.count += 1.0;
        if self.count == 1.0 {
            self.mean = value;
            self.squares = if value.is_finite() { 0.0 } else { f64::NAN };
            return;
        }
        let delta = value - self.mean;
        self.mean += delta / self.count;
        self.squares += delta * (value - self.mean);
    }
}

impl Variance {
    pub(super) fn new(steps: usize, root: Root) -> Self {
        Self {
            root,
            moments: vec![Moments::default(); steps],
        }
    }
}

impl Accumulator for Variance {
    fn add(&mut self, series: &StepSeries, notes: &mut Notes<'_>) {
        notes.histogram_ignored |= series.column.has_histograms();
        for (step, value) in series.column.floats() {
            self.moments[step].add(value);
        }
    }

    fn finish(self, _notes: &mut Notes<'_>) -> Column {
        let mut column = Column::absent(self.moments.len());
        for (step, moments) in self.moments.into_iter().enumerate() {
            if moments.count == 0.0 {
                continue;
            }
            let variance = moments.squares / moments.count;
            let value = match self.root {
                Root::Taken => variance.sqrt(),
                Root::Left => variance,
            };
            column.set_float(step, value);
        }
        column
    }
}
