//! The floats of a sliding window in order, kept from one window to the next.

use std::collections::VecDeque;

/// Longer windows are not kept sorted: too much of them would have to move.
pub(crate) const FLOATS_MAX: usize = 1 << 14;

/// The floats of one window of a series. Windows may only move forward.
#[derive(Debug, Default)]
pub(crate) struct SortedWindow {
    /// Ascending.
    sorted: Vec<Rank>,
    /// In order of time.
    arrived: VecDeque<Rank>,
    /// How many floats of the series came before, and how many up to the end of the window.
    before: usize,
    end: usize,
}

/// A float as a number that sorts like it: NaN first, and below zero before zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank(pub(crate) u64);

impl Rank {
    pub(crate) const fn of(value: f64) -> Self {
        const SIGN: u64 = 1 << 63;
        let bits = value.to_bits();
        Self(if value.is_nan() {
            0
        } else if bits & SIGN == 0 {
            bits | SIGN
        } else {
            !bits
        })
    }

    pub(crate) const fn value(self) -> f64 {
        const SIGN: u64 = 1 << 63;
        match self.0 {
            0 => f64::NAN,
            rank if rank & SIGN == 0 => f64::from_bits(!rank),
            rank => f64::from_bits(rank & !SIGN),
        }
    }
}

impl SortedWindow {
    /// Forgets the series.
    pub(crate) fn clear(&mut self) {
        self.sorted.clear();
        self.arrived.clear();
        (self.before, self.end) = (0, 0);
    }

    /// Moves on to the window that holds `values` after `before` others of the series.
    pub(crate) fn slide(&mut self, before: usize, values: &[f64]) {
        let end = before + values.len();
        let leaving = (before - self.before).min(self.arrived.len());
        let coming = end - self.end.max(before);
        if 4 * (leaving + coming) > values.len() {
            self.sort_anew(values);
        } else {
            for rank in self.arrived.drain(..leaving) {
                if let Ok(at) = self.sorted.binary_search(&rank) {
                    self.sorted.remove(at);
                }
            }
            for value in &values[values.len() - coming..] {
                let rank = Rank::of(*value);
                let at = self.sorted.partition_point(|other| *other < rank);
                self.sorted.insert(at, rank);
                self.arrived.push_back(rank);
            }
        }
        (self.before, self.end) = (before, end);
    }

    fn sort_anew(&mut self, values: &[f64]) {
        self.arrived.clear();
        self.arrived.extend(values.iter().copied().map(Rank::of));
        self.sorted.clear();
        self.sorted.extend(&self.arrived);
        self.sorted.sort_unstable();
    }

    /// How many floats there are.
    pub(crate) const fn len(&self) -> usize {
        self.sorted.len()
    }

    /// The float with `index` others before it, in order.
    pub(crate) fn at(&self, index: usize) -> f64 {
        self.sorted[index].value()
    }

    /// The distances to `median` with `index`, and with one more, others before them, in order; the latter is the
    /// former when there are no more. All floats and the median must be finite.
    pub(crate) fn distances(&self, median: f64, index: usize) -> (f64, f64) {
        let mut above = self.sorted.partition_point(|rank| rank.value() < median);
        let mut below = above;
        let mut next = || {
            let left = below.checked_sub(1).map(|at| (self.at(at) - median).abs());
            let right = (above < self.len()).then(|| (self.at(above) - median).abs());
            match (left, right) {
                (Some(left), right) if right.is_none_or(|right| left < right) => {
                    below -= 1;
                    Some(left)
                }
                (_, right) => {
                    above += 1;
                    right
                }
            }
        };
        let mut lower = 0.0;
        for _ in 0..=index {
            lower = next().unwrap_or(lower);
        }
        (lower, next().unwrap_or(lower))
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    use super::*;

    #[test]
    fn every_window_is_in_order() {
        let mut random = StdRng::seed_from_u64(5);
        let values: Vec<f64> = (0..600)
            .map(|_| match random.random_range(0..9) {
                0 => f64::NAN,
                1 => f64::NEG_INFINITY,
                2 => -0.0,
                _ => f64::from(random.random_range(-9..9)),
            })
            .collect();
        for (length, stride) in [(1, 1), (40, 3), (100, 9), (50, 70)] {
            let mut window = SortedWindow::default();
            for before in (0..values.len() - length).step_by(stride) {
                let part = &values[before..before + length];
                window.slide(before, part);
                let mut expected: Vec<Rank> = part.iter().copied().map(Rank::of).collect();
                expected.sort_unstable();
                assert_eq!(window.sorted, expected, "{length} {before}");
            }
        }
    }

    #[test]
    fn distances_come_in_order() {
        let mut random = StdRng::seed_from_u64(6);
        for length in [1, 2, 3, 10, 41] {
            let values: Vec<f64> = (0..length)
                .map(|_| random.random_range(-5.0..5.0))
                .collect();
            let median = random.random_range(-6.0..6.0);
            let mut expected: Vec<f64> =
                values.iter().map(|value| (value - median).abs()).collect();
            expected.sort_unstable_by(f64::total_cmp);
            let mut window = SortedWindow::default();
            window.slide(0, &values);
            for index in 0..length {
                let upper = expected[(index + 1).min(length - 1)];
                assert_eq!(window.distances(median, index), (expected[index], upper));
            }
        }
    }
}
