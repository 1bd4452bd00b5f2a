//! Every series replaced each hour for thirty days.

use super::*;
use crate::{RealFs, Stats};

const HOUR_MS: i64 = 3600 * 1000;

/// One hour of `series` series that were not there before: a sample every quarter, then the upkeep that is due.
fn run_hour(db: &Database, clock: &ManualClock, hour: i64, series: i64) {
    let start_ms = START_MS + hour * HOUR_MS;
    for quarter in 0..4 {
        clock.set(start_ms + quarter * HOUR_MS / 4);
        let mut batch = WriteBatch::new();
        for n in 0..series {
            let (metric, pod) = (
                format!("metric_{}", n % 10),
                format!("pod-{hour:04}-{n:04}"),
            );
            let labels = labels(&[("__name__", &metric), ("job", "churn"), ("pod", &pod)]);
            batch.push(labels, clock.now_ms(), (hour * n + quarter) as f64);
        }
        let outcome = db.write(&batch).expect("the disk works");
        assert_eq!(outcome.samples_rejected, 0, "{outcome:?}");
    }
    db.flush().expect("the disk works");
    db.engine.evict_idle_series().expect("the disk works");
    db.compact().expect("the disk works");
    db.enforce_retention().expect("the disk works");
}

fn options(series: i64) -> Options {
    Options {
        // Three hours of series at a time are more than enough.
        series_max: 3 * series as u32 + 10,
        ..Options::default()
    }
}

#[test]
fn series_replaced_every_hour_for_thirty_days_leave_memory_as_it_was() {
    const SERIES: i64 = 30;
    let place = Place::new();
    let db = place.open(options(SERIES));
    let ids = |db: &Database| db.engine.registry.read().id_bound();
    let mut settled: Option<(Stats, usize)> = None;
    for hour in 0..30 * 24 {
        run_hour(&db, &place.clock, hour, SERIES);
        let stats = db.stats();
        if hour == 2 * 24 {
            settled = Some((stats, ids(&db)));
        } else if let Some((before, ids_before)) = &settled {
            assert!(stats.series <= 3 * SERIES as u64, "hour {hour}: {stats:?}");
            assert!(ids(&db) <= 2 * ids_before, "hour {hour}: {} ids", ids(&db));
            assert!(
                stats.registry_bytes <= 2 * before.registry_bytes,
                "hour {hour}: {stats:?}"
            );
            assert!(
                stats.head_bytes <= before.head_bytes.max(1 << 18),
                "hour {hour}: {stats:?}"
            );
            assert!(stats.cache_bytes < 8 << 20, "hour {hour}: {stats:?}");
            assert!(stats.wal_bytes <= 32 << 20, "hour {hour}: {stats:?}");
        }
    }
    let stats = db.stats();
    assert_eq!(stats.series_created_total, 30 * 24 * SERIES as u64);
    assert!(stats.parts < 60, "{stats:?}");
    let logs = place.files(|path| path.contains("/registry/"));
    let log_bytes: u64 = logs.iter().map(|path| place.disk.len(path).unwrap()).sum();
    assert!(log_bytes < 64 << 10, "{log_bytes} bytes in {logs:?}");
    // Nothing of it was lost.
    let counts = db.label_values("pod", &[], TimeRange::ALL).unwrap().len();
    assert!(counts as i64 >= 29 * 24 * SERIES, "{counts} pods");
}

/// Prints figures of a real disk: `cargo test --release -- --ignored --nocapture churn`, with `CHURN_SERIES` series.
#[test]
#[ignore = "a measurement"]
fn measure_memory_under_churn() {
    let series = std::env::var("CHURN_SERIES").map_or(2000, |text| text.parse().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new(START_MS));
    let shared = Arc::clone(&clock) as Arc<dyn Clock>;
    let db = Database::open_quiet(
        &dir.path().join("db"),
        options(series),
        Arc::new(RealFs),
        shared,
    );
    let db = db.unwrap();
    for hour in 0..30 * 24 {
        run_hour(&db, &clock, hour, series);
        if hour % 48 == 47 {
            let stats = db.stats();
            let status = std::fs::read_to_string("/proc/self/status").unwrap();
            let resident = status
                .lines()
                .find(|line| line.starts_with("RssAnon:"))
                .unwrap();
            eprintln!(
                "day {:2}: {} series made, {} active, registry {} B, caches {} B, {} parts of {} B, {resident}",
                (hour + 1) / 24,
                stats.series_created_total,
                stats.series,
                stats.registry_bytes,
                stats.cache_bytes,
                stats.parts,
                stats.parts_bytes,
            );
        }
    }
}
