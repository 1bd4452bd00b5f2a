//! Quantiles of native histograms.

use super::bucket::{Bucket, Interpolation};
use crate::FloatHistogram;

/// What NaN observations, which stand in no bucket, did to a quantile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NanObservations {
    /// None seen, or too few to matter.
    Unnoticed,
    /// They count as larger than all others, so the quantile is higher than that of the numbers alone.
    SkewHigher,
    /// The quantile falls among them.
    ReachQuantile,
}

/// A quantile and what NaN observations did to it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct HistogramQuantile {
    /// The quantile.
    pub(crate) value: f64,
    /// Whether NaN observations had a part in it.
    pub(crate) nan: NanObservations,
}

impl HistogramQuantile {
    const fn of(value: f64) -> Self {
        Self {
            value,
            nan: NanObservations::Unnoticed,
        }
    }
}

impl FloatHistogram {
    /// Quantile `q`: linear within custom buckets and the zero bucket, exponential within exponential ones. Below 0 it
    /// is -Inf, above 1 +Inf; without observations NaN.
    pub(crate) fn quantile(&self, q: f64) -> HistogramQuantile {
        if q < 0.0 {
            return HistogramQuantile::of(f64::NEG_INFINITY);
        }
        if q > 1.0 {
            return HistogramQuantile::of(f64::INFINITY);
        }
        if self.count == 0.0 || q.is_nan() {
            return HistogramQuantile::of(f64::NAN);
        }
        // Counted from the nearer end, for precision. NaN observations (the sum is NaN then) stand above all buckets,
        // so that only counting from below is right with them.
        let from_below = self.sum.is_nan() || q < 0.5;
        let rank = if from_below { q } else { 1.0 - q } * self.count;
        if from_below {
            self.quantile_at(rank, from_below, self.buckets())
        } else {
            self.quantile_at(rank, from_below, self.buckets().rev())
        }
    }

    fn quantile_at(
        &self,
        rank: f64,
        from_below: bool,
        mut buckets: impl Iterator<Item = Bucket>,
    ) -> HistogramQuantile {
        let (mut bucket, mut count) = (EMPTY, 0.0);
        for next in buckets.by_ref() {
            bucket = next;
            if next.count != 0.0 {
                count += next.count;
                if count >= rank {
                    break;
                }
            }
        }
        if let Some(value) = self.open_bucket_value(&bucket) {
            return HistogramQuantile::of(value);
        }
        self.narrow_to_populated_side(&mut bucket);
        let count = count.min(self.count);
        if count < rank {
            return if self.sum.is_nan() {
                HistogramQuantile {
                    value: f64::NAN,
                    nan: NanObservations::ReachQuantile,
                }
            } else {
                HistogramQuantile::of(bucket.upper)
            };
        }
        let within = if from_below {
            rank - (count - bucket.count)
        } else {
            count - rank
        };
        HistogramQuantile {
            value: self.interpolate(&bucket, within / bucket.count),
            nan: self.nan_skew(count, buckets),
        }
    }

    /// The value taken for a custom bucket without a finite bound on one side.
    fn open_bucket_value(&self, bucket: &Bucket) -> Option<f64> {
        if !self.uses_custom_buckets() {
            return None;
        }
        if bucket.lower == f64::NEG_INFINITY {
            return (bucket.upper <= 0.0).then_some(bucket.upper);
        }
        (bucket.upper == f64::INFINITY).then_some(bucket.lower)
    }

    /// Without buckets below zero nothing is taken to lie below it, and the same above.
    fn narrow_to_populated_side(&self, bucket: &mut Bucket) {
        if self.uses_custom_buckets() {
            if bucket.lower == f64::NEG_INFINITY {
                bucket.lower = 0.0;
            }
        } else if bucket.lower < 0.0 && bucket.upper > 0.0 {
            self.narrow_zero_bucket(bucket);
        }
    }

    /// Cuts the zero bucket at zero if all other observations lie on one side.
    pub(super) fn narrow_zero_bucket(&self, bucket: &mut Bucket) {
        match (self.negative.is_empty(), self.positive.is_empty()) {
            (true, false) => bucket.lower = 0.0,
            (false, true) => bucket.upper = 0.0,
            _ => {}
        }
    }

