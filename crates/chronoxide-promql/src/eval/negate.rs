//! Unary minus.

use crate::Error;
use crate::eval::{Evaluation, Sink};
use crate::plan::Node;

/// Hands on the series of `inner` with the sign of all values turned.
pub(super) fn for_each(
    evaluation: &Evaluation<'_>,
    inner: &Node,
    sink: Sink<'_>,
) -> Result<(), Error> {
    evaluation.for_each(inner, &mut |mut series| {
        series.drop_name = true;
        series.column.map_only_floats(|value| -value);
        series
            .column
            .map_histograms(|histogram| histogram.mul(-1.0));
        sink(series)
    })
}
