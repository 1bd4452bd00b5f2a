//! The change in all windows of a series of floats, several windows beside one another.

use super::Change;
use std::collections::HashMap;

use super::extrapolation::{Extents, reach, stretches};
use crate::Error;
use crate::eval::samples::Samples;
use crate::eval::window::{Bounds, Passed};
use crate::eval::{Bits, Column};

/// So many windows go together: their divisions do not wait for one another.
const LANES: usize = 8;

/// Whether all samples are floats that tell nothing of start times, as nearly all are.
pub(in crate::functions) fn are_plain(samples: &Samples) -> bool {
    samples.histogram_times.is_empty() && samples.starts.is_empty()
}

/// Where the windows of one call lie in the samples of a series, and how far they reach beyond them: the same for all
/// series with samples at the same times, as those of one scrape are, and they come one after the other.
#[derive(Debug, Default)]
pub(in crate::functions) struct Windows {
    /// The times that the rest was found for, and how many samples were left out there, if that is known.
    of: Option<(Vec<i64>, usize)>,
    /// What the factors are for.
    change: Option<Change>,
    /// One lane for each step.
    lanes: Vec<Lanes>,
    /// The steps whose window has two samples or more.
    present: Bits,
    /// Samples of all windows.
    shown: u64,
}

/// Times of longer series are not kept to compare others with.
const TIMES_KEPT_MAX: usize = 1 << 16;

/// Several windows beside one another. Times are in seconds.
#[derive(Clone, Debug)]
struct Lanes {
    /// The first and the last sample.
    first: [u32; LANES],
    last: [u32; LANES],
    to_start: [f64; LANES],
    to_end: [f64; LANES],
    covered: [f64; LANES],
    length: [f64; LANES],
    /// What the change is multiplied with, unless a counter was zero just before.
    plain: [f64; LANES],
}

impl Lanes {
    /// Lanes whose windows have nothing that counts.
    const NONE: Self = Self {
        first: [0; LANES],
        last: [0; LANES],
        to_start: [0.0; LANES],
        to_end: [0.0; LANES],
        covered: [1.0; LANES],
        length: [1.0; LANES],
        plain: [1.0; LANES],
    };

    /// Whether no counter was zero within the reach of its window, going by its slope; at times no although it is so.
    ///
    /// What is compared is what the division by the change would give, as far as the rounding of products allows.
    #[inline(always)]
    fn are_above_zero(&self, first: &[f64; LANES], total: &[f64; LANES]) -> bool {
        /// Many times what two products and two quotients are off by.
        const MARGIN: f64 = 1.0 + 1e-6;
        /// Products outside are not as exact as that.
        const LEAST: f64 = 1e-290;
        const MOST: f64 = 1e290;
        let mut all = true;
        for lane in 0..LANES {
            let reached = first[lane] * self.covered[lane];
            let needed = total[lane] * (self.to_start[lane] * MARGIN);
            let is_above = (reached > needed) & (reached > LEAST) & (reached < MOST);
            all &= is_above | (total[lane] <= 0.0);
        }
        all
    }

    /// Adds what falls took away to `total`. `resets` are those not before these lanes.
    fn add_resets<'r>(
        &self,
        values: &[f64],
        mut resets: &'r [usize],
        total: &mut [f64; LANES],
    ) -> &'r [usize] {
        for ((total, low), high) in total.iter_mut().zip(self.first).zip(self.last) {
            while resets.first().is_some_and(|reset| *reset <= low as usize) {
                resets = &resets[1..];
            }
            for reset in resets.iter().take_while(|reset| **reset <= high as usize) {
                *total += values[reset - 1];
            }
        }
        resets
    }
}

/// The windows of the targets whose series come in turns.
#[derive(Debug, Default)]
pub(in crate::functions) struct Turns {
    /// The first place is for series that take more than their share.
    windows: Vec<Windows>,
    /// By first and last time, and number of samples.
    places: HashMap<Times, usize>,
    /// The place that is given to another target next.
    next: usize,
}

type Times = (Option<i64>, Option<i64>, usize);

/// What the windows of one target may take to be kept apart, and those of all targets.
const TARGET_BYTES_MAX: usize = 32 << 10;
const TARGETS_BYTES_MAX: usize = 2 << 20;

/// What the windows of `steps` steps take, of all targets.
pub(in crate::functions) const fn bytes_of_windows(steps: usize) -> u64 {
    let lanes = steps.div_ceil(LANES) * size_of::<Lanes>();
    let one = lanes + TIMES_KEPT_MAX * size_of::<i64>();
    let many = if lanes < TARGET_BYTES_MAX {
        TARGETS_BYTES_MAX
    } else {
        0
    };
    (one + many) as u64
}

impl Turns {
    /// The windows that are most likely those of `samples` at `steps` steps.
    pub(in crate::functions) fn of(&mut self, samples: &Samples, steps: usize) -> &mut Windows {
        let times = &samples.times;
        let bytes = steps.div_ceil(LANES) * size_of::<Lanes>() + size_of_val(&times[..]);
        let place = if bytes > TARGET_BYTES_MAX {
            0
        } else {
            let key = (times.first().copied(), times.last().copied(), times.len());
            self.place_of(
                key,
                TARGETS_BYTES_MAX / TARGET_BYTES_MAX.min(bytes.max(1 << 10)),
            )
        };
        if self.windows.len() <= place {
            self.windows.resize_with(place + 1, Windows::default);
        }
        &mut self.windows[place]
    }

