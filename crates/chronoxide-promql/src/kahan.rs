//! Compensated summation.

use crate::eval::Bits;

/// A running sum that carries the rounding error of each addition along (Kahan's sum with Neumaier's improvement).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct KahanSum {
    /// The sum as plain additions would give it.
    pub(crate) sum: f64,
    /// What rounding has lost so far.
    pub(crate) compensation: f64,
}

impl KahanSum {
    /// A sum that starts at `value`.
    pub(crate) const fn new(value: f64) -> Self {
        Self {
            sum: value,
            compensation: 0.0,
        }
    }

    /// Adds `value`. A sum that overflows stays infinite and drops its compensation.
    #[inline]
    pub(crate) fn add(&mut self, value: f64) {
        let total = self.sum + value;
        // Computed without a branch: which of two like values is the larger is anyone's guess.
        let is_larger = self.sum.abs() >= value.abs();
        let (large, small) = if is_larger {
            (self.sum, value)
        } else {
            (value, self.sum)
        };
        let compensation = self.compensation + ((large - total) + small);
        self.compensation = if total.is_infinite() {
            0.0
        } else {
            compensation
        };
        self.sum = total;
    }

    /// The sum with its compensation.
    #[inline]
    pub(crate) fn value(self) -> f64 {
        self.sum + self.compensation
    }

    /// Sum and compensation times `factor`.
    pub(crate) fn scaled(self, factor: f64) -> Self {
        Self {
            sum: self.sum * factor,
            compensation: self.compensation * factor,
        }
    }

    /// Sum and compensation divided by `divisor`.
    pub(crate) fn divided(self, divisor: f64) -> Self {
        Self {
            sum: self.sum / divisor,
            compensation: self.compensation / divisor,
        }
    }
}

/// Running sums beside one another, each with its compensation.
#[derive(Clone, Debug)]
pub(crate) struct KahanSums {
    sums: Vec<f64>,
    compensations: Vec<f64>,
}

/// So many sums are worked on together.
const LANES: usize = 8;

/// Below it no addition overflows, and the error of one is the same number whichever way it is computed.
const LARGEST: f64 = 1e300;

/// What floats add up to, for several things beside one another.
pub(crate) trait FloatTotals {
    /// Nothing, `count` times.
    fn new(count: usize) -> Self;
    /// Takes `value` into the total at `index`.
    fn add(&mut self, index: usize, value: f64);
    /// Takes [`LANES`] values into the totals of a block, unless some need care; whether it was done.
    fn add_block(&mut self, block: usize, values: &[f64]) -> bool;
    /// The total at `index`; NaN where it is the mean of nothing.
    fn value(&self, index: usize) -> f64;

    /// Takes those of `values` that are present into the totals at their places.
    fn add_all(&mut self, values: &[f64], present: &Bits) {
        for (block, values) in values.chunks(LANES).enumerate() {
            let there = present.eight(block);
            if there == u8::MAX && self.add_block(block, values) {
                continue;
            }
            for (lane, value) in values.iter().enumerate() {
                if there >> lane & 1 == 1 {
                    self.add(block * LANES + lane, *value);
                }
            }
        }
    }
}

impl KahanSums {
    /// The sum at `index`.
    fn get(&self, index: usize) -> KahanSum {
        KahanSum {
            sum: self.sums[index],
            compensation: self.compensations[index],
        }
    }

    /// Replaces the sum at `index`.
    fn set(&mut self, index: usize, sum: KahanSum) {
        self.sums[index] = sum.sum;
        self.compensations[index] = sum.compensation;
    }
}

impl FloatTotals for KahanSums {
    fn new(count: usize) -> Self {
        Self {
            sums: vec![0.0; count],
            compensations: vec![0.0; count],
        }
    }

    fn add(&mut self, index: usize, value: f64) {
        let mut sum = self.get(index);
        sum.add(value);
        self.set(index, sum);
    }

