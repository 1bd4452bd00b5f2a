//! Dates of the Gregorian calendar in UTC, for the time functions.

/// One instant, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Calendar {
    /// Year, 0 and negative before our era.
    pub(crate) year: i64,
    /// 1 to 12.
    pub(crate) month: u32,
    /// 1 to 31.
    pub(crate) day: u32,
    /// 0 (Sunday) to 6.
    pub(crate) weekday: u32,
    /// 1 to 366.
    pub(crate) day_of_year: u32,
    /// 0 to 23.
    pub(crate) hour: u32,
    /// 0 to 59.
    pub(crate) minute: u32,
    /// 0 to 59.
    pub(crate) second: u32,
}

const DAY_SECONDS: i64 = 86_400;

impl Calendar {
    /// The instant `seconds` after 1970-01-01.
    pub(crate) fn of_seconds(seconds: i64) -> Self {
        let days = seconds.div_euclid(DAY_SECONDS);
        let in_day = seconds.rem_euclid(DAY_SECONDS);
        let (year, month, day) = date_of_days(days);
        let january_first = days_of_date(year, 1, 1);
        Self {
            year,
            month,
            day,
            weekday: (days + 4).rem_euclid(7) as u32,
            day_of_year: (days - january_first + 1) as u32,
            hour: (in_day / 3600) as u32,
            minute: (in_day / 60 % 60) as u32,
            second: (in_day % 60) as u32,
        }
    }

    /// The instant `seconds` after 1970-01-01, parts of seconds left out.
    ///
    /// What is no number of seconds that 64 bits hold (NaN and the infinities, too) counts as the last one that they do:
    /// there Prometheus ends up as well, where processors turn all of these into the first one, a second after the last.
    pub(crate) fn of_value(seconds: f64) -> Self {
        const BOUND: f64 = (1_u64 << 63) as f64;
        Self::of_seconds(if -BOUND < seconds && seconds < BOUND {
            seconds as i64
        } else {
            i64::MAX
        })
    }

    /// How many days the month has.
    pub(crate) fn days_in_month(&self) -> u32 {
        match self.month {
            2 if is_leap(self.year) => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        }
    }
}

const fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// Year, month and day of the day `days` after 1970-01-01.
///
/// Years are counted from March on, so that the leap day is the last of its year, in cycles of 400 years.
fn date_of_days(days: i64) -> (i64, u32, u32) {
    const CYCLE_DAYS: i64 = 146_097;
    let since_march_0 = days + 719_468;
    let cycle = since_march_0.div_euclid(CYCLE_DAYS);
    let in_cycle = since_march_0.rem_euclid(CYCLE_DAYS);
    let year_in_cycle = (in_cycle - in_cycle / 1460 + in_cycle / 36_524 - in_cycle / 146_096) / 365;
    let in_year = in_cycle - (365 * year_in_cycle + year_in_cycle / 4 - year_in_cycle / 100);
    let march_month = (5 * in_year + 2) / 153;
    let day = in_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 {
        march_month + 3
    } else {
        march_month - 9
    };
    let year = year_in_cycle + cycle * 400 + i64::from(month <= 2);
    (year, month as u32, day as u32)
}

/// The number of days from 1970-01-01 to the date.
fn days_of_date(year: i64, month: u32, day: u32) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let cycle = year.div_euclid(400);
    let year_in_cycle = year.rem_euclid(400);
    let march_month = i64::from((month + 9) % 12);
    let in_year = (153 * march_month + 2) / 5 + i64::from(day) - 1;
    cycle * 146_097 + year_in_cycle * 365 + year_in_cycle / 4 - year_in_cycle / 100 + in_year
        - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_instants_have_their_dates() {
        let at = Calendar::of_seconds(0);
        assert_eq!((at.year, at.month, at.day), (1970, 1, 1));
        assert_eq!((at.weekday, at.day_of_year), (4, 1));
        let at = Calendar::of_seconds(951_782_400);
        assert_eq!((at.year, at.month, at.day, at.weekday), (2000, 2, 29, 2));
        assert_eq!((at.day_of_year, at.days_in_month()), (60, 29));
        let at = Calendar::of_seconds(-1);
        assert_eq!((at.year, at.month, at.day), (1969, 12, 31));
        assert_eq!((at.hour, at.minute, at.second), (23, 59, 59));
        assert_eq!(at.day_of_year, 365);
    }

    #[test]
    fn what_is_no_time_counts_as_the_last_one() {
        let last = Calendar::of_seconds(i64::MAX);
        assert_eq!((last.year, last.month, last.day), (292_277_026_596, 12, 4));
        assert_eq!((last.hour, last.minute), (15, 30));
        let values = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300, -1e300];
        for value in values {
            assert_eq!(Calendar::of_value(value), last, "{value}");
        }
        assert_eq!(Calendar::of_value(-0.5), Calendar::of_seconds(0));
        let early = -9_223_372_036_854_774_784.0;
        assert!(Calendar::of_value(early).year < -292_277_000_000);
    }

    #[test]
    fn every_day_of_eight_centuries_follows_the_one_before() {
        let mut expected = (1600, 1, 1);
        for day in days_of_date(1600, 1, 1)..days_of_date(2400, 1, 1) {
            let at = Calendar::of_seconds(day * DAY_SECONDS);
            assert_eq!((at.year, at.month, at.day), expected);
            expected = if at.day < at.days_in_month() {
                (at.year, at.month, at.day + 1)
            } else if at.month < 12 {
                (at.year, at.month + 1, 1)
            } else {
                (at.year + 1, 1, 1)
            };
        }
    }
}
