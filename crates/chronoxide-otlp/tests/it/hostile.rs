//! Bytes that nobody should send.

use chronoxide_otlp::{
    HistogramForm, Options, Translation, translate_json, translate_message, translate_protobuf,
};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue};
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogram, ExponentialHistogramDataPoint,
};
use prost::Message as _;

use crate::request::*;

/// One of everything.
fn everything() -> ExportMetricsServiceRequest {
    let mut example = exemplar(0.5);
    example.trace_id = vec![7; 16];
    example.filtered_attributes = texts(&[("k", "v")]);
    let mut point = number(1.5);
    point.start_time_unix_nano = TIME_NS - 1;
    point.attributes = texts(&[("a.b", "x"), ("c", "y")]);
    point.exemplars = vec![example.clone()];
    let mut observed = histogram_point(&[0.1, 1.0], &[1, 2, 3], 6, Some(4.0));
    observed.exemplars = vec![example];
    let exponential = ExponentialHistogramDataPoint {
        time_unix_nano: TIME_NS,
        count: 5,
        sum: Some(1.0),
        scale: 9,
        zero_count: 2,
        zero_threshold: 1e-6,
        positive: Some(Buckets {
            offset: -70,
            bucket_counts: vec![1, 2],
        }),
        ..ExponentialHistogramDataPoint::default()
    };
    let exponential = ExponentialHistogram {
        data_points: vec![exponential],
        aggregation_temporality: DELTA,
    };
    let metrics = vec![
        gauge("g", "1", vec![point.clone()]),
        counter("c", "By/s", vec![point.clone()]),
        sum("d", "", DELTA, true, vec![point]),
        histogram("h", "s", CUMULATIVE, vec![observed.clone()]),
        histogram("hd", "s", DELTA, vec![observed]),
        metric("e", "", Data::ExponentialHistogram(exponential)),
    ];
    request(&r0_with_host(), metrics)
}

fn all_options() -> [Options; 2] {
    let native = Options {
        histograms: HistogramForm::CustomBuckets,
        scope_labels: true,
        type_and_unit_labels: true,
        ..Options::default()
    };
    [Options::default(), native]
}

/// Whatever was sent, what comes out is in order.
fn check(translation: &Translation) {
    for series in translation.batch.series() {
        let labels = series
            .key
            .encoding
            .decode(series.key.bytes)
            .expect("keys are readable");
        assert!(labels.metric_name().is_some());
        assert!(
            series
                .histograms()
                .all(|(_, _, histogram)| histogram.validate().is_ok())
        );
    }
    let answer = translation.answer(&chronoxide_model::WriteOutcome::default());
    assert!(answer.error_message.len() <= 1024);
    assert_eq!(answer.rejected_data_points, translation.refusals.total());
}

#[test]
fn every_prefix_and_every_flipped_bit_of_protobuf_is_read_or_refused() {
    let request = everything();
    let whole = request.encode_to_vec();
    let streams = no_streams();
    for options in all_options() {
        let translation = translate_message(&request, &options, &streams, TIME_MS);
        assert_eq!(translation.refusals.message(), "");
        assert_eq!(translation.points_accepted, 6);
        let (mut read, mut refused) = (0, 0);
        let prefixes = (0..whole.len()).map(|end| whole[..end].to_vec());
        let flipped = (0..whole.len() * 8).map(|bit| {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            bytes
        });
        for bytes in prefixes.chain(flipped) {
            match translate_protobuf(&bytes, &options, &streams, TIME_MS) {
                Ok(translation) => {
                    check(&translation);
                    read += 1;
                }
                Err(_) => refused += 1,
            }
        }
        assert!(
            read > 1000 && refused > 1000,
            "{read} read, {refused} refused"
        );
    }
}

#[test]
fn every_prefix_and_every_flipped_bit_of_json_is_read_or_refused() {
    let whole = include_bytes!("../vectors/metrics.json");
    let streams = no_streams();
    let options = Options::default();
    for end in 0..whole.len() - 2 {
        assert!(
            translate_json(&whole[..end], &options, &streams, TIME_MS).is_err(),
            "prefix of {end}"
        );
    }
    for bit in 0..whole.len() * 8 {
        let mut bytes = whole.to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        if let Ok(translation) = translate_json(&bytes, &options, &streams, TIME_MS) {
            check(&translation);
        }
    }
}

#[test]
fn deep_nesting_is_refused_and_not_followed() {
    let streams = no_streams();
    let mut value = AnyValue { value: None };
    for _ in 0..200 {
        value = any_value(Value::ArrayValue(ArrayValue {
            values: vec![value],
        }));
    }
    let mut point = number(1.0);
    point.attributes = vec![attribute("deep", value.value.take().unwrap())];
    let message = request(&[], vec![gauge("m", "", vec![point])]);
    let body = message.encode_to_vec();
    assert!(translate_protobuf(&body, &plain(), &streams, TIME_MS).is_err());

    let json = |levels: usize| {
        let value = format!(
            "{}{{}}{}",
            r#"{"arrayValue":{"values":["#.repeat(levels),
            "]}}".repeat(levels)
        );
        format!(
            r#"{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{{"name":"m","gauge":{{"dataPoints":[
            {{"timeUnixNano":"1","asInt":"1","attributes":[{{"key":"deep","value":{value}}}]}}]}}}}]}}]}}]}}"#
        )
    };
    let shallow = translate_json(json(20).as_bytes(), &plain(), &streams, TIME_MS).unwrap();
    assert_eq!(shallow.points_accepted, 1);
    assert!(translate_json(json(5_000).as_bytes(), &plain(), &streams, TIME_MS).is_err());
    let unknown = format!(
        r#"{{"unknown":{}{}}}"#,
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    let skipped = translate_json(unknown.as_bytes(), &plain(), &streams, TIME_MS).unwrap();
    assert!(skipped.batch.is_empty());
}

#[test]
fn series_that_would_fill_the_memory_are_refused() {
    let host = "h".repeat(200_000);
    let bounds: Vec<f64> = (0..10_000).map(f64::from).collect();
    let counts = vec![1; bounds.len() + 1];
    let point = histogram_point(&bounds, &counts, counts.len() as u64, None);
    let options = Options::default();
    let wide = request(
        &[("host.name", &host)],
        vec![histogram("h", "", CUMULATIVE, vec![point])],
    );
    let translation = translate(&wide, &options);
    let reasons: Vec<_> = translation
        .refusals
        .counts()
        .map(|(reason, _)| reason.as_str())
        .collect();
    assert_eq!(reasons, ["request_too_large"]);
    assert!(translation.batch.is_empty());
}
