//! The windows of several steps worked on together, one beside the other.
//!
//! Sums over sliding windows cannot be carried from one window to the next: compensated sums round differently for each
//! order of additions, and Prometheus begins anew in every window. So each window takes in its own floats in their own
//! order, and the answers are bit by bit those of one window after the other. But a running sum spends most of its time
//! waiting for its last addition, and windows do not wait for one another.

use std::array::from_fn;
use std::ops::Range;

use crate::eval::samples::Samples;
use crate::kahan::KahanSum;

/// So many windows go together.
const LANES: usize = 8;

/// Longer windows are left to the functions themselves, which look in between whether the query is to stop.
const FLOATS_MAX: usize = 1 << 14;

/// What a window comes to: as many numbers as the largest needs.
pub(crate) type Totals = [f64; 2];

/// What is computed of windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Sum and compensation.
    Sum,
    /// The population variance.
    Variance,
    /// Slope and intercept, as from the first float of the window.
    LineFromFirst,
    /// Slope and intercept, as from the time of the step.
    LineFromStep,
}

/// Where a window lies among the floats of the series, and its step.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) floats: Range<usize>,
    pub(crate) step_ms: i64,
}

/// Fills `totals` with what the windows at `places` come to; false, and nothing certain, when they have to be worked on
/// one by one.
pub(crate) fn fill(
    kind: Kind,
    samples: &Samples,
    places: &[Place],
    totals: &mut Vec<Totals>,
) -> bool {
    // Squares and products must stay finite, so that errors of additions are what they are computed as.
    const LARGEST: f64 = 1e140;
    totals.clear();
    let small = places.iter().all(|place| place.floats.len() <= FLOATS_MAX);
    if !small || !samples.values.iter().all(|value| value.abs() < LARGEST) {
        return false;
    }
    if kind == Kind::LineFromStep {
        work::<Lines<true>>(samples, places, totals);
        return true;
    }
    // Steps closer to one another than samples have windows with the same floats.
    let distinct: Vec<Place> = places
        .chunk_by(|before, after| before.floats == after.floats)
        .filter_map(|same| same.first().cloned())
        .collect();
    match kind {
        Kind::Sum => work::<Sums>(samples, &distinct, totals),
        Kind::Variance => work::<Variances>(samples, &distinct, totals),
        Kind::LineFromFirst | Kind::LineFromStep => {
            work::<Lines<false>>(samples, &distinct, totals);
        }
    }
    if distinct.len() < places.len() {
        repeat(places, totals);
    }
    true
}

/// Makes `totals`, one for each run of places with the same floats, one for each place.
fn repeat(places: &[Place], totals: &mut Vec<Totals>) {
    let mut run = totals.len();
    totals.resize(places.len(), [0.0; 2]);
    // From the end, so that none is overwritten before it was repeated.
    for at in (0..places.len()).rev() {
        let is_last = places
            .get(at + 1)
            .is_none_or(|next| next.floats != places[at].floats);
        run -= usize::from(is_last);
        totals[at] = totals[run];
    }
}

/// Windows on their way, each in a lane of its own.
trait Lanes {
    fn new(samples: &Samples, places: &[Place; LANES]) -> Self;

    /// Takes in the next float of each lane; `at` says where it is.
    fn add(&mut self, samples: &Samples, at: &[usize; LANES]);

    /// What the window in `lane` comes to, after the floats in `rest`.
    fn finish(&self, lane: usize, samples: &Samples, rest: Range<usize>) -> Totals;
}

fn work<L: Lanes>(samples: &Samples, places: &[Place], totals: &mut Vec<Totals>) {
    for group in places.chunks(LANES) {
        // A last group that is too small repeats its last window.
        let group: [Place; LANES] = from_fn(|lane| group[lane.min(group.len() - 1)].clone());
        let together = group
            .iter()
            .map(|place| place.floats.len())
            .min()
            .unwrap_or(0);
        let mut lanes = L::new(samples, &group);
        let mut at: [usize; LANES] = from_fn(|lane| group[lane].floats.start);
        for _ in 0..together {
            lanes.add(samples, &at);
            for at in &mut at {
                *at += 1;
            }
        }
        for (lane, place) in group.iter().enumerate() {
            totals.push(lanes.finish(lane, samples, at[lane]..place.floats.end));
        }
    }
    totals.truncate(places.len());
}

/// Compensated sums. The error of an addition is computed without looking which term is larger, which gives the same
/// number as looking as long as nothing overflows.
#[derive(Clone, Copy)]
struct Compensated {
    sum: [f64; LANES],
    compensation: [f64; LANES],
}

