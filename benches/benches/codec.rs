//! Chunk codecs: nanoseconds and bytes a sample.

#![allow(
    missing_docs,
    clippy::print_stderr,
    reason = "a bench documents and prints its workload"
)]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;

use chronoxide_benches::Workload;
use chronoxide_format::chunk::{
    ValueEncoder, decode_histograms, decode_timestamps, decode_values, encode_histograms,
    encode_timestamps,
};
use chronoxide_model::{
    BucketCounts, BucketSpan, CounterResetHint, Histogram, HistogramCounts, SampleColumns,
};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

fn encode_all(runs: &[SampleColumns], encoder: &mut ValueEncoder, out: &mut Vec<u8>) {
    for run in runs {
        out.clear();
        encoder.encode(&run.values, out);
        black_box(&*out);
    }
}

fn decode_all(chunks: &[(usize, Vec<u8>)], decoded: &mut Vec<f64>) {
    for (count, chunk) in chunks {
        decoded.clear();
        decode_values(chunk, *count, decoded).expect("what was encoded decodes");
        black_box(&*decoded);
    }
}

fn encoded_by(runs: &[SampleColumns], encoder: &mut ValueEncoder) -> Vec<(usize, Vec<u8>)> {
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
        let chunks = encoded_by(&runs, &mut ValueEncoder::default());
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
            bencher.iter(|| decode_all(&chunks, &mut decoded));
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

/// What a series does, told from its values.
fn kind(values: &[f64], is_counter: bool) -> &'static str {
    let is_whole = |value: &f64| !value.is_finite() || value.fract() == 0.0;
    let is_constant = values
        .windows(2)
        .all(|pair| pair[0].to_bits() == pair[1].to_bits());
    match (is_constant, is_counter, values.iter().all(is_whole)) {
        (true, _, _) => "constant",
        (false, true, true) => "counter_whole",
        (false, true, false) => "counter_fractions",
        (false, false, true) => "gauge_whole",
        (false, false, false) => "gauge_fractions",
    }
}

/// The same for each kind of series, in chunks as merges make them.
fn kinds(criterion: &mut Criterion) {
    const LENGTH: usize = 480;
    let workload = Workload::load();
    let mut runs: BTreeMap<&str, Vec<SampleColumns>> = BTreeMap::new();
    for job in &workload.jobs {
        for ((values, is_counter), labels) in job.values.iter().zip(&job.counters).zip(&job.series)
        {
            let name = labels.metric_name().unwrap_or_default();
            let mut kind = kind(values, *is_counter);
            if kind != "constant" && name.ends_with("_bucket") {
                kind = "histogram_bucket";
            }
            let chunks = values.chunks(LENGTH).map(|values| SampleColumns {
                values: values.to_vec(),
                ..SampleColumns::default()
            });
            runs.entry(kind).or_default().extend(chunks);
        }
    }
    let mut group = criterion.benchmark_group("values_by_kind");
    group.sample_size(20);
    for (kind, runs) in &runs {
        let samples: usize = runs.iter().map(|run| run.values.len()).sum();
        group.throughput(Throughput::Elements(samples as u64));
        let encoders = [
            ("flushes", ValueEncoder::default()),
            ("merges", ValueEncoder::smallest()),
        ];
        for (by, mut encoder) in encoders {
            let chunks = encoded_by(runs, &mut encoder);
            let bytes: usize = chunks.iter().map(|(_, chunk)| chunk.len()).sum();
            eprintln!(
                "{kind}, {}: {samples} samples, as {by} code them {:.4} bytes/sample",
                workload.source,
                bytes as f64 / samples as f64
            );
            let mut out = Vec::new();
            group.bench_function(format!("{kind}/{by}/encode"), |bencher| {
                bencher.iter(|| encode_all(runs, &mut encoder, &mut out));
            });
            let mut decoded = Vec::new();
            group.bench_function(format!("{kind}/{by}/decode"), |bencher| {
                bencher.iter(|| decode_all(&chunks, &mut decoded));
            });
        }
    }
    group.finish();
}

/// A service's latencies: a native histogram that ever more requests are counted in.
fn histogram(at: u64) -> Histogram {
    let counts = (0..20).map(|bucket| at * (bucket % 7 + 1) + at * at % (bucket + 3));
    let counts: Vec<u64> = counts.collect();
    let count = counts.iter().sum();
    let span = |(offset, length)| BucketSpan { offset, length };
    Histogram {
        counter_reset_hint: CounterResetHint::NotReset,
        schema: 3,
        zero_threshold: 1e-128,
        sum: count as f64 * 0.137,
        positive_spans: [(-12, 14), (3, 6)].map(span).to_vec(),
        negative_spans: Vec::new(),
        counts: HistogramCounts::Integer(BucketCounts {
            count,
            zero_count: 0,
            positive: counts,
            negative: Vec::new(),
        }),
        custom_bounds: Arc::default(),
    }
}

fn histograms(criterion: &mut Criterion) {
    const LENGTH: usize = 480;
    let samples: Vec<Histogram> = (0..LENGTH as u64).map(histogram).collect();
    let mut chunk = Vec::new();
    encode_histograms(&samples, &mut chunk);
    eprintln!(
        "histograms of 20 buckets, synthetic: {:.3} bytes/sample",
        chunk.len() as f64 / LENGTH as f64
    );
    let mut group = criterion.benchmark_group("histograms");
    group.throughput(Throughput::Elements(LENGTH as u64));
    let mut out = Vec::new();
    group.bench_function("encode", |bencher| {
        bencher.iter(|| {
            out.clear();
            encode_histograms(&samples, &mut out);
            black_box(&out);
        });
    });
    group.bench_function("decode", |bencher| {
        bencher.iter(|| {
            let mut decoded = Vec::new();
            decode_histograms(&chunk, LENGTH, &mut decoded).expect("what was encoded decodes");
            black_box(decoded);
        });
    });
    group.finish();
}

criterion_group!(benches, values, kinds, histograms, timestamps);
criterion_main!(benches);
