//! Remote write: the walk through a request, and the way of whole scrapes into the engine.

#![allow(missing_docs, reason = "a bench documents itself by its names")]

use std::hint::black_box;
use std::time::{Duration, SystemTime};

use chronoxide_benches::{REQUEST_SERIES, Sender, Version};
use chronoxide_remote_write::{decompress, v1, v2};
use chronoxide_storage::{Database, Durability, Options};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

const VERSIONS: [(&str, Version); 2] = [("1.0", Version::V1), ("2.0", Version::V2)];

const LIMIT: usize = 64 << 20;

const SEED: u64 = 7;

fn walk(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("remote_write_walk");
    group.throughput(Throughput::Elements(REQUEST_SERIES as u64));
    let order: Vec<usize> = (0..REQUEST_SERIES).collect();
    for (name, version) in VERSIONS {
        let message = Sender::new(version, REQUEST_SERIES).message(&order, 0, 1_700_000_000_000);
        group.bench_function(name, |bencher| {
            bencher.iter(|| black_box(samples(version, &message)));
        });
    }
    group.finish();
}

fn samples(version: Version, message: &[u8]) -> usize {
    match version {
        Version::V1 => v1::decode(message).expect("a request").batch.sample_count(),
        Version::V2 => v2::decode(message).expect("a request").batch.sample_count(),
    }
}

fn write(database: &Database, version: Version, body: &[u8]) {
    let message = decompress(body, LIMIT).expect("a snappy block");
    let decoded = match version {
        Version::V1 => v1::decode(&message),
        Version::V2 => v2::decode(&message),
    };
    let outcome = database.write(&decoded.expect("a request").batch);
    assert!(outcome.expect("the batch is written").is_complete());
}

fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.expect("it is after 1970").as_millis() as i64
}

/// Scrapes of series that are known; the disk is waited for once in a while only, as its time says little about ours.
fn scrapes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("remote_write_scrape");
    group.sample_size(10);
    for series in [5_000, 100_000, 1_000_000] {
        group.throughput(Throughput::Elements(series as u64));
        // The labels of a million series take half a gigabyte for each version.
        let versions = if series < 1_000_000 { 2 } else { 1 };
        for (name, version) in &VERSIONS[..versions] {
            let version = *version;
            let sender = Sender::new(version, series);
            for shuffled in [false, true] {
                let folder = tempfile::tempdir().expect("a temporary folder");
                let options = Options {
                    durability: Durability::Interval(Duration::from_secs(1)),
                    series_max: 2_000_000,
                    ..Options::default()
                };
                let database = Database::open(folder.path(), options).expect("a new folder opens");
                let mut random = StdRng::seed_from_u64(SEED);
                let (start_ms, mut scrape) = (now_ms() - 86_400_000, 0);
                let mut order: Vec<usize> = (0..series).collect();
                let mut bodies = || -> Vec<Vec<u8>> {
                    if shuffled {
                        order.shuffle(&mut random);
                    }
                    scrape += 1;
                    let time_ms = start_ms + scrape as i64 * 1000;
                    let requests = order.chunks(REQUEST_SERIES);
                    requests
                        .map(|series| sender.body(series, scrape, time_ms))
                        .collect()
                };
                for body in bodies() {
                    write(&database, version, &body);
                }
                let order = if shuffled { "shuffled" } else { "in_order" };
                group.bench_function(format!("{name}/{series}_series/{order}"), |bencher| {
                    bencher.iter_batched(
                        &mut bodies,
                        |bodies| {
                            for body in &bodies {
                                write(&database, version, body);
                            }
                            bodies
                        },
                        BatchSize::PerIteration,
                    );
                });
            }
        }
    }
    group.finish();
}

criterion_group!(benches, walk, scrapes);
criterion_main!(benches);
