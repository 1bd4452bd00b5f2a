//! What a request may take in memory: few bytes can stand for many.

use chronoxide_otlp::{
    DeltaStreams, Error, LabelLimits, Options, RefusalReason, Result, Translation,
    translate_json_within, translate_protobuf_within,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue};
use prost::Message as _;

use crate::request::*;

const LIMIT: u64 = 4 << 20;

/// Translates with at most [`LIMIT`] bytes, and tells how many were asked for.
fn within(
    translate: impl FnOnce(&DeltaStreams, &mut dyn FnMut(u64) -> bool) -> Result<Translation>,
) -> (Result<Translation>, u64) {
    let mut asked = 0;
    let translated = translate(&no_streams(), &mut |bytes| {
        asked += bytes;
        asked <= LIMIT
    });
    (translated, asked)
}

fn json_within(body: &str) -> (Result<Translation>, u64) {
    within(|streams, hold| translate_json_within(body.as_bytes(), &plain(), streams, TIME_MS, hold))
}

fn protobuf_within(body: &[u8], options: &Options) -> (Result<Translation>, u64) {
    within(|streams, hold| translate_protobuf_within(body, options, streams, TIME_MS, hold))
}

fn storage_limits() -> Options {
    Options {
        label_limits: LabelLimits {
            labels_max: 64,
            name_bytes_max: 1 << 10,
            value_bytes_max: 8 << 10,
            bytes_max: 16 << 10,
        },
        ..plain()
    }
}

#[test]
fn rows_of_json_are_counted_before_they_grow() {
    let metric = |data: &str| {
        format!(
            r#"{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{{"name":"m",{data}}}]}}]}}]}}"#
        )
    };
    let empties = vec!["{}"; 100_000].join(",");
    let zeros = vec!["0"; 400_000].join(",");
    let nested = vec!["{}"; 200_000].join(",");
    for body in [
        metric(&format!(
            r#""exponentialHistogram":{{"dataPoints":[{empties}]}}"#
        )),
        metric(&format!(r#""gauge":{{"dataPoints":[{empties}]}}"#)),
        metric(&format!(
            r#""gauge":{{"dataPoints":[{{"attributes":[{empties}]}}]}}"#
        )),
        metric(&format!(
            r#""histogram":{{"dataPoints":[{{"bucketCounts":[{zeros}]}}]}}"#
        )),
        metric(&format!(
            r#""gauge":{{"dataPoints":[{{"attributes":[{{"key":"a","value":{{"arrayValue":{{"values":[{nested}]}}}}}}]}}]}}"#
        )),
    ] {
        let (refused, asked) = json_within(&body);
        assert_eq!(refused.unwrap_err(), Error::NoMemory, "{}", &body[..120]);
        assert!(asked < LIMIT + (1 << 20), "{asked}");
    }
}

#[test]
fn a_request_takes_little_more_than_it_brings() {
    let points = (0..1000).map(|value| number(f64::from(value))).collect();
    let body = request(&R0, vec![gauge("queue.size", "", points)]).encode_to_vec();
    let (translation, asked) = protobuf_within(&body, &plain());
    assert_eq!(translation.unwrap().points_accepted, 1000);
    assert!(asked > 0 && asked < 1 << 20, "{asked}");
}

#[test]
fn a_long_label_is_refused_before_it_is_copied_for_each_point() {
    let long = "x".repeat(900_000);
    let points = || vec![number(1.0); 290];
    let of_resource = request(
        &[("service.name", &long)],
        vec![gauge("queue.size", "", points())],
    );
    let of_metric = request(&R0, vec![gauge(&long, "", points())]);
    let mut point = number(1.0);
    point.attributes = texts(&[("a", &long)]);
    let of_point = request(&R0, vec![gauge("queue.size", "", vec![point])]);
    for (request, refused) in [(of_resource, 290), (of_metric, 290), (of_point, 1)] {
        let (translation, asked) = protobuf_within(&request.encode_to_vec(), &storage_limits());
        let translation = translation.unwrap();
        let reasons: Vec<_> = translation.refusals.counts().collect();
        assert_eq!(reasons, [(RefusalReason::LabelValueTooLong, refused)]);
        assert!(translation.refusals.message().contains("the limit is 8192"));
        assert_eq!(translation.batch.series_count(), 0);
        assert!(asked < 1 << 20, "{asked}");
    }
}

#[test]
fn limits_of_labels_refuse_what_storage_would_and_nothing_else() {
    let point = |attributes: &[(&str, &str)]| {
        let mut point = number(1.0);
        point.attributes = texts(attributes);
        point
    };
    let names: Vec<String> = (0..70).map(|index| format!("a{index}")).collect();
    let many = |count: usize| -> Vec<(&str, &str)> {
        names[..count]
            .iter()
            .map(|name| (name.as_str(), "1"))
            .collect()
    };
    let (at_limit, long_name) = ("v".repeat(8 << 10), "n".repeat(1025));
    for (attributes, reason) in [
        (many(61), None),
        (many(62), Some(RefusalReason::TooManyLabels)),
        (vec![("a", at_limit.as_str())], None),
        (
            vec![("a", at_limit.as_str()), ("b", at_limit.as_str())],
            Some(RefusalReason::LabelsTooLong),
        ),
        (
            vec![(long_name.as_str(), "1")],
            Some(RefusalReason::LabelNameTooLong),
        ),
        // `job` comes from the resource, whatever the point says.
        (vec![("job", &at_limit[..100])], None),
    ] {
        // As labels, where the limits are exact: beside the name there are `job` and `instance`.
        let options = Options {
            delta: chronoxide_otlp::DeltaMode::Cumulative,
            ..storage_limits()
        };
        let metric = sum("m", "", DELTA, true, vec![point(&attributes)]);
        let translation = translate(&request(&R0, vec![metric]), &options);
        let reasons: Vec<_> = translation
            .refusals
            .counts()
            .map(|(reason, _)| reason)
            .collect();
        assert_eq!(reasons, Vec::from_iter(reason), "{}", attributes.len());
    }
}

#[test]
fn nested_values_and_many_series_are_counted() {
    let array = Value::ArrayValue(ArrayValue {
        values: vec![AnyValue::default(); 50_000],
    });
    let mut point = number(1.0);
    point.attributes = (0..4)
        .map(|index| attribute(&format!("a{index}"), array.clone()))
        .collect();
    let nested = request(&R0, vec![gauge("m", "", vec![point])]);
    let bounds: Vec<f64> = (0..20_000).map(f64::from).collect();
    let counts = vec![0; bounds.len() + 1];
    let wide = histogram_point(&bounds, &counts, 0, None);
    let wide = request(&R0, vec![histogram("m", "", CUMULATIVE, vec![wide])]);
    for request in [nested, wide] {
        let (refused, asked) = protobuf_within(&request.encode_to_vec(), &plain());
        assert_eq!(refused.unwrap_err(), Error::NoMemory);
        assert!(asked < 4 * LIMIT, "{asked}");
    }
}
