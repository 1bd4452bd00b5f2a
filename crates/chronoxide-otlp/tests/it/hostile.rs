//! Bytes that nobody should send.

use chronoxide_otlp::{
    HistogramForm, Options, Translation, translate_json, translate_message, translate_protobuf,
};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue};
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::summary_data_point::ValueAtQuantile;
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Sum, Summary, SummaryDataPoint,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
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
        metric("s", "s", Data::Summary(summary())),
    ];
    request(&r0_with_host(), metrics)
}

fn summary() -> Summary {
    let quantiles = [(0.5, 1.5), (0.99, 9.0)];
    let point = SummaryDataPoint {
        time_unix_nano: TIME_NS,
        count: 100,
        sum: 250.0,
        quantile_values: quantiles
            .map(|(quantile, value)| ValueAtQuantile { quantile, value })
            .to_vec(),
        ..SummaryDataPoint::default()
    };
    Summary {
        data_points: vec![point],
    }
}

pub(crate) fn all_options() -> [Options; 2] {
    let native = Options {
        histograms: HistogramForm::CustomBuckets,
        scope_labels: true,
        type_and_unit_labels: true,
        // Flipped bits move points by years, and thousands of samples of target_info make the test slow.
        lookback_ms: 1 << 50,
        ..Options::default()
    };
    let classic = Options {
        lookback_ms: 1 << 50,
        ..Options::default()
    };
    [classic, native]
}

/// Whatever was sent, what comes out is in order.
pub(crate) fn check(translation: &Translation) {
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

/// All that a translation says.
pub(crate) fn told(translation: &Translation) -> Vec<String> {
    let mut lines = floats(translation);
    lines.extend(
        natives(translation)
            .into_iter()
            .map(|native| format!("{native:?}")),
    );
    lines.extend(exemplars(translation));
    lines.extend(
        translation
            .batch
            .metadata()
            .iter()
            .map(|metadata| format!("{metadata:?}")),
    );
    lines.extend(
        translation
            .batch
            .series()
            .map(|series| format!("{:?}", series.start_timestamps_ms)),
    );
    let counts: Vec<_> = translation.refusals.counts().collect();
    let Translation {
        points_accepted,
        attributes_dropped,
        exemplars_dropped,
        ..
    } = translation;
    lines.push(format!(
        "{counts:?} {points_accepted} {attributes_dropped} {exemplars_dropped}"
    ));
    lines
}

#[test]
fn every_prefix_and_every_flipped_bit_of_protobuf_is_read_as_prost_reads_it() {
    let request = everything();
    let whole = request.encode_to_vec();
    let streams = no_streams();
    let all_options = all_options();
    for options in &all_options {
        let translation = translate_message(&request, options, &streams, TIME_MS);
        assert_eq!(translation.refusals.message(), "");
        assert_eq!(translation.points_accepted, 7);
    }
    let prefixes = (0..=whole.len()).map(|end| whole[..end].to_vec());
    let flipped = (0..whole.len() * 8).map(|bit| {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        bytes
    });
    let (mut read, mut refused, mut unread) = (0, 0, 0);
    for (bytes, options) in prefixes.chain(flipped).zip(all_options.iter().cycle()) {
        let walked = translate_protobuf(&bytes, options, &streams, TIME_MS);
        let built = ExportMetricsServiceRequest::decode(bytes.as_slice());
        match (walked, built) {
            (Ok(walked), Ok(built)) => {
                check(&walked);
                let built = translate_message(&built, options, &streams, TIME_MS);
                assert_eq!(told(&walked), told(&built), "{bytes:?}");
                read += 1;
            }
            (Err(_), Err(_)) => refused += 1,
            // A flip turned a name into data of another kind, which the metric's own data replaces: what does not
            // count is passed over unread.
            (Ok(walked), Err(error)) if error.to_string().contains("Metric.data") => {
                check(&walked);
                unread += 1;
            }
            (walked, built) => panic!("{walked:?}\nbut {built:?}\nfor {bytes:?}"),
        }
    }
    assert!(
        read > 1000 && refused > 1000 && unread < 20,
        "{read} read, {refused} refused, {unread} unread"
    );
}

/// A field of `bytes` in protobuf.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    prost::encode_length_delimiter(bytes.len(), &mut out).expect("a vector grows");
    out.extend(bytes);
    out
}

