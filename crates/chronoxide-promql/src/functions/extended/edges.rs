//! Where an extended window begins and ends among the samples around it.

use std::ops::Range;

use crate::eval::window::Window;

/// The samples that give the values at the edges of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Edges {
    /// The last sample at or before the start; the first one after it when there is none.
    pub(crate) first: usize,
    /// The last sample; of a smoothed window, the first one at or after the end, if there is one.
    pub(crate) last: usize,
    /// Whether values are interpolated.
    pub(crate) smoothed: bool,
}

impl Edges {
    /// The edges of `window` among samples at `times`, which are not empty; none when no sample says anything about
    /// the window.
    pub(crate) fn of(window: &Window<'_>, times: &[i64], smoothed: bool) -> Option<Self> {
        let mut last = times.len().checked_sub(1)?;
        let first = times[..last]
            .partition_point(|at_ms| *at_ms <= window.start_ms)
            .saturating_sub(1);
        if smoothed {
            last = times[..last].partition_point(|at_ms| *at_ms < window.end_ms);
        }
        let speaks = times[last] > window.start_ms && !(smoothed && times[first] > window.end_ms);
        speaks.then_some(Self {
            first,
            last,
            smoothed,
        })
    }

    /// The values at both edges; across a reset, a counter is taken to rise from zero.
    pub(crate) fn values(&self, window: &Window<'_>, is_counter: bool) -> (f64, f64) {
        let sample = |at: usize| (window.times[at], window.values[at]);
        let left = if self.interpolates_left(window, window.times) {
            interpolate(
                sample(self.first),
                sample(self.first + 1),
                window.start_ms,
                is_counter,
            )
        } else {
            window.values[self.first]
        };
        let right = if self.interpolates_right(window, window.times) {
            interpolate(
                sample(self.last - 1),
                sample(self.last),
                window.end_ms,
                is_counter,
            )
        } else {
            window.values[self.last]
        };
        (left, right)
    }

    /// Whether the value at the start lies between two samples.
    pub(crate) fn interpolates_left(&self, window: &Window<'_>, times: &[i64]) -> bool {
        self.smoothed && times[self.first] < window.start_ms && self.first + 1 < times.len()
    }

    /// Whether the value at the end lies between two samples.
    pub(crate) fn interpolates_right(&self, window: &Window<'_>, times: &[i64]) -> bool {
        self.smoothed && self.last > 0 && times[self.last] > window.end_ms
    }

    /// The samples strictly between the edges.
    pub(crate) fn inside(&self, window: &Window<'_>, times: &[i64]) -> Range<usize> {
        let first = self.first + usize::from(times[self.first] <= window.start_ms);
        let end = self.last + usize::from(times[self.last] < window.end_ms);
        first..end.max(first)
    }
}

/// The value at `at_ms` on the line through two samples; after a reset, on the line from zero.
pub(crate) fn interpolate(
    (before_ms, before): (i64, f64),
    (after_ms, after): (i64, f64),
    at_ms: i64,
    is_counter: bool,
) -> f64 {
    let before = if is_counter && after < before {
        0.0
    } else {
        before
    };
    before + (after - before) * (at_ms - before_ms) as f64 / (after_ms - before_ms) as f64
}
