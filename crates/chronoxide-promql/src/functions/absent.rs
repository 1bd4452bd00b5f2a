//! `absent` and `absent_over_time`, `vector`.

use std::sync::atomic::{AtomicBool, Ordering};

use chronoxide_model::{Labels, LabelsBuilder, METRIC_NAME, Matcher, MatcherOp};

use crate::Error;
use crate::eval::{Column, Evaluation, Sink, StepSeries};
use crate::functions::range;
use crate::plan::{Call, Expr, Node};

/// Hands on one series that is 1 at each step where the argument has no value.
///
/// # Errors
/// Whatever the evaluation or `sink` fails with.
pub(crate) fn absent(
    evaluation: &Evaluation<'_>,
    call: &Call,
    sink: Sink<'_>,
) -> Result<(), Error> {
    let argument = &call.arguments[0];
    let _charge = evaluation.charge_column()?;
    let mut absent = Column::from_floats(vec![1.0; evaluation.steps.count]);
    let enough = AtomicBool::new(false);
    let inside = evaluation.without_values();
    let inside = inside.until(&enough, argument);
    inside.for_each(argument, &mut |series| {
        for index in 0..series.column.len() {
            if !series.column.is_absent(index) {
                absent.clear(index);
            }
        }
        if absent.is_empty() {
            enough.store(true, Ordering::Relaxed);
        }
        Ok(())
    })?;
    if absent.is_empty() {
        return Ok(());
    }
    sink(StepSeries::new(selected_labels(argument)?, absent, false))
}

/// Hands on one series that is 1 at each step where no series of the argument has a sample in its window.
///
/// # Errors
/// Whatever the evaluation or `sink` fails with.
pub(crate) fn absent_over_time(
    evaluation: &Evaluation<'_>,
    call: &Call,
    sink: Sink<'_>,
) -> Result<(), Error> {
    let labels = selected_labels(&call.arguments[0])?;
    range::absent_over_time(evaluation, call, labels, sink)
}

/// The labels that all series of selector `node` would have: those asked for by `=`, each once, and not by another matcher
/// behind it. Matchers that exclude values count as if they came last: Prometheus has sorted them by then.
fn selected_labels(node: &Node) -> Result<Labels, Error> {
    let (Expr::Vector(selector) | Expr::Range { selector, .. }) = &node.expr else {
        return Ok(Labels::empty());
    };
    let mut labels = LabelsBuilder::new();
    let mut seen: Vec<&str> = Vec::new();
    let excludes = |matcher: &&Matcher| {
        matches!(matcher.op(), MatcherOp::NotEqual | MatcherOp::NotRegex) && matcher.matches_empty()
    };
    let (last, first): (Vec<_>, Vec<_>) = selector.matchers.iter().partition(excludes);
    for matcher in first.into_iter().chain(last) {
        let name = matcher.name();
        if name == METRIC_NAME {
            continue;
        }
        if matcher.op() == MatcherOp::Equal && !seen.contains(&name) {
            labels.set(name, matcher.value());
            seen.push(name);
        } else {
            labels.remove(name);
        }
    }
    labels.build().map_err(Error::labels)
}

/// `vector`: a scalar as a series without labels.
///
/// # Errors
/// Whatever the evaluation or `sink` fails with.
pub(crate) fn vector(
    evaluation: &Evaluation<'_>,
    call: &Call,
    sink: Sink<'_>,
) -> Result<(), Error> {
    sink(evaluation.scalar(&call.arguments[0])?.into_series())
}
