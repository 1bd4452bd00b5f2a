//! `histogram_fraction`

use chronoxide_model::Labels;

use super::classic::ClassicBuckets;
use super::gather::{self, Measure};
use crate::annotations::Annotation;
use crate::eval::{Evaluation, Scalars, Sink};
use crate::plan::{Node, Position};
use crate::{Error, FloatHistogram};

/// `histogram_fraction(lower, upper, node)`
pub(super) fn histogram_fraction(
    evaluation: &Evaluation<'_>,
    [lower, upper]: [&Node; 2],
    node: &Node,
    sink: Sink<'_>,
) -> Result<(), Error> {
    let mut measure = Fraction {
        evaluation,
        lower: evaluation.scalar(lower)?,
        upper: evaluation.scalar(upper)?,
        position: node.position,
        metric: String::new(),
        nan_left_out: false,
    };
    gather::for_each(evaluation, node, &mut measure, sink)
}

/// The share of observations between two values.
struct Fraction<'m> {
    evaluation: &'m Evaluation<'m>,
    lower: Scalars,
    upper: Scalars,
    /// Where the histograms were written.
    position: Position,
    metric: String,
    nan_left_out: bool,
}

impl Measure for Fraction<'_> {
    fn count(&self) -> usize {
        1
    }

    fn begin(&mut self, metric: &str) {
        metric.clone_into(&mut self.metric);
        self.nan_left_out = false;
    }

    fn native(&mut self, histogram: &FloatHistogram, step: usize, results: &mut [Option<f64>]) {
        let found = histogram.fraction(self.lower[step], self.upper[step]);
        results.fill(Some(found.value));
        self.nan_left_out |= found.nan_left_out;
    }

    fn classic(&mut self, buckets: &mut ClassicBuckets, step: usize, results: &mut [Option<f64>]) {
        let share = if buckets.is_complete() {
            buckets.fraction(self.lower[step], self.upper[step])
        } else {
            f64::NAN
        };
        results.fill(Some(share));
    }

    fn end(&mut self) {
        if self.nan_left_out {
            let annotation = Annotation::FractionNans(self.metric.clone());
            self.evaluation.annotate(annotation, self.position);
        }
    }

    fn labels(&self, labels: &Labels, _number: usize) -> Result<Labels, Error> {
        Ok(labels.clone())
    }
}
