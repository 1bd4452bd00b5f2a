//! How many series were made in the last hour.

use parking_lot::Mutex;

const MINUTES: usize = 60;

/// Counts of the last hour, minute by minute.
#[derive(Debug)]
pub(crate) struct Churn {
    /// A minute since 1970 and its count, at the place of the minute in its hour.
    minutes: Mutex<[(i64, u64); MINUTES]>,
}

impl Default for Churn {
    fn default() -> Self {
        Self {
            minutes: Mutex::new([(i64::MIN, 0); MINUTES]),
        }
    }
}

impl Churn {
    /// Counts series made at `now_ms`.
    pub(crate) fn add(&self, series: u64, now_ms: i64) {
        let minute = minute_of(now_ms);
        let mut minutes = self.minutes.lock();
        let slot = &mut minutes[minute.rem_euclid(MINUTES as i64) as usize];
        if slot.0 != minute {
            *slot = (minute, 0);
        }
        slot.1 += series;
    }

    /// Series made in the hour before `now_ms`.
    pub(crate) fn last_hour(&self, now_ms: i64) -> u64 {
        let minute = minute_of(now_ms);
        let is_recent = |then: i64| then > minute.saturating_sub(MINUTES as i64) && then <= minute;
        let minutes = self.minutes.lock();
        let recent = minutes.iter().filter(|(then, _)| is_recent(*then));
        recent.map(|(_, series)| series).sum()
    }
}

const fn minute_of(ms: i64) -> i64 {
    ms.div_euclid(60_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_older_than_an_hour_are_left_out() {
        let churn = Churn::default();
        let start_ms = 1_700_000_000_000;
        churn.add(5, start_ms);
        churn.add(2, start_ms + 30 * 60_000);
        assert_eq!(churn.last_hour(start_ms + 59 * 60_000), 7);
        assert_eq!(churn.last_hour(start_ms + 61 * 60_000), 2);
        // The same minute of the next hour.
        churn.add(1, start_ms + 60 * 60_000);
        assert_eq!(churn.last_hour(start_ms + 60 * 60_000), 3);
        assert_eq!(churn.last_hour(start_ms + 600 * 60_000), 0);
        assert_eq!(churn.last_hour(start_ms - 1), 0, "a clock set back");
    }
}
