//! Classic histograms: cumulative counts of observations up to each bound.

use std::cmp::Ordering;

/// The cumulative counts of one classic histogram at one time, ascending by bound.
#[derive(Debug, Default)]
pub(super) struct ClassicBuckets(Vec<ClassicBucket>);

/// A bucket of a classic histogram.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct ClassicBucket {
    /// Upper bound.
    pub(super) bound: f64,
    /// Observations up to the bound.
    pub(super) count: f64,
}

/// How far counts were from rising with their bound.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Repair {
    /// The lowest bound whose count fell.
    pub(super) lowest: f64,
    /// The highest bound whose count fell.
    pub(super) highest: f64,
    /// By how much at most.
    pub(super) difference: f64,
}

impl ClassicBuckets {
    /// Replaces the buckets by `buckets`, which are ascending by bound. Counts of equal bounds are added.
    pub(super) fn fill(&mut self, buckets: impl Iterator<Item = ClassicBucket>) {
        self.0.clear();
        for bucket in buckets {
            match self.0.last_mut() {
                Some(last) if last.bound == bucket.bound => last.count += bucket.count,
                _ => self.0.push(bucket),
            }
        }
    }

    /// Whether there is no bucket.
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the highest bucket takes in everything. Without that one nothing can be said.
    pub(super) fn is_complete(&self) -> bool {
        self.0
            .last()
            .is_some_and(|bucket| bucket.bound == f64::INFINITY)
    }

    /// Lets counts rise with their bound: tiny differences, which rounding makes, go without a word; counts that fall
    /// are raised to the one before.
    pub(super) fn make_monotonic(&mut self) -> Option<Repair> {
        let mut repair: Option<Repair> = None;
        let mut before = self.0.first()?.count;
        for bucket in &mut self.0[1..] {
            let count = bucket.count;
            if count == before {
                continue;
            }
            if is_about(before, count) {
                bucket.count = before;
            } else if count < before {
                bucket.count = before;
                let known = repair.get_or_insert(Repair {
                    lowest: bucket.bound,
                    highest: bucket.bound,
                    difference: 0.0,
                });
                known.lowest = known.lowest.min(bucket.bound);
                known.highest = known.highest.max(bucket.bound);
                known.difference = known.difference.max(before - count);
            } else {
                before = count;
            }
        }
        repair
    }

    /// Quantile `q` from 0 to 1 of complete, monotonic buckets: linear within a bucket, the lowest of which begins at
    /// zero if it ends above; of the highest bucket its lower bound.
    pub(super) fn quantile(&self, q: f64) -> f64 {
        let [.., below_last, last] = self.0[..] else {
            return f64::NAN;
        };
        if last.count == 0.0 {
            return f64::NAN;
        }
        let rank = q * last.count;
        let finite = &self.0[..self.0.len() - 1];
        // NaN reaches no rank.
        let falls_short = |bucket: &ClassicBucket| {
            let order = bucket.count.partial_cmp(&rank);
            order.is_none_or(Ordering::is_lt)
        };
        let position = finite.partition_point(falls_short);
        let Some(bucket) = finite.get(position) else {
            return below_last.bound;
        };
        let before = position.checked_sub(1).map(|index| finite[index]);
        match before {
            None if bucket.bound <= 0.0 => bucket.bound,
            None => bucket.bound * (rank / bucket.count),
            Some(before) => {
                let share = (rank - before.count) / (bucket.count - before.count);
                before.bound + (bucket.bound - before.bound) * share
            }
        }
    }

    /// The share of observations between two values, interpolated like quantiles; of complete buckets.
    pub(super) fn fraction(&self, lower: f64, upper: f64) -> f64 {
        let Some(last) = self.0.last() else {
            return f64::NAN;
        };
        if last.count == 0.0 || lower.is_nan() || upper.is_nan() {
            return f64::NAN;
        }
        if lower >= upper {
            return 0.0;
        }
        let rank = |value| match self.rank_below(value) {
            Some(rank) if rank <= last.count => rank,
            _ => last.count,
        };
        (rank(upper) - rank(lower)) / last.count
    }

