//! Counter resets between two histograms of a series.

use chronoxide_model::CounterResetHint;

use super::bounds::{coarser_index, lower_bound};
use super::merge::{index_in, shared_bounds, widened_zero};
use super::tally::{Run, add_run};
use crate::FloatHistogram;

impl FloatHistogram {
    /// Whether the counter was reset between `previous` and this histogram: a count fell, or the layout changed in a
    /// way that only a restart explains (finer resolution, narrower zero bucket). A hint that says so is believed.
    #[must_use]
    pub fn is_reset_after(&self, previous: &Self) -> bool {
        match self.counter_reset_hint {
            CounterResetHint::Reset => return true,
            CounterResetHint::NotReset => return false,
            CounterResetHint::Unknown | CounterResetHint::Gauge => {}
        }
        if self.count < previous.count {
            return true;
        }
        if self.uses_custom_buckets() {
            return !previous.uses_custom_buckets() || self.custom_counts_fell(previous);
        }
        if self.schema > previous.schema || self.zero_threshold < previous.zero_threshold {
            return true;
        }
        self.zero_count_fell(previous)
            || self.run_fell(&self.positive, &previous.positive, previous.schema)
            || self.run_fell(&self.negative, &previous.negative, previous.schema)
    }

    /// Whether the zero bucket lost observations, or now ends where `previous` had a populated bucket.
    fn zero_count_fell(&self, previous: &Self) -> bool {
        if self.zero_threshold == previous.zero_threshold {
            return self.zero_count < previous.zero_count;
        }
        if self.zero_threshold.is_nan() || previous.zero_threshold.is_nan() {
            return true;
        }
        let (before, threshold) = widened_zero(
            previous.zero_count,
            [&previous.positive, &previous.negative],
            previous.schema,
            self.zero_threshold,
        );
        threshold != self.zero_threshold || self.zero_count < before
    }

    /// Whether a bucket outside the zero bucket lost observations since `previous`, of a finer or equal schema.
    fn run_fell(&self, own: &[(i32, f64)], previous: &[(i32, f64)], previous_schema: i8) -> bool {
        let threshold = self.zero_threshold;
        let in_zero_bucket = |bucket: &(i32, f64)| {
            threshold > 0.0 && lower_bound(bucket.0, previous_schema, &[]) < threshold
        };
        let outside = &previous[previous.partition_point(in_zero_bucket)..];
        if previous_schema == self.schema {
            return any_fell(own, outside);
        }
        let mut before = Run::new();
        let coarser = |&(index, count): &(i32, f64)| {
            (coarser_index(index, previous_schema, self.schema), count)
        };
        add_run(&mut before, outside.iter().map(coarser));
        any_fell(own, &before)
    }

    /// Whether a custom bucket lost observations; different bounds are compared where they meet.
    fn custom_counts_fell(&self, previous: &Self) -> bool {
        if self.custom_bounds == previous.custom_bounds {
            return any_fell(&self.positive, &previous.positive);
        }
        let shared = shared_bounds(&self.custom_bounds, &previous.custom_bounds);
        let rolled_up = |histogram: &Self| {
            let mut run = Run::<f64>::new();
            let buckets = histogram
                .positive
                .iter()
                .map(|&(index, count)| (index_in(&shared, &histogram.custom_bounds, index), count));
            add_run(&mut run, buckets);
            run
        };
        any_fell(&rolled_up(self), &rolled_up(previous))
    }
}

/// Whether a bucket of `previous` has fewer observations in `current`, or is populated and missing there.
fn any_fell(current: &[(i32, f64)], previous: &[(i32, f64)]) -> bool {
    let mut rest = current;
    previous.iter().any(|&(index, before)| {
        rest = &rest[rest.iter().take_while(|bucket| bucket.0 < index).count()..];
        match rest.first() {
            Some(&(found, now)) if found == index => now < before,
            _ => before != 0.0,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{custom, exponential};
    use super::*;

    #[test]
    fn growing_counts_are_no_reset() {
        let before = exponential(0, &[(1, 1.0), (2, 0.0)], &[(1, 1.0)]);
        let after = exponential(0, &[(0, 1.0), (1, 2.0)], &[(1, 1.0)]);
        assert!(!after.is_reset_after(&before));
        assert!(before.is_reset_after(&after));
    }

    #[test]
    fn a_bucket_that_falls_is_a_reset_though_the_count_grows() {
        let before = exponential(0, &[(1, 2.0)], &[]);
        let after = exponential(0, &[(1, 1.0), (2, 5.0)], &[]);
        assert!(after.is_reset_after(&before));
    }

    #[test]
    fn hints_are_believed() {
        let before = exponential(0, &[(1, 2.0)], &[]);
        let mut after = exponential(0, &[(1, 1.0)], &[]);
        after.counter_reset_hint = CounterResetHint::NotReset;
        assert!(!after.is_reset_after(&before));
        let mut same = before.clone();
        same.counter_reset_hint = CounterResetHint::Reset;
        assert!(same.is_reset_after(&before));
    }

    #[test]
    fn coarser_resolution_and_a_wider_zero_bucket_are_no_reset() {
        let mut before = exponential(1, &[(-3, 1.0), (1, 2.0), (2, 3.0)], &[]);
        before.zero_threshold = 0.25;
        let mut after = exponential(0, &[(1, 5.0)], &[]);
        after.zero_threshold = 0.5;
        after.zero_count = 1.0;
        after.count = 6.0;
        assert!(!after.is_reset_after(&before));
        assert!(before.is_reset_after(&after), "finer resolution");
        after.zero_threshold = 1.25;
        after.zero_count = 6.0;
        assert!(after.is_reset_after(&before), "ends in a populated bucket");
    }

    #[test]
    fn custom_buckets_are_compared_at_shared_bounds() {
        let before = custom(&[1.0, 2.0], &[(0, 1.0), (1, 2.0)]);
        let after = custom(&[2.0, 3.0], &[(0, 3.0), (1, 1.0)]);
        assert!(!after.is_reset_after(&before));
        let fewer = custom(&[2.0, 3.0], &[(0, 2.0), (1, 9.0)]);
        assert!(fewer.is_reset_after(&before));
        assert!(after.is_reset_after(&exponential(0, &[], &[])));
    }
}
