//! Whole data directories as former versions wrote them: every later version must read them and go on with them.

use std::fs;

use chronoxide_model::{
    BucketCounts, BucketSpan, CounterResetHint, Histogram, HistogramCounts, MetricType,
};

use super::*;
use crate::RealFs;

mod second;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures")
        .join(name)
}

/// What the fixture holds: four scrapes of forty series over two days, two native histograms, metadata.
fn scrapes() -> Vec<(i64, WriteBatch<'static>)> {
    (0..4)
        .map(|scrape| {
            let time_ms = START_MS + scrape * 8 * 3600 * 1000;
            let mut batch = WriteBatch::new();
            for n in 0..40 {
                let value = match n % 4 {
                    0 => 1.0,
                    1 => (scrape * 1000 + n) as f64,
                    2 => 0.1 * (scrape * n) as f64 + 1.0 / 3.0,
                    _ if scrape == 2 => chronoxide_model::STALE_MARKER,
                    _ => f64::from_bits(0x7ff0_0000_0000_0000 >> (n % 2)),
                };
                batch.push(gauge(n), time_ms + n % 3, value);
            }
            batch.start_series(&labels(&[("__name__", "latency_seconds"), ("job", "é")]));
            batch.push_histogram(time_ms, time_ms - 5000, histogram(scrape as u64));
            let help = format!("Seconds, as of scrape {scrape}.");
            batch.push_metadata(
                "latency_seconds",
                Metadata {
                    metric_type: MetricType::Histogram,
                    help,
                    unit: "seconds".to_owned(),
                },
            );
            (time_ms, batch)
        })
        .collect()
}

fn gauge(n: i64) -> Labels {
    let (name, instance) = (format!("gauge_{}", n % 5), format!("host-{n}"));
    labels(&[
        ("__name__", &name),
        ("instance", &instance),
        ("job", "fixture"),
    ])
}

fn histogram(scrape: u64) -> Histogram {
    Histogram {
        counter_reset_hint: CounterResetHint::Unknown,
        schema: 3,
        zero_threshold: 1e-128,
        sum: 2.5 * scrape as f64,
        positive_spans: vec![BucketSpan {
            offset: -2,
            length: 3,
        }],
        negative_spans: Vec::new(),
        counts: HistogramCounts::Integer(BucketCounts {
            count: 7 + 4 * scrape,
            zero_count: 1 + scrape,
            positive: vec![1 + scrape, 2 + scrape, 3 + scrape],
            negative: Vec::new(),
        }),
        custom_bounds: Arc::default(),
    }
}

fn open(path: &Path, now_ms: i64) -> Database {
    let clock = Arc::new(ManualClock::new(now_ms));
    Database::open_quiet(path, Options::default(), Arc::new(RealFs), clock).expect("it opens")
}

/// All series with the bits of their samples, histograms included.
fn content(db: &Database) -> Vec<String> {
    let selection = Database::select(db, &[], TimeRange::ALL).expect("it can be read");
    let text = |series: Result<crate::Series>| {
        let series = series.expect("it can be read");
        let floats = series
            .samples()
            .map(|sample| (sample.timestamp_ms, sample.value.to_bits()));
        let columns = series.columns();
        format!(
            "{} {:?} {:?} {:?} {:?}",
            series.labels(),
            floats.collect::<Vec<_>>(),
            columns.histogram_timestamps_ms,
            columns.histogram_start_timestamps_ms,
            columns.histograms
        )
    };
    selection.into_iter().map(text).collect()
}

/// The same written by this version.
fn expected() -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let db = open(&dir.path().join("db"), START_MS + DAY_MS);
    for (_, batch) in scrapes() {
        db.write(&batch).unwrap();
    }
    content(&db)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Writes the directory anew. Only for a new version of the format, under a new name.
#[test]
#[ignore = "writes into the source tree"]
fn write_the_fixture() {
    let path = fixture("data-v1");
    assert!(!path.exists(), "{} is there already", path.display());
    let db = open(&path, START_MS + DAY_MS);
    // A registry checkpoint, a merged part, parts of two days, and a log with what is in no part.
    for (index, (_, batch)) in scrapes().into_iter().enumerate() {
        db.write(&batch).unwrap();
        match index {
            0 => db.flush().unwrap(),
            1 => {
                db.flush().unwrap();
                db.engine.checkpoint_registry().unwrap();
            }
            2 => db.flush().unwrap(),
            _ => {}
        }
    }
    db.abandon();
}

#[test]
fn a_directory_of_the_first_version_is_read_and_written_on() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    copy(&fixture("data-v1"), &path);
    let mut expected = expected();
    let now_ms = START_MS + DAY_MS;
    let report = crate::check::check(&path, Arc::new(RealFs)).expect("it can be checked");
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    let db = open(&path, now_ms);
    assert_eq!(content(&db), expected);
    let stats = db.stats();
    assert_eq!(stats.files_quarantined_total, 0);
    assert!(stats.replayed_samples >= 41, "{stats:?}");
    assert_eq!((stats.parts, stats.partitions), (3, 2));
    let metadata = db.metadata_of("latency_seconds").expect("it is known");
    assert_eq!(metadata.help, "Seconds, as of scrape 3.");
    assert_eq!(
        db.label_values("job", &[], TimeRange::ALL).unwrap(),
        ["fixture", "é"]
    );
    // A known series and a new one.
    let mut batch = WriteBatch::new();
    batch.push(gauge(0), now_ms, 5.0);
    batch.push(series("new"), now_ms, 6.0);
    db.write(&batch).unwrap();
    let written = content(&db);
    assert_eq!(written.len(), expected.len() + 1);
    expected = written;
    db.flush().unwrap();
    db.compact().unwrap();
    assert_eq!(content(&db), expected);
    db.close().unwrap();
    let db = open(&path, now_ms);
    assert_eq!(content(&db), expected);
    assert_eq!(db.stats().replayed_samples, 0);
}
