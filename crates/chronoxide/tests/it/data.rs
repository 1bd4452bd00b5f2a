//! The series that queries are generated for: counters with resets, gauges with gaps, every odd float, histograms of
//! all kinds.

use std::sync::Arc;

use chronoxide::{Histogram, Labels, WriteBatch};
use chronoxide_model::{
    BucketCounts, BucketSpan, CUSTOM_BUCKETS_SCHEMA, CounterResetHint, HistogramCounts,
    STALE_MARKER, Sample,
};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// When the data begins; an hour after midnight, so that it lies in one partition.
pub(crate) const START_MS: i64 = 1_795_222_800_000;

/// When it ends.
pub(crate) const END_MS: i64 = START_MS + 2 * 3_600_000;

/// The names of all metrics.
pub(crate) const METRICS: &[&str] = &[
    "requests_total",
    "memory_bytes",
    "latency_bucket",
    "latency_sum",
    "latency_count",
    "duration",
    "sizes",
    "build_info",
    "target_info",
    "odd",
    "sparse",
    "flat",
    "mixed",
    "gaugehist",
];

const SCRAPE_MS: i64 = 15_000;

/// A sample's value.
#[derive(Clone, Debug)]
pub(crate) enum Stored {
    Float(f64),
    Histogram(Histogram),
}

/// One series.
#[derive(Clone, Debug)]
pub(crate) struct StoredSeries {
    pub(crate) labels: Labels,
    pub(crate) samples: Vec<(i64, Stored)>,
}

/// All series; the same ones for the same seed.
pub(crate) fn series(seed: u64) -> Vec<StoredSeries> {
    let mut data = Data {
        random: StdRng::seed_from_u64(seed),
        series: Vec::new(),
    };
    for job in ["api", "db"] {
        for host in 0..3 {
            data.target(job, host);
        }
    }
    data.odd_ones();
    data.series
}

/// Writes the samples in `[from_ms, until_ms)` in batches of a minute.
pub(crate) fn batches(
    series: &[StoredSeries],
    from_ms: i64,
    until_ms: i64,
) -> Vec<WriteBatch<'static>> {
    let mut batches = Vec::new();
    for minute_ms in (from_ms..until_ms).step_by(60_000) {
        let mut batch = WriteBatch::new();
        for one in series {
            let end_ms = (minute_ms + 60_000).min(until_ms);
            let from = one.samples.partition_point(|(at_ms, _)| *at_ms < minute_ms);
            let until = one.samples.partition_point(|(at_ms, _)| *at_ms < end_ms);
            push(&mut batch, one, from..until);
        }
        if !batch.is_empty() {
            batches.push(batch);
        }
    }
    batches
}

fn push(batch: &mut WriteBatch<'static>, series: &StoredSeries, range: std::ops::Range<usize>) {
    if range.is_empty() {
        return;
    }
    batch.start_series(&series.labels);
    for (at_ms, stored) in &series.samples[range] {
        match stored {
            Stored::Float(value) => batch.push_sample(Sample::new(*at_ms, *value)),
            Stored::Histogram(histogram) => batch.push_histogram(*at_ms, 0, histogram.clone()),
        }
    }
}

struct Data {
    random: StdRng,
    series: Vec<StoredSeries>,
}

impl Data {
    fn add(&mut self, pairs: &[(&str, &str)], samples: Vec<(i64, Stored)>) {
        let labels = Labels::from_pairs(pairs.iter().copied()).expect("names differ");
        self.series.push(StoredSeries { labels, samples });
    }

    /// Scrape times, a few milliseconds off the beat.
    fn times(&mut self) -> Vec<i64> {
        let first_ms = START_MS + self.random.random_range(0..SCRAPE_MS);
        (first_ms..END_MS - 10)
            .step_by(SCRAPE_MS as usize)
            .map(|at_ms| at_ms + self.random.random_range(0..7))
            .collect()
    }

    /// Floats, some scrapes missing, most of the gaps announced by a stale marker.
    fn floats(
        &mut self,
        gaps: bool,
        mut next: impl FnMut(&mut StdRng) -> f64,
    ) -> Vec<(i64, Stored)> {
        let mut missing = 0;
        let mut samples = Vec::new();
        for at_ms in self.times() {
            let value = next(&mut self.random);
            if gaps && missing == 0 && self.random.random_range(0..60) == 0 {
                missing = self.random.random_range(1..40);
                if self.random.random_bool(0.7) {
                    samples.push((at_ms, Stored::Float(STALE_MARKER)));
                }
                continue;
            }
            if missing > 0 {
                missing -= 1;
            } else {
                samples.push((at_ms, Stored::Float(value)));
            }
        }
        samples
    }

    fn counter(&mut self, gaps: bool) -> Vec<(i64, Stored)> {
        let mut value = 100.0;
        self.floats(gaps, |random| {
            if random.random_range(0..80) == 0 {
                value = 0.0;
            }
            value += f64::from(random.random_range(0..20));
            value
        })
    }

    fn gauge(&mut self, gaps: bool) -> Vec<(i64, Stored)> {
        let mut value = 50.0;
        self.floats(gaps, |random| {
            value += random.random_range(-1.0..1.0);
            value
        })
    }

