//! How a change between samples extends to the edges of its window.

use super::Change;

/// What extrapolation looks at, of `N` windows beside one another. Times are in seconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extents<const N: usize> {
    /// From the start of the window to the first sample.
    pub(super) to_start: [f64; N],
    /// From the last sample to the end of the window.
    pub(super) to_end: [f64; N],
    /// What the change took place in: from the first sample, or the start it tells of, to the last one.
    pub(super) covered: [f64; N],
    /// The mean distance between samples.
    pub(super) average: [f64; N],
    /// The first value.
    pub(super) first: [f64; N],
    /// The change.
    pub(super) total: [f64; N],
}

impl<const N: usize> Extents<N> {
    /// What the changes are to be multiplied with, in windows of `window_s` seconds: they are stretched as far as the
    /// distances between samples suggest that the series reaches, and a counter not below zero.
    #[inline(always)]
    pub(super) fn factors(&self, change: Change, window_s: f64) -> [f64; N] {
        let thresholds = self.average.map(|average| average * 1.1);
        let halves = self.average.map(|average| average / 2.0);
        let mut to_start = within(self.to_start, thresholds, halves);
        let to_end = within(self.to_end, thresholds, halves);
        if change.is_counter {
            for (lane, to_start) in to_start.iter_mut().enumerate() {
                let to_zero =
                    seconds_to_zero(self.first[lane], self.total[lane], self.covered[lane]);
                *to_start = to_start.min(to_zero);
            }
        }
        let mut factors = self.covered;
        for (lane, factor) in factors.iter_mut().enumerate() {
            let covered = *factor;
            // Computed without looking, so that lanes go together.
            let stretched = (covered + to_start[lane] + to_end[lane]) / covered;
            *factor = if covered == 0.0 { 1.0 } else { stretched };
        }
        if change.is_rate {
            factors = factors.map(|factor| factor / window_s);
        }
        factors
    }
}

/// The distances that are below their thresholds, `otherwise` the others.
#[inline(always)]
fn within<const N: usize>(
    mut distances: [f64; N],
    thresholds: [f64; N],
    otherwise: [f64; N],
) -> [f64; N] {
    for (lane, distance) in distances.iter_mut().enumerate() {
        *distance = if *distance >= thresholds[lane] {
            otherwise[lane]
        } else {
            *distance
        };
    }
    distances
}

/// How long before its first value a counter was zero, going by its slope; infinite without one.
#[inline(always)]
fn seconds_to_zero(first: f64, total: f64, covered: f64) -> f64 {
    let seconds = covered * (first / total);
    if total > 0.0 && first >= 0.0 {
        seconds
    } else {
        f64::INFINITY
    }
}
