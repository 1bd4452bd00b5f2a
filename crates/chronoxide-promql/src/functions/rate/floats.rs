//! The change in all windows of a series of floats, several windows beside one another.

use super::Change;
use super::extrapolation::Extents;
use crate::Error;
use crate::eval::Column;
use crate::eval::samples::Samples;
use crate::eval::window::Bounds;

/// So many windows go together: their divisions do not wait for one another.
const LANES: usize = 8;

/// Whether all samples are floats that tell nothing of start times, as nearly all are.
pub(in crate::functions) fn are_plain(samples: &Samples) -> bool {
    samples.histogram_times.is_empty() && samples.starts.is_empty()
}

/// Sets the cells of `column` to the change in each of `windows`, which ascend, one a step; returns how many samples they
/// show together. `resets` are the floats that
/// start anew, ascending; only functions of counters look at them. The samples have to be plain.
///
/// # Errors
/// What a window is replaced by.
pub(in crate::functions) fn fill(
    change: Change,
    windows: impl Iterator<Item = Result<Bounds, Error>>,
    samples: &Samples,
    resets: &[usize],
    column: &mut Column,
) -> Result<u64, Error> {
    let resets = if change.is_counter { resets } else { &[] };
    let mut series = Walk::new(samples, resets);
    let mut lanes = Lanes::default();
    let mut window_ms = 0;
    for (step, bounds) in windows.enumerate() {
        let bounds = bounds?;
        // Windows differ in length only where time itself ends.
        let length_ms = bounds.end_ms.saturating_sub(bounds.start_ms);
        if length_ms != window_ms || lanes.count == LANES {
            lanes.finish(change, window_ms, column);
            window_ms = length_ms;
        }
        if let Some(window) = series.window(bounds.start_ms, bounds.end_ms) {
            lanes.push(step, &window);
        }
    }
    lanes.finish(change, window_ms, column);
    Ok(series.shown)
}

/// What is looked at of one window.
struct Ends {
    to_start_ms: i64,
    to_end_ms: i64,
    between_ms: i64,
    gaps: usize,
    first: f64,
    total: f64,
}

/// A way along the floats of a series, window by window.
struct Walk<'s> {
    samples: &'s Samples,
    resets: &'s [usize],
    low: Place,
    high: Place,
    /// Samples of all windows so far.
    shown: u64,
}

/// How many samples have been passed.
#[derive(Default)]
struct Place {
    passed: usize,
    /// How many were passed the last time, less one.
    stride: usize,
}

impl Place {
    /// Passes all `times` up to `until_ms`, which never falls.
    #[inline(always)]
    fn pass(&mut self, times: &[i64], until_ms: i64) {
        let mut passed = self.passed;
        // Samples are about evenly spaced, and windows are: most often it is as far as the last time.
        let ahead = passed + self.stride;
        if self.stride > 0 && times.get(ahead - 1).is_some_and(|at| *at <= until_ms) {
            passed = ahead;
        }
        while times.get(passed).is_some_and(|at| *at <= until_ms) {
            passed += 1;
        }
        self.stride = (passed - self.passed).saturating_sub(1);
        self.passed = passed;
    }
}

impl<'s> Walk<'s> {
    fn new(samples: &'s Samples, resets: &'s [usize]) -> Self {
        Self {
            samples,
            resets,
            low: Place::default(),
            high: Place::default(),
            shown: 0,
        }
    }

    /// Goes on to the window after `start_ms` up to `end_ms`; nothing unless it has two samples.
    #[inline(always)]
    fn window(&mut self, start_ms: i64, end_ms: i64) -> Option<Ends> {
        let (times, values) = (&self.samples.times[..], &self.samples.values[..]);
        self.low.pass(times, start_ms);
        self.high.pass(times, end_ms);
        let (low, high) = (self.low.passed, self.high.passed);
        if high > low {
            self.shown += (high - low + self.samples.left_out) as u64;
        }
        if high < low + 2 {
            return None;
        }
        let mut total = values[high - 1] - values[low];
        while self.resets.first().is_some_and(|reset| *reset <= low) {
            self.resets = &self.resets[1..];
        }
        for reset in self.resets.iter().take_while(|reset| **reset < high) {
            total += values[reset - 1];
        }
        Some(Ends {
            to_start_ms: times[low] - start_ms,
            to_end_ms: end_ms - times[high - 1],
            between_ms: times[high - 1] - times[low],
            // What was left out lies in every window.
            gaps: high - low - 1 + self.samples.left_out,
            first: values[low],
            total,
        })
    }
}

