//! Partitions: the stretches of time that own parts.

use std::fmt;
use std::time::Duration;

use chronoxide_model::TimeRange;

/// A stretch of time, usually a UTC day. Its parts hold samples of that time only, and retention drops it as a whole.
///
/// Partitions of different widths never overlap in one database: see [`Layout`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Partition {
    start_ms: i64,
    width: PartitionWidth,
}

/// How long a partition is. Each width starts where a narrower one does, and ends where one does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum PartitionWidth {
    /// Six hours.
    QuarterDay,
    /// A UTC day.
    Day,
    /// Seven days from a Monday on.
    Week,
}

const HOUR_MS: i64 = 3600 * 1000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// The first millisecond of the year 1, a Monday: directories are named after days, and years before it have no name.
pub(crate) const TIME_MIN_MS: i64 = -719_162 * DAY_MS;

/// The last millisecond of the year 9999.
pub(crate) const TIME_MAX_MS: i64 = 2_932_897 * DAY_MS - 1;

impl PartitionWidth {
    /// The width of new partitions: retention drops whole partitions, so that they must be short beside it, and many
    /// partitions are many files.
    pub(crate) const fn for_retention(retention: Duration) -> Self {
        const DAY_SECONDS: u64 = 24 * 3600;
        match retention.as_secs() {
            0..=172_799 => Self::QuarterDay,
            seconds if seconds <= 90 * DAY_SECONDS => Self::Day,
            _ => Self::Week,
        }
    }

    const fn ms(self) -> i64 {
        match self {
            Self::QuarterDay => 6 * HOUR_MS,
            Self::Day => DAY_MS,
            Self::Week => 7 * DAY_MS,
        }
    }

    const fn narrower(self) -> Option<Self> {
        match self {
            Self::QuarterDay => None,
            Self::Day => Some(Self::QuarterDay),
            Self::Week => Some(Self::Day),
        }
    }
}

impl Partition {
    /// The partition of this width that has a time between [`TIME_MIN_MS`] and [`TIME_MAX_MS`].
    pub(crate) const fn of(timestamp_ms: i64, width: PartitionWidth) -> Self {
        let since_ms = timestamp_ms - TIME_MIN_MS;
        Self {
            start_ms: timestamp_ms - since_ms.rem_euclid(width.ms()),
            width,
        }
    }

    /// The partition whose directory is called `name`.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        let (date, width, hour) = match name.split_once('+') {
            None => (name, PartitionWidth::Day, 0),
            Some((date, "7d")) => (date, PartitionWidth::Week, 0),
            Some((time, "6h")) => {
                let (date, hour) = time.split_once('T')?;
                (date, PartitionWidth::QuarterDay, hour.parse().ok()?)
            }
            Some(_) => return None,
        };
        let hour: i64 = Some(hour).filter(|hour| (0..24).contains(hour))?;
        let partition = Self::of(day_from_name(date)? * DAY_MS + hour * HOUR_MS, width);
        // A day that the month does not have, or a time at which none starts, comes out as another name.
        (partition.to_string() == name).then_some(partition)
    }

    /// First to last millisecond.
    pub(crate) fn range(self) -> TimeRange {
        let end_ms = self.start_ms.saturating_add(self.width.ms() - 1);
        TimeRange::new(self.start_ms, end_ms).expect("a partition ends after it starts")
    }
}

/// The days since 1970-01-01 of a date such as `2026-11-21`; a day that the month does not have counts on.
fn day_from_name(name: &str) -> Option<i64> {
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
    Some(days_from_date(year, month, day))
}

/// The name of the directory: `2026-11-21` for a day, `2026-11-21T06+6h` for a part of it, `2026-11-16+7d` for a week.
impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = date_from_days(self.start_ms.div_euclid(DAY_MS));
        write!(f, "{year:04}-{month:02}-{day:02}")?;
        match self.width {
            PartitionWidth::Day => Ok(()),
            PartitionWidth::Week => f.write_str("+7d"),
            PartitionWidth::QuarterDay => {
                let hour = self.start_ms.rem_euclid(DAY_MS) / HOUR_MS;
                write!(f, "T{hour:02}+6h")
            }
        }
    }
}

/// Which partition a time belongs to, when there are some already, perhaps of another width because retention was
/// another then.
#[derive(Debug)]
pub(crate) struct Layout {
    width: PartitionWidth,
    /// Ascending, and none overlaps another.
    existing: Vec<Partition>,
}