    /// The place of the target with these times, one of `targets` besides the first.
    fn place_of(&mut self, times: Times, targets: usize) -> usize {
        if let Some(place) = self.places.get(&times) {
            return *place;
        }
        // Who has the place already finds other times there, and looks for its windows anew.
        self.next = self.next % targets + 1;
        if self.places.len() >= 2 * targets {
            self.places.clear();
        }
        self.places.insert(times, self.next);
        self.next
    }
}

impl Windows {
    /// Finds the windows of `bounds`, which ascend, one a step, unless they are known from a series with the same times.
    /// The samples have to be plain.
    ///
    /// # Errors
    /// What a window is replaced by.
    pub(in crate::functions) fn find(
        &mut self,
        change: Change,
        bounds: impl Iterator<Item = Result<Bounds, Error>>,
        samples: &Samples,
    ) -> Result<(), Error> {
        let is_known = self.of.as_ref().is_some_and(|(times, left_out)| {
            self.change == Some(change)
                && *left_out == samples.left_out
                && times.last() == samples.times.last()
                && *times == samples.times
        });
        if is_known {
            return Ok(());
        }
        let (mut times, _) = self.of.take().unwrap_or_default();
        self.walk(bounds, samples)?;
        for lanes in &mut self.lanes {
            lanes.plain = stretches(
                &lanes.to_start,
                &lanes.to_end,
                &lanes.covered,
                &lanes.length,
                change.is_rate,
            );
        }
        self.change = Some(change);
        if samples.times.len() <= TIMES_KEPT_MAX {
            times.clone_from(&samples.times);
            self.of = Some((times, samples.left_out));
        }
        Ok(())
    }

    fn walk(
        &mut self,
        bounds: impl Iterator<Item = Result<Bounds, Error>>,
        samples: &Samples,
    ) -> Result<(), Error> {
        let times = &samples.times[..];
        self.lanes.clear();
        self.present.clear_all();
        self.shown = 0;
        let (mut low, mut high) = (Passed::default(), Passed::default());
        for (step, bounds) in bounds.enumerate() {
            let bounds = bounds?;
            low.pass(times, bounds.start_ms);
            high.pass(times, bounds.end_ms);
            let (first, end) = (low.count(), high.count());
            if end > first {
                self.shown += (end - first + samples.left_out) as u64;
            }
            let lane = step % LANES;
            if lane == 0 {
                self.lanes.push(Lanes::NONE);
            }
            let has_change = end >= first + 2;
            self.present.push(step, has_change);
            let Some(lanes) = self.lanes.last_mut().filter(|_| has_change) else {
                continue;
            };
            let seconds = |from_ms: i64, to_ms: i64| (to_ms - from_ms) as f64 / 1000.0;
            let (first_ms, last_ms) = (times[first], times[end - 1]);
            let covered = seconds(first_ms, last_ms);
            // What was left out lies in every window.
            let average = covered / (end - first - 1 + samples.left_out) as f64;
            lanes.first[lane] = first as u32;
            lanes.last[lane] = (end - 1) as u32;
            lanes.to_start[lane] = reach(seconds(bounds.start_ms, first_ms), average);
            lanes.to_end[lane] = reach(seconds(last_ms, bounds.end_ms), average);
            lanes.covered[lane] = covered;
            // Windows differ in length only where time itself ends.
            lanes.length[lane] = bounds.end_ms.saturating_sub(bounds.start_ms) as f64 / 1000.0;
        }
        Ok(())
    }

    /// The change in each of the windows of `steps` steps, and how many samples they show together. `samples` are those
    /// that the windows were found for, `resets` the floats of them that start anew, ascending; only functions of counters
    /// look at them.
    pub(in crate::functions) fn changes(
        &self,
        steps: usize,
        samples: &Samples,
        resets: &[usize],
    ) -> (Column, u64) {
        if self.present.are_none() {
            return (Column::absent(steps), self.shown);
        }
        let Some(change) = self.change else {
            return (Column::absent(steps), self.shown);
        };
        let mut resets = if change.is_counter { resets } else { &[] };
        let values = &samples.values[..];
        let mut floats = Vec::with_capacity(self.lanes.len() * LANES);
        for lanes in &self.lanes {
            let (mut first, mut total) = ([0.0; LANES], [0.0; LANES]);
            for lane in 0..LANES {
                first[lane] = values[lanes.first[lane] as usize];
                total[lane] = values[lanes.last[lane] as usize] - first[lane];
            }
            if !resets.is_empty() {
                resets = lanes.add_resets(values, resets, &mut total);
            }
            if !change.is_counter || lanes.are_above_zero(&first, &total) {
                for (total, factor) in total.iter_mut().zip(lanes.plain) {
                    *total *= factor;
                }
                floats.extend_from_slice(&total);
                continue;
            }
            let extents = Extents {
                to_start: lanes.to_start,
                to_end: lanes.to_end,
                covered: lanes.covered,
                first,
                total,
                window: lanes.length,
            };
            for (total, factor) in total.iter_mut().zip(extents.factors(change)) {
                *total *= factor;
            }
            floats.extend_from_slice(&total);
        }
        floats.truncate(steps);
        (Column::of_present(floats, self.present.clone()), self.shown)
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
                let mut known = Windows::default();
                for _ in 0..2 {
                    let bounds = windows.iter().map(|window| Ok(*window));
                    known.find(change, bounds, &samples).unwrap();
                }
                let resets = &workspace.resets;
                let (column, _) = known.changes(windows.len(), &samples, resets);
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
