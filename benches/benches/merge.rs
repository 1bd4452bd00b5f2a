//! Merges of parts: how many samples a second go from eight parts of a level to one of the next.

#![allow(
    missing_docs,
    clippy::print_stderr,
    reason = "a bench documents and prints its workload"
)]

use std::path::Path;
use std::sync::Arc;

use chronoxide_benches::{Job, Workload};
use chronoxide_model::Labels;
use chronoxide_storage::internals::{
    FAN_IN, MergeOptions, Packing, Part, PartHeader, PartSummary, PartWriter, Samples, merge,
};
use chronoxide_storage::system::RealFs;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

/// 2023-11-14 00:00 UTC.
const DAY_START_MS: i64 = 1_699_920_000_000;
const STEP_SECONDS: usize = 15;
/// Samples of a series in a part of level 0, where there are many series.
const FLUSH_SAMPLES: usize = 15;
/// Copies of the recorded targets: about 10,000 series.
const INSTANCES: usize = 5;

/// A series of the fleet, and where its values are.
struct Source<'a> {
    labels: &'a Labels,
    job: &'a Job,
    values: &'a [f64],
}

/// Writes the samples `from .. from + count` of each series to a part of `level`.
fn write_part(
    folder: &Path,
    sources: &[Source<'_>],
    (from, count): (usize, usize),
    level: u8,
) -> Arc<Part> {
    let sequence = 1 + from as u64;
    let header = PartHeader {
        level,
        wal_seq_min: sequence,
        wal_seq_max: sequence,
    };
    let name = format!("{level}-{from}.part");
    let mut writer = PartWriter::create(&RealFs, folder, &name, header).expect("a new file");
    for source in sources {
        let samples = Samples {
            timestamps_ms: &source.job.times_ms[from..from + count],
            values: &source.values[from..from + count],
            ..Samples::default()
        };
        writer
            .push(source.labels, samples)
            .expect("series are in order");
    }
    let summary = writer.finish().expect("the part is written");
    open(&summary.expect("there are samples"))
}

fn open(summary: &PartSummary) -> Arc<Part> {
    Arc::new(Part::open(&RealFs, &summary.path).expect("the part opens"))
}

fn merged(folder: &Path, name: &str, parts: &[Arc<Part>], packing: Packing) -> PartSummary {
    let highest = parts.iter().map(|part| part.summary().header.level).max();
    let options = MergeOptions {
        level: highest.unwrap_or(0) + 1,
        min_ms: i64::MIN,
        packing,
    };
    let merged = merge(&RealFs, folder, name, parts, options).expect("the parts are whole");
    merged.expect("there are samples")
}

fn merges(criterion: &mut Criterion) {
    let scrapes = FLUSH_SAMPLES * FAN_IN * FAN_IN;
    let fleet = Workload::load().fleet(INSTANCES, scrapes, STEP_SECONDS, DAY_START_MS);
    let mut sources: Vec<Source<'_>> = Vec::new();
    for job in &fleet.jobs {
        let series = job.series.iter().zip(&job.values);
        sources.extend(series.map(|(labels, values)| Source {
            labels,
            job,
            values,
        }));
    }
    sources.sort_by(|a, b| a.labels.cmp(b.labels));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let flushed: Vec<Arc<Part>> = (0..FAN_IN * FAN_IN)
        .map(|flush| {
            let samples = (flush * FLUSH_SAMPLES, FLUSH_SAMPLES);
            write_part(folder.path(), &sources, samples, 0)
        })
        .collect();
    let first: Vec<Arc<Part>> = flushed
        .chunks(FAN_IN)
        .zip(0..)
        .map(|(parts, number)| {
            let name = format!("1-{number}.part");
            open(&merged(folder.path(), &name, parts, Packing::Long))
        })
        .collect();
    let mut group = criterion.benchmark_group("merge");
    group.sample_size(10);
    let merges = [
        ("flushed", &flushed[..FAN_IN], Packing::Long),
        ("once_merged", &first, Packing::Long),
        ("last_of_the_day", &first, Packing::All),
    ];
    for (name, parts, packing) in merges {
        let samples: u64 = parts.iter().map(|part| part.summary().samples).sum();
        let before: u64 = parts.iter().map(|part| part.summary().bytes).sum();
        let sized = format!("{name}.part");
        let bytes = merged(folder.path(), &sized, parts, packing).bytes;
        eprintln!(
            "{name}, {}: {} parts of {} samples of {} series, {:.3} bytes/sample before, {:.3} after",
            fleet.source,
            parts.len(),
            samples / parts.len() as u64,
            sources.len(),
            before as f64 / samples as f64,
            bytes as f64 / samples as f64,
        );
        group.throughput(Throughput::Elements(samples));
        group.bench_function(name, |bencher| {
            bencher.iter_batched(
                || drop(std::fs::remove_file(folder.path().join("timed.part"))),
                |()| merged(folder.path(), "timed.part", parts, packing),
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, merges);
criterion_main!(benches);
