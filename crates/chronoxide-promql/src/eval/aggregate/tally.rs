//! `count` and `group`

use super::groups::Accumulator;
use super::notes::Notes;
use crate::eval::{Column, StepSeries};

/// How many values a group has.
#[derive(Debug)]
pub(super) struct Count(Vec<f64>);

/// Where a group has any value.
#[derive(Debug)]
pub(super) struct Group(Column);

impl Count {
    pub(super) fn new(steps: usize) -> Self {
        Self(vec![0.0; steps])
    }
}

impl Group {
    pub(super) fn new(steps: usize) -> Self {
        Self(Column::absent(steps))
    }
}

impl Accumulator for Count {
    fn add(&mut self, series: &StepSeries, _notes: &mut Notes<'_>) {
        if let Some((_, present)) = series.column.only_floats() {
            for (step, count) in self.0.iter_mut().enumerate() {
                *count += if present.get(step) { 1.0 } else { 0.0 };
            }
            return;
        }
        for (step, _) in series.column.floats() {
            self.0[step] += 1.0;
        }
        for (step, _) in series.column.histograms() {
            self.0[step] += 1.0;
        }
    }

    fn finish(self, _notes: &mut Notes<'_>) -> Column {
        let mut column = Column::absent(self.0.len());
        for (step, count) in self.0.into_iter().enumerate() {
            if count > 0.0 {
                column.set_float(step, count);
            }
        }
        column
    }
}

impl Accumulator for Group {
    fn add(&mut self, series: &StepSeries, _notes: &mut Notes<'_>) {
        for (step, _) in series.column.floats() {
            self.0.set_float(step, 1.0);
        }
        for (step, _) in series.column.histograms() {
            self.0.set_float(step, 1.0);
        }
    }

    fn is_complete(&self) -> bool {
        self.0.float_count() == self.0.len()
    }

    fn finish(self, _notes: &mut Notes<'_>) -> Column {
        self.0
    }
}
