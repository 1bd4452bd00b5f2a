use std::sync::Arc;

use chronoxide_model::{BucketCounts, BucketSpan, CounterResetHint, Histogram, HistogramCounts};

use crate::memory_source::MemorySource;
use crate::syntax::Features;
use crate::{Answer, Engine, EngineOptions, Point, QueryOptions, Value};

fn answer(source: &MemorySource, text: &str) -> Answer {
    // Names that go late are told.
    let engine = Engine::new(EngineOptions {
        features: Features::ALL,
        ..EngineOptions::default()
    });
    engine
        .instant(source, text, 0, &QueryOptions::default())
        .unwrap()
}

fn lines(source: &MemorySource, text: &str) -> Vec<String> {
    let Value::Vector(samples) = answer(source, text).value else {
        panic!("{text} gives no vector");
    };
    samples
        .iter()
        .map(|sample| match &sample.point {
            Point::Float(value) => format!("{} {value}", sample.labels),
            Point::Histogram(histogram) => format!("{} {histogram}", sample.labels),
        })
        .collect()
}

fn classic(name: &str, buckets: &[(&str, f64)]) -> MemorySource {
    let mut source = MemorySource::default();
    for (bound, count) in buckets {
        source.floats(
            &[("__name__", name), ("job", "j"), ("le", bound)],
            0,
            1,
            &[*count],
        );
    }
    source
}

/// One bucket from -2 to -1 and one from 1 to 2.
fn native(below: u64, above: u64) -> Histogram {
    let spans = vec![BucketSpan {
        offset: 1,
        length: 1,
    }];
    Histogram {
        counter_reset_hint: CounterResetHint::Unknown,
        schema: 0,
        zero_threshold: 0.0,
        sum: 6.0,
        positive_spans: spans.clone(),
        negative_spans: spans,
        counts: HistogramCounts::Integer(BucketCounts {
            count: below + above,
            zero_count: 0,
            positive: vec![above],
            negative: vec![below],
        }),
        custom_bounds: Arc::default(),
    }
}

#[test]
fn classic_buckets_make_one_series() {
    let source = classic("h_bucket", &[("1", 2.0), ("3", 4.0), ("+Inf", 4.0)]);
    assert_eq!(
        lines(&source, "histogram_quantile(0.75, h_bucket)"),
        ["{job=\"j\"} 2"]
    );
    assert_eq!(
        lines(&source, "histogram_fraction(0, 2, h_bucket)"),
        ["{job=\"j\"} 0.75"]
    );
    assert_eq!(
        lines(&source, "histogram_quantiles(h_bucket, \"q\", 0, 0.5)"),
        ["{job=\"j\", q=\"0.0\"} 0", "{job=\"j\", q=\"0.5\"} 1"]
    );
}

#[test]
fn buckets_that_fall_are_told() {
    let source = classic("h_bucket", &[("1", 4.0), ("3", 2.0), ("+Inf", 5.0)]);
    let answer = answer(&source, "histogram_quantile(0.5, h_bucket)");
    assert_eq!(
        answer.infos,
        [
            "PromQL info: input to histogram_quantile needed to be fixed for monotonicity (see \
          https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile) \
          for metric name \"h_bucket\", from buckets 3 to 3, with a max diff of 2, over 1 samples from \
          1970-01-01T00:00:00Z to 1970-01-01T00:00:00Z (1:25)"
        ]
    );
}

#[test]
fn bounds_that_are_no_numbers_are_told() {
    let source = classic("h_bucket", &[("one", 4.0)]);
    let answer = answer(&source, "histogram_quantile(2, h_bucket)");
    assert_eq!(answer.value, Value::Vector(Vec::new()));
    assert_eq!(
        answer.warnings,
        [
            "PromQL warning: bucket label \"le\" is missing or has a malformed value of \"one\" for metric \
             name \"h_bucket\" (1:23)",
            "PromQL warning: quantile value should be between 0 and 1, got 2 (1:20)"
        ]
    );
}

#[test]
fn native_histograms_have_all_functions() {
    let mut source = MemorySource::default();
    source.histogram(&[("__name__", "h")], 0, native(1, 3));
    for (text, value) in [
        ("histogram_count(h)", "4"),
        ("histogram_sum(h)", "6"),
        ("histogram_avg(h)", "1.5"),
        ("histogram_quantile(0.25, h)", "-1"),
        ("histogram_fraction(0, 2, h)", "0.75"),
        ("histogram_stdvar(h)", "2.128679656440357"),
    ] {
        assert_eq!(lines(&source, text), [format!("{{}} {value}")], "{text}");
    }
}

#[test]
fn classic_and_native_of_one_name_give_nothing() {
    let mut source = classic("h", &[("1", 4.0), ("+Inf", 5.0)]);
    let labels = [("__name__", "h"), ("job", "j")];
    source.histogram(&labels, 0, native(1, 1));
    let answer = answer(&source, "histogram_quantile(0.5, h)");
    assert_eq!(answer.value, Value::Vector(Vec::new()));
    assert_eq!(
        answer.warnings,
        [
            "PromQL warning: vector contains a mix of classic and native histograms for metric name \"h\" (1:25)"
        ]
    );
}
