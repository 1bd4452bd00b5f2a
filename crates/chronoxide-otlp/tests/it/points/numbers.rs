use chronoxide_model::MetricType;
use chronoxide_otlp::{DeltaMode, Options, RefusalReason, TranslationStrategy};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, KeyValueList};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::summary_data_point::ValueAtQuantile;
use opentelemetry_proto::tonic::metrics::v1::{
    NumberDataPoint, Summary, SummaryDataPoint, number_data_point,
};

use crate::request::*;

fn with_attributes(attributes: Vec<KeyValue>) -> NumberDataPoint {
    NumberDataPoint {
        attributes,
        ..number(1.0)
    }
}

fn integer(value: i64) -> NumberDataPoint {
    NumberDataPoint {
        value: Some(number_data_point::Value::AsInt(value)),
        ..number(0.0)
    }
}

fn counts(translation: &chronoxide_otlp::Translation) -> Vec<(RefusalReason, u64)> {
    translation.refusals.counts().collect()
}

#[test]
fn s1_a_gauge_is_one_series() {
    let mut point = integer(7);
    point.attributes = texts(&[("queue.name", "q1")]);
    let translation = plainly(vec![gauge("queue.size", "{item}", vec![point])]);
    assert_eq!(
        floats(&translation),
        [format!(
            r#"queue_size{{instance="i-1", job="shop/checkout", queue_name="q1"}} 7 @{TIME_MS}"#
        )]
    );
    assert_eq!(translation.points_accepted, 1);
}

