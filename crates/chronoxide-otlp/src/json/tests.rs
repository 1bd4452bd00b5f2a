//! One test for each rule of OTLP's JSON.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    Exemplar, ExponentialHistogramDataPoint, HistogramDataPoint, Metric, NumberDataPoint,
    number_data_point,
};

use super::*;

fn decode_freely(body: &[u8]) -> Result<ExportMetricsServiceRequest> {
    decode(body, &Memory::new(&|_| true))
}

fn metric(fields: &str) -> Result<Metric> {
    let body =
        format!(r#"{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{{{fields}}}]}}]}}]}}"#);
    let mut request = decode_freely(body.as_bytes())?;
    Ok(request
        .resource_metrics
        .remove(0)
        .scope_metrics
        .remove(0)
        .metrics
        .remove(0))
}

fn number(fields: &str) -> Result<NumberDataPoint> {
    match metric(&format!(r#""gauge":{{"dataPoints":[{{{fields}}}]}}"#))?.data {
        Some(Data::Gauge(mut gauge)) => Ok(gauge.data_points.remove(0)),
        other => panic!("{other:?} is no gauge"),
    }
}

fn histogram(fields: &str) -> Result<HistogramDataPoint> {
    match metric(&format!(r#""histogram":{{"dataPoints":[{{{fields}}}]}}"#))?.data {
        Some(Data::Histogram(mut histogram)) => Ok(histogram.data_points.remove(0)),
        other => panic!("{other:?} is no histogram"),
    }
}

fn exponential(fields: &str) -> Result<ExponentialHistogramDataPoint> {
    match metric(&format!(
        r#""exponentialHistogram":{{"dataPoints":[{{{fields}}}]}}"#
    ))?
    .data
    {
        Some(Data::ExponentialHistogram(mut histogram)) => Ok(histogram.data_points.remove(0)),
        other => panic!("{other:?} is no exponential histogram"),
    }
}

fn exemplar(fields: &str) -> Exemplar {
    number(&format!(r#""exemplars":[{{{fields}}}]"#))
        .unwrap()
        .exemplars
        .remove(0)
}

fn value(json: &str) -> Result<Option<Value>> {
    let point = number(&format!(r#""attributes":[{{"key":"k","value":{json}}}]"#))?;
    Ok(point.attributes[0]
        .value
        .as_ref()
        .and_then(|value| value.value.clone()))
}

fn double(json: &str) -> f64 {
    match number(&format!(r#""asDouble":{json}"#)).unwrap().value {
        Some(number_data_point::Value::AsDouble(value)) => value,
        other => panic!("{other:?} is no double"),
    }
}

fn integer(json: &str) -> Result<i64> {
    match number(&format!(r#""asInt":{json}"#))?.value {
        Some(number_data_point::Value::AsInt(value)) => Ok(value),
        other => panic!("{other:?} is no integer"),
    }
}

#[test]
fn ot20_snake_case_keys_are_unknown() {
    let request = decode_freely(br#"{"resource_metrics":[{"scope_metrics":[]}]}"#).unwrap();
    assert!(request.resource_metrics.is_empty());
}

#[test]
fn ot21_unknown_keys_are_skipped_at_every_level() {
    for unknown in [r#"{"bar":[1]}"#, "[[{}]]", "null", "1e5", r#""x""#] {
        let body = format!(
            r#"{{"foo":{unknown},"resourceMetrics":[{{"foo":{unknown},"resource":{{"foo":{unknown}}},
            "scopeMetrics":[{{"foo":{unknown},"scope":{{"foo":{unknown}}},"metrics":[{{"foo":{unknown},
            "sum":{{"foo":{unknown},"dataPoints":[{{"foo":{unknown},"attributes":[{{"foo":{unknown},
            "key":"k","value":{{"foo":{unknown},"boolValue":true}}}}]}}]}}}}]}}]}}]}}"#
        );
        let request = decode_freely(body.as_bytes()).unwrap();
        let metric = &request.resource_metrics[0].scope_metrics[0].metrics[0];
        let Some(Data::Sum(sum)) = &metric.data else {
            panic!("{metric:?} is no sum");
        };
        assert_eq!(sum.data_points[0].attributes[0].key, "k");
    }
}

#[test]
fn ot22_ids_are_hexadecimal() {
    let ids =
        exemplar(r#""traceId":"5B8EFFF798038103D269B633813FC60C","spanId":"eee19b7ec3c1b174""#);
    assert_eq!(ids.trace_id[..3], [0x5b, 0x8e, 0xff]);
    assert_eq!((ids.trace_id.len(), ids.span_id[0]), (16, 0xee));
    let empty = exemplar(r#""traceId":"","spanId":"""#);
    assert!(empty.trace_id.is_empty() && empty.span_id.is_empty());
    // Neither becomes an id of the right length, so the exemplar goes and the point stays.
    for wrong in ["AAECAwQFBgcICQoLDA0ODw==", "abc"] {
        let id = exemplar(&format!(r#""traceId":"{wrong}""#)).trace_id;
        assert!(!id.is_empty() && id.len() != 16);
        assert!(id.iter().any(|byte| *byte != 0));
    }
}

#[test]
fn ot23_bytes_are_base64_of_either_alphabet() {
    for text in ["+/8=", "-_8=", "+/8", "-_8"] {
        let bytes = value(&format!(r#"{{"bytesValue":"{text}"}}"#)).unwrap();
        assert_eq!(bytes, Some(Value::BytesValue(vec![0xfb, 0xff])), "{text}");
    }
    assert!(value(r#"{"bytesValue":"*"}"#).is_err());
}

#[test]
fn ot24_long_integers_come_as_text_or_numbers_and_stay_exact() {
    for json in ["1544712660300000001", r#""1544712660300000001""#] {
        let point = number(&format!(
            r#""timeUnixNano":{json},"startTimeUnixNano":{json}"#
        ))
        .unwrap();
        assert_eq!(point.time_unix_nano, 1_544_712_660_300_000_001);
        assert_eq!(point.start_time_unix_nano, point.time_unix_nano);
        assert_eq!(integer(json).unwrap(), 1_544_712_660_300_000_001);
        let buckets =
            histogram(&format!(r#""count":{json},"bucketCounts":[{json},2,"3"]"#)).unwrap();
        assert_eq!(buckets.bucket_counts, [buckets.count, 2, 3]);
        assert_eq!(buckets.count, 1_544_712_660_300_000_001);
        assert_eq!(
            exponential(&format!(r#""zeroCount":{json}"#))
                .unwrap()
                .zero_count,
            buckets.count
        );
        let attribute = value(&format!(r#"{{"intValue":{json}}}"#)).unwrap();
        assert_eq!(attribute, Some(Value::IntValue(1_544_712_660_300_000_001)));
    }
    assert_eq!(integer(r#""-9223372036854775808""#).unwrap(), i64::MIN);
    assert_eq!(
        number(r#""timeUnixNano":18446744073709551615"#)
            .unwrap()
            .time_unix_nano,
        u64::MAX
    );
    assert!(integer("9223372036854775808").is_err());
    assert!(number(r#""timeUnixNano":"-1""#).is_err());
    assert!(number(r#""timeUnixNano":"18446744073709551616""#).is_err());
}

#[test]
fn ot25_short_integers_come_in_any_notation() {
    for json in ["3", r#""3""#, "3.0", "0.3e1", r#""3.0""#] {
        assert_eq!(
            exponential(&format!(r#""scale":{json}"#)).unwrap().scale,
            3,
            "{json}"
        );
        assert_eq!(
            number(&format!(r#""flags":{json}"#)).unwrap().flags,
            3,
            "{json}"
        );
    }
    let sided = exponential(r#""positive":{"offset":"-2","bucketCounts":["1"]}"#).unwrap();
    assert_eq!(sided.positive.unwrap().offset, -2);
    for wrong in [
        "1.5",
        "2147483648",
        r#""x""#,
        "true",
        "[]",
        "1e40",
        r#""NaN""#,
    ] {
        assert!(
            exponential(&format!(r#""scale":{wrong}"#)).is_err(),
            "{wrong}"
        );
    }
}

#[test]
fn ot26_doubles_may_be_text_and_need_not_be_finite() {
    assert!(double(r#""NaN""#).is_nan());
    assert_eq!(double(r#""Infinity""#), f64::INFINITY);
    assert_eq!(double(r#""-Infinity""#), f64::NEG_INFINITY);
    assert_eq!(double(r#""1.5e3""#), 1500.0);
    assert_eq!(double("7"), 7.0);
    assert_eq!(double("-7"), -7.0);
    assert_eq!(
        double("0.30000000000000004").to_bits(),
        0.300_000_000_000_000_04_f64.to_bits()
    );
    for text in [
        "2.2250738585072011e-308",
        "123456789.01234567",
        "7.2057594037927933e16",
    ] {
        let expected: f64 = text.parse().unwrap();
        assert_eq!(double(text).to_bits(), expected.to_bits(), "{text}");
    }
    let bounds = histogram(r#""explicitBounds":[0.1,"1","Infinity"]"#)
        .unwrap()
        .explicit_bounds;
    assert_eq!(bounds, [0.1, 1.0, f64::INFINITY]);
    for wrong in [r#""nan""#, r#""inf""#, r#""1e999""#, r#""""#, "true", "{}"] {
        assert!(
            number(&format!(r#""asDouble":{wrong}"#)).is_err(),
            "{wrong}"
        );
    }
}

#[test]
fn ot27_enums_are_numbers() {
    for (json, expected) in [
        ("2", Some(2)),
        ("1", Some(1)),
        (r#""AGGREGATION_TEMPORALITY_DELTA""#, None),
        (r#""2""#, None),
    ] {
        let read = metric(&format!(
            r#""sum":{{"aggregationTemporality":{json},"isMonotonic":true}}"#
        ));
        match (read, expected) {
            (
                Ok(Metric {
                    data: Some(Data::Sum(sum)),
                    ..
                }),
                Some(expected),
            ) => {
                assert_eq!(sum.aggregation_temporality, expected);
                assert!(sum.is_monotonic);
            }
            (Err(_), None) => {}
            (read, _) => panic!("{json}: {read:?}"),
        }
    }
}

#[test]
fn ot28_null_is_absent_and_of_repeated_keys_the_last_counts() {
    let point = histogram(
        r#""sum":null,"count":null,"bucketCounts":null,"attributes":null,"exemplars":null"#,
    )
    .unwrap();
    assert_eq!(point, HistogramDataPoint::default());
    assert_eq!(
        number(r#""asInt":null,"flags":1,"flags":null"#).unwrap(),
        NumberDataPoint::default()
    );
    assert_eq!(
        number(r#""timeUnixNano":"1","timeUnixNano":"2""#)
            .unwrap()
            .time_unix_nano,
        2
    );
    let repeated = histogram(r#""bucketCounts":[1,2],"bucketCounts":[3]"#).unwrap();
    assert_eq!(repeated.bucket_counts, [3]);
    assert_eq!(
        decode_freely(br#"{"resourceMetrics":null}"#).unwrap(),
        ExportMetricsServiceRequest::default()
    );
    assert_eq!(value("null").unwrap(), None);
    assert_eq!(value(r#"{"stringValue":null}"#).unwrap(), None);
}

#[test]
fn ot29_a_sum_of_zero_is_there() {
    let point = histogram(r#""sum":0,"min":0"#).unwrap();
    assert_eq!(
        (point.sum, point.min, point.max),
        (Some(0.0), Some(0.0), None)
    );
}

#[test]
fn ot30_times_are_no_text_of_dates() {
    let error = number(r#""timeUnixNano":"2018-12-13T14:51:00.300Z""#).unwrap_err();
    assert!(error.to_string().contains("2018-12-13"), "{error}");
}

#[test]
fn ot31_of_several_choices_the_last_stands() {
    let point = number(r#""asInt":"1","asDouble":2.5"#).unwrap();
    assert_eq!(point.value, Some(number_data_point::Value::AsDouble(2.5)));
    let chosen = metric(r#""gauge":{},"sum":{},"histogram":null"#).unwrap();
    assert!(matches!(chosen.data, Some(Data::Sum(_))));
}

#[test]
fn ot32_repeated_attribute_keys_are_left_to_the_translation() {
    let entries =
        r#"{"key":"k","value":{"stringValue":"1"}},{"key":"k","value":{"stringValue":"2"}}"#;
    assert_eq!(
        number(&format!(r#""attributes":[{entries}]"#))
            .unwrap()
            .attributes
            .len(),
        2
    );
    let map = value(&format!(r#"{{"kvlistValue":{{"values":[{entries}]}}}}"#)).unwrap();
    assert!(matches!(map, Some(Value::KvlistValue(map)) if map.values.len() == 2));
}

#[test]
fn keys_may_be_written_with_escapes() {
    assert_eq!(number(r#""fl\u0061gs":1"#).unwrap().flags, 1);
}

#[test]
fn what_is_no_object_is_refused_with_its_place() {
    for body in [
        "",
        "[]",
        "1",
        "null",
        r#"{"resourceMetrics":{}}"#,
        r#"{"resourceMetrics":[1]}"#,
        "{} {}",
    ] {
        let error = decode_freely(body.as_bytes()).unwrap_err();
        assert!(error.to_string().contains("column"), "{body}: {error}");
    }
}
