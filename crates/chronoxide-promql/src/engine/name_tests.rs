use chronoxide_model::STALE_MARKER;

use super::*;
use crate::memory_source::MemorySource;
use crate::syntax::Features;
use crate::{Point, Value};

const MINUTE: i64 = 60_000;

/// The texts of the series of `text` at one minute, where names go at the end or at once, with what was told.
fn named(late: bool, text: &str) -> Result<(Vec<String>, Vec<String>), Error> {
    let mut source = MemorySource::default();
    for name in ["x", "y"] {
        source.floats(&[("__name__", name), ("n", "1")], 0, MINUTE, &[1.0, 2.0]);
    }
    source.floats(&[("__name__", "early")], 0, MINUTE, &[1.0, STALE_MARKER]);
    source.floats(&[("__name__", "later")], MINUTE, MINUTE, &[2.0]);
    let engine = Engine::new(EngineOptions {
        features: Features {
            delayed_name_removal: late,
            ..Features::ALL
        },
        ..EngineOptions::default()
    });
    let times = RangeTimes {
        start_ms: 0,
        end_ms: MINUTE,
        step_ms: MINUTE,
    };
    let answer = engine.range(&source, text, times, &QueryOptions::default())?;
    let Value::Matrix(series) = answer.value else {
        panic!("{text} is no vector");
    };
    let texts = series.iter().map(|one| one.labels.to_string()).collect();
    Ok((texts, answer.warnings))
}

#[test]
fn names_go_at_once_where_they_are_not_kept_until_the_end() {
    for (text, late, early) in [
        ("sum by (__name__) (-x)", "{}", "{}"),
        (
            "label_replace(-x, \"was\", \"$1\", \"__name__\", \"(.*)\")",
            "{n=\"1\", was=\"x\"}",
            "{n=\"1\"}",
        ),
        (
            "label_replace(x * 2, \"was\", \"$1\", \"__name__\", \"(.*)\")",
            "{n=\"1\", was=\"x\"}",
            "{n=\"1\"}",
        ),
        (
            "label_join(last_over_time(x[5m]), \"was\", \"\", \"__name__\")",
            "x{n=\"1\", was=\"x\"}",
            "x{n=\"1\", was=\"x\"}",
        ),
        (
            "label_join(max_over_time(abs(x)[5m:1m]), \"was\", \"\", \"__name__\")",
            "{n=\"1\", was=\"x\"}",
            "{n=\"1\"}",
        ),
        ("x > bool 1", "{n=\"1\"}", "{n=\"1\"}"),
        ("x > 1", "x{n=\"1\"}", "x{n=\"1\"}"),
        ("abs({__name__=~\"early|later\"})", "{}", "{}"),
        ("sum(abs({__name__=~\"early|later\"}))", "{}", "{}"),
    ] {
        for (is_late, expected) in [(true, late), (false, early)] {
            let (series, _) = named(is_late, text).unwrap();
            assert_eq!(series, [expected], "{text} {is_late}");
        }
    }
}

#[test]
fn series_that_are_the_same_without_their_names_cannot_lose_them_at_once() {
    for text in [
        "count(-{n=\"1\"})",
        "count(abs({n=\"1\"}))",
        "count({n=\"1\"} * 2)",
        "count({n=\"1\"} > bool on (__name__, n) {n=\"1\"})",
        "count(rate({n=\"1\"}[5m]))",
        "count(abs(x or on (__name__) y))",
        "count(abs(topk(2, {n=\"1\"})))",
        "count(abs(sum by (__name__) ({n=\"1\"})))",
        "count(abs(label_replace(x, \"__name__\", \"y\", \"n\", \"2\") or on (__name__) y))",
    ] {
        assert!(named(true, text).is_ok(), "{text}");
        let error = named(false, text).expect_err(text).to_string();
        assert!(error.contains("same labelset"), "{text}: {error}");
    }
}

#[test]
fn names_that_differ_by_what_was_joined_go_at_once_as_well() {
    let mut source = MemorySource::default();
    for (name, at) in [("x", 0), ("x", MINUTE), ("z1", 0), ("z2", MINUTE)] {
        source.floats(&[("__name__", name), ("job", "1")], at, MINUTE, &[1.0]);
    }
    let engine = Engine::new(EngineOptions {
        features: Features {
            delayed_name_removal: false,
            ..Features::ALL
        },
        ..EngineOptions::default()
    });
    let options = QueryOptions {
        lookback: Some(Duration::from_secs(1)),
        ..QueryOptions::default()
    };
    for joined in [
        "x * on (job) group_left (__name__) {__name__=~\"z1|z2\"}",
        "x * on (job) group_left (__name__) fill_right (1) z1",
        "x >= on (job) group_left (__name__) fill_right (1) z1",
        "z1 <= on (job) group_left () fill_left (1) x",
        "z1 <= bool on (job) group_left () fill_left (1) x",
    ] {
        let text = format!("count(last_over_time(abs({joined})[2m:1m]))");
        let answer = engine.instant(&source, &text, MINUTE, &options).unwrap();
        let Value::Vector(samples) = answer.value else {
            panic!("{text} is no vector");
        };
        assert_eq!(samples[0].point, Point::Float(1.0), "{text}");
    }
}

#[test]
fn windows_of_series_that_follow_each_other_cannot_lose_names_at_once() {
    for text in [
        "count_over_time({__name__=~\"early|later\"}[1m])",
        "sum(present_over_time({__name__=~\"early|later\"}[1m]))",
    ] {
        assert!(named(true, text).is_ok(), "{text}");
        let error = named(false, text).expect_err(text).to_string();
        assert!(error.contains("same labelset"), "{text}: {error}");
    }
}

#[test]
fn names_that_went_at_once_are_not_told() {
    let text = "histogram_quantile(0.5, x)";
    let told = |late| named(late, text).unwrap().1.join("\n");
    assert!(
        told(true).contains("for metric name \"x\""),
        "{}",
        told(true)
    );
    assert!(!told(false).contains("metric name"), "{}", told(false));
    assert!(told(false).contains("bucket label"), "{}", told(false));
}
