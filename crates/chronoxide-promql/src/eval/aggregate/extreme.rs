//! `min` and `max`

use super::groups::Accumulator;
use super::notes::Notes;
use crate::eval::{Column, StepSeries};

/// The smallest floats of a group; NaN only if there is nothing else.
#[derive(Debug)]
pub(super) struct Min(Column);

/// The largest floats of a group; NaN only if there is nothing else.
#[derive(Debug)]
pub(super) struct Max(Column);

impl Min {
    pub(super) fn new(steps: usize) -> Self {
        Self(Column::absent(steps))
    }
}

impl Max {
    pub(super) fn new(steps: usize) -> Self {
        Self(Column::absent(steps))
    }
}

impl Accumulator for Min {
    fn add(&mut self, series: &StepSeries, notes: &mut Notes<'_>) {
        pick(&mut self.0, series, notes, |new, old| new < old);
    }

    fn finish(self, _notes: &mut Notes<'_>) -> Column {
        self.0
    }
}

impl Accumulator for Max {
    fn add(&mut self, series: &StepSeries, notes: &mut Notes<'_>) {
        pick(&mut self.0, series, notes, |new, old| new > old);
    }

    fn finish(self, _notes: &mut Notes<'_>) -> Column {
        self.0
    }
}

fn pick(
    best: &mut Column,
    series: &StepSeries,
    notes: &mut Notes<'_>,
    better: impl Fn(f64, f64) -> bool,
) {
    notes.histogram_ignored |= series.column.has_histograms();
    for (step, value) in series.column.floats() {
        match best.float(step) {
            Some(old) if !better(value, old) && !old.is_nan() => {}
            _ => best.set_float(step, value),
        }
    }
}
