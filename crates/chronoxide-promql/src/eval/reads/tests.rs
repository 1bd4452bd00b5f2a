use std::sync::atomic::AtomicUsize;

use chronoxide_model::{BucketCounts, CounterResetHint, Histogram, HistogramCounts};

use super::*;
use crate::lower::{LowerOptions, lower};
use crate::memory_source::MemorySource;
use crate::{Engine, EngineOptions, QueryOptions, RangeTimes};

const MINUTE: i64 = 60_000;
const LOOKBACK: i64 = 5 * MINUTE;

/// Counts the series that are read.
struct Counting<'s> {
    source: &'s MemorySource,
    read: AtomicUsize,
}

impl SeriesSource for Counting<'_> {
    fn select(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
    ) -> Result<Box<dyn SeriesSet + '_>, SourceError> {
        Ok(Box::new(CountingSet {
            set: self.source.select(matchers, range)?,
            read: &self.read,
        }))
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
}

#[derive(Debug)]
struct CountingSet<'s> {
    set: Box<dyn SeriesSet + 's>,
    read: &'s AtomicUsize,
}

impl SeriesSet for CountingSet<'_> {
    fn len(&self) -> usize {
        self.set.len()
    }

    fn labels(&self, index: usize) -> Labels {
        self.set.labels(index)
    }

    fn read(&self, index: usize, columns: &mut SampleColumns) -> Result<(), SourceError> {
        self.read.fetch_add(1, Ordering::Relaxed);
        self.set.read(index, columns)
    }
}

const SERIES: u32 = 400;

/// Two hours of `a_total`, 400 series, and of `b_total`, one.
fn source() -> MemorySource {
    let mut source = MemorySource::default();
    for series in 0..SERIES {
        let name = series.to_string();
        let values: Vec<f64> = (0..240).map(|at| f64::from(at * (series + 1))).collect();
        let labels = [("__name__", "a_total"), ("series", name.as_str())];
        source.floats(&labels, 0, MINUTE / 2, &values);
    }
    source.floats(&[("__name__", "b_total")], 0, MINUTE, &[1.0; 120]);
    source
}

fn times() -> RangeTimes {
    RangeTimes {
        start_ms: 60 * MINUTE,
        end_ms: 119 * MINUTE,
        step_ms: MINUTE,
    }
}

/// How many series `text` reads.
fn reads(text: &str, options: EngineOptions) -> usize {
    let source = source();
    let counting = Counting {
        source: &source,
        read: AtomicUsize::new(0),
    };
    let engine = Engine::new(options);
    let answer = engine.range(&counting, text, times(), &QueryOptions::default());
    answer.unwrap();
    counting.read.into_inner()
}

#[test]
fn selectors_of_the_same_series_read_them_once() {
    let read = |text| reads(text, EngineOptions::default());
    for text in [
        "rate(a_total[5m]) / rate(a_total[1h])",
        "increase(a_total[1h]) - 12 * increase(a_total[5m])",
        "max_over_time(a_total[5m]) - min_over_time(a_total[5m])",
        "sum(rate(a_total[5m])) / count(a_total)",
        "a_total - a_total offset 5m",
        "sum(rate(a_total[5m])) > 2 * avg_over_time(sum(rate(a_total[5m]))[30m:1m])",
        "rate(a_total[5m]) > 0 and rate(a_total[10m]) > 0 and rate(a_total[1h]) > 0",
    ] {
        assert_eq!(read(text), 400, "{text}");
    }
    assert_eq!(
        read("rate(a_total[5m]) / on () group_left () rate(b_total[5m])"),
        401
    );
    assert_eq!(
        read("rate(a_total[5m]) / rate(a_total{series=~\".+\"}[5m])"),
        800
    );
    assert_eq!(read("a_total - a_total offset 1d"), 800);
}

#[test]
fn what_is_too_much_to_keep_is_read_again() {
    let options = |memory_max| EngineOptions {
        memory_max,
        threads: 1,
        ..EngineOptions::default()
    };
    let text = "rate(a_total[5m]) / rate(a_total[1h])";
    // The samples take 1.5 MiB.
    assert_eq!(reads(text, options(16 << 20)), 400);
    assert_eq!(reads(text, options(8 << 20)), 800);
}

#[test]
fn what_is_kept_takes_no_samples_from_the_query() {
    let text = "sum(rate(a_total[5m])) / sum(rate(a_total[1h]))";
    for samples_max in [100_000_000, 1_000_000, 100_000, 20_000, 2000] {
        let options = EngineOptions {
            samples_max,
            threads: 1,
            ..EngineOptions::default()
        };
        let shared = samples_max > 100_000;
        assert_eq!(reads(text, options), if shared { 400 } else { 800 });
    }
}