impl Layout {
    /// New partitions get `width`, where `existing` ones, ascending, leave room for it.
    pub(crate) fn new(width: PartitionWidth, existing: impl Iterator<Item = Partition>) -> Self {
        Self {
            width,
            existing: existing.collect(),
        }
    }

    /// The partition of a time between [`TIME_MIN_MS`] and [`TIME_MAX_MS`]: an existing one, or else the widest that
    /// overlaps none.
    pub(crate) fn partition_of(&self, timestamp_ms: i64) -> Partition {
        let after = self
            .existing
            .partition_point(|one| one.start_ms <= timestamp_ms);
        let neighbours =
            &self.existing[after.saturating_sub(1)..self.existing.len().min(after + 1)];
        if let Some(found) = neighbours
            .iter()
            .find(|one| one.range().contains(timestamp_ms))
        {
            return *found;
        }
        let mut partition = Partition::of(timestamp_ms, self.width);
        let overlaps = |one: &Partition, other: Partition| one.range().overlaps(&other.range());
        while neighbours.iter().any(|one| overlaps(one, partition)) {
            match partition.width.narrower() {
                Some(width) => partition = Partition::of(timestamp_ms, width),
                None => break,
            }
        }
        partition
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
        let name = |ms: i64| Partition::of(ms, PartitionWidth::Day).to_string();
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
            let partition = Partition::of(ms, PartitionWidth::Day);
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
            "2026-11-21+7d",
            "2026-11-16+1d",
            "2026-11-21T06",
            "2026-11-21T07+6h",
            "2026-11-21T24+6h",
            "2026-11-21T6+6h",
            "2026-11-21T+6+6h",
            "2026-11-31T06+6h",
        ] {
            assert_eq!(Partition::from_name(name), None, "{name}");
        }
        assert_eq!(Partition::from_name("+026-11-21"), None);
    }

    #[test]
    fn weeks_and_parts_of_days_have_names_of_their_own() {
        let name = |ms: i64, width| Partition::of(ms, width).to_string();
        let noon_ms = 1_795_262_400_000;
        assert_eq!(
            name(noon_ms, PartitionWidth::QuarterDay),
            "2026-11-21T12+6h"
        );
        assert_eq!(
            name(noon_ms - 1, PartitionWidth::QuarterDay),
            "2026-11-21T06+6h"
        );
        assert_eq!(name(noon_ms, PartitionWidth::Week), "2026-11-16+7d");
        assert_eq!(name(TIME_MIN_MS, PartitionWidth::Week), "0001-01-01+7d");
        for width in [
            PartitionWidth::QuarterDay,
            PartitionWidth::Day,
            PartitionWidth::Week,
        ] {
            for step in 0..400 {
                let time_ms = noon_ms + step * 11 * HOUR_MS;
                let partition = Partition::of(time_ms, width);
                assert!(partition.range().contains(time_ms));
                assert_eq!(
                    Partition::from_name(&partition.to_string()),
                    Some(partition)
                );
                let next = Partition::of(partition.range().max_ms() + 1, width);
                assert_eq!(next.range().min_ms(), partition.range().max_ms() + 1);
            }
        }
    }

    #[test]
    fn the_width_follows_retention() {
        let days = |days: u64| PartitionWidth::for_retention(Duration::from_secs(days * 24 * 3600));
        assert_eq!(days(0), PartitionWidth::QuarterDay);
        assert_eq!(days(1), PartitionWidth::QuarterDay);
        assert_eq!(days(2), PartitionWidth::Day);
        assert_eq!(days(90), PartitionWidth::Day);
        assert_eq!(days(91), PartitionWidth::Week);
        assert_eq!(
            PartitionWidth::for_retention(Duration::MAX),
            PartitionWidth::Week
        );
    }

    #[test]
    fn partitions_of_all_widths_never_overlap() {
        let widths = [
            PartitionWidth::Day,
            PartitionWidth::Week,
            PartitionWidth::QuarterDay,
            PartitionWidth::Week,
        ];
        let mut existing = std::collections::BTreeSet::new();
        let mut seed = 7_u64;
        for round in 0..2000 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let time_ms = (seed >> 33) as i64 % (60 * DAY_MS);
            let layout = Layout::new(widths[round / 20 % 4], existing.iter().copied());
            let partition = layout.partition_of(time_ms);
            assert!(partition.range().contains(time_ms));
            existing.insert(partition);
        }
        let ranges: Vec<TimeRange> = existing.iter().map(|one| one.range()).collect();
        assert!(
            ranges
                .windows(2)
                .all(|pair| pair[0].max_ms() < pair[1].min_ms())
        );
        assert!(ranges.len() > 8);
    }
}
