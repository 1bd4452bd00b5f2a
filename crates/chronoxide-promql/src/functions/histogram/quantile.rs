//! `histogram_quantile` and `histogram_quantiles`

use std::collections::BTreeSet;

use chronoxide_model::Labels;

use super::classic::ClassicBuckets;
use super::gather::{self, Measure};
use crate::annotations::number::go_general;
use crate::annotations::{Annotation, ForcedMonotonicity};
use crate::eval::{Charge, Evaluation, Sink};
use crate::histogram::NanObservations;
use crate::plan::{Expr, Node, Position};
use crate::{Error, FloatHistogram};

/// `histogram_quantile(q, node)`
pub(super) fn histogram_quantile(
    evaluation: &Evaluation<'_>,
    q: &Node,
    node: &Node,
    sink: Sink<'_>,
) -> Result<(), Error> {
    let quantiles = [q];
    let mut measure = Quantiles::new(evaluation, &quantiles, None, node.position)?;
    gather::for_each(evaluation, node, &mut measure, sink)?;
    measure.tell_faulty();
    Ok(())
}

/// `histogram_quantiles(node, label, quantiles...)`
pub(super) fn histogram_quantiles(
    evaluation: &Evaluation<'_>,
    node: &Node,
    label: &Node,
    quantiles: &[Node],
    sink: Sink<'_>,
) -> Result<(), Error> {
    let Expr::String(label) = &label.expr else {
        return Err(Error::execution(
            "histogram_quantiles needs the name of a label",
        ));
    };
    let quantiles: Vec<&Node> = quantiles.iter().collect();
    let mut measure = Quantiles::new(evaluation, &quantiles, Some(label), node.position)?;
    gather::for_each(evaluation, node, &mut measure, sink)?;
    measure.tell_faulty();
    Ok(())
}

/// Quantiles of histograms.
struct Quantiles<'m> {
    evaluation: &'m Evaluation<'m>,
    /// The label that tells them apart, if they have one.
    label: Option<&'m str>,
    outputs: Vec<Output>,
    /// What the outputs count against the limit of samples.
    _charges: Vec<Charge>,
    /// Quantiles that are none, and where they were written.
    faulty: Vec<(f64, Position)>,
    /// Where the histograms were written.
    position: Position,
    metric: String,
    nan_result: bool,
    nan_skew: bool,
}

/// One quantile, at the steps at which it is wanted.
struct Output {
    /// The value of its label.
    text: String,
    quantile: Vec<Option<f64>>,
}

impl<'m> Quantiles<'m> {
    fn new(
        evaluation: &'m Evaluation<'m>,
        quantiles: &[&Node],
        label: Option<&'m str>,
        position: Position,
    ) -> Result<Self, Error> {
        let mut outputs = Vec::with_capacity(quantiles.len());
        let mut charges = Vec::new();
        let mut faulty = Vec::new();
        for node in quantiles {
            let quantile = evaluation.scalar(node)?;
            let different: BTreeSet<u64> = quantile.iter().map(|q| q.to_bits()).collect();
            for q in different.iter().copied().map(f64::from_bits) {
                if !(0.0..=1.0).contains(&q) {
                    faulty.push((q, node.position));
                }
                if label.is_some() {
                    charges.push(evaluation.charge_column()?);
                    let wanted = |at: &f64| (at.to_bits() == q.to_bits()).then_some(*at);
                    outputs.push(Output {
                        text: label_value(q),
                        quantile: quantile.iter().map(wanted).collect(),
                    });
                }
            }
            if label.is_none() {
                charges.push(evaluation.charge_column()?);
                outputs.push(Output {
                    text: String::new(),
                    quantile: quantile.iter().copied().map(Some).collect(),
                });
            }
        }
        Ok(Self {
            evaluation,
            label,
            outputs,
            _charges: charges,
            faulty,
            position,
            metric: String::new(),
            nan_result: false,
            nan_skew: false,
        })
    }

    /// Tells which quantiles are none: last, as of the same ones within each other the outermost is named.
    fn tell_faulty(&self) {
        for &(q, position) in &self.faulty {
            let annotation = Annotation::InvalidQuantile(q);
            self.evaluation.annotate(annotation, position);
        }
    }

    /// Makes counts rise with their bounds and tells if that took more than rounding.
    fn make_monotonic(&self, buckets: &mut ClassicBuckets, step: usize) {
        if let Some(repair) = buckets.make_monotonic() {
            let at_ms = self.evaluation.steps.at(step);
            let forced = ForcedMonotonicity {
                metric: self.metric.clone(),
                min_ms: at_ms,
                max_ms: at_ms,
                min_bucket: repair.lowest,
                max_bucket: repair.highest,
                max_difference: repair.difference,
            };
            let annotation = Annotation::ForcedMonotonicity(forced);
            self.evaluation.annotate(annotation, self.position);
        }
    }
}

impl Measure for Quantiles<'_> {
    fn count(&self) -> usize {
        self.outputs.len()
    }

    fn begin(&mut self, metric: &str) {
        metric.clone_into(&mut self.metric);
        (self.nan_result, self.nan_skew) = (false, false);
    }

    fn native(&mut self, histogram: &FloatHistogram, step: usize, results: &mut [Option<f64>]) {
        for (output, result) in self.outputs.iter().zip(results) {
            *result = output.quantile[step].map(|q| {
                let found = histogram.quantile(q);
                self.nan_result |= found.nan == NanObservations::ReachQuantile;
                self.nan_skew |= found.nan == NanObservations::SkewHigher;
                found.value
            });
        }
    }

    fn classic(&mut self, buckets: &mut ClassicBuckets, step: usize, results: &mut [Option<f64>]) {
        let mut monotonic = false;
        for (output, result) in self.outputs.iter().zip(results) {
            *result = output.quantile[step].map(|q| {
                if q < 0.0 {
                    return f64::NEG_INFINITY;
                }
                if q > 1.0 {
                    return f64::INFINITY;
                }
                if q.is_nan() || !buckets.is_complete() {
                    return f64::NAN;
                }
                if !std::mem::replace(&mut monotonic, true) {
                    self.make_monotonic(buckets, step);
                }
                buckets.quantile(q)
            });
        }
    }

    fn end(&mut self) {
        if self.nan_result {
            let annotation = Annotation::QuantileNanResult(self.metric.clone());
            self.evaluation.annotate(annotation, self.position);
        }
        if self.nan_skew {
            let annotation = Annotation::QuantileNanSkew(self.metric.clone());
            self.evaluation.annotate(annotation, self.position);
        }
    }

    fn labels(&self, labels: &Labels, number: usize) -> Result<Labels, Error> {
        let Some(label) = self.label else {
            return Ok(labels.clone());
        };
        let mut builder = labels.to_builder();
        builder.set(label, &self.outputs[number].text);
        let built = builder.build();
        built.map_err(|error| Error::execution(error.to_string()))
    }
}

/// A quantile as the value of a label: always with a point, an exponent or a word.
fn label_value(q: f64) -> String {
    let text = go_general(q);
    if q.is_finite() && !text.contains(['.', 'e']) {
        return format!("{text}.0");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_quantiles_get_a_point() {
        for (q, text) in [
            (0.0, "0.0"),
            (1.0, "1.0"),
            (0.99, "0.99"),
            (1e-7, "1e-07"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
        ] {
            assert_eq!(label_value(q), text);
        }
    }
}
