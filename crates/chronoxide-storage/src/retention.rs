//! Which partitions are to go: a pure decision, taken anew from time to time.
//!
//! Reads are cut to retention by the wall clock, exactly. Dropping files cannot be undone, so it trusts the clock
//! less: a clock that jumps ahead must not cost data.

use std::time::Duration;

use crate::partition::Partition;

/// What the decision depends on.
#[derive(Clone, Debug)]
pub(crate) struct RetentionState {
    /// Partitions with the bytes they take, oldest first.
    pub(crate) partitions: Vec<(Partition, u64)>,
    pub(crate) now_ms: i64,
    /// Time of the newest sample, in parts or in the head.
    pub(crate) newest_sample_ms: i64,
    pub(crate) retention: Duration,
    /// Bytes all files may take, and bytes taken by what is no part.
    pub(crate) bytes_max: Option<u64>,
    pub(crate) other_bytes: u64,
}

/// What is to be done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RetentionPlan {
    /// Partitions to drop, oldest first.
    pub(crate) dropped: Vec<Partition>,
    /// How many more have expired and wait, because so many at once look like a clock that jumped.
    pub(crate) held_back: usize,
}

/// The clock is believed only this far beyond the newest sample.
const CLOCK_GRACE_MS: i64 = 24 * 3600 * 1000;

/// Decides which partitions go. The partition of the newest sample never does.
///
/// When more than half of the partitions have expired at once, only the oldest goes; the caller comes back an hour
/// later, so that somebody has time to see the warning and to set the clock right.
pub(crate) fn plan(state: &RetentionState) -> RetentionPlan {
    let droppable = || {
        state
            .partitions
            .iter()
            .filter(|(partition, _)| partition.range().max_ms() < state.newest_sample_ms)
    };
    let cut_ms = disposable_before_ms(state.now_ms, state.newest_sample_ms, state.retention);
    let expired = droppable()
        .filter(|(partition, _)| partition.range().max_ms() < cut_ms)
        .count();
    let at_once = if expired * 2 > state.partitions.len() {
        expired.min(1)
    } else {
        expired
    };
    let over_size = over_size(state, droppable().map(|(_, bytes)| *bytes));
    let count = at_once.max(over_size);
    RetentionPlan {
        dropped: droppable()
            .take(count)
            .map(|(partition, _)| *partition)
            .collect(),
        held_back: expired.saturating_sub(count),
    }
}

/// What lies before this time may be removed for good: past retention, and not only because the clock says so.
pub(crate) fn disposable_before_ms(now_ms: i64, newest_sample_ms: i64, retention: Duration) -> i64 {
    let trusted_now_ms = now_ms.min(newest_sample_ms.saturating_add(CLOCK_GRACE_MS));
    let retention_ms = i64::try_from(retention.as_millis()).unwrap_or(i64::MAX);
    trusted_now_ms.saturating_sub(retention_ms)
}

/// How many of the oldest partitions must go to get below the limit on bytes.
fn over_size(state: &RetentionState, droppable: impl Iterator<Item = u64>) -> usize {
    let Some(bytes_max) = state.bytes_max else {
        return 0;
    };
    let parts: u64 = state.partitions.iter().map(|(_, bytes)| bytes).sum();
    let mut total = parts.saturating_add(state.other_bytes);
    let mut count = 0;
    for bytes in droppable {
        if total <= bytes_max {
            break;
        }
        total = total.saturating_sub(bytes);
        count += 1;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::partition::PartitionWidth;

    const DAY_MS: i64 = 24 * 3600 * 1000;

    fn day(day: i64) -> Partition {
        Partition::of(day * DAY_MS, PartitionWidth::Day)
    }

    /// Partitions of the days 0 to `days`, ten bytes each, with samples to the middle of the last day.
    fn state(days: i64, retention_days: u64, now_day: i64) -> RetentionState {
        RetentionState {
            partitions: (0..=days).map(|n| (day(n), 10)).collect(),
            now_ms: now_day * DAY_MS + DAY_MS / 2,
            newest_sample_ms: days * DAY_MS + DAY_MS / 2,
            retention: Duration::from_secs(retention_days * 24 * 3600),
            bytes_max: None,
            other_bytes: 5,
        }
    }

    fn dropped(state: &RetentionState) -> Vec<Partition> {
        plan(state).dropped
    }

    #[test]
    fn a_partition_goes_when_all_of_it_is_past_retention() {
        assert_eq!(dropped(&state(10, 10, 10)), []);
        assert_eq!(dropped(&state(10, 9, 10)), [day(0)]);
        assert_eq!(dropped(&state(10, 7, 10)), [day(0), day(1), day(2)]);
    }

    #[test]
    fn a_clock_that_jumps_ahead_costs_at_most_a_day() {
        let jumped = state(10, 9, 10 + 3650);
        assert_eq!(dropped(&jumped), [day(0), day(1)]);
        assert_eq!(
            dropped(&RetentionState {
                now_ms: i64::MAX,
                ..jumped
            }),
            [day(0), day(1)]
        );
    }

    #[test]
    fn a_clock_that_falls_back_drops_nothing() {
        assert_eq!(dropped(&state(10, 5, 0)), []);
        assert_eq!(
            dropped(&RetentionState {
                now_ms: i64::MIN,
                ..state(10, 5, 0)
            }),
            []
        );
    }

    #[test]
    fn most_of_the_data_does_not_go_at_once() {
        let mut jumped = state(10, 10, 300);
        jumped.newest_sample_ms = 300 * DAY_MS;
        jumped.partitions.push((day(300), 10));
        let expected = RetentionPlan {
            dropped: vec![day(0)],
            held_back: 10,
        };
        assert_eq!(plan(&jumped), expected);
    }

    #[test]
    fn the_partition_of_the_newest_sample_stays() {
        let mut short = state(0, 1, 5);
        short.retention = Duration::from_secs(60);
        assert_eq!(dropped(&short), []);
        short.bytes_max = Some(1);
        assert_eq!(dropped(&short), []);
    }

    #[test]
    fn too_many_bytes_take_the_oldest_partitions() {
        let mut large = state(10, 100, 10);
        large.bytes_max = Some(115);
        assert_eq!(dropped(&large), []);
        large.bytes_max = Some(114);
        assert_eq!(dropped(&large), [day(0)]);
        large.bytes_max = Some(90);
        assert_eq!(dropped(&large), [day(0), day(1), day(2)]);
        large.bytes_max = Some(0);
        assert_eq!(dropped(&large).len(), 10);
    }

    #[test]
    fn keeping_for_ever_drops_nothing() {
        let mut forever = state(10, 1, 10_000);
        forever.retention = Duration::MAX;
        assert_eq!(dropped(&forever), []);
    }
}
