//! A seeded set that looks like a few exporters: constants, counters, gauges with few decimals, buckets.

use chronoxide_model::Labels;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::Job;

pub(crate) const SEED: u64 = 0x0c0f_fee0;
const TARGETS: usize = 4;
const SERIES: usize = 500;
const SCRAPES: usize = 1800;
const START_MS: i64 = 1_700_000_000_000;

pub(crate) fn jobs() -> Vec<Job> {
    let mut random = StdRng::seed_from_u64(SEED);
    (0..TARGETS)
        .map(|target| job(target, &mut random))
        .collect()
}

fn job(target: usize, random: &mut StdRng) -> Job {
    let times_ms = (0..SCRAPES as i64)
        .map(|scrape| START_MS + scrape * 1000 + random.random_range(-3..4))
        .collect();
    let instance = format!("target-{target}:9100");
    let series = (0..SERIES).map(|index| {
        let name = format!("metric_{}_total", index / 10);
        let device = format!("device-{}", index % 10);
        Labels::from_pairs([
            ("__name__", &name),
            ("device", &device),
            ("instance", &instance),
            ("job", &"bench".into()),
        ])
        .expect("the names differ")
    });
    Job {
        times_ms,
        series: series.collect(),
        counters: (0..SERIES)
            .map(|index| matches!(index % 10, 6 | 7))
            .collect(),
        values: (0..SERIES).map(|index| values(index, random)).collect(),
    }
}

fn values(index: usize, random: &mut StdRng) -> Vec<f64> {
    let mut value = random.random_range(0..100_000) as f64;
    (0..SCRAPES)
        .map(|_| {
            match index % 10 {
                // Most series of real exporters hardly ever change.
                0..=5 => {}
                6 | 7 => value += random.random_range(0..50) as f64,
                8 => {
                    value = (value * 100.0 + random.random_range(-200..200) as f64).round() / 100.0
                }
                _ => value += random.random_range(0..4) as f64 * 4096.0,
            }
            value
        })
        .collect()
}
