use std::sync::Arc;

use chronoxide_model::{
    BucketCounts, BucketSpan, CUSTOM_BUCKETS_SCHEMA, CounterResetHint, Histogram, HistogramCounts,
};

use crate::memory_source::MemorySource;
use crate::{Answer, Engine, Error, Point, QueryOptions, Value};

fn answer(source: &MemorySource, text: &str) -> Result<Answer, Error> {
    Engine::default().instant(source, text, 0, &QueryOptions::default())
}

/// The result as text, one line a series, in the order in which they come.
fn lines(source: &MemorySource, text: &str) -> Vec<String> {
    let Value::Vector(samples) = answer(source, text).unwrap().value else {
        panic!("{text} gives no vector");
    };
    let line = |point: &Point| match point {
        Point::Float(value) => value.to_string(),
        Point::Histogram(histogram) => histogram.to_string(),
    };
    samples
        .iter()
        .map(|sample| format!("{} {}", sample.labels, line(&sample.point)))
        .collect()
}

fn numbers(values: &[f64]) -> MemorySource {
    let mut source = MemorySource::default();
    for (index, value) in values.iter().enumerate() {
        let index = index.to_string();
        source.floats(&[("__name__", "m"), ("i", &index)], 0, 1, &[*value]);
    }
    source
}

fn only(source: &MemorySource, text: &str) -> String {
    let lines = lines(source, text);
    assert_eq!(lines.len(), 1, "{text}: {lines:?}");
    lines[0].clone()
}

/// A histogram of one positive bucket.
fn histogram(schema: i8, count: f64, hint: CounterResetHint) -> Histogram {
    Histogram {
        counter_reset_hint: hint,
        schema,
        zero_threshold: 0.0,
        sum: count,
        positive_spans: vec![BucketSpan {
            offset: 1,
            length: 1,
        }],
        negative_spans: Vec::new(),
        counts: HistogramCounts::Float(BucketCounts {
            count,
            zero_count: 0.0,
            positive: vec![count],
            negative: Vec::new(),
        }),
        custom_bounds: if schema == CUSTOM_BUCKETS_SCHEMA {
            Arc::from([1.0, 2.0])
        } else {
            Arc::default()
        },
    }
}

#[test]
fn each_operator_has_its_value() {
    let source = numbers(&[1.0, 2.0, 6.0]);
    for (text, value) in [
        ("sum(m)", "9"),
        ("avg(m)", "3"),
        ("min(m)", "1"),
        ("max(m)", "6"),
        ("count(m)", "3"),
        ("group(m)", "1"),
        ("stdvar(m)", "4.666666666666667"),
        ("stddev(m)", "2.160246899469287"),
        ("quantile(0.5, m)", "2"),
        ("quantile(0.75, m)", "4"),
    ] {
        assert_eq!(only(&source, text), format!("{{}} {value}"), "{text}");
    }
}

#[test]
fn nan_is_no_extreme_unless_alone() {
    let source = numbers(&[f64::NAN, 2.0, f64::NAN, 1.0]);
    assert_eq!(only(&source, "max(m)"), "{} 2");
    assert_eq!(only(&source, "min(m)"), "{} 1");
    assert_eq!(only(&numbers(&[f64::NAN]), "min(m)"), "{} NaN");
}

#[test]
fn groups_are_by_or_without_labels() {
    let mut source = MemorySource::default();
    for (a, b, value) in [("1", "1", 1.0), ("1", "2", 2.0), ("2", "1", 4.0)] {
        source.floats(&[("__name__", "m"), ("a", a), ("b", b)], 0, 1, &[value]);
    }
    assert_eq!(
        lines(&source, "sum by (a, c) (m)"),
        ["{a=\"1\"} 3", "{a=\"2\"} 4"]
    );
    assert_eq!(
        lines(&source, "sum without (a) (m)"),
        ["{b=\"1\"} 5", "{b=\"2\"} 2"]
    );
    assert_eq!(lines(&source, "sum by (__name__) (m)"), ["m 7"]);
}

#[test]
fn the_best_values_come_in_order() {
    let source = numbers(&[3.0, f64::NAN, 5.0, 1.0, 4.0]);
    let best = |text: &str| lines(&source, text);
    assert_eq!(best("topk(2, m)"), ["m{i=\"2\"} 5", "m{i=\"4\"} 4"]);
    assert_eq!(best("bottomk(2, m)"), ["m{i=\"3\"} 1", "m{i=\"0\"} 3"]);
    assert_eq!(best("topk(9, m)").last().unwrap(), "m{i=\"1\"} NaN");
    assert!(best("topk(0, m)").is_empty());
    assert_eq!(
        answer(&source, "topk(NaN, m)").unwrap_err().to_string(),
        "Parameter value is NaN"
    );
    assert_eq!(
        answer(&source, "topk(1e30, m)").unwrap_err().to_string(),
        "Scalar value 1e+30 overflows int64"
    );
}

