//! What a query holds, reads and borrows.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use chronoxide_model::{
    Labels, Matcher, SampleColumns, SeriesSet, SeriesSource, SourceError, TimeRange,
};
use chronoxide_promql::{
    Engine, EngineOptions, Error, QueryMemory, QueryOptions, QueryProgress, RangeTimes, Value,
};

const STEP_MS: i64 = 60_000;
const STEPS: i64 = 1000;
const GROUPS: usize = 10;

/// Counters that rise by one each minute, and how often it was asked for what.
#[derive(Debug, Default)]
struct Counters {
    series: usize,
    selections: AtomicUsize,
    reads: AtomicUsize,
    snapshots: AtomicUsize,
    /// How long it takes to find series.
    selection_time: Duration,
    /// How long it takes to read one.
    read_time: Duration,
}

impl Counters {
    fn new(series: usize) -> Self {
        Self {
            series,
            ..Self::default()
        }
    }
}

impl SeriesSource for Counters {
    fn select(&self, _: &[Matcher], _: TimeRange) -> Result<Box<dyn SeriesSet + '_>, SourceError> {
        Err("queries read a snapshot".into())
    }

    fn label_names(&self, _: &[Matcher], _: TimeRange) -> Result<Vec<String>, SourceError> {
        Err("queries do not ask for names".into())
    }

    fn label_values(
        &self,
        _: &str,
        _: &[Matcher],
        _: TimeRange,
    ) -> Result<Vec<String>, SourceError> {
        Err("queries do not ask for values".into())
    }

    fn snapshot(&self) -> Option<Box<dyn SeriesSource + '_>> {
        self.snapshots.fetch_add(1, Ordering::Relaxed);
        Some(Box::new(Snapshot(self)))
    }
}

#[derive(Debug)]
struct Snapshot<'c>(&'c Counters);

impl SeriesSource for Snapshot<'_> {
    fn select(
        &self,
        _: &[Matcher],
        range: TimeRange,
    ) -> Result<Box<dyn SeriesSet + '_>, SourceError> {
        self.0.selections.fetch_add(1, Ordering::Relaxed);
        std::thread::sleep(self.0.selection_time);
        Ok(Box::new(Selected {
            counters: self.0,
            range,
        }))
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

#[derive(Debug)]
struct Selected<'c> {
    counters: &'c Counters,
    range: TimeRange,
}

impl SeriesSet for Selected<'_> {
    fn len(&self) -> usize {
        self.counters.series
    }

    fn labels(&self, index: usize) -> Labels {
        Labels::from_pairs([
            ("__name__", "x_total".to_owned()),
            ("group", (index % GROUPS).to_string()),
            ("n", format!("{index:06}")),
        ])
        .expect("the names differ")
    }

    fn read(&self, _: usize, columns: &mut SampleColumns) -> Result<(), SourceError> {
        self.counters.reads.fetch_add(1, Ordering::Relaxed);
        std::thread::sleep(self.counters.read_time);
        columns.clear();
        let first = self.range.min_ms().max(0).div_euclid(STEP_MS);
        for minute in first..=self.range.max_ms() / STEP_MS {
            columns.timestamps_ms.push(minute * STEP_MS);
            columns.values.push(minute as f64);
        }
        Ok(())
    }
}

const TIMES: RangeTimes = RangeTimes {
    start_ms: 600_000,
    end_ms: 600_000 + (STEPS - 1) * STEP_MS,
    step_ms: STEP_MS,
};

#[test]
fn a_sum_of_rates_over_many_series_and_steps_holds_groups_times_steps() {
    const SERIES: usize = 10_000;
    let source = Counters::new(SERIES);
    let engine = Engine::new(EngineOptions {
        threads: 2,
        ..EngineOptions::default()
    });
    let text = "sum by (group) (rate(x_total[5m]))";
    let options = QueryOptions::default();
    let answer = engine.range(&source, text, TIMES, &options).unwrap();
    let Value::Matrix(matrix) = answer.value else {
        panic!("a matrix")
    };
    assert_eq!(matrix.len(), GROUPS);
    for series in &matrix {
        assert_eq!(series.floats.len(), STEPS as usize);
        let expected = (SERIES / GROUPS) as f64 / 60.0;
        assert!(
            series
                .floats
                .iter()
                .all(|(_, rate)| (rate / expected - 1.0).abs() < 1e-9)
        );
    }
    assert_eq!(source.reads.load(Ordering::Relaxed), SERIES);
    // The groups, twice while they become the answer, and the samples that both threads are reading.
    let samples = (2 * GROUPS + 2) as u64 * (STEPS as u64 + 10);
    assert!(answer.stats.peak_samples <= samples, "{:?}", answer.stats);
    let one_a_series = (SERIES as u64) * (STEPS as u64) * 8;
    assert!(
        answer.stats.peak_bytes < one_a_series / 20,
        "{:?}",
        answer.stats
    );
}

#[test]
fn a_limit_of_series_reads_no_more_than_it_needs() {
    let source = Counters::new(100_000);
    let engine = Engine::new(EngineOptions {
        threads: 1,
        ..EngineOptions::default()
    });
    let options = QueryOptions::default();
    let answer = engine.range(&source, "limitk(3, x_total)", TIMES, &options);
    let Value::Matrix(matrix) = answer.unwrap().value else {
        panic!("a matrix")
    };
    assert_eq!(matrix.len(), 3);
    assert!(
        matrix
            .iter()
            .all(|series| series.floats.len() == STEPS as usize)
    );
    assert_eq!(source.reads.load(Ordering::Relaxed), 3);
    // The same series are asked for again: all of them are there.
    let source = Counters::new(50);
    let text = "count(x_total) + count(limitk(3, x_total))";
    let answer = engine.instant(&source, text, 600_000, &options).unwrap();
    let Value::Vector(samples) = answer.value else {
        panic!("a vector")
    };
    assert_eq!(samples[0].point, chronoxide_promql::Point::Float(53.0));
}

