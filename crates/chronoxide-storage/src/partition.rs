//! Partitions: the UTC days that own parts.

use std::fmt;

use chronoxide_model::TimeRange;

/// A UTC day. Its parts hold samples of that day only, and retention drops it as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Partition {
    /// Days since 1970-01-01.
    day: i64,
}

const DAY_MS: i64 = 24 * 3600 * 1000;

/// The first millisecond of the year 1: directories are named after days, and years before it have no name.
pub(crate) const TIME_MIN_MS: i64 = -719_162 * DAY_MS;

/// The last millisecond of the year 9999.
pub(crate) const TIME_MAX_MS: i64 = 2_932_897 * DAY_MS - 1;

impl Partition {
    /// The day of a time between [`TIME_MIN_MS`] and [`TIME_MAX_MS`].
    pub(crate) const fn of(timestamp_ms: i64) -> Self {
        Self {
            day: timestamp_ms.div_euclid(DAY_MS),
        }
    }

    /// The day whose directory is called `name`.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        let mut fields = name.split('-');
        let (year, month, day) = (fields.next()?, fields.next()?, fields.next()?);
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let lengths = (year.len(), month.len(), day.len()) == (4, 2, 2);
        if fields.next().is_some() || !lengths || ![year, month, day].into_iter().all(digits) {
            return None;
        }
        let (year, month, day) = (year.parse().ok()?, month.parse().ok()?, day.parse().ok()?);
        if year < 1 || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
            return None;
        }
        let partition = Self {
            day: days_from_date(year, month, day),
        };
        // A day that the month does not have comes out as another name.
        (partition.to_string() == name).then_some(partition)
    }

    /// First to last millisecond of the day.
    pub(crate) fn range(self) -> TimeRange {
        let start = self.day.saturating_mul(DAY_MS);
        TimeRange::new(start, start.saturating_add(DAY_MS - 1)).expect("a day ends after it starts")
    }
}

/// The name of the day's directory, such as `2026-11-21`.
impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = date_from_days(self.day);
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

/// Days in the 400 years after which the calendar repeats.
const CYCLE_DAYS: i64 = 146_097;

/// Days from 0000-03-01 to 1970-01-01. Counting years from March puts the leap day at the end of a year.
const EPOCH_DAYS: i64 = 719_468;

/// Days before each month of a year that begins in March.
const MONTH_STARTS: [i64; 12] = [0, 31, 61, 92, 122, 153, 184, 214, 245, 275, 306, 337];

fn days_from_date(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let (cycle, year) = (year.div_euclid(400), year.rem_euclid(400));
    let year_start = year * 365 + year / 4 - year / 100;
    cycle * CYCLE_DAYS + year_start + MONTH_STARTS[month as usize] + day - 1 - EPOCH_DAYS
}

fn date_from_days(day: i64) -> (i64, i64, i64) {
    let day = day + EPOCH_DAYS;
    let (cycle, day) = (day.div_euclid(CYCLE_DAYS), day.rem_euclid(CYCLE_DAYS));
    // The day-of-cycle without the leap days before it, divided by the length of a common year.
    let year = (day - day / 1460 + day / 36_524 - day / (CYCLE_DAYS - 1)) / 365;
    let day = day - (year * 365 + year / 4 - year / 100);
    let month = MONTH_STARTS.partition_point(|start| *start <= day) - 1;
    let day = day - MONTH_STARTS[month] + 1;
    let year = cycle * 400 + year;
    if month < 10 {
        (year, month as i64 + 3, day)
    } else {
        (year + 1, month as i64 - 9, day)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_named_by_their_date() {
        let name = |ms: i64| Partition::of(ms).to_string();
        assert_eq!(name(0), "1970-01-01");
        assert_eq!(name(-1), "1969-12-31");
        assert_eq!(name(951_782_400_000), "2000-02-29");
        assert_eq!(name(1_795_219_200_000), "2026-11-21");
        assert_eq!(name(TIME_MIN_MS), "0001-01-01");
        assert_eq!(name(TIME_MAX_MS), "9999-12-31");
    }

    #[test]
    fn every_day_is_found_by_its_name_and_follows_the_day_before() {
        let mut previous = String::new();
        // One cycle of the calendar, and the last days that have a name.
        let cycle = (0..=CYCLE_DAYS).map(|day| TIME_MIN_MS + day * DAY_MS);
        let last = (0..400).rev().map(|day| TIME_MAX_MS - day * DAY_MS);
        for ms in cycle.chain(last) {
            let partition = Partition::of(ms);
            let name = partition.to_string();
            assert_eq!(Partition::from_name(&name), Some(partition));
            assert!(
                name > previous || ms == TIME_MIN_MS,
                "{name} after {previous}"
            );
            assert!(partition.range().contains(ms) && !partition.range().contains(ms - DAY_MS));
            previous = name;
        }
    }

    #[test]
    fn other_names_are_no_days() {
        for name in [
            "",
            "2026-11-31",
            "2026-02-29",
            "2026-13-01",
            "2026-1-01",
            "0000-01-01",
            "x",
            "2026-11-21-1",
        ] {
            assert_eq!(Partition::from_name(name), None, "{name}");
        }
        assert_eq!(Partition::from_name("+026-11-21"), None);
    }
}