impl Compensated {
    const ZERO: Self = Self {
        sum: [0.0; LANES],
        compensation: [0.0; LANES],
    };

    #[inline(always)]
    fn add(&mut self, values: [f64; LANES]) {
        let lanes = self.sum.iter_mut().zip(&mut self.compensation).zip(values);
        for ((sum, compensation), value) in lanes {
            let total = *sum + value;
            let taken = total - *sum;
            *compensation += (*sum - (total - taken)) + (value - taken);
            *sum = total;
        }
    }

    #[inline(always)]
    fn value(&self, lane: usize) -> f64 {
        self.sum[lane] + self.compensation[lane]
    }

    const fn one(&self, lane: usize) -> KahanSum {
        KahanSum {
            sum: self.sum[lane],
            compensation: self.compensation[lane],
        }
    }
}

struct Sums(Compensated);

impl Lanes for Sums {
    fn new(_: &Samples, _: &[Place; LANES]) -> Self {
        Self(Compensated::ZERO)
    }

    #[inline(always)]
    fn add(&mut self, samples: &Samples, at: &[usize; LANES]) {
        self.0.add(from_fn(|lane| samples.values[at[lane]]));
    }

    fn finish(&self, lane: usize, samples: &Samples, rest: Range<usize>) -> Totals {
        let mut sum = self.0.one(lane);
        for value in &samples.values[rest] {
            sum.add(*value);
        }
        [sum.sum, sum.compensation]
    }
}

/// Welford's method.
struct Variances {
    mean: Compensated,
    squares: Compensated,
    count: f64,
}

impl Lanes for Variances {
    fn new(_: &Samples, _: &[Place; LANES]) -> Self {
        Self {
            mean: Compensated::ZERO,
            squares: Compensated::ZERO,
            count: 0.0,
        }
    }

    #[inline(always)]
    fn add(&mut self, samples: &Samples, at: &[usize; LANES]) {
        let values: [f64; LANES] = from_fn(|lane| samples.values[at[lane]]);
        self.count += 1.0;
        let distances: [f64; LANES] = from_fn(|lane| values[lane] - self.mean.value(lane));
        self.mean.add(from_fn(|lane| distances[lane] / self.count));
        self.squares.add(from_fn(|lane| {
            distances[lane] * (values[lane] - self.mean.value(lane))
        }));
    }

    fn finish(&self, lane: usize, samples: &Samples, rest: Range<usize>) -> Totals {
        let (mut mean, mut squares) = (self.mean.one(lane), self.squares.one(lane));
        let mut count = self.count;
        for value in &samples.values[rest] {
            count += 1.0;
            let distance = value - mean.value();
            mean.add(distance / count);
            squares.add(distance * (value - mean.value()));
        }
        [squares.value() / count, 0.0]
    }
}

/// Least squares.
struct Lines<const FROM_STEP: bool> {
    origins_ms: [i64; LANES],
    starts: [usize; LANES],
    x: Compensated,
    y: Compensated,
    xy: Compensated,
    xx: Compensated,
}

impl<const FROM_STEP: bool> Lanes for Lines<FROM_STEP> {
    fn new(samples: &Samples, places: &[Place; LANES]) -> Self {
        Self {
            origins_ms: from_fn(|lane| {
                let place = &places[lane];
                let first_ms = samples.times.get(place.floats.start).copied();
                match first_ms {
                    Some(first_ms) if !FROM_STEP => first_ms,
                    _ => place.step_ms,
                }
            }),
            starts: from_fn(|lane| places[lane].floats.start),
            x: Compensated::ZERO,
            y: Compensated::ZERO,
            xy: Compensated::ZERO,
            xx: Compensated::ZERO,
        }
    }

    #[inline(always)]
    fn add(&mut self, samples: &Samples, at: &[usize; LANES]) {
        let y: [f64; LANES] = from_fn(|lane| samples.values[at[lane]]);
        let x: [f64; LANES] = from_fn(|lane| {
            let from_origin_ms = samples.times[at[lane]].saturating_sub(self.origins_ms[lane]);
            from_origin_ms as f64 / 1000.0
        });
        self.x.add(x);
        self.y.add(y);
        self.xy.add(from_fn(|lane| x[lane] * y[lane]));
        self.xx.add(from_fn(|lane| x[lane] * x[lane]));
    }

    fn finish(&self, lane: usize, samples: &Samples, rest: Range<usize>) -> Totals {
        let mut sums = LineSums {
            x: self.x.one(lane),
            y: self.y.one(lane),
            xy: self.xy.one(lane),
            xx: self.xx.one(lane),
        };
        let end = rest.end;
        for at in rest {
            sums.add(samples.times[at], self.origins_ms[lane], samples.values[at]);
        }
        let (slope, intercept) = sums.line(end - self.starts[lane]);
        [slope, intercept]
    }
}

