//! A sum of many histograms that keeps the rounding error small.

use std::sync::Arc;

use chronoxide_model::CounterResetHint;

use super::merge::{Direction, IncompatibleBuckets, MergeNotes, Target};
use super::tally::{Run, compact_run};
use crate::FloatHistogram;
use crate::kahan::KahanSum;

/// A running sum of histograms, compensated in every count (see [`KahanSum`]).
#[derive(Clone, Debug)]
pub(crate) struct HistogramSum {
    hint: CounterResetHint,
    schema: i8,
    zero_threshold: f64,
    zero_count: KahanSum,
    count: KahanSum,
    sum: KahanSum,
    positive: Run<KahanSum>,
    negative: Run<KahanSum>,
    custom_bounds: Arc<[f64]>,
}

impl HistogramSum {
    /// A sum that starts at `first`.
    pub(crate) fn new(first: &FloatHistogram) -> Self {
        let start = |run: &[(i32, f64)]| {
            run.iter()
                .map(|&(index, count)| (index, KahanSum::new(count)))
                .collect()
        };
        Self {
            hint: first.counter_reset_hint,
            schema: first.schema,
            zero_threshold: first.zero_threshold,
            zero_count: KahanSum::new(first.zero_count),
            count: KahanSum::new(first.count),
            sum: KahanSum::new(first.sum),
            positive: start(&first.positive),
            negative: start(&first.negative),
            custom_bounds: Arc::clone(&first.custom_bounds),
        }
    }

    /// Adds `other`, like [`FloatHistogram::add`].
    ///
    /// # Errors
    /// When one has exponential and the other custom buckets; the sum is then unchanged.
    pub(crate) fn add(
        &mut self,
        other: &FloatHistogram,
    ) -> Result<MergeNotes, IncompatibleBuckets> {
        let mut target = Target {
            hint: &mut self.hint,
            schema: &mut self.schema,
            zero_threshold: &mut self.zero_threshold,
            zero_count: &mut self.zero_count,
            count: &mut self.count,
            sum: &mut self.sum,
            positive: &mut self.positive,
            negative: &mut self.negative,
            custom_bounds: &mut self.custom_bounds,
        };
        target.merge(other, Direction::Add)
    }

    /// The sum times `factor`, which is not negative.
    pub(crate) fn mul(&mut self, factor: f64) {
        self.map(|tally| tally.scaled(factor));
    }

    /// The sum divided by `divisor`, which is above zero.
    pub(crate) fn div(&mut self, divisor: f64) {
        self.map(|tally| tally.divided(divisor));
    }

    fn map(&mut self, change: impl Fn(KahanSum) -> KahanSum) {
        for total in [&mut self.zero_count, &mut self.count, &mut self.sum] {
            *total = change(*total);
        }
        for (_, tally) in self.positive.iter_mut().chain(&mut self.negative) {
            *tally = change(*tally);
        }
    }

    /// Whether any part has become infinite.
    pub(crate) fn has_overflow(&self) -> bool {
        let totals = [self.zero_count, self.count, self.sum];
        let buckets = self.positive.iter().chain(&self.negative);
        totals
            .into_iter()
            .chain(buckets.map(|&(_, tally)| tally))
            .any(|tally| tally.sum.is_infinite())
            || self.custom_bounds.iter().any(|bound| bound.is_infinite())
    }

    /// Whether adding `other` could make any part infinite. With all counts below this limit even merging all of their
    /// buckets could not.
    fn may_overflow_with(&self, other: &FloatHistogram) -> bool {
        const LIMIT: f64 = 1e290;
        let large = |count: f64| count.abs().partial_cmp(&LIMIT) != Some(std::cmp::Ordering::Less);
        let own = [self.zero_count, self.count, self.sum];
        let buckets = self.positive.iter().chain(&self.negative);
        let others = other.positive.iter().chain(&other.negative);
        own.iter().any(|tally| large(tally.sum))
            || buckets.into_iter().any(|(_, tally)| large(tally.sum))
            || [other.zero_count, other.count, other.sum]
                .into_iter()
                .any(large)
            || others.into_iter().any(|&(_, count)| large(count))
            || self.custom_bounds.iter().any(|bound| bound.is_infinite())
    }

