//! Unary minus.

use crate::eval::{Evaluation, Sink};
use crate::plan::Node;
use crate::{Error, FloatHistogram};
use chronoxide_model::CounterResetHint;

/// Hands on the series of `inner` with the sign of all values turned.
pub(super) fn for_each(
    evaluation: &Evaluation<'_>,
    inner: &Node,
    sink: Sink<'_>,
) -> Result<(), Error> {
    evaluation.for_each(inner, &mut |mut series| {
        series.drop_name = true;
        series.column.map_only_floats(|value| -value);
        series.column.map_histograms(negate_histogram);
        sink(series)
    })
}

/// Turns the sign of all counts and of the sum, which leaves a gauge.
fn negate_histogram(histogram: &mut FloatHistogram) {
    histogram.counter_reset_hint = CounterResetHint::Gauge;
    histogram.zero_count = -histogram.zero_count;
    histogram.count = -histogram.count;
    histogram.sum = -histogram.sum;
    let buckets = histogram.positive.iter_mut();
    for (_, count) in buckets.chain(&mut histogram.negative) {
        *count = -*count;
    }
}
