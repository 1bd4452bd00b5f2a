//! Where the time of day comes from.

use std::fmt::Debug;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// A source of Unix time.
///
/// Nothing in storage reads the system's clock by itself, so that tests decide what time it is.
pub trait Clock: Debug + Send + Sync {
    /// Milliseconds since 1970-01-01 00:00 UTC.
    fn now_ms(&self) -> i64;
}

/// The clock of the machine. It may jump when the machine's clock is set.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_ms(&self) -> i64 {
        let since_epoch = |earlier: SystemTime, later: SystemTime| {
            later
                .duration_since(earlier)
                .ok()
                .and_then(|span| i64::try_from(span.as_millis()).ok())
        };
        let now = SystemTime::now();
        since_epoch(UNIX_EPOCH, now)
            .or_else(|| since_epoch(now, UNIX_EPOCH).map(|before| -before))
            .unwrap_or(i64::MAX)
    }
}

/// A clock that stands still until it is told otherwise.
#[derive(Debug, Default)]
pub struct ManualClock {
    now_ms: AtomicI64,
}

impl ManualClock {
    /// A clock that shows `now_ms`.
    #[must_use]
    pub const fn new(now_ms: i64) -> Self {
        Self {
            now_ms: AtomicI64::new(now_ms),
        }
    }

    /// Shows `now_ms` from here on, be it earlier or later than before.
    pub fn set(&self, now_ms: i64) {
        self.now_ms.store(now_ms, Ordering::SeqCst);
    }

    /// Moves on by `by_ms`, backwards when it is negative.
    pub fn advance(&self, by_ms: i64) {
        self.now_ms.fetch_add(by_ms, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now_ms(&self) -> i64 {
        self.now_ms.load(Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_clock_is_past_the_year_2020() {
        assert!(SystemClock.now_ms() > 1_577_836_800_000);
    }

    #[test]
    fn a_manual_clock_moves_only_when_told() {
        let clock = ManualClock::new(5);
        assert_eq!(clock.now_ms(), 5);
        clock.advance(-7);
        assert_eq!(clock.now_ms(), -2);
        clock.set(9);
        assert_eq!(clock.now_ms(), 9);
    }
}
