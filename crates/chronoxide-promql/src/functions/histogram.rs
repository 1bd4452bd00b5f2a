//! Functions of histograms, classic and native.

mod classic;
mod fraction;
mod gather;
mod quantile;

#[cfg(test)]
mod tests;

use crate::eval::{Column, Evaluation, HistogramDetail, Sink};
use crate::plan::{Call, Node};
use crate::{Error, FloatHistogram, Function};

/// Hands on the series of the `histogram_*` function `call`.
pub(crate) fn for_each(
    evaluation: &Evaluation<'_>,
    call: &Call,
    sink: Sink<'_>,
) -> Result<(), Error> {
    let whole = &evaluation.with_buckets();
    match (call.function, &call.arguments[..]) {
        (Function::HistogramCount, [node]) => of_totals(evaluation, node, sink, |h| h.count),
        (Function::HistogramSum, [node]) => of_totals(evaluation, node, sink, |h| h.sum),
        (Function::HistogramAvg, [node]) => of_totals(evaluation, node, sink, FloatHistogram::mean),
        (Function::HistogramStdvar, [node]) => {
            of_native(whole, node, sink, FloatHistogram::variance)
        }
        (Function::HistogramStddev, [node]) => {
            of_native(whole, node, sink, |h| h.variance().sqrt())
        }
        (Function::HistogramQuantile, [q, node]) => {
            quantile::histogram_quantile(whole, q, node, sink)
        }
        (Function::HistogramQuantiles, [node, label, quantiles @ ..]) => {
            quantile::histogram_quantiles(whole, node, label, quantiles, sink)
        }
        (Function::HistogramFraction, [lower, upper, node]) => {
            fraction::histogram_fraction(whole, [lower, upper], node, sink)
        }
        (function, arguments) => Err(Error::execution(format!(
            "function {} is none of histograms with {} arguments",
            function.name(),
            arguments.len()
        ))),
    }
}

/// Like [`of_native`], for a `measure` that looks at no buckets: if nothing in between does, they are not even carried
/// along.
fn of_totals(
    evaluation: &Evaluation<'_>,
    node: &Node,
    sink: Sink<'_>,
    measure: impl Fn(&FloatHistogram) -> f64,
) -> Result<(), Error> {
    if HistogramDetail::totals_are_enough(node) {
        return of_native(&evaluation.without_buckets(), node, sink, measure);
    }
    of_native(evaluation, node, sink, measure)
}

/// Hands on what `measure` gives of each native histogram; floats are left out.
fn of_native(
    evaluation: &Evaluation<'_>,
    node: &Node,
    sink: Sink<'_>,
    measure: impl Fn(&FloatHistogram) -> f64,
) -> Result<(), Error> {
    evaluation.for_each(node, &mut |series| {
        if !series.column.has_histograms() {
            return Ok(());
        }
        let mut column = Column::absent(series.column.len());
        for (step, histogram) in series.column.histograms() {
            column.set_float(step, measure(histogram));
        }
        let mut measured = series.with_column(column);
        measured.drop_name = true;
        sink(measured)
    })
}
