//! What summaries of chunks save: windows of hours over a merged day, with them and with every chunk decoded.

#![allow(
    missing_docs,
    clippy::print_stderr,
    reason = "a bench documents and prints its workload"
)]

use std::hint::black_box;
use std::time::Duration;

use chronoxide_benches::Workload;
use chronoxide_model::{
    Labels, Matcher, SampleColumns, SeriesSet, SeriesSource, SourceError, TimeRange,
};
use chronoxide_promql::{Engine, QueryOptions, RangeTimes, Value};
use chronoxide_storage::{Database, Durability, Options};
use criterion::{Criterion, criterion_group, criterion_main};

/// 2023-11-14 00:00 UTC.
const DAY_START_MS: i64 = 1_699_920_000_000;
const HOUR_MS: i64 = 3_600_000;
const STEP_SECONDS: usize = 15;
const SCRAPES: usize = 24 * 3600 / STEP_SECONDS;

/// A source that has every sample read.
struct Decoding<'a>(&'a dyn SeriesSource);

#[derive(Debug)]
struct DecodingSet<'a>(Box<dyn SeriesSet + 'a>);

impl SeriesSource for Decoding<'_> {
    fn select(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
    ) -> Result<Box<dyn SeriesSet + '_>, SourceError> {
        let set = self.0.select(matchers, range)?;
        Ok(Box::new(DecodingSet(set)))
    }

    fn label_names(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
    ) -> Result<Vec<String>, SourceError> {
        self.0.label_names(matchers, range)
    }

    fn label_values(
        &self,
        name: &str,
        matchers: &[Matcher],
        range: TimeRange,
    ) -> Result<Vec<String>, SourceError> {
        self.0.label_values(name, matchers, range)
    }
}

impl SeriesSet for DecodingSet<'_> {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn labels(&self, index: usize) -> Labels {
        self.0.labels(index)
    }

    fn read(&self, index: usize, columns: &mut SampleColumns) -> Result<(), SourceError> {
        self.0.read(index, columns)
    }
}

fn ask(source: &dyn SeriesSource, text: &str, times: RangeTimes) -> Value {
    let answer = Engine::default().range(source, text, times, &QueryOptions::default());
    answer.expect("an answer").value
}

fn windows(criterion: &mut Criterion) {
    let fleet = Workload::load().fleet(1, SCRAPES, STEP_SECONDS, DAY_START_MS);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let options = Options {
        durability: Durability::Interval(Duration::from_secs(60)),
        retention: Duration::MAX,
        ..Options::default()
    };
    let database = Database::open(folder.path().join("data"), options).expect("a new folder");
    for batch in fleet.scrapes() {
        database.write(&batch).expect("the batch is written");
    }
    database.flush().expect("the head is flushed");
    database.compact().expect("parts are merged");
    let end_ms = DAY_START_MS + 24 * HOUR_MS;
    let stats = database.stats();
    eprintln!(
        "{}: {} series, {} samples in {} chunks",
        fleet.source, stats.series, stats.parts_samples, stats.parts_chunks
    );
    let mut group = criterion.benchmark_group("long_windows");
    group.sample_size(10);
    let queries = [
        (
            "max",
            "max by (job) (max_over_time({__name__=~\"node_.+\"}[WINDOW]))",
        ),
        (
            "count",
            "sum by (job) (count_over_time({__name__=~\"node_.+\"}[WINDOW]))",
        ),
        (
            "increase",
            "sum by (job) (increase({__name__=~\"node_.+_total\"}[WINDOW]))",
        ),
        (
            "last",
            "sum by (job) (last_over_time({__name__=~\"node_.+\"}[WINDOW]))",
        ),
    ];
    // The instant query's window is all of the day; the graph's windows share most of their chunks.
    let spans = [("1d", 1, "1d"), ("16h_over_8h", 9, "16h")];
    for (what, text) in queries {
        for (span, steps, window) in spans {
            let times = RangeTimes {
                start_ms: end_ms - (steps - 1) * HOUR_MS,
                end_ms,
                step_ms: HOUR_MS,
            };
            let text = text.replace("WINDOW", window);
            assert_eq!(
                format!("{:?}", ask(&database, &text, times)),
                format!("{:?}", ask(&Decoding(&database), &text, times)),
                "{text}"
            );
            group.bench_function(format!("{what}/{span}/summaries"), |bencher| {
                bencher.iter(|| black_box(ask(&database, &text, times)));
            });
            group.bench_function(format!("{what}/{span}/decoded"), |bencher| {
                bencher.iter(|| black_box(ask(&Decoding(&database), &text, times)));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, windows);
criterion_main!(benches);
