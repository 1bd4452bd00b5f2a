//! Summaries of chunks save reading, and never change an answer: queries are asked with and without them, over random
//! layouts of head and parts with late samples, deletions, resets, odd floats, histograms and start times.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chronoxide::promql::{Engine, QueryOptions, RangeTimes};
use chronoxide::{
    Database, Durability, Labels, Matcher, Options, SeriesSource, TimeRange, WriteBatch,
};
use chronoxide_model::{
    BucketCounts, BucketSpan, CounterResetHint, Histogram, HistogramCounts, STALE_MARKER, Sample,
    SampleColumns, SeriesSet,
};
use chronoxide_storage::system::{Clock, ManualClock, RealFs};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use crate::comparison::{difference, given};
use crate::steps::seed_and_count;

type SourceError = Box<dyn std::error::Error + Send + Sync>;

/// 2023-11-14 00:00 UTC.
const DAY_START_MS: i64 = 1_699_920_000_000;
const STEP_MS: i64 = 15_000;
const HOUR_MS: i64 = 3_600_000;

/// A day, and two hours of the next.
const SCRAPES: i64 = 26 * HOUR_MS / STEP_MS;
const END_MS: i64 = DAY_START_MS + SCRAPES * STEP_MS;

/// A database that knows no summaries.
struct Plain<'a>(&'a Database);

#[derive(Debug)]
struct PlainSet<'a>(Box<dyn SeriesSet + 'a>);

impl SeriesSource for Plain<'_> {
    fn select(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
    ) -> Result<Box<dyn SeriesSet + '_>, SourceError> {
        let set = SeriesSource::select(self.0, matchers, range)?;
        Ok(Box::new(PlainSet(set)))
    }

    fn label_names(&self, _: &[Matcher], _: TimeRange) -> Result<Vec<String>, SourceError> {
        Ok(Vec::new())
    }

    fn label_values(
        &self,
        _: &str,
        _: &[Matcher],
        _: TimeRange,
    ) -> Result<Vec<String>, SourceError> {
        Ok(Vec::new())
    }
}

impl SeriesSet for PlainSet<'_> {
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

const KINDS: [&str; 12] = [
    "counter", "resets", "gauge", "stale", "constant", "rising", "falling", "thirds", "zeroes",
    "infinite", "started", "mixed",
];

/// The next float of a series of each kind.
fn next_value(kind: &str, at: i64, before: f64, random: &mut StdRng) -> f64 {
    let step = f64::from(random.random_range(0..40));
    match kind {
        "resets" if random.random_range(0..1500) == 0 => step,
        "resets" => before + step / 10.0,
        "gauge" => ((before * 100.0).round() + step - 20.0) / 100.0,
        "stale" if at % 1000 == 17 => f64::NAN,
        "stale" if at % 1000 == 400 => STALE_MARKER,
        "stale" => step,
        "constant" => 42.5,
        "rising" => at as f64 * 3.0,
        "falling" => -(at as f64) / 8.0,
        "thirds" => before + step / 3.0,
        "zeroes" => [0.0, -0.0, 1.0][random.random_range(0..3)],
        "infinite" if at % 3000 == 5 => f64::INFINITY,
        "infinite" if at % 3000 == 2000 => f64::NEG_INFINITY,
        _ => before + step,
    }
}

fn labels(kind: &str) -> Labels {
    Labels::from_pairs([("__name__", "m_total"), ("kind", kind)]).expect("the pairs are good")
}

fn histogram(count: u64) -> Histogram {
    Histogram {
        counter_reset_hint: CounterResetHint::Unknown,
        schema: 0,
        zero_threshold: 0.0,
        sum: count as f64,
        positive_spans: vec![BucketSpan {
            offset: 0,
            length: 1,
        }],
        negative_spans: Vec::new(),
        counts: HistogramCounts::Integer(BucketCounts {
            count,
            zero_count: 0,
            positive: vec![count],
            negative: Vec::new(),
        }),
        custom_bounds: Arc::default(),
    }
}

/// A database under test, and what happens to it.
struct Bed {
    db: Database,
    clock: Arc<ManualClock>,
    random: StdRng,
    values: [f64; KINDS.len()],
}

