//! Runs of buckets: ascending pairs of index and count.

use super::bounds::coarser_index;
use crate::kahan::KahanSum;

/// A count that others are added to: plain, or with compensation.
pub(super) trait Tally: Copy {
    /// A count that starts at `value`.
    fn start(value: f64) -> Self;
    /// Adds a plain count.
    fn add(&mut self, value: f64);
    /// Adds another count of the same kind.
    fn absorb(&mut self, other: Self);
    /// Whether nothing has been counted.
    fn is_zero(self) -> bool;
    /// The count without what compensation may add.
    fn plain(self) -> f64;
}

impl Tally for f64 {
    fn start(value: f64) -> Self {
        value
    }

    fn add(&mut self, value: f64) {
        *self += value;
    }

    fn absorb(&mut self, other: Self) {
        *self += other;
    }

    fn is_zero(self) -> bool {
        self == 0.0
    }

    fn plain(self) -> f64 {
        self
    }
}

impl Tally for KahanSum {
    fn start(value: f64) -> Self {
        Self::new(value)
    }

    fn add(&mut self, value: f64) {
        Self::add(self, value);
    }

    fn absorb(&mut self, other: Self) {
        Self::add(self, other.sum);
        Self::add(self, other.compensation);
    }

    fn is_zero(self) -> bool {
        self.sum == 0.0 && self.compensation == 0.0
    }

    fn plain(self) -> f64 {
        self.sum
    }
}

/// A run of buckets.
pub(super) type Run<T> = Vec<(i32, T)>;

/// Adds `others`, ascending by index (an index may repeat), to `run`.
pub(super) fn add_run<T: Tally>(run: &mut Run<T>, others: impl Iterator<Item = (i32, f64)>) {
    let mut position = 0;
    let mut missing: Run<T> = Vec::new();
    for (index, count) in others {
        while run.get(position).is_some_and(|bucket| bucket.0 < index) {
            position += 1;
        }
        if let Some((_, tally)) = run.get_mut(position).filter(|bucket| bucket.0 == index) {
            tally.add(count);
        } else if let Some((_, tally)) = missing.last_mut().filter(|bucket| bucket.0 == index) {
            tally.add(count);
        } else {
            missing.push((index, T::start(count)));
        }
    }
    if !missing.is_empty() {
        insert_missing(run, &missing);
    }
}

/// Merges two ascending runs that share no index.
fn insert_missing<T: Tally>(run: &mut Run<T>, missing: &[(i32, T)]) {
    let mut merged = Vec::with_capacity(run.len() + missing.len());
    let mut rest = missing;
    for &bucket in run.iter() {
        let before = rest.partition_point(|other| other.0 < bucket.0);
        merged.extend_from_slice(&rest[..before]);
        rest = &rest[before..];
        merged.push(bucket);
    }
    merged.extend_from_slice(rest);
    *run = merged;
}

/// Merges the buckets of `run` into those of the coarser schema `target`.
pub(super) fn reduce_run<T: Tally>(run: &mut Run<T>, origin: i8, target: i8) {
    for bucket in run.iter_mut() {
        bucket.0 = coarser_index(bucket.0, origin, target);
    }
    run.dedup_by(|later, kept| {
        let same = later.0 == kept.0;
        if same {
            kept.1.absorb(later.1);
        }
        same
    });
}

/// Drops empty buckets.
pub(super) fn compact_run<T: Tally>(run: &mut Run<T>) {
    run.retain(|(_, tally)| !tally.is_zero());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_buckets_are_inserted_in_order() {
        let mut run: Run<f64> = vec![(0, 1.0), (2, 1.0), (5, 1.0)];
        add_run(
            &mut run,
            [(-1, 1.0), (0, 2.0), (3, 3.0), (3, 4.0), (5, 5.0), (9, 6.0)].into_iter(),
        );
        assert_eq!(
            run,
            [(-1, 1.0), (0, 3.0), (2, 1.0), (3, 7.0), (5, 6.0), (9, 6.0)]
        );
    }

    #[test]
    fn reduction_adds_neighbours() {
        let mut run: Run<f64> = vec![(-1, 1.0), (0, 2.0), (1, 3.0), (2, 4.0), (7, 5.0)];
        reduce_run(&mut run, 1, 0);
        assert_eq!(run, [(0, 3.0), (1, 7.0), (4, 5.0)]);
    }
}
