//! Compensated summation.

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
    fn a_mean_does_not_overflow() {
        assert_eq!(mean(&[f64::MAX, f64::MAX]), f64::MAX);
        assert!((mean(&[1e308, 1.5e308, 1e308, 0.5e308]) / 1e308 - 1.0).abs() < 1e-12);
        assert_eq!(mean(&[1.0, 2.0, 6.0]), 3.0);
        assert_eq!(mean(&[1.0, f64::INFINITY]), f64::INFINITY);
        assert!(mean(&[f64::INFINITY, f64::NEG_INFINITY]).is_nan());
        assert!(mean(&[]).is_nan());
    }
}