#[test]
fn s2_a_gauge_of_unit_one_is_a_ratio() {
    let translation = plainly(vec![gauge("cpu.util", "1", vec![number(0.25)])]);
    assert_eq!(
        values(&translation),
        [r#"cpu_util_ratio{instance="i-1", job="shop/checkout"} 0.25"#]
    );
}

#[test]
fn s3_attribute_values_become_text() {
    let array = vec![
        any_value(Value::StringValue("a".to_owned())),
        any_value(Value::IntValue(1)),
    ];
    let attributes = vec![
        attribute("ok", Value::BoolValue(true)),
        attribute("n", Value::IntValue(42)),
        attribute("f", Value::DoubleValue(0.5)),
        attribute("arr", Value::ArrayValue(ArrayValue { values: array })),
        attribute(
            "m",
            Value::KvlistValue(KeyValueList {
                values: texts(&[("k", "v")]),
            }),
        ),
        attribute("b", Value::BytesValue(vec![1, 255])),
        KeyValue {
            key: "e".to_owned(),
            value: Some(AnyValue { value: None }),
            ..KeyValue::default()
        },
    ];
    let translation = plainly(vec![counter("jobs", "", vec![with_attributes(attributes)])]);
    let expected = r#"jobs_total{arr="[\"a\",1]", b="Af8=", f="0.5", instance="i-1", job="shop/checkout", m="{\"k\":\"v\"}", n="42", ok="true"}"#;
    assert_eq!(series(&translation), [expected]);
}

fn series_with(attributes: &[(&str, &str)]) -> String {
    let translation = plainly(vec![gauge(
        "m",
        "",
        vec![with_attributes(texts(attributes))],
    )]);
    assert_eq!(
        translation.refusals.total(),
        0,
        "{}",
        translation.refusals.message()
    );
    series(&translation).remove(0)
}

#[test]
fn s4_s5_keys_with_one_name_join_their_values_in_the_order_of_the_keys() {
    let joined = series_with(&[("a.b", "1"), ("a_b", "2"), ("a-b", "3")]);
    assert_eq!(
        joined,
        r#"m{a_b="3;1;2", instance="i-1", job="shop/checkout"}"#
    );
    let empty = series_with(&[("a.b", ""), ("a_b", "x")]);
    assert_eq!(empty, r#"m{a_b="x", instance="i-1", job="shop/checkout"}"#);
    let empty_last = series_with(&[("a.b", "x"), ("a_b", "")]);
    assert_eq!(empty_last, empty);
}

#[test]
fn the_last_of_repeated_attribute_keys_stands() {
    let last = series_with(&[("k", "1"), ("a", "x"), ("k", "2")]);
    assert_eq!(
        last,
        r#"m{a="x", instance="i-1", job="shop/checkout", k="2"}"#
    );
}

#[test]
fn s6_s7_identity_and_name_are_not_for_attributes_to_set() {
    let own = r#"m{instance="i-1", job="shop/checkout"}"#;
    assert_eq!(series_with(&[("job", "mine"), ("instance", "x")]), own);
    assert_eq!(series_with(&[("__name__", "evil")]), own);
}

#[test]
fn s9_an_up_down_counter_is_a_gauge() {
    let translation = plainly(vec![sum(
        "mem.used",
        "By",
        CUMULATIVE,
        false,
        vec![number(10.0)],
    )]);
    assert_eq!(
        values(&translation),
        [r#"mem_used_bytes{instance="i-1", job="shop/checkout"} 10"#]
    );
    let (name, metadata) = &translation.batch.metadata()[0];
    assert_eq!(
        (name.as_str(), metadata.metric_type),
        ("mem_used_bytes", MetricType::Gauge)
    );
    assert_eq!(metadata.unit, "bytes");
}

#[test]
fn s10_a_point_without_a_value_is_a_stale_marker() {
    let point = NumberDataPoint {
        flags: 1,
        exemplars: vec![exemplar(1.0)],
        ..number(5.0)
    };
    let translation = plainly(vec![counter("jobs", "", vec![point])]);
    assert_eq!(
        values(&translation),
        [r#"jobs_total{instance="i-1", job="shop/checkout"} stale"#]
    );
    assert_eq!(translation.batch.exemplar_count(), 0);
    assert!(translation.batch.metadata().is_empty());
}

#[test]
fn s11_integers_past_2_53_become_the_nearest_double() {
    let translation = plainly(vec![gauge("m", "", vec![integer(9_007_199_254_740_993)])]);
    assert_eq!(
        translation.batch.series().next().unwrap().samples[0].value,
        9_007_199_254_740_992.0
    );
}

#[test]
fn s12_a_point_without_a_time_is_refused() {
    let timeless = NumberDataPoint {
        time_unix_nano: 0,
        ..number(1.0)
    };
    let translation = plainly(vec![gauge("m", "", vec![timeless, number(2.0)])]);
    assert_eq!(counts(&translation), [(RefusalReason::MissingTime, 1)]);
    assert_eq!(translation.points_accepted, 1);
}

#[test]
fn s45_a_summary_is_quantiles_count_and_sum() {
    let pairs = [(0.5, 1.5), (0.99, 9.0), (1.0, 20.0)];
    let mut point = SummaryDataPoint {
        time_unix_nano: TIME_NS,
        count: 100,
        sum: 250.0,
        quantile_values: pairs
            .map(|(quantile, value)| ValueAtQuantile { quantile, value })
            .to_vec(),
        ..SummaryDataPoint::default()
    };
    let summary = |point: &SummaryDataPoint| {
        let data_points = vec![point.clone()];
        translate(
            &request(
                &[],
                vec![metric("rpc", "s", Data::Summary(Summary { data_points }))],
            ),
            &plain(),
        )
    };
    let translation = summary(&point);
    let expected = [
        "rpc_seconds_sum 250",
        "rpc_seconds_count 100",
        r#"rpc_seconds{quantile="0.5"} 1.5"#,
        r#"rpc_seconds{quantile="0.99"} 9"#,
        r#"rpc_seconds{quantile="1"} 20"#,
    ];
    assert_eq!(values(&translation), expected);
    let (name, metadata) = &translation.batch.metadata()[0];
    assert_eq!(
        (name.as_str(), metadata.metric_type),
        ("rpc_seconds", MetricType::Summary)
    );
    point.flags = 1;
    assert!(
        values(&summary(&point))
            .iter()
            .all(|line| line.ends_with(" stale"))
    );
}

#[test]
fn s46_deltas_are_refused_where_the_option_says_so() {
    let delta = sum("d", "", DELTA, true, vec![number(1.0), number(2.0)]);
    let translation = plainly(vec![delta, gauge("m", "", vec![number(1.0)])]);
    assert_eq!(counts(&translation), [(RefusalReason::DeltaTemporality, 2)]);
    assert!(translation.refusals.message().contains("otlp.delta"));
    assert_eq!(
        series(&translation),
        [r#"m{instance="i-1", job="shop/checkout"}"#]
    );
}

#[test]
fn raw_deltas_are_stored_as_they_come() {
    let options = Options {
        delta: DeltaMode::Raw,
        ..plain()
    };
    let mut point = number(3.0);
    point.start_time_unix_nano = TIME_NS - 1_000_000_000;
    let translation = translate(
        &request(&[], vec![sum("d", "", DELTA, true, vec![point])]),
        &options,
    );
    assert_eq!(values(&translation), ["d_total 3"]);
    assert!(
        translation
            .batch
            .series()
            .next()
            .unwrap()
            .start_timestamps_ms
            .is_empty()
    );
    assert_eq!(
        translation.batch.metadata()[0].1.metric_type,
        MetricType::Unknown
    );
    assert!(translation.deltas.is_empty());
}

#[test]
fn s47_an_unspecified_temporality_is_refused() {
    for temporality in [0, 3] {
        let translation = plainly(vec![sum("d", "", temporality, true, vec![number(1.0)])]);
        assert_eq!(
            counts(&translation),
            [(RefusalReason::UnspecifiedTemporality, 1)]
        );
    }
}

#[test]
fn s50_names_keep_their_characters_where_nothing_is_escaped() {
    let options = Options {
        translation: TranslationStrategy::NoUtf8EscapingWithSuffixes,
        ..plain()
    };
    let point = with_attributes(texts(&[("http.method", "GET")]));
    let translation = translate(
        &request(
            &R0,
            vec![counter("http.requests", "{request}", vec![point])],
        ),
        &options,
    );
    let expected =
        r#"{"http.requests_total", "http.method"="GET", instance="i-1", job="shop/checkout"}"#;
    assert_eq!(series(&translation), [expected]);
}

#[test]
fn s51_an_attribute_without_a_label_name_is_dropped_and_counted() {
    let point = with_attributes(texts(&[("日本", "1")]));
    let translation = plainly(vec![gauge("m", "", vec![point])]);
    assert_eq!(
        series(&translation),
        [r#"m{instance="i-1", job="shop/checkout"}"#]
    );
    assert_eq!(translation.attributes_dropped, 1);
}

#[test]
fn s52_a_metric_without_a_name_loses_its_points_alone() {
    let unnamed = gauge("日本", "", vec![number(1.0), number(2.0)]);
    let translation = plainly(vec![unnamed, gauge("m", "", vec![number(1.0)])]);
    assert_eq!(counts(&translation), [(RefusalReason::UnusableName, 2)]);
    assert_eq!(translation.points_accepted, 1);
}

#[test]
fn s53_s54_exemplars_have_all_their_attributes_or_none() {
    let trace_id: Vec<u8> = (1..=16).collect();
    let ids = r#"{span_id="0102030405060708", trace_id="0102030405060708090a0b0c0d0e0f10""#;
    for (characters, fits) in [(80, false), (66, false), (65, true)] {
        let value = "v".repeat(characters - 1);
        let mut example = exemplar(0.5);
        example.trace_id.clone_from(&trace_id);
        example.span_id = trace_id[..8].to_vec();
        example.filtered_attributes = texts(&[("k", &value)]);
        let mut point = number(1.0);
        point.exemplars = vec![example];
        let translation = translate(&request(&[], vec![counter("c", "", vec![point])]), &plain());
        let attributes = if fits {
            format!(r#"{{k="{value}", {}"#, &ids[1..])
        } else {
            ids.to_owned()
        };
        assert_eq!(
            exemplars(&translation),
            [format!("c_total # {attributes}}} 0.5")]
        );
    }
}

#[test]
fn exemplars_that_say_nothing_usable_are_dropped_and_counted() {
    let mut valueless = exemplar(1.0);
    valueless.value = None;
    let mut short_id = exemplar(1.0);
    short_id.trace_id = vec![1; 15];
    let mut timeless = exemplar(2.0);
    timeless.time_unix_nano = 0;
    let mut point = number(1.0);
    point.exemplars = vec![valueless, short_id, timeless];
    let metrics = vec![
        gauge("g", "", vec![point.clone()]),
        counter("c", "", vec![point]),
    ];
    let translation = translate(&request(&[], metrics), &plain());
    assert_eq!(
        exemplars(&translation),
        ["c_total # {} 2"],
        "gauges keep none"
    );
    assert_eq!(translation.exemplars_dropped, 2);
    let kept = translation
        .batch
        .series()
        .find_map(|series| series.exemplars.first())
        .unwrap();
    assert_eq!(kept.timestamp_ms, TIME_MS);
}

#[test]
fn s55_type_and_unit_become_labels_where_asked_for() {
    let options = Options {
        type_and_unit_labels: true,
        ..plain()
    };
    let translation = translate(
        &request(&[], vec![counter("io", "By", vec![number(1.0)])]),
        &options,
    );
    assert_eq!(
        series(&translation),
        [r#"io_bytes_total{__type__="counter", __unit__="bytes"}"#]
    );
}

#[test]
fn a_series_may_have_one_value_at_a_time_and_storage_sees_to_it() {
    let translation = plainly(vec![gauge("m", "", vec![number(1.0), number(2.0)])]);
    assert!(translation.batch.refuses_repeats());
    let key = r#"m{instance="i-1", job="shop/checkout"}"#;
    assert_eq!(
        values(&translation),
        [format!("{key} 1"), format!("{key} 2")]
    );
}

#[test]
fn s57_s58_nothing_sent_is_nothing_refused() {
    let translation = plainly(vec![gauge("m", "", Vec::new())]);
    assert!(translation.batch.is_empty());
    assert_eq!(translation.refusals.total(), 0);
    assert!(json("{}", &plain()).batch.is_empty());
    let empty = chronoxide_otlp::translate_protobuf(&[], &plain(), &no_streams(), 0).unwrap();
    assert!(
        empty.batch.is_empty()
            && empty
                .answer(&chronoxide_model::WriteOutcome::default())
                .is_complete()
    );
}

#[test]
fn sums_keep_their_start_and_gauges_have_none() {
    let mut point = number(1.0);
    point.start_time_unix_nano = TIME_NS - 60_000_000_000;
    let mut after = number(2.0);
    after.start_time_unix_nano = TIME_NS + 1_000_000;
    for (metric, expected) in [
        (
            counter("c", "", vec![point.clone()]),
            &[TIME_MS - 60_000][..],
        ),
        (counter("c", "", vec![after]), &[]),
        (gauge("g", "", vec![point]), &[]),
    ] {
        let translation = plainly(vec![metric]);
        assert_eq!(
            translation
                .batch
                .series()
                .next()
                .unwrap()
                .start_timestamps_ms,
            expected
        );
    }
}

#[test]
fn metadata_is_said_once_and_hints_name_types_that_otlp_lacks() {
    let mut info = gauge("build.info", "", vec![number(1.0)]);
    info.description = "What runs".to_owned();
    info.metadata = texts(&[("prometheus.type", "info")]);
    let mut request = request(&R0, vec![info]);
    request
        .resource_metrics
        .push(request.resource_metrics[0].clone());
    request.resource_metrics[1].resource = None;
    let translation = translate(&request, &plain());
    assert_eq!(translation.points_accepted, 2);
    let [(name, metadata)] = translation.batch.metadata() else {
        panic!("said {} times", translation.batch.metadata().len());
    };
    assert_eq!(
        (name.as_str(), metadata.help.as_str()),
        ("build_info", "What runs")
    );
    assert_eq!(metadata.metric_type, MetricType::Info);
}

#[test]
fn what_is_left_out_is_told_of_though_nothing_is_refused() {
    let empty = opentelemetry_proto::tonic::metrics::v1::Metric {
        name: "empty".to_owned(),
        ..Default::default()
    };
    let mut exemplar = exemplar(1.0);
    exemplar.value = None;
    let mut point = integer(1);
    point.attributes = texts(&[("\u{65e5}\u{672c}", "1")]);
    point.exemplars = vec![exemplar];
    let translation = plainly(vec![empty, counter("c", "", vec![point])]);
    let answer = translation.answer(&chronoxide_model::WriteOutcome::default());
    assert_eq!(answer.rejected_data_points, 0);
    assert!(!answer.is_complete());
    for told in [
        "1 attributes left out",
        "1 exemplars left out",
        "1 metrics have no data of any kind; the first is \"empty\"",
    ] {
        assert!(
            answer.error_message.contains(told),
            "{}",
            answer.error_message
        );
    }
}
