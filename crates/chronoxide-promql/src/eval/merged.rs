//! Results whose series may turn out to be one: those of vectors that were joined, relabelled, or lost their names.

use std::collections::HashMap;

use chronoxide_model::Labels;

use crate::Error;
use crate::eval::StepSeries;

/// Series by their labels, in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Merged {
    series: Vec<StepSeries>,
    places: HashMap<Labels, usize>,
}

impl Merged {
    /// Adds a series, or its values to the one with the same labels; one without values is left out.
    ///
    /// # Errors
    /// When both have a value at the same step.
    pub(crate) fn add(&mut self, series: StepSeries) -> Result<(), Error> {
        if series.column.is_empty() {
            return Ok(());
        }
        match self.places.get(&series.labels) {
            None => {
                self.places.insert(series.labels.clone(), self.series.len());
                self.series.push(series);
            }
            Some(&place) => {
                if !self.series[place].column.merge(&series.column) {
                    return Err(Error::same_labels());
                }
            }
        }
        Ok(())
    }

    /// All series.
    pub(crate) fn into_series(self) -> Vec<StepSeries> {
        self.series
    }
}