/// The sums that a line is computed from.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LineSums {
    x: KahanSum,
    y: KahanSum,
    xy: KahanSum,
    xx: KahanSum,
}

impl LineSums {
    /// Takes in `y` at `at_ms`, as from `origin_ms`.
    #[inline]
    pub(super) fn add(&mut self, at_ms: i64, origin_ms: i64, y: f64) {
        let x = at_ms.saturating_sub(origin_ms) as f64 / 1000.0;
        self.x.add(x);
        self.y.add(y);
        self.xy.add(x * y);
        self.xx.add(x * x);
    }

    /// Slope and intercept of the line through `count` points.
    pub(super) fn line(&self, count: usize) -> (f64, f64) {
        let count = count as f64;
        let (x, y) = (self.x.value(), self.y.value());
        let covariance = self.xy.value() - x * y / count;
        let variance = self.xx.value() - x * x / count;
        let slope = covariance / variance;
        (slope, y / count - slope * x / count)
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    use super::*;

    fn samples(seed: u64) -> Samples {
        let mut random = StdRng::seed_from_u64(seed);
        let mut at_ms = 0;
        let mut samples = Samples::default();
        for _ in 0..300 {
            at_ms += random.random_range(1..30_000);
            samples.times.push(at_ms);
            samples.values.push(match random.random_range(0..8) {
                0 => 0.0,
                1 => -0.0,
                2 => f64::from(random.random_range(-5..5)),
                3 => random.random_range(-1.0..1.0) * 10_f64.powi(random.random_range(-300..130)),
                _ => random.random_range(-1.0..1.0) * 10_f64.powi(random.random_range(-12..12)),
            });
        }
        samples
    }

    fn places(seed: u64) -> Vec<Place> {
        let mut random = StdRng::seed_from_u64(seed);
        let (mut start, mut end) = (0, 0);
        (0..43)
            .map(|step| {
                start += random.random_range(0..8);
                end = (end + random.random_range(0..10)).max(start).min(300);
                start = start.min(end);
                Place {
                    floats: start..end,
                    step_ms: 90_000 * step,
                }
            })
            .collect()
    }

    /// One window after the other.
    fn plain(kind: Kind, samples: &Samples, place: &Place) -> Totals {
        let values = &samples.values[place.floats.clone()];
        match kind {
            Kind::Sum => {
                let mut sum = KahanSum::default();
                values.iter().for_each(|value| sum.add(*value));
                [sum.sum, sum.compensation]
            }
            Kind::Variance => {
                let (mut mean, mut squares) = (KahanSum::default(), KahanSum::default());
                let mut count = 0.0;
                for value in values {
                    count += 1.0;
                    let distance = value - mean.value();
                    mean.add(distance / count);
                    squares.add(distance * (value - mean.value()));
                }
                [squares.value() / count, 0.0]
            }
            Kind::LineFromFirst | Kind::LineFromStep => {
                let times = &samples.times[place.floats.clone()];
                let origin_ms = match (kind, times.first()) {
                    (Kind::LineFromFirst, Some(first_ms)) => *first_ms,
                    _ => place.step_ms,
                };
                let mut sums = LineSums::default();
                for (at_ms, value) in times.iter().zip(values) {
                    sums.add(*at_ms, origin_ms, *value);
                }
                sums.line(values.len()).into()
            }
        }
    }

    #[test]
    fn windows_together_come_to_the_same_bits_as_one_by_one() {
        for seed in 0..40 {
            let (samples, places) = (samples(seed), places(seed));
            for kind in [
                Kind::Sum,
                Kind::Variance,
                Kind::LineFromFirst,
                Kind::LineFromStep,
            ] {
                let mut totals = Vec::new();
                assert!(fill(kind, &samples, &places, &mut totals));
                assert_eq!(totals.len(), places.len());
                for (place, total) in places.iter().zip(&totals) {
                    let expected = plain(kind, &samples, place);
                    let same = total.iter().zip(&expected).all(|(got, expected)| {
                        got.to_bits() == expected.to_bits() || (got.is_nan() && expected.is_nan())
                    });
                    assert!(
                        same,
                        "seed {seed} {kind:?} {place:?}: {total:?} {expected:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn windows_that_could_overflow_are_refused() {
        let mut samples = samples(1);
        for odd in [f64::INFINITY, f64::NAN, 1e200] {
            samples.values[7] = odd;
            assert!(!fill(Kind::Sum, &samples, &places(1), &mut Vec::new()));
        }
    }
}
