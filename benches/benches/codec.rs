//! Chunk codecs: nanoseconds and bytes a sample.

#![allow(
    missing_docs,
    clippy::print_stderr,
    reason = "a bench documents and prints its workload"
)]

use std::hint::black_box;

use chronoxide_benches::Workload;
use chronoxide_format::chunk::{ValueEncoder, decode_timestamps, decode_values, encode_timestamps};
use chronoxide_model::SampleColumns;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

fn encode_all(runs: &[SampleColumns], encoder: &mut ValueEncoder, out: &mut Vec<u8>) {
    for run in runs {
        out.clear();
        encoder.encode(&run.values, out);
        black_box(&*out);
    }
}

fn encoded(runs: &[SampleColumns]) -> Vec<(usize, Vec<u8>)> {
    let mut encoder = ValueEncoder::default();
    let chunk = |run: &SampleColumns| {
        let mut out = Vec::new();
        encoder.encode(&run.values, &mut out);
        (run.values.len(), out)
    };
    runs.iter().map(chunk).collect()
}

fn values(criterion: &mut Criterion) {
    let workload = Workload::load();
    let mut group = criterion.benchmark_group("values");
    for length in [120, 480] {
        let runs = workload.runs(length);
        let samples: usize = runs.iter().map(|run| run.values.len()).sum();
        let chunks = encoded(&runs);
        let bytes: usize = chunks.iter().map(|(_, chunk)| chunk.len()).sum();
        eprintln!(
            "values, {}: {samples} samples in chunks of {length}: {:.4} bytes/sample",
            workload.source,
            bytes as f64 / samples as f64
        );
        group.throughput(Throughput::Elements(samples as u64));
        let (mut encoder, mut out) = (ValueEncoder::default(), Vec::new());
        group.bench_function(BenchmarkId::new("encode", length), |bencher| {
            bencher.iter(|| encode_all(&runs, &mut encoder, &mut out));
        });
        let mut decoded = Vec::new();
        group.bench_function(BenchmarkId::new("decode", length), |bencher| {
            bencher.iter(|| {
                for (count, chunk) in &chunks {
                    decoded.clear();
                    decode_values(chunk, *count, &mut decoded).expect("what was encoded decodes");
                    black_box(&decoded);
                }
            });
        });
    }
    group.finish();
}

fn timestamps(criterion: &mut Criterion) {
    let workload = Workload::load().every(15);
    let mut group = criterion.benchmark_group("timestamps");
    for job in workload.jobs.iter().take(1) {
        let mut chunk = Vec::new();
        encode_timestamps(&job.times_ms, &mut chunk);
        let count = job.times_ms.len();
        eprintln!(
            "timestamps, {}: {count} in {} bytes, {:.5} bytes/sample over {} series",
            workload.source,
            chunk.len(),
            chunk.len() as f64 / (count * job.series.len()) as f64,
            job.series.len()
        );
        group.throughput(Throughput::Elements(count as u64));
        let mut decoded = Vec::new();
        group.bench_function("decode", |bencher| {
            bencher.iter(|| {
                decoded.clear();
                decode_timestamps(&chunk, count, &mut decoded).expect("what was encoded decodes");
                black_box(&decoded);
            });
        });
    }
    group.finish();
}

criterion_group!(benches, values, timestamps);
criterion_main!(benches);
