//! Log lines that clients can cause are written at a bounded rate.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// At most one line in this time.
const PERIOD: Duration = Duration::from_secs(10);

/// Lets one line through in a while and counts the others.
#[derive(Debug, Default)]
pub(crate) struct LogLimit(Mutex<Passed>);

#[derive(Debug, Default)]
struct Passed {
    last: Option<Instant>,
    held_back: u64,
}

impl LogLimit {
    /// If a line may be written now: how many have been held back since the one before.
    pub(crate) fn pass(&self, now: Instant) -> Option<u64> {
        let mut passed = self.0.lock();
        if passed
            .last
            .is_some_and(|last| now.saturating_duration_since(last) < PERIOD)
        {
            passed.held_back += 1;
            return None;
        }
        passed.last = Some(now);
        Some(std::mem::take(&mut passed.held_back))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_passes_in_a_period_and_tells_of_the_others() {
        let limit = LogLimit::default();
        let start = Instant::now();
        assert_eq!(limit.pass(start), Some(0));
        assert_eq!(limit.pass(start + Duration::from_secs(1)), None);
        assert_eq!(limit.pass(start + Duration::from_secs(9)), None);
        assert_eq!(limit.pass(start + PERIOD), Some(2));
    }
}
