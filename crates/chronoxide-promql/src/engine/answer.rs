//! From series over steps to the value of a query.

use std::sync::Arc;

use chronoxide_model::Labels;

use crate::engine::Phase;
use crate::eval::range::{self, RangeInput, RangeShape};
use crate::eval::window::{Slide, Window};
use crate::eval::{CellValue, Charge, Evaluation, Merged, Size, StepSeries, order, reserved};
use crate::functions::Edges;
use crate::plan::{AggregateOp, Expr, Node, RangeExtension, ValueType};
use crate::{Error, FloatHistogram, Function, InstantSample, Point, RangeSeries, Value};

/// The value of an instant query.
pub(super) fn instant(evaluation: &Evaluation<'_>, node: &Node) -> Result<Value, Error> {
    let at_ms = evaluation.steps.start_ms;
    match (node.expr.value_type(), &node.expr) {
        (ValueType::String, Expr::String(text)) => Ok(Value::String(at_ms, text.clone())),
        (ValueType::Scalar, _) => {
            let values = evaluation.scalar(node)?;
            Ok(Value::Scalar(
                at_ms,
                values.first().copied().unwrap_or(f64::NAN),
            ))
        }
        (ValueType::RangeVector, _) => matrix(evaluation, node).map(Value::Matrix),
        _ => vector(evaluation, node).map(Value::Vector),
    }
}

/// The value of a range query.
pub(super) fn over_steps(evaluation: &Evaluation<'_>, node: &Node) -> Result<Value, Error> {
    let steps = evaluation.steps;
    let series = finish(evaluation, evaluation.collect(node)?)?;
    let mut held = Vec::with_capacity(series.len());
    let mut matrix: Vec<RangeSeries> = series
        .into_iter()
        .map(|StepSeries { labels, column, .. }| {
            evaluation.check()?;
            let count = column.float_count();
            let histogram_bytes = column.histograms().map(|(_, one)| Size::of(one).bytes);
            let bytes = Size::of_floats(count).bytes + histogram_bytes.sum::<u64>();
            held.push(Charge::new(&evaluation.query.meter, Size::of_bytes(bytes))?);
            let mut floats = Vec::with_capacity(count);
            floats.extend(
                column
                    .floats()
                    .map(|(index, value)| (steps.at(index), value)),
            );
            Ok(RangeSeries {
                labels,
                floats,
                histograms: column
                    .histograms()
                    .map(|(index, histogram)| (steps.at(index), histogram.as_ref().clone()))
                    .collect(),
            })
        })
        .collect::<Result<_, Error>>()?;
    sort(evaluation, &mut matrix, |series| &series.labels)?;
    Ok(Value::Matrix(matrix))
}

/// The samples of range vector `node` in its window at the only step.
fn matrix(evaluation: &Evaluation<'_>, node: &Node) -> Result<Vec<RangeSeries>, Error> {
    let shape = RangeShape::of(evaluation.query.lookback_ms, node)?;
    let bounds = shape.bounds(evaluation.steps.start_ms);
    let work = |input: RangeInput<'_>, (): &mut ()| {
        let window = Slide::default().to(&bounds, input.samples);
        let labels = if input.drop_name {
            reserved::without(input.labels)
        } else {
            input.labels.clone()
        };
        let floats = match shape.extension {
            None => zip(window.times, window.values),
            Some(extension) => extended_floats(&window, extension)?,
        };
        let histograms: Vec<(i64, FloatHistogram)> = window
            .histogram_times
            .iter()
            .zip(window.histograms)
            .map(|(at_ms, histogram)| (*at_ms, histogram.as_ref().clone()))
            .collect();
        evaluation.see(window.shown_samples());
        let samples = floats.len() + histograms.len();
        let charge = Charge::new(&evaluation.query.meter, points_size(&floats, &histograms))?;
        let series = RangeSeries {
            labels,
            floats,
            histograms,
        };
        Ok((samples > 0).then_some((series, charge)))
    };
    let mut held: Vec<Charge> = Vec::new();
    let mut found: Vec<RangeSeries> = Vec::new();
    range::map(evaluation, node, &work, &mut |(series, charge)| {
        held.push(charge);
        found.push(series);
        Ok(())
    })?;
    sort(evaluation, &mut found, |series| &series.labels)?;
    if found
        .windows(2)
        .any(|pair| pair[0].labels == pair[1].labels)
    {
        return Err(Error::same_labels());
    }
    Ok(found)
}

