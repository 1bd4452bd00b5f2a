//! Windows of samples that slide along the steps.

use std::sync::Arc;

use crate::FloatHistogram;
use crate::eval::Size;
use crate::eval::samples::Samples;

/// The samples in `(start_ms, end_ms]`; with `anchored` or `smoothed`, also those around.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window<'w> {
    /// The step's own time, which `offset` and `@` do not move.
    pub(crate) step_ms: i64,
    /// Just before the window.
    pub(crate) start_ms: i64,
    /// End of the window.
    pub(crate) end_ms: i64,
    /// How many floats of the series come before the window.
    pub(crate) before: usize,
    /// Times of the floats.
    pub(crate) times: &'w [i64],
    /// The floats.
    pub(crate) values: &'w [f64],
    /// Start times of the floats; empty when none is known.
    pub(crate) starts: &'w [i64],
    /// Times of the histograms.
    pub(crate) histogram_times: &'w [i64],
    /// The histograms.
    pub(crate) histograms: &'w [Arc<FloatHistogram>],
    /// Start times of the histograms; empty when none is known.
    pub(crate) histogram_starts: &'w [i64],
    /// Floats that were left out, all of them in this window and in every other.
    pub(crate) left_out: usize,
}

impl Window<'_> {
    /// Whether it holds floats as well as histograms.
    pub(crate) const fn is_mixed(&self) -> bool {
        !self.times.is_empty() && !self.histogram_times.is_empty()
    }

    /// How many samples it has, a histogram counted as the floats that would take its place.
    pub(crate) fn shown_samples(&self) -> u64 {
        let floats = (self.times.len() + self.left_out) as u64;
        let histograms = self.histograms.iter();
        histograms.fold(floats, |sum, one| sum + Size::of(one).samples)
    }

    /// Length of the window in seconds.
    pub(crate) fn seconds(&self) -> f64 {
        (self.end_ms - self.start_ms) as f64 / 1000.0
    }
}

/// Where the current window lies in the samples; bounds may only rise.
#[derive(Debug, Default)]
pub(crate) struct Slide {
    floats: (usize, usize),
    histograms: (usize, usize),
}

/// Moves `(low, high)` on so that they enclose the times in `(after_ms, until_ms]`.
fn advance(
    (mut low, mut high): (usize, usize),
    times: &[i64],
    after_ms: i64,
    until_ms: i64,
) -> (usize, usize) {
    while low < times.len() && times[low] <= after_ms {
        low += 1;
    }
    high = high.max(low);
    while high < times.len() && times[high] <= until_ms {
        high += 1;
    }
    (low, high)
}

/// The part of a column that may be empty as a whole.
fn part<T>(column: &[T], (low, high): (usize, usize)) -> &[T] {
    if column.is_empty() {
        column
    } else {
        &column[low..high]
    }
}

/// The bounds of one window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// The step's own time.
    pub(crate) step_ms: i64,
    /// Just before the window.
    pub(crate) start_ms: i64,
    /// End of the window.
    pub(crate) end_ms: i64,
    /// Just before the samples to look at; `start_ms` unless the selector is extended.
    pub(crate) after_ms: i64,
    /// The last time to look at; `end_ms` unless the selector is extended.
    pub(crate) until_ms: i64,
}

impl Slide {
    /// Slides on to the window of `bounds`.
    pub(crate) fn to<'w>(&mut self, bounds: &Bounds, samples: &'w Samples) -> Window<'w> {
        self.floats = advance(
            self.floats,
            &samples.times,
            bounds.after_ms,
            bounds.until_ms,
        );
        if !samples.histogram_times.is_empty() {
            self.histograms = advance(
                self.histograms,
                &samples.histogram_times,
                bounds.after_ms,
                bounds.until_ms,
            );
        }
        Window {
            step_ms: bounds.step_ms,
            start_ms: bounds.start_ms,
            end_ms: bounds.end_ms,
            before: self.floats.0,
            times: part(&samples.times, self.floats),
            values: part(&samples.values, self.floats),
            starts: part(&samples.starts, self.floats),
            histogram_times: part(&samples.histogram_times, self.histograms),
            histograms: part(&samples.histograms, self.histograms),
            histogram_starts: part(&samples.histogram_starts, self.histograms),
            left_out: samples.left_out,
        }
    }
}

/// How many samples have been passed on the way along the times of a series.
#[derive(Debug, Default)]
pub(crate) struct Passed {
    passed: usize,
    /// How many were passed the last time, less one.
    stride: usize,
}

impl Passed {
    /// Passes all `times` up to `until_ms`, which never falls.
    #[inline(always)]
    pub(crate) fn pass(&mut self, times: &[i64], until_ms: i64) {
        let mut passed = self.passed;
        // Samples are about evenly spaced, and steps are: most often it is as far as the last time.
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

    /// How many there are.
    pub(crate) const fn count(&self) -> usize {
        self.passed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_open_at_its_start_and_closed_at_its_end() {
        let samples = Samples {
            times: vec![0, 10, 20, 30],
            values: vec![0.0, 1.0, 2.0, 3.0],
            ..Samples::default()
        };
        let mut slide = Slide::default();
        let mut at = |start_ms, end_ms| {
            let bounds = Bounds {
                step_ms: end_ms,
                start_ms,
                end_ms,
                after_ms: start_ms,
                until_ms: end_ms,
            };
            slide.to(&bounds, &samples).values.to_vec()
        };
        assert_eq!(at(-10, 0), [0.0]);
        assert_eq!(at(0, 20), [1.0, 2.0]);
        assert_eq!(at(0, 20), [1.0, 2.0]);
        assert_eq!(at(21, 25), [0.0; 0]);
        assert_eq!(at(29, 100), [3.0]);
    }
}
