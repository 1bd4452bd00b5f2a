//! Series and their values over time.

use std::path::PathBuf;

use chronoxide_model::{Labels, SampleColumns, WriteBatch, is_stale_marker};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::replay::{Recording, Replay};
use crate::{capture, synthetic};

/// How far a scrape of a copy is from its time at most, in milliseconds.
const JITTER_MS: i64 = 5;

/// Targets that are scraped, and what their scrapes brought.
#[derive(Debug)]
pub struct Workload {
    /// Where the data is from, for the output of benches.
    pub source: String,
    /// The targets.
    pub jobs: Vec<Job>,
}

/// One target.
#[derive(Debug)]
pub struct Job {
    /// Scrape times, Unix milliseconds, ascending.
    pub times_ms: Vec<i64>,
    /// The series the target exposes.
    pub series: Vec<Labels>,
    /// For each series, whether it only rises but for resets.
    pub counters: Vec<bool>,
    /// For each series one value a scrape; the stale marker where the series was absent.
    pub values: Vec<Vec<f64>>,
}

impl Workload {
    /// The recorded scrapes, or the synthetic set where there are none.
    #[must_use]
    pub fn load() -> Self {
        let path = std::env::var_os("CHRONOXIDE_CAPTURE").map_or_else(
            || {
                PathBuf::from(concat!(
                    env!("CARGO_MANIFEST_DIR"),
                    "/../../shared/data/capture.bin.zst"
                ))
            },
            PathBuf::from,
        );
        match capture::read(&path) {
            Ok(jobs) => Self {
                source: "recorded scrapes".to_owned(),
                jobs,
            },
            Err(reason) => Self {
                source: format!("synthetic, seed {:#x} ({reason})", synthetic::SEED),
                jobs: synthetic::jobs(),
            },
        }
    }

    /// The same series with one scrape in `step`.
    #[must_use]
    pub fn every(&self, step: usize) -> Self {
        let thin = |job: &Job| Job {
            times_ms: job.times_ms.iter().copied().step_by(step).collect(),
            series: job.series.clone(),
            counters: job.counters.clone(),
            values: job
                .values
                .iter()
                .map(|values| values.iter().copied().step_by(step).collect())
                .collect(),
        };
        Self {
            source: format!("{}, every {step}th scrape", self.source),
            jobs: self.jobs.iter().map(thin).collect(),
        }
    }

    /// `scrapes` scrapes of `instances` copies of the targets, `step` seconds apart with a few milliseconds of jitter,
    /// from `start_ms` on. Each copy begins at another place of the recording, and goes on past its end without repeating
    /// it, as [`Replay`] does.
    #[must_use]
    pub fn fleet(&self, instances: usize, scrapes: usize, step: usize, start_ms: i64) -> Self {
        let copies = self.copies(instances, scrapes, step, start_ms);
        let jobs = copies.map(|copy| copy.job.replayed(&copy, step));
        Self {
            source: format!(
                "{}, gone on for {}, {instances} copies every {step} s",
                self.source,
                hours(scrapes * step)
            ),
            jobs: jobs.collect(),
        }
    }

    /// As [`fleet`](Self::fleet), but each copy goes on at the beginning of the recording when that ends, so that counters
    /// go on rising. Such data repeats itself: what looks for repetitions does better on it than it would on a real
    /// fleet.
    #[must_use]
    pub fn wrapped(&self, instances: usize, scrapes: usize, step: usize, start_ms: i64) -> Self {
        let copies = self.copies(instances, scrapes, step, start_ms);
        let jobs = copies.map(|copy| copy.job.wrapped(&copy, step));
        Self {
            source: format!(
                "{}, WRAPPED for {}, {instances} copies every {step} s",
                self.source,
                hours(scrapes * step)
            ),
            jobs: jobs.collect(),
        }
    }

