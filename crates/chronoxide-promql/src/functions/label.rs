//! `label_replace` and `label_join`.

use chronoxide_model::{METRIC_NAME, anchored_regex};

use crate::Error;
use crate::eval::{Evaluation, Merged, Sink, StepSeries};
use crate::plan::{Call, Expr, Node};

/// What the expression of one `label_replace` may weigh.
const REGEX_WEIGHT_MAX: usize = 20_000;

/// The text of a string argument.
pub(super) fn text(node: &Node) -> Result<&str, Error> {
    match &node.expr {
        Expr::String(text) => Ok(text),
        other => Err(Error::execution(format!(
            "expected a string, got a {}",
            other.value_type().as_str()
        ))),
    }
}

fn texts(nodes: &[Node]) -> Result<Vec<&str>, Error> {
    nodes.iter().map(text).collect()
}

/// `label_replace(v, destination, replacement, source, regex)`.
///
/// # Errors
/// When the regex does not compile or the destination is no label name, and whatever the evaluation or `sink` fails
/// with.
pub(crate) fn replace(
    evaluation: &Evaluation<'_>,
    call: &Call,
    sink: Sink<'_>,
) -> Result<(), Error> {
    let arguments = texts(&call.arguments[1..])?;
    let [destination, replacement, source, pattern] = arguments[..] else {
        return Err(Error::execution("label_replace takes five arguments"));
    };
    let (regex, _) = anchored_regex(pattern, REGEX_WEIGHT_MAX).map_err(|_| {
        Error::execution(format!(
            "invalid regular expression in label_replace(): {pattern}"
        ))
    })?;
    if destination.is_empty() {
        return Err(Error::execution(
            "invalid destination label name in label_replace(): ",
        ));
    }
    relabel(evaluation, &call.arguments[0], sink, |series| {
        let value = series.labels.get(source).unwrap_or_default();
        if let Some(captures) = regex.captures(value) {
            let mut replaced = String::new();
            captures.expand(replacement, &mut replaced);
            set(series, destination, &replaced)?;
        }
        Ok(())
    })
}

/// `label_join(v, destination, separator, source...)`.
///
/// # Errors
/// When a name is no label name, and whatever the evaluation or `sink` fails with.
pub(crate) fn join(evaluation: &Evaluation<'_>, call: &Call, sink: Sink<'_>) -> Result<(), Error> {
    let arguments = texts(&call.arguments[1..])?;
    let [destination, separator, sources @ ..] = &arguments[..] else {
        return Err(Error::execution(
            "label_join takes at least three arguments",
        ));
    };
    if sources.iter().any(|source| source.is_empty()) {
        return Err(Error::execution(
            "invalid source label name in label_join(): ",
        ));
    }
    if destination.is_empty() {
        return Err(Error::execution(
            "invalid destination label name in label_join(): ",
        ));
    }
    relabel(evaluation, &call.arguments[0], sink, |series| {
        let values: Vec<&str> = sources
            .iter()
            .map(|source| series.labels.get(source).unwrap_or_default())
            .collect();
        let joined = values.join(separator);
        set(series, destination, &joined)
    })
}

/// Gives the series the label; a metric name that is set here stays.
fn set(series: &mut StepSeries, name: &str, value: &str) -> Result<(), Error> {
    let mut builder = series.labels.to_builder();
    builder.set(name, value);
    series.labels = builder.build().map_err(Error::labels)?;
    if name == METRIC_NAME {
        series.drop_name = false;
    }
    Ok(())
}

/// Hands on the series of `argument` with other labels; those that have the same labels then become one.
fn relabel(
    evaluation: &Evaluation<'_>,
    argument: &Node,
    sink: Sink<'_>,
    mut change: impl FnMut(&mut StepSeries) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut merged = Merged::default();
    for mut series in evaluation.collect(argument)? {
        change(&mut series)?;
        merged.add(series)?;
    }
    merged.into_series().into_iter().try_for_each(sink)
}