impl Bed {
    fn open(path: &Path, seed: u64) -> Self {
        let options = Options {
            durability: Durability::Interval(Duration::from_secs(3600)),
            flush_idle: Duration::from_secs(3600),
            ..Options::default()
        };
        let clock = Arc::new(ManualClock::new(END_MS));
        let as_clock = Arc::clone(&clock) as Arc<dyn Clock>;
        let db = Database::open_with(path, options, Arc::new(RealFs), as_clock);
        Self {
            db: db.unwrap(),
            clock,
            random: StdRng::seed_from_u64(seed),
            values: [0.0; KINDS.len()],
        }
    }

    fn write(&mut self, scrapes: std::ops::Range<i64>) {
        let mut batch = WriteBatch::new();
        for (kind, before) in KINDS.into_iter().zip(&mut self.values) {
            batch.start_series(&labels(kind));
            for at in scrapes.clone() {
                let before_now = if before.is_finite() { *before } else { 0.0 };
                *before = next_value(kind, at, before_now, &mut self.random);
                let time_ms = DAY_START_MS + at * STEP_MS + self.random.random_range(0..5);
                let sample = Sample::new(time_ms, *before);
                match kind {
                    "started" if at % 2500 > 2000 => {
                        batch.push_sample_started(sample, time_ms - 7000);
                    }
                    "mixed" if at % 2200 == 100 => {
                        batch.push_histogram(time_ms, 0, histogram(at as u64));
                    }
                    _ => batch.push_sample(sample),
                }
            }
        }
        self.db.write(&batch).unwrap();
    }

    /// All scrapes in order, flushed now and then, and merged as far as the day is over.
    fn fill(&mut self) {
        let flush_every = self.random.random_range(400..2500);
        for from in (0..SCRAPES).step_by(100) {
            self.write(from..(from + 100).min(SCRAPES));
            if from % flush_every < 100 {
                self.db.flush().unwrap();
            }
        }
        self.db.flush().unwrap();
        self.clock.set(END_MS + 48 * HOUR_MS);
        self.db.compact().unwrap();
    }

    /// Something that gets in the way of summaries.
    fn disturb(&mut self) {
        let at = self.random.random_range(0..SCRAPES);
        match self.random.random_range(0..5) {
            0 => self.write(at..at + 1),
            1 => {
                self.write(at..(at + 20).min(SCRAPES));
                self.db.flush().unwrap();
            }
            2 => {
                let min_ms = DAY_START_MS + at * STEP_MS;
                let span_ms = self.random.random_range(0..HOUR_MS);
                let deleted = TimeRange::new(min_ms, min_ms + span_ms).unwrap();
                let kind = *KINDS.choose(&mut self.random).unwrap();
                let matcher = Matcher::equal("kind", kind);
                self.db.delete_series(&[vec![matcher]], deleted).unwrap();
            }
            3 => self.db.compact().unwrap(),
            _ => {
                // Retention ends somewhere in the first chunks.
                let kept_ms = 30 * 24 * HOUR_MS;
                let cut_ms = DAY_START_MS + self.random.random_range(0..3 * HOUR_MS);
                self.clock.set(self.clock.now_ms().max(cut_ms + kept_ms));
            }
        }
    }

    /// A query that may be answered from summaries, with its times.
    fn query(&mut self) -> (String, RangeTimes) {
        let random = &mut self.random;
        let function = FUNCTIONS.choose(random).unwrap();
        let window = *["30h", "27h", "24h", "20h", "12h", "9h", "3h", "5m"]
            .choose(random)
            .unwrap();
        let bound = ["", "", " offset 2h", " offset -1h", " @ end()"];
        let bound = *bound.choose(random).unwrap();
        let kinds = ["", "", "{kind=~\"c.*|r.*\"}", "{kind=\"mixed\"}"];
        let selector = *kinds.choose(random).unwrap();
        let instant = |random: &mut StdRng| {
            let selected = format!("m_total{selector}{bound}");
            let template = *TALLIES.choose(random).unwrap();
            template.replace("{}", &selected)
        };
        let text = match random.random_range(0..14) {
            8.. => instant(random),
            0 => format!("{function}(m_total{selector}[{window}] smoothed{bound})"),
            1 => format!("sum({function}(m_total{selector}[{window}]{bound}))"),
            2 => format!("max_over_time({function}(m_total{selector}[{window}]{bound})[1h:10m])"),
            _ => format!("{function}(m_total{selector}[{window}]{bound})"),
        };
        let start_ms = if random.random_bool(0.3) {
            // Just after a stale marker.
            let at = random.random_range(20..26) * 240 / 1000 * 1000 + 400;
            DAY_START_MS + at * STEP_MS + random.random_range(5..STEP_MS)
        } else {
            END_MS - random.random_range(0..8 * HOUR_MS)
        };
        let step_ms = random.random_range(1..HOUR_MS);
        let steps = if random.random_bool(0.5) { 0 } else { 4 };
        let end_ms = start_ms + steps * step_ms;
        let times = RangeTimes {
            start_ms,
            end_ms,
            step_ms,
        };
        (text, times)
    }
}