    fn target(&mut self, job: &str, host: usize) {
        let instance = format!("host-{host}:9100");
        let target = |name| {
            [
                ("__name__", name),
                ("job", job),
                ("instance", instance.as_str()),
            ]
        };
        for code in ["200", "404", "500"] {
            let samples = self.counter(host == 2);
            self.add(
                &[&target("requests_total")[..], &[("code", code)]].concat(),
                samples,
            );
        }
        let samples = self.gauge(host == 1);
        self.add(&target("memory_bytes"), samples);
        for bound in ["0.1", "0.5", "1", "+Inf"] {
            let samples = self.counter(false);
            self.add(
                &[&target("latency_bucket")[..], &[("le", bound)]].concat(),
                samples,
            );
        }
        for name in ["latency_sum", "latency_count"] {
            let samples = self.counter(false);
            self.add(&target(name), samples);
        }
        let samples = self.histograms(host as i8);
        self.add(&target("duration"), samples);
        let samples = self.histograms(CUSTOM_BUCKETS_SCHEMA);
        self.add(&target("sizes"), samples);
        let version = format!("1.{host}");
        let samples = self.floats(host == 0, |_| 1.0);
        self.add(
            &[&target("build_info")[..], &[("version", &version)]].concat(),
            samples,
        );
        let region = format!("r{}", host % 2);
        let samples = self.floats(false, |_| 1.0);
        self.add(
            &[&target("target_info")[..], &[("region", &region)]].concat(),
            samples,
        );
    }

    fn odd_ones(&mut self) {
        for number in ["0", "1", "2"] {
            let samples = self.floats(true, odd_float);
            self.add(&[("__name__", "odd"), ("n", number)], samples);
        }
        let mut sparse = self.gauge(false);
        let mut count = 0;
        sparse.retain(|_| {
            count += 1;
            count % 17 == 0
        });
        self.add(&[("__name__", "sparse"), ("n", "0")], sparse);
        let samples = self.floats(false, |_| 7.0);
        self.add(&[("__name__", "flat"), ("n", "0")], samples);
        let mut mixed = self.histograms(1);
        for (index, (_, stored)) in mixed.iter_mut().enumerate() {
            if index / 20 % 2 == 0 {
                *stored = Stored::Float(index as f64);
            }
        }
        self.add(&[("__name__", "mixed"), ("n", "0")], mixed);
        let samples = self.histograms(2);
        self.add(&[("__name__", "mixed"), ("n", "1")], samples);
        let samples = self.gauge(false);
        self.add(&[("__name__", "mixed"), ("n", "2")], samples);
        for number in ["0", "1"] {
            let samples = self.float_histograms();
            self.add(&[("__name__", "gaugehist"), ("n", number)], samples);
        }
    }

    /// Counters of observations, with resets and with buckets that come later.
    fn histograms(&mut self, schema: i8) -> Vec<(i64, Stored)> {
        let custom = schema == CUSTOM_BUCKETS_SCHEMA;
        let mut positive = vec![0_u64; 5];
        let (mut zero_count, mut negative, mut sum) = (0, 0, 0.0);
        let mut samples = Vec::new();
        for at_ms in self.times() {
            let random = &mut self.random;
            if random.random_range(0..80) == 0 {
                positive = vec![0; if random.random_bool(0.5) { 5 } else { 6 }];
                (zero_count, negative, sum) = (0, 0, 0.0);
            }
            for _ in 0..random.random_range(0..20) {
                let bucket = random.random_range(0..positive.len());
                positive[bucket] += 1;
                sum += random.random_range(0.0..1.0);
            }
            let bounds: Vec<f64> = (1..positive.len())
                .map(|bound| 10.0 * bound as f64)
                .collect();
            if !custom {
                zero_count += random.random_range(0..2);
                negative += random.random_range(0..2);
            }
            let span = |length| BucketSpan { offset: 0, length };
            samples.push((
                at_ms,
                Stored::Histogram(Histogram {
                    counter_reset_hint: CounterResetHint::Unknown,
                    schema,
                    zero_threshold: if custom { 0.0 } else { 0.001 },
                    sum,
                    positive_spans: vec![span(positive.len() as u32)],
                    negative_spans: if custom { Vec::new() } else { vec![span(1)] },
                    counts: HistogramCounts::Integer(BucketCounts {
                        count: positive.iter().sum::<u64>() + zero_count + negative,
                        zero_count,
                        positive: positive.clone(),
                        negative: if custom { Vec::new() } else { vec![negative] },
                    }),
                    custom_bounds: if custom {
                        bounds.into()
                    } else {
                        Arc::default()
                    },
                }),
            ));
        }
        samples
    }

    /// Gauges of observations with float counts.
    fn float_histograms(&mut self) -> Vec<(i64, Stored)> {
        let mut samples = Vec::new();
        for at_ms in self.times() {
            let random = &mut self.random;
            let positive: Vec<f64> = (0..3).map(|_| random.random_range(0.0..5.0)).collect();
            let zero_count = random.random_range(0.0..1.0);
            samples.push((
                at_ms,
                Stored::Histogram(Histogram {
                    counter_reset_hint: CounterResetHint::Gauge,
                    schema: 1,
                    zero_threshold: 0.01,
                    sum: random.random_range(0.0..10.0),
                    positive_spans: vec![BucketSpan {
                        offset: random.random_range(0..3),
                        length: 3,
                    }],
                    negative_spans: Vec::new(),
                    counts: HistogramCounts::Float(BucketCounts {
                        count: positive.iter().sum::<f64>() + zero_count,
                        zero_count,
                        positive,
                        negative: Vec::new(),
                    }),
                    custom_bounds: Arc::default(),
                }),
            ));
        }
        samples
    }
}

fn odd_float(random: &mut StdRng) -> f64 {
    match random.random_range(0..12) {
        0 => f64::NAN,
        1 => f64::INFINITY,
        2 => f64::NEG_INFINITY,
        3 => -0.0,
        4 => 1e300 * random.random_range(-1.0..1.0),
        5 => 1e-300,
        _ => f64::from(random.random_range(0..10)),
    }
}
