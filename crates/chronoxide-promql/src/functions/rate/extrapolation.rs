//! How a change between samples extends to the edges of its window.

use super::Change;

/// How far a window reaches beyond its first or last sample, `distance` from its edge: up to the edge, or half the
/// `average` distance between samples where the series seems to have begun or ended in between. Times are in seconds.
#[inline(always)]
pub(super) fn reach(distance: f64, average: f64) -> f64 {
    let (threshold, half) = (average * 1.1, average / 2.0);
    if distance >= threshold {
        half
    } else {
        distance
    }
}

/// What extrapolation looks at, of `N` windows beside one another. Times are in seconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extents<const N: usize> {
    /// How far the window reaches before the first sample.
    pub(super) to_start: [f64; N],
    /// How far the window reaches beyond the last sample.
    pub(super) to_end: [f64; N],
    /// What the change took place in: from the first sample, or the start it tells of, to the last one.
    pub(super) covered: [f64; N],
    /// The first value.
    pub(super) first: [f64; N],
    /// The change.
    pub(super) total: [f64; N],
    /// Length of the window.
    pub(super) window: [f64; N],
}

impl<const N: usize> Extents<N> {
    /// What the changes are to be multiplied with: they are stretched as far as the windows reach, and a counter not below
    /// zero.
    #[inline(always)]
    pub(super) fn factors(&self, change: Change) -> [f64; N] {
        let mut to_start = self.to_start;
        if change.is_counter {
            for (lane, to_start) in to_start.iter_mut().enumerate() {
                let to_zero =
                    seconds_to_zero(self.first[lane], self.total[lane], self.covered[lane]);
                *to_start = to_start.min(to_zero);
            }
        }
        stretches(
            &to_start,
            &self.to_end,
            &self.covered,
            &self.window,
            change.is_rate,
        )
    }
}

/// How far changes are stretched that take place in `covered` and reach so far to the start and to the end of their
/// windows; by second for rates.
#[inline(always)]
pub(super) fn stretches<const N: usize>(
    to_start: &[f64; N],
    to_end: &[f64; N],
    covered: &[f64; N],
    window: &[f64; N],
    is_rate: bool,
) -> [f64; N] {
    let mut factors = *covered;
    for (lane, factor) in factors.iter_mut().enumerate() {
        let covered = *factor;
        // Computed without looking, so that lanes go together.
        let stretched = (covered + to_start[lane] + to_end[lane]) / covered;
        *factor = if covered == 0.0 { 1.0 } else { stretched };
    }
    if is_rate {
        for (factor, window) in factors.iter_mut().zip(window) {
            *factor /= window;
        }
    }
    factors
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