#[test]
fn all_selectors_of_a_query_read_one_snapshot() {
    let source = Counters::new(3);
    // Not the same one, which would be read once.
    let text = r#"x_total + rate(x_total{a=""}[5m]) + max_over_time(x_total{b=""}[1h:1m])"#;
    let engine = Engine::default();
    engine
        .instant(&source, text, 600_000, &QueryOptions::default())
        .unwrap();
    assert_eq!(source.selections.load(Ordering::Relaxed), 3);
    assert_eq!(source.snapshots.load(Ordering::Relaxed), 1);
}

#[test]
fn finding_series_is_preparation_and_reading_them_is_not() {
    let source = Counters {
        selection_time: Duration::from_millis(1),
        read_time: Duration::from_millis(1),
        ..Counters::new(3)
    };
    let engine = Engine::default();
    for (text, selections, reads) in [
        ("x_total", 1, 3),
        ("x_total[5m]", 1, 3),
        ("sum(x_total) + sum(rate(x_total[5m]))", 1, 3),
        ("sum(x_total) + sum(rate(x_total{a=''}[5m]))", 2, 6),
        // No samples, and no finding either.
        ("1 + 1", 0, 0),
    ] {
        let options = QueryOptions::default();
        let started = Instant::now();
        engine.instant(&source, text, 600_000, &options).unwrap();
        let passed = started.elapsed();
        let timings = options.progress.timings();
        // Whatever else the machine does, it can only take longer.
        assert!(
            timings.preparation > selections * source.selection_time,
            "{text}: {timings:?}"
        );
        assert!(
            timings.evaluation > reads * source.read_time,
            "{text}: {timings:?}"
        );
        let sum = timings.preparation + timings.evaluation + timings.sort;
        assert!(sum <= passed, "{text}: {timings:?}");
    }
}

/// So many bytes for all queries.
#[derive(Debug)]
struct Purse(AtomicU64);

impl QueryMemory for Purse {
    fn limit_bytes(&self) -> u64 {
        8 << 20
    }

    fn take(&self, bytes: u64) -> bool {
        let less = |left: u64| left.checked_sub(bytes);
        self.0
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, less)
            .is_ok()
    }

    fn give_back(&self, bytes: u64) {
        self.0.fetch_add(bytes, Ordering::SeqCst);
    }
}

#[test]
fn queries_share_one_memory_and_give_it_back() {
    const BYTES: u64 = 8 << 20;
    let purse = Arc::new(Purse(AtomicU64::new(BYTES)));
    let engine = Engine::new(EngineOptions {
        memory: Some(Arc::clone(&purse) as Arc<dyn QueryMemory>),
        threads: 1,
        ..EngineOptions::default()
    });
    let ask = |series: usize, progress: &QueryProgress| {
        let options = QueryOptions {
            progress: progress.clone(),
            ..QueryOptions::default()
        };
        engine.range(&Counters::new(series), "x_total", TIMES, &options)
    };
    let first = QueryProgress::new();
    let answer = ask(100, &first).unwrap();
    let left = purse.0.load(Ordering::SeqCst);
    assert!(left < BYTES, "the answer is still watched");
    assert_eq!(answer.stats, first.stats());
    // Alone it would find room.
    let second = QueryProgress::new();
    let refused = ask(460, &second);
    assert!(
        matches!(refused, Err(Error::NoMemoryLeft { .. })),
        "{refused:?}"
    );
    assert!(second.stats().samples > 0, "what was read before is known");
    drop((first, second));
    assert_eq!(purse.0.load(Ordering::SeqCst), BYTES);
    let too_much = ask(600, &QueryProgress::new());
    assert!(
        matches!(too_much, Err(Error::MoreThanAllMemory { limit: BYTES })),
        "{too_much:?}"
    );
    assert!(ask(460, &QueryProgress::new()).is_ok());
    assert_eq!(purse.0.load(Ordering::SeqCst), BYTES);
}

#[test]
fn one_query_holds_no_more_than_it_may() {
    let engine = Engine::new(EngineOptions {
        memory_max: 1 << 20,
        ..EngineOptions::default()
    });
    let options = QueryOptions::default();
    let refused = engine.range(&Counters::new(400), "x_total", TIMES, &options);
    let error = refused.unwrap_err();
    assert!(matches!(error, Error::TooMuchMemory { limit } if limit == 1 << 20));
    assert_eq!(
        error.to_string(),
        "query processing would take too much memory in query execution: more than 1048576 bytes"
    );
    let engine = Engine::new(EngineOptions {
        samples_max: 1000,
        ..EngineOptions::default()
    });
    let refused = engine.range(&Counters::new(2), "x_total", TIMES, &options);
    assert!(matches!(
        refused,
        Err(Error::TooManySamples { limit: 1000 })
    ));
    assert!(
        engine
            .range(
                &Counters::new(400),
                "sum(x_total)",
                RangeTimes {
                    end_ms: TIMES.start_ms + 300_000,
                    ..TIMES
                },
                &options
            )
            .is_ok()
    );
}