#[test]
fn messages_in_pieces_and_in_any_order_are_read_whole() {
    let resource = |pairs: &[(&str, &str)]| {
        let attributes = texts(pairs);
        field(
            1,
            &Resource {
                attributes,
                ..Resource::default()
            }
            .encode_to_vec(),
        )
    };
    let sum = |temporality: i32, value: f64, host: &str| {
        let mut point = number(value);
        point.attributes = texts(&[("host", host)]);
        let sum = Sum {
            data_points: vec![point],
            aggregation_temporality: temporality,
            is_monotonic: true,
        };
        field(7, &sum.encode_to_vec())
    };
    let gauge = field(
        5,
        &Gauge {
            data_points: vec![number(9.0)],
        }
        .encode_to_vec(),
    );
    // The data stands before the name, in two pieces of which only the second says the temporality, and a gauge that
    // does not count before both.
    let metric = [
        gauge,
        sum(0, 1.0, "a"),
        sum(CUMULATIVE, 2.0, "b"),
        field(1, b"c"),
    ]
    .concat();
    let scope_metrics = field(2, &field(2, &metric));
    let pieces = [
        scope_metrics,
        resource(&[("service.name", "s")]),
        resource(&[("service.namespace", "n")]),
    ];
    let body = field(1, &pieces.concat());
    let walked = translate_protobuf(&body, &plain(), &no_streams(), TIME_MS).unwrap();
    assert_eq!(
        values(&walked),
        [
            r#"c_total{host="a", job="n/s"} 1"#,
            r#"c_total{host="b", job="n/s"} 2"#
        ]
    );
    let built = ExportMetricsServiceRequest::decode(body.as_slice()).unwrap();
    assert_eq!(told(&walked), told(&translate(&built, &plain())));
}

#[test]
fn what_grows_in_memory_is_bounded() {
    let streams = no_streams();
    let point_with = |attribute: Vec<u8>| {
        let point = [vec![0x19, 1, 0, 0, 0, 0, 0, 0, 1], attribute].concat();
        let metric = [field(1, b"m"), field(5, &field(1, &point))].concat();
        field(1, &field(2, &field(2, &metric)))
    };
    let translated = |body: Vec<u8>| translate_protobuf(&body, &plain(), &streams, TIME_MS);
    assert_eq!(
        translated(point_with(Vec::new())).unwrap().points_accepted,
        1
    );
    // An array of empty values takes two bytes for each on the wire.
    let array = |values: usize| field(7, &field(2, &field(5, &[0x0a, 0].repeat(values))));
    assert_eq!(
        translated(point_with(array(1000))).unwrap().points_accepted,
        1
    );
    assert!(translated(point_with(array(100_000))).is_err());
    let attributes = point_with([0x3a, 0].repeat(100_000));
    let refused = translated(attributes).unwrap();
    assert_eq!(
        refused.refusals.counts().next().unwrap().0.as_str(),
        "labels_too_large"
    );
    // Exemplars of a gauge are not kept, those past the bound not even read into memory.
    let exemplars = translated(point_with([0x2a, 0].repeat(100_000))).unwrap();
    assert_eq!(exemplars.exemplars_dropped, 100_000 - 1024);
}

#[test]
fn every_prefix_and_every_flipped_bit_of_json_is_read_or_refused() {
    let example: serde_json::Value =
        serde_json::from_str(include_str!("../vectors/metrics.json")).unwrap();
    let whole = example.to_string().into_bytes();
    let streams = no_streams();
    let options = Options::default();
    for end in 0..whole.len() {
        assert!(
            translate_json(&whole[..end], &options, &streams, TIME_MS).is_err(),
            "prefix of {end}"
        );
    }
    for bit in 0..whole.len() * 8 {
        let mut bytes = whole.clone();
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
