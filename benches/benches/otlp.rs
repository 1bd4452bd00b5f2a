//! OTLP requests in protobuf, as a Collector sends them: what one data point costs, translated and stored.

#![allow(
    missing_docs,
    clippy::print_stderr,
    reason = "a bench documents and prints its workload"
)]

use std::hint::black_box;
use std::time::Duration;

use chronoxide_benches::OtlpRequest;
use chronoxide_otlp::{DeltaLimits, DeltaStreams, Options, translate_protobuf};
use chronoxide_storage::{Database, Durability};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

const START_MS: i64 = 1_700_000_000_000;

/// One export of a few services, each with counters and gauges by route and method.
const REQUEST: OtlpRequest = OtlpRequest {
    first_instance: 0,
    instances: 10,
    metrics: 10,
    points: 50,
    start_ms: START_MS,
    time_ms: START_MS,
    delta_ms: None,
};

fn request(time_ms: i64) -> Vec<u8> {
    OtlpRequest { time_ms, ..REQUEST }.encode()
}

fn otlp(criterion: &mut Criterion) {
    let points = REQUEST.point_count();
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