/// Puts `series` in the order of their labels.
fn sort<T>(
    evaluation: &Evaluation<'_>,
    series: &mut Vec<T>,
    labels: impl Fn(&T) -> &Labels,
) -> Result<(), Error> {
    let _sorting = evaluation.query.meter.time(Phase::Sort);
    order::sort_by(evaluation, series, |left, right| {
        labels(left).cmp(labels(right))
    })
}

fn points_size(floats: &[(i64, f64)], histograms: &[(i64, FloatHistogram)]) -> Size {
    let floats = Size::of_floats(floats.len());
    let histograms = histograms.iter().map(|(_, histogram)| Size::of(histogram));
    histograms.fold(floats, Size::and)
}

fn zip(times: &[i64], values: &[f64]) -> Vec<(i64, f64)> {
    times.iter().copied().zip(values.iter().copied()).collect()
}

/// The floats inside an extended window, with those at its edges.
fn extended_floats(
    window: &Window<'_>,
    extension: RangeExtension,
) -> Result<Vec<(i64, f64)>, Error> {
    let (name, smoothed) = match extension {
        RangeExtension::Anchored => ("anchored", false),
        RangeExtension::Smoothed => ("smoothed", true),
    };
    if !window.histogram_times.is_empty() {
        return Err(Error::execution(format!(
            "{name} modifier is not supported with histograms"
        )));
    }
    let Some(edges) = Edges::of(window, window.times, smoothed) else {
        return Ok(Vec::new());
    };
    let (left, right) = edges.values(window, false);
    let inside = edges.inside(window, window.times);
    let mut floats = vec![(window.start_ms, left)];
    floats.extend(zip(&window.times[inside.clone()], &window.values[inside]));
    floats.push((window.end_ms, right));
    Ok(floats)
}

fn vector(evaluation: &Evaluation<'_>, node: &Node) -> Result<Vec<InstantSample>, Error> {
    let timestamp_ms = evaluation.steps.start_ms;
    let series = finish(evaluation, evaluation.collect(node)?)?;
    let mut samples = Vec::with_capacity(series.len());
    for StepSeries { labels, column, .. } in series {
        evaluation.check()?;
        let point = match column.value(0) {
            None => continue,
            Some(CellValue::Float(value)) => Point::Float(value),
            Some(CellValue::Histogram(histogram)) => {
                Point::Histogram(Box::new(Arc::unwrap_or_clone(histogram)))
            }
        };
        samples.push(InstantSample {
            labels,
            timestamp_ms,
            point,
        });
    }
    if !is_ordered(node) {
        sort(evaluation, &mut samples, |sample| &sample.labels)?;
    }
    Ok(samples)
}

/// Whether the order of the series of `node` means something.
fn is_ordered(node: &Node) -> bool {
    match &node.expr {
        Expr::Call(call) => match call.function {
            Function::Sort
            | Function::SortDesc
            | Function::SortByLabel
            | Function::SortByLabelDesc => true,
            Function::LabelReplace | Function::LabelJoin => {
                call.arguments.first().is_some_and(is_ordered)
            }
            _ => false,
        },
        Expr::Aggregate(aggregate) => {
            matches!(aggregate.op, AggregateOp::Topk | AggregateOp::Bottomk)
        }
        Expr::Negate(inner) => is_ordered(inner),
        _ => false,
    }
}

/// Drops the names that are to be dropped and joins series that have the same labels then.
///
/// # Errors
/// When two such series have a value at the same step, and when the query is to stop.
fn finish(evaluation: &Evaluation<'_>, series: Vec<StepSeries>) -> Result<Vec<StepSeries>, Error> {
    if are_distinct(evaluation, &series)? {
        return Ok(series);
    }
    let mut merged = Merged::default();
    for mut one in series {
        evaluation.check()?;
        if one.drop_name {
            one.labels = reserved::without(&one.labels);
        }
        merged.add(one)?;
    }
    Ok(merged.into_series())
}

/// Whether all series keep their names, and the labels rise from each to the next, as those of a selector do.
fn are_distinct(evaluation: &Evaluation<'_>, series: &[StepSeries]) -> Result<bool, Error> {
    let mut before: Option<&StepSeries> = None;
    for one in series {
        evaluation.check()?;
        if one.drop_name || before.is_some_and(|before| before.labels >= one.labels) {
            return Ok(false);
        }
        before = Some(one);
    }
    Ok(true)
}
