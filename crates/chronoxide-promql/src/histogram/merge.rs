//! Adding one histogram to another, whatever their resolutions, zero buckets and bounds.

use std::sync::Arc;

use chronoxide_model::{CUSTOM_BUCKETS_SCHEMA, CounterResetHint};

use super::bounds::{coarser_index, lower_bound, upper_bound};
use super::tally::{Run, Tally, add_run, compact_run, reduce_run};
use crate::FloatHistogram;

/// One histogram has exponential buckets and the other custom ones: they have no common layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("histograms with exponential and with custom buckets have no common bucket layout")]
pub struct IncompatibleBuckets;

/// What users may want to know about an addition or subtraction of histograms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MergeNotes {
    /// One histogram said "reset" and the other "no reset".
    pub conflicting_resets: bool,
    /// The custom bounds differed: the result has those that both share.
    pub bounds_reconciled: bool,
}

/// Whether a histogram is added or taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Add,
    Subtract,
}

impl Direction {
    fn apply(self, count: f64) -> f64 {
        match self {
            Self::Add => count,
            Self::Subtract => -count,
        }
    }
}

/// The parts of a histogram that others are added to.
#[derive(Debug)]
pub(super) struct Target<'a, T> {
    pub(super) hint: &'a mut CounterResetHint,
    pub(super) schema: &'a mut i8,
    pub(super) zero_threshold: &'a mut f64,
    pub(super) zero_count: &'a mut T,
    pub(super) count: &'a mut T,
    pub(super) sum: &'a mut T,
    pub(super) positive: &'a mut Run<T>,
    pub(super) negative: &'a mut Run<T>,
    pub(super) custom_bounds: &'a mut Arc<[f64]>,
}

