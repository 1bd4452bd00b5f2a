//! Whether an answer is the expected one.

use std::collections::HashMap;

use chronoxide_model::{CUSTOM_BUCKETS_SCHEMA, Labels, is_stale_marker};
use chronoxide_promql::{Answer, Error, FloatHistogram, InstantSample, Point, RangeSeries, Value};

use crate::literal::show;
use crate::notation::{Item, SeriesLine};
use crate::script::{Annotations, Eval, Expected, Text, When, is_gap};

/// Relative difference up to which floats are equal.
const TOLERANCE: f64 = 1e-6;

/// An error that was expected, or not.
pub(crate) fn judge_error(eval: &Eval, error: &Error) -> Result<(), String> {
    let message = match error {
        Error::Parse { message, .. } => message.clone(),
        other => other.to_string(),
    };
    if eval.fail.is_empty() {
        return Err(format!("error: {error}"));
    }
    match eval.fail.iter().find(|text| !text.matches(&message)) {
        Some(text) => Err(format!("expected the error {text:?}, got: {message}")),
        None => Ok(()),
    }
}

pub(crate) fn judge_answer(eval: &Eval, answer: &Answer) -> Result<(), String> {
    if !eval.fail.is_empty() {
        return Err(format!(
            "expected an error, got {}",
            show_value(&answer.value)
        ));
    }
    judge_annotations("warning", &eval.warnings, &answer.warnings)?;
    judge_annotations("info", &eval.infos, &answer.infos)?;
    judge_value(eval, &answer.value)
}

fn judge_annotations(kind: &str, expected: &Annotations, got: &[String]) -> Result<(), String> {
    if expected.none && !got.is_empty() {
        return Err(format!("expected no {kind}, got {got:?}"));
    }
    if (expected.some || !expected.texts.is_empty()) && got.is_empty() {
        return Err(format!("expected a {kind}, got none"));
    }
    if expected.texts.is_empty() {
        return Ok(());
    }
    let unmet = |text: &&Text| !got.iter().any(|annotation| text.matches(annotation));
    if let Some(text) = expected.texts.iter().find(unmet) {
        return Err(format!("expected the {kind} {text:?}, got {got:?}"));
    }
    let unforeseen =
        |annotation: &&String| !expected.texts.iter().any(|text| text.matches(annotation));
    match got.iter().find(unforeseen) {
        Some(annotation) => Err(format!("unexpected {kind} {annotation:?}")),
        None => Ok(()),
    }
}

/// Compares the value alone.
pub(crate) fn judge_value(eval: &Eval, value: &Value) -> Result<(), String> {
    match (&eval.expected, value) {
        (Expected::String(expected), Value::String(_, got)) if expected == got => Ok(()),
        (Expected::Scalar(expected), Value::Scalar(_, got)) if almost_equal(*expected, *got) => {
            Ok(())
        }
        (Expected::Series(series), Value::Vector(samples)) => judge_vector(eval, series, samples),
        (Expected::Series(series), Value::Matrix(got)) => match eval.when {
            When::Range {
                start_ms,
                end_ms,
                step_ms,
            } => judge_matrix(series, (start_ms, end_ms, step_ms), got),
            When::Instant { .. } => Err(format!("expected a vector, got {}", show_value(value))),
        },
        (
            Expected::RangeVector {
                start_ms,
                end_ms,
                step_ms,
                series,
            },
            Value::Matrix(got),
        ) => judge_matrix(series, (*start_ms, *end_ms, *step_ms), got),
        (expected, got) => Err(format!(
            "expected {}, got {}",
            show_expected(expected),
            show_value(got)
        )),
    }
}

