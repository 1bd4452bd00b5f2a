//! `sort`, `sort_desc`, `sort_by_label`, `sort_by_label_desc`: the order of an instant query's answer.

mod natural;

use std::cmp::Ordering;

use crate::annotations::Annotation;
use crate::eval::{Evaluation, Sink, StepSeries, order};
use crate::functions::label::text;
use crate::plan::{Call, Position};
use crate::{Error, Function};

/// Hands on the series of the sorting function `call`, written at `position`.
///
/// Where several steps were asked for there is no order, which a warning says.
///
/// # Errors
/// Whatever the evaluation or `sink` fails with.
pub(crate) fn for_each(
    evaluation: &Evaluation<'_>,
    call: &Call,
    position: Position,
    sink: Sink<'_>,
) -> Result<(), Error> {
    let by_label = matches!(
        call.function,
        Function::SortByLabel | Function::SortByLabelDesc
    );
    if !evaluation.steps.is_alone() {
        evaluation.for_each(&call.arguments[0], &mut |mut series| {
            if !by_label {
                series.column.drop_histograms();
            }
            sink(series)
        })?;
        // Last, as of sorts within sorts the outermost is named.
        evaluation.annotate(Annotation::SortInRangeQuery, position);
        return Ok(());
    }
    let mut all = evaluation.collect(&call.arguments[0])?;
    if by_label {
        let names = call.arguments[1..]
            .iter()
            .map(text)
            .collect::<Result<Vec<_>, _>>()?;
        let compare = |left: &StepSeries, right: &StepSeries| by_labels(left, right, &names);
        order::sort_by(evaluation, &mut all, compare)?;
        if call.function == Function::SortByLabelDesc {
            all.reverse();
        }
    } else {
        let descending = call.function == Function::SortDesc;
        all.retain(|series| series.column.float(0).is_some());
        let compare = |left: &StepSeries, right: &StepSeries| by_value(left, right, descending);
        order::sort_by(evaluation, &mut all, compare)?;
    }
    evaluation.hand_on(all, sink)
}

/// By the value of the only step, NaN last either way.
fn by_value(left: &StepSeries, right: &StepSeries, descending: bool) -> Ordering {
    let value = |series: &StepSeries| series.column.float(0).unwrap_or(f64::NAN);
    let (left, right) = (value(left), value(right));
    let order = left.partial_cmp(&right).unwrap_or(Ordering::Equal);
    left.is_nan()
        .cmp(&right.is_nan())
        .then(if descending { order.reverse() } else { order })
}

fn by_labels(left: &StepSeries, right: &StepSeries, names: &[&str]) -> Ordering {
    names
        .iter()
        .map(|name| {
            natural::compare(
                left.labels.get(name).unwrap_or_default(),
                right.labels.get(name).unwrap_or_default(),
            )
        })
        .find(|order| order.is_ne())
        .unwrap_or_else(|| left.labels.cmp(&right.labels))
}