    #[inline(always)]
    fn add_block(&mut self, block: usize, values: &[f64]) -> bool {
        let start = block * LANES;
        let sums = self.sums.get_mut(start..start + LANES);
        let compensations = self.compensations.get_mut(start..start + LANES);
        match (
            sums.and_then(|sums| sums.first_chunk_mut()),
            compensations.and_then(|compensations| compensations.first_chunk_mut()),
            values.first_chunk(),
        ) {
            (Some(sums), Some(compensations), Some(values)) => {
                add_plain(sums, compensations, values)
            }
            _ => false,
        }
    }

    fn value(&self, index: usize) -> f64 {
        self.get(index).value()
    }
}

/// Adds values that do not come near to an overflow; whether it was done.
#[inline(always)]
fn add_plain(
    sums: &mut [f64; LANES],
    compensations: &mut [f64; LANES],
    values: &[f64; LANES],
) -> bool {
    let (mut totals, mut lost) = ([0.0; LANES], [0.0; LANES]);
    let mut is_plain = true;
    for lane in 0..LANES {
        let (sum, value) = (sums[lane], values[lane]);
        let total = sum + value;
        // What rounding takes away, computed without looking which term is larger.
        let taken = total - sum;
        lost[lane] = (sum - (total - taken)) + (value - taken);
        totals[lane] = total;
        is_plain &= (total.abs() < LARGEST) & (value.abs() < LARGEST);
    }
    if is_plain {
        *sums = totals;
        for (compensation, lost) in compensations.iter_mut().zip(lost) {
            *compensation += lost;
        }
    }
    is_plain
}

/// Means beside one another, each a compensated sum divided by its count, or, where that sum would overflow, a running
/// mean.
#[derive(Clone, Debug)]
pub(crate) struct KahanMeans {
    counts: Vec<f64>,
    /// The sums, or the means once they are running.
    sums: KahanSums,
    /// Which are running; empty as long as none is.
    running: Vec<bool>,
}

impl FloatTotals for KahanMeans {
    fn new(count: usize) -> Self {
        Self {
            counts: vec![0.0; count],
            sums: KahanSums::new(count),
            running: Vec::new(),
        }
    }

    fn add(&mut self, index: usize, value: f64) {
        let mut mean = self.get(index);
        mean.add(value);
        self.set(index, mean);
    }

    #[inline(always)]
    fn add_block(&mut self, block: usize, values: &[f64]) -> bool {
        let start = block * LANES;
        let Some(counts) = self.counts.get_mut(start..start + LANES) else {
            return false;
        };
        // A first value is the sum, and not added to zero.
        let all_have = counts.iter().fold(true, |all, count| all & (*count > 0.0));
        if !all_have || !self.running.is_empty() || !self.sums.add_block(block, values) {
            return false;
        }
        for count in counts {
            *count += 1.0;
        }
        true
    }

    fn value(&self, index: usize) -> f64 {
        self.get(index).value()
    }
}

impl KahanMeans {
    fn get(&self, index: usize) -> KahanMean {
        KahanMean {
            count: self.counts[index],
            sum: self.sums.get(index),
            running: self.running.get(index).copied().unwrap_or(false),
        }
    }

    fn set(&mut self, index: usize, mean: KahanMean) {
        self.counts[index] = mean.count;
        self.sums.set(index, mean.sum);
        if mean.running {
            self.running.resize(self.counts.len(), false);
            self.running[index] = true;
        }
    }
}

/// A mean that is a compensated sum divided by the count, or, where that sum would overflow, a running mean.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct KahanMean {
    count: f64,
    /// The sum, or the mean once it is running.
    sum: KahanSum,
    running: bool,
}

impl KahanMean {
    /// Takes in `value`.
    pub(crate) fn add(&mut self, value: f64) {
        self.count += 1.0;
        if self.count == 1.0 {
            self.sum = KahanSum::new(value);
            return;
        }
        if !self.running {
            let mut next = self.sum;
            next.add(value);
            if !next.sum.is_infinite() {
                self.sum = next;
                return;
            }
            self.running = true;
            self.sum = self.sum.divided(self.count - 1.0);
        }
        self.sum = self.sum.scaled((self.count - 1.0) / self.count);
        self.sum.add(value / self.count);
    }

