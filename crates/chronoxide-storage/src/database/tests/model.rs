//! A database does what a map of maps does, whatever happens in between.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::ScopedJoinHandle;

use chronoxide_model::{BucketCounts, BucketSpan, CounterResetHint, HistogramCounts, STALE_MARKER};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::{DAY_MS, Place, effort, labels};
use crate::{
    Clock, Database, Histogram, Labels, Matcher, Options, Sample, SampleColumns, TimeRange,
    WriteBatch,
};

const RETENTION_DAYS: i64 = 4;

/// What stands at one timestamp of one series: the sample and its start time.
#[derive(Clone, Debug, PartialEq)]
enum Stored {
    Float(u64, i64),
    Histogram(Histogram, i64),
}

/// How much a write brings at most.
#[derive(Clone, Copy)]
struct Extent {
    series: u32,
    samples: u32,
}

const LARGE: Extent = Extent {
    series: 20,
    samples: 6,
};

const SMALL: Extent = Extent {
    series: 4,
    samples: 3,
};

struct Run {
    extent: Extent,
    place: Place,
    db: Option<Database>,
    model: BTreeMap<Labels, BTreeMap<i64, Stored>>,
    rng: StdRng,
}

impl Run {
    fn new(seed: u64, extent: Extent) -> Self {
        let mut run = Self {
            extent,
            place: Place::with_seed(seed),
            db: None,
            model: BTreeMap::new(),
            rng: StdRng::seed_from_u64(seed),
        };
        run.open();
        run
    }

    fn open(&mut self) {
        self.db = Some(self.place.open(Self::options()));
    }

    fn options() -> Options {
        Options {
            retention: std::time::Duration::from_secs(RETENTION_DAYS as u64 * 24 * 3600),
            head_bytes_min: 4096,
            head_bytes_max: 1 << 20,
            ..Options::default()
        }
    }

    fn db(&self) -> &Database {
        self.db.as_ref().expect("it is open")
    }

    fn now_ms(&self) -> i64 {
        self.place.clock.now_ms()
    }

    /// A time that is mostly recent, sometimes old, on a coarse grid so that timestamps meet.
    fn time(&mut self) -> i64 {
        let back = match self.rng.random_range(0..10) {
            0 => self.rng.random_range(0..(RETENTION_DAYS + 1) * DAY_MS),
            1..4 => self.rng.random_range(0..DAY_MS),
            _ => self.rng.random_range(0..600_000),
        };
        (self.now_ms() - back).div_euclid(15_000) * 15_000
    }

    fn write(&mut self) {
        let mut batch = WriteBatch::new();
        let mut written = Vec::new();
        for _ in 0..self.rng.random_range(1..self.extent.series) {
            let job = self.rng.random_range(0..4_u32).to_string();
            let instance = self.rng.random_range(0..6_u32).to_string();
            let set = labels(&[("__name__", "m"), ("job", &job), ("instance", &instance)]);
            batch.start_series(&set);
            for _ in 0..self.rng.random_range(1..self.extent.samples) {
                let time = self.time();
                let start = if self.rng.random_bool(0.2) {
                    time - 1000
                } else {
                    0
                };
                let stored = if self.rng.random_bool(0.15) {
                    let histogram = self.histogram();
                    batch.push_histogram(time, start, histogram.clone());
                    (1, Stored::Histogram(histogram, start))
                } else {
                    let value = self.value();
                    batch.push_sample_started(Sample::new(time, value), start);
                    (0, Stored::Float(value.to_bits(), start))
                };
                written.push((set.clone(), time, stored));
            }
        }
        let outcome = self.db().write(&batch).expect("the disk works");
        let cut = self.now_ms() - RETENTION_DAYS * DAY_MS;
        let expected = written.iter().filter(|(_, time, _)| *time >= cut).count() as u64;
        assert_eq!(
            outcome.samples_accepted + outcome.histograms_accepted,
            expected
        );
        assert_eq!(outcome.samples_rejected, written.len() as u64 - expected);
        // Within a record histograms come after floats.
        written.sort_by_key(|(_, _, (kind, _))| *kind);
        for (set, time, (_, stored)) in written {
            self.model.entry(set).or_default().insert(time, stored);
        }
        self.forget_expired();
    }

