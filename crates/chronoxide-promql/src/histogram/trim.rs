//! The `</` and `>/` operators: what a histogram would hold without its observations above or below a value.

use super::bucket::{Bucket, Interpolation};
use crate::FloatHistogram;

/// Which observations are cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrimSide {
    /// `</`: those above the value.
    Upper,
    /// `>/`: those below the value.
    Lower,
}

/// On which side of zero a bucket lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sign {
    Positive,
    Negative,
}

/// What is left of a bucket.
#[derive(Clone, Copy, Debug)]
struct Kept {
    count: f64,
    /// Where the observations are taken to lie.
    middle: f64,
}

impl FloatHistogram {
    /// Cuts off the observations on one side of `value`; a bucket that holds `value` is divided by interpolation. If
    /// anything goes, count and sum are estimated anew from the buckets.
    pub fn trim(&mut self, value: f64, side: TrimSide) {
        let trim = Trim {
            value,
            side,
            custom: self.uses_custom_buckets(),
        };
        let (mut count, mut sum, mut trimmed) = (0.0, 0.0, false);
        let buckets: Vec<(Bucket, Sign)> = self
            .positive_buckets()
            .map(|bucket| (bucket, Sign::Positive))
            .chain(
                self.negative_buckets()
                    .map(|bucket| (bucket, Sign::Negative)),
            )
            .collect();
        let counts = self.positive.iter_mut().chain(&mut self.negative);
        for ((bucket, sign), (_, left)) in buckets.iter().zip(counts) {
            if bucket.count == 0.0 {
                continue;
            }
            let kept = trim.bucket(bucket, *sign);
            count += kept.count;
            sum += kept.middle * kept.count;
            trimmed |= *left != kept.count;
            *left = kept.count;
        }
        if self.zero_count > 0.0 {
            let populated = |sign| {
                buckets
                    .iter()
                    .any(|(bucket, of)| *of == sign && bucket.count != 0.0)
            };
            let mut zero = self.zero_bucket();
            match (populated(Sign::Negative), populated(Sign::Positive)) {
                (true, false) => zero.upper = 0.0,
                (false, true) => zero.lower = 0.0,
                _ => {}
            }
            let kept = trim.zero_bucket(&zero);
            count += kept.count;
            sum += kept.middle * kept.count;
            trimmed |= self.zero_count != kept.count;
            self.zero_count = kept.count;
        }
        if trimmed {
            (self.count, self.sum) = (count, sum);
            self.compact();
        }
    }
}

/// Where and how a histogram is cut.
#[derive(Clone, Copy, Debug)]
struct Trim {
    value: f64,
    side: TrimSide,
    custom: bool,
}

impl Trim {
    fn bucket(&self, bucket: &Bucket, sign: Sign) -> Kept {
        let (inside, outside) = match self.side {
            TrimSide::Upper => (bucket.upper <= self.value, bucket.lower >= self.value),
            TrimSide::Lower => (bucket.lower >= self.value, bucket.upper <= self.value),
        };
        if inside {
            return Kept {
                count: bucket.count,
                middle: self.middle(bucket.lower, bucket.upper, sign),
            };
        }
        if outside || self.value.is_nan() {
            return Kept {
                count: 0.0,
                middle: 0.0,
            };
        }
        if bucket.lower == f64::NEG_INFINITY {
            return self.without_lower_bound(bucket);
        }
        if bucket.upper == f64::INFINITY {
            return self.without_upper_bound(bucket);
        }
        self.divided(bucket, sign)
    }

    /// What is left of a bucket with finite bounds around the value.
    fn divided(&self, bucket: &Bucket, sign: Sign) -> Kept {
        let below = bucket.count * bucket.fraction_below(self.value, self.interpolation());
        match self.side {
            TrimSide::Upper => Kept {
                count: below,
                middle: self.middle(bucket.lower, self.value, sign),
            },
            TrimSide::Lower => Kept {
                count: bucket.count - below,
                middle: self.middle(self.value, bucket.upper, sign),
            },
        }
    }

    fn interpolation(&self) -> Interpolation {
        if self.custom {
            Interpolation::Linear
        } else {
            Interpolation::Exponential
        }
    }

    /// The lowest custom bucket: its observations are taken to lie above zero if its upper bound does, else at the
    /// value for `</`; what cannot be told goes.
    fn without_lower_bound(&self, bucket: &Bucket) -> Kept {
        let value = self.value;
        let from_zero = bucket.upper > 0.0 && bucket.upper.is_finite();
        let (count, middle) = match self.side {
            TrimSide::Upper if from_zero && value > 0.0 => {
                (bucket.count * value / bucket.upper, value / 2.0)
            }
            TrimSide::Upper if bucket.upper <= 0.0 => (bucket.count, value),
            TrimSide::Lower if from_zero && value >= 0.0 => (
                bucket.count * (1.0 - value / bucket.upper),
                f64::midpoint(value, bucket.upper),
            ),
            _ => (0.0, 0.0),
        };
        Kept { count, middle }
    }

