//! A series on its way through the operators of a query.

use std::sync::Arc;

use chronoxide_model::Labels;

use crate::Error;
use crate::eval::{Charge, Column, Meter};

/// One series over all steps.
#[derive(Debug)]
pub(crate) struct StepSeries {
    /// Its labels, with the metric name as long as nothing replaced it.
    pub(crate) labels: Labels,
    /// Its values.
    pub(crate) column: Column,
    /// Whether the labels lose name, type and unit at the end of the query.
    pub(crate) drop_name: bool,
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
            charge: None,
        }
    }

    /// The series, counting what `charge` counts already.
    pub(crate) fn with_charge(mut self, charge: Charge) -> Self {
        self.charge = Some(charge);
        self
    }

    /// Counts the samples of the series against the limit until it is dropped.
    ///
    /// # Errors
    /// When the query would hold too much.
    pub(crate) fn charge(&mut self, meter: &Arc<Meter>) -> Result<(), Error> {
        if self.charge.is_none() {
            self.charge = Some(Charge::new(meter, self.column.size())?);
        }
        Ok(())
    }
}
