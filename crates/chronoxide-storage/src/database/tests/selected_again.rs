//! The same selections made again and again while series come, go to parts, are deleted and become idle.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::*;

type Model = BTreeMap<Labels, BTreeMap<i64, f64>>;

const MINUTE_MS: i64 = 60_000;

struct Run {
    db: Database,
    place: Place,
    random: StdRng,
    model: Model,
}

impl Run {
    fn new(seed: u64) -> Self {
        let place = Place::with_seed(seed);
        Self {
            db: place.open(Options::default()),
            place,
            random: StdRng::seed_from_u64(seed),
            model: Model::new(),
        }
    }

    /// Samples of some series, most of which are known.
    fn write(&mut self) {
        let now_ms = self.place.clock.now_ms();
        let first = self.random.random_range(0..40);
        let mut batch = WriteBatch::new();
        for number in first..first + self.random.random_range(1..8) {
            let (metric, host) = (format!("m{}", number % 3), format!("host-{number:02}"));
            let labels = labels(&[("__name__", &metric), ("host", &host)]);
            let value = f64::from(self.random.random_range(0..100));
            batch.push(labels.clone(), now_ms, value);
            self.model.entry(labels).or_default().insert(now_ms, value);
        }
        self.db.write(&batch).unwrap();
    }

    fn step(&mut self) {
        let forward = self.random.random_range(1..20) * MINUTE_MS;
        self.place.clock.set(self.place.clock.now_ms() + forward);
        match self.random.random_range(0..20) {
            0..12 => self.write(),
            12..15 => self.db.flush().unwrap(),
            15 => self.db.compact().unwrap(),
            16..18 => {
                self.place.clock.set(self.place.clock.now_ms() + DAY_MS / 4);
                self.db.flush().unwrap();
                self.db.engine.evict_idle_series().unwrap();
            }
            18 => {
                let host = format!("host-{:02}", self.random.random_range(0..48));
                let matchers = vec![Matcher::equal("host", &host)];
                self.db.delete_series(&[matchers], TimeRange::ALL).unwrap();
                self.model
                    .retain(|labels, _| labels.get("host") != Some(&host));
            }
            _ => {}
        }
    }

    fn check(&self, seed: u64) {
        let now_ms = self.place.clock.now_ms();
        let ranges = [
            TimeRange::ALL,
            TimeRange::new(now_ms - 30 * MINUTE_MS, now_ms).unwrap(),
            TimeRange::new(START_MS, START_MS + 90 * MINUTE_MS).unwrap(),
        ];
        let matchers = [
            Matcher::equal("__name__", "m1"),
            Matcher::regex("host", "host-[12].").unwrap(),
        ];
        for matchers in [&matchers[..1], &matchers[1..], &matchers[..], &[]] {
            for range in ranges {
                let is_meant = |labels: &&Labels| {
                    let value = |matcher: &Matcher| labels.get(matcher.name()).unwrap_or("");
                    matchers.iter().all(|one| one.matches(value(one)))
                };
                let expected = self.model.keys().filter(is_meant).filter_map(|labels| {
                    let samples = self.model[labels].iter();
                    let samples = samples.filter(|(at_ms, _)| range.contains(**at_ms));
                    let samples: Vec<_> = samples.map(|(at, value)| (*at, *value)).collect();
                    (!samples.is_empty()).then(|| (labels.clone(), samples))
                });
                let got = self.db.select(matchers, range).unwrap().into_iter();
                let got = got.map(|series| {
                    let series = series.unwrap();
                    let samples = series.samples().map(|one| (one.timestamp_ms, one.value));
                    (series.labels().clone(), samples.collect::<Vec<_>>())
                });
                assert_eq!(
                    got.collect::<Vec<_>>(),
                    expected.collect::<Vec<_>>(),
                    "seed {seed}: {matchers:?} in {range:?}"
                );
            }
        }
    }
}

#[test]
fn a_selection_made_again_shows_what_came_and_went_meanwhile() {
    for seed in 0..effort("SELECTED_SEEDS", 12) {
        let mut run = Run::new(seed);
        for _ in 0..60 {
            run.step();
            run.check(seed);
        }
    }
}

#[test]
fn a_selection_made_again_lends_the_registry_to_makers_of_series() {
    let place = Place::new();
    let db = place.open(Options::default());
    let mut batch = WriteBatch::new();
    batch.push(labels(&[("__name__", "m")]), START_MS, 1.0);
    db.write(&batch).unwrap();
    for again in [false, true] {
        let is_free = std::cell::Cell::new(false);
        let go_on = || {
            is_free.set(db.engine.registry.try_write().is_some());
            true
        };
        let view = db.engine.view_of_all(TimeRange::ALL);
        let matchers = [Matcher::equal("__name__", "m")];
        let selected = view.select_while(&matchers, &go_on).unwrap();
        assert_eq!(selected.unwrap().len(), 1);
        assert!(is_free.get(), "when it was asked last, again: {again}");
    }
}