    /// The highest bucket: `>/` keeps its observations and takes them to lie at the value, `</` lets them go.
    fn without_upper_bound(&self, bucket: &Bucket) -> Kept {
        let (count, middle) = match self.side {
            TrimSide::Upper => (0.0, 0.0),
            TrimSide::Lower => (bucket.count, self.value),
        };
        Kept { count, middle }
    }

    fn zero_bucket(&self, zero: &Bucket) -> Kept {
        if self.value.is_nan() {
            return Kept {
                count: f64::NAN,
                middle: f64::NAN,
            };
        }
        let (lower, upper) = match self.side {
            TrimSide::Upper => (zero.lower, self.value.min(zero.upper)),
            TrimSide::Lower => (self.value.max(zero.lower), zero.upper),
        };
        // An empty zero bucket (threshold 0) is all in or all out.
        let outside = match self.side {
            TrimSide::Upper => self.value <= zero.lower,
            TrimSide::Lower => self.value >= zero.upper && self.value > zero.lower,
        };
        if outside {
            return Kept {
                count: 0.0,
                middle: 0.0,
            };
        }
        let width = zero.upper - zero.lower;
        let share = if upper - lower == width {
            1.0
        } else {
            (upper - lower) / width
        };
        Kept {
            count: zero.count * share,
            middle: f64::midpoint(lower, upper),
        }
    }

    /// Where the observations between two bounds are taken to lie.
    fn middle(&self, lower: f64, upper: f64, sign: Sign) -> f64 {
        match (lower.is_infinite(), upper.is_infinite()) {
            (true, true) => 0.0,
            (true, false) if upper > 0.0 => upper / 2.0,
            (true, false) => upper,
            (false, true) => lower,
            (false, false) if self.custom => f64::midpoint(lower, upper),
            (false, false) => {
                let mean = (lower * upper).abs().sqrt();
                if sign == Sign::Positive { mean } else { -mean }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{custom, exponential};
    use super::*;

    fn trimmed(histogram: &FloatHistogram, value: f64, side: TrimSide) -> FloatHistogram {
        let mut histogram = histogram.clone();
        histogram.trim(value, side);
        histogram
    }

    #[test]
    fn a_cut_between_buckets_keeps_whole_ones() {
        let histogram = exponential(-1, &[(1, 2.0), (2, 3.0)], &[(1, 4.0)]);
        let lower = trimmed(&histogram, 4.0, TrimSide::Upper);
        assert_eq!(lower.positive, [(1, 2.0)]);
        assert_eq!((lower.count, lower.sum), (6.0, 2.0 * 2.0 - 4.0 * 2.0));
        let upper = trimmed(&histogram, 4.0, TrimSide::Lower);
        assert_eq!(upper.positive, [(2, 3.0)]);
        assert!(upper.negative.is_empty());
        assert_eq!((upper.count, upper.sum), (3.0, 24.0));
    }

    #[test]
    fn a_bucket_around_the_value_is_divided() {
        let histogram = exponential(-1, &[(1, 2.0)], &[]);
        let lower = trimmed(&histogram, 2.0, TrimSide::Upper);
        assert_eq!(lower.positive, [(1, 1.0)]);
        let listed = custom(&[2.0, 4.0], &[(0, 2.0), (1, 4.0), (2, 1.0)]);
        let upper = trimmed(&listed, 3.0, TrimSide::Lower);
        assert_eq!(upper.positive, [(1, 2.0), (2, 1.0)]);
        assert_eq!(upper.sum, 2.0 * 3.5 + 4.0);
        let first = trimmed(&listed, 1.0, TrimSide::Upper);
        assert_eq!(first.positive, [(0, 1.0)]);
        assert_eq!(first.sum, 0.5);
    }

    #[test]
    fn nothing_cut_off_leaves_count_and_sum() {
        let mut histogram = exponential(0, &[(1, 2.0)], &[]);
        histogram.sum = 3.25;
        assert_eq!(trimmed(&histogram, 100.0, TrimSide::Upper), histogram);
        assert_eq!(trimmed(&histogram, -100.0, TrimSide::Lower), histogram);
    }

    #[test]
    fn the_zero_bucket_is_divided_linearly() {
        let mut histogram = exponential(0, &[(1, 1.0)], &[]);
        histogram.zero_threshold = 0.5;
        histogram.zero_count = 4.0;
        histogram.count = 5.0;
        let lower = trimmed(&histogram, 0.125, TrimSide::Upper);
        assert_eq!((lower.zero_count, lower.count), (1.0, 1.0));
        assert_eq!(lower.sum, 0.0625);
        histogram.negative = vec![(1, 1.0)];
        let around = trimmed(&histogram, 0.25, TrimSide::Lower);
        assert_eq!(around.zero_count, 1.0);
    }

    #[test]
    fn the_bucket_without_upper_bound_goes_or_stays_whole() {
        let histogram = custom(&[2.0], &[(1, 4.0)]);
        assert_eq!(trimmed(&histogram, 10.0, TrimSide::Upper).count, 0.0);
        let above = trimmed(&histogram, 10.0, TrimSide::Lower);
        assert_eq!((above.count, above.positive.len()), (4.0, 1));
    }
}