    /// How observations lie within `bucket`.
    pub(super) fn interpolation(&self, bucket: &Bucket) -> Interpolation {
        if self.uses_custom_buckets() || (bucket.lower <= 0.0 && bucket.upper >= 0.0) {
            Interpolation::Linear
        } else {
            Interpolation::Exponential
        }
    }

    fn interpolate(&self, bucket: &Bucket, fraction: f64) -> f64 {
        if self.interpolation(bucket) == Interpolation::Linear {
            return bucket.lower + (bucket.upper - bucket.lower) * fraction;
        }
        let low = bucket.lower.abs().log2();
        let high = bucket.upper.abs().log2();
        if bucket.lower > 0.0 {
            (low + (high - low) * fraction).exp2()
        } else {
            -(high + (low - high) * (1.0 - fraction)).exp2()
        }
    }

    /// Whether observations are missing from the buckets: those of NaN.
    fn nan_skew(&self, count: f64, rest: impl Iterator<Item = Bucket>) -> NanObservations {
        if self.sum.is_nan() && count + rest.map(|bucket| bucket.count).sum::<f64>() < self.count {
            NanObservations::SkewHigher
        } else {
            NanObservations::Unnoticed
        }
    }
}

const EMPTY: Bucket = Bucket {
    lower: 0.0,
    upper: 0.0,
    count: 0.0,
};

#[cfg(test)]
mod tests {
    use super::super::tests::{custom, exponential};
    use super::*;

    #[test]
    fn exponential_buckets_are_interpolated_on_a_logarithmic_scale() {
        let histogram = exponential(0, &[(1, 2.0)], &[]);
        assert!((histogram.quantile(0.5).value - std::f64::consts::SQRT_2).abs() < 1e-12);
        assert_eq!(histogram.quantile(0.0).value, 1.0);
        assert_eq!(histogram.quantile(1.0).value, 2.0);
        let below = exponential(0, &[], &[(1, 2.0)]);
        assert!((below.quantile(0.5).value + std::f64::consts::SQRT_2).abs() < 1e-12);
    }

    #[test]
    fn custom_buckets_are_interpolated_linearly_and_open_ones_give_a_bound() {
        let histogram = custom(&[2.0, 4.0], &[(0, 1.0), (1, 2.0), (2, 1.0)]);
        assert_eq!(histogram.quantile(0.125).value, 1.0);
        assert_eq!(histogram.quantile(0.5).value, 3.0);
        assert_eq!(histogram.quantile(0.99).value, 4.0);
        let below = custom(&[-1.0], &[(0, 1.0)]);
        assert_eq!(below.quantile(0.3).value, -1.0);
    }

    #[test]
    fn the_zero_bucket_ends_at_zero_without_observations_below() {
        let mut histogram = exponential(0, &[(1, 1.0)], &[]);
        histogram.zero_threshold = 0.5;
        histogram.zero_count = 1.0;
        histogram.count = 2.0;
        assert_eq!(histogram.quantile(0.25).value, 0.25);
        histogram.negative = vec![(1, 0.0)];
        assert_eq!(histogram.quantile(0.25).value, 0.0);
    }

    #[test]
    fn quantiles_out_of_range_are_infinite() {
        let histogram = exponential(0, &[(1, 2.0)], &[]);
        assert_eq!(histogram.quantile(-0.1).value, f64::NEG_INFINITY);
        assert_eq!(histogram.quantile(1.1).value, f64::INFINITY);
        assert!(histogram.quantile(f64::NAN).value.is_nan());
        assert!(exponential(0, &[], &[]).quantile(0.5).value.is_nan());
    }

    #[test]
    fn nan_observations_lie_above_all_buckets() {
        let mut histogram = exponential(0, &[(1, 2.0)], &[]);
        histogram.count = 4.0;
        histogram.sum = f64::NAN;
        let lower = histogram.quantile(0.5);
        assert_eq!((lower.value, lower.nan), (2.0, NanObservations::SkewHigher));
        let upper = histogram.quantile(0.6);
        assert!(upper.value.is_nan());
        assert_eq!(upper.nan, NanObservations::ReachQuantile);
    }
}
