//! One bucket, and the buckets of a histogram in order.

use super::bounds::{lower_bound, upper_bound};
use crate::FloatHistogram;

/// A bucket with its bounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Bucket {
    /// Lower bound.
    pub(crate) lower: f64,
    /// Upper bound.
    pub(crate) upper: f64,
    /// Observations between the bounds.
    pub(crate) count: f64,
}

/// How observations are taken to lie within a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interpolation {
    /// Evenly: custom buckets and the zero bucket.
    Linear,
    /// Evenly on a logarithmic scale: exponential buckets.
    Exponential,
}

impl Bucket {
    /// Which part of the bucket (0 to 1) lies below `value`, which lies between its finite bounds.
    pub(crate) fn fraction_below(&self, value: f64, interpolation: Interpolation) -> f64 {
        match interpolation {
            Interpolation::Linear => (value - self.lower) / (self.upper - self.lower),
            Interpolation::Exponential => {
                let [low, high, at] = [self.lower, self.upper, value].map(|x| x.abs().log2());
                if value > 0.0 {
                    (at - low) / (high - low)
                } else {
                    1.0 - (at - high) / (low - high)
                }
            }
        }
    }
}

impl FloatHistogram {
    /// The buckets above zero, ascending.
    pub(crate) fn positive_buckets(&self) -> impl DoubleEndedIterator<Item = Bucket> + '_ {
        self.positive.iter().map(|&(index, count)| Bucket {
            lower: lower_bound(index, self.schema, &self.custom_bounds),
            upper: upper_bound(index, self.schema, &self.custom_bounds),
            count,
        })
    }

    /// The buckets below zero, descending: from zero outwards.
    pub(crate) fn negative_buckets(&self) -> impl DoubleEndedIterator<Item = Bucket> + '_ {
        self.negative.iter().map(|&(index, count)| Bucket {
            lower: -upper_bound(index, self.schema, &self.custom_bounds),
            upper: -lower_bound(index, self.schema, &self.custom_bounds),
            count,
        })
    }

    /// The zero bucket, symmetric around zero.
    pub(crate) fn zero_bucket(&self) -> Bucket {
        Bucket {
            lower: -self.zero_threshold,
            upper: self.zero_threshold,
            count: self.zero_count,
        }
    }

    /// Lower bound, upper bound and count of all buckets, ascending; the zero bucket only if it has observations.
    ///
    /// Bounds that reach into the zero bucket are cut at its edge, which then is the same below and above zero.
    pub fn bucket_bounds(&self) -> impl DoubleEndedIterator<Item = (f64, f64, f64)> + '_ {
        self.buckets()
            .map(|bucket| (bucket.lower, bucket.upper, bucket.count))
    }

    /// All buckets, ascending; the zero bucket only if it has observations. Bounds that reach into the zero bucket are
    /// cut at its edge.
    pub(crate) fn buckets(&self) -> impl DoubleEndedIterator<Item = Bucket> + '_ {
        let edge = self.zero_threshold;
        let zero = (self.zero_count > 0.0).then(|| self.zero_bucket());
        self.negative_buckets()
            .rev()
            .chain(zero)
            .chain(self.positive_buckets())
            .map(move |mut bucket| {
                if bucket.upper < 0.0 && bucket.upper > -edge {
                    bucket.upper = -edge;
                } else if bucket.lower > 0.0 && bucket.lower < edge {
                    bucket.lower = edge;
                }
                bucket
            })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::exponential;
    use super::*;

    #[test]
    fn buckets_run_from_the_lowest_to_the_highest() {
        let mut histogram = exponential(0, &[(1, 3.0)], &[(0, 1.0), (1, 2.0)]);
        histogram.zero_threshold = 0.75;
        histogram.zero_count = 4.0;
        let buckets: Vec<(f64, f64, f64)> = histogram
            .buckets()
            .map(|bucket| (bucket.lower, bucket.upper, bucket.count))
            .collect();
        assert_eq!(
            buckets,
            [
                (-2.0, -1.0, 2.0),
                (-1.0, -0.75, 1.0),
                (-0.75, 0.75, 4.0),
                (1.0, 2.0, 3.0)
            ]
        );
        let backwards: Vec<Bucket> = histogram.buckets().rev().collect();
        assert_eq!(backwards.first().map(|bucket| bucket.count), Some(3.0));
    }

    #[test]
    fn an_exponential_bucket_is_halved_at_its_geometric_mean() {
        let above = Bucket {
            lower: 1.0,
            upper: 4.0,
            count: 1.0,
        };
        assert_eq!(above.fraction_below(2.0, Interpolation::Exponential), 0.5);
        assert_eq!(above.fraction_below(2.5, Interpolation::Linear), 0.5);
        let below = Bucket {
            lower: -4.0,
            upper: -1.0,
            count: 1.0,
        };
        assert_eq!(below.fraction_below(-2.0, Interpolation::Exponential), 0.5);
    }
}
