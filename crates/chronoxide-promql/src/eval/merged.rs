//! Results whose series may turn out to be one: those of vectors that were joined, relabelled, or lost their names.

use crate::Error;
use crate::eval::{Bill, LabelTable, Place, StepSeries};

/// Series by their labels, in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Merged {
    series: Vec<StepSeries>,
    places: LabelTable,
    /// Counts the labels that the query made, of series that do not count by themselves.
    labels: Option<Bill>,
}

impl Merged {
    /// No series yet; their labels count as long as they are here.
    pub(crate) fn counting(bill: Bill) -> Self {
        Self {
            labels: Some(bill),
            ..Self::default()
        }
    }

    /// Adds a series, or its values to the one with the same labels; one without values is left out. Whether no other
    /// had the same labels.
    ///
    /// # Errors
    /// When both have a value at the same step, or their labels are too much to hold.
    pub(crate) fn add(&mut self, series: StepSeries) -> Result<bool, Error> {
        if series.column.is_empty() {
            return Ok(true);
        }
        let known = &self.series;
        let is_same = |place: usize| known[place].labels == series.labels;
        match self.places.place(&series.labels, is_same) {
            Place::New(_) => {
                if let Some(labels) = &mut self.labels {
                    labels.add(series.labels_size().bytes)?;
                }
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
