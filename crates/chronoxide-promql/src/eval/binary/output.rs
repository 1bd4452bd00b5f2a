//! The result of joining vectors: series of different pairs may turn out to be one.

use std::collections::HashMap;

use chronoxide_model::Labels;

use crate::Error;
use crate::eval::StepSeries;

/// Result series by their labels.
#[derive(Debug, Default)]
pub(super) struct Output {
    series: Vec<StepSeries>,
    places: HashMap<Labels, usize>,
}

impl Output {
    /// Adds a series, or its values to the one with the same labels.
    ///
    /// # Errors
    /// When both have a value at the same step.
    pub(super) fn add(&mut self, series: StepSeries) -> Result<(), Error> {
        if series.column.is_empty() {
            return Ok(());
        }
        match self.places.get(&series.labels) {
            None => {
                self.places.insert(series.labels.clone(), self.series.len());
                self.series.push(series);
            }
            Some(&place) => {
                let same = &mut self.series[place];
                if !same.column.merge(&series.column) {
                    return Err(Error::execution(
                        "vector cannot contain metrics with the same labelset",
                    ));
                }
                same.drop_name |= series.drop_name;
            }
        }
        Ok(())
    }

    /// All series.
    pub(super) fn into_series(self) -> Vec<StepSeries> {
        self.series
    }
}