    /// The sum as a histogram without empty buckets.
    pub(crate) fn finish(mut self) -> FloatHistogram {
        compact_run(&mut self.positive);
        compact_run(&mut self.negative);
        let finish = |run: Run<KahanSum>| {
            run.into_iter()
                .map(|(index, tally)| (index, tally.value()))
                .filter(|(_, count)| *count != 0.0)
                .collect()
        };
        FloatHistogram {
            counter_reset_hint: self.hint,
            schema: self.schema,
            zero_threshold: self.zero_threshold,
            zero_count: self.zero_count.value(),
            count: self.count.value(),
            sum: self.sum.value(),
            positive: finish(self.positive),
            negative: finish(self.negative),
            custom_bounds: self.custom_bounds,
        }
    }
}

/// A mean of histograms: a compensated sum divided by the count, or, where that sum would overflow, a running mean.
#[derive(Clone, Debug)]
pub(crate) struct HistogramMean {
    count: f64,
    /// The sum, or the mean once it is running.
    sum: HistogramSum,
    running: bool,
}

impl HistogramMean {
    /// The mean of `first` alone.
    pub(crate) fn new(first: &FloatHistogram) -> Self {
        Self {
            count: 1.0,
            sum: HistogramSum::new(first),
            running: false,
        }
    }

    /// Takes in `other`.
    ///
    /// # Errors
    /// When one has exponential and the other custom buckets; the mean is of no use then.
    pub(crate) fn add(
        &mut self,
        other: &FloatHistogram,
    ) -> Result<MergeNotes, IncompatibleBuckets> {
        self.count += 1.0;
        if !self.running {
            if !self.sum.may_overflow_with(other) {
                return self.sum.add(other);
            }
            let mut next = self.sum.clone();
            let notes = next.add(other)?;
            if !next.has_overflow() {
                self.sum = next;
                return Ok(notes);
            }
            self.running = true;
            self.sum.div(self.count - 1.0);
        }
        self.sum.mul((self.count - 1.0) / self.count);
        let mut share = other.clone();
        share.div(self.count);
        self.sum.add(&share)
    }

    /// The mean as a histogram without empty buckets.
    pub(crate) fn finish(mut self) -> FloatHistogram {
        if !self.running {
            self.sum.div(self.count);
        }
        self.sum.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::exponential;
    use super::*;

    #[test]
    fn small_counts_survive_large_ones() {
        let mut sum = HistogramSum::new(&exponential(0, &[(1, 1.0)], &[]));
        for count in [1e100, 1.0, -1e100] {
            sum.add(&exponential(0, &[(1, count)], &[])).unwrap();
        }
        assert_eq!(sum.finish().positive, [(1, 2.0)]);
    }

    #[test]
    fn overflow_is_seen_in_any_part() {
        let largest = exponential(0, &[(1, f64::MAX)], &[]);
        let mut sum = HistogramSum::new(&largest);
        assert!(!sum.has_overflow());
        sum.add(&largest).unwrap();
        assert!(sum.has_overflow());
    }

    #[test]
    fn the_mean_of_equal_histograms_is_one_of_them() {
        let histogram = exponential(2, &[(-3, 1.5), (4, 2.0)], &[(1, 0.5)]);
        let mut sum = HistogramSum::new(&histogram);
        sum.add(&histogram).unwrap();
        sum.add(&histogram).unwrap();
        sum.div(3.0);
        assert!(sum.finish().same_data(&histogram));
    }

    #[test]
    fn a_mean_does_not_overflow() {
        let largest = exponential(0, &[(1, 1e308)], &[]);
        let mut mean = HistogramMean::new(&largest);
        for _ in 0..3 {
            mean.add(&largest).unwrap();
        }
        let mean = mean.finish();
        assert!((mean.count / 1e308 - 1.0).abs() < 1e-12);
        assert!((mean.positive[0].1 / 1e308 - 1.0).abs() < 1e-12);
    }
}