/// How many samples `text` reads of 100 series at a sample a second, with so much memory.
fn samples_read(text: &str, memory_max: u64) -> usize {
    let mut source = MemorySource::default();
    for series in 0..100_u32 {
        let name = series.to_string();
        let labels = [("__name__", "a_total"), ("series", name.as_str())];
        source.floats(&labels, 0, 1000, &[f64::from(series); 7200]);
    }
    let counting = Counting {
        source: &source,
        read: AtomicUsize::new(0),
    };
    let engine = Engine::new(EngineOptions {
        memory_max,
        threads: 1,
        ..EngineOptions::default()
    });
    let answer = engine.range(&counting, text, times(), &QueryOptions::default());
    answer.unwrap();
    counting.read.into_inner()
}

#[test]
fn once_there_is_no_room_selectors_read_for_themselves() {
    let text = "count(rate(a_total[1h])) + count(rate(a_total[5m])) + count(rate(a_total[6m]))";
    // The samples take 11 MiB; at an ordinary distance they would take 0.4.
    assert_eq!(samples_read(text, 1 << 30), 100);
    let (small, alone) = (64 << 20, 4 << 20);
    assert_eq!(samples_read(text, small), 300);
    assert_eq!(samples_read(text, alone), 300);
}

#[test]
fn shared_reads_change_no_answer() {
    let source = source();
    let ask = |engine: &Engine, text: &str| {
        let answer = engine.range(&source, text, times(), &QueryOptions::default());
        format!("{:?}", answer.unwrap().value)
    };
    let (shared, alone) = (
        Engine::default(),
        Engine::new(EngineOptions {
            // Nothing is kept with so little, and the queries still fit.
            memory_max: 8 << 20,
            threads: 1,
            ..EngineOptions::default()
        }),
    );
    for text in [
        "rate(a_total[5m]) / rate(a_total[1h])",
        "count_over_time(a_total[3m]) + present_over_time(a_total[7m])",
        "max_over_time(a_total[2h]) - avg_over_time(a_total[1h]) + last_over_time(a_total[90s])",
        "sum by (series) (a_total) - a_total offset 77s",
        "deriv(a_total[4m]) - on (series) (deriv((-a_total)[10m:33s]))",
        "a_total @ 4000 - a_total @ 4100",
    ] {
        assert_eq!(ask(&shared, text), ask(&alone, text), "{text}");
    }
}

#[test]
fn selectors_far_apart_are_read_alone() {
    let count = |text: &str| {
        let node = lower(text, &LowerOptions::instant(0)).unwrap();
        groups(&node, Steps::instant(0), LOOKBACK, &Shared::of(&node)).len()
    };
    assert_eq!(count("rate(a[5m]) / rate(a[1h])"), 1);
    assert_eq!(count("rate(a[5m]) / rate(a[1d])"), 0);
    assert_eq!(count("a / a offset 1w"), 0);
    assert_eq!(count("a / (a + 1)"), 0, "the expression is shared");
    assert_eq!(count("a / b"), 0);
}

#[test]
fn columns_are_cut_as_they_are_copied() {
    let mut source = MemorySource::default();
    let labels = [("__name__", "h")];
    source.floats(&labels, 0, 10, &[1.0, 2.0, 3.0, 4.0]);
    let histogram = Histogram {
        counter_reset_hint: CounterResetHint::Unknown,
        schema: 0,
        zero_threshold: 0.0,
        sum: 0.0,
        positive_spans: Vec::new(),
        negative_spans: Vec::new(),
        counts: HistogramCounts::Integer(BucketCounts::default()),
        custom_bounds: Arc::default(),
    };
    for at_ms in [5, 15, 25] {
        source.histogram(&labels, at_ms, histogram.clone());
    }
    let all = source.series(&labels).clone();
    for (min_ms, max_ms, floats, histograms) in [
        (0, 30, 4, 3),
        (10, 20, 2, 1),
        (11, 14, 0, 0),
        (31, 40, 0, 0),
        (-9, -1, 0, 0),
    ] {
        let range = TimeRange::new(min_ms, max_ms).unwrap();
        let mut copied = SampleColumns::default();
        copy_within(&all, range, &mut copied);
        let mut left = all.clone();
        cut(&mut left, range);
        assert_eq!(copied, left);
        assert_eq!(copied.values.len(), floats);
        assert_eq!(copied.histograms.len(), histograms);
    }
}
