//! A series on its way through the operators of a query.

use std::sync::Arc;

use chronoxide_model::Labels;

use crate::Error;
use crate::eval::{Charge, Column, Meter, Size};

/// Labels of the source are counted where they are selected; but none are as large as this, so that who lost sight of
/// where they come from counts those that are.
const SELECTED_BYTES_MAX: usize = 1 << 10;

/// One series over all steps.
#[derive(Debug)]
pub(crate) struct StepSeries {
    /// Its labels, with the metric name as long as nothing replaced it.
    pub(crate) labels: Labels,
    /// Its values.
    pub(crate) column: Column,
    /// Whether the labels lose name, type and unit at the end of the query.
    pub(crate) drop_name: bool,
    /// Whether the query made the labels.
    made_labels: bool,
    /// What the series counts against the limit of samples while it is held.
    charge: Option<Charge>,
}

impl StepSeries {
    /// A series that counts nothing yet.
    pub(crate) const fn new(labels: Labels, column: Column, drop_name: bool) -> Self {
        Self {
            labels,
            column,
            drop_name,
            made_labels: false,
            charge: None,
        }
    }

    /// The series, counting what `charge` counts already.
    pub(crate) fn with_charge(mut self, charge: Charge) -> Self {
        self.charge = Some(charge);
        self
    }

    /// The series, whose labels the query made: they count where it is held.
    pub(crate) const fn with_made_labels(mut self) -> Self {
        self.made_labels = true;
        self
    }

    /// The series with other values, counting nothing yet.
    pub(crate) fn with_column(self, column: Column) -> Self {
        Self {
            column,
            charge: None,
            ..self
        }
    }

    /// Gives the series labels that the query made; it counts nothing then.
    pub(crate) fn relabel(&mut self, labels: Labels) {
        self.labels = labels;
        self.made_labels = true;
        self.charge = None;
    }

    /// A copy that counts nothing yet.
    pub(crate) fn copy(&self) -> Self {
        Self {
            labels: self.labels.clone(),
            column: self.column.clone(),
            drop_name: self.drop_name,
            made_labels: self.made_labels,
            charge: None,
        }
    }

    /// The series without its values, counting nothing.
    pub(crate) fn into_outline(self) -> Outline {
        Outline {
            labels: self.labels,
            drop_name: self.drop_name,
            made_labels: self.made_labels,
        }
    }

    /// What the labels count where the series is held.
    pub(crate) fn labels_size(&self) -> Size {
        let bytes = self.labels.memory_bytes();
        if self.made_labels || bytes > SELECTED_BYTES_MAX {
            Size::of_bytes(bytes as u64)
        } else {
            Size::default()
        }
    }

    /// Counts the samples of the series against the limit until it is dropped.
    ///
    /// # Errors
    /// When the query would hold too much.
    pub(crate) fn charge(&mut self, meter: &Arc<Meter>) -> Result<(), Error> {
        if self.charge.is_none() {
            let size = self.column.size().and(self.labels_size());
            self.charge = Some(Charge::new(meter, size)?);
        }
        Ok(())
    }
}

/// A series without its values.
#[derive(Debug)]
pub(crate) struct Outline {
    labels: Labels,
    drop_name: bool,
    made_labels: bool,
}

impl Outline {
    /// The series with the values `column`, counting nothing yet.
    pub(crate) fn with_column(&self, column: Column) -> StepSeries {
        StepSeries {
            labels: self.labels.clone(),
            column,
            drop_name: self.drop_name,
            made_labels: self.made_labels,
            charge: None,
        }
    }
}
