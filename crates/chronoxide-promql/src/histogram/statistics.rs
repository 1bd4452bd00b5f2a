//! Mean and variance as far as buckets tell.

use super::bucket::Bucket;
use crate::FloatHistogram;
use crate::kahan::KahanSum;

impl FloatHistogram {
    /// The mean of all observations.
    pub(crate) fn mean(&self) -> f64 {
        self.sum / self.count
    }

    /// The variance, every observation taken to lie in the middle of its bucket: the arithmetic mean of its bounds for
    /// custom buckets, zero for the zero bucket, the geometric mean for exponential ones.
    pub(crate) fn variance(&self) -> f64 {
        let mean = self.mean();
        let mut total = KahanSum::default();
        for bucket in self.buckets().filter(|bucket| bucket.count != 0.0) {
            let delta = self.middle(&bucket) - mean;
            total.add(bucket.count * delta * delta);
        }
        total.value() / self.count
    }

    fn middle(&self, bucket: &Bucket) -> f64 {
        if self.uses_custom_buckets() {
            f64::midpoint(bucket.upper, bucket.lower)
        } else if bucket.lower <= 0.0 && bucket.upper >= 0.0 {
            0.0
        } else {
            (bucket.upper * bucket.lower).sqrt().copysign(bucket.upper)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{custom, exponential};

    #[test]
    fn observations_stand_in_the_middle_of_their_bucket() {
        let mut histogram = exponential(-1, &[(1, 1.0)], &[(1, 1.0)]);
        assert_eq!(histogram.sum, 0.0);
        assert_eq!(histogram.variance(), 4.0);
        histogram.zero_count = 2.0;
        histogram.count = 4.0;
        assert_eq!(histogram.variance(), 2.0);

        let mut listed = custom(&[0.0, 2.0], &[(1, 4.0)]);
        listed.sum = 4.0;
        assert_eq!(listed.mean(), 1.0);
        assert_eq!(listed.variance(), 0.0);
    }

    #[test]
    fn nothing_observed_has_no_variance() {
        assert!(exponential(0, &[], &[]).variance().is_nan());
        assert!(exponential(0, &[], &[]).mean().is_nan());
    }
}
