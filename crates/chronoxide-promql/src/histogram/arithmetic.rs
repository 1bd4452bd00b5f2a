//! Operators on whole histograms.

use chronoxide_model::{CUSTOM_BUCKETS_SCHEMA, CounterResetHint};

use super::merge::{Direction, IncompatibleBuckets, MergeNotes, Target};
use super::tally::{compact_run, reduce_run};
use crate::FloatHistogram;

impl FloatHistogram {
    /// Whether the bounds are listed rather than exponential.
    #[must_use]
    pub const fn uses_custom_buckets(&self) -> bool {
        self.schema == CUSTOM_BUCKETS_SCHEMA
    }

    /// Whether the sample is a stale marker, which histograms carry in their sum.
    #[must_use]
    pub const fn is_stale(&self) -> bool {
        chronoxide_model::is_stale_marker(self.sum)
    }

    fn target(&mut self) -> Target<'_, f64> {
        Target {
            hint: &mut self.counter_reset_hint,
            schema: &mut self.schema,
            zero_threshold: &mut self.zero_threshold,
            zero_count: &mut self.zero_count,
            count: &mut self.count,
            sum: &mut self.sum,
            positive: &mut self.positive,
            negative: &mut self.negative,
            custom_bounds: &mut self.custom_bounds,
        }
    }

    /// Adds `other`. The result has the coarser resolution, the wider zero bucket or the shared custom bounds of the
    /// two; empty buckets may remain.
    ///
    /// # Errors
    /// When one has exponential and the other custom buckets; this histogram is then unchanged.
    pub fn add(&mut self, other: &Self) -> Result<MergeNotes, IncompatibleBuckets> {
        self.target().merge(other, Direction::Add)
    }

    /// Takes `other` away. The layout and the reset hint become those of an addition; the `-` operator marks its
    /// result as a gauge on top of that.
    ///
    /// # Errors
    /// When one has exponential and the other custom buckets; this histogram is then unchanged.
    pub fn sub(&mut self, other: &Self) -> Result<MergeNotes, IncompatibleBuckets> {
        self.target().merge(other, Direction::Subtract)
    }

    /// All counts and the sum times `factor`. A negative factor makes a gauge.
    pub fn mul(&mut self, factor: f64) {
        self.map_counts(|count| count * factor);
        self.mark_gauge_if(factor < 0.0);
    }

    /// All counts and the sum divided by `divisor`. Zero leaves no buckets, a negative divisor makes a gauge.
    pub fn div(&mut self, divisor: f64) {
        if divisor == 0.0 {
            self.positive.clear();
            self.negative.clear();
        }
        self.map_counts(|count| count / divisor);
        self.mark_gauge_if(divisor < 0.0);
    }

    fn map_counts(&mut self, change: impl Fn(f64) -> f64) {
        if !self.uses_custom_buckets() {
            self.zero_count = change(self.zero_count);
        }
        for total in [&mut self.count, &mut self.sum] {
            *total = change(*total);
        }
        for (_, count) in self.positive.iter_mut().chain(&mut self.negative) {
            *count = change(*count);
        }
    }

    const fn mark_gauge_if(&mut self, gauge: bool) {
        if gauge {
            self.counter_reset_hint = CounterResetHint::Gauge;
        }
    }

    /// Drops empty buckets.
    pub fn compact(&mut self) {
        compact_run(&mut self.positive);
        compact_run(&mut self.negative);
    }

    /// Merges buckets until the resolution is that of the coarser exponential `schema`. Custom buckets and a finer
    /// schema leave the histogram as it is.
    pub fn reduce_resolution(&mut self, schema: i8) {
        if self.uses_custom_buckets() || schema >= self.schema || schema == CUSTOM_BUCKETS_SCHEMA {
            return;
        }
        reduce_run(&mut self.positive, self.schema, schema);
        reduce_run(&mut self.negative, self.schema, schema);
        self.schema = schema;
    }

    /// Whether both hold the same observations: as [`FloatHistogram::same_data`], but for buckets without any.
    #[must_use]
    pub(crate) fn same_observations(&self, other: &Self) -> bool {
        let has_empty = |histogram: &Self| {
            let mut runs = histogram.positive.iter().chain(&histogram.negative);
            runs.any(|(_, count)| *count == 0.0)
        };
        if self.same_data(other) {
            return true;
        }
        if !has_empty(self) && !has_empty(other) {
            return false;
        }
        let compacted = |histogram: &Self| {
            let mut compacted = histogram.clone();
            compacted.compact();
            compacted
        };
        self.count.to_bits() == other.count.to_bits()
            && compacted(self).same_data(&compacted(other))
    }

    /// Whether both hold the same data: layout (empty buckets count), counts and sum bit for bit. Hints don't matter.
    #[must_use]
    pub fn same_data(&self, other: &Self) -> bool {
        let same = |left: f64, right: f64| left.to_bits() == right.to_bits();
        let same_run = |left: &[(i32, f64)], right: &[(i32, f64)]| {
            left.len() == right.len()
                && std::iter::zip(left, right).all(|(a, b)| a.0 == b.0 && same(a.1, b.1))
        };
        self.schema == other.schema
            && same(self.count, other.count)
            && same(self.sum, other.sum)
            && self.zero_threshold == other.zero_threshold
            && same(self.zero_count, other.zero_count)
            && (!self.uses_custom_buckets() || self.custom_bounds == other.custom_bounds)
            && same_run(&self.negative, &other.negative)
            && same_run(&self.positive, &other.positive)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{custom, exponential};
    use super::*;

    #[test]
    fn the_result_has_the_coarser_resolution() {
        let mut left = exponential(1, &[(1, 1.0), (2, 2.0), (3, 4.0)], &[]);
        let right = exponential(0, &[(1, 10.0), (5, 1.0)], &[(2, 3.0)]);
        left.add(&right).unwrap();
        assert_eq!(left.schema, 0);
        assert_eq!(left.positive, [(1, 13.0), (2, 4.0), (5, 1.0)]);
        assert_eq!(left.negative, [(2, 3.0)]);
        assert_eq!(left.count, 21.0);

        let mut coarse = right.clone();
        let fine = exponential(1, &[(1, 1.0), (2, 2.0), (3, 4.0)], &[]);
        coarse.sub(&fine).unwrap();
        assert_eq!(coarse.schema, 0);
        assert_eq!(coarse.positive, [(1, 7.0), (2, -4.0), (5, 1.0)]);
    }

    #[test]
    fn the_zero_bucket_grows_to_the_end_of_a_populated_bucket() {
        let mut left = exponential(0, &[(0, 1.0), (1, 2.0), (2, 4.0)], &[(1, 8.0)]);
        left.zero_threshold = 0.25;
        left.zero_count = 16.0;
        let mut right = exponential(0, &[(3, 1.0)], &[]);
        right.zero_threshold = 1.5;
        right.zero_count = 32.0;
        left.add(&right).unwrap();
        assert_eq!(left.zero_threshold, 2.0);
        assert_eq!(left.zero_count, 16.0 + 1.0 + 2.0 + 8.0 + 32.0);
        assert_eq!(left.positive, [(2, 4.0), (3, 1.0)]);
        assert_eq!(left.negative, []);
    }

    #[test]
    fn buckets_of_the_other_inside_the_zero_bucket_are_counted_once() {
        let mut left = exponential(0, &[(3, 1.0)], &[]);
        left.zero_threshold = 2.0;
        let right = exponential(0, &[(0, 1.0), (1, 2.0), (2, 4.0)], &[(0, 8.0)]);
        left.add(&right).unwrap();
        assert_eq!(left.zero_count, 11.0);
        assert_eq!(left.positive, [(2, 4.0), (3, 1.0)]);
        assert_eq!(left.negative, []);
    }

    #[test]
    fn different_custom_bounds_leave_the_shared_ones() {
        let mut left = custom(&[1.0, 2.0, 3.0], &[(0, 1.0), (1, 2.0), (2, 4.0), (3, 8.0)]);
        let right = custom(&[0.5, 2.0, 4.0], &[(0, 1.0), (1, 2.0), (3, 5.0)]);
        let notes = left.add(&right).unwrap();
        assert!(notes.bounds_reconciled);
        assert_eq!(&*left.custom_bounds, [2.0]);
        assert_eq!(left.positive, [(0, 6.0), (1, 17.0)]);
    }

    #[test]
    fn custom_and_exponential_buckets_do_not_mix() {
        let mut left = custom(&[1.0], &[(0, 1.0)]);
        let before = left.clone();
        assert_eq!(
            left.add(&exponential(0, &[], &[])),
            Err(IncompatibleBuckets)
        );
        assert_eq!(left, before);
    }

    #[test]
    fn hints_of_the_two_become_one() {
        use CounterResetHint::{Gauge, NotReset, Reset, Unknown};
        for (left, right, expected, conflict) in [
            (Reset, Reset, Reset, false),
            (Gauge, Reset, Gauge, false),
            (NotReset, Gauge, Gauge, false),
            (Unknown, Reset, Unknown, false),
            (NotReset, Unknown, Unknown, false),
            (Reset, NotReset, Unknown, true),
            (NotReset, Reset, Unknown, true),
        ] {
            let mut sum = exponential(0, &[], &[]);
            sum.counter_reset_hint = left;
            let mut other = sum.clone();
            other.counter_reset_hint = right;
            let notes = sum.add(&other).unwrap();
            assert_eq!(sum.counter_reset_hint, expected, "{left:?} {right:?}");
            assert_eq!(notes.conflicting_resets, conflict, "{left:?} {right:?}");
        }
    }

    #[test]
    fn division_by_zero_leaves_no_buckets() {
        let mut histogram = exponential(0, &[(1, 1.0)], &[(1, 1.0)]);
        histogram.div(0.0);
        assert!(histogram.positive.is_empty() && histogram.negative.is_empty());
        assert_eq!(histogram.count, f64::INFINITY);
        assert!(histogram.zero_count.is_nan());
    }

    #[test]
    fn custom_buckets_get_no_zero_bucket() {
        let mut histogram = custom(&[1.0], &[(0, 1.0)]);
        histogram.mul(f64::NAN);
        assert_eq!(histogram.zero_count, 0.0);
        assert!(histogram.count.is_nan());
    }

    #[test]
    fn negative_factors_make_gauges() {
        let mut histogram = exponential(0, &[(1, 1.0)], &[]);
        histogram.mul(2.0);
        assert_eq!(histogram.counter_reset_hint, CounterResetHint::Unknown);
        histogram.mul(-1.0);
        assert_eq!(histogram.counter_reset_hint, CounterResetHint::Gauge);
        assert_eq!(histogram.positive, [(1, -2.0)]);
    }

    #[test]
    fn equality_is_of_data_and_layout() {
        let histogram = exponential(0, &[(1, 1.0)], &[]);
        let mut other = histogram.clone();
        other.counter_reset_hint = CounterResetHint::Gauge;
        assert!(histogram.same_data(&other));
        other.positive.push((2, 0.0));
        assert!(!histogram.same_data(&other));
        other.compact();
        assert!(histogram.same_data(&other));
    }
}
