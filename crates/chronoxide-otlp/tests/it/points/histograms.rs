use chronoxide_model::{CUSTOM_BUCKETS_SCHEMA, CounterResetHint, HistogramCounts};
use chronoxide_otlp::{
    DeltaMode, HistogramForm, Options, RefusalReason, Translation, TranslationStrategy,
};
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogram, ExponentialHistogramDataPoint, HistogramDataPoint,
};

use crate::request::*;

const BOUNDS: [f64; 3] = [0.1, 1.0, 10.0];

fn s26() -> HistogramDataPoint {
    histogram_point(&BOUNDS, &[1, 2, 3, 4], 10, Some(33.5))
}

fn classic(point: HistogramDataPoint) -> Translation {
    translate(
        &request(&[], vec![histogram("lat", "s", CUMULATIVE, vec![point])]),
        &plain(),
    )
}

fn custom(point: HistogramDataPoint) -> Translation {
    let options = Options {
        histograms: HistogramForm::CustomBuckets,
        ..plain()
    };
    translate(
        &request(&[], vec![histogram("lat", "s", CUMULATIVE, vec![point])]),
        &options,
    )
}

fn refused(translation: &Translation) -> bool {
    let counts: Vec<_> = translation.refusals.counts().collect();
    counts == [(RefusalReason::InvalidHistogram, 1)] && translation.batch.is_empty()
}

#[test]
fn s8_an_attribute_le_gives_way_to_the_bound() {
    let mut point = histogram_point(&[1.0], &[1, 0], 1, Some(0.5));
    point.attributes = texts(&[("le", "5")]);
    let expected = [
        r#"lat_seconds_sum{le="5"} 0.5"#,
        r#"lat_seconds_count{le="5"} 1"#,
        r#"lat_seconds_bucket{le="1"} 1"#,
        r#"lat_seconds_bucket{le="+Inf"} 1"#,
    ];
    assert_eq!(values(&classic(point)), expected);
}

#[test]
fn s26_s27_a_histogram_is_sum_count_and_cumulative_buckets() {
    let expected = [
        "lat_seconds_sum 33.5",
        "lat_seconds_count 10",
        r#"lat_seconds_bucket{le="0.1"} 1"#,
        r#"lat_seconds_bucket{le="1"} 3"#,
        r#"lat_seconds_bucket{le="10"} 6"#,
        r#"lat_seconds_bucket{le="+Inf"} 10"#,
    ];
    assert_eq!(values(&classic(s26())), expected);
    let without_sum = HistogramDataPoint { sum: None, ..s26() };
    assert_eq!(values(&classic(without_sum)), expected[1..]);
    assert_eq!(classic(s26()).batch.metadata()[0].0, "lat_seconds");
}