    fn delete(&mut self) {
        let job = self.rng.random_range(0..4_u32).to_string();
        let instance = self.rng.random_range(0..6_u32).to_string();
        let (one, other) = (self.time(), self.time());
        let range = TimeRange::new(one.min(other), one.max(other)).expect("it is not reversed");
        let mut selectors = vec![vec![Matcher::equal("job", &*job)]];
        if self.rng.random_bool(0.7) {
            selectors[0].push(Matcher::not_equal("instance", &*instance));
        } else {
            selectors.push(vec![Matcher::equal("instance", &*instance)]);
        }
        let is_selected = |set: &Labels| {
            let matches =
                |matcher: &Matcher| matcher.matches(set.get(matcher.name()).unwrap_or_default());
            selectors
                .iter()
                .any(|matchers| matchers.iter().all(matches))
        };
        for (_, samples) in self.model.iter_mut().filter(|(set, _)| is_selected(set)) {
            samples.retain(|time, _| !range.contains(*time));
        }
        self.model.retain(|_, samples| !samples.is_empty());
        let deleted = self.db().delete_series(&selectors, range);
        deleted.expect("the disk works");
    }

    fn value(&mut self) -> f64 {
        match self.rng.random_range(0..12) {
            0 => STALE_MARKER,
            1 => f64::NAN,
            2 => f64::from_bits(0x7ff8_0000_0000_beef),
            3 => -0.0,
            4 => f64::INFINITY,
            5 => self.rng.random(),
            _ => f64::from(self.rng.random_range(0..20)),
        }
    }

    fn histogram(&mut self) -> Histogram {
        let buckets: Vec<u64> = (0..self.rng.random_range(0..5)).map(|n| n * 3).collect();
        Histogram {
            counter_reset_hint: CounterResetHint::Unknown,
            schema: self.rng.random_range(-4..=8),
            zero_threshold: 0.001,
            sum: self.rng.random_range(0.0..100.0),
            positive_spans: if buckets.is_empty() {
                Vec::new()
            } else {
                vec![BucketSpan {
                    offset: self.rng.random_range(-9..9),
                    length: buckets.len() as u32,
                }]
            },
            negative_spans: Vec::new(),
            counts: HistogramCounts::Integer(BucketCounts {
                count: buckets.iter().sum::<u64>() + 1,
                zero_count: 1,
                positive: buckets,
                negative: Vec::new(),
            }),
            custom_bounds: Arc::default(),
        }
    }

    /// What is past retention is never seen again, since the clock only moves on.
    fn forget_expired(&mut self) {
        let cut = self.now_ms() - RETENTION_DAYS * DAY_MS;
        for samples in self.model.values_mut() {
            samples.retain(|time, _| *time >= cut);
        }
        self.model.retain(|_, samples| !samples.is_empty());
    }

    fn step(&mut self) -> &'static str {
        match self.rng.random_range(0..20) {
            0 => {
                self.db().flush().expect("the disk works");
                "flush"
            }
            1 if self.rng.random_bool(0.5) => {
                let is_resting = self.rng.random_bool(0.5);
                let compacted = self.db().engine.compact_in_background(is_resting, || false);
                compacted.expect("the disk works");
                "compact as time goes by"
            }
            1 => {
                self.db().compact().expect("the disk works");
                "compact"
            }
            2 => {
                self.db
                    .take()
                    .expect("it is open")
                    .close()
                    .expect("the disk works");
                self.open();
                "close and reopen"
            }
            3 => {
                self.db.take().expect("it is open").abandon();
                self.open();
                "abandon and reopen"
            }
            4 => {
                let by = self.rng.random_range(0..DAY_MS / 2);
                self.place.clock.advance(by);
                self.forget_expired();
                self.db().enforce_retention().expect("the disk works");
                "advance the clock"
            }
            5 => {
                self.delete();
                "delete"
            }
            6 if self.rng.random_bool(0.3) => {
                self.db().clean_tombstones().expect("the disk works");
                "clean"
            }
            _ => {
                self.write();
                "write"
            }
        }
    }

    /// Compares all there is, and some of it; how many samples that were.
    fn check(&mut self) -> usize {
        let everything = read(self.db(), &[], TimeRange::ALL);
        assert_eq!(everything, self.model);
        let from = self.now_ms() - self.rng.random_range(0..2 * DAY_MS);
        let range = TimeRange::new(from, from + self.rng.random_range(0..DAY_MS))
            .expect("it is not reversed");
        let job = self.rng.random_range(0..4_u32).to_string();
        let some = read(self.db(), &[Matcher::equal("job", &*job)], range);
        let mut expected = self.model.clone();
        expected.retain(|set, samples| {
            samples.retain(|time, _| range.contains(*time));
            set.get("job") == Some(&job) && !samples.is_empty()
        });
        assert_eq!(some, expected);
        everything.values().map(BTreeMap::len).sum()
    }
}

