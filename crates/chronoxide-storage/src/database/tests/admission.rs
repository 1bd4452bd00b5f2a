//! Batches of known series go a shorter way into the database, which comes to the same.

use std::sync::Arc;

use chronoxide_model::{BucketCounts, BucketSpan, CounterResetHint, HistogramCounts, STALE_MARKER};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::{Place, labels};
use crate::{Histogram, Labels, Options, Sample, WriteBatch};

/// Series that the database knows; beyond them are those that it does not know.
const KNOWN: u32 = 8;

fn series(number: u32) -> Labels {
    let instance = number.to_string();
    labels(&[("__name__", "m"), ("instance", &instance), ("job", "a")])
}

/// A histogram of `count` observations; one in ten contradicts itself, one in ten ends its series.
fn histogram(rng: &mut StdRng, is_good: bool) -> Histogram {
    let count = rng.random_range(1..100_u64);
    Histogram {
        counter_reset_hint: CounterResetHint::Unknown,
        schema: 3,
        zero_threshold: 0.001,
        sum: if rng.random_bool(0.1) {
            STALE_MARKER
        } else {
            count as f64
        },
        positive_spans: vec![BucketSpan {
            offset: 0,
            length: 2,
        }],
        negative_spans: Vec::new(),
        counts: HistogramCounts::Integer(BucketCounts {
            count: count + u64::from(!is_good),
            zero_count: 0,
            positive: vec![count - 1, 1],
            negative: Vec::new(),
        }),
        custom_bounds: Arc::default(),
    }
}

/// A batch in which now and then something is amiss; one in three has one plain sample of each series.
fn fill(mut batch: WriteBatch<'static>, rng: &mut StdRng, now_ms: i64) -> WriteBatch<'static> {
    let is_amiss = rng.random_bool(0.5);
    let is_plain = rng.random_bool(0.3);
    for _ in 0..rng.random_range(1..6) {
        let is_unknown = is_amiss && rng.random_bool(0.05);
        let known = rng.random_range(0..KNOWN);
        batch.start_series(&series(if is_unknown { KNOWN } else { known }));
        let samples = rng.random_range(0..4);
        for _ in 0..if is_plain { 1 } else { samples } {
            let is_early = is_amiss && rng.random_bool(0.05);
            let ahead = if is_amiss && rng.random_bool(0.05) {
                3_600_000
            } else {
                rng.random_range(0..5)
            };
            let time = if is_early { 1 } else { now_ms + ahead };
            let is_started = !is_plain && rng.random_bool(0.3);
            let start = if is_started { time - 1 } else { 0 };
            if !is_plain && rng.random_bool(0.3) {
                let is_good = !(is_amiss && rng.random_bool(0.1));
                batch.push_histogram(time, start, histogram(rng, is_good));
            } else {
                let value = f64::from(rng.random_range(0..5_u32));
                batch.push_sample_started(Sample::new(time, value), start);
            }
        }
    }
    batch
}

#[test]
fn the_short_way_in_is_taken_by_whole_batches_of_known_series_and_comes_to_the_same() {
    let place = Place::new();
    let db = place.open(Options::default());
    let mut known = WriteBatch::new();
    for number in 0..KNOWN {
        known.push(series(number), super::START_MS, 1.0);
    }
    db.write(&known).unwrap();
    let window = db.engine.admission_window();
    let (mut short, mut single, mut long) = (0, 0, 0);
    for seed in 0..3000 {
        let mut rng = StdRng::seed_from_u64(seed);
        let empty = if rng.random_bool(0.7) {
            db.batch()
        } else {
            WriteBatch::new()
        };
        let batch = fill(empty, &mut rng, super::START_MS);
        let quick = db.engine.admit_known(&batch, window);
        let Some((quick, quick_outcome)) = quick else {
            // Refused samples or an unknown series; the latter is not made known here.
            long += 1;
            continue;
        };
        short += 1;
        single += u32::from(batch.single_samples().is_some());
        let (each, outcome) = db.engine.admit_each(&batch, window).unwrap();
        assert_eq!(quick_outcome, outcome, "seed {seed}");
        // Stale markers are NaN, which equals nothing.
        let texts = [&quick.batch, &each.batch].map(|admitted| format!("{admitted:?}"));
        assert_eq!(texts[0], texts[1], "seed {seed}");
        assert_eq!(quick.exemplar_series, each.exemplar_series, "seed {seed}");
        assert!(outcome.is_complete(), "seed {seed}: {outcome:?}");
        let taken = outcome.samples_accepted + outcome.histograms_accepted;
        let brought = batch.sample_count() + batch.histogram_count();
        assert_eq!(taken, brought as u64, "seed {seed}");
    }
    let counts = format!("{short} short, {single} of them single samples, {long} long");
    assert!(short > 1000 && single > 400 && long > 200, "{counts}");
}