fn judge_vector(eval: &Eval, expected: &[SeriesLine], got: &[InstantSample]) -> Result<(), String> {
    let mismatch = |why: String| {
        let got = show_value(&Value::Vector(got.to_vec()));
        format!(
            "{why}\n      wanted {}\n      got {got}",
            show_expected(&eval.expected)
        )
    };
    let mut by_labels: HashMap<&Labels, (usize, &SeriesLine)> = HashMap::new();
    for (place, line) in expected.iter().enumerate() {
        by_labels.insert(&line.labels, (place, line));
    }
    let mut seen = std::collections::HashSet::new();
    for (place, sample) in got.iter().enumerate() {
        let labels = &sample.labels;
        let Some((wanted_place, line)) = by_labels.get(labels) else {
            return Err(mismatch(format!("unexpected series {labels}")));
        };
        if !seen.insert(labels) {
            return Err(mismatch(format!("series {labels} stands twice")));
        }
        if eval.ordered && *wanted_place != place {
            return Err(mismatch(format!(
                "{labels} is at place {place}, not {wanted_place}"
            )));
        }
        let wanted = line.items.first().unwrap_or(&Item::Gap);
        if !same_point(wanted, &sample.point) {
            return Err(mismatch(format!("value of {labels}")));
        }
    }
    match by_labels.keys().find(|labels| !seen.contains(**labels)) {
        Some(labels) => Err(mismatch(format!("missing series {labels}"))),
        None => Ok(()),
    }
}

fn judge_matrix(
    expected: &[SeriesLine],
    times: (i64, i64, i64),
    got: &[RangeSeries],
) -> Result<(), String> {
    let (start_ms, end_ms, step_ms) = times;
    let mismatch = |why: String| {
        let expected: Vec<String> = expected.iter().map(show_line).collect();
        let got = show_value(&Value::Matrix(got.to_vec()));
        format!(
            "{why}\n      wanted {}\n      got {got}",
            expected.join("; ")
        )
    };
    judge_order(got)?;
    let by_labels: HashMap<&Labels, &SeriesLine> =
        expected.iter().map(|line| (&line.labels, line)).collect();
    for series in got {
        let labels = &series.labels;
        let Some(line) = by_labels.get(labels) else {
            return Err(mismatch(format!("unexpected series {labels}")));
        };
        let mut points = points_of(series);
        for (index, item) in (0_i64..).zip(&line.items).filter(|(_, item)| !is_gap(item)) {
            let time_ms = start_ms + index * step_ms;
            if time_ms > end_ms {
                return Err(mismatch(format!("{labels} has more values than steps")));
            }
            match points.remove(&time_ms) {
                Some(point) if same_point(item, &point) => {}
                _ => return Err(mismatch(format!("value of {labels} at {time_ms} ms"))),
            }
        }
        if !points.is_empty() {
            return Err(mismatch(format!("{labels} has too many points")));
        }
    }
    match by_labels
        .keys()
        .find(|labels| !got.iter().any(|series| series.labels == ***labels))
    {
        Some(labels) => Err(mismatch(format!("missing series {labels}"))),
        None => Ok(()),
    }
}

/// A matrix is sorted by labels and has no series twice.
pub(crate) fn judge_order(got: &[RangeSeries]) -> Result<(), String> {
    match got.windows(2).find(|pair| pair[0].labels >= pair[1].labels) {
        Some(pair) => Err(format!(
            "matrix is not sorted: {} before {}",
            pair[0].labels, pair[1].labels
        )),
        None => Ok(()),
    }
}

pub(crate) fn points_of(series: &RangeSeries) -> HashMap<i64, Point> {
    let floats = series
        .floats
        .iter()
        .map(|(time_ms, value)| (*time_ms, Point::Float(*value)));
    let histograms = series.histograms.iter();
    let histograms =
        histograms.map(|(time_ms, value)| (*time_ms, Point::Histogram(Box::new(value.clone()))));
    floats.chain(histograms).collect()
}

fn same_point(wanted: &Item, got: &Point) -> bool {
    match (wanted, got) {
        (Item::Float(wanted), Point::Float(got)) => almost_equal(*wanted, *got),
        (
            Item::Histogram {
                histogram,
                hint_stated,
            },
            Point::Histogram(got),
        ) => same_histogram(histogram, got, *hint_stated),
        _ => false,
    }
}

