//! What samples take on disk, and the processor time until they are there: log, syncs, flushes and merges included.
//!
//! `CHRONOXIDE_DISK_HOURS` sets how much of a day the fleet is observed; a day takes a minute and 700 MB of memory.

#![allow(
    missing_docs,
    clippy::print_stdout,
    reason = "a bench documents and prints its workload"
)]

use std::path::Path;
use std::time::Duration;

use chronoxide_benches::Workload;
use chronoxide_storage::check::{CheckReport, check};
use chronoxide_storage::system::RealFs;
use chronoxide_storage::{Database, Options};

/// 2023-11-14 00:00 UTC.
const DAY_START_MS: i64 = 1_699_920_000_000;
const STEP_SECONDS: usize = 15;
/// Copies of the recorded targets: about 5,000 series.
const FLEET: usize = 3;

fn main() {
    let recorded = Workload::load();
    println!(
        "| data | samples | to parts: B/sample | CPU s per M | merged: B/sample | CPU s per M |"
    );
    println!("|---|---|---|---|---|---|");
    for step in [1, 5, STEP_SECONDS] {
        let mut thinned = recorded.every(step);
        begin_at(DAY_START_MS, &mut thinned);
        measure(&thinned);
    }
    let hours = std::env::var("CHRONOXIDE_DISK_HOURS").ok();
    let hours: usize = hours.and_then(|hours| hours.parse().ok()).unwrap_or(24);
    let scrapes = hours * 3600 / STEP_SECONDS;
    measure(&recorded.fleet(FLEET, scrapes, STEP_SECONDS, DAY_START_MS));
    measure(&recorded.wrapped(FLEET, scrapes, STEP_SECONDS, DAY_START_MS));
}

/// Moves all scrapes, the first one to `start_ms`: parts of a week that is not over yet would not become one.
fn begin_at(start_ms: i64, workload: &mut Workload) {
    let times = workload.jobs.iter().filter_map(|job| job.times_ms.first());
    let by = start_ms - times.min().copied().unwrap_or(start_ms);
    for job in &mut workload.jobs {
        job.times_ms.iter_mut().for_each(|time_ms| *time_ms += by);
    }
}

/// Writes `workload` and prints a row.
fn measure(workload: &Workload) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("data");
    // What it costs to make the batches is not the database's.
    let before = cpu_seconds();
    let samples: usize = workload.scrapes().map(|batch| batch.sample_count()).sum();
    let making = cpu_seconds() - before;
    let options = Options {
        retention: Duration::MAX,
        free_bytes_min: 0,
        ..Options::default()
    };
    let database = Database::open(&path, options).expect("an empty folder opens");
    let before = cpu_seconds();
    for batch in workload.scrapes() {
        database.write(&batch).expect("the batch is written");
    }
    database.flush().expect("the head is flushed");
    let flushed = (
        database.stats().parts_bytes,
        cpu_seconds() - before - making,
    );
    database.compact().expect("parts are merged");
    let merged = (
        database.stats().parts_bytes,
        cpu_seconds() - before - making,
    );
    database.close().expect("it is closed");
    println!(
        "| {}, {} series | {samples} | {:.3} | {:.3} | {:.3} | {:.3} |",
        workload.source,
        workload.series_count(),
        flushed.0 as f64 / samples as f64,
        flushed.1 / (samples as f64 / 1e6),
        merged.0 as f64 / samples as f64,
        merged.1 / (samples as f64 / 1e6),
    );
    let report = checked(&path);
    for (coding, share) in &report.codings {
        println!(
            "    {coding}: {} chunks, {} bytes",
            share.chunks, share.bytes
        );
    }
}

fn checked(path: &Path) -> CheckReport {
    let report = check(path, std::sync::Arc::new(RealFs)).expect("it is read");
    assert!(report.is_clean(), "{:?}", report.findings);
    report
}

/// Processor time of this process so far, in user mode and in the system.
fn cpu_seconds() -> f64 {
    /// Clock ticks in a second, as Linux tells processes.
    const TICKS: f64 = 100.0;
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name of the program, in parentheses, may hold anything.
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks = fields.split_whitespace().skip(11).take(2);
    ticks
        .filter_map(|ticks| ticks.parse::<f64>().ok())
        .sum::<f64>()
        / TICKS
}