fn read(
    db: &Database,
    matchers: &[Matcher],
    range: TimeRange,
) -> BTreeMap<Labels, BTreeMap<i64, Stored>> {
    let mut found = BTreeMap::new();
    for series in db.select(matchers, range).expect("it can be read") {
        let series = series.expect("it can be read");
        let before = found.insert(series.labels().clone(), stored(series.columns()));
        assert!(before.is_none(), "{} stands twice", series.labels());
    }
    found
}

fn stored(columns: &SampleColumns) -> BTreeMap<i64, Stored> {
    let start = |starts: &[i64], index: usize| starts.get(index).copied().unwrap_or(0);
    let mut samples = BTreeMap::new();
    for (index, time) in columns.timestamps_ms.iter().enumerate() {
        let start = start(&columns.start_timestamps_ms, index);
        samples.insert(*time, Stored::Float(columns.values[index].to_bits(), start));
    }
    for (index, time) in columns.histogram_timestamps_ms.iter().enumerate() {
        let start = start(&columns.histogram_start_timestamps_ms, index);
        let before = samples.insert(
            *time,
            Stored::Histogram(columns.histograms[index].clone(), start),
        );
        assert_eq!(before, None, "{time} stands in both kinds");
    }
    samples
}

/// Does `steps` steps and checks after every `check_every` of them; how many samples were compared.
fn random_run(seed: u64, extent: Extent, steps: usize, check_every: usize) -> usize {
    let mut run = Run::new(seed, extent);
    let (mut done, mut compared) = (Vec::new(), 0);
    for step in 1..=steps {
        done.push(run.step());
        if step % check_every != 0 {
            continue;
        }
        let checked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run.check()));
        match checked {
            Ok(samples) => compared += samples,
            Err(_) => panic!("seed {seed} differs after {done:?}"),
        }
    }
    compared
}

#[test]
fn random_runs_read_like_a_map() {
    for seed in 0..6 {
        assert!(random_run(seed, LARGE, 90, 3) > 1000, "seed {seed}");
    }
}

#[test]
fn many_short_random_runs_read_like_a_map() {
    const STEPS: usize = 200;
    let runs = effort("MODEL_SEQUENCES", 40);
    let threads = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let compared: usize = std::thread::scope(|scope| {
        let runs_of = |thread| {
            scope.spawn(move || {
                let seeds = (100 + thread..100 + runs).step_by(threads as usize);
                seeds.map(|seed| random_run(seed, SMALL, STEPS, 20)).sum()
            })
        };
        let runs: Vec<ScopedJoinHandle<'_, usize>> = (0..threads).map(runs_of).collect();
        let compared = runs.into_iter().map(ScopedJoinHandle::join);
        compared
            .map(|compared| compared.expect("no run differs"))
            .sum()
    });
    assert!(
        compared as u64 > 100 * runs,
        "{compared} samples in {runs} runs"
    );
    eprintln!(
        "random sequences: {runs} of {STEPS} operations, each read like a map; {compared} samples compared"
    );
}
