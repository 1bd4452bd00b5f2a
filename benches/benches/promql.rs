//! The queries of a dashboard over 1 h, 6 h and 24 h, with 5,000 and with 100,000 series; and how many instructions each
//! takes.
//!
//! A sample a minute, so that it is all written within a minute or two. `CHRONOXIDE_BENCH_SERIES=5000` leaves the other
//! size out. Instructions are counted by `perf stat`, where that is allowed; criterion's arguments do not matter to them.

#![allow(
    missing_docs,
    clippy::print_stderr,
    reason = "a bench documents and prints its workload"
)]

use std::hint::black_box;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use chronoxide_benches::{DASHBOARD_QUERIES, dashboard_series};
use chronoxide_model::{Sample, WriteBatch};
use chronoxide_promql::{Engine, EngineOptions, QueryOptions, RangeTimes};
use chronoxide_storage::{Database, Durability, Options};
use criterion::{Criterion, criterion_group, criterion_main};
use rand::SeedableRng;
use rand::rngs::StdRng;

const INTERVAL_MS: i64 = 60_000;
const END_MS: i64 = 1_700_006_400_000;
const HOUR_MS: i64 = 3_600_000;

/// A database with `count` series that end at `END_MS`, flushed and merged.
fn filled(folder: &Path, count: usize, hours: i64) -> Database {
    let options = Options {
        durability: Durability::Interval(Duration::from_secs(60)),
        retention: Duration::MAX,
        ..Options::default()
    };
    let database =
        Database::open(folder.join(count.to_string()), options).expect("an empty folder opens");
    let mut random = StdRng::seed_from_u64(4);
    let mut series = dashboard_series(count);
    let mut at_ms = END_MS - hours * HOUR_MS;
    while at_ms <= END_MS {
        let mut batch = WriteBatch::new();
        for one in &mut series {
            batch.start_series(&one.labels);
            let value = one.next(&mut random);
            batch.push_sample(Sample::new(at_ms, value));
        }
        database.write(&batch).expect("the batch is written");
        at_ms += INTERVAL_MS;
    }
    database.flush().expect("the head is flushed");
    database.compact().expect("parts are merged");
    database
}

fn times(hours: i64) -> RangeTimes {
    RangeTimes {
        start_ms: END_MS - hours * HOUR_MS,
        end_ms: END_MS,
        step_ms: hours * HOUR_MS / 240,
    }
}

fn ask(engine: &Engine, database: &Database, text: &str, hours: i64) {
    let options = QueryOptions::default();
    black_box(
        engine
            .range(database, text, times(hours), &options)
            .expect("an answer"),
    );
}

/// `perf stat`, watching this process.
fn watch() -> Option<Child> {
    let id = std::process::id().to_string();
    let watching = Command::new("perf")
        .args(["stat", "-x,", "-e", "instructions:u", "-p", &id])
        .stderr(Stdio::piped())
        .spawn();
    std::thread::sleep(Duration::from_millis(200));
    watching.ok()
}

/// What `perf stat` has counted.
fn counted(watching: Child) -> Option<f64> {
    let id = watching.id().to_string();
    Command::new("kill").args(["-INT", &id]).status().ok()?;
    let output = watching.wait_with_output().ok()?;
    let text = String::from_utf8(output.stderr).ok()?;
    text.lines()
        .find_map(|line| line.split(',').next()?.parse().ok())
}

fn count_instructions(engine: &Engine, database: &Database, name: &str) {
    const TIMES: usize = 5;
    for hours in [1, 6, 24] {
        for text in DASHBOARD_QUERIES {
            let watching = watch();
            for _ in 0..TIMES {
                ask(engine, database, text, hours);
            }
            match watching.and_then(counted) {
                Some(instructions) => {
                    let millions = instructions / TIMES as f64 / 1e6;
                    eprintln!("{name}, {hours} h: {millions:10.1} M instructions  {text}");
                }
                None => return eprintln!("{name}: instructions cannot be counted here"),
            }
        }
    }
}

fn dashboard(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let only = std::env::var("CHRONOXIDE_BENCH_SERIES").ok();
    // One thread, so that counts and times compare between machines.
    let engine = Engine::new(EngineOptions {
        threads: 1,
        ..EngineOptions::default()
    });
    for (count, name) in [(5_000, "5k"), (100_000, "100k")] {
        if only.as_ref().is_some_and(|only| *only != count.to_string()) {
            continue;
        }
        let database = filled(folder.path(), count, 25);
        count_instructions(&engine, &database, name);
        let mut group = criterion.benchmark_group(format!("dashboard_{name}_series"));
        group.sample_size(10);
        for hours in [1, 6, 24] {
            for (number, text) in DASHBOARD_QUERIES.iter().enumerate() {
                group.bench_function(format!("{hours}h/{number:02}"), |bencher| {
                    bencher.iter(|| ask(&engine, &database, text, hours));
                });
            }
        }
        group.finish();
    }
}

criterion_group!(benches, dashboard);
criterion_main!(benches);