impl<T: Tally> Target<'_, T> {
    /// Adds `other` or takes it away, reconciling all differences of layout.
    pub(super) fn merge(
        &mut self,
        other: &FloatHistogram,
        direction: Direction,
    ) -> Result<MergeNotes, IncompatibleBuckets> {
        let custom = *self.schema == CUSTOM_BUCKETS_SCHEMA;
        if custom != other.uses_custom_buckets() {
            return Err(IncompatibleBuckets);
        }
        let conflicting_resets = self.merge_hint(other.counter_reset_hint);
        self.count.add(direction.apply(other.count));
        self.sum.add(direction.apply(other.sum));
        let mut bounds_reconciled = false;
        if custom {
            bounds_reconciled = self.merge_custom(other, direction);
        } else {
            self.merge_exponential(other, direction);
        }
        Ok(MergeNotes {
            conflicting_resets,
            bounds_reconciled,
        })
    }

    /// Sets what is known about resets of the result; true if the two contradict each other.
    fn merge_hint(&mut self, other: CounterResetHint) -> bool {
        use CounterResetHint::{Gauge, Unknown};
        let own = *self.hint;
        if own == other || own == Gauge {
            return false;
        }
        *self.hint = if other == Gauge { Gauge } else { Unknown };
        other != Gauge && own != Unknown && other != Unknown
    }

    fn merge_exponential(&mut self, other: &FloatHistogram, direction: Direction) {
        let zero_count = self.reconcile_zero_buckets(other);
        self.zero_count.add(direction.apply(zero_count));
        if other.schema < *self.schema {
            reduce_run(self.positive, *self.schema, other.schema);
            reduce_run(self.negative, *self.schema, other.schema);
            *self.schema = other.schema;
        }
        let (schema, threshold) = (*self.schema, *self.zero_threshold);
        for (run, others) in [
            (&mut *self.positive, &other.positive),
            (&mut *self.negative, &other.negative),
        ] {
            // These are in the zero count already. At the common resolution it couldn't be told any more: the zero
            // bucket may end inside one of its buckets.
            let in_zero_bucket = |bucket: &&(i32, f64)| {
                threshold > 0.0 && lower_bound(bucket.0, other.schema, &[]) < threshold
            };
            let outside = others.iter().skip_while(in_zero_bucket);
            let mapped = outside.map(|&(index, count)| {
                let index = coarser_index(index, other.schema, schema);
                (index, direction.apply(count))
            });
            add_run(run, mapped);
        }
    }

    /// Widens the zero bucket until it covers that of `other` and ends inside no populated bucket of either; gives the
    /// zero count that `other` has with that width.
    fn reconcile_zero_buckets(&mut self, other: &FloatHistogram) -> f64 {
        let mut other_count = other.zero_count;
        let mut other_threshold = other.zero_threshold;
        while *self.zero_threshold > other_threshold || other_threshold > *self.zero_threshold {
            if *self.zero_threshold > other_threshold {
                (other_count, other_threshold) = widened_zero(
                    other.zero_count,
                    [&other.positive, &other.negative],
                    other.schema,
                    *self.zero_threshold,
                );
            }
            if other_threshold > *self.zero_threshold {
                (*self.zero_count, *self.zero_threshold) = widened_zero(
                    *self.zero_count,
                    [self.positive, self.negative],
                    *self.schema,
                    other_threshold,
                );
                self.drop_buckets_in_zero_bucket();
            }
        }
        other_count
    }

    fn drop_buckets_in_zero_bucket(&mut self) {
        let (schema, threshold) = (*self.schema, *self.zero_threshold);
        for run in [&mut *self.positive, &mut *self.negative] {
            run.retain(|&(index, _)| lower_bound(index, schema, &[]) >= threshold);
            compact_run(run);
        }
    }

    /// Adds custom buckets; true if the bounds differed.
    fn merge_custom(&mut self, other: &FloatHistogram, direction: Direction) -> bool {
        if **self.custom_bounds == *other.custom_bounds {
            let others = other.positive.iter();
            add_run(
                self.positive,
                others.map(|&(index, count)| (index, direction.apply(count))),
            );
            return false;
        }
        let shared = shared_bounds(self.custom_bounds, &other.custom_bounds);
        for bucket in self.positive.iter_mut() {
            bucket.0 = index_in(&shared, self.custom_bounds, bucket.0);
        }
        // Indexes in the shared bounds rise with the original ones, so equal ones are neighbours.
        reduce_run(self.positive, 0, 0);
        let others = other.positive.iter().map(|&(index, count)| {
            let index = index_in(&shared, &other.custom_bounds, index);
            (index, direction.apply(count))
        });
        add_run(self.positive, others);
        compact_run(self.positive);
        *self.custom_bounds = shared;
        true
    }
}

/// The zero count for a zero bucket as wide as `threshold`, and that width: if it ended inside a populated bucket, it
/// is widened to take in all of that one.
pub(super) fn widened_zero<T: Tally>(
    zero_count: T,
    sides: [&Run<T>; 2],
    schema: i8,
    threshold: f64,
) -> (T, f64) {
    let mut threshold = threshold;
    loop {
        let before = threshold;
        let mut count = zero_count;
        for run in sides {
            for &(index, tally) in run {
                if lower_bound(index, schema, &[]) >= threshold {
                    break;
                }
                count.absorb(tally);
                let upper = upper_bound(index, schema, &[]);
                if upper > threshold {
                    if tally.plain() != 0.0 {
                        threshold = upper;
                    }
                    break;
                }
            }
        }
        // A wider bucket may take in more on the side that was looked at first.
        if threshold == before {
            return (count, threshold);
        }
    }
}

/// The bounds that two ascending lists share.
pub(super) fn shared_bounds(left: &[f64], right: &[f64]) -> Arc<[f64]> {
    let mut rest = right;
    left.iter()
        .copied()
        .filter(|&bound| {
            rest = &rest[rest.partition_point(|&other| other < bound)..];
            rest.first() == Some(&bound)
        })
        .collect()
}

/// The bucket among `shared` bounds that holds bucket `index` of `bounds`.
pub(super) fn index_in(shared: &[f64], bounds: &[f64], index: i32) -> i32 {
    let upper = upper_bound(index, CUSTOM_BUCKETS_SCHEMA, bounds);
    let position = shared.partition_point(|&bound| bound < upper);
    i32::try_from(position).expect("no more bounds than the histogram had")
}
