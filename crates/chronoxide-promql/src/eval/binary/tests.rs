use std::time::Duration;

use crate::memory_source::MemorySource;
use crate::{Answer, Engine, Error, QueryOptions, RangeTimes, Value};

const MINUTE: i64 = 60_000;
const GAP: f64 = f64::NAN;

/// A series: its labels and its value at each minute.
type Line<'l> = (&'l [(&'l str, &'l str)], &'l [f64]);

/// Series with one value a minute; no value where there is a gap.
fn source(series: &[Line<'_>]) -> MemorySource {
    let mut source = MemorySource::default();
    for (labels, values) in series {
        for (minute, value) in (0..).zip(*values) {
            if !value.is_nan() {
                source.floats(labels, minute * MINUTE, MINUTE, &[*value]);
            }
        }
    }
    source
}

/// Evaluates `text` at minutes 0, 1 and 2, without looking back.
fn answer(source: &MemorySource, text: &str) -> Result<Answer, Error> {
    let options = QueryOptions {
        lookback: Some(Duration::from_secs(1)),
        ..QueryOptions::default()
    };
    let times = RangeTimes {
        start_ms: 0,
        end_ms: 2 * MINUTE,
        step_ms: MINUTE,
    };
    Engine::default().range(source, text, times, &options)
}

/// The result as text: labels, then the value of each minute.
fn lines(source: &MemorySource, text: &str) -> Vec<String> {
    let Value::Matrix(matrix) = answer(source, text).unwrap().value else {
        panic!("{text} gives no matrix");
    };
    let cell = |floats: &[(i64, f64)], minute: i64| {
        let found = floats.iter().find(|(at, _)| *at == minute * MINUTE);
        found.map_or("_".to_owned(), |(_, value)| value.to_string())
    };
    matrix
        .into_iter()
        .map(|series| {
            let cells: Vec<String> = (0..3).map(|at| cell(&series.floats, at)).collect();
            format!("{} {}", series.labels, cells.join(" "))
        })
        .collect()
}

fn error(source: &MemorySource, text: &str) -> String {
    answer(source, text).unwrap_err().to_string()
}

fn two_metrics() -> MemorySource {
    source(&[
        (&[("__name__", "a"), ("x", "1")], &[1.0, 2.0, 3.0]),
        (&[("__name__", "a"), ("x", "2")], &[4.0, GAP, 6.0]),
        (&[("__name__", "b"), ("x", "1")], &[10.0, GAP, 3.0]),
        (&[("__name__", "b"), ("x", "3")], &[7.0, 8.0, 9.0]),
    ])
}

#[test]
fn series_pair_by_their_labels_at_each_step() {
    let source = two_metrics();
    assert_eq!(lines(&source, "a + b"), ["{x=\"1\"} 11 _ 6"]);
    assert_eq!(lines(&source, "a < b"), ["a{x=\"1\"} 1 _ _"]);
    assert_eq!(lines(&source, "a < bool b"), ["{x=\"1\"} 1 _ 0"]);
}

#[test]
fn a_comparison_does_not_bring_back_a_name_that_is_to_go() {
    let source = two_metrics();
    assert_eq!(lines(&source, "-a < b"), ["{x=\"1\"} -1 _ -3"]);
    assert_eq!(
        lines(&source, "-a < on (x) group_left (__name__) b"),
        ["b{x=\"1\"} -1 _ -3"]
    );
}

#[test]
fn scalars_work_on_every_series() {
    let source = two_metrics();
    assert_eq!(
        lines(&source, "2 * a"),
        ["{x=\"1\"} 2 4 6", "{x=\"2\"} 8 _ 12"]
    );
    assert_eq!(
        lines(&source, "3 <= a"),
        ["a{x=\"1\"} _ _ 3", "a{x=\"2\"} 4 _ 6"]
    );
    assert_eq!(
        lines(&source, "a > bool 2"),
        ["{x=\"1\"} 0 0 1", "{x=\"2\"} 1 _ 1"]
    );
}

#[test]
fn sets_look_at_each_step_alone() {
    let source = two_metrics();
    assert_eq!(lines(&source, "a and b"), ["a{x=\"1\"} 1 _ 3"]);
    assert_eq!(
        lines(&source, "a unless b"),
        ["a{x=\"1\"} _ 2 _", "a{x=\"2\"} 4 _ 6"]
    );
    assert_eq!(
        lines(&source, "b or a"),
        [
            "a{x=\"1\"} _ 2 _",
            "a{x=\"2\"} 4 _ 6",
            "b{x=\"1\"} 10 _ 3",
            "b{x=\"3\"} 7 8 9"
        ]
    );
    assert_eq!(
        lines(&source, "b or on () a"),
        ["b{x=\"1\"} 10 _ 3", "b{x=\"3\"} 7 8 9"]
    );
}

#[test]
fn or_joins_series_of_the_same_labels() {
    let source = two_metrics();
    let joined = "count_over_time((a{x=\"2\"} or a offset 1m)[3m:1m])";
    assert_eq!(lines(&source, joined)[1], "{x=\"2\"} 1 2 3");
}

#[test]
fn missing_sides_are_filled() {
    let source = two_metrics();
    assert_eq!(
        lines(&source, "a + fill_right(100) b"),
        ["{x=\"1\"} 11 102 6", "{x=\"2\"} 104 _ 106"]
    );
    assert_eq!(
        lines(&source, "a + fill(100) b"),
        [
            "{x=\"1\"} 11 102 6",
            "{x=\"2\"} 104 _ 106",
            "{x=\"3\"} 107 108 109"
        ]
    );
}

fn many_and_one() -> MemorySource {
    source(&[
        (
            &[("__name__", "many"), ("g", "1"), ("x", "1")],
            &[1.0, 2.0, 3.0],
        ),
        (
            &[("__name__", "many"), ("g", "1"), ("x", "2")],
            &[4.0, 5.0, 6.0],
        ),
        (
            &[("__name__", "one"), ("g", "1"), ("old", "yes")],
            &[10.0, GAP, GAP],
        ),
        (
            &[("__name__", "one"), ("g", "1"), ("old", "no")],
            &[GAP, 20.0, GAP],
        ),
        (
            &[("__name__", "two"), ("g", "1"), ("y", "1")],
            &[1.0, 1.0, 1.0],
        ),
        (
            &[("__name__", "two"), ("g", "1"), ("y", "2")],
            &[GAP, GAP, 1.0],
        ),
    ])
}

#[test]
fn the_one_side_may_change_from_step_to_step() {
    let source = many_and_one();
    assert_eq!(
        lines(&source, "many * on (g) group_left () one"),
        ["{g=\"1\", x=\"1\"} 10 40 _", "{g=\"1\", x=\"2\"} 40 100 _"]
    );
    assert_eq!(
        lines(&source, "one * on (g) group_right (old) many{x=\"1\"}"),
        [
            "{g=\"1\", old=\"no\", x=\"1\"} _ 40 _",
            "{g=\"1\", old=\"yes\", x=\"1\"} 10 _ _"
        ]
    );
}

#[test]
fn duplicates_are_an_error_at_the_step_where_both_are() {
    let source = many_and_one();
    assert_eq!(
        error(&source, "many * on (g) group_left () two"),
        "found duplicate series for the match group {g=\"1\"} on the right hand-side of the operation: \
         [{__name__=\"two\", g=\"1\", y=\"1\"}, {__name__=\"two\", g=\"1\", y=\"2\"}]\
         ;many-to-many matching not allowed: matching labels must be unique on one side"
    );
    assert!(error(&source, "two * on (g) group_right () many").contains("on the left hand-side"),);
    assert_eq!(
        error(&source, "many * on (g) one"),
        "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)"
    );
    assert_eq!(
        error(&source, "many * on (g) group_left (x) one"),
        "multiple matches for labels: grouping labels must ensure unique matches"
    );
    // Nothing to match on the other side, no error.
    assert!(lines(&source, "nothing * on (g) group_left () two").is_empty());
}

#[test]
fn operators_without_use_for_a_kind_say_so() {
    let source = two_metrics();
    let answer = answer(&source, "a </ 1").unwrap();
    assert_eq!(
        answer.infos,
        [
            "PromQL info: incompatible sample types encountered for binary operator \"</\": float </ float (1:1)"
        ]
    );
    assert_eq!(answer.value, Value::Matrix(Vec::new()));
}