fn almost_equal(a: f64, b: f64) -> bool {
    if is_stale_marker(a) || is_stale_marker(b) {
        return is_stale_marker(a) && is_stale_marker(b);
    }
    if (a.is_nan() && b.is_nan()) || a == b {
        return true;
    }
    let (sum, difference) = (a.abs() + b.abs(), (a - b).abs());
    if a == 0.0 || b == 0.0 || sum < f64::MIN_POSITIVE {
        return difference < TOLERANCE * f64::MIN_POSITIVE;
    }
    difference / sum.min(f64::MAX) < TOLERANCE
}

fn same_histogram(wanted: &FloatHistogram, got: &FloatHistogram, hint_stated: bool) -> bool {
    wanted.schema == got.schema
        && almost_equal(wanted.count, got.count)
        && almost_equal(wanted.sum, got.sum)
        && (wanted.schema != CUSTOM_BUCKETS_SCHEMA || wanted.custom_bounds == got.custom_bounds)
        && wanted.zero_threshold == got.zero_threshold
        && almost_equal(wanted.zero_count, got.zero_count)
        && same_buckets(&wanted.positive, &got.positive)
        && same_buckets(&wanted.negative, &got.negative)
        && (!hint_stated || wanted.counter_reset_hint == got.counter_reset_hint)
}

/// Empty buckets are as good as none.
fn same_buckets(wanted: &[(i32, f64)], got: &[(i32, f64)]) -> bool {
    let filled = |buckets: &[(i32, f64)]| -> Vec<(i32, f64)> {
        buckets
            .iter()
            .copied()
            .filter(|bucket| bucket.1 != 0.0)
            .collect()
    };
    let (wanted, got) = (filled(wanted), filled(got));
    wanted.len() == got.len()
        && wanted
            .iter()
            .zip(&got)
            .all(|(wanted, got)| wanted.0 == got.0 && almost_equal(wanted.1, got.1))
}

fn show_item(item: &Item) -> String {
    match item {
        Item::Gap => "_".to_owned(),
        Item::Float(value) => value.to_string(),
        Item::Histogram { histogram, .. } => show(histogram),
    }
}

fn show_line(line: &SeriesLine) -> String {
    let items: Vec<String> = line.items.iter().map(show_item).collect();
    format!("{} {}", line.labels, items.join(" "))
}

fn show_expected(expected: &Expected) -> String {
    match expected {
        Expected::Series(series) | Expected::RangeVector { series, .. } => {
            let lines: Vec<String> = series.iter().map(show_line).collect();
            format!("[{}]", lines.join("; "))
        }
        Expected::Scalar(value) => format!("scalar {value}"),
        Expected::String(text) => format!("string {text:?}"),
    }
}

/// The value on one line.
pub(crate) fn show_value(value: &Value) -> String {
    let point = |point: &Point| match point {
        Point::Float(value) => value.to_string(),
        Point::Histogram(histogram) => show(histogram),
    };
    match value {
        Value::Scalar(_, value) => format!("scalar {value}"),
        Value::String(_, text) => format!("string {text:?}"),
        Value::Vector(samples) => {
            let shown = samples
                .iter()
                .map(|sample| format!("{} {}", sample.labels, point(&sample.point)));
            format!("[{}]", shown.collect::<Vec<_>>().join("; "))
        }
        Value::Matrix(series) => {
            let shown = series.iter().map(|series| {
                let mut points: Vec<(i64, Point)> = points_of(series).into_iter().collect();
                points.sort_by_key(|(time_ms, _)| *time_ms);
                let points = points
                    .iter()
                    .map(|(time_ms, value)| format!("{}@{time_ms}", point(value)));
                format!("{} {}", series.labels, points.collect::<Vec<_>>().join(" "))
            });
            format!("matrix [{}]", shown.collect::<Vec<_>>().join("; "))
        }
    }
}
