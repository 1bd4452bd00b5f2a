//! Names: OTLP's dotted names and UCUM units in the forms that Prometheus users expect.
//!
//! The rules are those of Prometheus' `otlptranslator`, so that series keep their names when a dashboard moves.

mod label;
mod metric;
mod units;
mod variants;

pub(crate) use label::LabelNamer;
pub use label::label_name;
pub use metric::{NameKind, metric_name};
pub(crate) use units::label_unit;
pub use units::unit_words;
pub use variants::may_be_same_metric;

#[cfg(test)]
mod tests;
