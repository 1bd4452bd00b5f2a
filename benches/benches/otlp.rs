//! OTLP requests in protobuf, as a Collector sends them: what one data point costs, translated and stored.

#![allow(
    missing_docs,
    clippy::print_stderr,
    reason = "a bench documents and prints its workload"
)]

use std::hint::black_box;
use std::time::Duration;

use chronoxide_otlp::{DeltaLimits, DeltaStreams, Options, translate_protobuf};
use chronoxide_storage::{Database, Durability};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, metric, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message as _;

const START_MS: i64 = 1_700_000_000_000;
const RESOURCES: usize = 10;
const METRICS: usize = 10;
const POINTS: usize = 50;

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}

fn text(key: &str, value: impl Into<String>) -> KeyValue {
    attribute(key, Value::StringValue(value.into()))
}

/// One export of a few services, each with counters and gauges by route and method.
fn request(time_ms: i64) -> Vec<u8> {
    let resources = (0..RESOURCES).map(|resource| ResourceMetrics {
        resource: Some(Resource {
            attributes: vec![
                text("service.name", "checkout"),
                text("service.namespace", "shop"),
                text("service.instance.id", format!("checkout-7f9c-{resource}")),
                text("service.version", "1.42.0"),
                text("deployment.environment.name", "production"),
                text("k8s.namespace.name", "shop"),
                text("k8s.pod.name", format!("checkout-7f9c-{resource}")),
                text("host.arch", "amd64"),
            ],
            ..Resource::default()
        }),
        scope_metrics: vec![ScopeMetrics {
            scope: Some(InstrumentationScope {
                name: "http".to_owned(),
                version: "1".to_owned(),
                ..InstrumentationScope::default()
            }),
            metrics: (0..METRICS).map(|index| metric(index, time_ms)).collect(),
            ..ScopeMetrics::default()
        }],
        ..ResourceMetrics::default()
    });
    let resource_metrics = resources.collect();
    ExportMetricsServiceRequest { resource_metrics }.encode_to_vec()
}

fn metric(index: usize, time_ms: i64) -> Metric {
    let points = (0..POINTS).map(|point| NumberDataPoint {
        attributes: vec![
            text("http.request.method", ["GET", "POST"][point % 2]),
            text("http.route", format!("/shop/items/{}", point / 10)),
            attribute(
                "http.response.status_code",
                Value::IntValue(200 + (point % 10) as i64),
            ),
            text("server.address", "shop.example.com"),
            attribute("server.port", Value::IntValue(443)),
        ],
        start_time_unix_nano: START_MS as u64 * 1_000_000,
        time_unix_nano: time_ms as u64 * 1_000_000,
        value: Some(number_data_point::Value::AsInt(
            time_ms / 1000 + point as i64,
        )),
        ..NumberDataPoint::default()
    });
    let data_points = points.collect();
    let data = if index.is_multiple_of(2) {
        metric::Data::Sum(Sum {
            data_points,
            aggregation_temporality: 2,
            is_monotonic: true,
        })
    } else {
        metric::Data::Gauge(Gauge { data_points })
    };
    Metric {
        name: format!("http.server.measure_{index}"),
        description: "What it measures.".to_owned(),
        unit: "By".to_owned(),
        data: Some(data),
        ..Metric::default()
    }
}

fn otlp(criterion: &mut Criterion) {
    let points = RESOURCES * METRICS * POINTS;
    let body = request(START_MS);
    eprintln!("otlp: one request, {points} points in {} bytes", body.len());
    let (options, now_ms) = (Options::default(), START_MS);
    let streams = DeltaStreams::new(DeltaLimits::default(), 0);
    let mut group = criterion.benchmark_group("otlp");
    group.throughput(Throughput::Elements(points as u64));
    group.bench_function("translate", |bencher| {
        bencher.iter(|| {
            let translated = translate_protobuf(black_box(&body), &options, &streams, now_ms);
            black_box(
                translated
                    .expect("the request is well-formed")
                    .points_accepted,
            )
        });
    });
    let folder = tempfile::tempdir().expect("a temporary folder");
    let storage = chronoxide_storage::Options {
        durability: Durability::Interval(Duration::from_millis(200)),
        retention: Duration::MAX,
        ..chronoxide_storage::Options::default()
    };
    let database = Database::open(folder.path().join("data"), storage).expect("an empty folder");
    let mut time_ms = START_MS;
    group.bench_function("translate_and_write", |bencher| {
        bencher.iter_batched(
            || {
                time_ms += 15_000;
                (time_ms, request(time_ms))
            },
            |(time_ms, body)| {
                let translated = translate_protobuf(&body, &options, &streams, time_ms);
                let translated = translated.expect("the request is well-formed");
                database
                    .write(&translated.batch)
                    .expect("the batch is written")
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group!(benches, otlp);
criterion_main!(benches);