    /// The mean; NaN of nothing.
    pub(crate) fn value(self) -> f64 {
        if self.running {
            self.sum.value()
        } else {
            self.sum.sum / self.count + self.sum.compensation / self.count
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_terms_survive_a_large_one() {
        let mut sum = KahanSum::default();
        for value in [1.0, 1e100, 1.0, -1e100] {
            sum.add(value);
        }
        assert_eq!(sum.value(), 2.0);
    }

    #[test]
    fn an_overflow_stays_infinite() {
        let mut sum = KahanSum::new(f64::MAX);
        sum.add(f64::MAX);
        sum.add(1.0);
        assert_eq!(sum.value(), f64::INFINITY);
    }

    #[test]
    fn scaling_keeps_the_compensation() {
        let mut sum = KahanSum::new(1e16);
        sum.add(1.0);
        assert_eq!(sum.scaled(2.0).value(), 2e16 + 2.0);
        assert_eq!(sum.divided(2.0).value(), (1e16 + 1.0) / 2.0);
    }

    fn mean(values: &[f64]) -> f64 {
        let mut mean = KahanMean::default();
        for &value in values {
            mean.add(value);
        }
        mean.value()
    }

    #[test]
    fn columns_come_to_the_same_bits_as_one_by_one() {
        use rand::rngs::StdRng;
        use rand::{Rng, SeedableRng};

        for seed in 0..400 {
            let mut random = StdRng::seed_from_u64(seed);
            let count = random.random_range(1..40);
            let (mut sums, mut means) = (KahanSums::new(count), KahanMeans::new(count));
            let mut one_by_one = vec![(KahanSum::default(), KahanMean::default()); count];
            let odd = random.random_bool(0.5);
            for _ in 0..random.random_range(1..30) {
                let values: Vec<f64> = (0..count)
                    .map(|_| match random.random_range(0..30) {
                        0 => -0.0,
                        1 if odd => f64::INFINITY,
                        2 if odd => f64::NAN,
                        3 if odd => f64::MAX * random.random_range(-1.0..1.0),
                        4 => 10_f64.powi(random.random_range(-320..290)),
                        _ => {
                            random.random_range(-1.0..1.0)
                                * 10_f64.powi(random.random_range(-9..19))
                        }
                    })
                    .collect();
                if random.random_bool(0.1) {
                    let index = random.random_range(0..count);
                    sums.add(index, values[index]);
                    means.add(index, values[index]);
                    one_by_one[index].0.add(values[index]);
                    one_by_one[index].1.add(values[index]);
                    continue;
                }
                let share = [0.5, 0.98, 1.0][random.random_range(0..3)];
                let mut present = Bits::default();
                for (index, (sum, mean)) in one_by_one.iter_mut().enumerate() {
                    let is_there = random.random_bool(share);
                    present.push(index, is_there);
                    if is_there {
                        sum.add(values[index]);
                        mean.add(values[index]);
                    }
                }
                sums.add_all(&values, &present);
                means.add_all(&values, &present);
            }
            let same = |a: f64, b: f64| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan());
            for (index, (sum, mean)) in one_by_one.iter().enumerate() {
                assert!(same(sums.get(index).sum, sum.sum), "seed {seed}");
                let got = sums.get(index).compensation;
                assert!(same(got, sum.compensation), "seed {seed}");
                assert!(same(means.value(index), mean.value()), "seed {seed}");
            }
        }
    }

    #[test]
    fn a_mean_does_not_overflow() {
        assert_eq!(mean(&[f64::MAX, f64::MAX]), f64::MAX);
        assert!((mean(&[1e308, 1.5e308, 1e308, 0.5e308]) / 1e308 - 1.0).abs() < 1e-12);
        assert_eq!(mean(&[1.0, 2.0, 6.0]), 3.0);
        assert_eq!(mean(&[1.0, f64::INFINITY]), f64::INFINITY);
        assert!(mean(&[f64::INFINITY, f64::NEG_INFINITY]).is_nan());
        assert!(mean(&[]).is_nan());
    }
}