#[test]
fn limits_take_some_series() {
    let source = numbers(&[1.0, 2.0, 3.0, 4.0]);
    assert_eq!(lines(&source, "limitk(2, m)").len(), 2);
    let half = lines(&source, "limit_ratio(0.5, m)");
    let other = lines(&source, "limit_ratio(-0.5, m)");
    assert_eq!(half.len() + other.len(), 4);
    assert!(half.iter().all(|line| !other.contains(line)));
    assert_eq!(lines(&source, "limit_ratio(1, m)").len(), 4);
}

#[test]
fn values_are_counted_as_labels() {
    let mut source = numbers(&[1.5, 1.5, 1e21]);
    source.histogram(
        &[("__name__", "m"), ("i", "h")],
        0,
        histogram(0, 2.0, CounterResetHint::Unknown),
    );
    assert_eq!(
        lines(&source, "count_values(\"v\", m)"),
        [
            "{v=\"1.5\"} 2",
            "{v=\"1000000000000000000000\"} 1",
            "{v=\"{count:2, sum:2, (1,2]:2}\"} 1"
        ]
    );
    assert_eq!(
        answer(&source, "count_values(\"\", m)")
            .unwrap_err()
            .to_string(),
        "invalid label name \"\""
    );
}

#[test]
fn histograms_are_added_and_averaged() {
    let mut source = MemorySource::default();
    for (name, count) in [("1", 1.0), ("2", 3.0)] {
        let sample = histogram(0, count, CounterResetHint::Unknown);
        source.histogram(&[("__name__", "h"), ("i", name)], 0, sample);
    }
    assert_eq!(only(&source, "sum(h)"), "{} {count:4, sum:4, (1,2]:4}");
    assert_eq!(only(&source, "avg(h)"), "{} {count:2, sum:2, (1,2]:2}");
    assert_eq!(only(&source, "count(h)"), "{} 2");
    let ignored = answer(&source, "max(h)").unwrap();
    assert_eq!(ignored.value, Value::Vector(Vec::new()));
    assert_eq!(
        ignored.infos,
        ["PromQL info: ignored histogram in max aggregation (1:5)"]
    );
}

#[test]
fn kinds_that_do_not_mix_give_nothing_but_a_warning() {
    let mut source = MemorySource::default();
    source.floats(&[("__name__", "m"), ("i", "0")], 0, 1, &[1.0]);
    let sample = histogram(0, 1.0, CounterResetHint::Unknown);
    source.histogram(&[("__name__", "m"), ("i", "1")], 0, sample);
    for text in ["sum(m)", "avg(m)"] {
        let mixed = answer(&source, text).unwrap();
        assert_eq!(mixed.value, Value::Vector(Vec::new()));
        assert_eq!(
            mixed.warnings,
            ["PromQL warning: encountered a mix of histograms and floats for aggregation (1:5)"]
        );
    }

    let mut source = MemorySource::default();
    for (name, schema) in [("0", 0), ("1", CUSTOM_BUCKETS_SCHEMA)] {
        let sample = histogram(schema, 1.0, CounterResetHint::Unknown);
        source.histogram(&[("__name__", "m"), ("i", name)], 0, sample);
    }
    let mixed = answer(&source, "sum(m)").unwrap();
    assert_eq!(mixed.value, Value::Vector(Vec::new()));
    assert_eq!(
        mixed.warnings,
        [
            "PromQL warning: vector contains a mix of histograms with exponential and custom buckets schemas \
             for metric name \"m\" (1:5)"
        ]
    );
}

#[test]
fn contradicting_resets_are_told() {
    let mut source = MemorySource::default();
    for (name, hint) in [
        ("0", CounterResetHint::Reset),
        ("1", CounterResetHint::NotReset),
    ] {
        source.histogram(
            &[("__name__", "m"), ("i", name)],
            0,
            histogram(0, 1.0, hint),
        );
    }
    let sum = answer(&source, "sum(m)").unwrap();
    assert_eq!(
        sum.warnings,
        ["PromQL warning: conflicting counter resets during histogram aggregation (1:5)"]
    );
}

#[test]
fn quantiles_out_of_range_are_told() {
    let source = numbers(&[1.0]);
    let high = answer(&source, "quantile(1.5, m)").unwrap();
    assert_eq!(
        high.warnings,
        ["PromQL warning: quantile value should be between 0 and 1, got 1.5 (1:10)"]
    );
    assert_eq!(only(&source, "quantile(1.5, m)"), "{} inf");
}