    /// How many observations lie below `value`; `None` if it lies above all buckets.
    fn rank_below(&self, value: f64) -> Option<f64> {
        let mut rank = 0.0;
        let mut lower = match self.0.first() {
            Some(first) if first.bound > 0.0 => 0.0,
            _ => f64::NEG_INFINITY,
        };
        for bucket in &self.0 {
            if lower >= value {
                return Some(rank);
            }
            if bucket.bound > value {
                // A bucket without a lower end can't be divided: all of it counts.
                return Some(if lower == f64::NEG_INFINITY {
                    bucket.count
                } else {
                    rank + (bucket.count - rank) * (value - lower) / (bucket.bound - lower)
                });
            }
            rank = bucket.count;
            lower = bucket.bound;
        }
        None
    }
}

/// Whether two counts differ by no more than rounding explains.
fn is_about(left: f64, right: f64) -> bool {
    const TOLERANCE: f64 = 1e-12;
    if left.is_nan() && right.is_nan() {
        return true;
    }
    let sum = left.abs() + right.abs();
    let difference = (left - right).abs();
    if left == 0.0 || right == 0.0 || sum < f64::MIN_POSITIVE {
        return difference < TOLERANCE * f64::MIN_POSITIVE;
    }
    difference / sum.min(f64::MAX) < TOLERANCE
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets(pairs: &[(f64, f64)]) -> ClassicBuckets {
        let mut buckets = ClassicBuckets::default();
        let pairs = pairs.iter();
        buckets.fill(pairs.map(|&(bound, count)| ClassicBucket { bound, count }));
        buckets
    }

    #[test]
    fn quantiles_are_linear_within_a_bucket() {
        let histogram = buckets(&[(1.0, 1.0), (3.0, 3.0), (f64::INFINITY, 4.0)]);
        assert_eq!(histogram.quantile(0.125), 0.5);
        assert_eq!(histogram.quantile(0.5), 2.0);
        assert_eq!(histogram.quantile(0.99), 3.0);
        let below_zero = buckets(&[(-1.0, 1.0), (f64::INFINITY, 2.0)]);
        assert_eq!(below_zero.quantile(0.2), -1.0);
    }

    #[test]
    fn without_observations_or_bounds_there_is_no_quantile() {
        assert!(buckets(&[(f64::INFINITY, 4.0)]).quantile(0.5).is_nan());
        let empty = buckets(&[(1.0, 0.0), (f64::INFINITY, 0.0)]);
        assert!(empty.quantile(0.5).is_nan());
        assert!(!buckets(&[(1.0, 1.0)]).is_complete());
    }

    #[test]
    fn counts_of_equal_bounds_are_added() {
        let histogram = buckets(&[(1.0, 1.0), (1.0, 2.0), (f64::INFINITY, 3.0)]);
        assert_eq!(histogram.0.len(), 2);
        assert_eq!(histogram.0[0].count, 3.0);
    }

    #[test]
    fn falling_counts_are_raised_and_told() {
        let mut histogram = buckets(&[
            (1.0, 5.0),
            (2.0, 3.0),
            (3.0, 6.0),
            (4.0, 2.0),
            (f64::INFINITY, 6.0),
        ]);
        let repair = histogram.make_monotonic();
        let expected = Repair {
            lowest: 2.0,
            highest: 4.0,
            difference: 4.0,
        };
        assert_eq!(repair, Some(expected));
        assert!(histogram.0.is_sorted_by(|a, b| a.count <= b.count));
    }

    #[test]
    fn rounding_is_not_told() {
        let mut histogram = buckets(&[(1.0, 0.3), (f64::INFINITY, 0.1 + 0.1 + 0.1 - 1e-16)]);
        assert_eq!(histogram.make_monotonic(), None);
        assert_eq!(histogram.0[1].count, 0.3);
    }

    #[test]
    fn fractions_are_the_inverse_of_quantiles() {
        let histogram = buckets(&[(1.0, 1.0), (3.0, 3.0), (f64::INFINITY, 4.0)]);
        for q in [0.1, 0.25, 0.6] {
            let value = histogram.quantile(q);
            let fraction = histogram.fraction(f64::NEG_INFINITY, value);
            assert!((fraction - q).abs() < 1e-12);
        }
        assert_eq!(histogram.fraction(1.0, f64::INFINITY), 0.75);
        assert_eq!(histogram.fraction(2.0, 1.0), 0.0);
    }
}