/// Windows that wait for their numbers to be computed together.
#[derive(Default)]
struct Lanes {
    count: usize,
    steps: [usize; LANES],
    to_start_ms: [i64; LANES],
    to_end_ms: [i64; LANES],
    between_ms: [i64; LANES],
    gaps: [usize; LANES],
    first: [f64; LANES],
    total: [f64; LANES],
}

impl Lanes {
    #[inline(always)]
    fn push(&mut self, step: usize, window: &Ends) {
        let lane = self.count % LANES;
        self.steps[lane] = step;
        self.to_start_ms[lane] = window.to_start_ms;
        self.to_end_ms[lane] = window.to_end_ms;
        self.between_ms[lane] = window.between_ms;
        self.gaps[lane] = window.gaps;
        self.first[lane] = window.first;
        self.total[lane] = window.total;
        self.count += 1;
    }

    /// Sets the cells of the windows that wait. Lanes without one compute whatever they held last.
    fn finish(&mut self, change: Change, window_ms: i64, column: &mut Column) {
        let seconds = |times: &[i64; LANES]| times.map(|time| time as f64 / 1000.0);
        let covered = seconds(&self.between_ms);
        let mut average = covered;
        for (average, gaps) in average.iter_mut().zip(self.gaps) {
            *average /= gaps as f64;
        }
        let extents = Extents {
            to_start: seconds(&self.to_start_ms),
            to_end: seconds(&self.to_end_ms),
            covered,
            average,
            first: self.first,
            total: self.total,
        };
        let factors = extents.factors(change, window_ms as f64 / 1000.0);
        let changes = self.total.iter().zip(factors).zip(self.steps);
        for ((total, factor), step) in changes.take(self.count) {
            column.set_float(step, total * factor);
        }
        self.count = 0;
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    use super::*;
    use crate::eval::CellValue;
    use crate::eval::window::Slide;
    use crate::functions::range::Workspace;
    use crate::functions::rate;

    fn samples(random: &mut StdRng) -> Samples {
        let mut samples = Samples::default();
        let mut at_ms = 0;
        let mut value = 0.0;
        let distance = random.random_range(1..60_000);
        for _ in 0..random.random_range(0..300) {
            at_ms += match random.random_range(0..20) {
                0 => random.random_range(1..600_000),
                1..5 => distance + random.random_range(0..100),
                _ => distance,
            };
            value = match random.random_range(0..40) {
                0 => 0.0,
                1 => f64::from(random.random_range(-5..5)),
                2 if random.random_bool(0.1) => f64::NAN,
                3 if random.random_bool(0.1) => f64::INFINITY,
                _ => value + f64::from(random.random_range(0..40)),
            };
            samples.times.push(at_ms);
            samples.values.push(value);
        }
        samples
    }

    fn windows(random: &mut StdRng) -> Vec<Bounds> {
        let window_ms = random.random_range(1..1_000_000);
        let distance_ms = random.random_range(0..200_000);
        let mut end_ms = random.random_range(-100_000..1_000_000);
        (0..random.random_range(0..100))
            .map(|_| {
                end_ms += distance_ms;
                let start_ms = end_ms - window_ms;
                Bounds {
                    step_ms: end_ms,
                    start_ms,
                    end_ms,
                    after_ms: start_ms,
                    until_ms: end_ms,
                }
            })
            .collect()
    }

    #[test]
    fn windows_together_come_to_the_same_bits_as_one_by_one() {
        for seed in 0..2000 {
            let mut random = StdRng::seed_from_u64(seed);
            let (samples, windows) = (samples(&mut random), windows(&mut random));
            let mut workspace = Workspace::default();
            rate::find_resets(&samples, &mut workspace.resets);
            for change in [Change::RATE, Change::INCREASE, Change::DELTA] {
                let mut column = Column::absent(windows.len());
                let bounds = windows.iter().map(|window| Ok(*window));
                fill(change, bounds, &samples, &workspace.resets, &mut column).unwrap();
                let mut slide = Slide::default();
                for (step, bounds) in windows.iter().enumerate() {
                    let window = slide.to(bounds, &samples);
                    let expected = (!window.times.is_empty())
                        .then(|| rate::extrapolated(&window, &mut workspace, change))
                        .flatten()
                        .map(|value| match value {
                            CellValue::Float(value) => value.to_bits(),
                            CellValue::Histogram(_) => panic!("a histogram of floats"),
                        });
                    let got = column.float(step).map(f64::to_bits);
                    let both_nan =
                        |bits: Option<u64>| bits.map(f64::from_bits).is_some_and(f64::is_nan);
                    assert!(
                        got == expected || (both_nan(got) && both_nan(expected)),
                        "seed {seed} {change:?} {bounds:?}: {got:?} {expected:?}"
                    );
                }
            }
        }
    }
}
