//! The extreme of a sliding window, without looking at all of it each time.

use std::collections::VecDeque;

/// The candidates for the extreme of the current and later windows.
///
/// Invariant: indices ascend, and no candidate is replaced by one behind it; so the first one is the extreme. Each
/// float comes and goes once, however many windows it is in.
#[derive(Debug, Default)]
pub(crate) struct Extremes {
    candidates: VecDeque<usize>,
    /// How many floats of the series have been looked at.
    seen: usize,
}

impl Extremes {
    /// Forgets the series.
    pub(crate) fn clear(&mut self) {
        self.candidates.clear();
        self.seen = 0;
    }

    /// The index in the series of the extreme of the window that holds `values` after `before` others; none when all
    /// are NaN. Windows may only move forward.
    ///
    /// `is_replaced` tells whether its first argument is no extreme beside the later second one.
    pub(crate) fn slide(
        &mut self,
        before: usize,
        values: &[f64],
        is_replaced: impl Fn(f64, f64) -> bool,
    ) -> Option<usize> {
        while self.candidates.front().is_some_and(|at| *at < before) {
            self.candidates.pop_front();
        }
        let end = before + values.len();
        for at in self.seen.max(before)..end {
            let value = values[at - before];
            if value.is_nan() {
                continue;
            }
            while let Some(last) = self.candidates.back()
                && is_replaced(values[last - before], value)
            {
                self.candidates.pop_back();
            }
            self.candidates.push_back(at);
        }
        self.seen = self.seen.max(end);
        self.candidates.front().copied()
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    use super::*;

    #[test]
    fn every_window_has_its_own_extreme() {
        let mut random = StdRng::seed_from_u64(7);
        let values: Vec<f64> = (0..500)
            .map(|_| match random.random_range(0..10) {
                0 => f64::NAN,
                number => f64::from(number),
            })
            .collect();
        for length in [1, 2, 7, 50] {
            let mut extremes = Extremes::default();
            let mut before = 0;
            while before + length <= values.len() {
                let window = &values[before..before + length];
                let best = extremes.slide(before, window, |best, value| best < value);
                let mut expected: Option<usize> = None;
                for (index, value) in window.iter().enumerate() {
                    if !value.is_nan() && expected.is_none_or(|best| window[best] < *value) {
                        expected = Some(index);
                    }
                }
                assert_eq!(best, expected.map(|at| at + before), "{before} {length}");
                before += random.random_range(0..2 * length);
            }
        }
    }
}