/// Queries that ask where a selector has values, and not what they are; and some that ask both.
const TALLIES: [&str; 16] = [
    "count({})",
    "count by (kind) ({})",
    "group({})",
    "group without (kind) ({})",
    "absent({})",
    "timestamp({})",
    "count(count by (kind) ({}))",
    "sum(count by (kind) ({}))",
    "count({} > 0)",
    "count({} and on (kind) ({} offset 1h))",
    "{} unless on (kind) {} offset 3h",
    "{} or on (kind) count by (kind) ({} offset 1d)",
    "count({} or {} offset 10m)",
    "count(label_replace({}, \"x\", \"$1\", \"kind\", \"(.).*\"))",
    "count({}) / count({} == 42.5)",
    "count_values by (kind) (\"v\", count by (kind) ({}))",
];

/// All that leave samples out, and some that do not.
const FUNCTIONS: [&str; 17] = [
    "count_over_time",
    "present_over_time",
    "absent_over_time",
    "first_over_time",
    "last_over_time",
    "ts_of_first_over_time",
    "ts_of_last_over_time",
    "min_over_time",
    "max_over_time",
    "rate",
    "increase",
    "delta",
    "resets",
    "changes",
    "sum_over_time",
    "ts_of_max_over_time",
    "irate",
];

/// How many samples a query reads with and without summaries, whose answers must be the same.
fn compare(db: &Database, text: &str, times: RangeTimes, seed: u64) -> (u64, u64) {
    let ask = |source: &dyn SeriesSource| {
        let answer = Engine::default().range(source, text, times, &QueryOptions::default());
        let samples = answer.as_ref().map_or(0, |answer| answer.stats.samples);
        (given(answer), samples)
    };
    let (left, with) = ask(db);
    let (right, without) = ask(&Plain(db));
    let place = format!("seed {seed}: {text} {times:?}");
    match (left, right) {
        (Ok(left), Ok(right)) => {
            assert_eq!(difference(&left.0, &right.0), None, "{place}");
            assert_eq!(left.1, right.1, "{place}");
        }
        (left, right) => assert_eq!(left.err(), right.err(), "{place}"),
    }
    (with, without)
}

/// How many of so many random queries read less with summaries.
fn compare_random(bed: &mut Bed, queries: usize, seed: u64) -> usize {
    let mut fewer = 0;
    for _ in 0..queries {
        let (text, times) = bed.query();
        let (with, without) = compare(&bed.db, &text, times, seed);
        fewer += usize::from(with < without);
    }
    fewer
}

#[test]
fn answers_with_and_without_summaries_are_the_same() {
    let (first, count) = seed_and_count();
    for seed in first..first + 3 {
        let dir = tempfile::tempdir().unwrap();
        let mut bed = Bed::open(&dir.path().join("data"), seed);
        bed.fill();
        for function in ["max_over_time", "rate", "count_over_time"] {
            let text = format!("{function}(m_total[26h])");
            let times = RangeTimes {
                start_ms: END_MS,
                end_ms: END_MS,
                step_ms: 1,
            };
            // Odd floats, start times and histograms must be read, and so must the day that goes on.
            let (with, without) = compare(&bed.db, &text, times, seed);
            assert!(
                with * 10 < without * 9,
                "{text}: {with} of {without} samples read"
            );
        }
        let mut fewer = compare_random(&mut bed, count / 12, seed);
        for _ in 0..8 {
            bed.disturb();
            fewer += compare_random(&mut bed, count / 60, seed);
        }
        let queries = count / 12 + 8 * (count / 60);
        assert!(fewer * 20 > queries, "seed {seed}: {fewer} of {queries}");
        bed.db.close().unwrap();
    }
}
