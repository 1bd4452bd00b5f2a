//! Closed ranges of time.

use std::time::Duration;

/// A range of Unix milliseconds, closed at both ends and never reversed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimeRange {
    min_ms: i64,
    max_ms: i64,
}

/// The end of a range lies before its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("time range ends at {max_ms} ms, before its start at {min_ms} ms")]
pub struct TimeRangeError {
    min_ms: i64,
    max_ms: i64,
}

impl TimeRange {
    /// All of time.
    pub const ALL: Self = Self {
        min_ms: i64::MIN,
        max_ms: i64::MAX,
    };

    /// The range from `min_ms` to `max_ms`, both included.
    ///
    /// # Errors
    /// When `max_ms` lies before `min_ms`.
    pub const fn new(min_ms: i64, max_ms: i64) -> Result<Self, TimeRangeError> {
        if max_ms < min_ms {
            Err(TimeRangeError { min_ms, max_ms })
        } else {
            Ok(Self { min_ms, max_ms })
        }
    }

    /// The range of one instant.
    #[must_use]
    pub const fn at(timestamp_ms: i64) -> Self {
        Self {
            min_ms: timestamp_ms,
            max_ms: timestamp_ms,
        }
    }

    /// The `span` that ends at `now_ms`, both ends included.
    #[must_use]
    pub fn last(span: Duration, now_ms: i64) -> Self {
        let span_ms = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        Self {
            min_ms: now_ms.saturating_sub(span_ms),
            max_ms: now_ms,
        }
    }

    /// First millisecond of the range.
    #[must_use]
    pub const fn min_ms(&self) -> i64 {
        self.min_ms
    }

    /// Last millisecond of the range.
    #[must_use]
    pub const fn max_ms(&self) -> i64 {
        self.max_ms
    }

    /// Whether `timestamp_ms` lies in the range.
    #[must_use]
    pub const fn contains(&self, timestamp_ms: i64) -> bool {
        self.min_ms <= timestamp_ms && timestamp_ms <= self.max_ms
    }

    /// Whether the two ranges share at least one instant.
    #[must_use]
    pub const fn overlaps(&self, other: &Self) -> bool {
        self.min_ms <= other.max_ms && other.min_ms <= self.max_ms
    }

    /// What the two ranges share, if anything.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Option<Self> {
        Self::new(self.min_ms.max(other.min_ms), self.max_ms.min(other.max_ms)).ok()
    }

    /// The smallest range that holds both.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self {
            min_ms: self.min_ms.min(other.min_ms),
            max_ms: self.max_ms.max(other.max_ms),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reversed_range_is_refused() {
        assert!(TimeRange::new(2, 1).is_err());
        assert!(TimeRange::new(1, 1).is_ok());
    }

    #[test]
    fn both_ends_belong_to_the_range() {
        let range = TimeRange::last(Duration::from_millis(10), 100);
        assert!(range.contains(90) && range.contains(100));
        assert!(!range.contains(89) && !range.contains(101));
        assert!(range.overlaps(&TimeRange::at(100)));
        assert_eq!(range.intersection(&TimeRange::at(101)), None);
        assert_eq!(
            range.union(&TimeRange::at(200)),
            TimeRange {
                min_ms: 90,
                max_ms: 200
            }
        );
    }

    #[test]
    fn a_span_longer_than_time_saturates() {
        assert_eq!(
            TimeRange::last(Duration::MAX, i64::MIN + 5).min_ms(),
            i64::MIN
        );
    }
}
