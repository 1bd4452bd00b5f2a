//! From series over steps to the value of a query.

use std::collections::BTreeMap;
use std::sync::Arc;

use chronoxide_model::Labels;

use crate::eval::{CellValue, Column, Evaluation, StepSeries, reserved};
use crate::plan::{AggregateOp, Expr, Node, ValueType};
use crate::{Error, Function, InstantSample, Point, RangeSeries, Value};

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
        (ValueType::RangeVector, _) => Err(Error::execution(
            "range vectors are not available in this build",
        )),
        _ => vector(evaluation, node).map(Value::Vector),
    }
}

/// The value of a range query.
pub(super) fn range(evaluation: &Evaluation<'_>, node: &Node) -> Result<Value, Error> {
    let steps = evaluation.steps;
    let series = finish(evaluation.collect(node)?)?;
    let mut matrix: Vec<RangeSeries> = series
        .into_iter()
        .map(|(labels, column)| RangeSeries {
            labels,
            floats: column
                .floats()
                .map(|(index, value)| (steps.at(index), value))
                .collect(),
            histograms: column
                .histograms()
                .map(|(index, histogram)| (steps.at(index), histogram.as_ref().clone()))
                .collect(),
        })
        .collect();
    matrix.sort_by(|left, right| left.labels.cmp(&right.labels));
    Ok(Value::Matrix(matrix))
}

fn vector(evaluation: &Evaluation<'_>, node: &Node) -> Result<Vec<InstantSample>, Error> {
    let timestamp_ms = evaluation.steps.start_ms;
    let series = finish(evaluation.collect(node)?)?;
    let mut samples: Vec<InstantSample> = series
        .into_iter()
        .filter_map(|(labels, column)| {
            let point = match column.value(0)? {
                CellValue::Float(value) => Point::Float(value),
                CellValue::Histogram(histogram) => {
                    Point::Histogram(Box::new(Arc::unwrap_or_clone(histogram)))
                }
            };
            Some(InstantSample {
                labels,
                timestamp_ms,
                point,
            })
        })
        .collect();
    if !is_ordered(node) {
        samples.sort_by(|left, right| left.labels.cmp(&right.labels));
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
/// When two such series have a value at the same step.
pub(super) fn finish(series: Vec<StepSeries>) -> Result<Vec<(Labels, Column)>, Error> {
    let mut finished: Vec<(Labels, Column)> = Vec::with_capacity(series.len());
    let mut places: BTreeMap<Labels, usize> = BTreeMap::new();
    for one in series {
        let labels = if one.drop_name {
            reserved::without(&one.labels)
        } else {
            one.labels
        };
        match places.get(&labels) {
            Some(place) => {
                if !finished[*place].1.merge(&one.column) {
                    return Err(Error::execution(
                        "vector cannot contain metrics with the same labelset",
                    ));
                }
            }
            None => {
                places.insert(labels.clone(), finished.len());
                finished.push((labels, one.column));
            }
        }
    }
    Ok(finished)
}
