//! `label_replace` and `label_join`.

use std::collections::HashMap;

use chronoxide_model::{Labels, METRIC_NAME, RegexError, anchored_regex};
use regex::Regex;
use regex_automata::util::interpolate;

use super::MadeValue;
use crate::Error;
use crate::eval::{Charge, Evaluation, Merged, Sink, Size, StepSeries};
use crate::plan::{Call, Expr, Node};

/// What the expression of one `label_replace` may weigh.
const REGEX_WEIGHT_MAX: usize = 20_000;

/// What it takes a unit of weight, at most; calls within calls have theirs at the same time.
const BYTES_A_WEIGHT: u64 = 300;

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
/// When the regex does not compile, the destination is no label name or its value gets too long, and whatever the
/// evaluation or `sink` fails with.
pub(crate) fn replace(
    evaluation: &Evaluation<'_>,
    call: &Call,
    sink: Sink<'_>,
) -> Result<(), Error> {
    let arguments = texts(&call.arguments[1..])?;
    let [destination, replacement, source, pattern] = arguments[..] else {
        return Err(Error::execution("label_replace takes five arguments"));
    };
    evaluation.check()?;
    let (regex, weight) =
        anchored_regex(pattern, REGEX_WEIGHT_MAX).map_err(|error| refused(pattern, &error))?;
    let bytes = Size::of_bytes(weight as u64 * BYTES_A_WEIGHT);
    let _regex = Charge::new(&evaluation.query.meter, bytes)?;
    if destination.is_empty() {
        return Err(Error::execution(
            "invalid destination label name in label_replace(): ",
        ));
    }
    let expansion = Expansion::new(&regex, replacement);
    relabel(
        evaluation,
        &call.arguments[0],
        sink,
        destination,
        |labels| {
            let value = labels.get(source).unwrap_or_default();
            expansion.of(value, MadeValue::new("label_replace", destination))
        },
    )
}

fn refused(pattern: &str, error: &RegexError) -> Error {
    Error::execution(match error {
        RegexError::TooLarge { .. } => {
            format!("invalid regular expression in label_replace(): {error}")
        }
        _ => format!("invalid regular expression in label_replace(): {pattern}"),
    })
}

/// A replacement text with references to the groups of an expression.
struct Expansion<'e> {
    regex: &'e Regex,
    replacement: &'e str,
    /// The numbers of the groups that have names.
    names: HashMap<&'e str, usize>,
}

impl<'e> Expansion<'e> {
    fn new(regex: &'e Regex, replacement: &'e str) -> Self {
        let names = regex.capture_names().enumerate();
        Self {
            regex,
            replacement,
            names: names
                .filter_map(|(number, name)| Some((name?, number)))
                .collect(),
        }
    }

    /// The text with what the groups match in `value`, as `made`; nothing if the expression does not match.
    fn of(&self, value: &str, mut made: MadeValue<'_>) -> Result<Option<String>, Error> {
        let Some(captures) = self.regex.captures(value) else {
            return Ok(None);
        };
        // What the text says of itself goes to `piece`, before each group and at the end.
        let mut piece = String::new();
        interpolate::string(
            self.replacement,
            |group, piece| {
                made.push(piece);
                piece.clear();
                if let Some(group) = captures.get(group) {
                    made.push(group.as_str());
                }
            },
            |name| self.names.get(name).copied(),
            &mut piece,
        );
        made.push(&piece);
        made.finish().map(Some)
    }
}

/// `label_join(v, destination, separator, source...)`.
///
/// # Errors
/// When a name is no label name or the value gets too long, and whatever the evaluation or `sink` fails with.
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
    relabel(
        evaluation,
        &call.arguments[0],
        sink,
        destination,
        |labels| {
            let mut made = MadeValue::new("label_join", destination);
            for (index, source) in sources.iter().enumerate() {
                if index > 0 {
                    made.push(separator);
                }
                made.push(labels.get(source).unwrap_or_default());
                if made.is_too_long() {
                    break;
                }
            }
            made.finish().map(Some)
        },
    )
}

/// Hands on the series of `argument` with the label `name` set to what `value` makes of the other labels, if anything; a
/// metric name that is set so stays. Those that have the same labels then become one.
fn relabel(
    evaluation: &Evaluation<'_>,
    argument: &Node,
    sink: Sink<'_>,
    name: &str,
    value: impl Fn(&Labels) -> Result<Option<String>, Error>,
) -> Result<(), Error> {
    let mut merged = Merged::default();
    evaluation.for_each(argument, &mut |mut series: StepSeries| {
        evaluation.check()?;
        if series.column.is_empty() {
            return Ok(());
        }
        if let Some(value) = value(&series.labels)? {
            let mut builder = series.labels.to_builder();
            builder.set(name, &value);
            series.relabel(builder.build().map_err(Error::labels)?);
            series.drop_name &= name != METRIC_NAME;
        }
        series.charge(&evaluation.query.meter)?;
        merged.add(series)?;
        Ok(())
    })?;
    evaluation.hand_on(merged.into_series(), sink)
}
