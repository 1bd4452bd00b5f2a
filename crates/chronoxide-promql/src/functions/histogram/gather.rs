//! Bringing together what belongs to one histogram: its classic buckets, its native samples, or both.

use std::collections::HashMap;

use chronoxide_model::Labels;

use super::classic::{ClassicBucket, ClassicBuckets};
use crate::annotations::Annotation;
use crate::eval::{Column, Evaluation, Sink, StepSeries};
use crate::plan::Node;
use crate::{Error, FloatHistogram};

/// The label of a classic bucket's upper bound.
const BUCKET_LABEL: &str = "le";

/// What is computed of a histogram: one result or several, each with a number at all or some steps.
pub(super) trait Measure {
    /// How many results.
    fn count(&self) -> usize;

    /// Begins with the histogram called `metric`.
    fn begin(&mut self, metric: &str);

    /// The results of a native histogram at `step`.
    fn native(&mut self, histogram: &FloatHistogram, step: usize, results: &mut [Option<f64>]);

    /// The results of a classic histogram of at least one bucket at `step`.
    fn classic(&mut self, buckets: &mut ClassicBuckets, step: usize, results: &mut [Option<f64>]);

    /// Tells what is to be said about the histogram.
    fn end(&mut self);

    /// The labels of result `number` of the histogram with `labels`.
    fn labels(&self, labels: &Labels, number: usize) -> Result<Labels, Error>;
}

/// One histogram over all steps.
struct Histogram {
    labels: Labels,
    native: Option<StepSeries>,
    /// Its classic buckets by upper bound.
    buckets: Vec<(f64, StepSeries)>,
}

/// Hands on what `measure` gives of each histogram in the vector `node`.
pub(super) fn for_each(
    evaluation: &Evaluation<'_>,
    node: &Node,
    measure: &mut dyn Measure,
    sink: Sink<'_>,
) -> Result<(), Error> {
    let mut scratch = Scratch {
        buckets: ClassicBuckets::default(),
        results: vec![None; measure.count()],
    };
    // Of several results the first ones of all histograms come first.
    let mut later: Vec<Vec<StepSeries>> = Vec::new();
    for histogram in gather(evaluation, node)? {
        evaluation.check()?;
        let metric = name_to_tell(evaluation, &histogram.labels);
        measure.begin(metric);
        let (columns, mixed) = scratch.measure(&histogram, evaluation.steps.count, measure);
        measure.end();
        if mixed {
            let annotation = Annotation::MixedClassicNative(metric.to_owned());
            evaluation.annotate(annotation, node.position);
        }
        for (number, column) in columns.into_iter().enumerate() {
            let labels = measure.labels(&histogram.labels, number)?;
            let mut series = StepSeries::new(labels, column, true).with_made_labels();
            let Some(number) = number.checked_sub(1) else {
                sink(series)?;
                continue;
            };
            series.charge(&evaluation.query.meter)?;
            later.resize_with(later.len().max(number + 1), Vec::new);
            later[number].push(series);
        }
    }
    evaluation.hand_on(later.into_iter().flatten(), sink)
}

struct Scratch {
    buckets: ClassicBuckets,
    results: Vec<Option<f64>>,
}

impl Scratch {
    /// Measures one histogram at all steps; true if it is both classic and native at any.
    fn measure(
        &mut self,
        histogram: &Histogram,
        steps: usize,
        measure: &mut dyn Measure,
    ) -> (Vec<Column>, bool) {
        let mut columns = vec![Column::absent(steps); self.results.len()];
        let mut mixed = false;
        for step in 0..steps {
            let cells = histogram.buckets.iter().filter_map(|(bound, series)| {
                let count = series.column.float(step)?;
                Some(ClassicBucket {
                    bound: *bound,
                    count,
                })
            });
            self.buckets.fill(cells);
            let native = histogram
                .native
                .as_ref()
                .and_then(|series| series.column.histogram(step));
            match (native, self.buckets.is_empty()) {
                (None, true) => continue,
                (Some(_), false) => {
                    mixed = true;
                    continue;
                }
                (Some(native), true) => measure.native(native, step, &mut self.results),
                (None, false) => measure.classic(&mut self.buckets, step, &mut self.results),
            }
            for (column, result) in columns.iter_mut().zip(&self.results) {
                if let Some(result) = result {
                    column.set_float(step, *result);
                }
            }
        }
        (columns, mixed)
    }
}

/// Collects the histograms in the vector `node`, in the order in which they first come.
fn gather(evaluation: &Evaluation<'_>, node: &Node) -> Result<Vec<Histogram>, Error> {
    let mut places: HashMap<Labels, usize> = HashMap::new();
    let mut histograms: Vec<Histogram> = Vec::new();
    let mut of = |histograms: &mut Vec<Histogram>, labels: Labels| {
        *places.entry(labels).or_insert_with_key(|labels| {
            histograms.push(Histogram {
                labels: labels.clone(),
                native: None,
                buckets: Vec::new(),
            });
            histograms.len() - 1
        })
    };
    evaluation.for_each(node, &mut |mut series| {
        if series.column.is_empty() {
            return Ok(());
        }
        series.charge(&evaluation.query.meter)?;
        let mut native = None;
        if series.column.has_histograms() {
            let mut column = series.column.clone();
            series.column.drop_histograms();
            column.drop_floats();
            native = Some(StepSeries::new(series.labels.clone(), column, true));
        }
        if !series.column.is_empty() {
            let label = series.labels.get(BUCKET_LABEL).unwrap_or_default();
            if let Some(bound) = parse_bound(label) {
                let labels = series.labels.filtered(|name| name != BUCKET_LABEL);
                let place = of(&mut histograms, labels);
                histograms[place].buckets.push((bound, series));
            } else {
                let metric = name_to_tell(evaluation, &series.labels);
                let annotation = Annotation::BadBucketLabel {
                    metric: metric.to_owned(),
                    label: label.to_owned(),
                };
                evaluation.annotate(annotation, node.position);
            }
        }
        if let Some(mut native) = native {
            native.charge(&evaluation.query.meter)?;
            let place = of(&mut histograms, native.labels.clone());
            histograms[place].native = Some(native);
        }
        Ok(())
    })?;
    for histogram in &mut histograms {
        histogram.buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
    }
    Ok(histograms)
}

/// The name that annotations mention: none where names go at once, though the series still has one.
fn name_to_tell<'l>(evaluation: &Evaluation<'_>, labels: &'l Labels) -> &'l str {
    let is_told = evaluation.query.features.delayed_name_removal;
    let known = labels.metric_name().filter(|_| is_told);
    known.unwrap_or_default()
}

/// The number in an `le` label.
fn parse_bound(label: &str) -> Option<f64> {
    label.parse().ok()
}