#[test]
fn s28_a_histogram_without_bounds_is_its_total() {
    for counts in [&[][..], &[5]] {
        let translation = classic(histogram_point(&[], counts, 5, None));
        assert_eq!(
            values(&translation),
            ["lat_seconds_count 5", r#"lat_seconds_bucket{le="+Inf"} 5"#]
        );
    }
}

#[test]
fn s29_the_last_bucket_holds_the_count_whatever_the_others_hold() {
    let translation = classic(HistogramDataPoint { count: 12, ..s26() });
    let lines = values(&translation);
    assert_eq!(lines[1], "lat_seconds_count 12");
    assert_eq!(
        lines[4..],
        [
            r#"lat_seconds_bucket{le="10"} 6"#,
            r#"lat_seconds_bucket{le="+Inf"} 12"#
        ]
    );
}

#[test]
fn s30_bounds_and_counts_that_do_not_fit_are_refused() {
    assert!(refused(&classic(histogram_point(
        &[1.0, 2.0],
        &[1, 2],
        3,
        None
    ))));
    assert!(refused(&classic(histogram_point(
        &[1.0, 2.0],
        &[],
        3,
        None
    ))));
    assert!(refused(&classic(histogram_point(
        &[2.0, 1.0],
        &[1, 1, 1],
        3,
        None
    ))));
    assert!(refused(&classic(histogram_point(
        &[1.0, 1.0],
        &[1, 1, 1],
        3,
        None
    ))));
    assert!(refused(&classic(histogram_point(
        &[f64::NAN],
        &[1, 1],
        2,
        None
    ))));
    assert!(refused(&custom(HistogramDataPoint { count: 12, ..s26() })));
}

#[test]
fn a_last_bound_of_infinity_is_the_bucket_that_is_always_there() {
    let point = || histogram_point(&[1.0, f64::INFINITY], &[1, 2, 0], 3, None);
    let expected = [
        "lat_seconds_count 3",
        r#"lat_seconds_bucket{le="1"} 1"#,
        r#"lat_seconds_bucket{le="+Inf"} 3"#,
    ];
    assert_eq!(values(&classic(point())), expected);
    let (_, _, native) = natives(&custom(point())).remove(0);
    assert_eq!(*native.custom_bounds, [1.0]);
    assert_eq!(buckets(&native).0, [(0, 1), (1, 2)]);
}

#[test]
fn s31_an_exemplar_stands_on_the_first_bucket_that_holds_it() {
    let mut point = s26();
    point.exemplars = vec![
        exemplar(50.0),
        exemplar(0.05),
        exemplar(5.0),
        exemplar(10.0),
    ];
    let expected = [
        r#"lat_seconds_bucket{le="0.1"} # {} 0.05"#,
        r#"lat_seconds_bucket{le="10"} # {} 5"#,
        r#"lat_seconds_bucket{le="10"} # {} 10"#,
        r#"lat_seconds_bucket{le="+Inf"} # {} 50"#,
    ];
    assert_eq!(exemplars(&classic(point)), expected);
}

#[test]
fn s32_a_histogram_without_a_value_ends_all_its_series() {
    let mut point = HistogramDataPoint { flags: 1, ..s26() };
    point.exemplars = vec![exemplar(0.05)];
    let translation = classic(point.clone());
    let lines = values(&translation);
    assert_eq!(lines.len(), 6);
    assert!(
        lines.iter().all(|line| line.ends_with(" stale")),
        "{lines:?}"
    );
    assert!(exemplars(&translation).is_empty());
    let (_, _, native) = natives(&custom(point)).remove(0);
    assert!(native.is_stale());
}

#[test]
fn s33_bounds_are_written_without_exponents() {
    let translation = classic(histogram_point(
        &[1e-7, 1_000_000.0, 1e21],
        &[0, 0, 0, 0],
        0,
        None,
    ));
    let bounds = ["0.0000001", "1000000", "1000000000000000000000", "+Inf"];
    let expected = bounds.map(|bound| format!(r#"lat_seconds_bucket{{le="{bound}"}} 0"#));
    assert_eq!(values(&translation)[1..], expected);
}

#[test]
fn s34_a_histogram_with_custom_buckets_is_native() {
    let mut point = s26();
    point.exemplars = vec![exemplar(5.0)];
    let translation = custom(point);
    assert!(floats(&translation).is_empty());
    let (labels, time_ms, native) = natives(&translation).remove(0);
    assert_eq!((labels.as_str(), time_ms), ("lat_seconds", TIME_MS));
    assert_eq!((native.schema, native.sum), (CUSTOM_BUCKETS_SCHEMA, 33.5));
    assert_eq!(*native.custom_bounds, BOUNDS);
    assert_eq!(
        buckets(&native),
        (vec![(0, 1), (1, 2), (2, 3), (3, 4)], vec![])
    );
    assert_eq!(exemplars(&translation), ["lat_seconds # {} 5"]);
}

#[test]
fn s35_empty_custom_buckets_stay_empty() {
    let bounds = [-2.0, -1.0, 0.0, 1.0, 2.0];
    let translation = custom(histogram_point(
        &bounds,
        &[10, 0, 0, 20, 5, 2],
        37,
        Some(1.0),
    ));
    let (_, _, native) = natives(&translation).remove(0);
    assert_eq!(buckets(&native).0, [(0, 10), (3, 20), (4, 5), (5, 2)]);
    let (_, _, total) = natives(&custom(histogram_point(&[], &[], 5, None))).remove(0);
    assert_eq!(
        buckets(&total).0,
        [(0, 5)],
        "without bounds one bucket holds all"
    );
}

#[test]
fn s49_series_of_a_histogram_keep_their_dots_where_nothing_is_translated() {
    let options = Options {
        translation: TranslationStrategy::NoTranslation,
        ..plain()
    };
    let mut point = s26();
    point.attributes = texts(&[("http.route", "/x")]);
    let metric = histogram("http.server.request.duration", "s", CUMULATIVE, vec![point]);
    let translation = translate(&request(&R0, vec![metric]), &options);
    let expected = r#"{"http.server.request.duration_bucket", "http.route"="/x", instance="i-1", job="shop/checkout", le="0.1"}"#;
    assert_eq!(series(&translation)[2], expected);
}

fn side(offset: i32, counts: &[u64]) -> Option<Buckets> {
    Some(Buckets {
        offset,
        bucket_counts: counts.to_vec(),
    })
}

fn exponential_point(scale: i32, offset: i32, counts: &[u64]) -> ExponentialHistogramDataPoint {
    ExponentialHistogramDataPoint {
        time_unix_nano: TIME_NS,
        count: counts.iter().sum(),
        sum: Some(1.0),
        scale,
        positive: side(offset, counts),
        ..ExponentialHistogramDataPoint::default()
    }
}

fn exponential_with(
    point: ExponentialHistogramDataPoint,
    temporality: i32,
    options: &Options,
) -> Translation {
    let histogram = ExponentialHistogram {
        data_points: vec![point],
        aggregation_temporality: temporality,
    };
    let metrics = vec![metric("size", "By", Data::ExponentialHistogram(histogram))];
    translate(&request(&[], metrics), options)
}

fn exponential(point: ExponentialHistogramDataPoint) -> Translation {
    exponential_with(point, CUMULATIVE, &plain())
}

#[test]
fn s36_to_s40_buckets_are_counted_by_their_upper_bounds_at_most_at_schema_8() {
    type Case<'c> = (i32, i32, &'c [u64], i8, &'c [(i32, u64)]);
    let cases: [Case<'_>; 6] = [
        (
            0,
            1,
            &[4, 2, 3, 7, 2, 9],
            0,
            &[(2, 4), (3, 2), (4, 3), (5, 7), (6, 2), (7, 9)],
        ),
        (
            0,
            3,
            &[10, 0, 0, 20, 5, 2],
            0,
            &[(4, 10), (7, 20), (8, 5), (9, 2)],
        ),
        (9, -3, &[1, 2, 3, 4], 8, &[(-1, 1), (0, 5), (1, 4)]),
        (10, 0, &[4, 2, 3, 7], 8, &[(1, 16)]),
        (11, -2, &[5, 5, 5], 8, &[(0, 10), (1, 5)]),
        (i32::MAX, -1, &[1, 2, 4], 8, &[(0, 1), (1, 6)]),
    ];
    for (scale, offset, counts, schema, expected) in cases {
        let translation = exponential(exponential_point(scale, offset, counts));
        let (labels, time_ms, native) = natives(&translation).remove(0);
        assert_eq!(
            (labels.as_str(), time_ms, native.schema),
            ("size_bytes", TIME_MS, schema)
        );
        assert_eq!(
            buckets(&native),
            (expected.to_vec(), vec![]),
            "scale {scale}"
        );
        assert_eq!(native.zero_threshold, 1e-128);
        assert_eq!(native.counter_reset_hint, CounterResetHint::Unknown);
        assert_eq!(
            translation.batch.metadata()[0].1.metric_type.as_str(),
            "histogram"
        );
    }
}

#[test]
fn s41_what_no_native_histogram_can_hold_is_refused() {
    assert!(refused(&exponential(exponential_point(-5, 0, &[1]))));
    assert!(refused(&exponential(exponential_point(
        0,
        i32::MAX,
        &[1, 1]
    ))));
    let mismatched = ExponentialHistogramDataPoint {
        count: 7,
        ..exponential_point(0, 0, &[1, 1])
    };
    assert!(refused(&exponential(mismatched)));
    let endless = ExponentialHistogramDataPoint {
        zero_threshold: f64::INFINITY,
        ..exponential_point(0, 0, &[1, 1])
    };
    assert!(refused(&exponential(endless)));
    assert_eq!(
        natives(&exponential(exponential_point(-4, 0, &[1])))[0]
            .2
            .schema,
        -4
    );
}

#[test]
fn s42_s43_negative_buckets_and_the_zero_bucket_are_kept() {
    let point = ExponentialHistogramDataPoint {
        count: 7,
        negative: side(-1, &[3]),
        positive: None,
        zero_count: 4,
        zero_threshold: 0.001,
        ..exponential_point(0, 0, &[])
    };
    let (_, _, native) = natives(&exponential(point)).remove(0);
    assert_eq!(buckets(&native), (vec![], vec![(0, 3)]));
    assert_eq!(native.zero_threshold, 0.001);
    let HistogramCounts::Integer(counts) = native.counts else {
        panic!("counts are integers");
    };
    assert_eq!((counts.zero_count, counts.count), (4, 7));
}

#[test]
fn s44_an_exponential_histogram_without_a_value_is_a_stale_marker() {
    let mut point = ExponentialHistogramDataPoint {
        flags: 1,
        ..exponential_point(0, 1, &[4, 2])
    };
    point.exemplars = vec![exemplar(1.0)];
    let translation = exponential(point);
    let (_, _, native) = natives(&translation).remove(0);
    assert!(native.is_stale());
    assert_eq!(buckets(&native), (vec![], vec![]));
    assert_eq!(native.validate(), Ok(()));
    assert!(exemplars(&translation).is_empty());
}

#[test]
fn an_exponential_histogram_keeps_its_exemplars_and_needs_no_sum() {
    let mut point = ExponentialHistogramDataPoint {
        sum: None,
        ..exponential_point(0, 1, &[4, 2])
    };
    point.exemplars = vec![exemplar(1.0), exemplar(3.0)];
    let translation = exponential(point);
    assert_eq!(natives(&translation)[0].2.sum, 0.0);
    assert_eq!(
        exemplars(&translation),
        ["size_bytes # {} 1", "size_bytes # {} 3"]
    );
}

#[test]
fn raw_delta_histograms_are_gauges() {
    let options = Options {
        delta: DeltaMode::Raw,
        ..plain()
    };
    let translation = exponential_with(exponential_point(0, 1, &[4]), DELTA, &options);
    assert_eq!(
        natives(&translation)[0].2.counter_reset_hint,
        CounterResetHint::Gauge
    );
    assert_eq!(
        translation.batch.metadata()[0].1.metric_type.as_str(),
        "unknown"
    );
}
