//! The share of observations between two values.

use super::bucket::Bucket;
use crate::FloatHistogram;

/// A share of the observations.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct HistogramFraction {
    /// From 0 to 1; NaN without observations.
    pub(crate) value: f64,
    /// Whether there are NaN observations, which lie between no values.
    pub(crate) nan_left_out: bool,
}

impl FloatHistogram {
    /// The share of observations between `lower` and `upper`, interpolated like quantiles.
    pub(crate) fn fraction(&self, lower: f64, upper: f64) -> HistogramFraction {
        let plain = |value| HistogramFraction {
            value,
            nan_left_out: false,
        };
        if self.count == 0.0 || lower.is_nan() || upper.is_nan() {
            return plain(f64::NAN);
        }
        if lower >= upper {
            return plain(0.0);
        }
        let mut counted = self.count;
        let mut nan_left_out = false;
        if self.sum.is_nan() {
            counted = self.buckets().map(|bucket| bucket.count).sum();
            nan_left_out = counted < self.count;
        }
        let rank = |value| {
            self.rank_below(value)
                .map_or(counted, |rank| rank.min(counted))
        };
        HistogramFraction {
            value: (rank(upper) - rank(lower)) / self.count,
            nan_left_out,
        }
    }

    /// How many observations lie below `value`; `None` if it lies above all buckets.
    fn rank_below(&self, value: f64) -> Option<f64> {
        let mut rank = 0.0;
        for mut bucket in self.buckets() {
            if bucket.lower <= 0.0 && bucket.upper >= 0.0 {
                self.narrow_zero_bucket(&mut bucket);
            }
            if bucket.lower >= value {
                return Some(rank);
            }
            if bucket.upper > value {
                return Some(self.rank_within(&bucket, rank, value));
            }
            rank += bucket.count;
        }
        None
    }

    fn rank_within(&self, bucket: &Bucket, rank: f64, value: f64) -> f64 {
        let interpolation = self.interpolation(bucket);
        // Nothing can be said about where observations lie in a bucket without a lower end: all count.
        if self.uses_custom_buckets() && bucket.lower == f64::NEG_INFINITY {
            return bucket.count;
        }
        rank + bucket.count * bucket.fraction_below(value, interpolation)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{custom, exponential};

    #[test]
    fn fractions_are_the_inverse_of_quantiles() {
        let mut histogram = exponential(1, &[(1, 3.0), (4, 2.0)], &[(2, 4.0)]);
        histogram.zero_threshold = 0.1;
        histogram.zero_count = 1.0;
        histogram.count = 10.0;
        for q in [0.05, 0.3, 0.45, 0.6, 0.93] {
            let value = histogram.quantile(q).value;
            let fraction = histogram.fraction(f64::NEG_INFINITY, value).value;
            assert!((fraction - q).abs() < 1e-12, "{q}: {fraction}");
        }
    }

    #[test]
    fn bounds_on_bucket_edges_cut_between_buckets() {
        let histogram = exponential(0, &[(1, 1.0), (2, 2.0), (3, 1.0)], &[]);
        assert_eq!(histogram.fraction(2.0, 4.0).value, 0.5);
        assert_eq!(
            histogram.fraction(f64::NEG_INFINITY, f64::INFINITY).value,
            1.0
        );
        assert_eq!(histogram.fraction(4.0, 2.0).value, 0.0);
        assert!(histogram.fraction(f64::NAN, 2.0).value.is_nan());
    }

    #[test]
    fn infinite_custom_buckets_are_not_divided() {
        let histogram = custom(&[2.0, 4.0], &[(0, 1.0), (1, 2.0), (2, 1.0)]);
        assert_eq!(histogram.fraction(f64::NEG_INFINITY, 2.0).value, 0.25);
        assert_eq!(histogram.fraction(f64::NEG_INFINITY, 100.0).value, 0.75);
        assert_eq!(histogram.fraction(3.0, 4.0).value, 0.25);
    }

    #[test]
    fn nan_observations_are_in_no_fraction() {
        let mut histogram = exponential(0, &[(1, 2.0)], &[]);
        histogram.count = 4.0;
        histogram.sum = f64::NAN;
        let all = histogram.fraction(f64::NEG_INFINITY, f64::INFINITY);
        assert_eq!((all.value, all.nan_left_out), (0.5, true));
    }
}
