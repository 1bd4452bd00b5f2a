//! The engine over its public API: remote-write bodies in, series and PromQL answers out.

#![allow(
    missing_docs,
    clippy::print_stderr,
    reason = "a bench documents and prints its workload"
)]

use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

use chronoxide_benches::Workload;
use chronoxide_model::{Matcher, SampleColumns, SeriesSource, TimeRange};
use chronoxide_promql::{Engine, QueryOptions, RangeTimes};
use chronoxide_storage::{Database, Durability, Options};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

/// One scrape in this many: the interval most people scrape at.
const SCRAPE_SECONDS: usize = 15;

fn options(durability: Durability) -> Options {
    // The recorded scrapes are as old as the recording.
    Options {
        durability,
        retention: Duration::MAX,
        ..Options::default()
    }
}

fn write_all(path: &Path, workload: &Workload, durability: Durability) -> Database {
    let database = Database::open(path, options(durability)).expect("an empty folder opens");
    for batch in workload.batches() {
        database.write(&batch).expect("the batch is written");
    }
    database
}

fn write(criterion: &mut Criterion) {
    let workload = Workload::load().every(SCRAPE_SECONDS);
    let batches = workload.batches();
    let samples: usize = batches.iter().map(|batch| batch.sample_count()).sum();
    let mut group = criterion.benchmark_group("write");
    group.sample_size(10);
    group.throughput(Throughput::Elements(samples as u64));
    let policies = [
        ("sync", Durability::Sync),
        ("interval", Durability::Interval(Duration::from_millis(200))),
    ];
    for (name, durability) in policies {
        group.bench_function(
            format!("{}_series/{name}", workload.series_count()),
            |bencher| {
                bencher.iter_batched(
                    || tempfile::tempdir().expect("a temporary folder"),
                    |folder| {
                        let path = folder.path().join("data");
                        let database = Database::open(path, options(durability))
                            .expect("an empty folder opens");
                        for batch in &batches {
                            database.write(batch).expect("the batch is written");
                        }
                        database.flush().expect("the head is flushed");
                        (database, folder)
                    },
                    BatchSize::PerIteration,
                );
            },
        );
    }
    group.finish();
}

/// A flushed and merged database, and when its data begins and ends.
fn filled(folder: &Path) -> (Database, i64, i64) {
    let workload = Workload::load().every(SCRAPE_SECONDS);
    let database = write_all(
        &folder.join("data"),
        &workload,
        Durability::Interval(Duration::from_secs(1)),
    );
    database.flush().expect("the head is flushed");
    let flushed = database.stats();
    database.compact().expect("parts are merged");
    let merged = database.stats();
    for (what, stats) in [("flushed", flushed), ("merged", merged)] {
        eprintln!(
            "{what}, {}: {} samples of {} series, {} parts, {:.3} bytes/sample with labels and index",
            workload.source,
            stats.parts_samples,
            workload.series_count(),
            stats.parts,
            stats.parts_bytes as f64 / stats.parts_samples as f64
        );
    }
    let times = workload.jobs.iter().flat_map(|job| &job.times_ms);
    let (start, end) = (times.clone().min(), times.max());
    (
        database,
        *start.expect("there are scrapes"),
        *end.expect("there are scrapes"),
    )
}

fn select(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (database, start, end) = filled(folder.path());
    let range = TimeRange::new(start, end).expect("the data has a length");
    let matcher = Matcher::regex("__name__", ".+").expect("the pattern is valid");
    let mut group = criterion.benchmark_group("select");
    group.bench_function("all_series", |bencher| {
        let mut columns = SampleColumns::default();
        bencher.iter(|| {
            let set = SeriesSource::select(&database, std::slice::from_ref(&matcher), range)
                .expect("a selection");
            for index in 0..set.len() {
                set.read(index, &mut columns).expect("the series is read");
                black_box(&columns);
            }
        });
    });
    group.bench_function("label_values", |bencher| {
        bencher.iter(|| {
            black_box(
                SeriesSource::label_values(&database, "__name__", &[], range)
                    .expect("label values"),
            )
        });
    });
    group.finish();
}

fn promql(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (database, start_ms, end_ms) = filled(folder.path());
    let engine = Engine::default();
    let options = QueryOptions::default();
    // Aggregated, for without their names many of these series are equal.
    let queries = [
        (
            "sum_by_rate",
            r#"sum by (job) (rate({__name__=~".+_total"}[2m]))"#,
        ),
        (
            "max_over_time",
            r#"max by (job) (max_over_time({__name__=~".+"}[5m]))"#,
        ),
        ("topk", r#"topk(5, {__name__=~".+_total"})"#),
    ];
    let mut group = criterion.benchmark_group("promql");
    for (name, text) in queries {
        group.bench_function(format!("range_30m/{name}"), |bencher| {
            let times = RangeTimes {
                start_ms,
                end_ms,
                step_ms: 15_000,
            };
            bencher.iter(|| {
                black_box(
                    engine
                        .range(&database, text, times, &options)
                        .expect("an answer"),
                )
            });
        });
        group.bench_function(format!("instant/{name}"), |bencher| {
            bencher.iter(|| {
                black_box(
                    engine
                        .instant(&database, text, end_ms, &options)
                        .expect("an answer"),
                )
            });
        });
    }
    group.finish();
}

criterion_group!(benches, write, select, promql);
criterion_main!(benches);
