//! Results whose series may turn out to be one: those of vectors that were joined, relabelled, or lost their names.

use crate::Error;
use crate::eval::{LabelTable, Place, StepSeries};

/// Series by their labels, in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Merged {
    series: Vec<StepSeries>,
    places: LabelTable,
}

impl Merged {
    /// Adds a series, or its values to the one with the same labels; one without values is left out. Whether no other
    /// had the same labels.
    ///
    /// # Errors
    /// When both have a value at the same step.
    pub(crate) fn add(&mut self, series: StepSeries) -> Result<bool, Error> {
        if series.column.is_empty() {
            return Ok(true);
        }
        let known = &self.series;
        let is_same = |place: usize| known[place].labels == series.labels;
        match self.places.place(&series.labels, is_same) {
            Place::New(_) => {
                self.series.push(series);
                Ok(true)
            }
            Place::Known(place) if self.series[place].column.merge(&series.column) => Ok(false),
            Place::Known(_) => Err(Error::same_labels()),
        }
    }

    /// All series.
    pub(crate) fn into_series(self) -> Vec<StepSeries> {
        self.series
    }
}
