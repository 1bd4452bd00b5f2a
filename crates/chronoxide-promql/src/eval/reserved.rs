//! The labels that say what a metric is: they go when a value is no longer the metric's own.

use chronoxide_model::{Labels, METRIC_NAME};

/// Whether `name` is the label of the metric's name, type or unit.
pub(crate) fn is_reserved(name: &str) -> bool {
    matches!(name, METRIC_NAME | "__type__" | "__unit__")
}

/// The labels without name, type and unit of the metric.
pub(crate) fn without(labels: &Labels) -> Labels {
    labels.filtered(|name| !is_reserved(name))
}
