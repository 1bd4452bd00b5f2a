//! Selections among a million series of twelve labels.
//!
//! Their samples are in merged parts, and the last scrape in the head. What is selected is looked for anew each time;
//! `again` asks the same twice, which keeps what it found.

#![allow(
    missing_docs,
    clippy::print_stderr,
    reason = "a bench documents and prints its workload"
)]

use std::hint::black_box;
use std::time::{Duration, SystemTime};

use chronoxide_benches::{REQUEST_SERIES, Sender, Version, cluster_labels};
use chronoxide_model::{Matcher, SampleColumns, SeriesSource, TimeRange};
use chronoxide_storage::{Database, Durability, Options};
use criterion::{Criterion, criterion_group, criterion_main};

const SERIES: usize = 1_000_000;
const SCRAPES: i64 = 9;
const STEP_MS: i64 = 60_000;

fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.expect("it is after 1970").as_millis() as i64
}

fn write(database: &Database, sender: &Sender, scrape: i64, time_ms: i64) {
    let order: Vec<usize> = (0..SERIES).collect();
    for series in order.chunks(REQUEST_SERIES) {
        let message = sender.message(series, scrape as usize, time_ms);
        let decoded = chronoxide_remote_write::v1::decode(&message).expect("a request");
        let outcome = database.write(&decoded.batch).expect("it is written");
        assert!(outcome.is_complete(), "{outcome:?}");
    }
}

/// Selects and reads all; how many series and samples there were.
fn read(database: &Database, matchers: &[Matcher], range: TimeRange) -> (usize, usize) {
    let set = SeriesSource::select(database, matchers, range).expect("a selection");
    let mut columns = SampleColumns::default();
    let mut samples = 0;
    for index in 0..set.len() {
        set.read(index, &mut columns).expect("it is read");
        samples += black_box(&columns).len();
    }
    (set.len(), samples)
}

fn select(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let options = Options {
        durability: Durability::Interval(Duration::from_secs(1)),
        series_max: 2 * SERIES as u32,
        flush_idle: Duration::from_secs(24 * 3600),
        ..Options::default()
    };
    let database = Database::open(folder.path().join("data"), options).expect("a new folder");
    let sender = Sender::new(Version::V1, SERIES);
    let start_ms = now_ms() - SCRAPES * STEP_MS;
    for scrape in 0..SCRAPES {
        if scrape + 1 == SCRAPES {
            database.flush().expect("the head is flushed");
            database.compact().expect("parts are merged");
        }
        write(&database, &sender, scrape, start_ms + scrape * STEP_MS);
    }
    drop(sender);
    let range = TimeRange::new(start_ms, now_ms()).expect("the data has a length");
    let one = cluster_labels(SERIES / 2);
    let one: Vec<Matcher> = one
        .iter()
        .map(|(name, value)| Matcher::equal(name, value))
        .collect();
    let name = "application_operation_42_seconds_total";
    let metric = Matcher::equal("__name__", name);
    let regex = |name, pattern| Matcher::regex(name, pattern).expect("the pattern is valid");
    let selections = [
        ("one_series", one),
        (
            "metric_of_an_instance",
            vec![
                metric.clone(),
                Matcher::equal(
                    "pod",
                    cluster_labels(SERIES / 2).get("pod").unwrap_or_default(),
                ),
            ],
        ),
        (
            "metric_of_a_node_pattern",
            vec![metric.clone(), regex("node", "node-00[0-4][0-9].+")],
        ),
        (
            "metric_of_a_pod_pattern",
            vec![metric.clone(), regex("pod", ".*-[0-9a-f]*7")],
        ),
        ("metric", vec![metric]),
        (
            "instance",
            vec![Matcher::equal("instance", "10.0.1.7:9100")],
        ),
    ];
    let stats = database.stats();
    eprintln!("{} series, {} parts", stats.series, stats.parts);
    let mut group = criterion.benchmark_group("select_of_a_million");
    group.sample_size(10);
    for (what, matchers) in selections {
        let (series, samples) = read(&database, &matchers, range);
        eprintln!("{what}: {series} series, {samples} samples");
        assert!(series > 0, "{what} selects nothing");
        group.bench_function(format!("{what}/again"), |bencher| {
            bencher.iter(|| read(&database, &matchers, range));
        });
        // Another matcher each time that all series satisfy: no selection is like the one before.
        let mut asked = 0;
        group.bench_function(format!("{what}/anew"), |bencher| {
            bencher.iter(|| {
                asked += 1;
                let mut matchers = matchers.clone();
                matchers.push(Matcher::not_equal("cluster", format!("none-{asked}")));
                read(&database, &matchers, range)
            });
        });
    }
    group.bench_function("label_values_of_pod", |bencher| {
        bencher.iter(|| {
            SeriesSource::label_values(&database, "pod", &[], range).expect("label values")
        });
    });
    group.finish();
}

criterion_group!(benches, select);
criterion_main!(benches);
