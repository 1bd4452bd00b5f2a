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
        if total.is_infinite() {
            self.compensation = 0.0;
        } else if self.sum.abs() >= value.abs() {
            self.compensation += (self.sum - total) + value;
        } else {
            self.compensation += (value - total) + self.sum;
        }
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
}