    fn copies(
        &self,
        instances: usize,
        scrapes: usize,
        step: usize,
        start_ms: i64,
    ) -> impl Iterator<Item = Copy<'_>> {
        let mut random = StdRng::seed_from_u64(synthetic::SEED);
        let targets = (0..instances).flat_map(|instance| {
            let jobs = self.jobs.iter();
            jobs.map(move |job| (instance, job))
        });
        targets.map(move |(instance, job)| {
            let phase_ms = random.random_range(0..step as i64 * 1000);
            let times = (0..scrapes as i64).map(|scrape| {
                let jitter_ms = random.random_range(-JITTER_MS..=JITTER_MS);
                start_ms + phase_ms + scrape * step as i64 * 1000 + jitter_ms
            });
            Copy {
                job,
                instance,
                times_ms: times.collect(),
                offset: random.random_range(0..job.times_ms.len()),
                seed: random.random(),
            }
        })
    }

    /// How many samples there are.
    #[must_use]
    pub fn sample_count(&self) -> usize {
        let of_job = |job: &Job| job.times_ms.len() * job.series.len();
        self.jobs.iter().map(of_job).sum()
    }

    /// How many series there are.
    #[must_use]
    pub fn series_count(&self) -> usize {
        self.jobs.iter().map(|job| job.series.len()).sum()
    }

    /// One batch for each scrape, in time order, absent series left out.
    #[must_use]
    pub fn batches(&self) -> Vec<WriteBatch<'static>> {
        self.scrapes().collect()
    }

    /// As [`batches`](Self::batches), one after the other: all of them may take much memory.
    pub fn scrapes(&self) -> impl Iterator<Item = WriteBatch<'static>> + '_ {
        let mut scrapes: Vec<(i64, &Job, usize)> = Vec::new();
        for job in &self.jobs {
            scrapes.extend(
                job.times_ms
                    .iter()
                    .enumerate()
                    .map(|(index, time_ms)| (*time_ms, job, index)),
            );
        }
        scrapes.sort_by_key(|(time_ms, ..)| *time_ms);
        scrapes
            .into_iter()
            .map(|(time_ms, job, index)| scrape_batch(job, index, time_ms))
    }

    /// Runs of at most `length` samples of each series: what becomes one chunk each.
    #[must_use]
    pub fn runs(&self, length: usize) -> Vec<SampleColumns> {
        let mut runs = Vec::new();
        for job in &self.jobs {
            for values in &job.values {
                for (times, values) in job.times_ms.chunks(length).zip(values.chunks(length)) {
                    runs.push(SampleColumns {
                        timestamps_ms: times.to_vec(),
                        values: values.to_vec(),
                        ..SampleColumns::default()
                    });
                }
            }
        }
        runs
    }
}

/// One copy of a target.
struct Copy<'a> {
    job: &'a Job,
    instance: usize,
    times_ms: Vec<i64>,
    /// The scrape of the recording that it begins with.
    offset: usize,
    seed: u64,
}

impl Job {
    /// The values of `copy`, `step` scrapes apart, gone on past the end of the recording.
    fn replayed(&self, copy: &Copy<'_>, step: usize) -> Self {
        let recording = Recording::of(self);
        let mut replay = Replay::new(&recording, copy.offset, copy.seed);
        let mut values = vec![Vec::with_capacity(copy.times_ms.len()); self.series.len()];
        for _ in &copy.times_ms {
            for (series, values) in values.iter_mut().enumerate() {
                values.push(replay.value(series));
            }
            replay.advance(step);
        }
        self.with_values(copy, values)
    }

    /// The values of `copy`, `step` scrapes apart, those of the recording over and over.
    fn wrapped(&self, copy: &Copy<'_>, step: usize) -> Self {
        // The places come round in another order each time when the length has no divisor in common with the step.
        let is_coprime = |length: &usize| gcd(*length, step) == 1;
        let length = (1..=self.times_ms.len()).rev().find(is_coprime);
        let length = length.unwrap_or(1);
        let values = |(values, is_counter): (&Vec<f64>, &bool)| {
            let rise = values[length - 1] - values[0];
            let round = if *is_counter && rise.is_finite() {
                rise
            } else {
                0.0
            };
            let at = |scrape: usize| {
                let place = copy.offset % length + scrape * step;
                values[place % length] + (place / length) as f64 * round
            };
            (0..copy.times_ms.len()).map(at).collect()
        };
        let values = self.values.iter().zip(&self.counters).map(values).collect();
        self.with_values(copy, values)
    }

    fn with_values(&self, copy: &Copy<'_>, values: Vec<Vec<f64>>) -> Self {
        let labels = |labels: &Labels| {
            let pairs = labels.iter().filter(|(name, _)| *name != "instance");
            let instance = format!("target-{}:9100", copy.instance);
            Labels::from_pairs(pairs.chain([("instance", instance.as_str())]))
                .expect("the names differ")
        };
        Self {
            series: self.series.iter().map(labels).collect(),
            counters: self.counters.clone(),
            values,
            times_ms: copy.times_ms.clone(),
        }
    }
}

/// A length of time, for the output of benches.
fn hours(seconds: usize) -> String {
    format!("{:.1} h", seconds as f64 / 3600.0)
}

const fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

fn scrape_batch(job: &Job, index: usize, time_ms: i64) -> WriteBatch<'static> {
    let mut batch = WriteBatch::new();
    for (labels, values) in job.series.iter().zip(&job.values) {
        if !is_stale_marker(values[index]) {
            batch.push(labels, time_ms, values[index]);
        }
    }
    batch
}
